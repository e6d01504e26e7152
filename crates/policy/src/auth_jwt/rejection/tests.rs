use super::*;

fn text(challenge: Challenge, realm: &str) -> String {
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
