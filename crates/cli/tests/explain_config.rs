//! `nginx-auth explain --config`: whole texts, JSON, and the exit status of each refusal. What
//! configurations mean is in the unit tests of `config`, and t/command_line_config.t asks nginx.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is a failure of the test"
)]

#[expect(dead_code, reason = "each file of tests uses some of it")]
mod support;

use serde_json::{Value, json};
use support::{Folder, NOW};

const CONFIG: &str = "http {
    server {
        listen 8080;
        server_name api.example;
        auth_jwt \"api\";
        auth_jwt_key_file keys.json;
        location /admin/ {
            auth_jwt_require_claim roles any admin;
            auth_jwt_require $is_office error=403;
            proxy_pass http://app;
        }
        location /report/ { auth_jwt_mode report; proxy_pass http://app; }
        location /fetched/ { auth_jwt_key_request /jwks; proxy_pass http://app; }
        location /open/ { auth_jwt off; if ($http_x) { return 403; } proxy_pass http://app; }
    }
}
";

/// A folder with the configuration and its keys.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("nginx.conf", CONFIG);
    folder.write("keys.json", json!({ "keys": [secret()] }).to_string());
    folder
}

fn secret() -> Value {
    json!({"kty": "oct", "kid": "a", "k": test_tokens::base64url(&[7; 32])})
}

fn token(claims: &Value) -> String {
    let key = secret().as_object().unwrap().clone();
    let header = r#"{"alg":"HS256","kid":"a"}"#;
    test_tokens::sign("HS256", &key, header, claims.to_string().as_bytes()).unwrap()
}

/// The exit status and the output for a URI, without the name of the folder.
fn explain(folder: &Folder, uri: &str, options: &[&str], stdin: &str) -> (i32, String) {
    let mut args = vec![
        "explain",
        "--config",
        "nginx.conf",
        "--location",
        uri,
        "--at",
        NOW,
    ];
    args.extend(options);
    let outcome = folder.run(&args, stdin);
    let output = outcome.stdout + &outcome.stderr;
    let path = folder.path("").canonicalize().unwrap();
    (
        outcome.status,
        output.replace(&path.display().to_string(), "DIR"),
    )
}

#[test]
fn what_is_in_force_without_a_token() {
    let (status, text) = explain(&folder(), "/admin/x", &["--server", "api.example"], "");
    assert_eq!(
        text,
        "in force:
    server, nginx.conf:2, listens on 0.0.0.0:8080, server_name api.example
    location /admin/, nginx.conf:7
    auth_jwt api, nginx.conf:5, inherited from server
    auth_jwt_key_file DIR/keys.json, nginx.conf:6, inherited from server
    auth_jwt_require_claim roles any admin, nginx.conf:8
    auth_jwt_require $is_office error=403, nginx.conf:9
not judged:
    auth_jwt_require $is_office error=403, nginx.conf:9: $is_office depends on the request
"
    );
    assert_eq!(status, 0);
    let (status, text) = explain(&folder(), "/open/", &["--stdin"], "x");
    assert_eq!(
        text,
        "in force:
    server, nginx.conf:2, listens on 0.0.0.0:8080, the default server
    location /open/, nginx.conf:14
    auth_jwt off, nginx.conf:14
not followed:
    if, nginx.conf:14: whether it holds

no token is looked at: \"auth_jwt\" is off here, so that no token is asked for
"
        .replace(
            "listens on 0.0.0.0:8080, the default server",
            "the default server of 0.0.0.0:8080"
        )
    );
    assert_eq!(status, 0);
}

#[test]
fn a_token_is_judged_as_the_location_says() {
    let folder = folder();
    let judge = |uri: &str, claims: &Value, options: &[&str]| {
        let mut all = vec!["--stdin"];
        all.extend(options);
        let (status, text) = explain(&folder, uri, &all, &token(claims));
        let steps = text.split("\n\n").nth(1).unwrap().to_owned();
        (
            status,
            steps,
            text.split("\n\n").nth(2).unwrap_or_default().to_owned(),
        )
    };
    let (status, steps, verdict) = judge("/admin/", &json!({"roles": ["user"]}), &[]);
    assert_eq!(status, 1);
    assert!(
        steps.contains("NO    claim rule  \"roles\" any \"admin\""),
        "{steps}"
    );
    assert!(
        steps.ends_with(
            "?     not judged  auth_jwt_require $is_office error=403, nginx.conf:9: $is_office \
             depends on the request"
        ),
        "{steps}"
    );
    assert!(
        verdict.starts_with("refused: $jwt_status is claim_mismatch, HTTP status 401: "),
        "{verdict}"
    );

    let admin = json!({"roles": ["admin"]});
    let (status, steps, verdict) = judge("/admin/", &admin, &["--variable", "is_office=0"]);
    assert_eq!(status, 1);
    assert!(
        steps.ends_with(
            "NO    require     auth_jwt_require: required $is_office is empty or 0  <- decides"
        ),
        "{steps}"
    );
    assert!(
        verdict.starts_with("refused: $jwt_status is requirement, HTTP status 403: "),
        "{verdict}"
    );
    let (status, steps, verdict) = judge("/admin/", &admin, &["--variable", "is_office=1"]);
    assert_eq!((status, &*verdict), (0, "accepted: $jwt_status is ok\n"));
    assert!(!steps.contains("not judged"), "{steps}");

    let (status, _, verdict) = judge("/report/", &json!({"exp": 1}), &[]);
    assert_eq!(status, 1);
    assert!(
        verdict.ends_with("\nserved all the same: auth_jwt_mode is report\n"),
        "{verdict}"
    );
}

#[test]
fn json_has_the_same() {
    let folder = folder();
    let read = |uri: &str, options: &[&str]| {
        let mut all = vec!["--json"];
        all.extend(options);
        let (_, text) = explain(&folder, uri, &all, &token(&json!({"exp": 1})));
        serde_json::from_str::<Value>(&text).unwrap()
    };
    assert_eq!(
        read("/open/", &["--stdin"]),
        json!({
            "config": {
                "in_force": [
                    "server, nginx.conf:2, the default server of 0.0.0.0:8080",
                    "location /open/, nginx.conf:14",
                    "auth_jwt off, nginx.conf:14",
                ],
                "not_followed": ["if, nginx.conf:14: whether it holds"],
                "no_check": "\"auth_jwt\" is off here, so that no token is asked for",
                "unread_keys": [],
                "mode": null,
                "served": true,
            },
            "not_judged": [],
        })
    );
    let explained = read("/report/", &["--stdin"]);
    assert_eq!(explained["accepted"], json!(false));
    assert_eq!(explained["jwt_status"], json!("expired"));
    assert_eq!(explained["config"]["mode"], json!("report"));
    assert_eq!(explained["config"]["served"], json!(true));
    let shown = read("/fetched/", &[]);
    assert_eq!(shown["config"]["served"], json!(null));
    assert_eq!(
        shown["config"]["unread_keys"],
        json!(["auth_jwt_key_request /jwks, nginx.conf:13: the keys come from this URI"])
    );
}

#[test]
fn keys_that_no_file_has_are_given() {
    let folder = folder();
    let token = token(&json!({}));
    let (status, text) = explain(&folder, "/fetched/", &["--stdin"], &token);
    assert_eq!(
        (status, &*text),
        (
            2,
            "in force:
    server, nginx.conf:2, the default server of 0.0.0.0:8080
    location /fetched/, nginx.conf:13
    auth_jwt api, nginx.conf:5, inherited from server
    auth_jwt_key_request /jwks, nginx.conf:13
keys that no file has:
    auth_jwt_key_request /jwks, nginx.conf:13: the keys come from this URI
nginx-auth: error: keys have to be given by --keys: auth_jwt_key_request /jwks, nginx.conf:13: the \
             keys come from this URI\n"
        )
    );
    let (status, _) = explain(
        &folder,
        "/fetched/",
        &["--stdin", "--keys", "keys.json"],
        &token,
    );
    assert_eq!(status, 0);
    let (status, text) = explain(
        &folder,
        "/admin/",
        &["--stdin", "--keys", "keys.json"],
        &token,
    );
    let error =
        "nginx-auth: error: --keys is of no use: the configuration names all files with keys\n";
    assert_eq!((status, text.ends_with(error)), (2, true), "{text}");
}

#[test]
fn a_location_without_a_source_of_keys_is_told_from_one_that_names_them() {
    let folder = folder();
    folder.write(
        "nginx.conf",
        "http { server { auth_jwt a; auth_jwt_require $is_office; } }",
    );
    let lacks = "the location has no auth_jwt_key_file, auth_jwt_key_request or auth_jwt_trust, so \
                 that nginx refuses every token\n";
    let (status, text) = explain(&folder, "/", &[], "");
    let warning = format!("nginx-auth: warning: {lacks}");
    assert_eq!((status, text.ends_with(&warning)), (0, true), "{text}");
    let (status, text) = explain(&folder, "/", &["--token", "a", "--keys", "keys.json"], "");
    let error = format!("nginx-auth: error: --keys is of no use: {lacks}");
    assert_eq!((status, text.ends_with(&error)), (2, true), "{text}");
    let (status, text) = explain(&folder, "/", &["--token", "a"], "");
    assert_eq!(status, 1);
    assert!(!text.contains(lacks), "{text}");
    assert!(
        text.contains("NO    key source  there is none  <- decides"),
        "{text}"
    );
}

#[test]
fn what_is_in_force_is_shown_although_a_file_cannot_be_read() {
    let folder = folder();
    folder.write(
        "nginx.conf",
        "http { server {\nauth_jwt a; auth_jwt_key_file .; auth_jwt_require $is_office; } }",
    );
    let shown = "in force:
    server, nginx.conf:1, the default server of 0.0.0.0:80
    no location of this server matches the URI
    auth_jwt a, nginx.conf:2
    auth_jwt_key_file DIR/., nginx.conf:2
    auth_jwt_require $is_office, nginx.conf:2
not judged:
    auth_jwt_require $is_office, nginx.conf:2: $is_office depends on the request
";
    let error = "nginx-auth: error: cannot read \"DIR/.\": Is a directory (os error 21)\n";
    let (status, text) = explain(&folder, "/x", &["--token", "a"], "");
    assert_eq!((status, text), (3, format!("{shown}{error}")));
    let (status, text) = explain(&folder, "/x", &["--token", "a", "--json"], "");
    let json: Value = serde_json::from_str(text.strip_suffix(error).unwrap()).unwrap();
    assert_eq!(status, 3);
    assert_eq!(json["config"]["served"], Value::Null);
    assert_eq!(json["not_judged"].as_array().unwrap().len(), 1);
}

#[test]
fn a_file_that_is_not_there_is_what_the_workers_meet() {
    let folder = folder();
    std::fs::remove_file(folder.path("keys.json")).unwrap();
    let (status, text) = explain(&folder, "/admin/", &["--stdin"], &token(&json!({})));
    assert_eq!(status, 1);
    let verdict = text.split("\n\n").last().unwrap();
    assert!(
        verdict.starts_with(
            "refused: $jwt_status is keys_unavailable, HTTP status 500: key file \"DIR/keys.json\": No \
             such file or directory (os error 2)"
        ),
        "{verdict}"
    );
}

#[test]
fn questions_that_have_no_answer() {
    let folder = folder();
    for (uri, options, error) in [
        (
            "admin",
            &[][..],
            "\"admin\" is not the URI of a request: it must begin with \"/\"",
        ),
        (
            "/",
            &["--server", "a:81"],
            "no server listens on port 81; there are 0.0.0.0:8080",
        ),
        (
            "/",
            &["--listen", "x:y"],
            "\"x:y\" is not a port, or an address and a port",
        ),
    ] {
        let expected = (3, format!("nginx-auth: error: {error}\n"));
        assert_eq!(explain(&folder, uri, options, ""), expected);
    }
    folder.write("nginx.conf", "http {\n server { listen 80 } }");
    let error = "nginx-auth: error: unexpected \"}\" in DIR/nginx.conf:2\n";
    assert_eq!(explain(&folder, "/x", &[], ""), (3, error.into()));
    folder.write("nginx.conf", "http {\n include x.conf; }");
    let error = "nginx-auth: error: open() \"DIR/x.conf\" failed (2: No such file or directory) in DIR/nginx.conf:2\n";
    assert_eq!(explain(&folder, "/x", &[], ""), (3, error.into()));
    folder.write(
        "nginx.conf",
        "http { server {\nauth_jwt a; auth_jwt_type \"\x1b[2J\"; } }",
    );
    let error = "nginx-auth: error: invalid value \"\\x1b[2J\" in \"auth_jwt_type\" directive, it must \
                 be \"signed\", \"encrypted\" or \"nested\" in DIR/nginx.conf:2\n";
    assert_eq!(explain(&folder, "/x", &[], ""), (3, error.into()));
}

#[test]
fn options_that_do_not_go_together() {
    let folder = folder();
    for options in [
        &["--config", "nginx.conf"][..],
        &["--location", "/", "--keys", "keys.json", "--stdin"],
        &["--server", "a", "--keys", "keys.json", "--stdin"],
        &["--config", "nginx.conf", "--location", "/", "--leeway", "1"],
        &[
            "--config",
            "nginx.conf",
            "--location",
            "/",
            "--require-claim",
            "a exists",
        ],
        &[
            "--config",
            "nginx.conf",
            "--location",
            "/",
            "--stdin",
            "--token",
            "a",
        ],
    ] {
        let mut args = vec!["explain"];
        args.extend(options);
        let outcome = folder.run(&args, "");
        assert_eq!((outcome.status, &*outcome.stdout), (2, ""), "{options:?}");
    }
}

#[test]
fn a_token_on_standard_input_needs_no_option_but_with_a_configuration() {
    let folder = folder();
    let token = token(&json!({}));
    let args = ["explain", "--keys", "keys.json"];
    let outcome = folder.run(&args, &token);
    outcome.assert_ended(0, "");
    let error =
        "nginx-auth: error: a token is needed: --stdin, --token-file FILE or --token TOKEN\n";
    for empty in ["", "\n"] {
        let outcome = folder.run(&args, empty);
        outcome.assert_ended(2, error);
    }
    // An empty token that was asked for is judged.
    let outcome = folder.run(&["explain", "--keys", "keys.json", "--stdin"], "");
    outcome.assert_ended(1, "");
    // Here no token means that the demands are shown.
    let (status, text) = explain(&folder, "/admin/", &[], &token);
    assert_eq!(status, 0);
    assert!(!text.contains("accepted"), "{text}");
    let (status, _) = explain(&folder, "/fetched/", &["--keys", "-"], "");
    assert_eq!(status, 0);
}

#[test]
fn what_a_configuration_has_does_not_reach_the_terminal() {
    let folder = Folder::new();
    folder.write(
        "nginx.conf",
        "http { server { auth_jwt \"\x1b[2J\n\"; auth_jwt_key_file k; } }",
    );
    let (status, text) = explain(&folder, "/a", &[], "");
    assert_eq!(status, 0);
    assert!(
        text.contains("auth_jwt \"\\x1b[2J\\x0a\", nginx.conf:2"),
        "{text}"
    );
}
