//! For tokens that are changed at random: the verdict of `explain` is that of the functions that the
//! module calls, and its steps agree with it. t/command_line.t compares it with the module itself.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a panic is a failure of the test"
)]

#[expect(dead_code, reason = "each file of tests uses some of it")]
mod support;

use std::sync::LazyLock;
use std::time::Duration;

use jose::{Limits, TokenType, UnverifiedToken};
use nginx_auth_cli::demands::{Demands, IssuerDemands};
use nginx_auth_cli::explain::{StepOutcome, explain};
use nginx_auth_cli::key_files::{DemandedFiles, MissingFile, merge};
use nginx_auth_cli::local_rule::{KnownVariables, RuleReader};
use nginx_auth_cli::times::Clock;
use policy::auth_jwt::allowed_algorithms::AllowedAlgorithms;
use policy::auth_jwt::issuer::IssuerTerms;
use policy::auth_jwt::jwt_status::JwtStatus;
use policy::auth_jwt::rejection::Rejection;
use policy::auth_jwt::revocation::RevocationSubject;
use policy::auth_jwt::scopes::RequiredScopes;
use proptest::prelude::*;
use serde_json::json;
use support::{Folder, NOW};

/// Keys and files that all cases have in common.
struct Shared {
    folder: Folder,
    keys: Vec<(String, test_tokens::JwkObject)>,
}

static SHARED: LazyLock<Shared> = LazyLock::new(|| {
    let folder = Folder::named("verdicts");
    let key = |alg: &str, kid: &str| {
        let mut key = test_tokens::key(alg, None).unwrap();
        key.insert("kid".into(), kid.into());
        (alg.to_owned(), key)
    };
    let keys = vec![
        key("HS256", "a"),
        key("ES256", "b"),
        key("A256KW", "w"),
        key("dir", "d"),
    ];
    let all: Vec<_> = keys.iter().map(|(_, key)| key).collect();
    folder.write("keys.json", json!({ "keys": all }).to_string());
    folder.write("bad.json", "-----BEGIN PUBLIC KEY-----");
    folder.write("revoked.json", r#"{"mallory":null}"#);
    Shared { folder, keys }
});

fn key(alg: &str) -> &'static test_tokens::JwkObject {
    let found = SHARED.keys.iter().find(|(name, _)| name == alg);
    &found.unwrap().1
}

fn demands(kind: usize) -> Demands {
    let keys = SHARED.folder.path("keys.json");
    let plain = Demands {
        key_files: vec![keys.clone()],
        ..Demands::default()
    };
    let trusted = || {
        Some(vec![IssuerDemands {
            terms: IssuerTerms {
                name: "corp".into(),
                issuer: "https://id.example".into(),
                audience: vec!["api".into()],
                max_age: Some(Duration::from_secs(600)),
                leeway: Some(Duration::from_secs(5)),
                ..IssuerTerms::default()
            },
            rules: Vec::new(),
            key_files: vec![keys.clone()],
        }])
    };
    let with_rules = |demands: Demands| {
        let variables = KnownVariables::default();
        let mut reader = RuleReader::new(&variables);
        let mut algorithms = AllowedAlgorithms::default();
        for name in ["HS256", "A256KW"] {
            algorithms.add(name.as_bytes()).unwrap();
        }
        let mut scopes = RequiredScopes::default();
        scopes.add(b"read").unwrap();
        let list = SHARED.folder.path("revoked.json");
        Demands {
            claim_rules: vec![reader.read(&["level", "ge", "5"]).unwrap()],
            header_rules: vec![reader.read(&["typ", "!eq", "dpop+jwt"]).unwrap()],
            algorithms: Some(algorithms),
            max_age: Some(Duration::from_secs(3600)),
            scopes: Some(scopes),
            revocation_lists: vec![(RevocationSubject::Sub, list)],
            accepts_compression: false,
            ..demands
        }
    };
    match kind {
        0 => plain,
        1 => with_rules(plain),
        2 => Demands {
            trusted: trusted(),
            ..plain
        },
        3 => Demands {
            token_type: TokenType::Encrypted,
            ..plain
        },
        4 => Demands {
            token_type: TokenType::Nested,
            ..plain
        },
        5 => with_rules(Demands {
            token_type: TokenType::Nested,
            trusted: trusted(),
            ..plain
        }),
        6 => with_rules(Demands {
            token_type: TokenType::Encrypted,
            ..plain
        }),
        7 => Demands {
            key_files: vec![SHARED.folder.path("bad.json")],
            ..plain
        },
        _ => Demands {
            key_files: Vec::new(),
            ..plain
        },
    }
}

const DEMANDS: usize = 9;

/// One of several values, mostly the first.
fn mostly(values: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    let rest = proptest::sample::select(values);
    prop_oneof![3 => Just(values[0]), 1 => rest]
}

