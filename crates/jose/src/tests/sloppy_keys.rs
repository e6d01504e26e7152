//! Keys that are written sloppily but denote one key without doubt.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};

fn bytes(key: &JwkObject, member: &str) -> Vec<u8> {
    let text = key[member].as_str().unwrap();
    compact::decode(text.as_bytes(), InputPart::KeySet).unwrap()
}

/// The public half of the key, with this text for a member.
fn respelled(key: &JwkObject, member: &str, text: String) -> JwkObject {
    let mut key = test_tokens::public(key);
    key.insert(member.into(), text.into());
    key
}

/// The flaws of a key which verifies a token that the original has signed.
fn flaws(alg: &str, original: &JwkObject, respelled: &JwkObject) -> Vec<KeyFlaw> {
    let good = key("HS256", 0);
    let keys = set(&[good.clone(), respelled.clone()]);
    let token = sign(alg, original, &format!(r#"{{"alg":"{alg}"}}"#), "{}");
    assert!(verify(&token, &keys).is_ok(), "{respelled:?}");
    let token = sign("HS256", &good, r#"{"alg":"HS256"}"#, "{}");
    assert!(verify(&token, &keys).is_ok(), "the key beside it");
    let warnings: Vec<_> = keys.warnings().cloned().collect();
    match &warnings[..] {
        [] => Vec::new(),
        [
            Warning {
                index: 1,
                problem: KeyProblem::Used(flaws),
                ..
            },
        ] => flaws.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn row_50_padding_and_the_standard_alphabet_are_accepted() {
    for (alg, member) in [
        ("HS512", "k"),
        ("RS256", "n"),
        ("ES256", "x"),
        ("ES512", "y"),
        ("Ed25519", "x"),
        ("Ed448", "x"),
    ] {
        // A key whose text differs between the alphabets.
        let original = (0..).map(|n| key(alg, n));
        let original = original
            .into_iter()
            .find(|key| {
                STANDARD_NO_PAD
                    .encode(bytes(key, member))
                    .contains(['+', '/'])
            })
            .unwrap();
        let bytes = bytes(&original, member);
        let is_padded = STANDARD.encode(&bytes).ends_with('=');
        let padding = is_padded.then_some(KeyFlaw::Padding { member });
        let alphabet = KeyFlaw::StandardAlphabet { member };
        let flaws = |text| flaws(alg, &original, &respelled(&original, member, text));
        assert_eq!(flaws(test_tokens::base64url(&bytes)), []);
        assert_eq!(
            flaws(URL_SAFE.encode(&bytes)),
            Vec::from_iter(padding.clone())
        );
        let both: Vec<_> = padding.into_iter().chain([alphabet.clone()]).collect();
        assert_eq!(flaws(STANDARD.encode(&bytes)), both);
        assert_eq!(flaws(STANDARD_NO_PAD.encode(&bytes)), [alphabet]);
    }
}

#[test]
fn row_50_superfluous_zeros_are_dropped() {
    for (alg, member) in [
        ("RS256", "n"),
        ("RS256", "e"),
        ("ES256", "x"),
        ("ES384", "y"),
        ("Ed25519", "x"),
        ("Ed448", "x"),
    ] {
        let original = key(alg, 0);
        for zeros in [1, 2, 40] {
            let longer = [vec![0; zeros], bytes(&original, member)].concat();
            let longer = respelled(&original, member, test_tokens::base64url(&longer));
            let flaw = KeyFlaw::LeadingZeros { member };
            assert_eq!(flaws(alg, &original, &longer), [flaw], "{alg} {member}");
        }
        // Zeros on the right, or another byte on the left, make another number.
        for other in [
            [bytes(&original, member), vec![0]].concat(),
            [vec![1], bytes(&original, member)].concat(),
        ] {
            let other = respelled(&original, member, test_tokens::base64url(&other));
            let token = sign(alg, &original, &format!(r#"{{"alg":"{alg}"}}"#), "{}");
            assert!(verify(&token, &set(&[other])).is_err(), "{alg} {member}");
        }
    }
}

#[test]
fn row_50_missing_zeros_are_added() {
    for (alg, member) in [("ES256", "x"), ("ES256", "y"), ("Ed25519", "x")] {
        let mut keys = std::iter::repeat_with(|| test_tokens::key(alg, None).unwrap());
        let original = keys.find(|key| bytes(key, member)[0] == 0).unwrap();
        let bytes = bytes(&original, member);
        let shorter = respelled(&original, member, test_tokens::base64url(&bytes[1..]));
        let flaw = KeyFlaw::MissingZeros { member };
        assert_eq!(flaws(alg, &original, &shorter), [flaw], "{alg} {member}");
    }
}

#[test]
fn a_coordinate_that_was_cut_off_is_refused() {
    for (alg, length) in [("ES256", 32), ("ES512", 66), ("Ed25519", 32), ("Ed448", 57)] {
        let original = key(alg, 0);
        for shorter in [length / 2, length - 5] {
            let cut = bytes(&original, "x")[..shorter].to_vec();
            let cut = respelled(&original, "x", test_tokens::base64url(&cut));
            let fault = KeyFault::Length {
                member: "x",
                bytes: shorter,
                expected: length,
            };
            let keys = set(&[cut]);
            let warning = Warning {
                index: 0,
                kid: None,
                problem: KeyProblem::LeftOut(fault),
            };
            assert_eq!(keys.warnings().collect::<Vec<_>>(), [&warning], "{alg}");
        }
    }
}

#[test]
fn one_warning_names_all_flaws_of_a_key() {
    let original = key("RS256", 0);
    let n = [vec![0], bytes(&original, "n")].concat();
    let mut sloppy = respelled(&original, "n", URL_SAFE.encode(&n) + "=");
    sloppy.insert("n".into(), STANDARD.encode(&n).into());
    sloppy.insert("e".into(), "AAEAAQ==".into());
    sloppy.insert("kid".into(), "k1".into());
    let keys = set(&[sloppy]);
    let warnings: Vec<_> = keys.warnings().map(Warning::to_string).collect();
    let padding = match n.len() % 3 {
        0 => "",
        _ => r#"member "n" has base64 padding; "#,
    };
    let expected = format!(
        "key 0, kid \"k1\": used, but {padding}member \"n\" is base64 instead of base64url; \
         member \"n\" has superfluous zeros on the left; member \"e\" has base64 padding; member \
         \"e\" has superfluous zeros on the left"
    );
    assert_eq!(warnings, [expected]);
}

#[test]
fn secrets_keep_their_zeros() {
    let mut secret = JwkObject::new();
    secret.insert("kty".into(), "oct".into());
    secret.insert(
        "k".into(),
        test_tokens::base64url(&[&[0; 8][..], &[7; 56]].concat()).into(),
    );
    assert_eq!(flaws("HS256", &secret, &secret), []);
    let without = respelled(&secret, "k", test_tokens::base64url(&[7; 56]));
    let token = sign("HS256", &secret, r#"{"alg":"HS256"}"#, "{}");
    assert!(verify(&token, &set(&[without])).is_err());
}

#[test]
fn tokens_stay_strict() {
    let key = key("HS256", 0);
    let token = sign("HS256", &key, r#"{"alg":"HS256"}"#, "{}");
    let keys = set(&[key]);
    assert!(verify(&token, &keys).is_ok());
    for sloppy in [format!("{token}="), token.replace(['-', '_'], "+") + "="] {
        let part = InputPart::Signature;
        assert_eq!(
            verify(&sloppy, &keys).err(),
            Some(Error::Base64Padding { part })
        );
    }
}
