//! Whether the key of a refused token may be one that is not in the set yet.

use super::*;

fn names_unknown_key(token: &str, kind: TokenType, keys: &[JwkObject]) -> bool {
    let keys = serde_json::json!({ "keys": keys }).to_string();
    let keys = KeySet::parse(keys.as_bytes()).unwrap();
    parse(token, kind).unwrap().names_unknown_key(&keys)
}

fn named(key: &JwkObject, kid: &str) -> JwkObject {
    with(key, &format!(r#"{{"kid":"{kid}"}}"#))
}

#[test]
fn a_kid_is_unknown_if_no_key_has_it() {
    let secret = key("HS256", 0);
    let names_unknown = |header: &str, keys: &[JwkObject]| {
        let token = sign("HS256", &secret, header, "{}");
        names_unknown_key(&token, TokenType::Signed, keys)
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
    assert!(!names_unknown(
        r#"{"alg":"HS256"}"#,
        std::slice::from_ref(&secret)
    ));
}

#[test]
fn both_headers_of_a_nested_token_count() {
    let (wrapping, signing) = (key("A256KW", 0), key("HS256", 0));
    let names_unknown = |outer: &str, inner: &str| {
        let header = format!(r#"{{"alg":"HS256","kid":"{inner}"}}"#);
        let signed = sign("HS256", &signing, &header, "{}");
        let header = with(&JwkObject::new(), &format!(r#"{{"kid":"{outer}"}}"#));
        let token =
            test_tokens::encrypt("A256KW", "A256GCM", &wrapping, &header, signed.as_bytes());
        let keys = [named(&wrapping, "w"), named(&signing, "s")];
        names_unknown_key(&token.unwrap(), TokenType::Nested, &keys)
    };
    assert!(!names_unknown("w", "s"));
    assert!(names_unknown("w", "x"));
    assert!(names_unknown("x", "s"));
}
