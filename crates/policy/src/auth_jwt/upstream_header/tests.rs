use super::*;
use jose::{Document, Limits};

/// The lines of a claim `c` with this JSON, joined by ` | `; why there are none in angle brackets.
fn lines(json: &str, form: HeaderForm) -> String {
    let json = format!("{{\"c\":{json}}}");
    let document = Document::parse_value(json.as_bytes(), &Limits::default()).unwrap();
    let header = ClaimHeader::new(b"c", form).unwrap();
    match header.values(document.root()) {
        Ok(HeaderValues::None) => "none".into(),
        Ok(HeaderValues::One(value)) => format!("one {value}"),
        Ok(HeaderValues::Several(values)) => format!("several {}", values.join(" | ")),
        Err(reason) => format!("<{reason:?}>"),
    }
}

#[test]
fn each_type_in_each_form() {
    let control = "<ControlCharacter>";
    let (structure, comma, space) = ("<Structure>", "<Comma>", "<Space>");
    // The claim, and its lines with as=text, as=json and as=lines.
    let table = [
        (r#""a""#, "one a", r#"one "a""#, "one a"),
        (r#""a,b""#, "one a,b", r#"one "a,b""#, "one a,b"),
        (r#""é""#, "one é", r#"one "é""#, "one é"),
        (
            r#""\u00e9\"\\""#,
            r#"one é"\"#,
            r#"one "\u00e9\"\\""#,
            r#"one é"\"#,
        ),
        (r#""""#, "none", r#"one """#, "none"),
        ("1.50", "one 1.50", "one 1.50", "one 1.50"),
        ("-1e2", "one -1e2", "one -1e2", "one -1e2"),
        ("true", "one true", "one true", "one true"),
        ("false", "one false", "one false", "one false"),
        ("null", "none", "none", "none"),
        ("[]", "none", "one []", "several "),
        (r#"["a"]"#, "one a", r#"one ["a"]"#, "several a"),
        (
            r#"[ "a" , 1, true ]"#,
            "one a,1,true",
            r#"one ["a",1,true]"#,
            "several a | 1 | true",
        ),
        (
            r#"["a",null]"#,
            "one a,null",
            r#"one ["a",null]"#,
            "several a | null",
        ),
        (r#"["a",""]"#, "one a,", r#"one ["a",""]"#, "several a"),
        (r#"[""]"#, "none", r#"one [""]"#, "several "),
        (
            r#"["a,admin"]"#,
            comma,
            r#"one ["a,admin"]"#,
            "several a,admin",
        ),
        (
            r#"["a","\u002c"]"#,
            comma,
            r#"one ["a","\u002c"]"#,
            "several a | ,",
        ),
        (r#"["a",["b"]]"#, structure, r#"one ["a",["b"]]"#, structure),
        (r#"["a",{}]"#, structure, r#"one ["a",{}]"#, structure),
        (
            r#"{ "b" : [1, 2] }"#,
            structure,
            r#"one {"b":[1,2]}"#,
            structure,
        ),
        (r#""a\tb""#, control, r#"one "a\tb""#, control),
        (
            r#""a\r\nX-Role: admin""#,
            control,
            r#"one "a\r\nX-Role: admin""#,
            control,
        ),
        (r#""\u0000""#, control, r#"one "\u0000""#, control),
        (r#""\u0085""#, control, r#"one "\u0085""#, control),
        ("\"\u{7f}\"", control, control, control),
        (r#"["a","b\n"]"#, control, r#"one ["a","b\n"]"#, control),
        (r#"" admin""#, space, r#"one " admin""#, space),
        (r#""admin ""#, space, r#"one "admin ""#, space),
        (r#""admin\u00a0""#, space, r#"one "admin\u00a0""#, space),
        (r#"["a"," admin"]"#, space, r#"one ["a"," admin"]"#, space),
        (r#"" ""#, space, r#"one " ""#, space),
    ];
    for (json, text, as_json, as_lines) in table {
        assert_eq!(lines(json, HeaderForm::Text), text, "{json} as text");
        assert_eq!(lines(json, HeaderForm::Json), as_json, "{json} as json");
        assert_eq!(lines(json, HeaderForm::Lines), as_lines, "{json} as lines");
    }
}

#[test]
fn paths_lead_to_claims() {
    let json = br#"{"a":{"b":["x","y"]},"a.b":"z"}"#;
    let document = Document::parse_value(json, &Limits::default()).unwrap();
    let value = |path: &[u8]| {
        let header = ClaimHeader::new(path, HeaderForm::Text).unwrap();
        header.values(document.root())
    };
    let one = |text: &'static str| Ok(HeaderValues::One(text.into()));
    assert_eq!(value(b"a.b"), one("z"));
    assert_eq!(value(b".a.b"), one("x,y"));
    assert_eq!(value(b".a.b[1]"), one("y"));
    assert_eq!(value(b".a.b[2]"), Ok(HeaderValues::None));
    assert_eq!(value(b"a.c"), Ok(HeaderValues::None));
    assert!(ClaimHeader::new(b".a[", HeaderForm::Text).is_err());
    assert!(ClaimHeader::new(b"", HeaderForm::Text).is_err());
}

#[test]
fn forms() {
    assert_eq!(HeaderForm::parse(b"text"), Some(HeaderForm::Text));
    assert_eq!(HeaderForm::parse(b"json"), Some(HeaderForm::Json));
    assert_eq!(HeaderForm::parse(b"lines"), Some(HeaderForm::Lines));
    for other in [&b""[..], b"Text", b"lines ", b"xml"] {
        assert_eq!(HeaderForm::parse(other), None);
    }
}
