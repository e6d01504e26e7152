use super::*;
use base64::engine::general_purpose::STANDARD;
use jose::{KeySet, Limits, SignatureCheck, TokenType, UnverifiedToken};

const DER: &[u8] = b"\x30\x03\x02\x01\x05";
const OTHER_DER: &[u8] = b"\x30\x03\x02\x01\x06";

fn binding(is_required: bool) -> BindingRule {
    BindingRule {
        kind: BindingKind::Tls,
        variable: "$cert".into(),
        is_required,
    }
}

fn pem(der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n")
}

fn thumbprint_of(der: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(openssl::sha::sha256(der))
}

/// The log line about a token with these claims and a client with this certificate, or "ok".
fn judge(binding: &BindingRule, claims: &str, certificate: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
    let token = format!("{header}.{}.AAAA", URL_SAFE_NO_PAD.encode(claims));
    let limits = Limits::default();
    let token = match UnverifiedToken::parse(token.as_bytes(), TokenType::Signed, &limits) {
        Ok(token) => token,
        Err(error) => return error.to_string(),
    };
    let token = token.authenticate(&KeySet::default(), SignatureCheck::Believe);
    let token = token.unwrap().valid_at(0, std::time::Duration::ZERO);
    let claims = token.unwrap();
    match binding.check(
        claims.claims().object(),
        None,
        || Ok(certificate.as_bytes()),
    ) {
        Ok(None) => "ok".to_owned(),
        Ok(Some(jkt)) => URL_SAFE_NO_PAD.encode(jkt),
        Err(error) => error.to_string(),
    }
}

