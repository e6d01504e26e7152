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
    assert!(opened.may_need_other_keys(&private_set(&[named(&key("HS256", 0), "t")])));
    assert!(!opened.may_need_other_keys(&private_set(&[named(&key("HS256", 0), "s")])));
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

#[test]
fn what_needs_no_keys_is_checked_without_them() {
    let signing = key("HS256", 0);
    let judge = |alg: &str, claims: &str| {
        let header = format!(r#"{{"alg":"{alg}"}}"#);
        let token = sign("HS256", &signing, &header, claims);
        let token = parse(&token, TokenType::Signed).unwrap();
        token.check_without_keys(NOW, Duration::ZERO)
    };
    assert_eq!(judge("HS256", r#"{"exp":1700000001}"#), Ok(()));
    let (exp, now, leeway) = (NOW, NOW, 0);
    let expired = Error::Expired { exp, now, leeway };
    assert_eq!(
        judge("HS256", r#"{"exp":1700000000}"#),
        Err(expired.clone())
    );
    let alg = quoted("none");
    let unsupported = Error::UnsupportedAlgorithm { alg };
    assert_eq!(judge("none", "{}"), Err(unsupported));

    // A token that was verified before may have expired since.
    let text = sign(
        "HS256",
        &signing,
        r#"{"alg":"HS256"}"#,
        r#"{"exp":1700000000}"#,
    );
    let token = parse(&text, TokenType::Signed).unwrap();
    let token = token.authenticate(&set(&[signing]), SignatureCheck::Verify);
    let token = token.unwrap();
    assert_eq!(token.check_without_keys(NOW - 1, Duration::ZERO), Ok(()));
    assert_eq!(token.check_without_keys(NOW, Duration::ZERO), Err(expired));
    assert_eq!(token.text(), text.as_bytes());
    assert!(token.memory() > text.len());
    let exp = |claims: &Claims| claims.object().get(b"exp").is_some();
    assert!(token.readable_claims().is_some_and(exp));
}

#[test]
fn what_is_encrypted_is_checked_without_its_claims() {
    let (wrapping, signing) = (ours(), private_set(&[named(&key("HS256", 0), "s")]));
    let opened = nested(&key("HS256", 0), "s").open(&wrapping).unwrap();
    let kid = |header: Option<&JoseHeader>| header.and_then(JoseHeader::kid).map(str::to_owned);
    assert_eq!(kid(opened.inner_header()).as_deref(), Some("s"));
    let token = opened
        .authenticate(&signing, SignatureCheck::Verify)
        .unwrap();
    assert_eq!(token.check_without_keys(NOW, Duration::ZERO), Ok(()));
    assert!(token.readable_claims().is_none());
    assert!(token.memory() > token.text().len());
    let token = token.valid_at(NOW, Duration::ZERO).unwrap();
    let summary = Summary {
        alg: Some(quoted("A256KW")),
        kid: Some(quoted("w")),
        iss: Some(quoted("https://a.example")),
    };
    assert_eq!(token.summary(), summary);
}

#[test]
fn a_set_is_told_by_its_generations_and_its_names() {
    let (one, two) = (ours(), private_set(&[named(&key("HS256", 0), "s")]));
    let both = KeySet::merge([&one, &two]);
    let generations: Vec<_> = both.generations().collect();
    assert!(both.has_generations(&generations));
    assert!(!both.has_generations(&generations[..1]));
    assert!(!one.has_generations(&generations));
    assert!(!two.has_generations(&generations[..1]));
    assert!(!one.has_generations(&[]));
    assert_eq!([both.mark_used(), both.mark_used()], [true, false]);
    for (set, names) in [
        (&one, [true, false]),
        (&two, [false, true]),
        (&both, [true; 2]),
    ] {
        assert_eq!(["w", "s"].map(|kid| set.has_kid(kid)), names);
    }
}

#[test]
fn a_claim_may_look_like_a_token() {
    let claims = r#"{"version":"1.2.3"}"#;
    let key = key("A256KW", 0);
    let header = JwkObject::new();
    let text = test_tokens::encrypt("A256KW", "A256GCM", &key, &header, claims.as_bytes());
    let token = parse(&text.unwrap(), TokenType::Encrypted).unwrap();
    let token = token.verify(&private_set(&[key]), NOW, Duration::ZERO);
    assert_eq!(token.unwrap().claims().json(), claims);
}

/// A cache of tokens is as large as it says only if nothing large is left out.
#[test]
fn the_memory_of_a_token_includes_its_header_and_its_claims() {
    let (signing, wrapping) = (key("HS256", 0), key("A256KW", 0));
    let keys = private_set(&[signing.clone(), wrapping.clone()]);
    let memory = |kind, header: usize, claims: usize| {
        let member = |length| format!(r#""x":"{}""#, "a".repeat(length));
        let claims = format!("{{{}}}", member(claims));
        let text = match kind {
            TokenType::Signed => {
                let header = format!(r#"{{"alg":"HS256",{}}}"#, member(header));
                sign("HS256", &signing, &header, &claims)
            }
            _ => {
                let header = with(&JwkObject::new(), &format!("{{{}}}", member(header)));
                let claims = claims.as_bytes();
                test_tokens::encrypt("A256KW", "A256GCM", &wrapping, &header, claims).unwrap()
            }
        };
        let token = parse(&text, kind).unwrap();
        let token = token.authenticate(&keys, SignatureCheck::Verify).unwrap();
        token.memory()
    };
    // The text has four bytes for three; a decoded part of an encrypted one is counted as a text.
    for (kind, texts) in [(TokenType::Signed, 4000), (TokenType::Encrypted, 8000)] {
        let least = memory(kind, 0, 0) + texts + 3000;
        assert!(memory(kind, 3000, 0) >= least, "{kind:?}");
        assert!(memory(kind, 0, 3000) >= least, "{kind:?}");
    }
}
