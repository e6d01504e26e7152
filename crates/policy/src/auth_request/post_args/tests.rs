use super::*;

use BodyFormat::{Form, Json};

fn format(lines: &[(&str, &str)]) -> Option<BodyFormat> {
    let lines = lines.iter();
    BodyFormat::of_header(lines.map(|(name, value)| (name.as_bytes(), value.as_bytes())))
}

fn arg(format: BodyFormat, body: impl AsRef<[u8]>, name: &str) -> Option<String> {
    let args = PostArgs::parse(format, body.as_ref());
    args.get(name.as_bytes())
        .map(|value| String::from_utf8_lossy(value).into())
}

#[test]
fn only_a_form_or_json_in_utf_8_that_is_announced_once_has_a_format() {
    let form = "application/x-www-form-urlencoded";
    for (media_type, expected) in [
        ("", None),
        ("text/plain", None),
        ("multipart/form-data; boundary=x", None),
        ("application/jsonp", None),
        ("application/json, text/plain", None),
        ("application/json text/plain", None),
        ("application/x-www-form-urlencoded; charset=utf-7", None),
        ("application/json;charset=utf-16", None),
        ("application/json; charset=", None),
        ("application/json; charset", None),
        ("application/json; charset = utf-8", None),
        ("application/json; charset=utf-8, text/plain", None),
        ("application/json; charset=utf-8; charset=utf-8", None),
        ("application/json; CHARSET=iso-8859-1", None),
        ("application/json; charset*=utf-8''utf-7", None),
        ("application/json; charset*0=utf; charset*1=-7", None),
        ("application/json; a=\"; charset=utf-7; b=\"", None),
        ("application/json; charset=\"utf-8", None),
        ("application/json; charset='utf-8'", None),
        ("application/json; a=\"\\\"\"; charset=utf-8", None),
        ("application/json; charset=utf8", None),
        ("application/json", Some(Json)),
        ("APPLICATION/JSON ; Charset=UTF-8", Some(Json)),
        ("application/json;", Some(Json)),
        ("application/json; charset=\"utf-8\"; version=1", Some(Json)),
        ("application/vnd.api+json; ext=\"a b\"", Some(Json)),
        (form, Some(Form)),
        (
            "Application/X-WWW-Form-Urlencoded ;charset=utf-8",
            Some(Form),
        ),
    ] {
        assert_eq!(
            format(&[("Content-Type", media_type)]),
            expected,
            "{media_type}"
        );
    }
    for lines in [
        &[][..],
        &[("Content-Type", form), ("content-type", form)],
        &[("Content-Type", form), ("Content_Type", "text/plain")],
        &[("Content_Type", form)],
        &[("Content-Type", form), ("Content-Encoding", "gzip")],
        &[("Content-Encoding", "identity"), ("Content-Type", form)],
        &[("Content-Type", form), ("content_encoding", "")],
    ] {
        assert_eq!(format(lines), None, "{lines:?}");
    }
    let lines = [
        ("Host", "a"),
        ("content-TYPE", form),
        ("Accept-Encoding", "gzip"),
    ];
    assert_eq!(format(&lines), Some(Form));
}

#[test]
fn a_body_that_is_malformed_has_no_arguments() {
    for (format, body) in [
        (Form, &b""[..]),
        (Form, b"&&"),
        (Form, b"a=1&%zz=2"),
        (Form, b"a=1&%u0062=2"),
        (Form, b"a=1&b%=2"),
        (Form, b"a=1&%ff=2"),
        (Form, b"a=1&%c1%a1=2"),
        (Form, b"a=1&_charset_=utf-7"),
        (Form, b"_Charset_=%ff&a=1"),
        (Form, b"a=1&x;%f=1"),
        (Json, b""),
        (Json, b"[1]"),
        (Json, b"\"a\""),
        (Json, b"{\"a\":1} x"),
        (Json, b"{\"a\":1"),
        (Json, b"{\"a\":01}"),
        (Json, b"{\"a\":\"\xff\"}"),
        (Json, b"\xef\xbb\xbf{\"a\":1}"),
        (Json, b"a=1"),
    ] {
        assert_eq!(
            PostArgs::parse(format, body),
            PostArgs::default(),
            "{body:?}"
        );
    }
}

