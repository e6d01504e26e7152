//! Why a set has no key for a token, in the words of the log, and for any token.

use super::*;

fn parse_set(keys: &[JwkObject]) -> KeySet {
    KeySet::parse(serde_json::json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

/// Why a token with this header is refused.
fn refusal(alg: &str, kid: Option<&str>, keys: &KeySet) -> String {
    let kid = kid.map_or(String::new(), |kid| format!(r#","kid":"{kid}""#));
    let header = format!(r#"{{"alg":"{alg}"{kid}}}"#);
    let error = verify(&sign(alg, &key(alg, 0), &header, "{}"), keys)
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::UnknownKey);
    error.to_string()
}

#[test]
fn each_cause_has_a_text_of_its_own() {
    let rsa = |members: &str| with(&test_tokens::public(&key("RSA", 0)), members);
    let weak = test_tokens::base64url(&[0xff; 128]);
    let weak = rsa(&format!(r#"{{"kid":"weak","n":"{weak}"}}"#));
    let keys = parse_set(&[
        rsa(r#"{"kid":"other","alg":"RS512"}"#),
        rsa(r#"{"kid":"enc","use":"enc","alg":"RS256"}"#),
        rsa(r#"{"kid":"ops","key_ops":["encrypt"]}"#),
        rsa(r#"{"kid":"none","key_ops":[]}"#),
        weak,
        key("ES256", 0)
            .into_iter()
            .chain([("kid".into(), "ec".into())])
            .collect(),
        rsa(r#"{"kid":"twice","alg":"RS384"}"#),
        rsa(r#"{"kid":"twice","alg":"PS256"}"#),
    ]);
    for (kid, reason) in [
        ("x", "the set has no such kid"),
        ("other", "the set has that kid for RS512 only"),
        (
            "enc",
            "the key with that kid is for encryption only, by its \"use\"",
        ),
        (
            "ops",
            "the key with that kid may not verify, by its \"key_ops\"",
        ),
        (
            "none",
            "the key with that kid is left out, member \"key_ops\" is empty, so that the key \
             may be used for nothing",
        ),
        (
            "weak",
            "the key with that kid is left out, too weak: RSA modulus of 1024 bits, at least \
             2048 are needed",
        ),
        ("ec", "the set has that kid for ES256 only"),
        ("twice", "the set has that kid for PS256, RS384 only"),
    ] {
        let expected = format!("no key with kid \"{kid}\" for RS256: {reason}");
        assert_eq!(refusal("RS256", Some(kid), &keys), expected);
    }
    assert_eq!(
        refusal("HS256", None, &keys),
        "no key for HS256: the set has keys for ES256, PS256, RS384, RS512 only"
    );
    let encryption = parse_set(&[rsa(r#"{"kid":"a","use":"enc"}"#)]);
    assert_eq!(
        refusal("RS256", None, &encryption),
        "no key for RS256: the first key of the set is for encryption only, by its \"use\""
    );
    for kid in [None, Some("a")] {
        let prefix = kid.map_or("no key", |_| "no key with kid \"a\"");
        let expected = format!("{prefix} for RS256: the set is empty");
        assert_eq!(refusal("RS256", kid, &parse_set(&[])), expected);
    }
}

#[test]
fn keys_that_are_not_looked_at_are_named_all_the_same() {
    let mut keys = vec![with(&key("HS256", 0), r#"{"alg":"HS256"}"#); 16];
    keys.push(key("Ed25519", 0));
    assert_eq!(
        refusal("RS256", None, &parse_set(&keys)),
        "no key for RS256: the set has keys for Ed25519, EdDSA, HS256 only"
    );
}

#[test]
fn all_sets_count() {
    let named = |kid: &str, alg: &str| {
        with(
            &key("HS256", 0),
            &format!(r#"{{"kid":"{kid}","alg":"{alg}"}}"#),
        )
    };
    let sets = [
        parse_set(&[]),
        parse_set(&[named("a", "HS384")]),
        parse_set(&[named("a", "HS512")]),
    ];
    assert_eq!(
        refusal("HS256", Some("a"), &KeySet::merge(&sets)),
        "no key with kid \"a\" for HS256: the set has that kid for HS384, HS512 only"
    );
}

#[test]
fn a_kid_is_quoted_and_cut() {
    let long = "k".repeat(200);
    let shown = "k".repeat(128);
    assert_eq!(
        refusal("HS256", Some(&long), &parse_set(&[])),
        format!("no key with kid \"{shown}\"... for HS256: the set is empty")
    );
    assert_eq!(
        refusal("HS256", Some(r#"a\nb"#), &parse_set(&[])),
        r#"no key with kid "a\x0ab" for HS256: the set is empty"#
    );
}

fn warnings_for(kind: TokenType, keys: &[JwkObject]) -> Vec<String> {
    let warnings = parse_set(keys).warnings_for(kind, SignatureCheck::Verify);
    warnings.iter().map(SetWarning::to_string).collect()
}

#[test]
fn a_set_without_a_key_for_the_tokens_is_reported() {
    use TokenType::{Encrypted, Nested, Signed};
    let verifies = "no key of this set verifies signatures: ";
    let decrypts = "no key of this set decrypts tokens: ";
    assert_eq!(
        warnings_for(Signed, &[]),
        [format!("{verifies}it is empty")]
    );
    assert_eq!(
        warnings_for(Encrypted, &[]),
        [format!("{decrypts}it is empty")]
    );
    let both = [
        format!("{decrypts}it is empty"),
        format!("{verifies}it is empty"),
    ];
    assert_eq!(warnings_for(Nested, &[]), both);
    let rsa = |members: &str| with(&test_tokens::public(&key("RSA", 0)), members);
    let keys = [
        rsa(r#"{"kid":"a","use":"enc"}"#),
        rsa(r#"{"key_ops":["wrapKey"]}"#),
        rsa(r#"{"e":"AQ"}"#),
        with(&key("A128KW", 0), r#"{"alg":"A128KW"}"#),
    ];
    assert_eq!(
        warnings_for(Signed, &keys),
        [format!(
            "{verifies}key 0, kid \"a\" is for encryption only, by its \"use\"; key 1 may not \
             verify, by its \"key_ops\"; key 2 is left out, member \"e\" is 1; key 3 is for \
             A128KW only"
        )]
    );
    assert_eq!(warnings_for(Encrypted, &keys), [""; 0]);
    let keys = [
        rsa("{}"),
        with(&key("ES256", 0), r#"{"alg":"ES256"}"#),
        rsa(r#"{"use":"sig"}"#),
        rsa(r#"{"alg":"RS256"}"#),
    ];
    assert_eq!(
        warnings_for(Encrypted, &keys),
        [format!(
            "{decrypts}key 0 has no private members, which decryption needs; key 1 is for ES256 only; \
             key 2 is for signatures only, by its \"use\"; key 3 is for RS256 only"
        )]
    );
    let many = vec![rsa(r#"{"e":"AQ"}"#); 10];
    let warnings = warnings_for(Signed, &many);
    assert!(warnings[0].ends_with("; key 7 is left out, member \"e\" is 1; and 2 more"));
}

#[test]
fn private_keys_that_only_verify_are_reported() {
    use TokenType::{Encrypted, Nested, Signed};
    let named = |alg: &str, kid: &str| with(&key(alg, 0), &format!(r#"{{"kid":"{kid}"}}"#));
    let keys = [
        named("RSA", "r"),
        named("ES256", "e"),
        key("Ed25519", 0),
        key("HS256", 0),
        test_tokens::public(&key("ES256", 0)),
    ];
    let private = |names: &str| {
        let text = "private keys, of which only the public part is needed to verify signatures";
        [format!("{text}: {names}")]
    };
    let all = private("key 0, kid \"r\"; key 1, kid \"e\"; key 2");
    assert_eq!(warnings_for(Signed, &keys), all);
    // Keys of RSA and on P-256 are for encryption, too.
    assert_eq!(warnings_for(Nested, &keys), private("key 2"));
    let many = vec![key("Ed25519", 0); 10];
    assert!(warnings_for(Signed, &many)[0].ends_with("; key 7; and 2 more"));
    assert_eq!(warnings_for(Encrypted, &keys), [""; 0]);
    if crypto::HAS_ML_DSA {
        let ml_dsa = key("ML-DSA-44", 0);
        assert_eq!(warnings_for(Signed, &[ml_dsa]), private("key 0"));
    }
    // A secret has no public part, whatever else is in its entry.
    let secret = with(&key("HS256", 0), r#"{"d":"AAAA"}"#);
    assert_eq!(warnings_for(Signed, &[secret]), [""; 0]);
    let for_encryption = with(&key("RSA", 0), r#"{"use":"enc"}"#);
    assert_eq!(
        warnings_for(Signed, &[for_encryption, key("HS256", 0)]),
        [""; 0]
    );
}

#[test]
fn keys_for_signatures_are_not_missed_where_signatures_do_not_count() {
    let keys = parse_set(&[]);
    let warnings = |kind| keys.warnings_for(kind, SignatureCheck::Believe).len();
    assert_eq!(warnings(TokenType::Signed), 0);
    assert_eq!(warnings(TokenType::Nested), 1);
}

#[test]
fn the_first_use_of_a_set_that_was_parsed_is_told() {
    let [first, second] = [(); 2].map(|()| parse_set(&[key("HS256", 0)]));
    let merged = KeySet::merge([&first, &second]);
    assert!(first.clone().mark_used());
    assert!(!first.mark_used());
    assert!(merged.mark_used());
    assert!(!second.mark_used());
}

#[test]
fn the_warnings_about_a_set_end_after_a_hundred() {
    let set = format!("{{\"keys\":[{}null]}}", "null,".repeat(1499));
    let keys = KeySet::parse(set.as_bytes()).unwrap();
    let warnings: Vec<_> = keys.warnings().map(Warning::to_string).collect();
    assert_eq!(warnings.len(), 101);
    assert_eq!(warnings[99], "key 99: left out, not a JSON object");
    assert_eq!(
        warnings[100],
        "key 100: something is wrong with this entry and with 1399 more"
    );
    let about_set = keys.warnings_for(TokenType::Signed, SignatureCheck::Verify);
    let about_set: Vec<_> = about_set.iter().map(SetWarning::to_string).collect();
    assert_eq!(about_set.len(), 1);
    assert!(about_set[0].ends_with("; key 7 is left out, not a JSON object; and 1492 more"));
}
