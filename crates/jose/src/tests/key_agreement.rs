//! ECDH-ES: tokens that are accepted, and tokens whose sender has done one thing wrong. The latter
//! decrypt if that one thing is not checked, because the tests agree on the key themselves. The
//! number in the name of a test is the row of docs/dev/security-cases.md.

use openssl::bn::{BigNum, BigNumContext};
use openssl::derive::Deriver;
use openssl::ec::{EcGroup, EcPoint};
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey};

use super::*;
use test_tokens::base64url;

const CLAIMS: &str = r#"{"sub":"you"}"#;

const CURVES: [&str; 5] = ["P-256", "P-384", "P-521", "X25519", "X448"];

/// The algorithms with the length of the agreed key, which is that of the content key for ECDH-ES.
const ALGORITHMS: [(&str, usize); 4] = [
    ("ECDH-ES", 16),
    ("ECDH-ES+A128KW", 16),
    ("ECDH-ES+A192KW", 24),
    ("ECDH-ES+A256KW", 32),
];

fn private_set(keys: &[JwkObject]) -> KeySet {
    let set = serde_json::json!({ "keys": keys }).to_string();
    KeySet::parse(set.as_bytes()).unwrap()
}

fn encrypt(alg: &str, key: &JwkObject, header: &str) -> String {
    let header = serde_json::from_str(header).unwrap();
    test_tokens::encrypt(alg, "A128GCM", key, &header, CLAIMS.as_bytes()).unwrap()
}

fn decrypt(token: &str, keys: &KeySet) -> Result<(), Error> {
    let token = parse(token, TokenType::Encrypted)?;
    let token = token.verify(keys, NOW, Duration::ZERO)?;
    assert_eq!(token.claims().json(), CLAIMS);
    Ok(())
}

fn failed(alg: &str) -> Result<(), Error> {
    Err(Error::DecryptionFailed {
        alg: jwe::find(alg).unwrap().name,
        kid: None,
        tried: 1,
        fitting: 1,
    })
}

fn unknown(alg: &str, reason: NoKeyReason) -> Result<(), Error> {
    let verifies = jws::find(alg).map(|algorithm| algorithm.name);
    Err(Error::UnknownKey {
        alg: verifies.unwrap_or_else(|| jwe::find(alg).unwrap().name),
        kid: None,
        reason,
    })
}

fn member(key: &JwkObject, name: &str) -> Vec<u8> {
    let text = key[name].as_str().unwrap();
    compact::decode(text.as_bytes(), InputPart::KeySet).unwrap()
}

/// What the owner of `own` shares with the owner of `other`.
fn secret(own: &JwkObject, other: &JwkObject) -> Vec<u8> {
    let curve = match own["crv"].as_str().unwrap() {
        "P-256" => Nid::X9_62_PRIME256V1,
        "P-384" => Nid::SECP384R1,
        "P-521" => Nid::SECP521R1,
        crv => {
            let id = if crv == "X25519" {
                Id::X25519
            } else {
                Id::X448
            };
            let own = PKey::private_key_from_raw_bytes(&member(own, "d"), id).unwrap();
            let other = PKey::public_key_from_raw_bytes(&member(other, "x"), id).unwrap();
            let mut deriver = Deriver::new(&own).unwrap();
            deriver.set_peer(&other).unwrap();
            return deriver.derive_to_vec().unwrap();
        }
    };
    let group = EcGroup::from_curve_name(curve).unwrap();
    let mut context = BigNumContext::new().unwrap();
    let point = [vec![4], member(other, "x"), member(other, "y")].concat();
    let point = EcPoint::from_bytes(&group, &point, &mut context).unwrap();
    let d = BigNum::from_slice(&member(own, "d")).unwrap();
    let mut product = EcPoint::new(&group).unwrap();
    product.mul2(&group, &point, &d, &mut context).unwrap();
    let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
    product
        .affine_coordinates(&group, &mut x, &mut y, &mut context)
        .unwrap();
    let length = i32::try_from(member(own, "x").len()).unwrap();
    x.to_vec_padded(length).unwrap()
}

/// The key that RFC 7518 section 4.6.2 makes of a secret.
fn kdf(secret: &[u8], algorithm: &str, apu: &[u8], apv: &[u8], length: usize) -> Vec<u8> {
    let number = |number: usize| u32::try_from(number).unwrap().to_be_bytes().to_vec();
    let data = |bytes: &[u8]| [number(bytes.len()), bytes.to_vec()].concat();
    let info = [
        data(algorithm.as_bytes()),
        data(apu),
        data(apv),
        number(8 * length),
    ]
    .concat();
    let round = |n| openssl::sha::sha256(&[&number(n), secret, &info].concat());
    let mut key = [round(1), round(2)].concat();
    key.truncate(length);
    key
}

