use super::*;
use VariableText::{Absent, Plain, Unsafe};
use proptest::prelude::*;

const JSON: &[(&str, &str)] = &[("Content-Type", "application/json")];

fn read(status: u16, lines: &[(&str, &str)], body: &[u8]) -> Result<Answer, AnswerError> {
    let lines = lines.iter();
    let lines = lines.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    Answer::read(status, lines, body)
}

fn error(body: impl AsRef<[u8]>) -> Option<AnswerError> {
    read(200, JSON, body.as_ref()).err()
}

fn answer(body: &str) -> Answer {
    read(200, JSON, body.as_bytes()).unwrap()
}

#[test]
fn a_body_that_is_not_certain_is_no_answer() {
    use AnswerError as E;
    for (body, expected) in [
        ("", E::Empty),
        (" ", E::NotJson(1)),
        ("<html>", E::NotJson(0)),
        ("\u{feff}{}", E::NotJson(0)),
        ("{\"active\":true", E::NotJson(14)),
        ("{\"active\":true}}", E::NotJson(15)),
        ("{\"active\":true}{}", E::NotJson(15)),
        ("{\"active\":true,}", E::NotJson(15)),
        ("{'active':true}", E::NotJson(1)),
        ("{\"active\":True}", E::NotJson(10)),
        ("{\"active\":01}", E::NotJson(11)),
        ("{\"active\":true}\0", E::NotJson(15)),
        ("{\"active\":true}//", E::NotJson(15)),
        ("true", E::NotObject),
        ("null", E::NotObject),
        ("[{\"active\":true}]", E::NotObject),
        ("\"{}\"", E::NotObject),
        ("{\"active\":false,\"active\":true}", E::DuplicateName),
        ("{\"active\":false,\"act\\u0069ve\":true}", E::DuplicateName),
        ("{\"a\":{\"b\":1,\"b\":1}}", E::DuplicateName),
    ] {
        assert_eq!(error(body), Some(expected), "{body}");
    }
    assert_eq!(error(b"{\"a\":\"\xff\"}"), Some(E::NotUtf8));
    let deep = |depth: usize| "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth);
    assert_eq!(error(deep(33)), Some(E::TooDeep));
    assert_eq!(error(deep(100_000)), Some(E::TooDeep));
    assert_eq!(error(deep(32)), None);
}

#[test]
fn a_part_of_a_body_is_no_answer() {
    assert_eq!(
        read(206, JSON, b"{\"active\":true}").err(),
        Some(AnswerError::Partial)
    );
    for status in [200, 201, 299] {
        assert!(read(status, JSON, b"{}").is_ok(), "{status}");
    }
}

#[test]
fn only_plain_json_in_utf_8_is_read() {
    for lines in [
        &[][..],
        &[("Content-Type", "text/html")],
        &[("Content-Type", "text/plain")],
        &[("Content-Type", "application/x-www-form-urlencoded")],
        &[("Content-Type", "application/token-introspection+jwt")],
        &[("Content-Type", "application/json; charset=utf-16")],
        &[(
            "Content-Type",
            "application/json; charset=utf-8; charset=utf-16",
        )],
        &[
            ("Content-Type", "application/json"),
            ("Content-Type", "text/html"),
        ],
        &[
            ("Content-Type", "application/json"),
            ("Content-Encoding", "gzip"),
        ],
        &[
            ("Content-Type", "application/json"),
            ("Content-Encoding", "identity"),
        ],
    ] {
        let error = read(200, lines, b"{}").err();
        assert_eq!(error, Some(AnswerError::MediaType), "{lines:?}");
    }
    for media_type in [
        "application/json",
        "Application/JSON; Charset=\"UTF-8\"",
        "application/json;",
        "application/problem+json",
    ] {
        let lines = [("Content-Type", media_type)];
        assert!(read(200, &lines, b"{}").is_ok(), "{media_type}");
    }
}

