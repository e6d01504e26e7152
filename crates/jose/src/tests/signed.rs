use super::*;

const CLAIMS: &str = r#"{"iss":"me","sub":"you","exp":1700000001,"n":1.50}"#;

const ALGORITHMS: [&str; 15] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
    "ES384", "ES512", "EdDSA", "Ed25519", "Ed448",
];

#[test]
fn a_good_token_is_accepted() {
    for alg in ALGORITHMS {
        let key = with(&key(alg, 0), r#"{"kid":"k1"}"#);
        let keys = set(std::slice::from_ref(&key));
        let header = format!(r#"{{"alg":"{alg}","kid":"k1","typ":"JWT","x":[1]}}"#);
        let token = verify(&sign(alg, &key, &header, CLAIMS), &keys).unwrap();
        assert_eq!(token.header().alg(), alg);
        assert_eq!(token.header().kid(), Some("k1"));
        assert_eq!(token.header().typ(), Some("JWT"));
        assert_eq!(token.header().json(), header);
        assert_eq!(token.claims().json(), CLAIMS);
        assert_eq!(
            token.claims().path(&["n"]).unwrap().as_number(),
            Some("1.50")
        );
        assert_eq!(token.payload(), None);
        assert_eq!(token.check_times(NOW, Duration::ZERO), Ok(()));
        let late = Error::Expired {
            exp: NOW + 1,
            now: NOW + 1,
            leeway: 0,
        };
        assert_eq!(token.check_times(NOW + 1, Duration::ZERO), Err(late));
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
    let token = UnverifiedToken::parse(token.as_bytes(), TokenType::Signed, &Limits::default());
    let token = token.unwrap();
    assert_eq!(token.claims().unwrap().json(), CLAIMS);
    let summary = r#"alg "HS256", kid "a\"b", iss "me""#;
    assert_eq!(token.summary().to_string(), summary);
    assert_eq!(format!("{token:?}"), format!("UnverifiedToken({summary})"));
}

#[test]
fn a_summary_says_what_it_can() {
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
            alg: find(alg),
            kid: None,
            tried,
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

fn find(alg: &str) -> &'static str {
    jws::find(alg).unwrap().name
}

#[test]
fn the_kid_chooses_and_keys_without_one_are_tried_too() {
    let named = |n, kid: &str| with(&key("HS256", n), &format!("{{\"kid\":{kid}}}"));
    let header = r#"{"alg":"HS256","kid":"a"}"#;
    let token = sign("HS256", &key("HS256", 0), header, CLAIMS);
    let kid = Some(quoted("a"));
    let accepted = |keys: &[Key]| verify(&token, &set(keys)).err();
    assert_eq!(accepted(&[named(0, r#""a""#)]), None);
    assert_eq!(accepted(&[named(1, r#""a""#), named(0, r#""a""#)]), None);
    assert_eq!(accepted(&[named(1, r#""a""#), named(0, "null")]), None);
    let unknown = Error::UnknownKey {
        alg: quoted("HS256"),
        kid: kid.clone(),
    };
    assert_eq!(accepted(&[named(0, r#""b""#)]), Some(unknown));
    let bad = Error::BadSignature {
        alg: "HS256",
        kid,
        tried: 1,
    };
    assert_eq!(accepted(&[named(0, r#""b""#), named(1, "null")]), Some(bad));

    let keys = set(&[named(0, r#""b""#)]);
    assert!(keys.contains_kid("b"));
    assert!(!keys.contains_kid("a"));
    let token = sign("HS256", &key("HS256", 0), r#"{"alg":"HS256"}"#, CLAIMS);
    assert!(verify(&token, &keys).is_ok());
}

#[test]
fn sixteen_candidates_are_tried() {
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
    };
    assert_eq!(verify(&token, &set(&keys)).err(), Some(bad));
}

#[test]
fn merged_sets_are_one_set() {
    let (first, second) = (
        set(&[key("HS256", 1)]),
        set(&[key("HS256", 0), key("ES256", 0)]),
    );
    let keys = KeySet::merge([&first, &second]);
    assert_eq!((first.len(), second.len(), keys.len()), (1, 2, 3));
    let token = sign("HS256", &key("HS256", 0), r#"{"alg":"HS256"}"#, CLAIMS);
    assert!(verify(&token, &keys).is_ok());
    assert!(verify(&token, &first).is_err());
}

#[test]
fn row_7_no_keys_is_no_success() {
    let token = sign("HS256", &key("HS256", 0), r#"{"alg":"HS256"}"#, CLAIMS);
    let unknown = Error::UnknownKey {
        alg: quoted("HS256"),
        kid: None,
    };
    for keys in [KeySet::default(), set(&[]), set(&[key("ES256", 0)])] {
        assert_eq!(verify(&token, &keys).err(), Some(unknown.clone()));
    }
    assert!(KeySet::default().is_empty() && set(&[]).is_empty());
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
    };
    assert_eq!(verify(&token, &set(&[key("HS256", 1)])).err(), Some(bad));
}
