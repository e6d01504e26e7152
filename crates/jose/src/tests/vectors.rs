//! Tokens from the RFCs, and from two other libraries, npm's jose and PyPI's jwcrypto. The programs
//! that made the latter are in t/data/generate.

use std::collections::BTreeSet;

use super::*;

/// Algorithms of examples in the RFCs that are not supported, on purpose.
const REFUSED: [&str; 5] = [
    "none",
    "RSA1_5",
    "PBES2-HS512+A256KW",
    "ECDH-ES",
    "ECDH-ES+A128KW",
];

struct Vector {
    source: String,
    alg: String,
    enc: Option<String>,
    payload: String,
    keys: KeySet,
    token: String,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn key_set(keys: &[Value]) -> KeySet {
    KeySet::parse(serde_json::json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

/// The examples of RFC 7515, 7516, 7520 and 8037 in compact form, apart from the nested token.
fn rfc() -> Vec<Vector> {
    let file: Value = serde_json::from_str(include_str!("../../../../t/data/rfc.json")).unwrap();
    let vectors = file["tokens"].as_array().unwrap().iter();
    let vectors = vectors
        .filter(|vector| vector["kind"] != "nested")
        .map(|vector| {
            let keys: Vec<_> = Some(vector["key"].clone())
                .filter(|key| !key.is_null())
                .into_iter()
                .collect();
            Vector {
                source: text(&vector["source"]),
                alg: text(&vector["alg"]),
                enc: vector.get("enc").map(text),
                payload: text(&vector["payload"]),
                keys: key_set(&keys),
                token: text(&vector["token"]),
            }
        });
    vectors.collect()
}

fn library(file: &str) -> Vec<Vector> {
    let file: Value = serde_json::from_str(file).unwrap();
    let keys = key_set(file["keys"].as_array().unwrap());
    // Keys for AES get this warning because nothing in them says that they are not for HMAC.
    assert!(
        keys.warnings()
            .all(|warning| warning.to_string().contains("used, but secret of"))
    );
    let vectors = file["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|vector| Vector {
            source: text(&file["library"]),
            alg: text(&vector["alg"]),
            enc: vector.get("enc").map(text),
            payload: text(&file["claims"]),
            keys: keys.clone(),
            token: text(&vector["token"]),
        });
    vectors.collect()
}

fn libraries() -> Vec<Vector> {
    let mut vectors = library(include_str!("../../../../t/data/npm-jose.json"));
    vectors.extend(library(include_str!("../../../../t/data/jwcrypto.json")));
    vectors
}

/// The payload or plaintext, which need not be claims.
fn open(token: &str, encrypted: bool, keys: &KeySet) -> Result<Vec<u8>, Error> {
    let limits = Limits::default();
    if encrypted {
        let (header, parts) = jwe::JweParts::parse(token.as_bytes(), &limits)?;
        return token::decrypt(&header, &parts, keys, limits.inflated_bytes);
    }
    let [header, payload, signature] = compact::split(token.as_bytes())?;
    let signature = compact::decode(signature, InputPart::Signature)?;
    let (message, _) = token.rsplit_once('.').unwrap();
    token::verify_signature(
        &JoseHeader::parse(header, &limits)?,
        message.as_bytes(),
        &signature,
        keys,
    )?;
    compact::decode(payload, InputPart::Claims)
}

#[test]
fn tokens_of_the_rfcs_are_accepted() {
    let vectors = rfc();
    assert_eq!(vectors.len(), 22);
    for vector in &vectors {
        let opened = open(&vector.token, vector.enc.is_some(), &vector.keys);
        let expected = match REFUSED.contains(&vector.alg.as_str()) {
            true => Err(Error::UnsupportedAlgorithm {
                alg: quoted(&vector.alg),
            }),
            false => Ok(vector.payload.clone().into_bytes()),
        };
        assert_eq!(opened, expected, "{}", vector.source);
    }
    assert_eq!(
        vectors
            .iter()
            .filter(|vector| REFUSED.contains(&vector.alg.as_str()))
            .count(),
        6
    );
}

#[test]
fn the_nested_token_of_rfc_7520_is_accepted() {
    let file: Value = serde_json::from_str(include_str!("../../../../t/data/rfc.json")).unwrap();
    let vector = file["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .find(|vector| vector["kind"] == "nested")
        .unwrap();
    let keys = key_set(vector["keys"].as_array().unwrap());
    let token = text(&vector["token"]);
    let token = parse(&token, TokenType::Nested).unwrap();
    let now = 1_300_819_379;
    let verified = token.verify(&keys, now, Duration::ZERO).unwrap();
    assert_eq!(verified.claims().json(), text(&vector["payload"]));
    let expired = Error::Expired {
        exp: now + 1,
        now: NOW,
        leeway: 0,
    };
    assert_eq!(
        token.verify(&keys, NOW, Duration::ZERO).err(),
        Some(expired)
    );
}

#[test]
fn key_sets_of_rfc_7517_are_accepted() {
    let file: Value = serde_json::from_str(include_str!("../../../../t/data/rfc.json")).unwrap();
    let sets: Vec<_> = file["key_sets"].as_array().unwrap().iter().collect();
    let parsed = sets
        .iter()
        .map(|set| KeySet::parse(set["set"].to_string().as_bytes()).unwrap());
    // The EC key of A.1 and A.2 is for encryption, which is supported only with RSA and secrets.
    let lengths: Vec<_> = parsed
        .map(|keys| (keys.usable_keys(), keys.warnings().count()))
        .collect();
    assert_eq!(lengths, [(1, 0), (1, 0), (2, 0), (1, 0)]);
}

#[test]
fn tokens_of_two_other_libraries_are_accepted() {
    let vectors = libraries();
    assert_eq!(vectors.len(), 80 + 76);
    for vector in &vectors {
        let kind = match vector.enc {
            Some(_) => TokenType::Encrypted,
            None => TokenType::Signed,
        };
        let token = parse(&vector.token, kind).unwrap();
        let verified = token.verify(&vector.keys, NOW, Duration::ZERO);
        let verified =
            verified.unwrap_or_else(|error| panic!("{} {}: {error}", vector.source, vector.alg));
        assert_eq!(verified.claims().json(), vector.payload);
        assert_eq!(verified.header().alg(), vector.alg);
        assert_eq!(verified.header().enc(), vector.enc.as_deref());
    }
}

#[test]
fn every_algorithm_has_a_vector_and_every_vector_an_algorithm() {
    let mut vectors = rfc();
    vectors.retain(|vector| !REFUSED.contains(&vector.alg.as_str()));
    vectors.extend(libraries());
    let pair = |alg: &str, enc: Option<&str>| (alg.to_owned(), enc.map(String::from));
    let tested: BTreeSet<_> = vectors
        .iter()
        .map(|vector| pair(&vector.alg, vector.enc.as_deref()))
        .collect();
    let signed = jws::algorithms().map(|algorithm| pair(algorithm.name, None));
    let encrypted = jwe::algorithms()
        .flat_map(|algorithm| jwe::encryptions().map(|enc| pair(algorithm.name, Some(enc.name))));
    let registered: BTreeSet<_> = signed.chain(encrypted).collect();
    assert_eq!(registered.difference(&tested).next(), None);
    assert_eq!(tested.difference(&registered).next(), None);
    assert_eq!(registered.len(), 15 + 11 * 6);
}

#[test]
fn an_ed448_signature_of_rfc_8032_verifies() {
    // Section 7.4, with the message of one octet.
    let bytes = |hex: &str| -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|n| u8::from_str_radix(&hex[n..n + 2], 16).unwrap())
            .collect()
    };
    let public = bytes(concat!(
        "43ba28f430cdff456ae531545f7ecd0ac834a55d9358c0372bfa0c6c6798c0866aea01eb00742802",
        "b8438ea4cb82169c235160627b4c3a9480",
    ));
    let signature = bytes(concat!(
        "26b8f91727bd62897af15e41eb43c377efb9c610d48f2335cb0bd0087810f4352541b143c4b981b7e18f62de8ccdf633",
        "fc1bf037ab7cd779805e0dbcc0aae1cbcee1afb2e027df36bc04dcecbf154336c19f0af7e0a6472905e799f1953d2a0f",
        "f3348ab21aa4adafd1d234441cf807c03a00",
    ));
    let x = test_tokens::base64url(&public);
    let keys =
        KeySet::parse(format!(r#"{{"kty":"OKP","crv":"Ed448","x":"{x}"}}"#).as_bytes()).unwrap();
    let key = keys
        .verifiers(jws::find("Ed448").unwrap(), None, 0)
        .next()
        .unwrap();
    assert!(key.verify(&[3], &signature));
    assert!(!key.verify(&[4], &signature));
}
