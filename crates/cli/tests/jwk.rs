//! `nginx-auth jwk`: what it makes of keys in any form.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a panic is a failure of the test"
)]

#[expect(dead_code, reason = "each file of tests uses some of it")]
mod support;

use std::os::unix::fs::PermissionsExt as _;

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::symm::Cipher;
use openssl::x509::{X509Builder, X509NameBuilder};
use serde_json::{Value, json};
use support::{Folder, error};

fn pem(bytes: Result<Vec<u8>, openssl::error::ErrorStack>) -> String {
    String::from_utf8(bytes.unwrap()).unwrap()
}

fn ec(curve: Nid) -> PKey<Private> {
    let group = EcGroup::from_curve_name(curve).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn certificate(key: &PKey<Private>) -> String {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "id.example").unwrap();
    let name = name.build();
    let mut builder = X509Builder::new().unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_pubkey(key).unwrap();
    let now = Asn1Time::days_from_now(0).unwrap();
    builder.set_not_before(&now).unwrap();
    builder.set_not_after(&now).unwrap();
    builder
        .sign(key, openssl::hash::MessageDigest::sha256())
        .unwrap();
    pem(builder.build().to_pem())
}

/// The only key of the set that `jwk` makes of a text.
fn jwk(folder: &Folder, text: &str, options: &[&str]) -> Value {
    let outcome = folder.run(&[&["jwk", "-"], options].concat(), text);
    assert_eq!((outcome.status, &*outcome.stderr), (0, ""), "{options:?}");
    let set: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let keys = set["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1, "{set}");
    keys[0].clone()
}

#[test]
fn a_key_in_any_form_becomes_the_same_jwk() {
    let folder = Folder::new();
    let rsa = Rsa::generate(2048).unwrap();
    let keys = [
        (PKey::from_rsa(rsa.clone()).unwrap(), "RSA", Value::Null),
        (ec(Nid::X9_62_PRIME256V1), "EC", json!("P-256")),
        (ec(Nid::SECP384R1), "EC", json!("P-384")),
        (ec(Nid::SECP521R1), "EC", json!("P-521")),
        (ec(Nid::SECP256K1), "EC", json!("secp256k1")),
        (PKey::generate_ed25519().unwrap(), "OKP", json!("Ed25519")),
        (PKey::generate_ed448().unwrap(), "OKP", json!("Ed448")),
        (PKey::generate_x25519().unwrap(), "OKP", json!("X25519")),
        (PKey::generate_x448().unwrap(), "OKP", json!("X448")),
    ];
    for (key, kty, crv) in &keys {
        let public = jwk(&folder, &pem(key.public_key_to_pem()), &[]);
        assert_eq!((&public["kty"], &public["crv"]), (&json!(kty), crv));
        assert_eq!(public["kid"].as_str().unwrap().len(), 43, "{public}");
        let private_pem = pem(key.private_key_to_pem_pkcs8());
        assert_eq!(jwk(&folder, &private_pem, &[]), public);
        let private = jwk(&folder, &private_pem, &["--private"]);
        assert!(private["d"].is_string(), "{private}");
        assert_eq!(
            json!(test_tokens::public(private.as_object().unwrap())),
            public
        );
        // Both halves in one file are one key.
        let both = format!("{}{private_pem}", pem(key.public_key_to_pem()));
        assert_eq!(jwk(&folder, &both, &["--private"]), private);
        // Montgomery keys sign no certificate, and Edwards keys use no hash.
        if *kty == "RSA" || *kty == "EC" {
            assert_eq!(jwk(&folder, &certificate(key), &[]), public);
        }
        folder.write("der", key.public_key_to_der().unwrap());
        let of_der = folder.run(&["jwk", "der"], "");
        assert!(
            of_der.stdout.contains(public["kid"].as_str().unwrap()),
            "{of_der:?}"
        );
        // A JWK is taken as well, and loses its private members.
        assert_eq!(jwk(&folder, &private.to_string(), &[]), public);
    }
    let public = jwk(&folder, &pem(keys[0].0.public_key_to_pem()), &[]);
    assert_eq!(
        jwk(&folder, &pem(rsa.public_key_to_pem_pkcs1()), &[]),
        public
    );
    assert_eq!(jwk(&folder, &pem(rsa.private_key_to_pem()), &[]), public);
    let mut nameless = public.clone();
    nameless.as_object_mut().unwrap().remove("kid");
    assert_eq!(jwk(&folder, &public.to_string(), &["--no-kid"]), nameless);
    let options = ["--kid", "2026", "--alg", "PS256", "--use", "sig"];
    let named = jwk(&folder, &pem(rsa.public_key_to_pem()), &options);
    let mut expected = public;
    expected["kid"] = json!("2026");
    expected["alg"] = json!("PS256");
    expected["use"] = json!("sig");
    assert_eq!(named, expected);
}

#[test]
fn several_keys_make_one_set_and_certificates_by_kid_keep_theirs() {
    let folder = Folder::new();
    let (a, b) = (ec(Nid::X9_62_PRIME256V1), ec(Nid::SECP384R1));
    let both = format!("{}text\n{}", pem(a.public_key_to_pem()), certificate(&b));
    let outcome = folder.run(&["jwk", "-"], &both);
    let set: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let curves: Vec<_> = set["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| &key["crv"])
        .collect();
    assert_eq!(curves, ["P-256", "P-384"]);
    let (status, message) = error(&folder, &["jwk", "-", "--kid", "x"], both.as_bytes());
    assert_eq!(
        (status, &*message),
        (2, "--kid is for one key, and standard input has 2")
    );

    let by_kid = json!({ "k1": certificate(&a) }).to_string();
    assert_eq!(jwk(&folder, &by_kid, &[])["kid"], json!("k1"));
    let array =
        json!([{"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTMyLWI", "alg": "HS256"}]);
    assert_eq!(jwk(&folder, &array.to_string(), &[]), array[0]);
}

#[test]
fn a_secret_has_no_kid_unless_it_is_given_one() {
    let folder = Folder::new();
    let outcome = folder.run(&["jwk", "-", "--secret", "--alg", "HS256"], "a secret\n");
    let set: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(
        set,
        json!({"keys": [{"kty": "oct", "k": "YSBzZWNyZXQ", "alg": "HS256"}]})
    );
    outcome.assert_ended(
        0,
        "nginx-auth: warning: key 0: used, but secret of 8 bytes is shorter than 32 bytes\n",
    );
    let args = ["jwk", "-", "--secret", "--kid", "a", "--out", "keys.json"];
    let outcome = folder.run(&args, [b's'; 32]);
    assert_eq!(
        (outcome.status, &*outcome.stdout, &*outcome.stderr),
        (0, "", "")
    );
    let mode = folder
        .path("keys.json")
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o600);
    let again = folder.run(&args, [b't'; 32]);
    let message = "nginx-auth: error: cannot write \"keys.json\": File exists (os error 17)\n";
    assert_eq!(
        (again.status, &*again.stdout, &*again.stderr),
        (3, "", message)
    );
}

#[test]
fn what_is_no_key_is_named() {
    let folder = Folder::new();
    let encrypted = ec(Nid::X9_62_PRIME256V1)
        .private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"password");
    #[rustfmt::skip]
    let cases = [
        (String::new(), "it is empty"),
        ("secret".into(), "one word: if it is a secret for HMAC or encryption, use --secret"),
        ("eyJhbGciOiJIUzI1NiJ9.e30.AAAA".into(), "a token: the issuer's keys are needed"),
        ("<html>".into(), "HTML or XML"),
        ("ssh-ed25519 AAAA".into(), "an OpenSSH key: \"ssh-keygen -e -m PKCS8 -f FILE\" makes PEM of a public one"),
        ("{}".into(), "a JSON object without keys"),
        ("{\"jwks_uri\":\"https://a/k\"}".into(), "an OpenID configuration: the keys are at its jwks_uri \"https://a/k\""),
        ("{\"keys\":{}}".into(), "\"keys\" is no array"),
        ("[1]".into(), "an element of the array is no key"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----".into(), "cannot read the PEM block PUBLIC KEY"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA".into(), "the PEM block PUBLIC KEY has no end"),
        ("-----BEGIN X-----\n-----END X-----".into(), "the PEM block X holds no key"),
        (pem(encrypted), "the private key is encrypted: \"openssl pkey -in FILE -out NEW\" decrypts it, or \"-pubout\" takes the public half"),
        (pem(ec(Nid::SECP224R1).public_key_to_pem()), "the key is neither RSA nor on one of the curves P-256, P-384, P-521, secp256k1, Ed25519, Ed448, X25519 and X448"),
        ("two words".into(), "neither PEM nor DER of a key or certificate, nor a JWK Set; a secret needs --secret"),
    ];
    for (text, message) in cases {
        let found = error(&folder, &["jwk", "-"], text.as_bytes());
        assert_eq!(found, (1, format!("standard input: {message}")));
    }
    let found = error(&folder, &["jwk", "-", "--secret"], b"\n");
    assert_eq!(found, (1, "standard input: the secret is empty".into()));
    assert_eq!(error(&folder, &["jwk", "none"], b"").0, 3);
}