#[test]
fn members_are_shown_as_text_and_as_json() {
    let answer = answer(
        r#" { "s": "a b", "q": "\"\u00e4\"", "t": true, "f" : false, "n" : 1.50E+2, "z": null,
            "a": ["a,b", "c", 1, [true, null]], "e": [], "o": { "x" : [ 1 ] },
            "ao": [ { "x" : 1 }, 2 ], "c": "a\nb", "ac": ["a\u0000"], "del": "\u007f",
            "true": "true" } "#,
    );
    for (name, text, json) in [
        ("s", Plain("a b".into()), Plain(r#""a b""#.into())),
        (
            "q",
            Plain("\"\u{e4}\"".into()),
            Plain(r#""\"\u00e4\"""#.into()),
        ),
        ("t", Plain("true".into()), Plain("true".into())),
        ("true", Plain("true".into()), Plain("\"true\"".into())),
        ("f", Plain("false".into()), Plain("false".into())),
        ("n", Plain("1.50E+2".into()), Plain("1.50E+2".into())),
        ("z", Absent, Plain("null".into())),
        (
            "a",
            Plain("a,b,c,1,true,null".into()),
            Plain(r#"["a,b","c",1,[true,null]]"#.into()),
        ),
        ("e", Plain("".into()), Plain("[]".into())),
        (
            "o",
            Plain(r#"{"x":[1]}"#.into()),
            Plain(r#"{"x":[1]}"#.into()),
        ),
        (
            "ao",
            Plain(r#"[{"x":1},2]"#.into()),
            Plain(r#"[{"x":1},2]"#.into()),
        ),
        ("c", Unsafe, Plain(r#""a\nb""#.into())),
        ("ac", Unsafe, Plain(r#"["a\u0000"]"#.into())),
        ("del", Unsafe, Plain(r#""\u007f""#.into())),
    ] {
        assert_eq!(answer.text(name.as_bytes()), Ok(Some(text)), "{name}");
        assert_eq!(answer.json(name.as_bytes()), Ok(Some(json)), "{name}");
    }
    for name in ["x", "S", "", "o.x", "a[0]"] {
        assert_eq!(answer.text(name.as_bytes()), Ok(None), "{name}");
        assert_eq!(answer.json(name.as_bytes()), Ok(None), "{name}");
    }
    assert_eq!(
        super::Answer::read(
            200,
            JSON.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())),
            "{\"d\":\"\u{7f}\"}".as_bytes()
        )
        .unwrap()
        .json(b"d"),
        Ok(Some(Unsafe)),
        "a control character that JSON does not escape"
    );
}

#[test]
fn a_stored_answer_that_is_none_has_no_members() {
    for text in ["", "{", "[]", "{\"a\":1,\"a\":1}"] {
        let answer = Answer::from_stored(text.as_bytes()).unwrap();
        assert_eq!(answer.text(b"a"), Err(CorruptAnswer), "{text}");
        assert_eq!(answer.json(b"a"), Err(CorruptAnswer), "{text}");
        assert_eq!(answer.compact(), Err(CorruptAnswer), "{text}");
    }
    assert_eq!(
        Answer::from_stored(b"{\"a\":\"\xff\"}").err(),
        Some(CorruptAnswer)
    );
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.compact())
    }
}

proptest! {
    #[test]
    fn any_body_is_safe_to_read(body: Vec<u8>) {
        let _ = error(body);
    }

    #[test]
    fn a_stored_answer_has_the_same_members(
        names in prop::collection::btree_set("[a-c]{1,2}", 0..5),
        value in r#"(true|-?[1-9][0-9]{0,3}(\.[0-9])?| null|"[ -!#-\[\]-~]{0,9}"|\[ 1, "x" \]|\{"x" : \[\]\})"#,
        space in "[ \t\r\n]{0,3}",
    ) {
        let members: Vec<_> = names.iter().map(|name| format!("{space}\"{name}\":{value}")).collect();
        let answer = answer(&format!("{space}{{{}{space}}}{space}", members.join(",")));
        let stored = Answer::from_stored(answer.compact().unwrap().as_bytes()).unwrap();
        for name in names.iter().map(|name| name.as_bytes()).chain([&b"z"[..]]) {
            prop_assert_eq!(answer.text(name), stored.text(name));
            prop_assert_eq!(answer.json(name), stored.json(name));
        }
        prop_assert_eq!(answer.compact(), stored.compact());
    }
}
