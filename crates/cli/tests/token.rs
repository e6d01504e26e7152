//! `nginx-auth token`: keys and tokens of all algorithms, which `explain` accepts.
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

use serde_json::{Value, json};
use support::{Folder, NOW, error};

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
        // A thumbprint has 43 characters.
        let length = if is_secret {
            0
        } else {
            "kid \"\"\n".len() + 43
        };
        assert_eq!(made.stdout.len(), length, "{alg}: {}", made.stdout);
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
    assert_eq!(&*signing.stdout, "kid \"s\"\n");
    let secret = folder.run(&["token", "key", "HS256", "--out", "h"], "");
    assert_eq!((secret.status, &*secret.stdout), (0, ""));
    let signed = folder
        .run(&["token", "sign", "--key", "s", "--claim", "sub=alice"], "")
        .stdout;
    let curves = ["P-256", "P-384", "P-521", "X25519", "X448"].map(|curve| (curve, "A256GCM"));
    let direct = jose::content_encryption_algorithms().map(|enc| (enc, enc));
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
    outcome.assert_ended(0, "");
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
