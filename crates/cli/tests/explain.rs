//! `nginx-auth explain`: the whole text for some tokens, and for each kind of refusal the step that
//! decides and the line at the end.
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
use support::{Folder, NOW};
use test_tokens::JwkObject;

fn object(value: Value) -> JwkObject {
    value.as_object().unwrap().clone()
}

/// A secret of 32 bytes with a kid.
fn secret(kid: &str) -> JwkObject {
    let k = test_tokens::base64url(&[7; 32]);
    object(json!({"kty": "oct", "kid": kid, "k": k}))
}

/// A signed token.
fn sign(key: &JwkObject, header: Value, payload: &Value) -> String {
    let payload = payload.to_string();
    test_tokens::sign("HS256", key, &header.to_string(), payload.as_bytes()).unwrap()
}

fn header() -> Value {
    json!({"alg": "HS256", "kid": "a"})
}

fn claims() -> Value {
    json!({
        "iss": "https://id.example", "aud": ["api", "web"], "sub": "alice", "scope": "read write",
        "iat": 1_700_000_000, "nbf": 1_700_000_000, "exp": 1_700_003_600, "level": 5
    })
}

fn keys(folder: &Folder, keys: &[&JwkObject]) {
    folder.write("keys.json", json!({ "keys": keys }).to_string());
}

/// Standard output of explain.
fn explain(folder: &Folder, token: &str, options: &[&str]) -> (i32, String) {
    let mut args = vec!["explain", "--keys", "keys.json", "--stdin", "--at", NOW];
    args.extend(options);
    let outcome = folder.run(&args, token);
    assert_eq!(outcome.stderr, "", "{token} {options:?}");
    (outcome.status, outcome.stdout)
}

#[test]
fn an_accepted_token_is_explained_step_by_step() {
    let folder = Folder::new();
    let (a, other) = (secret("a"), secret("b"));
    keys(&folder, &[&other, &a]);
    let token = sign(&a, header(), &claims());
    let (status, text) = explain(
        &folder,
        &token,
        &[
            "--issuer",
            "https://id.example",
            "--audience",
            "web",
            "--algorithms",
            "HS256,RS256",
            "--max-age",
            "5m",
            "--leeway",
            "30s",
            "--require-claim",
            "level ge 5",
            "--require-header",
            "kid match ^[a-c]$",
            "--require-scope",
            "read",
        ],
    );
    assert_eq!(
        text,
        r#"ok    form        signed token (JWS), three parts, LENGTH bytes
-     header      {"alg":"HS256","kid":"a"}
ok    algorithm   alg "HS256"
ok    algorithms  "HS256" by auth_jwt_algorithms
ok    issuer      iss "https://id.example" is trusted
ok    exp         2023-11-15 00:13:20 +01:00 (1700003600), in 59 minutes, with a leeway of 30 s
ok    nbf         2023-11-14 23:13:20 +01:00 (1700000000), 42 seconds ago, with a leeway of 30 s
ok    iat         2023-11-14 23:13:20 +01:00 (1700000000), 42 seconds ago, by auth_jwt_max_age
ok    keys        1 key fits the header
                  "keys.json", key 0, kid "b", oct of 32 bytes: not tried, it has another kid
                  "keys.json", key 1, kid "a", oct of 32 bytes: made the signature
ok    signature   made by one of the keys
-     claims      CLAIMS
ok    aud         the array ["api","web"]
ok    claim rule  "level" ge "5": the number 5
ok    header rule "kid" match "^[a-c]$": the string "a"
ok    scope       "read", scope is "read write"

accepted: $jwt_status is ok
"#
        .replace("LENGTH", &token.len().to_string())
        .replace("CLAIMS", &claims().to_string())
    );
    assert_eq!(status, 0);
}