/// Claims of which some are wrong.
fn claims() -> impl Strategy<Value = String> {
    (
        mostly(&[
            "1700003600",
            "1",
            "\"1\"",
            "1700000042",
            "1e400",
            "1700000042.5",
        ]),
        mostly(&["1700000000", "1700000100", "null", "1700000047"]),
        mostly(&["1700000000", "1699990000", "\"x\"", "1700009999", "1e20"]),
        mostly(&["\"https://id.example\"", "\"x\"", "7"]),
        mostly(&["\"api\"", "[\"web\",\"api\"]", "\"web\"", "null"]),
        mostly(&["\"read write\"", "\"write\"", "[\"read\"]", "5"]),
        mostly(&["5", "4", "\"5\"", "[]"]),
        mostly(&["\"alice\"", "\"mallory\"", "1"]),
        mostly(&["}", ",\"x\":{\"y\":[1]}}", ",\"sub\":1}", ""]),
    )
        .prop_map(|(exp, nbf, iat, iss, aud, scope, level, sub, end)| {
            format!(
                "{{\"exp\":{exp},\"nbf\":{nbf},\"iat\":{iat},\"iss\":{iss},\"aud\":{aud},\
                 \"scope\":{scope},\"level\":{level},\"sub\":{sub}{end}"
            )
        })
}

/// Tokens of all kinds, made with a right or a wrong header.
fn tokens() -> impl Strategy<Value = String> {
    let header = mostly(&[
        r#"{"alg":"HS256","kid":"a"}"#,
        r#"{"alg":"HS256"}"#,
        r#"{"alg":"ES256","kid":"b"}"#,
        r#"{"alg":"ES256","kid":"a"}"#,
        r#"{"alg":"HS256","kid":"nobody"}"#,
        r#"{"alg":"none"}"#,
        r#"{"alg":"HS256","crit":["x"],"x":1}"#,
        r#"{"alg":"HS256","typ":"dpop+jwt"}"#,
        r#"{"alg":1}"#,
    ]);
    let outer = mostly(&[
        r#"{"kid":"w"}"#,
        "{}",
        r#"{"kid":"d"}"#,
        r#"{"zip":"DEF"}"#,
        r#"{"crit":["y"],"y":1}"#,
    ]);
    (
        claims(),
        header,
        mostly(&["HS256", "ES256"]),
        outer,
        0..3_usize,
    )
        .prop_map(|(claims, header, alg, outer, kind)| {
            let signed = test_tokens::sign(alg, key(alg), header, claims.as_bytes()).unwrap();
            let content = match kind {
                0 => return signed,
                1 => claims,
                _ => signed,
            };
            let outer = serde_json::from_str(outer).unwrap();
            let wrap = key("A256KW");
            test_tokens::encrypt("A256KW", "A256GCM", wrap, &outer, content.as_bytes()).unwrap()
        })
}

/// A change of the text of a token: at a position, as a fraction of its length.
fn change(token: &str, (kind, position, byte): (u8, f64, u8)) -> Vec<u8> {
    let mut bytes = token.as_bytes().to_vec();
    let at = (position * bytes.len() as f64) as usize;
    match kind {
        0..=7 => {}
        8 => bytes[at] = byte,
        9 => bytes.truncate(at),
        10 => bytes.insert(at, byte),
        11 => bytes.splice(0..0, *b"Bearer ").for_each(drop),
        12 => bytes.push(b'='),
        _ => bytes.rotate_left(at),
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_steps_agree_with_the_verdict(
        token in tokens(),
        changed in (0..14_u8, 0.0..1.0_f64, any::<u8>()),
        kind in 0..DEMANDS,
    ) {
        let token = change(&token, changed);
        let demands = demands(kind);
        let files = DemandedFiles::read(&demands, MissingFile::IsAnError).unwrap();
        let clock = Clock::system().at(NOW).unwrap();
        let explanation = explain(&token, &demands, &files, &clock);
        let refused = |decides: bool| {
            let steps = explanation.steps.iter();
            let refused = steps.filter(|step| step.outcome == StepOutcome::Refused);
            refused.filter(|step| step.decides || !decides).count()
        };
        match explanation.accepted {
            true => {
                prop_assert_eq!(refused(false), 0, "{:#?}", &explanation);
                prop_assert_eq!(explanation.jwt_status, "ok");
            }
            false => prop_assert_eq!(refused(true), 1, "{:#?}", &explanation),
        }
        let deciding = explanation.steps.iter().filter(|step| step.decides).count();
        prop_assert_eq!(deciding, usize::from(!explanation.accepted));
    }

    #[test]
    fn without_more_demands_the_verdict_is_that_of_jose(
        token in tokens(),
        changed in (0..14_u8, 0.0..1.0_f64, any::<u8>()),
        kind in proptest::sample::select(vec![0, 3, 4]),
    ) {
        let token = change(&token, changed);
        // What is in front of a token as it stands in a header line is for policy to take away.
        prop_assume!(!token.first().is_none_or(u8::is_ascii_whitespace));
        prop_assume!(!token.last().is_none_or(u8::is_ascii_whitespace));
        let demands = demands(kind);
        let files = DemandedFiles::read(&demands, MissingFile::IsAnError).unwrap();
        let clock = Clock::system().at(NOW).unwrap();
        let explanation = explain(&token, &demands, &files, &clock);
        let keys = merge(&files.own).unwrap();
        let (limits, leeway) = (Limits::default(), Duration::ZERO);
        let verified = UnverifiedToken::parse(&token, demands.token_type, &limits).and_then(|token| {
            token.check_without_keys(clock.now, leeway)?;
            token.verify(&keys, clock.now, leeway)
        });
        let status = match verified {
            Ok(_) => JwtStatus::Ok,
            Err(error) => Rejection::Token(error).response().jwt_status,
        };
        prop_assert_eq!(explanation.jwt_status, status.name());
    }
}
