//! The vectors of Project Wycheproof for the algorithms of JOSE, with their keys converted to JWKs.
//! An `invalid` vector must never pass, and a `valid` one must pass unless JOSE does not allow it.
//! The tests also count the vectors of each sort.

use ::wycheproof::{
    aead, ecdh, ecdsa, eddsa, keywrap, mac, mldsa_verify, rsa_oaep, rsa_pkcs1_verify,
    rsa_pss_verify, xdh,
};

use super::*;
use crypto::Verifier;
use jwe::{ContentEncryption, find_encryption};

/// How many vectors of a file are valid and pass, are valid but not allowed by JOSE, are acceptable
/// (none of these passes), and are invalid.
type Count = [usize; 4];

fn bytes(hex: &Value) -> Vec<u8> {
    let digits: Vec<_> = hex.as_str().unwrap().chars().collect();
    let digit = |digit: char| digit.to_digit(16).unwrap() as u8;
    let pairs = digits.chunks(2);
    pairs
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

/// The hexadecimal number in base64url, padded to `length` bytes.
fn number(hex: &Value, length: Option<usize>) -> String {
    let bytes = bytes(hex);
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    let mut number = bytes[zeros..].to_vec();
    while number.len() < length.unwrap_or_default() {
        number.insert(0, 0);
    }
    test_tokens::base64url(&number)
}

/// Runs all vectors of a file. Both functions get the group and the vector.
fn run(
    file: &str,
    is_allowed: impl Fn(&Value, &Value) -> bool,
    passes: impl Fn(&Value, &Value) -> bool,
) -> Count {
    let file: Value = serde_json::from_str(file).unwrap();
    let mut count = Count::default();
    for group in file["testGroups"].as_array().unwrap() {
        for test in group["tests"].as_array().unwrap() {
            let (sort, expected) = match test["result"].as_str().unwrap() {
                "valid" if is_allowed(group, test) => (0, true),
                "valid" => (1, false),
                "acceptable" => (2, false),
                _ => (3, false),
            };
            assert_eq!(passes(group, test), expected, "{test}");
            count[sort] += 1;
        }
    }
    count
}

fn all(_: &Value, _: &Value) -> bool {
    true
}

/// Whether the key verifies the signature. A key that cannot be loaded does not.
fn verifies(alg: &str, key: &Value, test: &Value) -> bool {
    let Ok(keys) = KeySet::parse(key.to_string().as_bytes()) else {
        return false;
    };
    let algorithm = jws::find(alg).unwrap();
    let verifies = |key: &dyn Verifier| key.verify(&bytes(&test["msg"]), &bytes(&test["sig"]));
    keys.verifiers(algorithm, None, 0).any(verifies)
}

#[test]
fn row_8_ecdsa() {
    use ecdsa::TestName::*;
    for (file, alg, crv, length, expected) in [
        (
            EcdsaSecp256r1Sha256P1363,
            "ES256",
            "P-256",
            32,
            [173, 0, 0, 89],
        ),
        (
            EcdsaSecp384r1Sha384P1363,
            "ES384",
            "P-384",
            48,
            [193, 0, 0, 87],
        ),
        (
            EcdsaSecp521r1Sha512P1363,
            "ES512",
            "P-521",
            66,
            [231, 0, 0, 87],
        ),
        (
            EcdsaSecp256k1Sha256P1363,
            "ES256K",
            "secp256k1",
            32,
            [167, 0, 0, 85],
        ),
    ] {
        let counted = run(file.json_data(), all, |group, test| {
            let point = &group["publicKey"];
            let member = |name: &str| number(&point[name], Some(length));
            let (x, y) = (member("wx"), member("wy"));
            let key = serde_json::json!({"kty": "EC", "crv": crv, "x": x, "y": y});
            verifies(alg, &key, test)
        });
        assert_eq!(counted, expected, "{alg}");
    }
}

#[test]
fn row_9_eddsa() {
    use eddsa::TestName::*;
    for (file, crv, expected) in [
        (Ed25519, "Ed25519", [88, 0, 0, 63]),
        (Ed448, "Ed448", [17, 0, 0, 70]),
    ] {
        let counted = run(file.json_data(), all, |group, test| {
            let x = test_tokens::base64url(&bytes(&group["publicKey"]["pk"]));
            let key = serde_json::json!({"kty": "OKP", "crv": crv, "x": x});
            let verdict = verifies("EdDSA", &key, test);
            assert_eq!(verifies(crv, &key, test), verdict);
            verdict
        });
        assert_eq!(counted, expected, "{crv}");
    }
}

#[test]
fn row_60_ml_dsa() {
    use mldsa_verify::TestName::*;
    for (file, alg, expected) in [
        (MlDsa44Verify, "ML-DSA-44", [75, 2, 0, 103]),
        (MlDsa65Verify, "ML-DSA-65", [77, 2, 0, 131]),
        (MlDsa87Verify, "ML-DSA-87", [69, 2, 0, 170]),
    ] {
        if !crypto::HAS_ML_DSA {
            assert!(jws::find(alg).is_none());
            continue;
        }
        // JOSE has no contexts (RFC 9964 section 5).
        let has_no_context =
            |_: &Value, test: &Value| test["ctx"].as_str().is_none_or(str::is_empty);
        let counted = run(file.json_data(), has_no_context, |group, test| {
            let key = test_tokens::base64url(&bytes(&group["publicKey"]));
            let key = serde_json::json!({"kty": "AKP", "alg": alg, "pub": key});
            verifies(alg, &key, test)
        });
        assert_eq!(counted, expected, "{alg}");
    }
}

fn rsa_key(group: &Value) -> Value {
    let number = |name: &str| number(&group["publicKey"][name], None);
    serde_json::json!({"kty": "RSA", "n": number("modulus"), "e": number("publicExponent")})
}

fn rsa(alg: &str, file: &str) -> Count {
    run(file, all, |group, test| {
        verifies(alg, &rsa_key(group), test)
    })
}

#[test]
fn rsa_pkcs1() {
    use rsa_pkcs1_verify::TestName::*;
    for (file, alg, expected) in [
        (Rsa2048Sha256, "RS256", [9, 0, 1, 249]),
        (Rsa2048Sha384, "RS384", [7, 0, 1, 250]),
        (Rsa2048Sha512, "RS512", [8, 0, 1, 250]),
        (Rsa3072Sha256, "RS256", [8, 0, 1, 250]),
        (Rsa3072Sha384, "RS384", [7, 0, 1, 251]),
        (Rsa3072Sha512, "RS512", [8, 0, 1, 251]),
        (Rsa4096Sha256, "RS256", [7, 0, 1, 250]),
        (Rsa4096Sha384, "RS384", [7, 0, 1, 251]),
        (Rsa4096Sha512, "RS512", [7, 0, 1, 251]),
        (Rsa8192Sha256, "RS256", [7, 0, 1, 250]),
        (Rsa8192Sha384, "RS384", [7, 0, 1, 251]),
        (Rsa8192Sha512, "RS512", [7, 0, 1, 251]),
    ] {
        assert_eq!(rsa(alg, file.json_data()), expected, "{file:?}");
    }
}

#[test]
fn rsa_pss() {
    use rsa_pss_verify::TestName::*;
    for (file, alg, expected) in [
        (RsaPss2048Sha256Mgf1SaltLen32, "PS256", [63, 0, 0, 45]),
        (RsaPss2048Sha384Mgf1SaltLen48, "PS384", [95, 0, 0, 46]),
        (RsaPss3072Sha256Mgf1SaltLen32, "PS256", [63, 0, 0, 45]),
        (RsaPss4096Sha256Mgf1SaltLen32, "PS256", [63, 0, 0, 45]),
        (RsaPss4096Sha384Mgf1SaltLen48, "PS384", [95, 0, 0, 46]),
        (RsaPss4096Sha512Mgf1SaltLen64, "PS512", [132, 0, 0, 47]),
    ] {
        assert_eq!(rsa(alg, file.json_data()), expected, "{file:?}");
    }
}

#[test]
fn rsa_pss_has_one_salt_and_one_hash() {
    // The salt must be as long as the hash, and the mask must use the same hash (RFC 7518 section
    // 3.5). Of these vectors only those pass that were changed to such a salt.
    use rsa_pss_verify::TestName::*;
    for (file, alg, expected) in [
        (
            RsaPss2048Sha256Mgf1SaltLen0,
            "PS256",
            &["s_len changed to 32"][..],
        ),
        (RsaPss2048Sha256Mgf1Sha1_20, "PS256", &[]),
        (RsaPss4096Sha512Mgf1SaltLen32, "PS512", &[]),
    ] {
        let file: Value = serde_json::from_str(file.json_data()).unwrap();
        let mut passed = Vec::new();
        for group in file["testGroups"].as_array().unwrap() {
            let tests = group["tests"].as_array().unwrap().iter();
            let tests = tests.filter(|test| verifies(alg, &rsa_key(group), test));
            passed.extend(tests.map(|test| test["comment"].as_str().unwrap()));
        }
        assert_eq!(passed, expected, "{alg}");
    }
}

#[test]
fn hmac() {
    use mac::TestName::*;
    for (file, alg, expected) in [
        (HmacSha256, "HS256", [33, 33, 0, 108]),
        (HmacSha384, "HS384", [33, 33, 0, 108]),
        (HmacSha512, "HS512", [33, 33, 0, 108]),
    ] {
        // JWS does not allow truncated tags.
        let is_whole = |group: &Value, _: &Value| alg == format!("HS{}", group["tagSize"]);
        let counted = run(file.json_data(), is_whole, |_, test| {
            let k = test_tokens::base64url(&bytes(&test["key"]));
            let test = serde_json::json!({"msg": test["msg"], "sig": test["tag"]});
            verifies(alg, &serde_json::json!({"kty": "oct", "k": k}), &test)
        });
        assert_eq!(counted, expected, "{alg}");
    }
}

/// The content key that a key unwraps.
fn unwrap(
    alg: &str,
    key: &Value,
    encrypted: &[u8],
    encryption: &ContentEncryption,
) -> Option<Vec<u8>> {
    let keys = KeySet::parse(key.to_string().as_bytes()).ok()?;
    let header = JoseHeader::default();
    let mut keys = keys.decrypters(jwe::find(alg)?, encryption, &header, 0);
    let content_key = keys.find_map(|key| key.unwrap_key(&header, encrypted, encryption))?;
    Some(content_key.to_vec())
}

#[test]
fn row_22_rsa_oaep() {
    use rsa_oaep::TestName::*;
    for (file, alg, expected) in [
        (Rsa2048Sha1Mgf1Sha1, "RSA-OAEP", [10, 7, 0, 19]),
        (Rsa2048Sha256Mgf1Sha256, "RSA-OAEP-256", [10, 8, 0, 19]),
        (Rsa2048Sha384Mgf1Sha384, "RSA-OAEP-384", [10, 6, 0, 18]),
        (Rsa2048Sha512Mgf1Sha512, "RSA-OAEP-512", [10, 4, 0, 19]),
        (Rsa3072Sha256Mgf1Sha256, "RSA-OAEP-256", [10, 8, 0, 19]),
        (Rsa3072Sha512Mgf1Sha512, "RSA-OAEP-512", [10, 5, 0, 18]),
        (Rsa4096Sha256Mgf1Sha256, "RSA-OAEP-256", [10, 8, 0, 19]),
        (Rsa4096Sha512Mgf1Sha512, "RSA-OAEP-512", [10, 7, 0, 19]),
    ] {
        // JWE does not use labels (RFC 7518 section 4.3).
        let has_no_label = |_: &Value, test: &Value| test["label"] == "";
        let counted = run(file.json_data(), has_no_label, |group, test| {
            let members = [
                ("n", "modulus"),
                ("e", "publicExponent"),
                ("d", "privateExponent"),
                ("p", "prime1"),
                ("q", "prime2"),
                ("dp", "exponent1"),
                ("dq", "exponent2"),
                ("qi", "coefficient"),
            ];
            let member = |(name, long): (&str, &str)| {
                let value = number(&group["privateKey"][long], None);
                (name.to_owned(), value.into())
            };
            let mut key: JwkObject = members.into_iter().map(member).collect();
            key.insert("kty".into(), "RSA".into());
            let key = Value::Object(key);
            let encryption = find_encryption("A128GCM").unwrap();
            unwrap(alg, &key, &bytes(&test["ct"]), encryption) == Some(bytes(&test["msg"]))
        });
        assert_eq!(counted, expected, "{file:?}");
    }
}

#[test]
fn aes_kw() {
    // A wrapped key must be as long as some content encryption demands.
    let is_content_key =
        |_: &Value, test: &Value| [16, 24, 32, 48, 64].contains(&bytes(&test["msg"]).len());
    let file = keywrap::TestName::AesKeyWrap.json_data();
    let counted = run(file, is_content_key, |group, test| {
        let alg = format!("A{}KW", group["keySize"]);
        let k = test_tokens::base64url(&bytes(&test["key"]));
        let key = serde_json::json!({"kty": "oct", "k": k});
        let (encrypted, expected) = (bytes(&test["ct"]), Some(bytes(&test["msg"])));
        let unwrap = |encryption: &ContentEncryption| unwrap(&alg, &key, &encrypted, encryption);
        jwe::encryptions().any(|encryption| unwrap(encryption) == expected)
    });
    assert_eq!(counted, [33, 3, 3, 126]);
}

/// The key that the receiver agrees on with the sender, for A128GCM.
fn agreed_key(receiver: &Value, epk: &Value) -> Option<Vec<u8>> {
    let header = serde_json::json!({"alg": "ECDH-ES", "enc": "A128GCM", "epk": epk});
    let header = test_tokens::base64url(header.to_string().as_bytes());
    let header = JoseHeader::parse(header.as_bytes(), &Limits::default()).unwrap();
    let receiver = with(receiver.as_object().unwrap(), r#"{"alg":"ECDH-ES"}"#);
    let keys = KeySet::parse(Value::Object(receiver).to_string().as_bytes()).unwrap();
    let encryption = find_encryption("A128GCM").unwrap();
    let mut keys = keys.decrypters(jwe::find("ECDH-ES").unwrap(), encryption, &header, 0);
    let key = keys.next()?.unwrap_key(&header, b"", encryption)?;
    Some(key.to_vec())
}

/// The key that follows from a secret (RFC 7518 section 4.6.2).
fn key_of(secret: &Value) -> Vec<u8> {
    let info = b"\0\0\0\x07A128GCM\0\0\0\0\0\0\0\0\0\0\0\x80";
    let hash = openssl::sha::sha256(&[&[0, 0, 0, 1], &*bytes(secret), info].concat());
    hash[..16].to_vec()
}

#[test]
fn row_59_ecdh() {
    use ecdh::TestName::*;
    use openssl::{bn, ec, nid::Nid};
    for (file, crv, length, nid, expected) in [
        (
            EcdhSecp256r1Ecpoint,
            "P-256",
            32,
            Nid::X9_62_PRIME256V1,
            [330, 0, 1, 24],
        ),
        (
            EcdhSecp384r1Ecpoint,
            "P-384",
            48,
            Nid::SECP384R1,
            [771, 0, 1, 18],
        ),
        (
            EcdhSecp521r1Ecpoint,
            "P-521",
            66,
            Nid::SECP521R1,
            [632, 0, 1, 28],
        ),
    ] {
        let counted = run(file.json_data(), all, |_, test| {
            // A JWK has both coordinates.
            let public = bytes(&test["public"]);
            let coordinates = match public.split_first() {
                Some((4, coordinates)) => coordinates,
                _ => return false,
            };
            let (x, y) = coordinates.split_at(coordinates.len() / 2);
            let [x, y] = [x, y].map(test_tokens::base64url);
            let epk = serde_json::json!({"kty": "EC", "crv": crv, "x": x, "y": y});

            let group = ec::EcGroup::from_curve_name(nid).unwrap();
            let mut context = bn::BigNumContext::new().unwrap();
            let d = bn::BigNum::from_slice(&bytes(&test["private"])).unwrap();
            let mut point = ec::EcPoint::new(&group).unwrap();
            point.mul_generator2(&group, &d, &mut context).unwrap();
            let form = ec::PointConversionForm::UNCOMPRESSED;
            let point = point.to_bytes(&group, form, &mut context).unwrap();
            let (x, y) = point[1..].split_at(length);
            let [x, y] = [x, y].map(test_tokens::base64url);
            let d = number(&test["private"], Some(length));
            let receiver = serde_json::json!({"kty": "EC", "crv": crv, "x": x, "y": y, "d": d});
            agreed_key(&receiver, &epk) == Some(key_of(&test["shared"]))
        });
        assert_eq!(counted, expected, "{crv}");
    }
}

#[test]
fn row_59_xdh() {
    use openssl::pkey::{Id, PKey};
    use xdh::TestName::*;
    for (file, crv, id, expected) in [
        (X25519, "X25519", Id::X25519, [487, 31]),
        (X448, "X448", Id::X448, [487, 23]),
    ] {
        let mut counted = [0, 0];
        let file: Value = serde_json::from_str(file.json_data()).unwrap();
        let groups = file["testGroups"].as_array().unwrap().iter();
        for test in groups.flat_map(|group| group["tests"].as_array().unwrap()) {
            let private = PKey::private_key_from_raw_bytes(&bytes(&test["private"]), id).unwrap();
            let x = test_tokens::base64url(&private.raw_public_key().unwrap());
            let d = test_tokens::base64url(&bytes(&test["private"]));
            let receiver = serde_json::json!({"kty": "OKP", "crv": crv, "x": x, "d": d});
            let x = test_tokens::base64url(&bytes(&test["public"]));
            let epk = serde_json::json!({"kty": "OKP", "crv": crv, "x": x});
            let agreed = agreed_key(&receiver, &epk);
            // Of the vectors that are merely acceptable, those with a secret of zero are refused.
            // The others have a point of the twist, or one that is not reduced, which RFC 7748
            // section 5 accepts.
            let is_secret = bytes(&test["shared"]).iter().any(|&byte| byte != 0);
            let is_good = test["result"] != "invalid" && is_secret;
            assert_eq!(agreed, is_good.then(|| key_of(&test["shared"])), "{test}");
            counted[usize::from(!is_good)] += 1;
        }
        assert_eq!(counted, expected, "{crv}");
    }
}

fn opens(encryption: &ContentEncryption, test: &Value) -> bool {
    let [key, iv, aad, ct, tag] = ["key", "iv", "aad", "ct", "tag"].map(|name| bytes(&test[name]));
    encryption.open(&key, &iv, &aad, &ct, &tag) == Some(bytes(&test["msg"]))
}

#[test]
fn row_20_aes_gcm() {
    // JWE allows only initialization vectors of 96 bits.
    let has_96 = |group: &Value, _: &Value| group["ivSize"] == 96;
    let counted = run(aead::TestName::AesGcm.json_data(), has_96, |group, test| {
        let enc = format!("A{}GCM", group["keySize"]);
        opens(find_encryption(&enc).unwrap(), test)
    });
    assert_eq!(counted, [116, 113, 0, 87]);
}

#[test]
fn row_21_aes_cbc_hmac() {
    use aead::TestName::*;
    for (file, enc, expected) in [
        (Aes128CbcHmacSha256, "A128CBC-HS256", [67, 0, 0, 27]),
        (Aes192CbcHmacSha384, "A192CBC-HS384", [67, 0, 0, 27]),
        (Aes256CbcHmacSha512, "A256CBC-HS512", [67, 0, 0, 27]),
    ] {
        let encryption = find_encryption(enc).unwrap();
        let counted = run(file.json_data(), all, |_, test| opens(encryption, test));
        assert_eq!(counted, expected, "{enc}");
    }
}
