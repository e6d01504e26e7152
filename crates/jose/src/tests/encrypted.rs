//! Encrypted and nested tokens. The number in the name of a test is the row of
//! docs/dev/security-cases.md.

use super::*;

const CLAIMS: &str = r#"{"sub":"you","n":1.50}"#;

/// Each pair of algorithms with a key for it.
fn pairs() -> Vec<(&'static str, &'static str, JwkObject)> {
    let pairs = key_management_algorithms()
        .flat_map(|alg| content_encryption_algorithms().map(move |enc| (alg, enc)));
    let with_key = |(alg, enc)| (alg, enc, key(if alg == "dir" { enc } else { alg }, 0));
    pairs.map(with_key).collect()
}

fn private_set(keys: &[JwkObject]) -> KeySet {
    let set = serde_json::json!({ "keys": keys }).to_string();
    KeySet::parse(set.as_bytes()).unwrap()
}

fn encrypt(alg: &str, enc: &str, key: &JwkObject, header: &str, content: &str) -> String {
    let header = serde_json::from_str(header).unwrap();
    test_tokens::encrypt(alg, enc, key, &header, content.as_bytes()).unwrap()
}

fn decrypt(token: &str, kind: TokenType, keys: &KeySet) -> Result<VerifiedToken, Error> {
    let token = parse(token, kind)?;
    assert!(token.claims().is_none());
    token.verify(keys, NOW, Duration::ZERO)
}

fn failed(alg: &'static str) -> Option<Error> {
    Some(Error::DecryptionFailed {
        alg,
        kid: None,
        tried: 1,
        fitting: 1,
    })
}

/// The token with the decoded bytes of one part changed.
fn change(token: &str, part: usize, change: impl Fn(&mut Vec<u8>)) -> String {
    use base64::Engine as _;
    let mut parts: Vec<_> = token.split('.').map(String::from).collect();
    let base64 = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let mut bytes = base64.decode(&parts[part]).unwrap();
    change(&mut bytes);
    parts[part] = base64.encode(bytes);
    parts.join(".")
}

#[test]
fn each_pair_of_algorithms_decrypts() {
    for (alg, enc, key) in pairs() {
        let token = encrypt(alg, enc, &key, r#"{"cty":"x"}"#, CLAIMS);
        let token = decrypt(&token, TokenType::Encrypted, &private_set(&[key])).unwrap();
        assert_eq!(token.header().alg(), alg);
        assert_eq!(token.header().enc(), Some(enc));
        assert_eq!(token.claims().json(), CLAIMS);
        assert_eq!(token.payload(), Some(CLAIMS.as_bytes()));
    }
}

#[test]
fn rows_20_to_22_the_error_does_not_tell_which_part_is_wrong() {
    for (alg, enc, key) in pairs() {
        let keys = private_set(std::slice::from_ref(&key));
        let token = encrypt(alg, enc, &key, "{}", CLAIMS);
        for part in 1..5 {
            let changed = change(&token, part, |bytes| match bytes.last_mut() {
                Some(byte) => *byte ^= 1,
                None => bytes.push(1),
            });
            assert_eq!(
                decrypt(&changed, TokenType::Encrypted, &keys).err(),
                failed(static_name(alg))
            );
            for length in [0, 1, 12, 15, 17] {
                let changed = change(&token, part, |bytes| bytes.resize(length, 0));
                let expected = (changed != token)
                    .then(|| failed(static_name(alg)))
                    .flatten();
                let refused = decrypt(&changed, TokenType::Encrypted, &keys).err();
                assert_eq!(refused, expected, "{alg} {enc} part {part} length {length}");
            }
        }
    }
}

fn static_name(alg: &str) -> &'static str {
    jwe::find(alg).unwrap().name
}

#[test]
fn row_20_truncated_tags_in_the_header_are_refused() {
    let key = key("A128GCMKW", 0);
    let token = encrypt("A128GCMKW", "A128GCM", &key, "{}", CLAIMS);
    let keys = private_set(&[key]);
    for length in 0..16 {
        let truncated = change(&token, 0, |header| {
            let mut parameters: JwkObject = serde_json::from_slice(header).unwrap();
            let tag = parameters["tag"].as_str().unwrap().to_owned();
            // These numbers of characters, of which none is one more than a multiple of four, can
            // be base64.
            let tag = tag.get(..length + length / 3).unwrap().to_owned();
            parameters.insert("tag".into(), tag.into());
            *header = serde_json::to_vec(&parameters).unwrap();
        });
        assert_eq!(
            decrypt(&truncated, TokenType::Encrypted, &keys).err(),
            failed("A128GCMKW")
        );
    }
}

