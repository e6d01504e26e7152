//! Tokens that josekit accepts and this crate refuses. In one respect josekit is stricter: it
//! refuses HMAC secrets that are shorter than the hash, which NGINX Plus accepts.

use ::josekit::jwe::{self as theirs_jwe, JweDecrypter, JweEncrypter, JweHeader};
use ::josekit::jwk::Jwk;
use ::josekit::jwk::alg::ec::EcCurve;
use ::josekit::jws as theirs;

use super::*;

const CLAIMS: &str = r#"{"sub":"you"}"#;

fn our_set(key: &Jwk) -> KeySet {
    KeySet::parse(key.to_string().as_bytes()).unwrap()
}

fn our_refusal(token: &str, keys: &KeySet) -> Option<Error> {
    let kind = match token.split('.').count() {
        3 => TokenType::Signed,
        _ => TokenType::Encrypted,
    };
    let token = parse(token, kind);
    token
        .and_then(|token| token.verify(keys, NOW, Duration::ZERO))
        .err()
}

fn unsupported(alg: &str) -> Option<Error> {
    Some(Error::UnsupportedAlgorithm { alg: quoted(alg) })
}

#[test]
fn a_duplicate_name_in_a_header() {
    // josekit uses the last value, other libraries use the first.
    let key = key("HS256", 0);
    let token = sign("HS256", &key, r#"{"alg":"none","alg":"HS256"}"#, CLAIMS);
    let jwk = Jwk::from_map(key).unwrap();
    let verifier = theirs::HS256.verifier_from_jwk(&jwk).unwrap();
    assert!(theirs::deserialize_compact(&token, &verifier).is_ok());
    let duplicate = Error::DuplicateName {
        part: InputPart::Header,
        name: quoted("alg"),
    };
    assert_eq!(our_refusal(&token, &our_set(&jwk)), Some(duplicate));
}

fn round_trip(
    encrypter: &dyn JweEncrypter,
    decrypter: &dyn JweDecrypter,
    header: JweHeader,
) -> String {
    let token = theirs_jwe::serialize_compact(CLAIMS.as_bytes(), &header, encrypter).unwrap();
    assert!(theirs_jwe::deserialize_compact(&token, decrypter).is_ok());
    token
}

fn encrypted_with(enc: &str) -> JweHeader {
    let mut header = JweHeader::new();
    header.set_content_encryption(enc);
    header
}

#[test]
fn rsa_1_5_and_pbes2() {
    // RSA1_5 tells attackers whether its padding is right, and PBES2 lets them choose how long a
    // verification takes (RFC 8725 section 3.2).
    let rsa = Jwk::from_map(key("RSA", 0)).unwrap();
    #[allow(deprecated)]
    let alg = theirs_jwe::RSA1_5;
    let (encrypter, decrypter) = (
        alg.encrypter_from_jwk(&rsa).unwrap(),
        alg.decrypter_from_jwk(&rsa).unwrap(),
    );
    let token = round_trip(&encrypter, &decrypter, encrypted_with("A128GCM"));
    assert_eq!(our_refusal(&token, &our_set(&rsa)), unsupported("RSA1_5"));

    let alg = theirs_jwe::PBES2_HS256_A128KW;
    let password = Jwk::from_map(key("HS256", 0)).unwrap();
    let encrypter = alg.encrypter_from_jwk(&password).unwrap();
    let decrypter = alg.decrypter_from_jwk(&password).unwrap();
    let token = round_trip(&encrypter, &decrypter, encrypted_with("A128GCM"));
    assert_eq!(
        our_refusal(&token, &our_set(&password)),
        unsupported("PBES2-HS256+A128KW")
    );
}

#[test]
fn key_agreement_on_secp256k1() {
    // RFC 8812 registers the curve for signatures only.
    let jwk = Jwk::generate_ec_key(EcCurve::Secp256k1).unwrap();
    let alg = theirs_jwe::ECDH_ES;
    let (encrypter, decrypter) = (
        alg.encrypter_from_jwk(&jwk).unwrap(),
        alg.decrypter_from_jwk(&jwk).unwrap(),
    );
    let token = round_trip(&encrypter, &decrypter, encrypted_with("A128GCM"));
    let unknown = Error::UnknownKey {
        alg: "ECDH-ES",
        kid: None,
        reason: NoKeyReason::OtherAlgorithms(vec!["ES256K"]),
    };
    assert_eq!(our_refusal(&token, &our_set(&jwk)), Some(unknown));
}

#[test]
fn critical_extensions_in_encrypted_tokens() {
    // josekit reads `crit` only in JWS.
    let key = key("A128KW", 0);
    let jwk = Jwk::from_map(key.clone()).unwrap();
    let header = serde_json::from_str(r#"{"crit":["x"],"x":1}"#).unwrap();
    let token =
        test_tokens::encrypt("A128KW", "A128GCM", &key, &header, CLAIMS.as_bytes()).unwrap();
    let decrypter = theirs_jwe::A128KW.decrypter_from_jwk(&jwk).unwrap();
    assert!(theirs_jwe::deserialize_compact(&token, &decrypter).is_ok());
    let critical = Error::CriticalUnsupported { name: quoted("x") };
    assert_eq!(our_refusal(&token, &our_set(&jwk)), Some(critical));
}

#[test]
fn truncated_authentication_tags() {
    let key = key("A128GCM", 0);
    let jwk = Jwk::from_map(key.clone()).unwrap();
    let token =
        test_tokens::encrypt("dir", "A128GCM", &key, &JwkObject::new(), CLAIMS.as_bytes()).unwrap();
    let (rest, tag) = token.rsplit_once('.').unwrap();
    // 12 of 16 bytes.
    let truncated = format!("{rest}.{}", &tag[..16]);
    let decrypter = theirs_jwe::Dir.decrypter_from_jwk(&jwk).unwrap();
    assert!(theirs_jwe::deserialize_compact(&truncated, &decrypter).is_ok());
    let failed = Error::DecryptionFailed {
        alg: "dir",
        kid: None,
        tried: 1,
        fitting: 1,
    };
    assert_eq!(our_refusal(&truncated, &our_set(&jwk)), Some(failed));
}

#[test]
fn compressed_content_of_any_length() {
    let key = key("A128GCM", 0);
    let jwk = Jwk::from_map(key.clone()).unwrap();
    let header = serde_json::from_str(r#"{"zip":"DEF"}"#).unwrap();
    let token =
        test_tokens::encrypt("dir", "A128GCM", &key, &header, &vec![b' '; 1 << 24]).unwrap();
    let decrypter = theirs_jwe::Dir.decrypter_from_jwk(&jwk).unwrap();
    let (inflated, _) = theirs_jwe::deserialize_compact(&token, &decrypter).unwrap();
    assert_eq!(inflated.len(), 1 << 24);
    let limit = 256 << 10;
    let too_large = Error::TooLarge {
        part: InputPart::Claims,
        limit,
    };
    assert_eq!(our_refusal(&token, &our_set(&jwk)), Some(too_large));
}
