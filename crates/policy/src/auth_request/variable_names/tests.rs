use super::*;

#[test]
fn the_names_in_a_text_are_found() {
    let names = |text: &str| {
        let names = variable_names(text.as_bytes());
        let names: Vec<_> = names.map(|name| String::from_utf8(name).unwrap()).collect();
        names.join(" ")
    };
    for (text, expected) in [
        ("", ""),
        ("host", ""),
        ("$host", "host"),
        ("${host}", "host"),
        ("a$Host-b${Cookie_A}c$1", "host cookie_a 1"),
        ("$a$b|$c", "a b c"),
        ("$http_x-y", "http_x"),
    ] {
        assert_eq!(names(text), expected, "{text}");
    }
}

#[test]
fn a_cookie_of_the_response_is_known_by_the_name_of_its_variable() {
    for name in [
        "upstream_http_set_cookie",
        "sent_http_set_cookie",
        "upstream_cookie_a",
    ] {
        assert!(shows_set_cookie(name.as_bytes()), "{name}");
    }
    for name in [
        "upstream_http_x",
        "cookie_a",
        "http_cookie",
        "upstream_http_set_cookie2",
        "",
    ] {
        assert!(!shows_set_cookie(name.as_bytes()), "{name}");
    }
}

#[test]
fn a_cookie_is_found_in_a_text() {
    for (text, cookie) in [
        ("a=1", "a=1"),
        ("x a=1; Path=/", "a=1; Path=/; HttpOnly"),
        ("<a=1>", " a=1 ;Path=/"),
    ] {
        assert!(has_cookie(text.as_bytes(), cookie.as_bytes()), "{text}");
    }
    for (text, cookie) in [
        ("", "a=1"),
        ("a=2", "a=1"),
        ("a=1", "a=12"),
        ("a", ""),
        ("a", "; Path=/"),
    ] {
        assert!(!has_cookie(text.as_bytes(), cookie.as_bytes()), "{text}");
    }
}
