//! What a token of each kind shows before and after its signature or tag was checked.

use super::*;

const CLAIMS: &str = r#"{"sub":"a","exp":1700000100}"#;

/// The same claims as a token of each kind, and keys that are good for all of them.
fn tokens() -> (String, String, String, KeySet) {
    let (signing, wrapping) = (key("HS256", 0), key("A256KW", 0));
    let signed = sign("HS256", &signing, r#"{"alg":"HS256"}"#, CLAIMS);
    let encrypt = |content: &str| {
        let header = JwkObject::new();
        test_tokens::encrypt("A256KW", "A256GCM", &wrapping, &header, content.as_bytes()).unwrap()
    };
    let (encrypted, nested) = (encrypt(CLAIMS), encrypt(&signed));
    let keys = serde_json::json!({ "keys": [signing, wrapping] }).to_string();
    (
        signed,
        encrypted,
        nested,
        KeySet::parse(keys.as_bytes()).unwrap(),
    )
}

fn authentic(token: &str, kind: TokenType, keys: &KeySet) -> AuthenticToken {
    let token = parse(token, kind).unwrap();
    assert_eq!(token.kind(), kind);
    token.authenticate(keys, SignatureCheck::Verify).unwrap()
}

#[test]
fn who_has_no_key_reads_the_claims_of_a_signed_token_only() {
    let (signed, encrypted, nested, keys) = tokens();
    for (text, kind, readable) in [
        (&signed, TokenType::Signed, Some(CLAIMS)),
        (&encrypted, TokenType::Encrypted, None),
        (&nested, TokenType::Nested, None),
    ] {
        let token = authentic(text, kind, &keys);
        assert_eq!(token.text(), text.as_bytes());
        assert_eq!(token.readable_claims().map(Claims::json), readable);
        let alg = if kind == TokenType::Signed {
            "HS256"
        } else {
            "A256KW"
        };
        assert_eq!(token.header().alg(), alg);
        let shown = format!("{token:?}");
        assert_eq!(shown, format!("AuthenticToken(alg \"{alg}\")"));
    }
}

#[test]
fn without_the_keys_only_the_times_of_a_signed_token_count() {
    let (signed, encrypted, nested, keys) = tokens();
    let late = 1_700_000_100;
    let expired = Error::Expired {
        exp: late,
        now: late,
        leeway: 0,
    };
    let check = |text: &str, kind, now| {
        let unverified = parse(text, kind)
            .unwrap()
            .check_without_keys(now, Duration::ZERO);
        let authentic = authentic(text, kind, &keys).check_without_keys(now, Duration::ZERO);
        assert_eq!(unverified, authentic);
        authentic
    };
    assert_eq!(check(&signed, TokenType::Signed, late - 1), Ok(()));
    assert_eq!(
        check(&signed, TokenType::Signed, late),
        Err(expired.clone())
    );
    assert_eq!(check(&encrypted, TokenType::Encrypted, late), Ok(()));
    assert_eq!(check(&nested, TokenType::Nested, late), Ok(()));
    // With the keys they count.
    for (text, kind) in [
        (&encrypted, TokenType::Encrypted),
        (&nested, TokenType::Nested),
    ] {
        let result = authentic(text, kind, &keys).valid_at(late, Duration::ZERO);
        assert_eq!(result.err(), Some(expired.clone()));
    }
}

#[test]
fn each_kind_of_token_counts_the_memory_of_all_that_it_holds() {
    let (signed, encrypted, nested, keys) = tokens();
    for (text, kind) in [
        (&signed, TokenType::Signed),
        (&encrypted, TokenType::Encrypted),
        (&nested, TokenType::Nested),
    ] {
        let memory = authentic(text, kind, &keys).memory();
        // The text, what it decodes to, and what JSON becomes.
        let bounds = 2 * text.len()..20 * text.len() + 4096;
        assert!(bounds.contains(&memory), "{memory} bytes, {bounds:?}");
    }
}

#[test]
fn only_an_opened_token_shows_the_header_inside() {
    let (signed, _, nested, keys) = tokens();
    let inner =
        |token: &UnverifiedToken| token.inner_header().map(|header| header.alg().to_owned());
    let token = parse(&nested, TokenType::Nested).unwrap();
    assert_eq!(inner(&token), None);
    assert_eq!(inner(&token.open(&keys).unwrap()).as_deref(), Some("HS256"));
    assert_eq!(inner(&parse(&signed, TokenType::Signed).unwrap()), None);
}

#[test]
fn a_signature_that_is_believed_still_needs_an_algorithm() {
    let believe = |token: &str| {
        let none = KeySet::merge([]);
        let token = parse(token, TokenType::Signed).unwrap();
        token.authenticate(&none, SignatureCheck::Believe).err()
    };
    assert_eq!(believe(&tokens().0), None);
    let alg = quoted("none");
    assert_eq!(
        believe(&sign("none", &JwkObject::new(), r#"{"alg":"none"}"#, "{}")),
        Some(Error::UnsupportedAlgorithm { alg })
    );
}

#[test]
fn key_sets_are_told_apart_by_their_numbers() {
    let text = br#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#;
    let (a, b) = (KeySet::parse(text).unwrap(), KeySet::parse(text).unwrap());
    let both = KeySet::merge([&a, &b]);
    let numbers = |set: &KeySet| set.generations().collect::<Vec<_>>();
    assert_ne!(numbers(&a), numbers(&b));
    assert_eq!(numbers(&both), [numbers(&a), numbers(&b)].concat());
    assert!(a.has_generations(&numbers(&a)));
    assert!(!a.has_generations(&numbers(&b)));
    assert!(!a.has_generations(&numbers(&both)));
    assert!(!both.has_generations(&numbers(&a)));
    assert!(!a.has_generations(&[]));
}

#[test]
fn algorithms_have_their_registered_names() {
    let signatures: Vec<_> = signature_algorithms().collect();
    assert!(signatures.starts_with(&["HS256", "HS384", "HS512"]));
    assert!(!signatures.contains(&"none"));
    let management: Vec<_> = key_management_algorithms().collect();
    assert!(management.contains(&"dir") && management.contains(&"ECDH-ES+A128KW"));
    assert!(!management.contains(&"RSA1_5"));
}
