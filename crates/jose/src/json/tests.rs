use std::borrow::Cow;

use text::Quoted;

use super::*;
use crate::error::{Error, InputPart};
use crate::limits::Limits;

const PART: InputPart = InputPart::Claims;

fn parse(text: &str) -> Result<Document, Error> {
    Document::parse_object(text.as_bytes().to_vec(), PART, 1 << 18, 32)
}

fn text_of(member: &str) -> VariableText<'static> {
    let document = parse(&format!("{{\"v\":{member}}}")).unwrap();
    match document.root().get(b"v").unwrap().text() {
        VariableText::Plain(text) => VariableText::Plain(Cow::Owned(text.into_owned())),
        VariableText::Absent => VariableText::Absent,
        VariableText::Unsafe => VariableText::Unsafe,
    }
}

fn plain(text: &str) -> VariableText<'_> {
    VariableText::Plain(Cow::Borrowed(text))
}

fn error_offset(text: &str) -> usize {
    match parse(text).err() {
        Some(Error::JsonSyntax { part: PART, offset }) => offset,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn values_are_found_by_path() {
    let document = parse(r#" {"a":{"b c":{"d.e":[1,{"x":2}]}},"f":"g"} "#).unwrap();
    let root = document.root();
    let found = root.path(&["a", "b c", "d.e"]).unwrap();
    assert_eq!(found.kind(), JsonKind::Array);
    assert_eq!(found.elements().count(), 2);
    let last = found.elements().last().unwrap();
    assert_eq!(last.get(b"x").unwrap().as_number(), Some("2"));
    assert_eq!(root.path(&["f"]).unwrap().as_str().unwrap(), "g");
    assert!(root.path(&["f", "g"]).is_none());
    assert!(root.path(&["a", "b"]).is_none());
    assert_eq!(root.path(&[""; 0]).unwrap().kind(), JsonKind::Object);
}

#[test]
fn names_with_escape_sequences_are_found() {
    let document = parse(r#"{"\u0061\n\ud83d\ude00":1}"#).unwrap();
    assert!(document.root().get("a\n\u{1f600}".as_bytes()).is_some());
}

#[test]
fn values_as_the_text_of_a_variable() {
    assert_eq!(text_of("1.50e+01"), plain("1.50e+01"));
    assert_eq!(text_of("true"), plain("true"));
    assert_eq!(text_of("null"), VariableText::Absent);
    assert_eq!(text_of(r#""a\u00e9\"\/""#), plain("a\u{e9}\"/"));
    assert_eq!(text_of("[ ]"), plain(""));
    assert_eq!(
        text_of(r#"[ "a,b", 1 , [true, "c"], null]"#),
        plain("a,b,1,true,c,null")
    );
    assert_eq!(
        text_of(r#"[1, {"a b" : "c \" d"}]"#),
        plain(r#"[1,{"a b":"c \" d"}]"#)
    );
    assert_eq!(
        text_of(r#"{"a" : [1, "\\ "] , "b": {}}"#),
        plain(r#"{"a":[1,"\\ "],"b":{}}"#)
    );
    for unsafe_text in [
        r#""a\u0000""#,
        r#""\r""#,
        r#"["a","\n"]"#,
        r#""\t""#,
        r#""\u001b""#,
        r#""\u007f""#,
        r#""\u0085""#,
        "\"\u{7f}\"",
        "\"a\u{85}\"",
        "[\"\u{9f}\"]",
        "{\"a\":\"\u{7f}\"}",
        "[{\"a\":\"\u{80}\"}]",
    ] {
        assert_eq!(text_of(unsafe_text), VariableText::Unsafe, "{unsafe_text}");
    }
    assert_eq!(text_of("\"\u{a0}\u{e9}\u{42}\""), plain("\u{a0}\u{e9}B"));
    assert_eq!(text_of(r#"{"a":"\n"}"#), plain(r#"{"a":"\n"}"#));
}

#[test]
fn syntax_errors_have_an_offset() {
    assert_eq!(error_offset(""), 0);
    assert_eq!(error_offset("\u{feff}{}"), 0);
    assert_eq!(error_offset("{} x"), 3);
    assert_eq!(error_offset("{\"a\":1}{"), 7);
    assert_eq!(error_offset("{\"a\":01}"), 6);
    assert_eq!(error_offset("{\"a\":+1}"), 5);
    assert_eq!(error_offset("{\"a\":.5}"), 5);
    assert_eq!(error_offset("{\"a\":1.}"), 7);
    assert_eq!(error_offset("{\"a\":1e}"), 7);
    assert_eq!(error_offset("{\"a\":NaN}"), 5);
    assert_eq!(error_offset("{\"a\":tru}"), 8);
    assert_eq!(error_offset("{\"a\":1,}"), 7);
    assert_eq!(error_offset("{\"a\" 1}"), 5);
    assert_eq!(error_offset("{a:1}"), 1);
    assert_eq!(error_offset("{\"a"), 3);
    assert_eq!(error_offset("{\"a\n\":1}"), 3);
    assert_eq!(error_offset("{\"\\x\":1}"), 2);
    assert_eq!(error_offset("{\"\\ud800\":1}"), 2);
    assert_eq!(error_offset("{\"\\ud800\\u0041\":1}"), 2);
    assert_eq!(error_offset("{\"\\udc00\":1}"), 2);
    assert_eq!(error_offset("{\"\\u00+1\":1}"), 2);
    assert_eq!(error_offset("{\"a\":[1 2]}"), 8);
    assert_eq!(error_offset("{'a':1}"), 1);
    assert_eq!(error_offset("{\"a\":1/**/}"), 6);
}

#[test]
fn other_errors_are_exact() {
    let twice = |name: &str| Error::DuplicateName {
        part: PART,
        name: Quoted::new(name),
    };
    assert_eq!(parse(r#"{"a":1,"a":1}"#).err(), Some(twice("a")));
    assert_eq!(parse(r#"{"a":1,"\u0061":1}"#).err(), Some(twice("a")));
    assert_eq!(
        parse(r#"{"x":[{"b":1,"c":2,"b":3}]}"#).err(),
        Some(twice("b"))
    );
    let many: Vec<_> = (0..40)
        .chain([7])
        .map(|n| format!("\"n{n}\":{n}"))
        .collect();
    assert_eq!(
        parse(&format!("{{{}}}", many.join(","))).err(),
        Some(twice("n7"))
    );
    assert_eq!(parse("[]").err(), Some(Error::NotObject { part: PART }));
    assert_eq!(parse("\"a\"").err(), Some(Error::NotObject { part: PART }));
    let bytes = Document::parse_object(b"{\"\xff\":1}".to_vec(), PART, 99, 32);
    assert_eq!(bytes.err(), Some(Error::NotUtf8 { part: PART }));
    assert!(Document::parse_object(b"{} ".to_vec(), PART, 3, 32).is_ok());
    let bytes = Document::parse_object(b"{}  ".to_vec(), PART, 3, 32);
    assert_eq!(
        bytes.err(),
        Some(Error::TooLarge {
            part: PART,
            limit: 3
        })
    );
}

#[test]
fn row_14_depth_has_a_limit() {
    let nested = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
    assert!(parse(&nested(31)).is_ok());
    let too_deep = Error::TooDeep {
        part: PART,
        limit: 32,
    };
    assert_eq!(parse(&nested(32)).err(), Some(too_deep.clone()));
    assert_eq!(parse(&nested(10_000)).err(), Some(too_deep));
}

#[test]
fn a_document_holds_a_value_of_any_type() {
    let parse = |text: &[u8]| Document::parse_value(text, &Limits::default());
    for (text, kind) in [
        ("null", JsonKind::Null),
        (" 1 ", JsonKind::Number),
        ("\"a\"", JsonKind::String),
        ("[1]", JsonKind::Array),
        ("{\"a\":[]}", JsonKind::Object),
    ] {
        assert_eq!(
            parse(text.as_bytes()).unwrap().root().kind(),
            kind,
            "{text}"
        );
    }
    for (text, message) in [
        (&b""[..], "value is not JSON at byte 0"),
        (b"01", "value is not JSON at byte 1"),
        (b"[1,", "value is not JSON at byte 3"),
        (b"[1] 2", "value is not JSON at byte 4"),
        (b"\"\xff\"", "value is not UTF-8"),
        (b"{\"a\":1,\"a\":1}", "value has the name \"a\" twice"),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), message);
    }
    let deep = "[".repeat(33) + &"]".repeat(33);
    assert_eq!(
        parse(deep.as_bytes()).unwrap_err().to_string(),
        "value is nested deeper than 32 levels"
    );
    let long = " ".repeat(256 << 10) + "1";
    assert_eq!(
        parse(long.as_bytes()).unwrap_err().to_string(),
        "value is longer than 262144 bytes"
    );
}
