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
fn only_a_refused_token_is_called_invalid() {
    let challenge = |rejection: Rejection| rejection.response().challenge;
    assert_eq!(challenge(Rejection::Missing), Challenge::Realm);
    assert_eq!(challenge(Rejection::SeveralTokens), Challenge::InvalidToken);
    let refused = Rejection::Token(jose::Error::UnencodedPayload);
    assert_eq!(refused.to_string(), "unencoded payload is not supported");
    assert_eq!(challenge(refused), Challenge::InvalidToken);
    let broken = Rejection::NoKeySource.response();
    assert_eq!((broken.status, broken.log_level), (500, LogLevel::Error));
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
