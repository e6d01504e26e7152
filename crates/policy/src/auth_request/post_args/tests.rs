use super::*;

const FORM: &[u8] = b"application/x-www-form-urlencoded";
const JSON: &[u8] = b"application/json";

fn arg(content_type: &[u8], body: &[u8], name: &str) -> Option<String> {
    let args = PostArgs::parse(content_type, body);
    args.get(name.as_bytes())
        .map(|value| String::from_utf8_lossy(value).into())
}

#[test]
fn a_body_that_is_neither_a_form_nor_a_json_object_has_no_arguments() {
    for (content_type, body) in [
        (&b""[..], &b"a=1"[..]),
        (b"text/plain", b"a=1"),
        (b"multipart/form-data; boundary=x", b"a=1"),
        (FORM, b""),
        (FORM, b"&&"),
        (JSON, b""),
        (JSON, b"[1]"),
        (JSON, b"\"a\""),
        (JSON, b"{\"a\":1} x"),
        (JSON, b"{\"a\":1"),
        (JSON, b"{\"a\":01}"),
        (JSON, b"{\"a\":\"\xff\"}"),
        (JSON, b"\xef\xbb\xbf{\"a\":1}"),
        (b"application/jsonp", b"{\"a\":1}"),
    ] {
        assert_eq!(
            PostArgs::parse(content_type, body),
            PostArgs::default(),
            "{body:?}"
        );
    }
}

#[test]
fn the_fields_of_a_form_are_decoded() {
    let body = b"a=1&b=x+y%20z%26&c&=e&d=%zz%4&a%62=2&e=%C3%BC=";
    let get = |name| {
        arg(
            b"Application/X-WWW-Form-Urlencoded ; charset=utf-8",
            body,
            name,
        )
    };
    assert_eq!(get("a").as_deref(), Some("1"));
    assert_eq!(get("b").as_deref(), Some("x y z&"));
    assert_eq!(get("c").as_deref(), Some(""));
    assert_eq!(get("").as_deref(), Some("e"));
    assert_eq!(get("d").as_deref(), Some("%zz%4"));
    assert_eq!(get("ab").as_deref(), Some("2"));
    assert_eq!(get("e").as_deref(), Some("\u{fc}="));
    assert_eq!(get("f"), None);
}

#[test]
fn the_members_of_a_json_object_are_texts() {
    let body = br#" {"S":"a\u0041\n\"","n": 1.50e+2, "t":true,"f":false,"z":null,
        "a":[1, "b \" ,\\", [ ]],"o":{"k" : " v "},"e":""} "#;
    for content_type in [JSON, b"application/vnd.api+json; charset=utf-8"] {
        let get = |name| arg(content_type, body, name);
        assert_eq!(get("s").as_deref(), Some("aA\n\""));
        assert_eq!(get("n").as_deref(), Some("1.50e+2"));
        assert_eq!(get("t").as_deref(), Some("true"));
        assert_eq!(get("f").as_deref(), Some("false"));
        assert_eq!(get("z"), None);
        assert_eq!(get("a").as_deref(), Some(r#"[1,"b \" ,\\",[]]"#));
        assert_eq!(get("o").as_deref(), Some(r#"{"k":" v "}"#));
        assert_eq!(get("e").as_deref(), Some(""));
        assert_eq!(get("k"), None);
    }
}

#[test]
fn a_name_that_occurs_twice_has_no_value() {
    assert_eq!(arg(FORM, b"a=1&a=1", "a"), None);
    assert_eq!(arg(FORM, b"a=1&%61=2&b=3", "a"), None);
    assert_eq!(arg(FORM, b"a=1&%61=2&b=3", "b").as_deref(), Some("3"));
    assert_eq!(arg(FORM, b"a=1&A=1", "a"), None);
    assert_eq!(arg(JSON, br#"{"a":1,"\u0061":2}"#, "a"), None);
    assert_eq!(arg(JSON, br#"{"a":1,"a":null,"a":2}"#, "a"), None);
}
