use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jose::{KeySet, Limits, SignatureCheck, TokenType, UnverifiedToken};

/// A token that is believed without a signature.
fn token(header: &str, claims: &str) -> VerifiedToken {
    let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
    let text = format!("{}.{}.AAAA", part(header), part(claims));
    let limits = Limits::default();
    let token = UnverifiedToken::parse(text.as_bytes(), TokenType::Signed, &limits).unwrap();
    let token = token.authenticate(&KeySet::default(), SignatureCheck::Believe);
    token
        .unwrap()
        .valid_at(0, std::time::Duration::ZERO)
        .unwrap()
}

/// The log line about a token with these claims where a list has "alice", or "ok".
fn judge(subject: RevocationSubject, header: &str, claims: &str) -> String {
    let contains = |name: &[u8]| Ok::<_, RevocationError>(name == b"alice");
    match subject.check(&token(header, claims), contains) {
        Ok(()) => "ok".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_value_that_the_list_has_is_revoked() {
    use RevocationSubject::{Jti, Kid, Sub};
    let header = r#"{"alg":"HS256","kid":"a"}"#;
    let of_alice = r#"{"alg":"HS256","kid":"alice"}"#;
    let revoked = "revoked: claim \"sub\" is \"alice\"";
    assert_eq!(judge(Sub, header, r#"{"sub":"alice"}"#), revoked);
    assert_eq!(judge(Sub, header, r#"{"sub":"\u0061lice"}"#), revoked);
    assert_eq!(
        judge(Jti, header, r#"{"jti":"alice"}"#),
        "revoked: claim \"jti\" is \"alice\""
    );
    assert_eq!(
        judge(Kid, of_alice, "{}"),
        "revoked: header parameter \"kid\" is \"alice\""
    );
    // Each list is about its own part of the token.
    let others = r#"{"sub":"bob","jti":"alice","kid":"alice"}"#;
    assert_eq!(judge(Sub, of_alice, others), "ok");
    assert_eq!(judge(Kid, header, others), "ok");
    for claims in [r#"{"sub":"Alice"}"#, r#"{"sub":"alice "}"#, r#"{"sub":""}"#] {
        assert_eq!(judge(Sub, header, claims), "ok", "{claims}");
    }
}

#[test]
fn what_a_list_is_about_has_to_be_there() {
    use RevocationSubject::{Jti, Kid, Sub};
    let header = r#"{"alg":"HS256","kid":"a"}"#;
    for (subject, name) in [(Sub, "sub"), (Jti, "jti")] {
        assert_eq!(
            judge(subject, header, "{}"),
            format!("claim \"{name}\" is missing, which auth_jwt_revocation_list_{name} requires")
        );
        for value in ["null", "true", "17", "[\"alice\"]", "{\"alice\":1}"] {
            assert_eq!(
                judge(subject, header, &format!("{{\"{name}\":{value}}}")),
                format!(
                    "claim \"{name}\" is not a string, which auth_jwt_revocation_list_{name} \
                     requires"
                ),
                "{value}"
            );
        }
    }
    assert_eq!(
        judge(Kid, r#"{"alg":"HS256"}"#, r#"{"kid":"a"}"#),
        "header parameter \"kid\" is missing, which auth_jwt_revocation_list_kid requires"
    );
}

#[test]
fn an_error_of_the_list_comes_before_a_verdict() {
    #[derive(Debug, PartialEq)]
    struct Unreadable;
    impl From<RevocationError> for Unreadable {
        fn from(error: RevocationError) -> Self {
            panic!("{error}")
        }
    }
    let token = token(r#"{"alg":"HS256"}"#, r#"{"sub":"alice"}"#);
    let judged = RevocationSubject::Sub.check(&token, |_| Err(Unreadable));
    assert_eq!(judged, Err(Unreadable));
}
