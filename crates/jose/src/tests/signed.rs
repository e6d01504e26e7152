//! Signed tokens that are accepted, and which keys are tried for them.

use super::*;

const CLAIMS: &str = r#"{"iss":"me","sub":"you","exp":1700000001,"n":1.50}"#;

/// All algorithms. A build with ring has no ML-DSA.
const ALGORITHMS: &[&str] = match crypto::HAS_ML_DSA {
    true => &ALL_ALGORITHMS,
    false => ALL_ALGORITHMS.split_at(16).0,
};

const ALL_ALGORITHMS: [&str; 19] = [
    "HS256",
    "HS384",
    "HS512",
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "ES256K",
    "EdDSA",
    "Ed25519",
    "Ed448",
    "ML-DSA-44",
    "ML-DSA-65",
    "ML-DSA-87",
];

#[test]
fn a_good_token_is_accepted() {
    for alg in ALGORITHMS {
        let key = with(&key(alg, 0), r#"{"kid":"k1"}"#);
        let keys = set(std::slice::from_ref(&key));
        let header = format!(r#"{{"alg":"{alg}","kid":"k1","typ":"JWT","x":[1]}}"#);
        let unverified = parse(&sign(alg, &key, &header, CLAIMS), TokenType::Signed).unwrap();
        let token = unverified.verify(&keys, NOW, Duration::ZERO).unwrap();
        assert_eq!(token.header().alg(), *alg);
        assert_eq!(token.header().kid(), Some("k1"));
        let typ = token.header().object().get(b"typ").unwrap();
        assert_eq!(typ.as_str().unwrap(), "JWT");
        assert_eq!(token.header().object().raw(), header);
        assert_eq!(token.claims().json(), CLAIMS);
        let n = token.claims().object().get(b"n").unwrap();
        assert_eq!(n.as_number(), Some("1.50"));
        assert_eq!(token.payload(), None);
        let expired = Error::Expired {
            exp: NOW + 1,
            now: NOW + 1,
            leeway: 0,
        };
        let later = unverified.verify(&keys, NOW + 1, Duration::ZERO);
        assert_eq!(later.err(), Some(expired));
    }
}

/// nginx logs an [alert] for errors that it finds in OpenSSL's queue.
#[test]
fn a_forged_token_leaves_no_error_in_the_queue_of_openssl() {
    use openssl::error::ErrorStack;

    for alg in ALGORITHMS {
        let token = sign(alg, &key(alg, 1), &format!(r#"{{"alg":"{alg}"}}"#), CLAIMS);
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let keys = set(&[key(alg, 0)]);
        // Of another key, all zeros, and larger than any number that counts.
        for byte in ["", "A", "_"] {
            let signature = match byte {
                "" => signature.to_owned(),
                // A last character with other bits would be malformed.
                byte => byte.repeat(signature.len() - 1) + &signature[signature.len() - 1..],
            };
            let _ = ErrorStack::get();
            let error = verify(&format!("{signed}.{signature}"), &keys).err();
            assert!(
                matches!(error, Some(Error::BadSignature { .. })),
                "{alg}: {error:?}"
            );
            let left = ErrorStack::get();
            assert!(left.errors().is_empty(), "{alg}: {left}");
        }
    }
}

#[test]
fn claims_can_be_read_before_they_are_verified() {
    let token = sign(
        "HS256",
        &key("HS256", 0),
        r#"{"alg":"HS256","kid":"a\"b"}"#,
        CLAIMS,
    );
    let token = parse(&token, TokenType::Signed).unwrap();
    assert_eq!(token.claims().unwrap().json(), CLAIMS);
    let summary = r#"alg "HS256", kid "a\"b", iss "me""#;
    assert_eq!(token.summary().to_string(), summary);
    assert_eq!(format!("{token:?}"), format!("UnverifiedToken({summary})"));
}

#[test]
fn a_summary_has_the_values_that_can_be_read() {
    let limits = Limits::default();
    assert_eq!(Summary::of(b"", &limits), Summary::default());
    let token = sign(
        "none",
        &key("HS256", 0),
        r#"{"alg":"x"}"#,
        r#"{"iss":"a\nb","iat":1}"#,
    );
    let summary = Summary::of(format!("{token}.!").as_bytes(), &limits);
    assert_eq!(summary.to_string(), r#"alg "x", iss "a\x0ab""#);
    let token = sign("none", &key("HS256", 0), r#"{"alg":"x"}"#, "no claims");
    assert_eq!(
        Summary::of(token.as_bytes(), &limits).to_string(),
        r#"alg "x""#
    );
}

#[test]
fn another_key_gives_a_bad_signature() {
    for alg in ALGORITHMS {
        let header = format!(r#"{{"alg":"{alg}"}}"#);
        let token = sign(alg, &key(alg, 0), &header, CLAIMS);
        let bad = |tried| Error::BadSignature {
            alg: static_name(alg),
            kid: None,
            tried,
            fitting: tried,
        };
        assert_eq!(verify(&token, &set(&[key(alg, 1)])).err(), Some(bad(1)));
        let both = set(&[key(alg, 1), key(alg, 0)]);
        assert!(verify(&token, &both).is_ok());
        let (message, _) = token.rsplit_once('.').unwrap();
        assert_eq!(
            verify(&format!("{message}.AAAA"), &both).err(),
            Some(bad(2))
        );
    }
}

fn static_name(alg: &str) -> &'static str {
    jws::find(alg).unwrap().name
}

#[test]
fn keys_with_the_kid_and_keys_without_a_kid_are_tried() {
    let named = |number, kid: &str| with(&key("HS256", number), &format!("{{\"kid\":{kid}}}"));
    let header = r#"{"alg":"HS256","kid":"a"}"#;
    let token = sign("HS256", &key("HS256", 0), header, CLAIMS);
    let kid = Some(quoted("a"));
    let error = |keys: &[JwkObject]| verify(&token, &set(keys)).err();
    assert_eq!(error(&[named(0, r#""a""#)]), None);
    assert_eq!(error(&[named(1, r#""a""#), named(0, r#""a""#)]), None);
    assert_eq!(error(&[named(1, r#""a""#), named(0, "null")]), None);
    let unknown = Error::UnknownKey {
        alg: "HS256",
        kid: kid.clone(),
        reason: NoKeyReason::NoSuchKid,
    };
    assert_eq!(error(&[named(0, r#""b""#)]), Some(unknown));
    let bad = Error::BadSignature {
        alg: "HS256",
        kid,
        tried: 1,
        fitting: 1,
    };
    assert_eq!(error(&[named(0, r#""b""#), named(1, "null")]), Some(bad));

    let keys = set(&[named(0, r#""b""#)]);
    let token = sign("HS256", &key("HS256", 0), r#"{"alg":"HS256"}"#, CLAIMS);
    assert!(verify(&token, &keys).is_ok());
}

#[test]
fn at_most_sixteen_keys_are_tried() {
    let other = |n: usize| with(&key("HS256", 1), &format!("{{\"kid\":\"{n}\"}}"));
    let mut keys: Vec<_> = (0..15).map(other).collect();
    let token = sign("HS256", &key("HS256", 0), r#"{"alg":"HS256"}"#, CLAIMS);
    keys.push(key("HS256", 0));
    assert!(verify(&token, &set(&keys)).is_ok());
    keys.insert(0, other(16));
    let bad = Error::BadSignature {
        alg: "HS256",
        kid: None,
        tried: 16,
        fitting: 17,
    };
    assert_eq!(verify(&token, &set(&keys)).err(), Some(bad));
}

#[test]
fn a_merged_set_has_the_keys_of_all_sets() {
    let (first, second) = (
        set(&[key("HS256", 1)]),
        set(&[key("HS256", 0), key("ES256", 0)]),
    );
    let keys = KeySet::merge([&first, &second]);
    let counts = [&first, &second, &keys].map(KeySet::usable_keys);
    assert_eq!(counts, [1, 2, 3]);
    let token = sign("HS256", &key("HS256", 0), r#"{"alg":"HS256"}"#, CLAIMS);
    assert!(verify(&token, &keys).is_ok());
    assert!(verify(&token, &first).is_err());
}

#[test]
fn row_7_a_set_without_a_key_accepts_no_token() {
    let token = sign("HS256", &key("HS256", 0), r#"{"alg":"HS256"}"#, CLAIMS);
    let other = NoKeyReason::OtherAlgorithms(vec!["ES256"]);
    for (keys, reason) in [
        (KeySet::default(), NoKeyReason::EmptySet),
        (set(&[]), NoKeyReason::EmptySet),
        (set(&[key("ES256", 0)]), other),
    ] {
        let unknown = Error::UnknownKey {
            alg: "HS256",
            kid: None,
            reason,
        };
        assert_eq!(verify(&token, &keys).err(), Some(unknown));
    }
    assert_eq!(KeySet::default().usable_keys(), 0);
    assert_eq!(set(&[]).usable_keys(), 0);
}

#[test]
fn times_are_checked_after_the_signature() {
    let key0 = key("HS256", 0);
    let token = sign("HS256", &key0, r#"{"alg":"HS256"}"#, r#"{"exp":1}"#);
    let expired = Error::Expired {
        exp: 1,
        now: NOW,
        leeway: 0,
    };
    assert_eq!(verify(&token, &set(&[key0])).err(), Some(expired));
    let bad = Error::BadSignature {
        alg: "HS256",
        kid: None,
        tried: 1,
        fitting: 1,
    };
    assert_eq!(verify(&token, &set(&[key("HS256", 1)])).err(), Some(bad));
}
