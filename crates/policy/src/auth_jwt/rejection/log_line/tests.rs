use super::*;

fn revoked(subject: RevocationSubject, value: &str) -> Rejection {
    let value = Quoted::new(value);
    RevocationError::Revoked { subject, value }.into()
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
            presented: Presented::Token(b"x"),
            summarize,
            no_token: || unreachable!("there is a token"),
        }
        .to_string()
    };
    let text = "algorithm \"HS256\" is not one of auth_jwt_algorithms";
    assert_eq!(line("HS256"), text);
    assert_eq!(line("dir"), format!("{text}; alg \"dir\""));
}

#[test]
fn a_log_line_names_an_issuer_once() {
    let line = |error: IssuerRejection| {
        let summarize = || Summary {
            alg: Some(Quoted::new("HS256")),
            kid: None,
            iss: Some(Quoted::new("x")),
        };
        LogLine {
            rejection: &error.into(),
            presented: Presented::Token(b"x"),
            summarize,
            no_token: || unreachable!("there is a token"),
        }
        .to_string()
    };
    let (alg, iss) = (Quoted::new("HS256"), Quoted::new("x"));
    let trusted = "\"corp\"".into();
    let unknown = UntrustedIssuer::Unknown { iss, trusted };
    assert_eq!(
        line(unknown.into()),
        "iss \"x\" is not that of a trusted issuer: \"corp\"; alg \"HS256\""
    );
    assert_eq!(
        line(IssuerRejection::Unmet(
            "corp".into(),
            UnmetTerm::Algorithm { alg }
        )),
        "issuer \"corp\": algorithm \"HS256\" is not one of its algorithms; iss \"x\""
    );
    assert_eq!(
        line(IssuerRejection::Unmet("corp".into(), UnmetTerm::NoType)),
        "issuer \"corp\": header parameter \"typ\" is missing; alg \"HS256\", iss \"x\""
    );
}

#[test]
fn a_revoked_kid_is_named_once() {
    let line = |rejection: &Rejection| {
        LogLine {
            rejection,
            presented: Presented::Token(b"x"),
            summarize: || Summary {
                alg: Some(Quoted::new("HS256")),
                kid: Some(Quoted::new("a")),
                iss: None,
            },
            no_token: || unreachable!("there is a token"),
        }
        .to_string()
    };
    let kid = |value| line(&revoked(RevocationSubject::Kid, value));
    let text = "revoked: header parameter \"kid\" is";
    assert_eq!(kid("a"), format!("{text} \"a\"; alg \"HS256\""));
    // The summary of a nested token is about its outer header.
    let of_inner = format!("{text} \"b\"; alg \"HS256\", kid \"a\"");
    assert_eq!(kid("b"), of_inner);
    assert_eq!(
        line(&revoked(RevocationSubject::Sub, "a")),
        "revoked: claim \"sub\" is \"a\"; alg \"HS256\", kid \"a\""
    );
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
        presented: Presented::Token(b"x"),
        summarize,
        no_token: || unreachable!("there is a token"),
    }
    .to_string()
}

#[test]
fn a_log_line_names_alg_and_kid_once() {
    let unknown_key = || jose::Error::UnknownKey {
        alg: "HS256",
        kid: Some(Quoted::new("a")),
        reason: jose::NoKeyReason::NoSuchKid,
    };
    let text = "no key with kid \"a\" for HS256: the set has no such kid";
    assert_eq!(line(unknown_key(), "HS256", "a"), text);
    assert_eq!(
        line(unknown_key(), "dir", "b"),
        format!("{text}; alg \"dir\", kid \"b\"")
    );
    assert_eq!(
        line(unknown_key(), "dir", "a"),
        format!("{text}; alg \"dir\"")
    );
    let alg = Quoted::new("none");
    assert_eq!(
        line(jose::Error::UnsupportedAlgorithm { alg }, "none", "a"),
        "algorithm \"none\" is not supported; kid \"a\""
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
            presented: Presented::Nothing,
            summarize,
            no_token: || NoToken::EmptyHeader,
        }
        .to_string(),
        "no token: the \"Authorization\" header line is empty"
    );
}

