//! Keys that are only in a certificate (`x5c`, RFC 7517 section 4.7).

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::{X509, X509Builder};

fn private_key(alg: &str) -> PKey<Private> {
    let ec = |curve| {
        let group = EcGroup::from_curve_name(curve).unwrap();
        PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
    };
    match alg {
        "RS256" => PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap(),
        "ES256" => ec(Nid::X9_62_PRIME256V1),
        "ES512" => ec(Nid::SECP521R1),
        "ES256K" => ec(Nid::SECP256K1),
        "P-224" => ec(Nid::SECP224R1),
        "Ed25519" => PKey::generate_ed25519().unwrap(),
        _ => PKey::generate_ed448().unwrap(),
    }
}

/// An expired certificate: the time does not count.
fn certificate(key: &PKey<Private>) -> String {
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap();
    builder.set_serial_number(&serial).unwrap();
    let time = |seconds| Asn1Time::from_unix(seconds).unwrap();
    builder.set_not_before(&time(1_000_000_000)).unwrap();
    builder.set_not_after(&time(1_000_000_001)).unwrap();
    builder.set_pubkey(key).unwrap();
    let digest = match key.id() {
        openssl::pkey::Id::ED25519 | openssl::pkey::Id::ED448 => MessageDigest::null(),
        _ => MessageDigest::sha256(),
    };
    builder.sign(key, digest).unwrap();
    let certificate: X509 = builder.build();
    STANDARD.encode(certificate.to_der().unwrap())
}

/// A certificate for a new key of the algorithm.
pub(super) fn certificate_of(alg: &str) -> String {
    certificate(&private_key(alg))
}

/// A token of the algorithm, signed by OpenSSL.
fn token(alg: &str, key: &PKey<Private>) -> String {
    let pem = key.private_key_to_pem_pkcs8().unwrap();
    let jwk = match alg {
        "RS256" => josekit::jws::RS256
            .key_pair_from_pem(pem)
            .unwrap()
            .to_jwk_key_pair(),
        "ES256" => josekit::jws::ES256
            .key_pair_from_pem(pem)
            .unwrap()
            .to_jwk_key_pair(),
        "ES256K" => josekit::jws::ES256K
            .key_pair_from_pem(pem)
            .unwrap()
            .to_jwk_key_pair(),
        "ES512" => josekit::jws::ES512
            .key_pair_from_pem(pem)
            .unwrap()
            .to_jwk_key_pair(),
        _ => josekit::jws::EdDSA
            .key_pair_from_pem(pem)
            .unwrap()
            .to_jwk_key_pair(),
    };
    let jwk: JwkObject = jwk.into();
    sign(alg, &jwk, &format!(r#"{{"alg":"{alg}"}}"#), "{}")
}

fn warnings(keys: &KeySet) -> Vec<String> {
    keys.warnings().map(Warning::to_string).collect()
}

fn parse_set(entry: &str) -> KeySet {
    KeySet::parse(format!(r#"{{"keys":[{entry}]}}"#).as_bytes()).unwrap()
}

#[test]
fn row_50_an_entry_with_a_certificate_alone_is_used() {
    for (alg, kty, crv) in [
        ("RS256", "RSA", None),
        ("ES256", "EC", Some("P-256")),
        ("ES512", "EC", Some("P-521")),
        ("ES256K", "EC", Some("secp256k1")),
        ("Ed25519", "OKP", Some("Ed25519")),
        ("Ed448", "OKP", Some("Ed448")),
    ] {
        let key = private_key(alg);
        let token = token(alg, &key);
        let x5c = format!(r#""x5c":["{}","AAAA"]"#, certificate(&key));
        let mut entries = vec![
            format!(r#"{{{x5c}}}"#),
            format!(r#"{{"kty":"{kty}",{x5c}}}"#),
            format!(r#"{{"kty":"{kty}",{x5c},"n":null,"e":null,"x":null,"y":null}}"#),
        ];
        entries.extend(crv.map(|crv| format!(r#"{{"kty":"{kty}","crv":"{crv}",{x5c}}}"#)));
        for entry in entries {
            let keys = parse_set(&entry);
            assert!(verify(&token, &keys).is_ok(), "{entry}");
            let warning =
                "key 0: used, but its public key is only in the first certificate of \"x5c\"";
            assert_eq!(warnings(&keys), [warning], "{entry}");
        }
    }
}

#[test]
fn row_50_an_entry_with_an_unusable_certificate_is_left_out() {
    let [rsa, p256, p224] = ["RS256", "ES256", "P-224"].map(|alg| certificate(&private_key(alg)));
    for entry in [
        r#"{"kty":"RSA","x5c":["MIIB"]}"#.to_owned(),
        r#"{"kty":"RSA","x5c":[]}"#.to_owned(),
        r#"{"kty":"RSA","x5c":[null]}"#.to_owned(),
        r#"{"kty":"RSA","x5c":"MIIB"}"#.to_owned(),
        format!(r#"{{"kty":"RSA","x5c":["{p256}"]}}"#),
        format!(r#"{{"kty":"RSA","x5c":["{}"]}}"#, &rsa[..rsa.len() - 8]),
        format!(r#"{{"kty":"RSA","x5c":["MIIB","{rsa}"]}}"#),
        format!(r#"{{"kty":"EC","x5c":["{rsa}"]}}"#),
        format!(r#"{{"kty":"EC","crv":"P-384","x5c":["{p256}"]}}"#),
        format!(r#"{{"kty":"EC","x5c":["{p224}"]}}"#),
        format!(r#"{{"kty":"OKP","x5c":["{p256}"]}}"#),
        format!(r#"{{"x5c":["{p224}"]}}"#),
    ] {
        let keys = parse_set(&entry);
        assert_eq!(keys.usable_keys(), 0, "{entry}");
        let warning = "key 0: left out, member \"x5c\" has no certificate for a key of this type";
        assert_eq!(warnings(&keys), [warning], "{entry}");
    }
}

#[test]
fn the_bare_members_count_more_than_a_certificate() {
    let other = certificate(&private_key("ES256"));
    let bare = key("ES256", 0);
    let mut both = test_tokens::public(&bare);
    both.insert("x5c".into(), serde_json::json!([other]));
    let token = sign("ES256", &bare, r#"{"alg":"ES256"}"#, "{}");
    assert!(verify(&token, &set(&[both.clone()])).is_ok());
    both.remove("y");
    let keys = set(&[both]);
    assert_eq!(
        warnings(&keys),
        ["key 0: left out, member \"y\" is missing"]
    );
}
