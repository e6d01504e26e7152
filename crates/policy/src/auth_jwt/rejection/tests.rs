use super::*;
use crate::auth_jwt::dpop_nonce::NonceError;
use crate::auth_jwt::issuer::{NotAccessToken, UntrustedIssuer};
use crate::auth_jwt::revocation::RevocationSubject;
use crate::auth_jwt::watched_file::FileError;

fn algorithms() -> String {
    "ALGS".to_owned()
}

fn text(challenge: Challenge<'_>, realm: &str) -> String {
    String::from_utf8(
        challenge
            .value(AuthScheme::Bearer, realm.as_bytes(), algorithms)
            .unwrap(),
    )
    .unwrap()
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
    assert_eq!(
        Challenge::None.value(AuthScheme::Bearer, b"site", algorithms),
        None
    );
    assert_eq!(
        text(Challenge::InsufficientScope("a b"), "site"),
        r#"Bearer realm="site", error="insufficient_scope", scope="a b""#
    );
}

#[test]
fn a_challenge_for_dpop_names_the_algorithms_and_the_proof() {
    let text = |challenge: Challenge<'_>, scheme| {
        String::from_utf8(challenge.value(scheme, b"a\"b", algorithms).unwrap()).unwrap()
    };
    let (bearer, dpop) = (AuthScheme::Bearer, AuthScheme::Dpop);
    let start = r#"DPoP realm="a\"b", algs="ALGS""#;
    assert_eq!(text(Challenge::Realm, dpop), start);
    assert_eq!(
        text(Challenge::InvalidToken, dpop),
        format!("{start}, error=\"invalid_token\"")
    );
    assert_eq!(
        text(Challenge::InvalidProof, dpop),
        format!("{start}, error=\"invalid_dpop_proof\"")
    );
    assert_eq!(
        text(Challenge::InvalidProof, bearer),
        r#"Bearer realm="a\"b", error="invalid_token""#
    );
    assert_eq!(
        text(Challenge::UseNonce, dpop),
        format!(
            "{start}, error=\"use_dpop_nonce\", \
             error_description=\"use the nonce in the header field DPoP-Nonce\""
        )
    );
    assert_eq!(text(Challenge::UseNonce, bearer), r#"Bearer realm="a\"b""#);
    assert_eq!(
        text(Challenge::InsufficientScope("a b"), dpop),
        format!("{start}, error=\"insufficient_scope\", scope=\"a b\"")
    );
    assert_eq!(Challenge::None.value(dpop, b"a", algorithms), None);
}

