use super::*;

#[test]
fn row_35_quoted_text_cannot_leave_its_quotes() {
    assert_eq!(
        Quoted::new("a\"b\\c\r\n\t\u{e9}").to_string(),
        r#""a\"b\\c\x0d\x0a\x09\xc3\xa9""#
    );
    assert_eq!(
        Quoted::new(b"'\x7f\xff\0").to_string(),
        r#""'\x7f\xff\x00""#
    );
    assert_eq!(Quoted::new("").to_string(), r#""""#);
}

#[test]
fn quoted_text_is_truncated_at_the_limit() {
    let whole = Quoted::new("x".repeat(Quoted::LIMIT)).to_string();
    assert_eq!(whole, format!("\"{}\"", "x".repeat(Quoted::LIMIT)));
    let truncated = Quoted::new("x".repeat(65536)).to_string();
    assert_eq!(truncated, format!("\"{}\"...", "x".repeat(Quoted::LIMIT)));
    let whole = Quoted::whole("x".repeat(65536)).to_string();
    assert_eq!(whole, format!("\"{}\"", "x".repeat(65536)));
}

#[test]
fn a_field_value_has_no_nul_cr_and_lf() {
    assert!(is_field_value(b"") && is_field_value(b"a\tb \xff"));
    for value in [&b"a\r\nb"[..], b"\n", b"a\0", b"\r"] {
        assert!(!is_field_value(value), "{value:?}");
    }
}

#[test]
fn a_quoted_string_has_no_control_characters() {
    assert!(is_quotable(b"") && is_quotable(b"a \"b\" \xff"));
    for value in [&b"a\tb"[..], b"\n", b"\0", b"\x7f"] {
        assert!(!is_quotable(value), "{value:?}");
    }
}

#[test]
fn a_token_has_tchars_only() {
    assert!(is_token(b"scope") && is_token(b"!#$%&'*+-.^_`|~09AZaz"));
    for name in [
        &b""[..],
        b"a b",
        b"a=",
        b"a\"",
        b"a,b",
        b"a\t",
        b"\xc3\xa9",
        b"a/b",
    ] {
        assert!(!is_token(name), "{name:?}");
    }
}

#[test]
fn compact_json_has_white_space_only_in_strings() {
    let json = "{ \"a b\" :\t[1, 2\r\n], \"c\\\" d\\\\\" : \" \\\" \" }";
    assert_eq!(compact_json(json), r#"{"a b":[1,2],"c\" d\\":" \" "}"#);
    assert_eq!(compact_json(""), "");
}

#[test]
fn the_charset_of_a_content_type_is_found_behind_its_type() {
    for (content_type, type_length, expected) in [
        ("text/html; charset=utf-8", 9, "utf-8"),
        ("text/html;charset=utf-8", 9, "utf-8"),
        ("text/html; Charset=\"UTF-8\"", 9, "UTF-8"),
        ("text/html; a=b;  charset=x", 14, "x"),
        ("text/html; charset=", 9, ""),
        (";charset=x", 0, "x"),
    ] {
        assert_eq!(
            charset(content_type.as_bytes()),
            Some((type_length, expected.as_bytes())),
            "{content_type}"
        );
    }
    for content_type in [
        "",
        "text/html",
        "text/html;",
        "text/html; a=b",
        "charset=x",
        ";;",
    ] {
        assert_eq!(charset(content_type.as_bytes()), None, "{content_type}");
    }
}