#[test]
fn a_line_about_the_form_of_a_token_has_a_hint() {
    let line = |error: jose::Error, token: &str| {
        LogLine {
            rejection: &Rejection::Token(error),
            presented: Presented::Token(token.as_bytes()),
            summarize: Summary::default,
            no_token: || unreachable!("there is a token"),
        }
        .to_string()
    };
    let parts = |found, expected| jose::Error::TokenParts { found, expected };
    assert_eq!(
        line(parts(5, 3), "a.b.c.d.e"),
        "an encrypted token (5 parts) where a signed one is expected, see auth_jwt_type"
    );
    assert_eq!(
        line(parts(3, 5), "a.b.c"),
        "a signed token (3 parts) where an encrypted one is expected, see auth_jwt_type"
    );
    assert_eq!(
        line(parts(4, 3), "a.b.c.d"),
        "token has 4 parts instead of 3"
    );
    for (text, hint) in [
        (
            "null",
            ": a word for no value: the program that sends it has no token",
        ),
        (
            "Undefined",
            ": a word for no value: the program that sends it has no token",
        ),
        (
            "[object Object]",
            ": a placeholder: the program that sends it has put no token there",
        ),
        (
            "{{token}}",
            ": a placeholder: the program that sends it has put no token there",
        ),
        (
            "$TOKEN",
            ": a placeholder: the program that sends it has put no token there",
        ),
        (
            "nulls",
            ": no JWT; only its issuer can judge an opaque token, see docs/introspection.md",
        ),
        ("eyJ", ""),
    ] {
        assert_eq!(
            line(parts(1, 3), text),
            format!("token has 1 part instead of 3{hint}"),
            "{text}"
        );
    }
    assert_eq!(
        line(parts(2, 5), "ya29.x"),
        "token has 2 parts instead of 5: no JWT; only its issuer can judge an opaque token, see \
         docs/introspection.md"
    );
    let part = InputPart::Header;
    assert_eq!(
        line(jose::Error::Base64 { part }, "Bearer a.b.c"),
        "JOSE header is not base64url: another \"Bearer\" is in front of the token"
    );
    assert_eq!(
        line(jose::Error::Base64Padding { part }, "a=.b.c"),
        "JOSE header is base64url with padding"
    );
    let part = InputPart::Signature;
    assert_eq!(
        line(jose::Error::Base64 { part }, "Bearer a.b.c"),
        "signature is not base64url"
    );
}

#[test]
fn a_line_about_times_says_how_far_clocks_may_be_apart() {
    let line = |error| line(error, "a", "b");
    let expired = |exp, now| jose::Error::Expired {
        exp,
        now,
        leeway: 5,
    };
    let early = |nbf, now| jose::Error::NotYetValid {
        nbf,
        now,
        leeway: 5,
    };
    let advice = "if the clocks of issuer and nginx differ, see auth_jwt_leeway";
    let about = "; alg \"a\", kid \"b\"";
    for (error, text) in [
        (
            expired(100, 700),
            format!("expired: exp 100, now 700, leeway 5, 600 s ago: {advice}"),
        ),
        (
            expired(100, 701),
            "expired: exp 100, now 701, leeway 5".into(),
        ),
        (
            expired(i64::MIN, i64::MAX),
            format!("expired: exp {}, now {}, leeway 5", i64::MIN, i64::MAX),
        ),
        (
            early(700, 100),
            format!("not yet valid: nbf 700, now 100, leeway 5, 600 s ahead: {advice}"),
        ),
        (
            early(701, 100),
            "not yet valid: nbf 701, now 100, leeway 5".into(),
        ),
        (
            early(1_700_000_000_000, 1_700_000_000),
            "not yet valid: nbf 1700000000000, now 1700000000, leeway 5, which may be milliseconds \
             where seconds are needed"
                .into(),
        ),
    ] {
        assert_eq!(line(error), text + about);
    }
}
