//! `nginx-auth jwk` and `nginx-auth token`: what they make is what the module accepts.
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
use support::{Folder, NOW, Outcome};

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

fn error(folder: &Folder, args: &[&str], stdin: &[u8]) -> (i32, String) {
    let Outcome {
        status,
        stdout,
        stderr,
    } = folder.run(args, stdin);
    assert_eq!(stdout, "", "{args:?}");
    let message = stderr.strip_prefix("nginx-auth: error: ");
    (status, message.unwrap_or(&stderr).trim_end().to_owned())
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
    assert_eq!(
        (outcome.status, &*outcome.stderr),
        (
            0,
            "nginx-auth: warning: key 0: used, but secret of 8 bytes is shorter than 32 bytes\n"
        )
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

#[test]
fn keys_and_tokens_of_all_algorithms_are_accepted_by_explain() {
    let folder = Folder::new();
    let signatures: Vec<_> = jose::signature_algorithms().collect();
    for (number, alg) in signatures.iter().enumerate() {
        let (key, public) = (format!("s{number}"), format!("s{number}.jwks"));
        let is_secret = alg.starts_with("HS");
        let mut args = vec!["token", "key", alg, "--out", &key];
        if !is_secret {
            args.extend(["--public", &public]);
        }
        let made = folder.run(&args, "");
        assert_eq!((made.status, &*made.stderr), (0, ""), "{alg}");
        assert_eq!(
            made.stdout.len(),
            if is_secret { 0 } else { 44 },
            "{alg}: {}",
            made.stdout
        );
        let claims = [
            "--claim",
            "sub=alice",
            "--claim",
            "level=5",
            "--expires-in",
            "5m",
            "--at",
            NOW,
        ];
        let signed = folder.run(
            &[&["token", "sign", "--key", &key][..], &claims].concat(),
            "",
        );
        assert_eq!((signed.status, &*signed.stderr), (0, ""), "{alg}");
        let keys = if is_secret { &key } else { &public };
        let args = [
            "explain",
            "--keys",
            keys,
            "--stdin",
            "--at",
            "1700000341",
            "--max-age",
            "5m",
            "--require-claim",
            "level eq json=5",
            "--require-claim",
            "sub eq alice",
        ];
        let explained = folder.run(&args, &signed.stdout);
        assert_eq!(explained.status, 0, "{alg}: {}", explained.stdout);
        assert!(explained.stdout.ends_with("accepted: $jwt_status is ok\n"));
        let args = ["explain", "--keys", keys, "--stdin", "--at", "1700000342"];
        assert_eq!(folder.run(&args, &signed.stdout).status, 1, "{alg}");
    }
}

#[test]
fn encrypted_and_nested_tokens_are_accepted_by_explain() {
    let folder = Folder::new();
    let signing = folder.run(&["token", "key", "ES256", "--out", "s", "--kid", "s"], "");
    assert_eq!(&*signing.stdout, "s\n");
    let signed = folder
        .run(&["token", "sign", "--key", "s", "--claim", "sub=alice"], "")
        .stdout;
    let curves = ["P-256", "P-384", "P-521", "X25519", "X448"].map(|curve| (curve, "A256GCM"));
    let direct = [
        ("A128GCM", "A128GCM"),
        ("A192GCM", "A192GCM"),
        ("A256GCM", "A256GCM"),
        ("A128CBC-HS256", "A128CBC-HS256"),
        ("A192CBC-HS384", "A192CBC-HS384"),
        ("A256CBC-HS512", "A256CBC-HS512"),
    ];
    let managed = jose::key_management_algorithms().filter(|alg| *alg != "dir");
    let managed = managed.map(|alg| (alg, "A256GCM"));
    for (number, (alg, enc)) in managed.chain(curves).chain(direct).enumerate() {
        let key = format!("e{number}");
        let made = folder.run(&["token", "key", alg, "--out", &key], "");
        assert_eq!((made.status, &*made.stderr), (0, ""), "{alg}");
        let encrypt = ["token", "encrypt", "--key", &key, "--enc", enc];
        let encrypted = folder.run(&[&encrypt[..], &["--claim", "sub=alice"]].concat(), "");
        assert_eq!((encrypted.status, &*encrypted.stderr), (0, ""), "{alg}");
        let args = ["explain", "--keys", &key, "--stdin", "--type", "encrypted"];
        let explained = folder.run(&args, &encrypted.stdout);
        assert_eq!(explained.status, 0, "{alg}: {}", explained.stdout);
        let nested = folder.run(&[&encrypt[..], &["--nested"]].concat(), &signed);
        assert_eq!((nested.status, &*nested.stderr), (0, ""), "{alg}");
        let args = [
            "explain", "--keys", &key, "s", "--stdin", "--type", "nested",
        ];
        let explained = folder.run(&args, &nested.stdout);
        assert_eq!(explained.status, 0, "{alg}: {}", explained.stdout);
    }
}

#[test]
fn claims_and_header_are_those_that_were_asked_for() {
    let folder = Folder::new();
    folder.write("claims.json", r#"{"sub":"bob","aud":["a"],"n":1}"#);
    folder.write(
        "key",
        r#"{"kty":"oct","kid":"k","k":"c2VjcmV0","alg":"HS256"}"#,
    );
    let args = [
        "token",
        "sign",
        "--key",
        "key",
        "--claims",
        "claims.json",
        "--claim",
        "n=two words",
        "--claim",
        "admin=true",
        "--claim",
        "none=null",
        "--expires-in",
        "1h",
        "--at",
        NOW,
        "--header",
        r#"{"typ":"at+jwt","kid":null,"x":[1]}"#,
        "--json",
    ];
    let outcome = folder.run(&args, "");
    assert_eq!((outcome.status, &*outcome.stderr), (0, ""));
    let token: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let token = token["token"].as_str().unwrap();
    let shown = folder.run(&["claims", "--stdin", "--json"], token);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(
        shown["header"],
        json!({"alg": "HS256", "typ": "at+jwt", "x": [1]})
    );
    assert_eq!(
        shown["claims"],
        json!({
            "sub": "bob", "aud": ["a"], "n": "two words", "admin": true, "none": null,
            "iat": 1_700_000_042, "exp": 1_700_003_642
        })
    );
    // A token that is wrong on purpose.
    let args = [
        "token",
        "sign",
        "--key",
        "key",
        "--alg",
        "HS512",
        "--header",
        r#"{"alg":"none"}"#,
    ];
    let wrong = folder.run(&args, "").stdout;
    let explained = folder.run(&["explain", "--keys", "key", "--stdin"], &wrong);
    assert!(
        explained
            .stdout
            .contains("algorithm \"none\" is not supported"),
        "{explained:?}"
    );
}

#[test]
fn keys_are_for_their_owner_only_and_never_overwritten() {
    let folder = Folder::new();
    let args = [
        "token", "key", "ES256", "--out", "private", "--public", "public",
    ];
    assert_eq!(folder.run(&args, "").status, 0);
    let mode = |name: &str| folder.path(name).metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("private"), 0o600);
    assert_eq!(mode("public") & 0o022, 0);
    let public: Value = serde_json::from_str(&folder.read("public")).unwrap();
    assert!(public["keys"][0].get("d").is_none(), "{public}");
    let before = (folder.read("private"), folder.read("public"));
    let exists = |name| {
        (
            3,
            format!("cannot write \"{name}\": File exists (os error 17)"),
        )
    };
    assert_eq!(error(&folder, &args, b""), exists("private"));
    let args = [
        "token", "key", "ES256", "--out", "other", "--public", "public",
    ];
    assert_eq!(error(&folder, &args, b""), exists("public"));
    assert!(!folder.path("other").exists());
    assert_eq!((folder.read("private"), folder.read("public")), before);
}

#[test]
fn what_cannot_be_made_is_said() {
    let folder = Folder::new();
    folder.write("key", r#"{"kty":"oct","k":"c2VjcmV0"}"#);
    folder.write("pem", "-----BEGIN PRIVATE KEY-----");
    folder.write("two", r#"{"keys":[{},{}]}"#);
    #[rustfmt::skip]
    let cases: [(&[&str], i32, &str); 9] = [
        (&["token", "key", "HS255", "--out", "x"], 2, "unknown algorithm \"HS255\""),
        (&["token", "key", "HS256", "--out", "x", "--public", "y"], 2, "--public: a secret has no public half"),
        (&["token", "sign", "--key", "key"], 2, "--alg: the key names no algorithm"),
        (&["token", "sign", "--key", "key", "--alg", "X"], 1, "unknown algorithm \"X\""),
        (&["token", "sign", "--key", "key", "--alg", "HS256", "--claim", "x"], 2, "--claim: it must be NAME=VALUE"),
        (&["token", "sign", "--key", "key", "--alg", "HS256", "--header", "[]"], 2, "--header: it must be a JSON object"),
        (&["token", "sign", "--key", "key", "--alg", "HS256", "--claims", "pem"], 1, "\"pem\": it is no JSON object"),
        (&["token", "sign", "--key", "pem"], 1, "\"pem\": it is no JWK; nginx-auth jwk --private makes one of a PEM key"),
        (&["token", "sign", "--key", "two"], 1, "\"two\": it has not exactly one key"),
    ];
    for (args, status, message) in cases {
        assert_eq!(
            error(&folder, args, b""),
            (status, message.to_owned()),
            "{args:?}"
        );
    }
    assert!(!folder.path("x").exists());
    let (status, message) = error(
        &folder,
        &["token", "sign", "--key", "key", "--alg", "RS256"],
        b"",
    );
    assert_eq!(status, 1, "{message}");
}
