//! Nested tokens that are decrypted with some keys and verified with others.

use super::*;

const CLAIMS: &str = r#"{"iss":"https://a.example"}"#;

fn private_set(keys: &[JwkObject]) -> KeySet {
    let set = serde_json::json!({ "keys": keys }).to_string();
    KeySet::parse(set.as_bytes()).unwrap()
}

fn named(key: &JwkObject, kid: &str) -> JwkObject {
    with(key, &format!(r#"{{"kid":"{kid}"}}"#))
}

/// A token that is signed with `signing` and encrypted to the key `A256KW` number 0.
fn nested(signing: &JwkObject, kid: &str) -> UnverifiedToken {
    let header = format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#);
    let signed = sign("HS256", signing, &header, CLAIMS);
    let outer = with(&JwkObject::new(), r#"{"kid":"w"}"#);
    let token = test_tokens::encrypt(
        "A256KW",
        "A256GCM",
        &key("A256KW", 0),
        &outer,
        signed.as_bytes(),
    );
    parse(&token.unwrap(), TokenType::Nested).unwrap()
}

fn ours() -> KeySet {
    private_set(&[named(&key("A256KW", 0), "w")])
}

#[test]
fn keys_that_decrypt_do_not_verify_what_was_inside() {
    let (signing, wrapping) = (key("HS256", 0), ours());
    let token = nested(&signing, "s");
    let opened = token.open(&wrapping).unwrap();
    let unknown = opened.authenticate(&wrapping, SignatureCheck::Verify);
    assert_eq!(unknown.err().unwrap().kind(), ErrorKind::UnknownKey);
    let other = private_set(&[named(&key("HS256", 1), "s")]);
    let bad = opened.authenticate(&other, SignatureCheck::Verify);
    assert_eq!(bad.err().unwrap().kind(), ErrorKind::BadSignature);
}

#[test]
fn keys_that_verify_do_not_decrypt() {
    let signing = private_set(&[named(&key("HS256", 0), "s")]);
    let error = nested(&key("HS256", 0), "s").open(&signing).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::UnknownKey);
    let wrong = private_set(&[named(&key("A256KW", 1), "w")]);
    let error = nested(&key("HS256", 0), "s").open(&wrong).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::DecryptionFailed);
}

#[test]
fn an_opened_token_shows_its_claims_and_remains_what_it_was() {
    let (signing, token) = (key("HS256", 0), nested(&key("HS256", 0), "s"));
    assert!(token.claims().is_none());
    let opened = token.open(&ours()).unwrap();
    assert_eq!(opened.claims().unwrap().json(), CLAIMS);
    assert_eq!(opened.kind(), TokenType::Nested);
    assert_eq!(opened.text(), token.text());
    assert_eq!(opened.header().alg(), "A256KW");
    assert_eq!(opened.check_without_keys(NOW, Duration::ZERO), Ok(()));
    let keys = private_set(&[named(&signing, "s")]);
    let verified = opened.verify(&keys, NOW, Duration::ZERO).unwrap();
    assert_eq!(verified.header().alg(), "HS256");
    assert_eq!(verified.outer_header().unwrap().alg(), "A256KW");
    assert_eq!(verified.claims().json(), CLAIMS);
}

#[test]
fn only_the_kid_inside_may_be_of_a_newer_key() {
    let opened = nested(&key("HS256", 0), "s").open(&ours()).unwrap();
    assert!(opened.names_unknown_key(&private_set(&[named(&key("HS256", 0), "t")])));
    assert!(!opened.names_unknown_key(&private_set(&[named(&key("HS256", 0), "s")])));
}

#[test]
fn a_token_of_another_kind_opens_as_it_is() {
    let signing = key("HS256", 0);
    let signed = sign("HS256", &signing, r#"{"alg":"HS256"}"#, CLAIMS);
    let token = parse(&signed, TokenType::Signed).unwrap();
    let opened = token.open(&KeySet::default()).unwrap();
    assert_eq!(opened.kind(), TokenType::Signed);
    assert_eq!(opened.text(), signed.as_bytes());
    let unknown = opened.authenticate(&KeySet::default(), SignatureCheck::Verify);
    assert_eq!(unknown.err().unwrap().kind(), ErrorKind::UnknownKey);
}
