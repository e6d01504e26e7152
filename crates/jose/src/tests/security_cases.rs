//! The rows of docs/dev/security-cases.md about signed tokens. The number in the name of a test is
//! the row.

use super::*;
use test_tokens::base64url;

const CLAIMS: &str = r#"{"sub":"you"}"#;

/// A token of these three parts, which are not encoded yet.
fn join(header: &[u8], payload: &[u8], signature: &[u8]) -> String {
    [header, payload, signature].map(base64url).join(".")
}

fn unsupported(alg: &str) -> Option<Error> {
    Some(Error::UnsupportedAlgorithm { alg: quoted(alg) })
}

/// That there is no key for this algorithm, and why.
fn unknown(alg: &str, reason: NoKeyReason) -> Option<Error> {
    Some(Error::UnknownKey {
        alg: jws::find(alg).unwrap().name,
        kid: None,
        reason,
    })
}

fn for_others(names: &[&'static str]) -> NoKeyReason {
    NoKeyReason::OtherAlgorithms(names.to_vec())
}

fn forbidden_by(member: &'static str) -> NoKeyReason {
    NoKeyReason::OtherPurpose {
        needed: KeyPurpose::Verify,
        member,
    }
}

fn bad(alg: &str, tried: usize) -> Option<Error> {
    let alg = jws::find(alg).unwrap().name;
    Some(Error::BadSignature {
        alg,
        kid: None,
        tried,
        fitting: tried,
    })
}

#[test]
fn row_1_alg_none_is_refused() {
    let keys = set(&[key("HS256", 0), key("RSA", 0), key("ES256", 0)]);
    for alg in [
        "none",
        "None",
        "NONE",
        "nOnE",
        "",
        "hs256",
        "HS256 ",
        "HS256\\u0000",
        "RS1",
        "ES384K",
    ] {
        let header = format!(r#"{{"alg":"{alg}"}}"#);
        let expected = unsupported(&alg.replace("\\u0000", "\0"));
        assert_eq!(
            verify(&join(header.as_bytes(), CLAIMS.as_bytes(), b""), &keys).err(),
            expected
        );
        let signed = sign("HS256", &key("HS256", 0), &header, CLAIMS);
        assert_eq!(verify(&signed, &keys).err(), expected);
    }
    for header in [
        "{}",
        r#"{"alg":null}"#,
        r#"{"alg":["HS256"]}"#,
        r#"{"ALG":"HS256"}"#,
    ] {
        let parameter = Some(Error::HeaderParameter { name: "alg" });
        let signed = sign("HS256", &key("HS256", 0), header, CLAIMS);
        assert_eq!(verify(&signed, &keys).err(), parameter);
    }
    let empty = sign("none", &key("HS256", 0), r#"{"alg":"HS256"}"#, CLAIMS);
    assert_eq!(verify(&empty, &keys).err(), bad("HS256", 1));
    let two_parts = empty.trim_end_matches('.');
    assert_eq!(
        verify(two_parts, &keys).err(),
        Some(Error::TokenParts {
            found: 2,
            expected: 3
        })
    );
}

#[test]
fn row_2_a_public_key_is_never_an_hmac_secret() {
    use ::josekit::jwk::{Jwk, alg::rsa::RsaKeyPair};
    let rsa = test_tokens::public(&key("RSA", 0));
    let pair = RsaKeyPair::from_jwk(&Jwk::from_map(key("RSA", 0)).unwrap()).unwrap();
    let text = serde_json::to_vec(&rsa).unwrap();
    let jwk = Jwk::from_map(rsa.clone()).unwrap();
    let n = jwk
        .parameter("n")
        .unwrap()
        .as_str()
        .unwrap()
        .as_bytes()
        .to_vec();
    let spki = pair.to_der_public_key();
    let pem = pair.to_pem_public_key();
    let pem_without_end = pem.trim_ascii_end().to_vec();
    let pkcs1 = pair.to_traditional_pem_public_key();
    let alone = set(std::slice::from_ref(&rsa));
    let with_secret = set(&[
        with(&rsa, r#"{"kid":"a"}"#),
        with(&key("HS256", 0), r#"{"kid":"a"}"#),
    ]);
    let rsa_algorithms = ["PS256", "PS384", "PS512", "RS256", "RS384", "RS512"];
    for secret in [spki, pem, pem_without_end, pkcs1, n, text] {
        let mut forger = Jwk::new("oct");
        forger.set_key_value(secret);
        let forger: JwkObject = forger.into();
        for alg in ["HS256", "HS384", "HS512"] {
            let token = sign(alg, &forger, &format!(r#"{{"alg":"{alg}"}}"#), CLAIMS);
            assert_eq!(
                verify(&token, &alone).err(),
                unknown(alg, for_others(&rsa_algorithms))
            );
            let token = sign(
                alg,
                &forger,
                &format!(r#"{{"alg":"{alg}","kid":"a"}}"#),
                CLAIMS,
            );
            let alg = jws::find(alg).unwrap().name;
            let refused = Error::BadSignature {
                alg,
                kid: Some(quoted("a")),
                tried: 1,
                fitting: 1,
            };
            assert_eq!(verify(&token, &with_secret).err(), Some(refused));
        }
    }
}

#[test]
fn row_3_a_kid_is_only_compared() {
    let signing = with(&key("HS256", 0), r#"{"kid":"k1"}"#);
    let keys = set(std::slice::from_ref(&signing));
    let long = "x".repeat(65536);
    for kid in [
        "../../etc/passwd",
        "k1\\u0000",
        "K1",
        "",
        "k1 ",
        "' OR 1=1 --",
        &long,
    ] {
        let token = sign(
            "HS256",
            &signing,
            &format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#),
            CLAIMS,
        );
        let kid = quoted(&kid.replace("\\u0000", "\0"));
        let expected = Error::UnknownKey {
            alg: "HS256",
            kid: Some(kid),
            reason: NoKeyReason::NoSuchKid,
        };
        assert_eq!(verify(&token, &keys).err(), Some(expected));
    }
    for kid in ["1", "[\"k1\"]", "null", "{}"] {
        let token = sign(
            "HS256",
            &signing,
            &format!(r#"{{"alg":"HS256","kid":{kid}}}"#),
            CLAIMS,
        );
        let expected = Error::HeaderParameter { name: "kid" };
        assert_eq!(verify(&token, &keys).err(), Some(expected));
    }
}

#[test]
fn row_4_keys_in_the_header_are_ignored() {
    let forger = key("RSA", 1);
    let keys = set(&[key("RSA", 0)]);
    let jwk = serde_json::to_string(&test_tokens::public(&forger)).unwrap();
    for brought in [
        format!(r#""jwk":{jwk}"#),
        r#""jku":"https://evil.example/jwks""#.to_owned(),
        r#""x5u":"https://evil.example/cert""#.to_owned(),
        r#""x5c":["MIIB"]"#.to_owned(),
    ] {
        let header = format!(r#"{{"alg":"RS256",{brought}}}"#);
        assert_eq!(
            verify(&sign("RS256", &forger, &header, CLAIMS), &keys).err(),
            bad("RS256", 1)
        );
        let honest = sign("RS256", &key("RSA", 0), &header, CLAIMS);
        assert!(verify(&honest, &keys).is_ok());
    }
}

#[test]
fn row_5_a_refused_token_is_refused_again() {
    let keys = set(&[key("HS256", 0)]);
    let forged = sign("HS256", &key("HS256", 1), r#"{"alg":"HS256"}"#, CLAIMS);
    let extended = sign(
        "HS256",
        &key("HS256", 0),
        r#"{"alg":"HS256","crit":["x"],"x":1}"#,
        CLAIMS,
    );
    for _ in 0..2 {
        assert_eq!(verify(&forged, &keys).err(), bad("HS256", 1));
        assert!(verify(&extended, &keys).is_err());
    }
    assert_eq!(verify(&forged, &keys).err(), bad("HS256", 1));
}

#[test]
fn row_8_other_forms_of_ecdsa_signatures_are_refused() {
    for (alg, length) in [("ES256", 32), ("ES384", 48), ("ES512", 66), ("ES256K", 32)] {
        let keys = set(&[key(alg, 0)]);
        let header = format!(r#"{{"alg":"{alg}"}}"#);
        let signed = sign(alg, &key(alg, 0), &header, CLAIMS);
        let signature = compact::decode(
            signed.rsplit('.').next().unwrap().as_bytes(),
            InputPart::Signature,
        )
        .unwrap();
        let (r, s) = signature.split_at(length);
        let number = |bytes: &[u8]| openssl::bn::BigNum::from_slice(bytes).unwrap();
        let der = openssl::ecdsa::EcdsaSig::from_private_components(number(r), number(s))
            .unwrap()
            .to_der()
            .unwrap();
        let zeros = vec![0; length];
        let mut one = zeros.clone();
        one[length - 1] = 1;
        let longer = [&[0], r, &[0], s].concat();
        for forged in [
            der,
            longer,
            [r, &s[1..]].concat(),
            [&zeros[..], &zeros].concat(),
            [&zeros[..], s].concat(),
            [r, &zeros].concat(),
            [&one[..], &one].concat(),
            [s, r].concat(),
            vec![0xff; 2 * length],
            vec![],
        ] {
            let token = join(header.as_bytes(), CLAIMS.as_bytes(), &forged);
            assert_eq!(verify(&token, &keys).err(), bad(alg, 1));
        }
        assert!(verify(&signed, &keys).is_ok());
    }
    // A key on another curve is not tried, even if its numbers have the same length.
    for (own, named) in [("ES384", "ES256"), ("ES256K", "ES256"), ("ES256", "ES256K")] {
        let header = format!(r#"{{"alg":"{named}"}}"#);
        let token = sign(own, &key(own, 0), &header, CLAIMS);
        assert_eq!(
            verify(&token, &set(&[key(own, 0)])).err(),
            unknown(named, for_others(&[own]))
        );
    }
}

#[test]
fn row_60_other_forms_of_ml_dsa_signatures_are_refused() {
    let sets = ["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"];
    for alg in sets {
        let header = format!(r#"{{"alg":"{alg}"}}"#);
        let signed = sign(alg, &key(alg, 0), &header, CLAIMS);
        let keys = set(&[key(alg, 0)]);
        if !crypto::HAS_ML_DSA {
            assert_eq!(verify(&signed, &keys).err(), unsupported(alg));
            continue;
        }
        assert!(verify(&signed, &keys).is_ok());
        let (message, signature) = signed.rsplit_once('.').unwrap();
        let signature = compact::decode(signature.as_bytes(), InputPart::Signature).unwrap();
        let length = signature.len();
        let mut forgeries = vec![
            vec![],
            vec![0; length],
            vec![0xff; length],
            signature[..length - 1].to_vec(),
            [&signature[..], &[0]].concat(),
            [&[0], &signature[..]].concat(),
        ];
        for position in [0, length / 2, length - 1] {
            let mut forged = signature.clone();
            forged[position] ^= 1;
            forgeries.push(forged);
        }
        for forged in forgeries {
            let token = format!("{message}.{}", base64url(&forged));
            assert_eq!(verify(&token, &keys).err(), bad(alg, 1), "{alg}");
        }
        // A key is for one set of parameters, although all are made of the same seed.
        for other in sets.into_iter().filter(|other| *other != alg) {
            let header = format!(r#"{{"alg":"{other}"}}"#);
            let token = sign(alg, &key(alg, 0), &header, CLAIMS);
            assert_eq!(
                verify(&token, &keys).err(),
                unknown(other, for_others(&[alg]))
            );
            assert_eq!(verify(&token, &set(&[key(other, 0)])).err(), bad(other, 1));
        }
    }
}

#[test]
fn row_9_other_forms_of_eddsa_signatures_are_refused() {
    for (curve, length) in [("Ed25519", 32), ("Ed448", 57)] {
        let keys = set(&[key(curve, 0)]);
        let header = format!(r#"{{"alg":"{curve}"}}"#);
        let signed = sign(curve, &key(curve, 0), &header, CLAIMS);
        assert!(verify(&signed, &keys).is_ok());
        let signature = compact::decode(
            signed.rsplit('.').next().unwrap().as_bytes(),
            InputPart::Signature,
        )
        .unwrap();
        let with_order_added = [
            &signature[..length],
            &plus_order(curve, &signature[length..]),
        ]
        .concat();
        for forged in [
            with_order_added,
            vec![0; 2 * length],
            signature[..length].to_vec(),
            vec![],
        ] {
            let token = join(header.as_bytes(), CLAIMS.as_bytes(), &forged);
            assert_eq!(verify(&token, &keys).err(), bad(curve, 1), "{curve}");
        }
    }
    let ed448 = set(&[key("Ed448", 0)]);
    let token = sign(
        "Ed25519",
        &key("Ed25519", 0),
        r#"{"alg":"Ed25519"}"#,
        CLAIMS,
    );
    let others = for_others(&["Ed448", "EdDSA"]);
    assert_eq!(verify(&token, &ed448).err(), unknown("Ed25519", others));
    let x25519 = with(&key("Ed25519", 0), r#"{"crv":"X25519"}"#);
    let others = for_others(&[
        "ECDH-ES",
        "ECDH-ES+A128KW",
        "ECDH-ES+A192KW",
        "ECDH-ES+A256KW",
    ]);
    assert_eq!(
        verify(&token, &set(&[x25519])).err(),
        unknown("Ed25519", others)
    );
}

/// `s` plus the order of the group, little-endian. This is the same number modulo the order, and
/// RFC 8032 forbids it.
fn plus_order(curve: &str, s: &[u8]) -> Vec<u8> {
    let order = match curve {
        "Ed25519" => "1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed",
        _ => {
            "3fffffffffffffffffffffffffffffffffffffffffffffffffffffff7cca23e9c44edb49aed63690216cc2728dc58f552378c292ab5844f3"
        }
    };
    let big_endian: Vec<_> = s.iter().rev().copied().collect();
    let (order, s) = (
        openssl::bn::BigNum::from_hex_str(order).unwrap(),
        openssl::bn::BigNum::from_slice(&big_endian).unwrap(),
    );
    let mut sum = (&*s + &*order)
        .to_vec_padded(i32::try_from(big_endian.len()).unwrap())
        .unwrap();
    sum.reverse();
    sum
}

#[test]
fn row_10_use_key_ops_and_alg_restrict_a_key() {
    let rsa = key("RSA", 0);
    let token = |alg: &str| sign(alg, &rsa, &format!(r#"{{"alg":"{alg}"}}"#), CLAIMS);
    let verified =
        |alg: &str, members: &str| verify(&token(alg), &set(&[with(&rsa, members)])).err();
    assert_eq!(
        verified(
            "RS256",
            r#"{"alg":"RS256","use":"sig","key_ops":["verify"]}"#
        ),
        None
    );
    assert_eq!(
        verified("PS256", r#"{"alg":"RS256"}"#),
        unknown("PS256", for_others(&["RS256"]))
    );
    assert_eq!(
        verified("RS256", r#"{"alg":"PS256"}"#),
        unknown("RS256", for_others(&["PS256"]))
    );
    assert_eq!(
        verified("RS384", r#"{"alg":"RS256"}"#),
        unknown("RS384", for_others(&["RS256"]))
    );
    assert_eq!(
        verified("RS256", r#"{"alg":"RSA-OAEP"}"#),
        unknown("RS256", for_others(&["RSA-OAEP"]))
    );
    assert_eq!(
        verified("RS256", r#"{"use":"enc"}"#),
        unknown("RS256", forbidden_by("use"))
    );
    assert_eq!(
        verified("RS256", r#"{"key_ops":["encrypt"]}"#),
        unknown("RS256", forbidden_by("key_ops"))
    );
    assert_eq!(
        verified("RS256", r#"{"key_ops":["sign"]}"#),
        unknown("RS256", forbidden_by("key_ops"))
    );
    assert_eq!(
        verified("RS256", r#"{"key_ops":[]}"#),
        unknown("RS256", NoKeyReason::LeftOut(KeyFault::NoOperation))
    );
    // The signature of one algorithm under the name of the other.
    let keys = set(std::slice::from_ref(&rsa));
    assert_eq!(
        verify(&sign("RS256", &rsa, r#"{"alg":"PS256"}"#, CLAIMS), &keys).err(),
        bad("PS256", 1)
    );
    assert_eq!(
        verify(&sign("PS256", &rsa, r#"{"alg":"RS256"}"#, CLAIMS), &keys).err(),
        bad("RS256", 1)
    );

    let edwards = key("Ed25519", 0);
    let verified = |alg: &str, members: &str| {
        let token = sign("EdDSA", &edwards, &format!(r#"{{"alg":"{alg}"}}"#), CLAIMS);
        verify(&token, &set(&[with(&edwards, members)])).err()
    };
    for alg in ["EdDSA", "Ed25519"] {
        assert_eq!(verified(alg, r#"{"alg":"EdDSA"}"#), None);
        assert_eq!(verified(alg, r#"{"alg":"Ed25519"}"#), None);
        let mismatch = NoKeyReason::LeftOut(KeyFault::AlgorithmMismatch {
            alg: quoted("Ed448"),
        });
        assert_eq!(verified(alg, r#"{"alg":"Ed448"}"#), unknown(alg, mismatch));
    }
}

#[test]
fn row_12_empty_secrets_and_truncated_macs_are_refused() {
    let empty = KeySet::parse(br#"{"kty":"oct","k":""}"#).unwrap();
    assert_eq!(empty.usable_keys(), 0);
    let keys = set(&[key("HS256", 0)]);
    let mut token = sign("HS256", &key("HS256", 0), r#"{"alg":"HS256"}"#, CLAIMS);
    // Every prefix of a good MAC is refused.
    while let Some(shorter) = token.strip_suffix(|_: char| true)
        && !token.ends_with('.')
    {
        token = shorter.to_owned();
        assert!(verify(&token, &keys).is_err());
    }
}

#[test]
fn row_13_extensions_are_refused() {
    let keys = set(&[key("HS256", 0)]);
    let refused = |more: &str| {
        let header = format!(r#"{{"alg":"HS256",{more}}}"#);
        verify(&sign("HS256", &key("HS256", 0), &header, CLAIMS), &keys).err()
    };
    for malformed in [
        r#""crit":[]"#,
        r#""crit":"x","x":1"#,
        r#""crit":null"#,
        r#""crit":{}"#,
        r#""crit":[1]"#,
        r#""crit":["x"]"#,
        r#""crit":["x","x"],"x":1"#,
        r#""crit":["alg"]"#,
        r#""crit":["x","alg"],"x":1"#,
        r#""crit":["crit"]"#,
    ] {
        assert_eq!(
            refused(malformed),
            Some(Error::CriticalMalformed),
            "{malformed}"
        );
    }
    let name = quoted("http://x.example/\n");
    let unknown = refused(r#""crit":["http://x.example/\n"],"http://x.example/\n":true"#);
    assert_eq!(unknown, Some(Error::CriticalUnsupported { name }));
    for b64 in [
        r#""b64":false"#,
        r#""b64":false,"crit":["b64"]"#,
        r#""b64":true,"crit":["b64"]"#,
        r#""b64":"true""#,
    ] {
        assert_eq!(refused(b64), Some(Error::UnencodedPayload), "{b64}");
    }
    assert_eq!(refused(r#""b64":true"#), None);
}

#[test]
fn row_14_ambiguous_json_is_refused() {
    let keys = set(&[key("HS256", 0)]);
    let refused = |header: &[u8], claims: &[u8]| {
        let message = format!("{}.{}", base64url(header), base64url(claims));
        let token = test_tokens::sign("HS256", &key("HS256", 0), "", b"").unwrap();
        // test_tokens signs only text. The form is checked before the signature, so any will do.
        verify(
            &format!("{message}.{}", token.rsplit('.').next().unwrap()),
            &keys,
        )
        .err()
    };
    let good = br#"{"alg":"HS256"}"#;
    let duplicate = |part, name| {
        Some(Error::DuplicateName {
            part,
            name: quoted(name),
        })
    };
    let syntax = |part, offset| Some(Error::JsonSyntax { part, offset });
    let (header, claims) = (InputPart::Header, InputPart::Claims);
    assert_eq!(
        refused(br#"{"alg":"none","alg":"HS256"}"#, b"{}"),
        duplicate(header, "alg")
    );
    assert_eq!(
        refused(br#"{"alg":"HS256","\u0061lg":"none"}"#, b"{}"),
        duplicate(header, "alg")
    );
    assert_eq!(
        refused(good, br#"{"exp":1,"exp":9999999999}"#),
        duplicate(claims, "exp")
    );
    assert_eq!(
        refused(good, br#"{"sub":"a","sub":"a"}"#),
        duplicate(claims, "sub")
    );
    assert_eq!(refused(good, b"{} {}"), syntax(claims, 3));
    assert_eq!(refused(b"{\"alg\":\"HS256\"}\0", b"{}"), syntax(header, 15));
    assert_eq!(refused(good, b"\xef\xbb\xbf{}"), syntax(claims, 0));
    assert_eq!(refused(good, b""), syntax(claims, 0));
    assert_eq!(
        refused(good, b"{\"a\":\"\xc3\x28\"}"),
        Some(Error::NotUtf8 { part: claims })
    );
    assert_eq!(
        refused(good, b"{\"a\":\"\xed\xa0\x80\"}"),
        Some(Error::NotUtf8 { part: claims })
    );
    for no_object in [&b"[]"[..], b"null", b"1", b"\"sub\""] {
        assert_eq!(
            refused(good, no_object),
            Some(Error::NotObject { part: claims })
        );
    }
    let deep = [b"{\"a\":".as_slice(), &b"[".repeat(10_000)].concat();
    assert_eq!(
        refused(good, &deep),
        Some(Error::TooDeep {
            part: claims,
            limit: 32
        })
    );
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(256 << 10));
    assert_eq!(
        refused(good, long.as_bytes()),
        Some(Error::TooLarge {
            part: claims,
            limit: 256 << 10
        })
    );
}

#[test]
fn row_24_a_megabyte_of_dots_is_refused() {
    let dots = ".".repeat(1 << 20);
    let too_large = Error::TokenTooLarge {
        length: 1 << 20,
        limit: 512 << 10,
    };
    for kind in [TokenType::Signed, TokenType::Encrypted, TokenType::Nested] {
        let refused = parse(&dots, kind);
        assert_eq!(refused.err(), Some(too_large.clone()));
        assert_eq!(
            Summary::of(dots.as_bytes(), &Limits::default()),
            Summary::default()
        );
    }
    assert!(matches!(
        parse(&dots[..512 << 10], TokenType::Signed).err(),
        Some(Error::TokenParts { .. })
    ));
    let keys = set(&[key("HS256", 0)]);
    assert_eq!(
        verify(&dots[..65536], &keys).err(),
        Some(Error::TokenParts {
            found: 6,
            expected: 3
        })
    );
}

#[test]
fn row_41_malformed_tokens_are_refused_without_a_panic() {
    let keys = set(&[
        key("HS256", 0),
        key("RSA", 0),
        key("ES256", 0),
        key("Ed448", 0),
    ]);
    for token in [
        "",
        ".",
        "..",
        "...",
        "....",
        ".....",
        "a",
        "=..",
        "e30..",
        "e30.e30.",
        "\u{0}.\u{0}.\u{0}",
        "e30.e30.e30",
    ] {
        for kind in [TokenType::Signed, TokenType::Encrypted, TokenType::Nested] {
            let token = parse(token, kind);
            let verified = token.and_then(|token| token.verify(&keys, NOW, Duration::ZERO));
            assert!(verified.is_err());
        }
    }
}

#[test]
fn row_45_typ_can_be_read_and_must_be_a_string() {
    let keys = set(&[key("HS256", 0)]);
    let token = sign(
        "HS256",
        &key("HS256", 0),
        r#"{"alg":"HS256","typ":"at+jwt"}"#,
        CLAIMS,
    );
    let token = verify(&token, &keys).unwrap();
    let typ = token.header().object().get(b"typ").unwrap();
    assert_eq!(typ.as_str().unwrap(), "at+jwt");
    for name in ["typ", "cty"] {
        let header = format!(r#"{{"alg":"HS256","{name}":1}}"#);
        let token = sign("HS256", &key("HS256", 0), &header, CLAIMS);
        assert_eq!(
            verify(&token, &keys).err(),
            Some(Error::HeaderParameter { name })
        );
    }
}

#[test]
fn row_37_debug_output_contains_no_secrets() {
    let (secret, rsa) = (key("HS256", 0), key("RSA", 0));
    let signed = sign("HS256", &secret, r#"{"alg":"HS256"}"#, CLAIMS);
    let keys = KeySet::parse(
        serde_json::json!({"keys": [secret, rsa]})
            .to_string()
            .as_bytes(),
    )
    .unwrap();
    let token = parse(&signed, TokenType::Signed).unwrap();
    let texts = format!(
        "{keys:?} {token:?} {:?}",
        token.verify(&keys, NOW, Duration::ZERO).unwrap()
    );
    let parts = signed
        .split('.')
        .chain([secret["k"].as_str().unwrap(), rsa["d"].as_str().unwrap()]);
    for part in parts {
        assert!(!texts.contains(part));
    }
    assert!(!texts.contains("you"));
}