#[test]
fn all_that_is_wrong_is_shown_and_one_step_decides() {
    let folder = Folder::new();
    let a = secret("a");
    keys(&folder, &[&a]);
    let mut payload = claims();
    payload["exp"] = json!(1_699_900_000);
    let token = sign(&a, header(), &payload);
    let token = format!("{}AA", &token[..token.len() - 2]);
    let (status, text) = explain(
        &folder,
        &token,
        &["--audience", "admin", "--require-scope", "delete"],
    );
    assert_eq!(
        text,
        r#"ok    form        signed token (JWS), three parts, LENGTH bytes
-     header      {"alg":"HS256","kid":"a"}
ok    algorithm   alg "HS256"
NO    exp         expired, 2023-11-13 19:26:40 +01:00 (1699900000), 1 day ago  <- decides
ok    nbf         2023-11-14 23:13:20 +01:00 (1700000000), 42 seconds ago
-     iat         2023-11-14 23:13:20 +01:00 (1700000000), 42 seconds ago
ok    keys        1 key fits the header
                  "keys.json", key 0, kid "a", oct of 32 bytes: tried, but did not make the signature
NO    signature   bad signature, algorithm "HS256", kid "a", keys tried: 1
-     claims      CLAIMS
NO    claim rule  "aud" any "admin": the array "[\"api\",\"web\"]"
NO    scope       "delete": required scope "delete" is not granted: scope is "read write"

refused: $jwt_status is expired, HTTP status 401: expired: exp 1699900000, now 1700000042, leeway 0; alg "HS256", kid "a", iss "https://id.example"; cure: the client needs a new token; auth_jwt_leeway allows for clocks that differ
"#
        .replace("LENGTH", &token.len().to_string())
        .replace("CLAIMS", &payload.to_string())
    );
    assert_eq!(status, 1);
}

/// The step that decides, and the last line.
fn refusal(text: &str) -> (String, String) {
    let step = text.lines().find(|line| line.ends_with("  <- decides"));
    let step = step.unwrap_or_else(|| panic!("no step decides: {text}"));
    let name = step.get(6..17).unwrap().trim_end();
    (name.to_owned(), text.lines().last().unwrap().to_owned())
}

