use super::*;

fn parse(text: &str) -> RevocationList {
    RevocationList::parse(text.as_bytes()).unwrap()
}

fn error(text: &[u8]) -> RevocationListError {
    RevocationList::parse(text).err().unwrap()
}

#[test]
fn an_empty_text_is_no_list() {
    assert_eq!(error(b""), RevocationListError::Empty);
    assert_eq!(error(b" \r\n\t"), RevocationListError::Empty);
}

#[test]
fn what_is_no_object_is_no_list() {
    let texts: [&[u8]; 9] = [
        b"[\"alice\"]",
        b"\"alice\"",
        b"null",
        b"17",
        b"{\"alice\":1",
        b"{\"alice\":1}}",
        b"{\"alice\"}",
        b"alice\nbob\n",
        b"{\"ali\xff\":1}",
    ];
    for text in texts {
        let error = error(text);
        assert!(
            matches!(error, RevocationListError::NotAnObject(_)),
            "{error:?}"
        );
    }
    assert_eq!(
        error(b"[\"alice\"]").to_string(),
        "not a JSON object: invalid type: sequence, expected an object at line 1 column 0"
    );
}

#[test]
fn names_are_revoked_whatever_their_values_are() {
    let list = parse(
        r#"{"alice": null, "bob": {"reason": "left", "at": [1, 2]}, "carol": false, "": "empty"}"#,
    );
    assert_eq!(list.len(), 4);
    for name in ["alice", "bob", "carol", ""] {
        assert!(list.contains(name.as_bytes()), "{name}");
    }
    for name in ["Alice", "alice ", "reason", "ali", "alicebob", "dave"] {
        assert!(!list.contains(name.as_bytes()), "{name}");
    }
}

#[test]
fn an_empty_object_revokes_nothing() {
    let list = parse("{}");
    assert!(list.is_empty());
    assert!(!list.contains(b""));
}

#[test]
fn names_are_compared_without_escape_sequences() {
    let list = parse(r#"{"\u0061lice\n": 1, "caf\u00e9": 2, "caf\u00e9": 3, "\ud83d\ude00": 4}"#);
    assert_eq!(list.len(), 3);
    assert!(list.contains("alice\n".as_bytes()));
    assert!(list.contains("café".as_bytes()));
    assert!(list.contains("😀".as_bytes()));
    assert!(!list.contains(br"\u0061lice\n"));
}

#[test]
fn deep_values_are_skipped_without_recursion() {
    let depth = 1_000_000;
    let deep = format!("{{\"alice\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(parse(&deep).len(), 1);
    let unclosed = format!("{{\"alice\":{}}}", "[".repeat(depth));
    assert!(matches!(
        error(unclosed.as_bytes()),
        RevocationListError::NotAnObject(_)
    ));
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
