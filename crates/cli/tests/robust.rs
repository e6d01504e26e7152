//! Whatever a file or standard input has, each command ends with one of its exit statuses, and prints
//! nothing that a terminal acts upon.
#![allow(clippy::unwrap_used, reason = "a panic is a failure of the test")]

#[expect(dead_code, reason = "each file of tests uses some of it")]
mod support;

use std::sync::LazyLock;

use proptest::prelude::*;
use support::{Folder, case};

static FOLDER: LazyLock<Folder> = LazyLock::new(|| {
    let folder = Folder::named("robust");
    folder.write("keys.json", std::fs::read(case("keys-good.json")).unwrap());
    folder
});

/// Inputs that are almost right.
fn inputs() -> impl Strategy<Value = Vec<u8>> {
    let good: Vec<Vec<u8>> = [
        "token.txt",
        "keys-good.json",
        "keys-x5c-only.json",
        "keys-ec-x-31-bytes.json",
    ]
    .iter()
    .map(|name| std::fs::read(case(name)).unwrap())
    .collect();
    let spoiled = (
        proptest::sample::select(good),
        0.0..1.0_f64,
        any::<u8>(),
        0..3_u8,
    )
        .prop_map(|(mut bytes, position, byte, kind)| {
            let at = (position * bytes.len() as f64) as usize;
            match kind {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, byte),
                _ => bytes.splice(at..=at, [byte]).for_each(drop),
            }
            bytes
        });
    let pem = "-----BEGIN [A-Z ]{0,20}-----\n[A-Za-z0-9+/=\n]{0,80}(-----END [A-Z ]{0,20}-----)?";
    prop_oneof![
        3 => spoiled,
        1 => pem.prop_map(String::into_bytes),
        1 => "\\{(\"(keys|kty|jwks_uri|k1)\":(\\[\\{\\}\\]|\"[a-zA-Z-]{0,9}\"|1),?){0,2}\\}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..60),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_command_ends_as_documented(input in inputs(), json in any::<bool>(), command in 0..6_usize) {
        let commands: [&[&str]; 6] = [
            &["explain", "--keys", "keys.json", "--stdin", "--audience", "a"],
            &["explain", "--keys", "keys.json", "--stdin", "--type", "nested", "--issuer", "i"],
            &["keys", "-"],
            &["jwk", "-"],
            &["jwk", "-", "--private", "--secret"],
            &["claims", "--stdin"],
        ];
        let mut args = commands.get(command).copied().unwrap_or_default().to_vec();
        if json {
            args.push("--json");
        }
        let outcome = FOLDER.run(&args, &input);
        prop_assert!(matches!(outcome.status, 0 | 1), "{:?}", outcome);
        let is_safe = |c: char| c == '\n' || c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric();
        prop_assert_eq!(outcome.stdout.chars().find(|c| !is_safe(*c)), None);
        prop_assert_eq!(outcome.stderr.chars().find(|c| !is_safe(*c)), None);
        let lines = outcome.stderr.lines();
        prop_assert!(lines.clone().all(|line| line.starts_with("nginx-auth: ")), "{:?}", outcome);
    }
}
