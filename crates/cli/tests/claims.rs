//! `nginx-auth claims`, and what all commands have in common.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a panic is a failure of the test"
)]

#[expect(dead_code, reason = "each file of tests uses some of it")]
mod support;

use std::io::Read as _;
use std::process::Stdio;

use support::{Folder, Outcome, case};

const UNVERIFIED: &str = "nginx-auth: warning: nobody has verified what this token says\n";

fn token(header: &str, claims: &str) -> String {
    let part = |text: &str| test_tokens::base64url(text.as_bytes());
    format!("{}.{}.AAAA", part(header), part(claims))
}

#[test]
fn header_and_claims_are_shown_with_a_warning() {
    let folder = Folder::new();
    let file = case("token.txt");
    let shown = "{\n  \"alg\": \"RS256\",\n  \"kid\": \"k1\"\n}\n{\n  \"sub\": \"u\",\n  \"exp\": 4102444800\n}\n";
    let expected = Outcome {
        status: 0,
        stdout: shown.into(),
        stderr: UNVERIFIED.into(),
    };
    let file = file.to_str().unwrap();
    assert_eq!(folder.run(&["claims", "--token-file", file], ""), expected);
    let text = std::fs::read_to_string(file).unwrap();
    let text = text.trim_end();
    assert_eq!(folder.run(&["claims", "--stdin"], text), expected);
    assert_eq!(folder.run(&["claims"], text), expected);
    assert_eq!(
        folder.run(&["claims", "--stdin"], format!("Bearer {text}\r\n")),
        expected
    );
    assert_eq!(folder.run(&["claims", "--token", text], ""), expected);

    let json = folder.run(
        &["claims", "--json", "--stdin"],
        token("{\"alg\":\"x\"}", "{\"n\":1.0e2,\"a\":[]}"),
    );
    let compact: String = json.stdout.split_whitespace().collect();
    assert_eq!(
        compact,
        r#"{"verified":false,"header":{"alg":"x"},"claims":{"n":1.0e2,"a":[]}}"#
    );
    assert_eq!(json.stderr, UNVERIFIED);
}

#[test]
fn claims_of_encrypted_tokens_are_not_shown() {
    let header = test_tokens::base64url(b"{\"alg\":\"dir\"}");
    let outcome = Folder::new().run(&["claims", "--stdin"], format!("{header}..A.A.A"));
    assert_eq!(outcome.status, 0);
    assert_eq!(outcome.stdout, "{\n  \"alg\": \"dir\"\n}\n");
    assert_eq!(
        outcome.stderr,
        format!(
            "{UNVERIFIED}nginx-auth: warning: the claims are encrypted: nginx-auth explain --keys \
             FILE decrypts them\n"
        )
    );
}

#[test]
fn what_is_no_token_is_an_error() {
    let folder = Folder::new();
    #[rustfmt::skip]
    let cases = [
        ("", "no JWT; the input is: nothing"),
        ("abc", "no JWT; the input is: one word without dots: an opaque token, which only its issuer can judge, 3 bytes"),
        ("{}", "no JWT; the input is: JSON instead of the compact form of a token, 2 bytes"),
        ("a.b.c", "the header is not a JSON object; the input is: signed token (JWS), three parts, 5 bytes"),
        ("e30.W10.c", "the claims are not a JSON object; the input is: signed token (JWS), three parts, 9 bytes"),
        ("a.b.c.d", "no JWT; the input is: parts with dots between, and no JWT has so many, 7 bytes"),
    ];
    for (input, message) in cases {
        let outcome = folder.run(&["claims", "--stdin"], input);
        let stderr = format!("nginx-auth: error: {message}\n");
        assert_eq!((outcome.status, outcome.stderr), (1, stderr), "{input}");
        assert_eq!(outcome.stdout, "");
    }
}

#[test]
fn escape_sequences_are_shown_as_text() {
    let folder = Folder::new();
    let hostile = token(
        "{\"alg\":\"\u{9b}31m\"}",
        "{\"\u{202e}\":\"\u{7f}\\u001b[31m é\"}",
    );
    for options in [&["claims", "--stdin"][..], &["claims", "--stdin", "--json"]] {
        let outcome = folder.run(options, &hostile);
        assert_eq!(outcome.status, 0);
        let is_safe = |c: char| c == '\n' || c.is_ascii_graphic() || c == ' ' || c == 'é';
        assert_eq!(
            outcome.stdout.chars().find(|c| !is_safe(*c)),
            None,
            "{}",
            outcome.stdout
        );
        assert!(
            outcome.stdout.contains("\\u202e\": \"\\u007f\\u001b[31m é"),
            "{}",
            outcome.stdout
        );
    }
    let name = "a\u{1b}[31m";
    let outcome = folder.run(&["claims", "--token-file", name], "");
    assert_eq!(outcome.status, 3);
    assert_eq!(
        outcome.stderr,
        "nginx-auth: error: cannot read \"a\\x1b[31m\": No such file or directory (os error 2)\n"
    );
}

