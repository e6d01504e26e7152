//! Which header lines of a client `auth_jwt_key_request` may pass to the source of the keys.

/// Lines about one message or one connection (RFC 9110 sections 7.6.1 and 8), and lines that would
/// make the response something else than the whole, uncompressed key set (RFC 9110 sections 12.5.3,
/// 13 and 14).
const NEVER_PASSED: [&str; 18] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What is wrong with the name of a header line that is to be passed, if so.
pub fn refused_name_reason(name: &[u8]) -> Option<&'static str> {
    let is_name_byte = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if name.is_empty() || !name.iter().all(is_name_byte) {
        Some("it must be the name of a header")
    } else if NEVER_PASSED
        .iter()
        .any(|never| name.eq_ignore_ascii_case(never.as_bytes()))
    {
        Some("that header would change what the response is, or belongs to a single message")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_changes_the_form_of_the_response_is_not_passed() {
        for name in ["X-Tenant", "authorization", "Cookie", "x_tenant"] {
            assert_eq!(refused_name_reason(name.as_bytes()), None, "{name}");
        }
        for name in [
            "Range",
            "IF-NONE-MATCH",
            "accept-encoding",
            "Host",
            "",
            "a b",
            "X-*",
        ] {
            assert!(refused_name_reason(name.as_bytes()).is_some(), "{name}");
        }
    }
}
