use super::*;

fn text(challenge: Challenge<'_>, realm: &str) -> String {
    String::from_utf8(challenge.value(realm.as_bytes()).unwrap()).unwrap()
}

#[test]
fn row_35_a_realm_stays_inside_its_quotes() {
    assert_eq!(text(Challenge::Realm, "site"), r#"Bearer realm="site""#);
    assert_eq!(
        text(Challenge::InvalidToken, r#"a", error="none\"#),
        r#"Bearer realm="a\", error=\"none\\", error="invalid_token""#
    );
    for control in ["a\r\nSet-Cookie: b", "a\nb", "a\0b", "a\tb", "a\u{7f}"] {
        assert_eq!(text(Challenge::Realm, control), r#"Bearer realm="""#);
    }
    assert_eq!(Challenge::None.value(b"site"), None);
    assert_eq!(
        text(Challenge::InsufficientScope("a b"), "site"),
        r#"Bearer realm="site", error="insufficient_scope", scope="a b""#
    );
}

#[test]
fn a_rule_that_is_not_met_is_named() {
    let rejection = |subject| Rejection::Rule {
        subject,
        rule: "\"a\" eq \"b\"".into(),
        failure: RuleFailure::Missing,
        status: 401,
    };
    assert_eq!(
        rejection(RuleSubject::Claim).to_string(),
        "required claim \"a\" eq \"b\": it is missing"
    );
    assert_eq!(
        rejection(RuleSubject::Header).to_string(),
        "required header parameter \"a\" eq \"b\": it is missing"
    );
}

#[test]
fn a_log_line_names_an_algorithm_that_is_not_allowed_once() {
    let rejection = &Rejection::Algorithm {
        alg: Quoted::new("HS256"),
    };
    let line = |alg: &str| {
        let summarize = || Summary {
            alg: Some(Quoted::new(alg)),
            ..Summary::default()
        };
        LogLine {
            rejection,
            summarize,
        }
        .to_string()
    };
    let text = "algorithm \"HS256\" is not one of auth_jwt_algorithms";
    assert_eq!(line("HS256"), text);
    assert_eq!(line("dir"), format!("{text}; alg \"dir\""));
}

#[test]
fn row_35_a_file_name_stays_inside_its_quotes() {
    let refused = Rejection::KeyFile {
        path: "/keys/a\r\n[alert] \"\u{fc}".into(),
        error: KeyError::NotRegular,
    };
    assert_eq!(
        refused.to_string(),
        r#"key file "/keys/a\x0d\x0a[alert] \"\xc3\xbc": not a regular file"#
    );
}

#[test]
fn each_rejection_has_its_response() {
    let requirement = |status| Rejection::Requirement {
        value: "$jwt_claim_x".into(),
        status,
    };
    let rule = |status| Rejection::Rule {
        subject: RuleSubject::Claim,
        rule: "\"aud\" any \"api\"".into(),
        failure: RuleFailure::Missing,
        status,
    };
    let uri = || Quoted::new("/jwks");
    let error = KeyError::Status(404);
    let (info, none) = (LogLevel::Info, Challenge::None);
    let token = (401, Challenge::InvalidToken, info);
    let server = (500, none, LogLevel::Error);
    for (rejection, (status, challenge, log_level), jwt_status) in [
        (Rejection::Missing, (401, Challenge::Realm, info), "missing"),
        (Rejection::SeveralTokens, token, "malformed"),
        (
            jose::Error::UnencodedPayload.into(),
            token,
            "unsupported_algorithm",
        ),
        (Rejection::Compressed, token, "unsupported_algorithm"),
        (requirement(401), token, "requirement"),
        (requirement(403), (403, none, info), "requirement"),
        (
            Rejection::Mode(Quoted::new("x")),
            server,
            "keys_unavailable",
        ),
        (
            Rejection::Algorithm {
                alg: Quoted::new("HS256"),
            },
            token,
            "unsupported_algorithm",
        ),
        (AgeError::Missing.into(), token, "claim_mismatch"),
        (AgeError::NotNumber.into(), token, "malformed"),
        (
            Rejection::Age(AgeError::TooOld {
                iat: Quoted::new("1"),
                now: 9,
                max_age: 1,
            }),
            token,
            "expired",
        ),
        (
            Rejection::Age(AgeError::InFuture {
                iat: Quoted::new("9"),
                now: 1,
                leeway: 0,
            }),
            token,
            "not_yet_valid",
        ),
        (rule(401), token, "claim_mismatch"),
        (rule(403), (403, none, info), "claim_mismatch"),
        (
            Rejection::Scope {
                missing: Quoted::new("b"),
                required: "a b".into(),
            },
            (403, Challenge::InsufficientScope("a b"), info),
            "insufficient_scope",
        ),
        (Rejection::NoKeySource, server, "keys_unavailable"),
        (
            Rejection::KeyFile {
                path: "/keys".into(),
                error: error.clone(),
            },
            server,
            "keys_unavailable",
        ),
        (
            Rejection::KeyFileName("is empty"),
            server,
            "keys_unavailable",
        ),
        (
            Rejection::KeyRequest { uri: uri(), error },
            server,
            "keys_unavailable",
        ),
        (
            Rejection::KeyRequestUri {
                uri: uri(),
                reason: "contains \"..\"",
            },
            server,
            "keys_unavailable",
        ),
        (
            Rejection::Nginx("out of memory".into()),
            server,
            "keys_unavailable",
        ),
    ] {
        let expected = RefusalResponse {
            status,
            challenge,
            log_level,
            jwt_status,
        };
        assert_eq!(rejection.response(), expected, "{rejection:?}");
    }
}

fn line(error: jose::Error, alg: &str, kid: &str) -> String {
    let rejection = &Rejection::Token(error);
    let summarize = || Summary {
        alg: Some(Quoted::new(alg)),
        kid: Some(Quoted::new(kid)),
        iss: None,
    };
    LogLine {
        rejection,
        summarize,
    }
    .to_string()
}

#[test]
fn a_log_line_names_alg_and_kid_once() {
    let unknown_key = || jose::Error::UnknownKey {
        alg: Quoted::new("HS256"),
        kid: Some(Quoted::new("a")),
    };
    let text = "no key for algorithm \"HS256\", kid \"a\"";
    assert_eq!(line(unknown_key(), "HS256", "a"), text);
    assert_eq!(
        line(unknown_key(), "dir", "b"),
        format!("{text}; alg \"dir\", kid \"b\"")
    );
    assert_eq!(
        line(unknown_key(), "dir", "a"),
        format!("{text}; alg \"dir\"")
    );
    assert_eq!(
        line(jose::Error::UnencodedPayload, "HS256", "a"),
        "unencoded payload is not supported; alg \"HS256\", kid \"a\""
    );
    let rejection = &Rejection::Missing;
    let summarize = || unreachable!("there is no token to summarize");
    assert_eq!(
        LogLine {
            rejection,
            summarize,
        }
        .to_string(),
        "no token"
    );
}
