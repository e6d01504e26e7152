//! Whether the key of a refused token may be one that is not in the set yet.

use super::*;

fn may_need_other_keys(token: &str, kind: TokenType, keys: &[JwkObject]) -> bool {
    let keys = serde_json::json!({ "keys": keys }).to_string();
    let keys = KeySet::parse(keys.as_bytes()).unwrap();
    parse(token, kind).unwrap().may_need_other_keys(&keys)
}

fn named(key: &JwkObject, kid: &str) -> JwkObject {
    with(key, &format!(r#"{{"kid":"{kid}"}}"#))
}

#[test]
fn a_kid_is_unknown_if_no_key_has_it() {
    let secret = key("HS256", 0);
    let names_unknown = |header: &str, keys: &[JwkObject]| {
        let token = sign("HS256", &secret, header, "{}");
        may_need_other_keys(&token, TokenType::Signed, keys)
    };
    let with_kid = r#"{"alg":"HS256","kid":"a"}"#;
    assert!(names_unknown(with_kid, &[]));
    assert!(names_unknown(
        with_kid,
        &[secret.clone(), named(&secret, "b")]
    ));
    // Keys that only verify, only decrypt, or may do both.
    for alg in ["Ed25519", "X25519", "ES256"] {
        assert!(!names_unknown(with_kid, &[named(&key(alg, 0), "a")]));
    }
}

#[test]
fn the_key_of_a_token_without_a_kid_may_always_be_another_one() {
    let secret = key("HS256", 0);
    let token = sign("HS256", &secret, r#"{"alg":"HS256"}"#, "{}");
    for keys in [secret.clone(), named(&secret, "a")] {
        let keys = std::slice::from_ref(&keys);
        assert!(may_need_other_keys(&token, TokenType::Signed, keys));
    }
}

#[test]
fn both_headers_of_a_nested_token_count() {
    let (wrapping, signing) = (key("A256KW", 0), key("HS256", 0));
    let other = key("A256KW", 1);
    let names_unknown_of = |wrapped_with: &JwkObject, outer: &str, inner: &str| {
        let member = |kid: &str| match kid {
            "" => String::new(),
            kid => format!(r#","kid":"{kid}""#),
        };
        let header = format!(r#"{{"alg":"HS256"{}}}"#, member(inner));
        let signed = sign("HS256", &signing, &header, "{}");
        let header = format!(r#"{{"typ":"JWT"{}}}"#, member(outer));
        let header = with(&JwkObject::new(), &header);
        let token = test_tokens::encrypt(
            "A256KW",
            "A256GCM",
            wrapped_with,
            &header,
            signed.as_bytes(),
        );
        let keys = [named(&wrapping, "w"), named(&signing, "s")];
        may_need_other_keys(&token.unwrap(), TokenType::Nested, &keys)
    };
    let names_unknown = |outer: &str, inner: &str| names_unknown_of(&wrapping, outer, inner);
    assert!(!names_unknown("w", "s"));
    assert!(names_unknown("w", "x"));
    assert!(names_unknown("x", "s"));
    // A header without a kid counts if its key is not there: the key outside is, if it decrypts.
    assert!(!names_unknown("", "s"));
    assert!(names_unknown("w", ""));
    assert!(names_unknown_of(&other, "", "s"));
    assert!(!names_unknown_of(&other, "w", "s"));
}
