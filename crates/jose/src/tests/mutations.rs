//! Random changes of valid tokens, none of which may be accepted, and random JSON.

use proptest::prelude::*;

use super::*;

/// A change of a text: at one position, bytes are removed and others inserted.
#[derive(Debug, Clone)]
struct Mutation {
    at: prop::sample::Index,
    remove: usize,
    insert: Vec<u8>,
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let base64 = prop::sample::select(b"ABCwxyz0189-_.=+".to_vec());
    let byte = prop_oneof![8 => base64, 1 => any::<u8>()];
    let insert = prop::collection::vec(byte, 0..4);
    (any::<prop::sample::Index>(), 0..4usize, insert).prop_map(|(at, remove, insert)| Mutation {
        at,
        remove,
        insert,
    })
}

impl Mutation {
    fn apply(&self, token: &str) -> Vec<u8> {
        let mut token = token.as_bytes().to_vec();
        let at = self.at.index(token.len());
        let end = token.len().min(at + self.remove);
        token.splice(at..end, self.insert.iter().copied());
        token
    }
}

/// Fails if a changed token is accepted.
fn refuses_changes_of(token: &str, kind: TokenType, keys: &KeySet, cases: u32) {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(mutations in prop::collection::vec(mutation(), 1..3))| {
        let mut changed = token.to_owned();
        for mutation in mutations {
            match String::from_utf8(mutation.apply(&changed)) {
                Ok(text) if !text.is_empty() => changed = text,
                _ => return Ok(()),
            }
        }
        let parsed = parse(&changed, kind);
        let verified = parsed.and_then(|token| token.verify(keys, NOW, Duration::ZERO));
        prop_assert_eq!(verified.is_ok(), changed == token);
    });
}

#[test]
fn changed_signed_tokens_are_refused() {
    for algorithm in jws::algorithms() {
        let key = with(&key(algorithm.name, 0), r#"{"kid":"k"}"#);
        let header = format!(r#"{{"alg":"{}","kid":"k"}}"#, algorithm.name);
        let token = sign(
            algorithm.name,
            &key,
            &header,
            r#"{"sub":"you","exp":1700000001}"#,
        );
        refuses_changes_of(&token, TokenType::Signed, &set(&[key]), 200);
    }
}

#[test]
fn changed_encrypted_tokens_are_refused() {
    for algorithm in jwe::algorithms() {
        for encryption in jwe::encryptions() {
            let key = match algorithm.name {
                "dir" => key(encryption.name, 0),
                name => key(name, 0),
            };
            let keys = KeySet::parse(serde_json::to_string(&key).unwrap().as_bytes()).unwrap();
            let (alg, enc) = (algorithm.name, encryption.name);
            let token =
                test_tokens::encrypt(alg, enc, &key, &JwkObject::new(), br#"{"sub":"you"}"#)
                    .unwrap();
            refuses_changes_of(&token, TokenType::Encrypted, &keys, 20);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// An object without duplicate names is the same for serde_json. What serde_json refuses is
    /// refused.
    #[test]
    fn json_is_read_as_serde_json_reads_it(text in json_like()) {
        let bytes = text.clone().into_bytes();
        let ours = json::Document::parse_object(bytes, InputPart::Claims, 1 << 20, 32);
        match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(theirs) => match ours {
                Ok(ours) => prop_assert!(is_same(ours.root(), &theirs), "{}", text),
                Err(
                    Error::DuplicateName { .. } | Error::NotObject { .. } | Error::TooDeep { .. },
                ) => {}
                Err(error) => prop_assert!(false, "{}: {}", text, error),
            },
            // serde_json also refuses numbers that are too large for a double.
            Err(error) if error.to_string().contains("number out of range") => {}
            Err(_) => prop_assert!(ours.is_err(), "{}", text),
        }
    }
}

/// A text that is JSON or similar to JSON.
fn json_like() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,2})?",
        r#""([a-z é\u{1f600}]|\\[nrtbf/"\\]|\\u[0-9a-fA-F]{4}|\\u[dD][89a-fA-F][0-9]{2}){0,6}""#,
        "[0-9a-z\"\\\\ .+-]{0,6}",
    ];
    let value = leaf.prop_recursive(5, 48, 6, |inner| {
        let name = r#""[a-d]{1,2}""#;
        let member = (name, inner.clone()).prop_map(|(name, value)| format!("{name} :{value}"));
        prop_oneof![
            prop::collection::vec(inner, 0..5)
                .prop_map(|elements| format!("[{}]", elements.join(", "))),
            prop::collection::vec(member, 0..5)
                .prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    });
    prop_oneof![
        value.clone(),
        value.prop_map(|value| format!("{{\"v\":{value}}}"))
    ]
}

fn is_same(ours: JsonValue<'_>, theirs: &serde_json::Value) -> bool {
    use serde_json::Value as Theirs;
    match theirs {
        Theirs::Null => ours.kind() == JsonKind::Null,
        Theirs::Bool(value) => ours.as_bool() == Some(*value),
        // serde_json may read a fraction with an error in the last digit.
        Theirs::Number(value) => {
            let number = |text: &str| text.parse::<f64>().unwrap();
            let (ours, theirs) = (ours.as_number().map(number), value.as_f64());
            ours.zip(theirs)
                .is_some_and(|(ours, theirs)| (ours - theirs).abs() <= theirs.abs() * 1e-15)
        }
        Theirs::String(text) => ours.as_str().is_some_and(|ours| ours == text.as_str()),
        Theirs::Array(elements) => {
            ours.kind() == JsonKind::Array
                && ours.elements().count() == elements.len()
                && ours
                    .elements()
                    .zip(elements)
                    .all(|(ours, theirs)| is_same(ours, theirs))
        }
        Theirs::Object(members) => {
            let found = |(name, theirs): (&String, _)| {
                ours.get(name.as_bytes())
                    .is_some_and(|ours| is_same(ours, theirs))
            };
            ours.kind() == JsonKind::Object
                && ours.members().count() == members.len()
                && members.iter().all(found)
        }
    }
}
