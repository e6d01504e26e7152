use super::*;
use proptest::prelude::*;
use std::collections::HashSet;

fn parse(text: &str) -> RevocationList {
    RevocationList::parse(text.as_bytes()).unwrap()
}

fn error(text: impl AsRef<[u8]>) -> NotRevocationList {
    RevocationList::parse(text.as_ref()).unwrap_err()
}

#[test]
fn an_empty_text_is_no_list() {
    for text in ["", " \r\n\t", "\u{feff}", "\u{feff}\n"] {
        assert_eq!(error(text), NotRevocationList::Empty, "{text:?}");
    }
    assert_eq!(
        error("").to_string(),
        "the file is empty; write {} to it if nothing is revoked"
    );
}

#[test]
fn another_json_value_is_no_list() {
    for (text, kind) in [
        (r#"["alice"]"#, "an array"),
        (r#""alice""#, "a string"),
        ("null", "null"),
        ("true", "true or false"),
        ("false", "true or false"),
        ("17", "a number"),
        ("-1.5", "a number"),
    ] {
        assert_eq!(error(text), NotRevocationList::NotObject(kind), "{text}");
    }
    assert_eq!(
        error("[\"secret\"]").to_string(),
        "it holds an array, and has to hold a JSON object whose names are revoked, such as \
         {\"alice\":null}"
    );
}

#[test]
fn half_an_object_is_no_list() {
    let whole = r#"{"alice": {"at": [1, 2]}, "bob": {}}"#;
    assert_eq!(parse(whole).len(), 2);
    for length in 1..whole.len() {
        let half = &whole[..length];
        assert_eq!(error(half), NotRevocationList::Truncated, "{half}");
        let half = format!("{half}\n ");
        assert_eq!(error(&half), NotRevocationList::Truncated, "{half}");
    }
    assert_eq!(
        error("{").to_string(),
        "it does not end as a JSON object does, as if it were half written; write another file, \
         and rename it"
    );
}

#[test]
fn what_is_not_json_is_no_list() {
    let texts: [(&[u8], _); 8] = [
        (b"alice\nbob\n", (1, 1)),
        (b"{\n\"alice\"}", (2, 8)),
        (b"{\"alice\":1}}", (1, 12)),
        (b"{}{}", (1, 3)),
        (b"{\"alice\":1,}", (1, 12)),
        (b"{alice:1}", (1, 2)),
        (b"{\"ali\xff\":1}", (1, 6)),
        (b"{\"\\ud800\":1}", (1, 9)),
    ];
    for (text, (line, column)) in texts {
        let expected = NotRevocationList::Syntax { line, column };
        assert_eq!(error(text), expected, "{}", String::from_utf8_lossy(text));
    }
    assert_eq!(
        error("secret").to_string(),
        "not JSON at line 1, column 1; it has to hold a JSON object whose names are revoked, such \
         as {\"alice\":null}"
    );
}

#[test]
fn names_are_revoked_whatever_their_values_are() {
    let list = parse(
        r#"{"alice": null, "bob": {"reason": "left", "at": [1, 2]}, "carol": false, "": "empty"}"#,
    );
    assert_eq!((list.len(), list.is_empty()), (4, false));
    for name in ["alice", "bob", "carol", ""] {
        assert!(list.contains(name.as_bytes()), "{name}");
    }
    for name in ["Alice", "alice ", "reason", "ali", "alicebob", "dave"] {
        assert!(!list.contains(name.as_bytes()), "{name}");
    }
}

#[test]
fn an_empty_object_revokes_nothing() {
    for text in ["{}", " { } \n", "\u{feff}{}"] {
        let list = parse(text);
        assert!(list.is_empty() && !list.contains(b""), "{text:?}");
    }
}

#[test]
fn a_name_that_is_there_twice_is_one() {
    let list = parse(r#"{"alice": 1, "bob": 2, "alice": 3, "\u0061lice": 4}"#);
    assert_eq!(list.len(), 2);
    assert!(list.contains(b"alice") && list.contains(b"bob"));
}

#[test]
fn names_are_compared_without_escape_sequences() {
    let list = parse(r#"{"\u0061lice\n": 1, "caf\u00e9": 2, "\ud83d\ude00": 3, "a\u0000b": 4}"#);
    assert_eq!(list.len(), 4);
    for name in ["alice\n", "café", "😀", "a\0b"] {
        assert!(list.contains(name.as_bytes()), "{name:?}");
    }
    // Neither another spelling of the same characters, nor the start of a name.
    for name in [r"\u0061lice\n", "cafe\u{301}", "a", "a\0"] {
        assert!(!list.contains(name.as_bytes()), "{name:?}");
    }
}

#[test]
fn names_do_not_run_into_each_other() {
    let list = parse(r#"{"a": 1, "b": 2, "ab": 3}"#);
    let inside: [&[u8]; 5] = [b"a\xffb", b"a\xff", b"\xff", b"b\xffab", b"ba"];
    for name in inside {
        assert!(!list.contains(name), "{name:?}");
    }
}

#[test]
fn deep_values_are_skipped_without_recursion() {
    let depth = 100_000;
    let (open, close) = ("[".repeat(depth), "]".repeat(depth));
    let list = parse(&format!("{{\"alice\":{open}{close},\"bob\":1}}"));
    assert!(list.len() == 2 && list.contains(b"bob"));
    let open_object = "{\"a\":".repeat(depth);
    let close_object = "}".repeat(depth);
    assert_eq!(
        parse(&format!("{{\"alice\":{open_object}1{close_object}}}")).len(),
        1
    );
    assert_eq!(
        error(format!("{{\"alice\":{open_object}1{close_object}")),
        NotRevocationList::Truncated
    );
}

#[test]
fn a_long_list_has_each_of_its_names() {
    let names = (0..50_000).map(|n| format!("\"user-{n}\":{n}"));
    let list = parse(&format!("{{{}}}", names.collect::<Vec<_>>().join(",")));
    assert_eq!(list.len(), 50_000);
    for n in 0..50_000 {
        assert!(list.contains(format!("user-{n}").as_bytes()), "{n}");
    }
    for n in 50_000..60_000 {
        assert!(!list.contains(format!("user-{n}").as_bytes()), "{n}");
    }
}

/// A member of an object as JSON text: any name, any value.
fn member() -> impl Strategy<Value = (String, serde_json::Value)> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<String>().prop_map(serde_json::Value::from),
    ];
    let value = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(serde_json::Value::from),
            prop::collection::vec((any::<String>(), inner), 0..3)
                .prop_map(|members| members.into_iter().collect()),
        ]
    });
    ("[ab\"\\\\\u{e9}]{0,2}|\\PC{0,8}", value)
}

