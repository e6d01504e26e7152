use super::*;
use crate::auth_jwt::rules::{RuleConfig, RuleError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jose::{KeySet, Limits, SignatureCheck, TokenType, UnverifiedToken};

const NOW: i64 = 1_000;

/// Neither variables nor regular expressions.
struct Constant;

impl RuleConfig for Constant {
    type Variable = ();
    type Regex = ();
    type Error = RuleError;

    fn variable(&mut self, name: &[u8]) -> Result<(), RuleError> {
        panic!("{name:?}")
    }

    fn regex(&mut self, pattern: &[u8]) -> Result<(), String> {
        panic!("{pattern:?}")
    }

    fn warn(&mut self, message: String) {
        panic!("{message}")
    }
}

impl RuleRequest for Constant {
    type Variable = ();
    type Regex = ();

    fn value(&self, (): &()) -> &[u8] {
        b""
    }

    fn matches(&self, (): &(), text: &str) -> Result<bool, &'static str> {
        panic!("{text}")
    }

    fn matches_pattern(&self, _: &[u8], text: &str) -> Result<Result<bool, &'static str>, String> {
        panic!("{text}")
    }
}

fn token(header: &str, claims: &str) -> VerifiedToken {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let text = format!("{}.{}.AAAA", part(header), part(claims));
    let token = UnverifiedToken::parse(text.as_bytes(), TokenType::Signed, &Limits::default());
    let keys = KeySet::default();
    let token = token.unwrap().authenticate(&keys, SignatureCheck::Believe);
    token.unwrap().valid_at(NOW, Duration::ZERO).unwrap()
}

fn rule(args: &[&str]) -> Vec<Rule<(), ()>> {
    vec![Rule::parse(args, &mut Constant).unwrap()]
}

#[test]
fn before_there_are_keys_the_age_comes_before_the_algorithm() {
    let mut algorithms = AllowedAlgorithms::default();
    algorithms.add(b"RS256").unwrap();
    let requirements = TokenRequirements::<(), ()> {
        algorithms: Some(&algorithms),
        max_age: Some(Duration::from_secs(10)),
        claim_rules: &[],
        header_rules: &[],
        scopes: None,
    };
    let check = |header, claims, are_readable: bool| {
        let token = token(header, claims);
        let claims = are_readable.then(|| token.claims());
        requirements.check_without_keys(token.header(), claims, NOW, Duration::ZERO)
    };
    let (right, wrong) = (r#"{"alg":"RS256"}"#, r#"{"alg":"HS256"}"#);
    let (young, old) = (r#"{"iat":990}"#, r#"{"iat":989}"#);
    assert_eq!(check(right, young, true), Ok(()));
    let refused = check(wrong, old, true);
    assert!(matches!(refused, Err(Rejection::Age(_))), "{refused:?}");
    for (claims, are_readable) in [(young, true), (old, false)] {
        let refused = check(wrong, claims, are_readable);
        let alg = Quoted::new("HS256");
        assert_eq!(refused, Err(Rejection::Algorithm { alg }));
    }
    assert_eq!(check(right, old, false), Ok(()));
}

#[test]
fn a_nested_token_needs_an_allowed_algorithm_outside_and_inside() {
    let key = test_tokens::key("A128KW", None).unwrap();
    let keys = serde_json::to_vec(&key).unwrap();
    let inner = [r#"{"alg":"HS256"}"#, "{}"].map(|part| URL_SAFE_NO_PAD.encode(part));
    let inner = format!("{}.AAAA", inner.join("."));
    let header = serde_json::Map::new();
    let text = test_tokens::encrypt("A128KW", "A128GCM", &key, &header, inner.as_bytes()).unwrap();
    let token = UnverifiedToken::parse(text.as_bytes(), TokenType::Nested, &Limits::default());
    let keys = KeySet::parse(&keys).unwrap();
    let token = token.unwrap().authenticate(&keys, SignatureCheck::Believe);
    let token = token.unwrap().valid_at(NOW, Duration::ZERO).unwrap();
    let check = |allowed: &[&str]| {
        let mut algorithms = AllowedAlgorithms::default();
        for name in allowed {
            algorithms.add(name.as_bytes()).unwrap();
        }
        let requirements = TokenRequirements::<(), ()> {
            algorithms: Some(&algorithms),
            max_age: None,
            claim_rules: &[],
            header_rules: &[],
            scopes: None,
        };
        requirements.check_algorithms(&token)
    };
    let refused = |alg| {
        Err(Rejection::Algorithm {
            alg: Quoted::new(alg),
        })
    };
    assert_eq!(check(&["HS256"]), refused("A128KW"));
    assert_eq!(check(&["A128KW"]), refused("HS256"));
    assert_eq!(check(&["A128KW", "HS256"]), Ok(()));
}

#[test]
fn claims_come_before_the_header_and_the_header_before_scopes() {
    let mut scopes = RequiredScopes::default();
    scopes.add(b"read").unwrap();
    let (claim_rules, header_rules) = (rule(&["sub", "eq", "a"]), rule(&["typ", "eq", "JWT"]));
    let requirements = TokenRequirements {
        algorithms: None,
        max_age: None,
        claim_rules: &claim_rules,
        header_rules: &header_rules,
        scopes: Some(&scopes),
    };
    let check = |header, claims| requirements.check_values(&token(header, claims), &Constant);
    let (typed, bare) = (r#"{"alg":"HS256","typ":"JWT"}"#, r#"{"alg":"HS256"}"#);
    assert_eq!(check(typed, r#"{"sub":"a","scope":"read"}"#), Ok(()));
    for (header, claims, text) in [
        (bare, "{}", r#"required claim "sub" eq "a": it is missing"#),
        (
            bare,
            r#"{"sub":"a"}"#,
            r#"required header parameter "typ" eq "JWT": it is missing"#,
        ),
        (
            typed,
            r#"{"sub":"a"}"#,
            r#"required scope "read" is not granted: the token has neither scope nor scp"#,
        ),
    ] {
        let rejection = check(header, claims).unwrap_err();
        assert_eq!(rejection.to_string(), text);
    }
}

#[test]
fn without_requirements_every_token_passes() {
    let requirements = TokenRequirements::<(), ()> {
        algorithms: None,
        max_age: None,
        claim_rules: &[],
        header_rules: &[],
        scopes: None,
    };
    let token = token(r#"{"alg":"HS256"}"#, r#"{"iat":"x"}"#);
    let (header, claims) = (token.header(), Some(token.claims()));
    let before = requirements.check_without_keys(header, claims, NOW, Duration::ZERO);
    assert_eq!(before, Ok(()));
    assert_eq!(
        requirements.check_age(token.claims(), NOW, Duration::ZERO),
        Ok(())
    );
    assert_eq!(requirements.check_algorithms(&token), Ok(()));
    assert_eq!(requirements.check_values(&token, &Constant), Ok(()));
}