#[test]
fn each_refusal_names_its_step_its_status_and_its_cure() {
    let folder = Folder::new();
    let a = secret("a");
    let aes = object(json!({
        "kty": "oct", "kid": "w", "alg": "A256KW", "k": test_tokens::base64url(&[9; 32])
    }));
    keys(&folder, &[&a, &aes]);
    let with_header = |header: Value| sign(&a, header, &claims());
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        sign(&a, header(), &claims)
    };
    let good = with_header(header());
    let encrypt = |content: &str| {
        let header = object(json!({"kid": "w"}));
        test_tokens::encrypt("A256KW", "A256GCM", &aes, &header, content.as_bytes()).unwrap()
    };
    let encrypted = encrypt("{\"sub\":\"alice\"}");
    let spoiled = format!("{}AAAAAAAA", &encrypted[..encrypted.len() - 8]);
    let iss = "https://id.example";
    let trust: &[&str] = &["--issuer", iss, "--audience", "api"];
    #[rustfmt::skip]
    let cases: &[(&str, &[&str], &str, &str, &str)] = &[
        ("", &[], "form", "missing", "no token: the \"Authorization\" header line has nothing behind \"Bearer\""),
        ("opaque", &[], "form", "malformed", "token has 1 part instead of 3"),
        (&format!("Bearer {good}"), &[], "form", "malformed", "JOSE header is not base64url: another \"Bearer\" is in front of the token"),
        (&format!("\"{good}\""), &[], "form", "malformed", "JOSE header is not base64url: a quotation mark is in front of the token"),
        (&format!("{good}="), &[], "form", "malformed", "signature is base64url with padding"),
        (&encrypted, &[], "form", "malformed", "an encrypted token (5 parts) where a signed one is expected, see auth_jwt_type"),
        (&good, &["--type", "encrypted"], "form", "malformed", "a signed token (3 parts) where an encrypted one is expected, see auth_jwt_type"),
        (&encrypt(&good), &["--type", "encrypted"], "content", "malformed", "a nested token where an encrypted one with claims is expected, see auth_jwt_type"),
        (&encrypted, &["--type", "nested"], "content", "malformed", "an encrypted token with claims where a nested one is expected, see auth_jwt_type"),
        (&with_header(json!({"alg": "none"})), &[], "algorithm", "unsupported_algorithm", "algorithm \"none\" is not supported"),
        (&with_header(json!({"alg": "HS256", "crit": ["x"], "x": 1})), &[], "algorithm", "unsupported_algorithm", "critical JOSE header parameter \"x\" is not supported"),
        (&good, &["--algorithms", "RS256"], "algorithms", "unsupported_algorithm", "algorithm \"HS256\" is not one of auth_jwt_algorithms"),
        (&with_header(json!({"alg": "HS256", "kid": "x"})), &[], "keys", "unknown_key", "no key with kid \"x\" for HS256: the set has no such kid"),
        (&with_header(json!({"alg": "RS256", "kid": "a"})), &[], "keys", "unknown_key", "no key with kid \"a\" for RS256: the set has that kid for HS256, HS384, HS512 only"),
        (&sign(&object(json!({"kty": "oct", "k": "AAAA"})), header(), &claims()), &[], "signature", "bad_signature", "bad signature, algorithm \"HS256\", kid \"a\", keys tried: 1"),
        (&spoiled, &["--type", "encrypted"], "decryption", "decryption_failed", "decryption failed, algorithm \"A256KW\", kid \"w\", keys tried: 1"),
        (&with("exp", json!(1_700_000_042)), &[], "exp", "expired", "expired: exp 1700000042, now 1700000042, leeway 0"),
        (&with("exp", json!("1")), &[], "exp", "malformed", "claim \"exp\" is not a number"),
        (&with("nbf", json!(1_700_000_100)), &["--leeway", "57s"], "nbf", "not_yet_valid", "not yet valid: nbf 1700000100, now 1700000042, leeway 57"),
        (&good, &["--max-age", "41s"], "iat", "expired", "too old: iat \"1700000000\", now 1700000042, max_age 41"),
        (&with("iat", json!(null)), &["--max-age", "1m"], "iat", "malformed", "claim \"iat\" is not a number"),
        (&with("iat", json!(1_700_000_100)), &["--max-age", "1m"], "iat", "not_yet_valid", "issued in the future: iat \"1700000100\", now 1700000042, leeway 0"),
        (&with("iss", json!("https://evil.example")), trust, "issuer", "untrusted_issuer", "iss \"https://evil.example\" is not that of a trusted issuer: \"--issuer\" (\"https://id.example\")"),
        (&with("aud", json!("other")), trust, "aud", "claim_mismatch", "issuer \"--issuer\": aud \"other\" is not one of its audience: \"api\""),
        (&with("aud", json!("other")), &["--audience", "api"], "claim rule", "claim_mismatch", "required claim \"aud\" any \"api\": it is \"other\""),
        (&good, &["--require-claim", "level eq json=\"5\" error=403"], "claim rule", "claim_mismatch", "required claim \"level\" eq \"json=\\\"5\\\"\": it is the number \"5\""),
        (&good, &["--require-claim", "sub match ^b"], "claim rule", "claim_mismatch", "required claim \"sub\" match \"^b\": it is \"alice\""),
        (&good, &["--require-header", "typ eq at+jwt"], "header rule", "claim_mismatch", "required header parameter \"typ\" eq \"at+jwt\": it is missing"),
        (&good, &["--require-scope", "delete"], "scope", "insufficient_scope", "required scope \"delete\" is not granted"),
    ];
    for (token, options, step, jwt_status, reason) in cases {
        let (status, text) = explain(&folder, token, options);
        assert_eq!(status, 1, "{token} {options:?}: {text}");
        let (decides, line) = refusal(&text);
        assert_eq!(decides, *step, "{token} {options:?}: {text}");
        let start = format!("refused: $jwt_status is {jwt_status}, HTTP status ");
        assert!(line.starts_with(&start), "{start}: {line}");
        let start = line.split_once(": ").unwrap().1.split_once(": ").unwrap().1;
        assert!(start.starts_with(reason), "{reason}: {line}");
        assert!(line.contains("; cure: "), "{line}");
    }
}