#[test]
fn the_fields_of_a_form_are_decoded() {
    let body = b"a=1&b=x+y%20z%26&c&=e&d=%zz%4&a%62=2&e=%C3%BC=";
    let get = |name| arg(Form, body, name);
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
    {
        let get = |name| arg(Json, body, name);
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
    assert_eq!(arg(Form, b"a=1&a=1", "a"), None);
    assert_eq!(arg(Form, b"a=1&%61=2&b=3", "a"), None);
    assert_eq!(arg(Form, b"a=1&%61=2&b=3", "b").as_deref(), Some("3"));
    assert_eq!(arg(Form, b"a=1&A=1", "a"), None);
    assert_eq!(arg(Json, br#"{"a":1,"\u0061":2}"#, "a"), None);
    assert_eq!(arg(Json, br#"{"a":1,"a":null,"a":2}"#, "a"), None);
}

#[test]
fn a_name_that_occurs_in_another_spelling_has_no_value() {
    for other in [
        "TENANT_ID",
        "tenant.id",
        "tenant+id",
        "tenant%20id",
        "tenant[id",
        "tenant-id",
        "tenantid",
        "tenantId",
        "+tenant_id",
        "tenant_id+",
        "_tenant_id",
        "!tenant_id",
        "tenant_id[]",
        "tenant_id%5B%5D",
        "tenant_id[x]",
        "tenant_id[x][y]",
        "tenant_id[",
        "tenant_id.x",
        "tenant_id.x[]",
        "tenant.id[]",
        "tenant_id%00",
        "tenant_id%00x",
        "[tenant_id",
        "tenant_%C4%B0d",
        "tenant_%C4%B1d",
        "%EF%BB%BFtenant_id",
        "x;tenant_id",
        "x=1;tenant_id",
        "tenant_id;x",
        "x=1;y=2;tenant.id",
    ] {
        for body in [
            format!("tenant_id=a&{other}=b"),
            format!("{other}=b&tenant_id=a"),
        ] {
            assert_eq!(arg(Form, &body, "tenant_id"), None, "{body}");
        }
        assert_eq!(
            arg(Form, format!("{other}=b"), "tenant_id").filter(|_| other != "TENANT_ID"),
            None
        );
    }
    for other in [
        "tenant",
        "tenant_ids",
        "id",
        "tenant[id]",
        "x[tenant_id]",
        "x.tenant_id",
        "x",
    ] {
        let body = format!("tenant_id=a&{other}=b&{other}=c");
        assert_eq!(
            arg(Form, &body, "tenant_id").as_deref(),
            Some("a"),
            "{body}"
        );
    }
    for other in [
        "Tenant_Id",
        "tenantId",
        "tenant.id",
        "tenant_id[]",
        "tenant_id\\u0000",
        "tenant_\u{131}d",
    ] {
        let body = format!(r#"{{"tenant_id":"a","{other}":"b"}}"#);
        assert_eq!(arg(Json, &body, "tenant_id"), None, "{body}");
    }
}

#[test]
fn a_value_that_parsers_would_read_differently_is_none() {
    assert_eq!(arg(Form, "a=%ff&b=1", "a"), None);
    assert_eq!(arg(Form, "a=%ff&b=1", "b").as_deref(), Some("1"));
    assert_eq!(arg(Form, "a=1;b&c=1", "a"), None);
    assert_eq!(arg(Form, "a=1;b&c=1", "b"), None);
    assert_eq!(arg(Form, "a=1;b&c=1", "c").as_deref(), Some("1"));
    assert_eq!(arg(Form, "a=1%3Bb", "a").as_deref(), Some("1;b"));
    assert_eq!(arg(Form, "a=1&_charset_=UTF-8", "a").as_deref(), Some("1"));
}

#[test]
fn a_form_that_is_a_json_object_has_its_members_unless_they_are_fields_too() {
    let documented = "{\n   \"tenant_id\": 123\n}";
    assert_eq!(arg(Form, documented, "tenant_id").as_deref(), Some("123"));
    assert_eq!(arg(Form, "{\"abc\": 123}", "tenant_id"), None);
    for body in [
        r#"{"tenant_id":"a","x":"&tenant_id=b&"}"#,
        r#"{"tenant_id":"a","x":"&tenant.id=b&"}"#,
        r#"{"tenant_id":"a","x":"&tenant_id[]=b"}"#,
        r#"{"x":"&tenant_id=b"}&tenant_id=a"#,
        r#"{"tenant_id":"a","x":";tenant_id=b"}"#,
        r#"{"tenant_id":"a","tenant_id":"b"}"#,
        r#"{"tenant_id":"a"} x"#,
        r#"{"tenant_id":"a","x":"%zz"}"#,
        r#"[{"tenant_id":"a"}]"#,
        "{tenant_id:1}",
    ] {
        assert_eq!(arg(Form, body, "tenant_id"), None, "{body}");
    }
    // The JSON reading has no such member, and the application reads a form.
    assert_eq!(
        arg(Form, r#"{"x":"&tenant_id=b"#, "tenant_id").as_deref(),
        Some("b")
    );
    assert_eq!(
        arg(Form, "{&tenant_id=b", "tenant_id").as_deref(),
        Some("b")
    );
}
