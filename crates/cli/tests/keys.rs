//! `nginx-auth keys`: each file of the repository's cases, and what else people take for a key set.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a panic is a failure of the test"
)]

#[expect(dead_code, reason = "each file of tests uses some of it")]
mod support;

use serde_json::{Value, json};
use support::{Folder, case};

const RSA: &str = "\
key 0, kid \"k1\": RSA of 2048 bits
  alg        RS256
  use        sig
  thumbprint EPudKuNhAS5mWHEoFRmaxZ60bMa2qHI6rYvPEEDehm4
  verifies   RS256
";

fn keys(name: &str) -> (i32, String) {
    let path = case(name);
    let outcome = Folder::new().run(&["keys", path.to_str().unwrap()], "");
    assert_eq!(outcome.stderr, "", "{name}");
    (outcome.status, outcome.stdout)
}

#[test]
fn each_case_is_shown_with_what_the_module_says_of_it() {
    let second = |rest: &str| format!("{RSA}{rest}");
    #[rustfmt::skip]
    let cases = [
        ("keys-good.json", 0, RSA.to_owned()),
        ("keys-alg-RS512.json", 0, RSA.replace("RS256", "RS512")),
        ("keys-empty.json", 1, "warning: no key of this set verifies signatures: it is empty\n".to_owned()),
        ("keys-null-element.json", 0, second("key 1: no kty\n  warning    key 1: left out, not a JSON object\n")),
        ("keys-padded-n-own.json", 0, second("  warning    key 0, kid \"k1\": used, but member \"n\" has base64 padding\n")),
        ("keys-use-enc.json", 1, "\
key 0, kid \"k1\": RSA of 2048 bits
  alg        RS256
  use        enc
  thumbprint EPudKuNhAS5mWHEoFRmaxZ60bMa2qHI6rYvPEEDehm4
warning: no key of this set verifies signatures: key 0, kid \"k1\" is for encryption only, by its \"use\"
".to_owned()),
        ("keys-kid-number.json", 0, second("\
key 1: RSA
  alg        RS256
  use        sig
  warning    key 1: left out, member \"kid\" is not a string
")),
        ("keys-no-kty.json", 0, second("\
key 1, kid \"k2\": no kty
  alg        RS256
  use        sig
  warning    key 1, kid \"k2\": left out, member \"kty\" is missing
")),
        ("keys-x5c-only.json", 0, second("\
key 1, kid \"k2\": RSA
  alg        RS256
  use        sig
  warning    key 1, kid \"k2\": left out, member \"x5c\" has no certificate for a key of this type
")),
    ];
    for (name, status, text) in cases {
        assert_eq!(keys(name), (status, text), "{name}");
    }
}

#[test]
fn what_is_taken_for_a_key_set_is_named() {
    let folder = Folder::new();
    #[rustfmt::skip]
    let cases: &[(&[u8], &str)] = &[
        (b"", "empty instead of a JWK Set"),
        (b"-----BEGIN PUBLIC KEY-----", "PEM public key instead of a JWK Set"),
        (b"-----BEGIN CERTIFICATE-----", "PEM certificate instead of a JWK Set"),
        (b"<!DOCTYPE html>", "HTML or XML instead of a JWK Set"),
        (br#"{"issuer":"https://a","jwks_uri":"https://a/k"}"#, "OpenID configuration instead of a JWK Set; the keys are at its jwks_uri \"https://a/k\""),
        (b"a-secret", "plain text, perhaps a secret, instead of a JWK Set"),
        (b"{\"keys\":", "key set is not JSON at byte 8"),
        (b"\xff", "key set is not UTF-8"),
    ];
    for (text, message) in cases {
        folder.write("file", text);
        let outcome = folder.run(&["keys", "file"], "");
        assert_eq!(outcome.status, 1, "{message}");
        assert_eq!(outcome.stdout, "");
        let start = format!("nginx-auth: error: \"file\": {message}");
        assert!(
            outcome.stderr.starts_with(&start),
            "{start}: {}",
            outcome.stderr
        );
    }
    let outcome = folder.run(&["keys", "none"], "");
    outcome.assert_ended(
        3,
        "nginx-auth: error: cannot read \"none\": No such file or directory (os error 2)\n",
    );
}

#[test]
fn all_other_cases_are_shown_without_a_fault() {
    for name in [
        "keys-alg-null.json",
        "keys-ec-x-31-bytes.json",
        "keys-padded-n.json",
        "keys-standard-base64-n.json",
    ] {
        let (status, text) = keys(name);
        assert_eq!(status, 0, "{name}");
        assert!(text.starts_with(RSA), "{name}: {text}");
        let second = text.strip_prefix(RSA).unwrap();
        assert!(second.starts_with("key 1"), "{name}: {text}");
    }
}

#[test]
fn a_secret_is_not_shown_and_has_no_thumbprint() {
    let folder = Folder::new();
    let set = r#"{"keys":[{"kty":"oct","kid":"a","k":"c2VjcmV0","alg":"HS256"}]}"#;
    let outcome = folder.run(&["keys", "-"], set);
    assert_eq!(
        outcome.stdout,
        "key 0, kid \"a\": oct of 6 bytes\n  alg        HS256\n  verifies   HS256\n  warning    key 0, \
         kid \"a\": used, but secret of 6 bytes is shorter than 32 bytes\n"
    );
    let outcome = folder.run(&["keys", "-", "--json"], set);
    let value: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(
        value,
        json!({
            "file": "-",
            "warnings": [],
            "keys": [{
                "index": 0, "kid": "a", "kty": "oct", "size": "of 6 bytes", "alg": "HS256",
                "use": null, "key_ops": null, "private": false, "thumbprint": null,
                "verifies": ["HS256"], "decrypts": [],
                "warning": "key 0, kid \"a\": used, but secret of 6 bytes is shorter than 32 bytes"
            }]
        })
    );
    folder.write("a \"b\"", set);
    let outcome = folder.run(&["keys", "a \"b\"", "--json"], "");
    let value: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(value["file"], "a \"b\"");
}
