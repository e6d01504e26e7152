//! What `auth_jwt` takes for the realm, and its author may have meant for something else.

use super::variable_name::variable_name;

/// Why a realm looks like a mistake, in words that follow it.
pub fn doubt(realm: &[u8]) -> Option<&'static str> {
    if realm.eq_ignore_ascii_case(b"on") {
        return Some("the argument is the realm; there is no \"auth_jwt on\"");
    }
    let name = variable_name(realm)?.to_ascii_lowercase();
    let contains = |word: &[u8]| name.windows(word.len()).any(|part| part == word);
    let is_source = [&b"cookie_"[..], b"arg_", b"http_", b"post_arg_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        || [&b"jwt"[..], b"token", b"bearer"].into_iter().any(contains);
    (is_source && !contains(b"realm"))
        .then_some("a variable alone is the realm; token= says where the token is")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_realm_that_looks_like_a_switch_or_a_source_of_tokens_is_doubted() {
        for realm in [
            "on",
            "ON",
            "$cookie_jwt",
            "${arg_t}",
            "$http_x",
            "$post_arg_t",
            "$my_token",
        ] {
            assert!(doubt(realm.as_bytes()).is_some(), "{realm}");
        }
        for realm in [
            "",
            "api",
            "online",
            "$realm",
            "$host",
            "$arg_realm",
            "$jwt_realm",
            "for $cookie_jwt",
            "$cookie_jwt$cookie_b",
            "$",
            "${}",
        ] {
            assert_eq!(doubt(realm.as_bytes()), None, "{realm}");
        }
    }
}
