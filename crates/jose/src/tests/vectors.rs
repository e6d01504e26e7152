//! Tokens from the RFCs, and from other libraries. The programs that made the latter are in
//! t/data/generate.

use std::collections::BTreeSet;

use super::*;

/// Algorithms of examples in the RFCs that are not supported, on purpose.
const REFUSED: [&str; 3] = ["none", "RSA1_5", "PBES2-HS512+A256KW"];

/// Algorithms that a build with ring does not have.
const NOT_ON_RING: [&str; 3] = ["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"];

fn is_unsupported(alg: &str) -> bool {
    REFUSED.contains(&alg) || !crypto::HAS_ML_DSA && NOT_ON_RING.contains(&alg)
}

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

/// The examples of RFC 7515, 7516, 7520, 8037 and 9964 in compact form, apart from the nested
/// token.
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
    let is_expected = |warning: String| {
        warning.contains("used, but secret of")
            || !crypto::HAS_ML_DSA && warning.contains("left out, unsupported alg \"ML-DSA-")
    };
    assert!(keys.warnings().map(Warning::to_string).all(is_expected));
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
    assert_eq!(vectors.len(), 25);
    for vector in &vectors {
        let opened = open(&vector.token, vector.enc.is_some(), &vector.keys);
        let expected = match is_unsupported(&vector.alg) {
            true => Err(Error::UnsupportedAlgorithm {
                alg: quoted(&vector.alg),
            }),
            false => Ok(vector.payload.clone().into_bytes()),
        };
        assert_eq!(opened, expected, "{}", vector.source);
    }
    let is_refused = |vector: &&Vector| REFUSED.contains(&vector.alg.as_str());
    assert_eq!(vectors.iter().filter(is_refused).count(), 4);
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
    // The EC key of A.1 and A.2 is for encryption, and without its private member of no use.
    let lengths: Vec<_> = parsed
        .map(|keys| (keys.usable_keys(), keys.warnings().count()))
        .collect();
    assert_eq!(lengths, [(1, 0), (2, 0), (2, 0), (1, 0)]);
}

#[test]
fn tokens_of_other_libraries_are_accepted() {
    let vectors = libraries();
    assert_eq!(vectors.len(), 107 + 104);
    for vector in &vectors {
        let kind = match vector.enc {
            Some(_) => TokenType::Encrypted,
            None => TokenType::Signed,
        };
        let token = parse(&vector.token, kind).unwrap();
        let verified = token.verify(&vector.keys, NOW, Duration::ZERO);
        if is_unsupported(&vector.alg) {
            let alg = quoted(&vector.alg);
            assert_eq!(verified.err(), Some(Error::UnsupportedAlgorithm { alg }));
            continue;
        }
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
    vectors.extend(libraries());
    vectors.retain(|vector| !is_unsupported(&vector.alg));
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
    let signatures = if crypto::HAS_ML_DSA { 19 } else { 16 };
    assert_eq!(registered.len(), signatures + 15 * 6);
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|n| u8::from_str_radix(&hex[n..n + 2], 16).unwrap())
        .collect()
}

/// The content key of ECDH-ES with A128GCM, with this key of the receiver.
fn agreed_key(receiver: &Value, header: &Value) -> Vec<u8> {
    let header = test_tokens::base64url(header.to_string().as_bytes());
    let header = JoseHeader::parse(header.as_bytes(), &Limits::default()).unwrap();
    let keys = key_set(std::slice::from_ref(receiver));
    let algorithm = jwe::find("ECDH-ES").unwrap();
    let encryption = jwe::find_encryption("A128GCM").unwrap();
    let mut keys = keys.decrypters(algorithm, encryption, &header, 0);
    let key = keys.next().unwrap().unwrap_key(&header, b"", encryption);
    key.unwrap().to_vec()
}

#[test]
fn the_agreed_key_of_rfc_7518_appendix_c_is_found() {
    let epk = serde_json::json!({
        "kty": "EC",
        "crv": "P-256",
        "x": "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",
        "y": "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps",
    });
    let receiver = serde_json::json!({
        "kty": "EC",
        "crv": "P-256",
        "x": "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
        "y": "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck",
        "d": "VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw",
    });
    let header = serde_json::json!({
        "alg": "ECDH-ES",
        "enc": "A128GCM",
        "apu": "QWxpY2U",
        "apv": "Qm9i",
        "epk": epk,
    });
    let key = agreed_key(&receiver, &header);
    assert_eq!(test_tokens::base64url(&key), "VqqN6vgjbSBcIijNcacQGg");
}

#[test]
fn the_secrets_of_rfc_8037_are_found() {
    // Appendix A.6 and A.7; the receiver's private keys are in RFC 7748 section 6.
    for (crv, public, private, ephemeral, secret) in [
        (
            "X25519",
            "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
            "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
            "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
            "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
        ),
        (
            "X448",
            concat!(
                "3eb7a829b0cd20f5bcfc0b599b6feccf6da4627107bdb0d4f345b430",
                "27d8b972fc3e34fb4232a13ca706dcb57aec3dae07bdc1c67bf33609",
            ),
            concat!(
                "1c306a7ac2a0e2e0990b294470cba339e6453772b075811d8fad0d1d",
                "6927c120bb5ee8972b0d3e21374c9c921b09d1b0366f10b65173992d",
            ),
            concat!(
                "9b08f7cc31b7e3e67d22d5aea121074a273bd2b83de09c63faa73d2c",
                "22c5d9bbc836647241d953d40c5b12da88120d53177f80e532c41fa0",
            ),
            concat!(
                "07fff4181ac6cc95ec1c16a94a0f74d12da232ce40a77552281d282b",
                "b60c0b56fd2464c335543936521c24403085d59a449a5037514a879d",
            ),
        ),
    ] {
        let text = |hex: &str| test_tokens::base64url(&bytes(hex));
        let (x, d) = (text(public), text(private));
        let receiver = serde_json::json!({"kty": "OKP", "crv": crv, "x": x, "d": d});
        let epk = serde_json::json!({"kty": "OKP", "crv": crv, "x": text(ephemeral)});
        let header = serde_json::json!({"alg": "ECDH-ES", "enc": "A128GCM", "epk": epk});
        // The lengths and names that RFC 7518 section 4.6.2 puts around the secret.
        let (before, after) = ("00000001", "000000074131323847434d000000000000000000000080");
        let hash = openssl::sha::sha256(&bytes(&format!("{before}{secret}{after}")));
        assert_eq!(agreed_key(&receiver, &header), hash[..16], "{crv}");
    }
}

#[test]
fn an_ed448_signature_of_rfc_8032_verifies() {
    // Section 7.4, with the message of one octet.
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
