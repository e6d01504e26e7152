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
        assert!(has_dot_dot_segment(path.as_bytes()), "{path}");
    }
    for path in [
        "/", "/a", "/a..", "/..a", "/a/...", "/./a", "/a;..", "/%2e%2e", "//",
    ] {
        assert!(!has_dot_dot_segment(path.as_bytes()), "{path}");
    }
}

#[test]
fn a_path_with_variables_must_not_climb_nor_break_a_request_line() {
    let relative = Some("does not begin with \"/\"");
    let climbs = Some("contains \"..\"");
    let breaks = Some("contains a control character or a space");
    for (path, is_fixed, reason) in [
        ("/a", true, None),
        ("/a", false, None),
        ("/\u{fc}%0d%20", false, None),
        ("/a/..", true, None),
        ("/a/..", false, climbs),
        ("", true, relative),
        ("a", false, relative),
        ("../a", false, relative),
        (" /a", false, relative),
        ("/a b", true, None),
        ("/a b", false, breaks),
        ("/a ", false, breaks),
        ("/a\tb", false, breaks),
        ("/a\r\nX: y", false, breaks),
        ("/\n", false, breaks),
        ("/a\0", false, breaks),
        ("/a\x1f", false, breaks),
        ("/a\x7f", false, breaks),
    ] {
        assert_eq!(
            unsafe_path_reason(path.as_bytes(), is_fixed),
            reason,
            "{path} {is_fixed}"
        );
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
