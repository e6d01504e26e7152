use super::*;

#[test]
fn a_dot_dot_segment_is_found_as_servers_would_see_it() {
    for path in [
        "/..",
        "/../a",
        "/a/..",
        "/a/../b",
        "/a//../b",
        "/a/..;b/c",
        "/..;",
    ] {
        assert!(before_dot_dot(path.as_bytes()).is_some(), "{path}");
    }
    for path in [
        "/", "/a", "/a..", "/..a", "/a/...", "/./a", "/a;..", "/%2e%2e", "//",
    ] {
        assert_eq!(before_dot_dot(path.as_bytes()), None, "{path}");
    }
}

#[test]
fn a_path_with_variables_must_not_climb_nor_break_a_request_line() {
    use UnsafePath::{Control, DotDot, Relative, Space};
    for (path, is_fixed, expected) in [
        ("/a", true, None),
        ("/a", false, None),
        ("/\u{fc}%0d%20", false, None),
        ("/a/..", true, None),
        ("/a/..", false, Some(DotDot(4))),
        ("/../a b", false, Some(DotDot(2))),
        ("/a//..;b/..", false, Some(DotDot(5))),
        ("", true, Some(Relative)),
        ("a", false, Some(Relative)),
        ("../a", false, Some(Relative)),
        (" /a", false, Some(Relative)),
        ("/a b", true, None),
        ("/a b", false, Some(Space(3))),
        ("/a ", false, Some(Space(3))),
        ("/a\tb", false, Some(Control(3))),
        ("/a\r\nX: y", false, Some(Control(3))),
        ("/\n", false, Some(Control(2))),
        ("/a\0", false, Some(Control(3))),
        ("/a\x1f", false, Some(Control(3))),
        ("/a\x7f", false, Some(Control(3))),
    ] {
        assert_eq!(
            unsafe_path(path.as_bytes(), is_fixed),
            expected,
            "{path} {is_fixed}"
        );
    }
}

#[test]
fn the_words_about_an_unsafe_path_have_nothing_of_it() {
    let path = b"/check/secret secret";
    let reason = unsafe_path(path, false).map(|reason| reason.to_string());
    assert_eq!(
        reason.as_deref(),
        Some("contains a space at byte 14 of its value")
    );
    for (reason, words) in [
        (UnsafePath::Relative, "does not begin with \"/\""),
        (
            UnsafePath::DotDot(4),
            "contains \"..\" at byte 4 of its value",
        ),
        (
            UnsafePath::Control(2),
            "contains a control character at byte 2 of its value",
        ),
    ] {
        assert_eq!(reason.to_string(), words);
    }
}

#[test]
fn arguments_are_encoded_only_if_they_must_be() {
    for args in [&b""[..], b"a=b&c=%20%3F?/[]{}|\\^`\"<>~"] {
        assert_eq!(encode_args(args), None);
    }
    assert_eq!(
        encode_args(b"u=/a b\r\nX: \0#\x7f\xff&c=%20").as_deref(),
        Some(&b"u=/a%20b%0D%0AX:%20%00%23%7F%FF&c=%20"[..])
    );
}

#[test]
fn a_value_of_a_query_is_encoded_but_for_unreserved_characters() {
    let unreserved = b"ABCxyz0189-._~";
    assert_eq!(encode_value(unreserved), unreserved);
    assert_eq!(encode_value(b""), b"");
    assert_eq!(
        encode_value(b"/a/../b c?d=e&f=%2F+#\r\n\"'()*!\x00\x7f\xc3\xbc"),
        b"%2Fa%2F..%2Fb%20c%3Fd%3De%26f%3D%252F%2B%23%0D%0A%22%27%28%29%2A%21%00%7F%C3%BC"
    );
}