/// A token whose content is encrypted with this key, whatever its header says.
fn encrypted_with(key: &[u8], header: &str) -> String {
    let key = serde_json::json!({"kty": "oct", "k": base64url(key)});
    encrypt("dir", key.as_object().unwrap(), header)
}

/// The header of a token for direct use of the agreed key.
fn direct(epk: &JwkObject, parameters: &str) -> String {
    let header = serde_json::json!({"alg": "ECDH-ES", "epk": epk});
    let header = with(header.as_object().unwrap(), parameters);
    Value::Object(header).to_string()
}

/// Receiver, sender and the secret between the two.
fn parties(curve: &str) -> (JwkObject, JwkObject, Vec<u8>) {
    let (receiver, sender) = (key(curve, 0), key(curve, 1));
    let secret = secret(&sender, &receiver);
    (receiver, sender, secret)
}

#[test]
fn each_curve_and_algorithm_decrypts() {
    for curve in CURVES {
        for (alg, _) in ALGORITHMS {
            let receiver = key(curve, 0);
            let keys = private_set(std::slice::from_ref(&receiver));
            for header in [
                "{}",
                r#"{"apu":"QWxpY2U","apv":"Qm9i"}"#,
                r#"{"apu":"","apv":"AA"}"#,
            ] {
                let token = encrypt(alg, &receiver, header);
                assert_eq!(decrypt(&token, &keys), Ok(()), "{curve} {alg} {header}");
            }
            let other = private_set(&[key(curve, 1)]);
            let token = encrypt(alg, &receiver, "{}");
            assert_eq!(decrypt(&token, &other), failed(alg), "{curve} {alg}");
            let public = private_set(&[test_tokens::public(&receiver)]);
            assert_eq!(
                decrypt(&token, &public),
                unknown(alg, NoKeyReason::PublicKey),
                "{curve} {alg}"
            );
        }
    }
}