#[test]
fn row_21_bad_padding_gives_the_same_error_as_a_bad_mac() {
    // A good MAC of a ciphertext that is not a whole number of blocks, or has no padding.
    use openssl::{hash::MessageDigest, pkey::PKey, sign::Signer};
    let mut key = key("A128CBC-HS256", 0);
    // With one random key in 256 the last block decrypts to something that ends with padding.
    key.insert("k".into(), test_tokens::base64url(&[7; 32]).into());
    let secret = ::josekit::jwk::Jwk::from_map(key.clone())
        .unwrap()
        .key_value()
        .unwrap();
    let header = test_tokens::base64url(br#"{"alg":"dir","enc":"A128CBC-HS256"}"#);
    for ciphertext in [&[][..], &[0; 15], &[0; 16]] {
        let iv = [0; 16];
        let bits = (header.len() as u64 * 8).to_be_bytes();
        let mac_key = PKey::hmac(&secret[..16]).unwrap();
        let mut signer = Signer::new(MessageDigest::sha256(), &mac_key).unwrap();
        for part in [header.as_bytes(), &iv, ciphertext, &bits] {
            signer.update(part).unwrap();
        }
        let tag = signer.sign_to_vec().unwrap();
        let parts = [&iv[..], ciphertext, &tag[..16]].map(test_tokens::base64url);
        let token = format!("{header}..{}", parts.join("."));
        let keys = private_set(std::slice::from_ref(&key));
        assert_eq!(
            decrypt(&token, TokenType::Encrypted, &keys).err(),
            failed("dir")
        );
    }
}

#[test]
fn row_22_other_paddings_of_rsa_are_refused() {
    let key = key("RSA-OAEP", 0);
    let keys = private_set(&[with(&key, r#"{"alg":"RSA-OAEP-256"}"#)]);
    let token = encrypt("RSA-OAEP", "A128GCM", &key, "{}", CLAIMS);
    let unknown = Error::UnknownKey {
        alg: "RSA-OAEP",
        kid: None,
        reason: NoKeyReason::OtherAlgorithms(vec!["RSA-OAEP-256"]),
    };
    assert_eq!(
        decrypt(&token, TokenType::Encrypted, &keys).err(),
        Some(unknown)
    );
    let set_alg = |alg: &'static str| {
        change(&token, 0, |header| {
            let text = String::from_utf8(header.clone()).unwrap();
            *header = text.replace("RSA-OAEP", alg).into_bytes();
        })
    };
    let keys = private_set(std::slice::from_ref(&key));
    assert_eq!(
        decrypt(&set_alg("RSA-OAEP-256"), TokenType::Encrypted, &keys).err(),
        failed("RSA-OAEP-256")
    );
    for alg in ["RSA1_5", "ECDH-1PU", "ECDH-ES+A512KW"] {
        let unsupported = Some(Error::UnsupportedAlgorithm { alg: quoted(alg) });
        assert_eq!(
            decrypt(&set_alg(alg), TokenType::Encrypted, &keys).err(),
            unsupported
        );
    }
    // Content keys of the wrong length, and one that is padded as by PKCS #1 v1.5.
    let rsa = ::josekit::jwk::alg::rsa::RsaKeyPair::from_jwk(
        &::josekit::jwk::Jwk::from_map(key).unwrap(),
    )
    .unwrap();
    let rsa =
        openssl::rsa::Rsa::private_key_from_pem(&rsa.to_traditional_pem_private_key()).unwrap();
    for (cek, padding) in [
        (vec![1; 15], openssl::rsa::Padding::PKCS1_OAEP),
        (vec![], openssl::rsa::Padding::PKCS1_OAEP),
        (vec![1; 16], openssl::rsa::Padding::PKCS1),
    ] {
        let mut encrypted = vec![0; 256];
        rsa.public_encrypt(&cek, &mut encrypted, padding).unwrap();
        let token = change(&token, 1, |bytes| *bytes = encrypted.clone());
        assert_eq!(
            decrypt(&token, TokenType::Encrypted, &keys).err(),
            failed("RSA-OAEP")
        );
    }
}

#[test]
fn row_19_pbes2_is_refused() {
    let header =
        r#"{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483648,"p2s":"AAAAAAAAAAA"}"#;
    let token = format!(
        "{}.AAAA.AAAA.AAAA.AAAA",
        test_tokens::base64url(header.as_bytes())
    );
    let keys = private_set(&[key("A128KW", 0)]);
    let alg = quoted("PBES2-HS256+A128KW");
    let refused = decrypt(&token, TokenType::Encrypted, &keys).err();
    assert_eq!(refused, Some(Error::UnsupportedAlgorithm { alg }));
}

#[test]
fn row_18_inflated_content_has_a_limit() {
    let key = key("A128GCM", 0);
    let keys = private_set(std::slice::from_ref(&key));
    let zipped = |content: &str| encrypt("dir", "A128GCM", &key, r#"{"zip":"DEF"}"#, content);
    let token = decrypt(&zipped(CLAIMS), TokenType::Encrypted, &keys).unwrap();
    assert_eq!(token.claims().json(), CLAIMS);
    let limit = 256 << 10;
    let padded = |length: usize| format!("{{}}{}", " ".repeat(length - 2));
    assert!(decrypt(&zipped(&padded(limit)), TokenType::Encrypted, &keys).is_ok());
    let too_large = Some(Error::TooLarge {
        part: InputPart::Claims,
        limit,
    });
    for length in [limit + 1, 1 << 25] {
        let token = zipped(&padded(length));
        let allowed = Limits {
            token_bytes: 1 << 20,
            ..Limits::default()
        };
        let token = UnverifiedToken::parse(token.as_bytes(), TokenType::Encrypted, &allowed);
        assert_eq!(
            token.unwrap().verify(&keys, NOW, Duration::ZERO).err(),
            too_large
        );
    }
    // Another compression.
    let token = encrypt("dir", "A128GCM", &key, r#"{"zip":"GZ"}"#, CLAIMS);
    let unsupported = Error::UnsupportedCompression { zip: quoted("GZ") };
    assert_eq!(
        decrypt(&token, TokenType::Encrypted, &keys).err(),
        Some(unsupported)
    );
}

#[test]
fn row_23_tokens_of_another_type_are_refused() {
    let (secret, signing) = (key("A128GCM", 0), key("HS256", 0));
    let keys = private_set(&[secret.clone(), signing.clone()]);
    let signed = sign("HS256", &signing, r#"{"alg":"HS256"}"#, CLAIMS);
    let encrypted = encrypt("dir", "A128GCM", &secret, "{}", CLAIMS);
    let nested = encrypt("dir", "A128GCM", &secret, "{}", &signed);
    let parts = |found, expected| Some(Error::TokenParts { found, expected });
    assert_eq!(verify(&encrypted, &keys).err(), parts(5, 3));
    assert_eq!(
        decrypt(&signed, TokenType::Encrypted, &keys).err(),
        parts(3, 5)
    );
    assert_eq!(
        decrypt(&signed, TokenType::Nested, &keys).err(),
        parts(3, 5)
    );
    assert_eq!(
        decrypt(&encrypted, TokenType::Nested, &keys).err(),
        Some(Error::Content { is_token: false })
    );
    let twice = encrypt("dir", "A128GCM", &secret, "{}", &encrypted);
    assert_eq!(decrypt(&twice, TokenType::Nested, &keys).err(), parts(5, 3));
    assert_eq!(
        decrypt(&nested, TokenType::Encrypted, &keys).err(),
        Some(Error::Content { is_token: true })
    );

    let none = sign("none", &signing, r#"{"alg":"none"}"#, CLAIMS);
    let none = encrypt("dir", "A128GCM", &secret, "{}", &none);
    let unsupported = Some(Error::UnsupportedAlgorithm {
        alg: quoted("none"),
    });
    assert_eq!(decrypt(&none, TokenType::Nested, &keys).err(), unsupported);
    let forged = sign("HS256", &key("HS256", 1), r#"{"alg":"HS256"}"#, CLAIMS);
    let forged = encrypt("dir", "A128GCM", &secret, "{}", &forged);
    let bad = Some(Error::BadSignature {
        alg: "HS256",
        kid: None,
        tried: 2,
        fitting: 2,
    });
    assert_eq!(decrypt(&forged, TokenType::Nested, &keys).err(), bad);
}

#[test]
fn nested_tokens_are_decrypted_and_verified() {
    let (wrapping, signing) = (key("RSA-OAEP-256", 0), key("ES256", 0));
    let signed = sign(
        "ES256",
        &signing,
        r#"{"alg":"ES256","typ":"JWT"}"#,
        r#"{"exp":1700000001}"#,
    );
    let nested = encrypt(
        "RSA-OAEP-256",
        "A256GCM",
        &wrapping,
        r#"{"cty":"JWT"}"#,
        &signed,
    );
    let keys = private_set(&[
        with(&wrapping, r#"{"use":"enc"}"#),
        with(&signing, r#"{"use":"sig"}"#),
    ]);
    let unverified = parse(&nested, TokenType::Nested).unwrap();
    let token = unverified.verify(&keys, NOW, Duration::ZERO).unwrap();
    assert_eq!(token.header().alg(), "ES256");
    let typ = token.header().object().get(b"typ").unwrap();
    assert_eq!(typ.as_str().unwrap(), "JWT");
    let outer = token.outer_header().unwrap();
    assert_eq!(outer.alg(), "RSA-OAEP-256");
    let cty = outer.object().get(b"cty").unwrap();
    assert_eq!(cty.as_str().unwrap(), "JWT");
    assert_eq!(token.payload(), Some(signed.as_bytes()));
    assert_eq!(token.claims().json(), r#"{"exp":1700000001}"#);
    let expired = Error::Expired {
        exp: NOW + 1,
        now: NOW + 1,
        leeway: 0,
    };
    let later = unverified.verify(&keys, NOW + 1, Duration::ZERO);
    assert_eq!(later.err(), Some(expired));
}

#[test]
fn row_13_extensions_in_encrypted_tokens_are_refused() {
    let secret = key("A128GCM", 0);
    let keys = private_set(&[secret.clone(), key("HS256", 0)]);
    for (header, expected) in [
        (
            r#"{"crit":["x"],"x":1}"#,
            Error::CriticalUnsupported { name: quoted("x") },
        ),
        (r#"{"crit":[]}"#, Error::CriticalMalformed),
        (r#"{"b64":false}"#, Error::UnencodedPayload),
    ] {
        let token = encrypt("dir", "A128GCM", &secret, header, CLAIMS);
        let refused = decrypt(&token, TokenType::Encrypted, &keys).err();
        assert_eq!(refused, Some(expected.clone()));
        let mut inner: JwkObject = serde_json::from_str(header).unwrap();
        inner.insert("alg".into(), "HS256".into());
        let inner = serde_json::to_string(&inner).unwrap();
        let signed = sign("HS256", &key("HS256", 0), &inner, CLAIMS);
        let nested = encrypt("dir", "A128GCM", &secret, "{}", &signed);
        assert_eq!(
            decrypt(&nested, TokenType::Nested, &keys).err(),
            Some(expected)
        );
    }
}

#[test]
fn keys_for_dir_are_chosen_by_length_and_content_encryption() {
    let secret = key("A128GCM", 0);
    let token = encrypt("dir", "A128GCM", &secret, "{}", CLAIMS);
    let accepted = |members: &str| {
        let keys = private_set(&[with(&secret, members)]);
        decrypt(&token, TokenType::Encrypted, &keys).is_ok()
    };
    for good in [
        "{}",
        r#"{"alg":"dir"}"#,
        r#"{"alg":"A128GCM"}"#,
        r#"{"key_ops":["decrypt"],"use":"enc"}"#,
    ] {
        assert!(accepted(good), "{good}");
    }
    for bad in [
        r#"{"alg":"A256GCM"}"#,
        r#"{"alg":"A128KW"}"#,
        r#"{"use":"sig"}"#,
        r#"{"key_ops":["encrypt"]}"#,
    ] {
        assert!(!accepted(bad), "{bad}");
    }
    let unknown = Error::UnknownKey {
        alg: "dir",
        kid: None,
        reason: NoKeyReason::OtherEncryption,
    };
    let longer = private_set(&[key("A256GCM", 0)]);
    assert_eq!(
        decrypt(&token, TokenType::Encrypted, &longer).err(),
        Some(unknown)
    );
}

#[test]
fn rsa_keys_decrypt_with_and_without_crt_members() {
    let key = key("RSA-OAEP", 0);
    let token = encrypt("RSA-OAEP", "A128GCM", &key, "{}", CLAIMS);
    let without = with(&key, r#"{"p":null,"q":null,"dp":null,"dq":null,"qi":null}"#);
    assert!(decrypt(&token, TokenType::Encrypted, &private_set(&[without])).is_ok());
    let public = private_set(&[test_tokens::public(&key)]);
    let unknown = Error::UnknownKey {
        alg: "RSA-OAEP",
        kid: None,
        reason: NoKeyReason::PublicKey,
    };
    assert_eq!(
        decrypt(&token, TokenType::Encrypted, &public).err(),
        Some(unknown)
    );
}

#[test]
fn header_parameters_of_encrypted_tokens_are_checked() {
    let keys = KeySet::default();
    let refused = |header: &str| {
        let token = format!("{}....", test_tokens::base64url(header.as_bytes()));
        decrypt(&token, TokenType::Encrypted, &keys).err()
    };
    let parameter = |name| Some(Error::HeaderParameter { name });
    assert_eq!(refused(r#"{"alg":"dir"}"#), parameter("enc"));
    assert_eq!(refused(r#"{"alg":"dir","enc":1}"#), parameter("enc"));
    assert_eq!(
        refused(r#"{"alg":"dir","enc":"A128GCM","zip":true}"#),
        parameter("zip")
    );
    let enc = Some(Error::UnsupportedEncryption { enc: quoted("x") });
    assert_eq!(refused(r#"{"alg":"dir","enc":"x"}"#), enc);
}