#[test]
fn row_61_a_bound_token_needs_the_certificate_it_is_bound_to() {
    let bound = format!(r#"{{"cnf":{{"x5t#S256":"{}"}}}}"#, thumbprint_of(DER));
    let (own, other) = (pem(DER), pem(OTHER_DER));
    let cases = [
        (
            "",
            "the token is bound to a client certificate, and $cert is empty",
        ),
        (
            &*other,
            "the token is bound to another client certificate than that in $cert",
        ),
        ("x", "$cert holds no client certificate: it is not base64"),
        (&*own, "ok"),
    ];
    for (certificate, outcome) in cases {
        for is_required in [true, false] {
            assert_eq!(judge(&binding(is_required), &bound, certificate), outcome);
        }
    }
    let chain = format!("{other}{own}");
    assert_eq!(judge(&binding(true), &bound, &chain), cases[1].1);
}

#[test]
fn row_61_a_claim_that_cannot_be_checked_is_refused() {
    let good = thumbprint_of(DER);
    let not_object = "claim \"cnf\" is not an object";
    let none = "claim \"cnf\" has no \"x5t#S256\", which \"auth_jwt_binding tls\" checks";
    let not_thumbprint = "\"x5t#S256\" in claim \"cnf\" is not a SHA-256 in base64url";
    let member = |value: &str| format!(r#"{{"x5t#S256":{value}}}"#);
    let cases = [
        ("null".to_owned(), not_object),
        ("\"x\"".to_owned(), not_object),
        (format!("\"{good}\""), not_object),
        ("1".to_owned(), not_object),
        ("true".to_owned(), not_object),
        (format!("[{}]", member(&format!("\"{good}\""))), not_object),
        ("{}".to_owned(), none),
        (format!(r#"{{"x5t#s256":"{good}"}}"#), none),
        (format!(r#"{{"x5t":"{good}"}}"#), none),
        (member("null"), not_thumbprint),
        (member("1"), not_thumbprint),
        (member("{}"), not_thumbprint),
        (member(&format!("[\"{good}\"]")), not_thumbprint),
        (member("\"\""), not_thumbprint),
        (member(&format!("\"{good}=\"")), not_thumbprint),
        (member(&format!("\"{good}A\"")), not_thumbprint),
        (member(&format!("\"{}\"", &good[1..])), not_thumbprint),
        (member(&format!("\" {}\"", &good[1..])), not_thumbprint),
        (member(&format!("\"{}\"", "+".repeat(43))), not_thumbprint),
        // Bits that no byte uses.
        (member(&format!("\"{}B\"", "A".repeat(42))), not_thumbprint),
        (
            member(&format!("\"{}\"", "\u{e9}".repeat(21) + "A")),
            not_thumbprint,
        ),
    ];
    for (cnf, outcome) in cases {
        let claims = format!(r#"{{"cnf":{cnf}}}"#);
        for is_required in [true, false] {
            assert_eq!(
                judge(&binding(is_required), &claims, &pem(DER)),
                outcome,
                "{claims}"
            );
        }
    }
}

#[test]
fn row_61_another_key_of_the_token_is_not_left_unchecked() {
    let good = thumbprint_of(DER);
    for other in OTHERS.into_iter().chain([KEY]) {
        let outcome =
            format!("claim \"cnf\" has \"{other}\", which \"auth_jwt_binding tls\" cannot check");
        for cnf in [
            format!(r#"{{"{other}":"x"}}"#),
            format!(r#"{{"{other}":null}}"#),
            format!(r#"{{"x5t#S256":"{good}","{other}":"x"}}"#),
        ] {
            let claims = format!(r#"{{"cnf":{cnf}}}"#);
            assert_eq!(
                judge(&binding(false), &claims, &pem(DER)),
                outcome,
                "{claims}"
            );
        }
    }
    // What nobody knows is ignored (RFC 7800 section 3.1).
    let claims = format!(r#"{{"cnf":{{"x5t#S256":"{good}","x":1}}}}"#);
    assert_eq!(judge(&binding(false), &claims, &pem(DER)), "ok");
}

#[test]
fn row_61_two_claims_of_a_name_are_refused() {
    let (own, other) = (thumbprint_of(DER), thumbprint_of(OTHER_DER));
    let own = format!(r#""x5t#S256":"{own}""#);
    for (claims, name) in [
        (
            format!(r#"{{"cnf":{{{own}}},"cnf":{{"x5t#S256":"{other}"}}}}"#),
            "cnf",
        ),
        (
            format!(r#"{{"cnf":{{{own},"x5t#S256":"{other}"}}}}"#),
            "x5t#S256",
        ),
        (
            format!(r#"{{"cnf":{{{own},"x5t#\u0053256":"{other}"}}}}"#),
            "x5t#S256",
        ),
    ] {
        let outcome = judge(&binding(false), &claims, &pem(DER));
        assert_eq!(outcome, format!("claims set has the name \"{name}\" twice"));
    }
}

#[test]
fn a_token_that_is_bound_to_nothing_is_a_bearer_token_unless_a_binding_is_required() {
    let unbound = "claim \"cnf\" is missing, which \"auth_jwt_binding tls required\" requires";
    for certificate in ["", "x", &*pem(DER)] {
        assert_eq!(judge(&binding(false), "{}", certificate), "ok");
        assert_eq!(judge(&binding(true), "{}", certificate), unbound);
        // Only the claim of this name counts.
        let claims = r#"{"CNF":{},"x5t#S256":"x","a":{"cnf":{}}}"#;
        assert_eq!(judge(&binding(false), claims, certificate), "ok");
        assert_eq!(judge(&binding(true), claims, certificate), unbound);
    }
}

#[test]
fn a_thumbprint_with_escape_sequences_is_the_same() {
    let good = thumbprint_of(DER);
    let escaped: String = good
        .chars()
        .map(|c| format!("\\u{:04x}", c as u32))
        .collect();
    let claims = format!(r#"{{"c\u006ef":{{"x5t\u0023S256":"{escaped}"}}}}"#);
    assert_eq!(judge(&binding(true), &claims, &pem(DER)), "ok");
    assert_eq!(
        judge(&binding(true), &claims, &pem(OTHER_DER)),
        "the token is bound to another client certificate than that in $cert"
    );
}

/// What becomes of a token with this `cnf` under each kind: "ok", "proof" if a key is still to be
/// proved, or the log line.
fn outcomes(cnf: &str, scheme: Option<AuthScheme>) -> [String; 3] {
    let claims = format!(r#"{{"cnf":{cnf}}}"#);
    let limits = Limits::default();
    let document = jose::Document::parse_value(claims.as_bytes(), &limits).unwrap();
    [BindingKind::Tls, BindingKind::Dpop, BindingKind::Any].map(|kind| {
        let rule = BindingRule {
            kind,
            ..binding(false)
        };
        let certificate = pem(DER);
        match rule.check(document.root(), scheme, || Ok(certificate.as_bytes())) {
            Ok(None) => "ok".to_owned(),
            Ok(Some(jkt)) => {
                assert_eq!(URL_SAFE_NO_PAD.encode(jkt), thumbprint_of(OTHER_DER));
                "proof".to_owned()
            }
            Err(error) => error.to_string(),
        }
    })
}

#[test]
fn row_61_each_kind_checks_what_it_can_and_refuses_the_rest() {
    let certificate = format!(r#""x5t#S256":"{}""#, thumbprint_of(DER));
    let key = format!(r#""jkt":"{}""#, thumbprint_of(OTHER_DER));
    let cannot = |member: &str, kind: &str| {
        format!("claim \"cnf\" has \"{member}\", which \"auth_jwt_binding {kind}\" cannot check")
    };
    let dpop = Some(AuthScheme::Dpop);
    let as_bound = "the token is sent with the scheme \"DPoP\", and bound to no key";
    assert_eq!(
        outcomes(&format!("{{{certificate}}}"), None),
        ["ok".into(), cannot("x5t#S256", "dpop"), "ok".into()]
    );
    assert_eq!(outcomes(&format!("{{{certificate}}}"), dpop)[2], as_bound);
    assert_eq!(
        outcomes(&format!("{{{key}}}"), dpop),
        [cannot("jkt", "tls"), "proof".into(), "proof".into()]
    );
    assert_eq!(
        outcomes(&format!("{{{certificate},{key}}}"), dpop),
        [
            cannot("jkt", "tls"),
            cannot("x5t#S256", "dpop"),
            "proof".into()
        ]
    );
    let as_bearer =
        "the token is bound to a key, and sent with the scheme \"Bearer\" instead of \"DPoP\"";
    let sent_as_bearer = outcomes(&format!("{{{key}}}"), Some(AuthScheme::Bearer));
    assert_eq!(sent_as_bearer[1..], [as_bearer, as_bearer]);
    for other in OTHERS {
        let both = format!(r#"{{{certificate},{key},"{other}":1}}"#);
        assert_eq!(outcomes(&both, dpop)[2], cannot(other, "any"));
    }
    assert_eq!(
        outcomes("{}", dpop),
        [
            "claim \"cnf\" has no \"x5t#S256\", which \"auth_jwt_binding tls\" checks",
            "claim \"cnf\" has no \"jkt\", which \"auth_jwt_binding dpop\" checks",
            "claim \"cnf\" has no \"x5t#S256\" or \"jkt\", which \"auth_jwt_binding any\" checks",
        ]
    );
    assert_eq!(
        outcomes(r#"{"jkt":"x"}"#, dpop)[1],
        "\"jkt\" in claim \"cnf\" is not a SHA-256 in base64url"
    );
}

#[test]
fn row_61_a_certificate_that_cannot_be_told_is_none_of_the_clients() {
    let claims = format!(r#"{{"cnf":{{"x5t#S256":"{}"}}}}"#, thumbprint_of(DER));
    let document = jose::Document::parse_value(claims.as_bytes(), &Limits::default()).unwrap();
    let several = || Err(CertificateError::SeveralLines);
    let error = binding(false).check(document.root(), None, several);
    assert_eq!(
        error.unwrap_err().to_string(),
        "$cert holds no client certificate: there is more than one such header line"
    );
}