#[test]
fn a_token_with_something_around_it_is_explained_without_it() {
    let folder = Folder::new();
    let a = secret("a");
    keys(&folder, &[&a]);
    let token = sign(&a, json!({"alg": "HS256"}), &json!({}));
    let (status, text) = explain(&folder, &format!("'Bearer {token}='"), &[]);
    assert_eq!(
        text,
        r#"NO    form        signed token (JWS), three parts, 78 bytes: JOSE header is not base64url  <- decides
                  the steps below are about the token without quotation marks, "Bearer" in front, the padding "="
-     header      {"alg":"HS256"}
ok    algorithm   alg "HS256"
-     exp         not in the token
-     nbf         not in the token
-     iat         not in the token
ok    keys        1 key fits the header
                  "keys.json", key 0, kid "a", oct of 32 bytes: made the signature
ok    signature   made by one of the keys
-     claims      {}

refused: $jwt_status is malformed, HTTP status 401: JOSE header is not base64url: a quotation mark is in front of the token; cure: the client has to send the token as the issuer made it
"#
    );
    assert_eq!(status, 1);
    // A variable may have the word in front.
    let (status, _) = explain(
        &folder,
        &format!("Bearer {token}"),
        &["--source", "variable"],
    );
    assert_eq!(status, 0);
}

#[test]
fn a_nested_token_has_two_headers_and_two_searches_for_keys() {
    let folder = Folder::new();
    let a = secret("a");
    let aes = object(json!({
        "kty": "oct", "kid": "w", "alg": "dir", "k": test_tokens::base64url(&[9; 32])
    }));
    keys(&folder, &[&a, &aes]);
    let inner = sign(&a, header(), &json!({"sub": "alice"}));
    let outer = object(json!({"kid": "w"}));
    let token = test_tokens::encrypt("dir", "A256GCM", &aes, &outer, inner.as_bytes()).unwrap();
    let (status, text) = explain(&folder, &token, &["--type", "nested"]);
    let form = format!("encrypted token (JWE), five parts, {} bytes", token.len());
    assert_eq!(
        text,
        format!(
            r#"ok    form        {form}
-     header      {{"alg":"dir","enc":"A256GCM","kid":"w"}}
ok    algorithm   alg "dir", enc "A256GCM"
ok    keys        1 key fits the header
                  "keys.json", key 0, kid "a", oct of 32 bytes: not tried, it has another kid
                  "keys.json", key 1, kid "w", oct of 32 bytes: decrypts the token
ok    decryption  one of the keys decrypts the token
-     header      of the signed token inside: {{"alg":"HS256","kid":"a"}}
-     exp         not in the token
-     nbf         not in the token
-     iat         not in the token
ok    keys        1 key fits the header
                  "keys.json", key 0, kid "a", oct of 32 bytes: made the signature
                  "keys.json", key 1, kid "w", oct of 32 bytes: not tried, it has another kid
ok    signature   made by one of the keys
-     claims      {{"sub":"alice"}}

accepted: $jwt_status is ok
"#
        )
    );
    assert_eq!(status, 0);
}

#[test]
fn json_has_the_same_in_a_documented_shape() {
    let folder = Folder::new();
    let a = secret("a");
    keys(&folder, &[&a]);
    let token = sign(&a, header(), &json!({"exp": 1}));
    let (status, text) = explain(&folder, &token, &["--json"]);
    assert_eq!(status, 1);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["accepted"], json!(false));
    assert_eq!(value["jwt_status"], json!("expired"));
    assert_eq!(value["at"], json!(1_700_000_042));
    assert_eq!(value["not_judged"], json!([]));
    assert_eq!(
        value["refusal"],
        json!({
            "http_status": 401,
            "reason": "expired: exp 1, now 1700000042, leeway 0; alg \"HS256\", kid \"a\"",
            "cure": "the client needs a new token; auth_jwt_leeway allows for clocks that differ",
            "decided_by": "exp"
        })
    );
    let steps = value["steps"].as_array().unwrap().iter();
    let outcomes = steps.map(|step| {
        (
            step["step"].as_str().unwrap(),
            step["outcome"].as_str().unwrap(),
            step["decides"] == true,
        )
    });
    assert_eq!(
        outcomes.collect::<Vec<_>>(),
        [
            ("form", "passed", false),
            ("header", "noted", false),
            ("algorithm", "passed", false),
            ("exp", "refused", true),
            ("nbf", "noted", false),
            ("iat", "noted", false),
            ("keys", "passed", false),
            ("signature", "passed", false),
            ("claims", "noted", false),
        ]
    );
}