#[test]
fn row_59_the_agreed_key_is_for_one_algorithm_and_both_parties() {
    for curve in CURVES {
        let (receiver, sender, secret) = parties(curve);
        let keys = private_set(&[receiver]);
        let epk = test_tokens::public(&sender);
        let header = direct(&epk, r#"{"apu":"QWxpY2U","apv":"Qm9i"}"#);
        let accepted = |algorithm: &str, apu: &[u8], apv: &[u8]| {
            let key = kdf(&secret, algorithm, apu, apv, 16);
            decrypt(&encrypted_with(&key, &header), &keys)
        };
        assert_eq!(accepted("A128GCM", b"Alice", b"Bob"), Ok(()), "{curve}");
        for (algorithm, apu, apv) in [
            ("ECDH-ES", &b"Alice"[..], &b"Bob"[..]),
            ("A192GCM", b"Alice", b"Bob"),
            ("", b"Alice", b"Bob"),
            ("A128GCM", b"Bob", b"Alice"),
            ("A128GCM", b"", b"Bob"),
            ("A128GCM", b"Alice", b""),
            ("A128GCM", b"QWxpY2U", b"Qm9i"),
        ] {
            assert_eq!(accepted(algorithm, apu, apv), failed("ECDH-ES"), "{curve}");
        }
        // A key of another length has another beginning, and the secret itself is no key.
        let longer = kdf(&secret, "A128GCM", b"Alice", b"Bob", 32);
        for key in [&longer[..16], &secret[..16]] {
            let token = encrypted_with(key, &header);
            assert_eq!(decrypt(&token, &keys), failed("ECDH-ES"), "{curve}");
        }
    }
}

#[test]
fn row_59_the_wrapping_key_is_for_one_algorithm() {
    let (receiver, sender, secret) = parties("P-256");
    let keys = private_set(&[receiver]);
    for (alg, length) in &ALGORITHMS[1..] {
        let wrapping = format!("A{}KW", 8 * length);
        let token = |algorithm: &str| {
            let key = kdf(&secret, algorithm, b"", b"", *length);
            let key = serde_json::json!({"kty": "oct", "k": base64url(&key)});
            let header = direct(
                &test_tokens::public(&sender),
                &format!(r#"{{"alg":"{alg}"}}"#),
            );
            encrypt(&wrapping, key.as_object().unwrap(), &header)
        };
        assert_eq!(decrypt(&token(alg), &keys), Ok(()));
        for other in [wrapping.as_str(), "ECDH-ES", "A128GCM"] {
            assert_eq!(decrypt(&token(other), &keys), failed(alg), "{alg} {other}");
        }
    }
}

#[test]
fn row_59_a_secret_that_everybody_knows_is_refused() {
    let order_8: [&[u8; 32]; 2] = [
        b"\xe0\xeb\x7a\x7c\x3b\x41\xb8\xae\x16\x56\xe3\xfa\xf1\x9f\xc4\x6a\
          \xda\x09\x8d\xeb\x9c\x32\xb1\xfd\x86\x62\x05\x16\x5f\x49\xb8\x00",
        b"\x5f\x9c\x95\xbc\xa3\x50\x8c\x24\xb1\xd0\xb1\x55\x9c\x83\xef\x5b\
          \x04\x44\x5c\xc4\x58\x1c\x8e\x86\xd8\x22\x4e\xdd\xd0\x9f\x11\x57",
    ];
    let small = |length: usize, first: u8| [&[first][..], &vec![0; length - 1]].concat();
    let p_25519 = |first: u8| [&[first][..], &[0xff; 30], &[0x7f]].concat();
    let p_448 =
        |first: u8, middle: u8| [&[first][..], &[0xff; 27], &[middle], &[0xff; 27]].concat();
    // 0, 1, and p - 1, p, p + 1, which are -1, 0 and 1 modulo p.
    let mut points = vec![("X448", p_448(0xfe, 0xfe)), ("X448", p_448(0xff, 0xfe))];
    points.push(("X448", [&[0; 28][..], &[0xff; 28]].concat()));
    points.extend([0xec, 0xed, 0xee].map(|first| ("X25519", p_25519(first))));
    points.extend(order_8.map(|point| ("X25519", point.to_vec())));
    points.extend([0, 1].map(|first| ("X25519", small(32, first))));
    points.extend([0, 1].map(|first| ("X448", small(56, first))));
    for (curve, point) in points {
        let keys = private_set(&[key(curve, 0)]);
        let mut epk = test_tokens::public(&key(curve, 1));
        epk.insert("x".into(), base64url(&point).into());
        let known = kdf(&vec![0; point.len()], "A128GCM", b"", b"", 16);
        let token = encrypted_with(&known, &direct(&epk, "{}"));
        assert_eq!(
            decrypt(&token, &keys),
            failed("ECDH-ES"),
            "{curve} {point:02x?}"
        );
    }
}

#[test]
fn row_59_the_key_of_the_sender_is_one_public_key_on_the_curve() {
    for curve in CURVES {
        let (receiver, sender, secret) = parties(curve);
        let keys = private_set(&[receiver]);
        let key = kdf(&secret, "A128GCM", b"", b"", 16);
        let accepted = |epk: &JwkObject| decrypt(&encrypted_with(&key, &direct(epk, "{}")), &keys);
        let epk = test_tokens::public(&sender);
        assert_eq!(accepted(&epk), Ok(()), "{curve}");
        assert_eq!(accepted(&with(&epk, r#"{"kid":"k"}"#)), Ok(()), "{curve}");
        let x = member(&epk, "x");
        let longer = base64url(&[&[0], &x[..]].concat());
        let x = epk["x"].as_str().unwrap();
        let mut wrong = vec![
            // A key that is no secret.
            sender.clone(),
            with(&epk, r#"{"d":""}"#),
            with(&epk, r#"{"d":1}"#),
        ];
        for member in ["kty", "crv", "x", "y"] {
            for value in ["null", "1", "\"\"", "[]"] {
                let changed = with(&epk, &format!(r#"{{"{member}":{value}}}"#));
                // Nothing reads the y of a curve that has none.
                if changed.get("y") == epk.get("y") || epk.contains_key("y") {
                    wrong.push(changed);
                }
            }
        }
        for kty in ["EC", "OKP", "oct", "ec"] {
            wrong.push(with(&epk, &format!(r#"{{"kty":"{kty}"}}"#)));
        }
        for x in [format!("{x}="), format!("{x}A"), format!(" {x}"), longer] {
            wrong.push(with(&epk, &format!(r#"{{"x":"{x}"}}"#)));
        }
        wrong.retain(|changed| *changed != epk);
        for epk in wrong {
            let expected = match epk.get("crv").and_then(Value::as_str) {
                Some("") => unknown("ECDH-ES", NoKeyReason::OtherCurve),
                _ => failed("ECDH-ES"),
            };
            assert_eq!(accepted(&epk), expected, "{curve} {epk:?}");
        }
    }
}

#[test]
fn row_59_points_off_the_curve_are_refused() {
    // Whoever sends points of other curves learns the private key bit by bit (RFC 8725 section
    // 3.4).
    for curve in ["P-256", "P-384", "P-521"] {
        let (receiver, sender, secret) = parties(curve);
        let keys = private_set(&[receiver]);
        let key = kdf(&secret, "A128GCM", b"", b"", 16);
        let epk = test_tokens::public(&sender);
        let zeros = base64url(&vec![0; member(&epk, "x").len()]);
        let mut y = member(&epk, "y");
        *y.last_mut().unwrap() ^= 1;
        for members in [
            format!(r#"{{"y":"{}"}}"#, base64url(&y)),
            format!(r#"{{"x":{},"y":{}}}"#, epk["y"], epk["x"]),
            format!(r#"{{"x":"{zeros}","y":"{zeros}"}}"#),
            format!(r#"{{"y":"{}"}}"#, base64url(&vec![0xff; y.len()])),
        ] {
            let token = encrypted_with(&key, &direct(&with(&epk, &members), "{}"));
            assert_eq!(
                decrypt(&token, &keys),
                failed("ECDH-ES"),
                "{curve} {members}"
            );
        }
    }
}

#[test]
fn row_59_apu_and_apv_are_short_and_strictly_encoded() {
    let (receiver, sender, secret) = parties("X25519");
    let keys = private_set(&[receiver]);
    let epk = test_tokens::public(&sender);
    let accepted = |name: &str, value: &str, info: &[u8]| {
        let (apu, apv) = if name == "apu" {
            (info, &[][..])
        } else {
            (&[][..], info)
        };
        let key = kdf(&secret, "A128GCM", apu, apv, 16);
        let mut header: JwkObject = serde_json::from_str(&direct(&epk, "{}")).unwrap();
        header.insert(name.into(), serde_json::from_str(value).unwrap());
        decrypt(
            &encrypted_with(&key, &Value::Object(header).to_string()),
            &keys,
        )
    };
    let text = |length: usize| format!("\"{}\"", base64url(&vec![7; length]));
    for name in ["apu", "apv"] {
        assert_eq!(accepted(name, &text(512), &[7; 512]), Ok(()), "{name}");
        for (value, info) in [
            (text(513).as_str(), &[7; 513][..]),
            ("\"BwcHBw==\"", &[7; 4]),
            ("\"+/8\"", b"\xfb\xff"),
            ("\"AB\"", b"\0"),
            ("\"AA\\n\"", b"\0"),
            ("null", b""),
            ("7", b"7"),
            ("[]", b""),
        ] {
            assert_eq!(
                accepted(name, value, info),
                failed("ECDH-ES"),
                "{name} {value}"
            );
        }
    }
}

#[test]
fn use_key_ops_and_alg_choose_the_keys() {
    for curve in ["P-256", "X448"] {
        let receiver = key(curve, 0);
        let token = encrypt("ECDH-ES", &receiver, "{}");
        let accepted = |members: &str| {
            let keys = private_set(&[with(&receiver, members)]);
            decrypt(&token, &keys)
        };
        for good in [
            "{}",
            r#"{"use":"enc"}"#,
            r#"{"alg":"ECDH-ES"}"#,
            r#"{"key_ops":["deriveKey"]}"#,
            r#"{"key_ops":["deriveBits"],"use":"enc"}"#,
        ] {
            assert_eq!(accepted(good), Ok(()), "{curve} {good}");
        }
        let forbidden = |member| NoKeyReason::OtherPurpose {
            needed: KeyPurpose::Decrypt,
            member,
        };
        for (bad, reason) in [
            (r#"{"use":"sig"}"#, forbidden("use")),
            (
                r#"{"key_ops":["decrypt","unwrapKey"]}"#,
                forbidden("key_ops"),
            ),
            (r#"{"key_ops":["sign","verify"]}"#, forbidden("key_ops")),
            (r#"{"key_ops":["deriveKey"],"use":"sig"}"#, forbidden("use")),
            (
                r#"{"alg":"ECDH-ES+A128KW"}"#,
                NoKeyReason::OtherAlgorithms(vec!["ECDH-ES+A128KW"]),
            ),
        ] {
            assert_eq!(accepted(bad), unknown("ECDH-ES", reason), "{curve} {bad}");
        }
    }
    let token = encrypt("ECDH-ES", &key("P-256", 0), "{}");
    let keys = private_set(&[with(&key("P-256", 0), r#"{"alg":"ES256"}"#)]);
    let reason = NoKeyReason::OtherAlgorithms(vec!["ES256"]);
    assert_eq!(decrypt(&token, &keys), unknown("ECDH-ES", reason));
}

#[test]
fn keys_for_signatures_and_for_agreement_are_not_mixed_up() {
    let p256 = key("P-256", 0);
    let signed = sign("ES256", &p256, r#"{"alg":"ES256"}"#, CLAIMS);
    for (members, good) in [
        ("{}", true),
        (r#"{"use":"sig"}"#, true),
        (r#"{"use":"enc"}"#, false),
        (r#"{"alg":"ECDH-ES"}"#, false),
        (r#"{"key_ops":["deriveKey"]}"#, false),
    ] {
        let keys = private_set(&[with(&p256, members)]);
        assert_eq!(verify(&signed, &keys).is_ok(), good, "{members}");
    }
    // The same number is a private key for X25519 and for Ed25519, and for secp256k1 and P-256.
    let agreement = || NoKeyReason::OtherAlgorithms(ALGORITHMS.map(|(alg, _)| alg).to_vec());
    for (own, other) in [("X25519", "Ed25519"), ("X448", "Ed448")] {
        let signed = sign("EdDSA", &key(other, 0), r#"{"alg":"EdDSA"}"#, CLAIMS);
        let verified = verify(&signed, &private_set(&[key(own, 0)]));
        assert_eq!(verified.map(drop), unknown("EdDSA", agreement()));
        let token = encrypt("ECDH-ES", &key(own, 0), "{}");
        let signature = NoKeyReason::OtherAlgorithms(vec!["EdDSA", other]);
        let keys = private_set(&[key(other, 0)]);
        assert_eq!(decrypt(&token, &keys), unknown("ECDH-ES", signature));
    }
    let token = encrypt("ECDH-ES", &p256, "{}");
    let keys = private_set(&[key("ES256K", 0)]);
    let signature = NoKeyReason::OtherAlgorithms(vec!["ES256K"]);
    assert_eq!(decrypt(&token, &keys), unknown("ECDH-ES", signature));
}

#[test]
fn keys_on_other_curves_are_not_tried() {
    let mut keys: Vec<_> = (0..16).map(|n| key("X448", n)).collect();
    keys.push(key("P-384", 0));
    keys.push(key("P-256", 0));
    let keys = private_set(&keys);
    assert_eq!(
        decrypt(&encrypt("ECDH-ES", &key("P-256", 0), "{}"), &keys),
        Ok(())
    );
    let foreign = encrypt("ECDH-ES", &key("P-256", 1), "{}");
    assert_eq!(decrypt(&foreign, &keys), failed("ECDH-ES"));
    let unknown_curve = encrypt("ECDH-ES", &key("P-521", 0), "{}");
    let other_curve = unknown("ECDH-ES", NoKeyReason::OtherCurve);
    assert_eq!(decrypt(&unknown_curve, &keys), other_curve);
}

#[test]
fn private_keys_belong_to_their_public_keys() {
    for curve in CURVES {
        let own = key(curve, 0);
        let other = with(&own, &format!(r#"{{"d":{}}}"#, key(curve, 1)["d"]));
        let zero = base64url(&vec![0; member(&own, "d").len()]);
        let zero = with(&own, &format!(r#"{{"d":"{zero}"}}"#));
        for wrong in [other, zero] {
            assert!(is_refused(&wrong), "{curve}");
            // The private member does not matter where it is not used.
            assert!(!is_refused(&with(&wrong, r#"{"use":"sig"}"#)), "{curve}");
        }
    }
    // d + n denotes the same key as d, but no RFC allows it.
    let own = with(&key("P-256", 0), r#"{"alg":"ECDH-ES"}"#);
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let (mut order, mut context) = (BigNum::new().unwrap(), BigNumContext::new().unwrap());
    group.order(&mut order, &mut context).unwrap();
    let sum = &order + &BigNum::from_u32(1).unwrap();
    let d = base64url(&sum.to_vec_padded(32).unwrap());
    let x = "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY";
    let y = "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU";
    let members = |d: &str| format!(r#"{{"x":"{x}","y":"{y}","d":"{d}"}}"#);
    assert!(is_refused(&with(&own, &members(&d))));
    let one = base64url(&[&[0; 31][..], &[1]].concat());
    assert!(!is_refused(&with(&own, &members(&one))));
}

fn is_refused(key: &JwkObject) -> bool {
    let keys = private_set(std::slice::from_ref(key));
    let warnings: Vec<_> = keys.warnings().map(|warning| &warning.problem).collect();
    match warnings[..] {
        [] => false,
        [problem] => {
            assert_eq!(*problem, KeyProblem::LeftOut(KeyFault::NotKeyPair));
            true
        }
        _ => panic!("{warnings:?}"),
    }
}