proptest! {
    #[test]
    fn a_list_has_the_names_that_serde_json_reads(
        members in prop::collection::vec(member(), 0..20),
        others in prop::collection::vec("[ab\"\\\\\u{e9}]{0,2}", 0..20),
        cut in any::<prop::sample::Index>(),
    ) {
        let texts = members.iter().map(|(name, value)| {
            format!("{}:{value}", serde_json::Value::from(name.as_str()))
        });
        let text = format!("{{{}}}", texts.collect::<Vec<_>>().join(","));
        let map: serde_json::Map<_, _> = serde_json::from_str(&text).unwrap();
        let list = parse(&text);
        prop_assert_eq!(list.len(), map.len());
        for name in map.keys() {
            prop_assert!(list.contains(name.as_bytes()), "{name:?}");
        }
        let names: HashSet<_> = map.keys().collect();
        for name in others.iter().filter(|name| !names.contains(name)) {
            prop_assert!(!list.contains(name.as_bytes()), "{name:?}");
        }
        let half = &text.as_bytes()[..cut.index(text.len())];
        prop_assert!(RevocationList::parse(half).is_err());
    }

    #[test]
    fn any_text_is_a_list_exactly_if_it_is_an_object(text in prop_oneof![
        "[ \\[\\]{}:,\"a0\\\\-]{0,12}",
        prop::collection::vec(any::<u8>(), 0..40).prop_map(|b| String::from_utf8_lossy(&b).into()),
    ]) {
        let map = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text);
        let list = RevocationList::parse(text.as_bytes());
        prop_assert_eq!(list.is_ok(), map.is_ok(), "{:?} {:?}", list, map);
    }
}
