use super::*;
use jose::{Document, Limits};

fn missing(claims: &str, scopes: &[&str]) -> Option<String> {
    let claims = Document::parse_value(claims.as_bytes(), &Limits::default()).unwrap();
    let mut required = RequiredScopes::default();
    for scope in scopes {
        required.add(scope.as_bytes()).unwrap();
    }
    required.missing(claims.root()).map(Into::into)
}

#[test]
fn words_of_a_string_and_elements_of_an_array_are_scopes() {
    for claims in [
        r#"{"scope":"read write"}"#,
        r#"{"scope":"write  read"}"#,
        r#"{"scope":" read write "}"#,
        r#"{"scope":["read","write"]}"#,
        r#"{"scp":"read write"}"#,
        r#"{"scp":["write","x","read"]}"#,
        r#"{"scope":"read","scp":["write"]}"#,
        r#"{"scope":"r\u0065ad write"}"#,
        r#"{"scope":"reader read xwrite writes write"}"#,
        r#"{"scope":"readread read writewrite-write write"}"#,
        r#"{"scope":7,"scp":"read write"}"#,
    ] {
        assert_eq!(missing(claims, &["read", "write"]), None, "{claims}");
    }
}

#[test]
fn row_17_what_only_looks_like_a_scope_grants_nothing() {
    for claims in [
        r#"{}"#,
        r#"{"scope":null}"#,
        r#"{"scope":true}"#,
        r#"{"scope":""}"#,
        r#"{"scope":[]}"#,
        r#"{"scope":{"read":true}}"#,
        r#"{"scope":"reader"}"#,
        r#"{"scope":"xread"}"#,
        r#"{"scope":"readread"}"#,
        r#"{"scope":"reader xread read2"}"#,
        r#"{"scope":"readread-read xread"}"#,
        r#"{"scope":"READ"}"#,
        r#"{"scope":"a,read"}"#,
        r#"{"scope":"a\tread"}"#,
        r#"{"scope":"a\u00a0read"}"#,
        r#"{"scope":"read\u0000"}"#,
        r#"{"scope":["a read"]}"#,
        r#"{"scope":[["read"]]}"#,
        r#"{"scope":["read "]}"#,
        r#"{"Scope":"read"}"#,
        r#"{"scopes":"read"}"#,
        r#"{"a":{"scope":"read"}}"#,
    ] {
        assert_eq!(
            missing(claims, &["read"]).as_deref(),
            Some("read"),
            "{claims}"
        );
    }
    let claims = r#"{"scope":"a c"}"#;
    assert_eq!(missing(claims, &["a", "b", "c", "d"]).as_deref(), Some("b"));
    assert_eq!(missing(claims, &["c", "a"]), None);
}

#[test]
fn a_challenge_can_hold_every_scope() {
    let mut required = RequiredScopes::default();
    for name in ["", "a b", "a\"", "a\\", "$scope", "\u{e9}", "a\n", "\u{7f}"] {
        let must = "it must be one scope, without spaces, quotes, \"\\\" and \"$\"";
        assert_eq!(required.add(name.as_bytes()), Err(must), "{name}");
    }
    for name in [
        "read",
        "https://x.example/a:b",
        "!#%&'()*+,-./[]^_`{|}~",
        "read",
    ] {
        assert_eq!(required.add(name.as_bytes()), Ok(()), "{name}");
    }
    assert_eq!(
        &**required.joined(),
        "read https://x.example/a:b !#%&'()*+,-./[]^_`{|}~"
    );
}

/// The search skips words; this says the same word by word.
#[test]
fn a_scope_is_found_exactly_where_a_word_is_it() {
    for words in words_of(&["a", "b", " "], 7) {
        for name in ["a", "aa", "ab", "aba"] {
            let claims = format!("{{\"scope\":\"{words}\"}}");
            let is_word = words.split(' ').any(|word| word == name);
            assert_eq!(
                missing(&claims, &[name]).is_none(),
                is_word,
                "{name} in {words:?}"
            );
        }
    }
}

/// All texts of so many characters.
fn words_of(characters: &[&str], length: usize) -> Vec<String> {
    match length {
        0 => vec![String::new()],
        length => words_of(characters, length - 1)
            .iter()
            .flat_map(|text| characters.iter().map(move |next| format!("{text}{next}")))
            .collect(),
    }
}

#[test]
fn a_log_line_says_what_a_token_grants() {
    for (claims, text) in [
        (r#"{"a":1}"#, "the token has neither scope nor scp"),
        (r#"{"scope":"a \"b\n"}"#, r#"scope is "a \"b\x0a""#),
        (r#"{"scp":["a","b"]}"#, r#"scp is "[\"a\",\"b\"]""#),
        (
            r#"{"scope":"a","scp":null}"#,
            r#"scope is "a", and scp is "null""#,
        ),
    ] {
        let claims = Document::parse_value(claims.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(GrantedScopes::of(claims.root()).to_string(), text);
    }
}
