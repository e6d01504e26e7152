//! What a token costs is bounded, whatever the key set is.

use super::*;

fn parse_set(keys: &[JwkObject]) -> KeySet {
    KeySet::parse(serde_json::json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

/// How many keys are tried for a token with an empty message.
fn tried(keys: &KeySet, alg: &str, kid: Option<&str>) -> usize {
    keys.verifiers(jws::find(alg).unwrap(), kid, 0).count()
}

/// An RSA public key whose modulus has so many bits.
fn rsa(bits: usize, number: u8, members: &str) -> JwkObject {
    let mut n = vec![0xff; bits / 8];
    n[1] = number;
    let mut key = JwkObject::new();
    key.insert("kty".into(), "RSA".into());
    key.insert("n".into(), test_tokens::base64url(&n).into());
    key.insert("e".into(), "AQAB".into());
    with(&key, members)
}

fn sixteen(key: impl Fn(u8) -> JwkObject) -> KeySet {
    parse_set(&(0..16).map(key).collect::<Vec<_>>())
}

#[test]
fn row_58_expensive_keys_are_few() {
    let exponent = r#"{"e":"_____w"}"#;
    for (bits, members, expected) in [
        (2048, "{}", 16),
        (4096, "{}", 16),
        (8192, "{}", 7),
        (16384, "{}", 1),
        (2048, exponent, 16),
        (4096, exponent, 9),
        (16384, exponent, 1),
    ] {
        let keys = sixteen(|n| rsa(bits, n, members));
        assert_eq!(keys.usable_keys(), 16);
        assert_eq!(tried(&keys, "RS256", None), expected, "{bits} {members}");
        assert_eq!(
            tried(&keys, "PS512", Some("x")),
            expected,
            "{bits} {members}"
        );
    }
    for (alg, expected) in [
        ("ES256", 16),
        ("ES384", 7),
        ("ES512", 4),
        ("ES256K", 6),
        ("Ed448", 7),
    ] {
        let keys = sixteen(|n| key(alg, n.into()));
        assert_eq!(tried(&keys, alg, None), expected, "{alg}");
    }
}

#[test]
fn row_58_all_usual_keys_with_the_kid_of_the_token_are_tried() {
    let named = r#"{"kid":"k"}"#;
    for alg in ["HS256", "RS256", "ES256", "ES512", "Ed448"] {
        let keys = sixteen(|n| match alg {
            "RS256" => rsa(4096, n, named),
            _ => with(&key(alg, n.into()), named),
        });
        assert_eq!(tried(&keys, alg, Some("k")), 16, "{alg}");
    }
    let keys = sixteen(|n| rsa(16384, n, r#"{"kid":"k"}"#));
    assert_eq!(tried(&keys, "RS256", Some("k")), 11);
}

#[test]
fn row_58_a_cheap_key_is_tried_before_expensive_ones() {
    let good = key("RSA", 0);
    let mut keys: Vec<_> = (0..16).map(|n| rsa(16384, n, "{}")).collect();
    keys.push(test_tokens::public(&good));
    let keys = parse_set(&keys);
    assert_eq!(tried(&keys, "RS256", None), 2);
    let token = sign("RS256", &good, r#"{"alg":"RS256"}"#, "{}");
    assert!(verify(&token, &keys).is_ok());
    // This key alone is more than all may cost.
    let expensive = rsa(16384, 0, r#"{"e":"_____w"}"#);
    let keys = parse_set(&[expensive, test_tokens::public(&good)]);
    assert!(verify(&token, &keys).is_ok());
}

#[test]
fn row_58_at_least_one_key_of_each_kind_is_tried() {
    let mut keys: Vec<_> = (0..16).map(|n| key("Ed448", n)).collect();
    keys.push(key("Ed25519", 0));
    let token = sign("EdDSA", &key("Ed25519", 0), r#"{"alg":"EdDSA"}"#, "{}");
    assert!(verify(&token, &set(&keys)).is_ok());
    keys.rotate_right(1);
    let token = sign("EdDSA", &key("Ed448", 0), r#"{"alg":"EdDSA"}"#, "{}");
    assert!(verify(&token, &set(&keys)).is_ok());
    // A key with another kid is no reason to leave out one without a kid.
    let keys = [
        with(&rsa(16384, 0, "{}"), r#"{"kid":"k"}"#),
        test_tokens::public(&key("RSA", 0)),
    ];
    let token = sign(
        "RS256",
        &key("RSA", 0),
        r#"{"alg":"RS256","kid":"k"}"#,
        "{}",
    );
    assert!(verify(&token, &parse_set(&keys)).is_ok());
}

#[test]
fn row_58_each_kind_has_a_bit_of_its_own() {
    use crate::cost::KeyKind::{self, Ec, MlDsa, Montgomery, Octets, Okp, Rsa};
    use crate::jwk::{EcCurve, EdwardsCurve, MlDsa as Parameters, MontgomeryCurve};
    let kinds = [
        Octets,
        Rsa,
        Ec(EcCurve::P256),
        Ec(EcCurve::P384),
        Ec(EcCurve::P521),
        Ec(EcCurve::Secp256k1),
        Okp(EdwardsCurve::Ed25519),
        Okp(EdwardsCurve::Ed448),
        Montgomery(MontgomeryCurve::X25519),
        Montgomery(MontgomeryCurve::X448),
        MlDsa(Parameters::MlDsa44),
        MlDsa(Parameters::MlDsa65),
        MlDsa(Parameters::MlDsa87),
    ];
    let bits = kinds.map(KeyKind::bit);
    assert!(bits.iter().all(|bit| bit.count_ones() == 1));
    let all = bits.iter().fold(0, |all, bit| all | bit);
    assert_eq!(all.count_ones(), 13);
    // A long message alone is more than half of what all keys may cost.
    let keys: Vec<_> = ["Ed448", "Ed448", "Ed25519", "Ed25519"]
        .into_iter()
        .enumerate()
        .map(|(n, alg)| key(alg, n))
        .collect();
    let algorithm = jws::find("EdDSA").unwrap();
    let keys = set(&keys);
    assert_eq!(keys.verifiers(algorithm, None, 400_000).count(), 2);
}

#[test]
fn row_58_a_long_token_is_tried_with_fewer_keys() {
    let keys = sixteen(|n| key("HS256", n.into()));
    let algorithm = jws::find("HS256").unwrap();
    let tried = |length| keys.verifiers(algorithm, None, length).count();
    assert_eq!([0, 10_000, 100_000, 512 << 10].map(tried), [16, 16, 6, 1]);
}

#[test]
fn row_58_a_long_encrypted_token_is_tried_with_fewer_keys() {
    let keys: Vec<_> = (0..3).map(|n| key("A128KW", n)).collect();
    let set = parse_set(&keys);
    let is_accepted = |length, number: usize| {
        let claims = format!(r#"{{"a":"{}"}}"#, "x".repeat(length));
        let key = &keys[number];
        let token = test_tokens::encrypt(
            "A128KW",
            "A128GCM",
            key,
            &JwkObject::new(),
            claims.as_bytes(),
        );
        let token = parse(&token.unwrap(), TokenType::Encrypted).unwrap();
        token.verify(&set, NOW, Duration::ZERO).is_ok()
    };
    assert_eq!([0, 1, 2].map(|number| is_accepted(10, number)), [true; 3]);
    let long = 250_000;
    assert_eq!(
        [0, 1, 2].map(|number| is_accepted(long, number)),
        [true, true, false]
    );
}

#[test]
fn row_58_few_private_rsa_keys_are_tried() {
    let keys: Vec<_> = (0..4).map(|n| key("RSA", n)).collect();
    let algorithm = jwe::find("RSA-OAEP").unwrap();
    let encryption = jwe::find_encryption("A128GCM").unwrap();
    let tried = |keys: &KeySet, header: &str| {
        let header = test_tokens::base64url(header.as_bytes());
        let header = JoseHeader::parse(header.as_bytes(), &Limits::default()).unwrap();
        keys.decrypters(algorithm, encryption, &header, 0).count()
    };
    let (nameless, k) = (r#"{"alg":""}"#, r#"{"alg":"","kid":"k"}"#);
    assert_eq!(tried(&parse_set(&keys), nameless), 2);
    let named: Vec<_> = keys.iter().map(|key| with(key, r#"{"kid":"k"}"#)).collect();
    assert_eq!(tried(&parse_set(&named), k), 4);
    let large: JwkObject =
        serde_json::from_str(include_str!("../../../../t/data/rsa-16384.jwk")).unwrap();
    let set = parse_set(&[large.clone(), large.clone(), large]);
    assert_eq!(tried(&set, nameless), 2);
}

#[test]
fn row_58_few_private_keys_are_tried_for_key_agreement() {
    let algorithm = jwe::find("ECDH-ES").unwrap();
    let encryption = jwe::find_encryption("A128GCM").unwrap();
    for (curve, expected) in [
        ("P-256", 16),
        ("P-384", 2),
        ("P-521", 4),
        ("X25519", 16),
        ("X448", 6),
    ] {
        let keys = sixteen(|n| key(curve, n.into()));
        let header = JoseHeader::default();
        let tried = keys.decrypters(algorithm, encryption, &header, 0);
        assert_eq!(tried.count(), expected, "{curve}");
    }
}

#[test]
fn row_58_primes_are_computed_when_they_are_missing() {
    use openssl::bn::{BigNum, BigNumContext};
    let original = key("RSA", 0);
    let number = |member: &str| {
        let text = original[member].as_str().unwrap();
        let bytes = compact::decode(text.as_bytes(), InputPart::KeySet).unwrap();
        BigNum::from_slice(&bytes).unwrap()
    };
    // The private exponent modulo the order of the group, and modulo its exponent.
    let mut context = BigNumContext::new().unwrap();
    let order = |prime: &BigNum| &**prime - &*BigNum::from_u32(1).unwrap();
    let (p, q) = (order(&number("p")), order(&number("q")));
    let (mut phi, mut lambda) = (BigNum::new().unwrap(), BigNum::new().unwrap());
    phi.checked_mul(&p, &q, &mut context).unwrap();
    let mut divisor = BigNum::new().unwrap();
    divisor.gcd(&p, &q, &mut context).unwrap();
    lambda.checked_div(&phi, &divisor, &mut context).unwrap();
    let exponents = [phi, lambda].map(|modulus| {
        let mut d = BigNum::new().unwrap();
        d.mod_inverse(&number("e"), &modulus, &mut context).unwrap();
        test_tokens::base64url(&d.to_vec())
    });
    let members = ["p", "q", "dp", "dq", "qi"];
    let token = test_tokens::encrypt("RSA-OAEP", "A128GCM", &original, &JwkObject::new(), b"{}");
    let token = parse(&token.unwrap(), TokenType::Encrypted).unwrap();
    for d in exponents {
        for missing in 1..32 {
            let mut key = original.clone();
            key.insert("d".into(), d.clone().into());
            for (bit, member) in members.iter().enumerate() {
                if missing >> bit & 1 == 1 {
                    key.remove(*member);
                }
            }
            let keys = parse_set(&[key]);
            assert_eq!(keys.warnings().count(), 0, "{missing:05b}");
            assert!(
                token.verify(&keys, NOW, Duration::ZERO).is_ok(),
                "{missing:05b}"
            );
        }
    }
}

#[test]
fn row_58_a_private_key_without_primes_that_has_none_is_left_out() {
    let original = key("RSA", 0);
    let without = r#"{"p":null,"q":null,"dp":null,"dq":null,"qi":null}"#;
    let huge = test_tokens::base64url(&[0xff; 1 << 10]);
    for d in [
        key("RSA", 1)["d"].as_str().unwrap(),
        "AQ",
        "Aw",
        original["n"].as_str().unwrap(),
        &huge,
    ] {
        let wrong = with(&with(&original, without), &format!(r#"{{"d":"{d}"}}"#));
        let keys = parse_set(std::slice::from_ref(&wrong));
        let warnings: Vec<_> = keys.warnings().map(Warning::to_string).collect();
        let expected = "key 0: left out, its members do not belong to one RSA key";
        assert_eq!(warnings, [expected], "{d}");
        // A key that does not decrypt does not need them.
        let verifying = with(&wrong, r#"{"use":"sig"}"#);
        assert_eq!(parse_set(&[verifying]).usable_keys(), 1, "{d}");
    }
}

#[test]
fn row_58_primes_are_computed_for_few_keys_of_a_set() {
    let without = r#"{"p":null,"q":null,"dp":null,"dq":null,"qi":null}"#;
    let keys = parse_set(&vec![with(&key("RSA", 0), without); 18]);
    assert_eq!(keys.usable_keys(), 16);
    let warnings: Vec<_> = keys.warnings().map(Warning::to_string).collect();
    let text =
        "left out, it lacks p, q, dp, dq or qi, which are computed for few keys of a set only";
    assert_eq!(
        warnings,
        [16, 17].map(|index| format!("key {index}: {text}"))
    );
}

#[test]
fn row_58_two_private_keys_of_a_kind_are_tried_whatever_they_cost() {
    let algorithm = jwe::find("RSA-OAEP").unwrap();
    let encryption = jwe::find_encryption("A128GCM").unwrap();
    let header = JoseHeader::default();
    let large: JwkObject =
        serde_json::from_str(include_str!("../../../../t/data/rsa-16384.jwk")).unwrap();
    let large = with(&large, r#"{"kid":null}"#);
    let one = |key: &JwkObject| parse_set(std::slice::from_ref(key));
    let (large, small) = (one(&large), one(&key("RSA", 0)));
    let tried = |sets: &[&KeySet]| {
        let keys = KeySet::merge(sets.iter().copied());
        keys.decrypters(algorithm, encryption, &header, 0).count()
    };
    assert_eq!(tried(&[&large, &large]), 2);
    assert_eq!(tried(&[&large, &small]), 2);
    assert_eq!(tried(&[&small, &large, &large]), 2);
    assert_eq!(tried(&[&small, &small, &small]), 2);
}

#[test]
fn row_58_a_cheap_key_of_another_set_is_tried_before_expensive_ones() {
    let good = key("RSA", 0);
    let cheap = parse_set(&[
        test_tokens::public(&key("RSA", 1)),
        test_tokens::public(&good),
    ]);
    let expensive = sixteen(|n| rsa(8192, n, "{}"));
    let token = sign("RS256", &good, r#"{"alg":"RS256"}"#, "{}");
    for keys in [both(&expensive, &cheap), both(&cheap, &expensive)] {
        assert!(verify(&token, &keys).is_ok());
        assert_eq!(tried(&keys, "RS256", None), 8);
    }
    // Keys with the token's `kid` come first nevertheless.
    let named = sixteen(|n| rsa(8192, n, r#"{"kid":"k"}"#));
    let keys = both(&cheap, &named);
    assert_eq!(tried(&keys, "RS256", Some("k")), 16);
    let token = sign("RS256", &good, r#"{"alg":"RS256","kid":"k"}"#, "{}");
    assert_eq!(
        verify(&token, &keys).err().unwrap().to_string(),
        "bad signature, algorithm \"RS256\", kid \"k\", keys tried: 16 of 18 that fit, since more \
         could take too long; give each key the kid that its tokens have"
    );
}

#[test]
fn row_58_keys_of_equal_cost_are_tried_in_the_order_of_the_sets() {
    let named = |numbers: std::ops::Range<usize>| {
        let keys: Vec<_> = numbers.map(|n| key("HS256", n)).collect();
        set(&keys)
    };
    let (first, second) = (named(0..15), named(15..17));
    let is_accepted = |keys: &KeySet, number| {
        let token = sign("HS256", &key("HS256", number), r#"{"alg":"HS256"}"#, "{}");
        verify(&token, keys).is_ok()
    };
    let keys = both(&first, &second);
    assert_eq!(
        [0, 14, 15, 16].map(|number| is_accepted(&keys, number)),
        [true, true, true, false]
    );
    let keys = both(&second, &first);
    assert_eq!(
        [15, 16, 0, 13, 14].map(|number| is_accepted(&keys, number)),
        [true, true, true, true, false]
    );
}

#[test]
fn row_58_a_kind_of_key_is_tried_though_many_sets_have_another_kind() {
    let sets: Vec<_> = (0..17).map(|n| set(&[key("Ed25519", n)])).collect();
    let last = set(&[key("Ed448", 0)]);
    let keys = KeySet::merge(sets.iter().chain([&last]));
    let token = sign("EdDSA", &key("Ed448", 0), r#"{"alg":"EdDSA"}"#, "{}");
    assert!(verify(&token, &keys).is_ok());
}

#[test]
fn row_58_the_log_says_that_more_keys_fit() {
    let keys: Vec<_> = (0..3).map(|n| key("RSA", n)).collect();
    let set = parse_set(&keys);
    let error = |number: usize| {
        let header = JwkObject::new();
        let token = test_tokens::encrypt("RSA-OAEP", "A128GCM", &keys[number], &header, b"{}");
        let token = parse(&token.unwrap(), TokenType::Encrypted).unwrap();
        let verified = token.verify(&set, NOW, Duration::ZERO);
        verified.err().map(|error| error.to_string())
    };
    assert_eq!([0, 1].map(error), [None, None]);
    assert_eq!(
        error(2).unwrap(),
        "decryption failed, algorithm \"RSA-OAEP\", keys tried: 2 of 3 that fit, since more could \
         take too long; give each key the kid that its tokens have"
    );
}

#[test]
fn row_58_not_all_keys_that_fit_are_counted() {
    let keys: Vec<_> = (0..101).map(|n| key("HS256", n)).collect();
    let token = sign("HS256", &key("HS256", 101), r#"{"alg":"HS256"}"#, "{}");
    let error = |count: usize| {
        verify(&token, &set(&keys[..count]))
            .err()
            .unwrap()
            .to_string()
    };
    for (count, shown) in [(99, "99"), (100, "100 or more"), (101, "100 or more")] {
        assert_eq!(
            error(count),
            format!(
                "bad signature, algorithm \"HS256\", keys tried: 16 of {shown} that fit, since more \
                 could take too long; give each key the kid that its tokens have"
            )
        );
    }
}
