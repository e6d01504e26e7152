use super::*;

fn names(texts: &[&str]) -> HeaderNames {
    let mut names = HeaderNames::default();
    for text in texts {
        names.push(text.as_bytes()).unwrap();
    }
    names
}

#[test]
fn what_is_not_a_header_name_is_refused() {
    for text in ["", "*", "a b", "a:", "X*Y", "X-**", "$a", "a\r", "\u{fc}"] {
        assert_eq!(
            HeaderNames::default().push(text.as_bytes()),
            Err(InvalidHeaderName::Malformed),
            "{text:?}"
        );
    }
    for text in ["Content-Length", "host", "TE", "Transfer-Encoding"] {
        assert_eq!(
            HeaderNames::default().push(text.as_bytes()),
            Err(InvalidHeaderName::Framing)
        );
    }
}

#[test]
fn lines_of_a_response_are_selected_in_any_case() {
    let names = names(&["X-User", "X-Authgear-*", "C*"]);
    for line in [
        "X-User",
        "x-uSER",
        "X-Authgear-",
        "x-authgear-session-valid",
        "Cookie",
    ] {
        assert!(names.selects(line.as_bytes()), "{line}");
    }
    for line in [
        "X_User",
        "X-Use",
        "X-Users",
        "X-Authgear",
        "Y-X-User",
        "",
        "Content-Length",
        "Connection",
    ] {
        assert!(!names.selects(line.as_bytes()), "{line}");
    }
    assert!(HeaderNames::default().is_empty() && !names.is_empty());
    assert!(!HeaderNames::default().selects(b"X"));
}

#[test]
fn a_client_could_impersonate_with_other_spellings() {
    let names = names(&["X-User", "X-Authgear-*", "Content-*"]);
    for line in [
        "X-User",
        "x_user",
        "X_USER",
        "X.User",
        "x-authgear_session",
        "X_Authgear_",
        "Content-Language",
    ] {
        assert!(names.could_impersonate(line.as_bytes()), "{line}");
    }
    for line in [
        "XUser",
        "X-User2",
        "User",
        "X-Authgear",
        "Content-Type",
        "content-length",
    ] {
        assert!(!names.could_impersonate(line.as_bytes()), "{line}");
    }
}

#[test]
fn credentials_are_found_by_whole_name_and_by_prefix() {
    assert!(names(&["X-A", "AUTHORIZATION"]).include_credentials());
    assert!(names(&["Co*"]).include_credentials());
    assert!(!names(&["X-Authorization", "Auth"]).include_credentials());
    assert!(is_credential(b"Cookie") && !is_credential(b"X-Cookie"));
}

#[test]
fn the_type_and_the_encoding_of_a_body_are_known_in_every_spelling() {
    for name in [
        "Content-Type",
        "content_type",
        "CONTENT.ENCODING",
        "content-encoding",
    ] {
        assert!(says_how_to_read_body(name.as_bytes()), "{name}");
    }
    for name in [
        "Content-Length",
        "Content-Types",
        "Content-Typ",
        "ContentType",
        "",
    ] {
        assert!(!says_how_to_read_body(name.as_bytes()), "{name}");
    }
}

#[test]
fn a_list_is_extended_by_the_names_that_it_lacks() {
    let mut list = names(&["X-User", "X-A*"]);
    list.extend(&names(&["X-Role", "X-User", "X-A"]));
    assert_eq!(list, names(&["X-User", "X-A*", "X-Role", "X-A"]));
    list.extend(&HeaderNames::none());
    assert_eq!(list, names(&["X-User", "X-A*", "X-Role", "X-A"]));
}