#[test]
fn a_challenge_knows_its_attributes() {
    let challenges = [
        Challenge::Realm,
        Challenge::InvalidToken,
        Challenge::InvalidProof,
        Challenge::UseNonce,
        Challenge::InsufficientScope("a b"),
    ];
    for challenge in challenges {
        for scheme in [AuthScheme::Bearer, AuthScheme::Dpop] {
            let value = challenge.value(scheme, b"site", algorithms).unwrap();
            let value = String::from_utf8(value).unwrap();
            for name in ["scope", "algs", "error_description", "resource_metadata"] {
                assert_eq!(
                    challenge.has(scheme, name.as_bytes()),
                    value.contains(&format!(", {name}=")),
                    "{name} in {value}"
                );
            }
        }
    }
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
fn row_35_a_file_name_stays_inside_its_quotes() {
    let refused = Rejection::KeyFile {
        path: "/keys/a\r\n[alert] \"\u{fc}".into(),
        error: KeyError::File(FileError::NotRegular),
    };
    assert_eq!(
        refused.to_string(),
        r#"key file "/keys/a\x0d\x0a[alert] \"\xc3\xbc": not a regular file"#
    );
    let refused = Rejection::RevocationList {
        path: "/a\nb".into(),
        error: FileError::NotRegular.into(),
    };
    assert_eq!(
        refused.to_string(),
        r#"revocation list "/a\x0ab": not a regular file; it has to be a file on disk"#
    );
}

fn revoked(subject: RevocationSubject, value: &str) -> Rejection {
    let value = Quoted::new(value);
    RevocationError::Revoked { subject, value }.into()
}

#[test]
fn each_rejection_has_its_response() {
    let missing_sub = RevocationError::Missing(RevocationSubject::Sub);
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
    let untrusted = IssuerRejection::Untrusted(UntrustedIssuer::Missing {
        trusted: "\"corp\"".into(),
    });
    let unmet = |term| Rejection::Issuer(IssuerRejection::Unmet("corp".into(), term));
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
        (untrusted.into(), token, "untrusted_issuer"),
        (unmet(UnmetTerm::NoAudience), token, "claim_mismatch"),
        (
            unmet(UnmetTerm::Audience {
                aud: uri(),
                audience: String::new(),
            }),
            token,
            "claim_mismatch",
        ),
        (unmet(UnmetTerm::NoType), token, "claim_mismatch"),
        (
            unmet(UnmetTerm::Type {
                typ: uri(),
                wanted: String::new(),
            }),
            token,
            "claim_mismatch",
        ),
        (
            unmet(UnmetTerm::AccessToken(NotAccessToken::Missing("jti"))),
            token,
            "claim_mismatch",
        ),
        (
            unmet(UnmetTerm::Algorithm { alg: uri() }),
            token,
            "unsupported_algorithm",
        ),
        (
            unmet(UnmetTerm::Age(AgeError::Missing)),
            token,
            "claim_mismatch",
        ),
        (
            unmet(UnmetTerm::Age(AgeError::NotNumber)),
            token,
            "malformed",
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
        (BindingError::OtherKey.into(), token, "binding"),
        (
            BindingError::Proof(ProofError::Missing).into(),
            (401, Challenge::InvalidProof, info),
            "binding",
        ),
        (
            BindingError::from(ProofError::from(NonceError::Missing)).into(),
            (401, Challenge::UseNonce, info),
            "binding",
        ),
        (missing_sub.into(), token, "claim_mismatch"),
        (
            RevocationError::NotString(RevocationSubject::Kid).into(),
            token,
            "claim_mismatch",
        ),
        (revoked(RevocationSubject::Jti, "x"), token, "revoked"),
        (
            Rejection::RevocationList {
                path: "/list".into(),
                error: FileError::NotRegular.into(),
            },
            server,
            "keys_unavailable",
        ),
        (rule(401), token, "claim_mismatch"),
        (rule(403), (403, none, info), "claim_mismatch"),
        (
            Rejection::Scope {
                missing: Quoted::new("b"),
                granted: GrantedScopes::default(),
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
                reason: UnsafePath::DotDot(1),
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
        let response = rejection.response();
        let outside = (response.status, response.challenge, response.log_level);
        assert_eq!(outside, (status, challenge, log_level), "{rejection:?}");
        assert_eq!(response.jwt_status.name(), jwt_status, "{rejection:?}");
    }
}

#[test]
fn a_url_in_place_of_a_key_file_is_recognized() {
    let text = |path: &str, error: FileError| {
        let error = error.into();
        let path = path.into();
        Rejection::KeyFile { path, error }.to_string()
    };
    let missing = || FileError::Missing("none".into());
    assert_eq!(
        text("/etc/nginx/https://i/keys", missing()),
        "key file \"/etc/nginx/https://i/keys\": none; keys are fetched from a URL by \
         auth_jwt_issuer with jwks_uri"
    );
    assert_eq!(
        text("/etc/nginx/a", missing()),
        "key file \"/etc/nginx/a\": none"
    );
    assert_eq!(
        text("/a://b", FileError::NotRegular),
        "key file \"/a://b\": not a regular file"
    );
}

#[test]
fn errors_of_a_key_location_say_where_to_look() {
    let text = |error| {
        let uri = Quoted::new("/jwks");
        Rejection::KeyRequest { uri, error }.to_string()
    };
    let parsed = |body: &[u8]| text(jose::KeySet::parse(body).unwrap_err().into());
    let location = "see which location has this URI, and its proxy_pass";
    assert_eq!(
        parsed(b"<html></html>"),
        format!(
            "key request \"/jwks\": HTTP status 200, but HTML or XML instead of a JWK Set; {location}"
        )
    );
    assert_eq!(
        parsed(b""),
        format!(
            "key request \"/jwks\": HTTP status 200, but empty instead of a JWK Set; {location}"
        )
    );
    assert_eq!(
        parsed(br#"{"jwks_uri":"https://i/keys"}"#),
        "key request \"/jwks\": OpenID configuration instead of a JWK Set; the keys are at its \
         jwks_uri \"https://i/keys\""
    );
    assert_eq!(
        text(KeyError::Status(404)),
        "key request \"/jwks\": HTTP status 404; no location has this URI, or nothing is at the \
         address in its proxy_pass"
    );
    for (status, advice) in [
        (204, None),
        (302, Some("redirects are not followed")),
        (403, Some("refuses the request")),
        (500, None),
        (502, Some("the line of nginx above says why")),
        (
            504,
            Some("see proxy_connect_timeout and proxy_read_timeout"),
        ),
    ] {
        let text = text(KeyError::Status(status));
        assert_eq!(text.contains("; "), advice.is_some(), "{text}");
        assert!(text.contains(advice.unwrap_or_default()), "{text}");
    }
}