#[test]
fn input_is_bounded() {
    let folder = Folder::new();
    folder.write("large", vec![b'a'; (1 << 20) + 1]);
    let outcome = folder.run(&["claims", "--token-file", "large"], "");
    outcome.assert_ended(
        3,
        "nginx-auth: error: \"large\" is longer than 1048576 bytes\n",
    );
    let outcome = folder.run(&["keys", "/dev/zero"], "");
    outcome.assert_ended(
        3,
        "nginx-auth: error: \"/dev/zero\" is longer than 8388608 bytes\n",
    );
}

#[test]
fn wrong_usage_has_its_own_exit_status() {
    let folder = Folder::new();
    for args in [
        &["claims"][..],
        &["claims", "--stdin", "--token", "a"],
        &["explain", "--stdin"],
        &["explain", "--keys", "k", "--stdin", "--leeway", "x"],
        &["explain", "--keys", "k", "--stdin", "--max-age", "0"],
        &["explain", "--keys", "k", "--stdin", "--at", "never"],
        &["explain", "--keys", "k", "--stdin", "--algorithms", "none"],
        &["explain", "--keys", "k", "--stdin", "--require-claim", "a"],
        &[
            "explain",
            "--keys",
            "k",
            "--stdin",
            "--require-claim",
            "a eq $x",
        ],
        &[
            "explain",
            "--keys",
            "k",
            "--stdin",
            "--require-claim",
            "a eq 'b",
        ],
        &[
            "explain",
            "--keys",
            "k",
            "--stdin",
            "--require-scope",
            "a b",
        ],
        &["explain", "--keys", "k", "--stdin", "--variable", "x"],
        &["explain", "--keys", "-", "--stdin"],
        &["explain", "--keys", "-"],
        &["explain", "--keys", "k", "-", "--token-file", "-"],
        &[
            "explain",
            "--keys",
            "k",
            "--stdin",
            "--type",
            "encrypted",
            "--issuer",
            "i",
        ],
        &["token", "key", "RS256", "--out", "x", "--size", "16385"],
        &["token", "key", "HS256", "--out", "x", "--size", "0"],
        &["unknown"],
    ] {
        let outcome = folder.run(args, "");
        assert_eq!(outcome.status, 2, "{args:?}: {}", outcome.stderr);
        assert_eq!(outcome.stdout, "", "{args:?}");
        assert!(
            outcome.stderr.contains("error: "),
            "{args:?}: {}",
            outcome.stderr
        );
    }
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let folder = Folder::new();
    // More than a pipe holds.
    let claims = format!("{{\"a\":[{}0]}}", "0,".repeat(50_000));
    folder.write("token", token("{}", &claims));
    let mut command = folder.command(&["claims", "--token-file", "token"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(stderr, UNVERIFIED);
}

#[test]
fn there_are_completions_and_a_manual_page_and_no_colors_in_a_file() {
    let folder = Folder::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let outcome = folder.run(&["completions", shell], "");
        assert_eq!((outcome.status, &*outcome.stderr), (0, ""), "{shell}");
        for name in ["nginx-auth", "explain", "require-claim"] {
            assert!(outcome.stdout.contains(name), "{shell}: {name}");
        }
    }
    let man = folder.run(&["man"], "");
    assert_eq!((man.status, &*man.stderr), (0, ""));
    assert!(man.stdout.contains(".TH nginx-auth 1"), "{}", man.stdout);
    for (command, text) in [
        (&["man", "explain"][..], "\\-\\-require\\-claim"),
        (&["man", "token", "sign"], "\\-\\-expires\\-in"),
    ] {
        let man = folder.run(command, "");
        assert_eq!((man.status, &*man.stderr), (0, ""));
        assert!(man.stdout.contains(text), "{}", man.stdout);
        assert!(
            man.stdout
                .contains(&format!(".TH nginx-auth-{}", command[1])),
            "{}",
            man.stdout
        );
    }
    let outcome = folder.run(&["man", "x\u{1b}"], "");
    outcome.assert_ended(
        2,
        "nginx-auth: error: man: there is no command \"x\\u{1b}\"\n",
    );
    let help = folder.run(&["explain", "--help"], "");
    assert!(help.stdout.contains("list of processes"), "{}", help.stdout);
    assert!(!help.stdout.contains('\u{1b}'), "{}", help.stdout);
}