#[test]
fn variables_in_rules_have_the_values_that_are_given() {
    let folder = Folder::new();
    let a = secret("a");
    keys(&folder, &[&a]);
    let token = sign(&a, header(), &claims());
    let rule = ["--require-claim", "sub eq $user"];
    let (status, message) = support::error(
        &folder,
        &[
            "explain",
            "--keys",
            "keys.json",
            "--stdin",
            "--require-claim",
            "sub eq $user",
        ],
        b"",
    );
    let unknown = "--require-claim: the value of \"$user\" is not known, see --variable";
    assert_eq!((status, &*message), (2, unknown));
    for (value, expected) in [
        ("user=alice", 0),
        ("$user=alice", 0),
        ("user=bob", 1),
        ("user=", 1),
    ] {
        let (status, _) = explain(&folder, &token, &[rule, ["--variable", value]].concat());
        assert_eq!(status, expected, "{value}");
    }
    // An expression that never ends in practice.
    let mut payload = claims();
    payload["sub"] = json!("a".repeat(40));
    let token = sign(&a, header(), &payload);
    let (status, text) = explain(
        &folder,
        &token,
        &["--require-claim", "sub match ^(a+)+[bc]"],
    );
    assert_eq!(status, 1);
    let slow = "the search took too many steps or too much memory";
    assert!(refusal(&text).1.contains(slow), "{text}");
}

#[test]
fn a_key_file_that_cannot_be_read_is_no_refusal() {
    let folder = Folder::new();
    let args = ["explain", "--keys", "none.json", "--stdin"];
    let (status, message) = support::error(&folder, &args, b"");
    assert_eq!(status, 3);
    assert_eq!(
        message,
        "cannot read \"none.json\": No such file or directory (os error 2)"
    );
    // One that is no key set has the module refuse each token.
    folder.write("keys.json", "-----BEGIN PUBLIC KEY-----");
    let (status, text) = explain(&folder, "e30.e30.", &[]);
    assert_eq!(status, 1);
    assert!(text.contains("refused: $jwt_status is malformed"), "{text}");
    let token = sign(&secret("a"), header(), &claims());
    let (status, text) = explain(&folder, &token, &[]);
    assert_eq!(status, 1);
    let (step, line) = refusal(&text);
    assert_eq!(step, "keys");
    let start = "refused: $jwt_status is keys_unavailable, HTTP status 500: key file \"keys.json\": \
                 PEM public key instead of a JWK Set";
    assert!(line.starts_with(start), "{line}");
}

#[test]
fn colors_are_for_terminals_and_those_who_want_them() {
    let folder = Folder::new();
    let a = secret("a");
    keys(&folder, &[&a]);
    folder.write(
        "token",
        sign(&a, json!({"alg": "HS256", "x": "\u{1b}[5m"}), &claims()),
    );
    let args = [
        "explain",
        "--keys",
        "keys.json",
        "--token-file",
        "token",
        "--at",
        NOW,
    ];
    let shown = |environment: &[(&str, &str)]| {
        let mut command = folder.command(&args);
        let output = command.envs(environment.iter().copied()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let plain = shown(&[]);
    assert!(!plain.contains('\u{1b}'), "{plain}");
    let colored = shown(&[("CLICOLOR_FORCE", "1")]);
    assert!(colored.contains("\u{1b}[1m\u{1b}[32mok"), "{colored}");
    assert!(!colored.contains("\u{1b}[5m"), "{colored}");
    assert_eq!(shown(&[("NO_COLOR", "1")]), plain);
}

#[test]
fn escape_sequences_of_a_token_do_not_reach_the_terminal() {
    let folder = Folder::new();
    let a = secret("a");
    keys(&folder, &[&a]);
    let hostile = "\u{1b}]0;x\u{7}\u{9b}31m\u{202e}";
    let header = json!({"alg": "HS256", "kid": hostile, "x": hostile});
    let token = sign(
        &a,
        header,
        &json!({"iss": hostile, "scope": hostile, hostile: hostile}),
    );
    let options = ["--require-claim", "iss eq a", "--require-scope", "s"];
    for token in [&*token, hostile, &format!("{hostile}.{hostile}.{hostile}")] {
        for json in [&[][..], &["--json"]] {
            let (status, text) = explain(&folder, token, &[&options[..], json].concat());
            assert_eq!(status, 1);
            let is_safe = |c: char| c == '\n' || c == ' ' || c.is_ascii_graphic();
            assert_eq!(text.chars().find(|c| !is_safe(*c)), None, "{text}");
        }
    }
}
