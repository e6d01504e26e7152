//! The steps about claims and header parameters: times, the terms of an issuer, rules, scopes.

use std::slice;

use jose::{Claims, Error, JoseHeader, JsonKind, JsonValue, VerifiedToken};
use policy::auth_jwt::issuer::{IssuerRejection, IssuerTerms};
use policy::auth_jwt::rejection::{Rejection, RuleSubject};
use policy::auth_jwt::scopes::GrantedScopes;
use policy::auth_jwt::token_requirements::{check_rules, check_scopes};
use text::Quoted;

use super::step::Steps;
use crate::demands::{Demands, IssuerDemands};
use crate::key_files::DemandedFiles;
use crate::local_rule::LocalRule;
use crate::times::Clock;
use crate::verdict::{check_requirement, check_revoked, leeway};

/// What is in a token.
pub struct ShownToken<'a> {
    /// The header that the signature is about.
    pub header: &'a JoseHeader,
    /// The claims.
    pub claims: &'a Claims,
    /// The token, if its signature is right or it was decrypted.
    pub verified: Option<&'a VerifiedToken>,
}

/// `exp`, `nbf` and `iat`.
pub fn times(
    claims: &Claims,
    issuer: Option<&IssuerDemands>,
    demands: &Demands,
    clock: &Clock,
    steps: &mut Steps,
) {
    let leeway = leeway(issuer, demands);
    let allowed = match leeway.as_secs() {
        0 => String::new(),
        seconds => format!(", with a leeway of {seconds} s"),
    };
    let mut check = |name, checked: Result<Option<i64>, Error>| match checked {
        Ok(None) => steps.note(name, "not in the token"),
        Ok(Some(time)) => steps.pass(name, format!("{}{allowed}", clock.describe(time))),
        Err(error) => {
            let text = match error {
                Error::Expired { exp, .. } => format!("expired, {}{allowed}", clock.describe(exp)),
                Error::NotYetValid { nbf, .. } => {
                    format!("not yet valid, {}{allowed}", clock.describe(nbf))
                }
                _ => error.to_string(),
            };
            steps.refuse(name, text, Rejection::Token(error));
        }
    };
    check("exp", claims.exp(clock.now, leeway));
    check("nbf", claims.nbf(clock.now, leeway));

    let iat = claims.object().get(b"iat");
    let shown = match iat.and_then(JsonValue::as_number) {
        // A fraction of a second is of no interest to a reader.
        Some(number) => match number.parse::<f64>() {
            Ok(seconds) => clock.describe(seconds.floor() as i64),
            Err(_) => Quoted::new(number).to_string(),
        },
        None => iat.map_or("not in the token".to_owned(), describe),
    };
    let of_issuer = issuer.filter(|issuer| issuer.terms.max_age.is_some());
    if let Some(issuer) = of_issuer {
        let checked = issuer.terms.check_age(claims.object(), clock.now, leeway);
        let name = &issuer.terms.name;
        let checked = checked.map_err(|unmet| IssuerRejection::Unmet(name.clone(), unmet));
        steps.check("iat", format!("{shown}, by max_age of the issuer"), checked);
    }
    if demands.max_age.is_some() {
        let checked = demands.requirements().check_age(claims, clock.now, leeway);
        steps.check("iat", format!("{shown}, by auth_jwt_max_age"), checked);
    } else if of_issuer.is_none() {
        steps.note("iat", shown);
    }
}

/// What an issuer's block and the location require.
pub fn requirements(
    content: &ShownToken<'_>,
    issuer: Option<&IssuerDemands>,
    demands: &Demands,
    files: &DemandedFiles,
    steps: &mut Steps,
) {
    let (header, claims) = (content.header.object(), content.claims.object());
    if let Some(issuer) = issuer {
        terms(&issuer.terms, header, claims, steps);
        rules(RuleSubject::Claim, &issuer.rules, claims, demands, steps);
    }
    if !files.revoked.is_empty() {
        match content.verified {
            Some(token) => {
                steps.check(
                    "revocation",
                    "lists of revoked names",
                    check_revoked(token, files),
                );
            }
            None => steps.skip("revocation", "asked for a verified token only"),
        }
    }
    rules(
        RuleSubject::Claim,
        &demands.claim_rules,
        claims,
        demands,
        steps,
    );
    rules(
        RuleSubject::Header,
        &demands.header_rules,
        header,
        demands,
        steps,
    );
    if let Some(scopes) = &demands.scopes {
        let required = Quoted::whole(&**scopes.joined());
        let check = check_scopes(scopes, claims);
        // A refusal names the granted scopes itself.
        let subject = match check {
            Ok(()) => format!("{required}, {}", GrantedScopes::of(claims)),
            Err(_) => required.to_string(),
        };
        steps.check("scope", subject, check);
    }
    if demands.unmet_requirement.is_some() {
        steps.check("require", "auth_jwt_require", check_requirement(demands));
    }
}

/// The terms of an issuer, one by one.
fn terms(terms: &IssuerTerms, header: JsonValue<'_>, claims: JsonValue<'_>, steps: &mut Steps) {
    let only = || IssuerTerms {
        name: terms.name.clone(),
        issuer: terms.issuer.clone(),
        ..IssuerTerms::default()
    };
    let mut check = |step, text: String, part: IssuerTerms| {
        steps.check(step, text, part.check(header, claims));
    };
    if !terms.audience.is_empty() {
        let aud = claims.get(b"aud");
        let aud = aud.map_or("not in the token".to_owned(), describe);
        let audience = terms.audience.clone();
        check("aud", aud, IssuerTerms { audience, ..only() });
    }
    if terms.algorithms.is_some() {
        let alg = header.get(b"alg").map_or_else(String::new, describe);
        let algorithms = terms.algorithms.clone();
        check(
            "algorithms",
            alg,
            IssuerTerms {
                algorithms,
                ..only()
            },
        );
    }
    let typ = || {
        let typ = header.get(b"typ");
        typ.map_or("not in the token".to_owned(), describe)
    };
    if !terms.types.is_empty() {
        let types = terms.types.clone();
        check("typ", typ(), IssuerTerms { types, ..only() });
    }
    if terms.requires_access_token {
        let part = IssuerTerms {
            requires_access_token: true,
            ..only()
        };
        check(
            "profile",
            format!("access token of RFC 9068, typ is {}", typ()),
            part,
        );
    }
}

fn rules(
    subject: RuleSubject,
    rules: &[LocalRule],
    object: JsonValue<'_>,
    demands: &Demands,
    steps: &mut Steps,
) {
    for rule in rules {
        let checked = check_rules(subject, slice::from_ref(rule), object, &demands.variables);
        let value = rule.value(object);
        let value = value.map_or("not in the token".to_owned(), describe);
        let text = format!("{}: {value}", rule.text());
        let step = match subject {
            RuleSubject::Claim => "claim rule",
            RuleSubject::Header => "header rule",
        };
        match checked {
            Ok(()) => steps.pass(step, text),
            Err(rejection) => {
                let failure = match &rejection {
                    Rejection::Rule { failure, .. } => failure.to_string(),
                    other => other.to_string(),
                };
                // The failure has the value as well, if that is all that there is to say.
                let text = match failure.strip_prefix("it is ") {
                    Some(rest) => format!("{}: {rest}", rule.text()),
                    None => format!("{text}: {failure}"),
                };
                steps.refuse(step, text, rejection);
            }
        }
    }
}

/// A value with its type, such as `the number 5`.
pub fn describe(value: JsonValue<'_>) -> String {
    let kind = match value.kind() {
        JsonKind::String | JsonKind::EscapedString => "the string ",
        JsonKind::Number => "the number ",
        JsonKind::Array => "the array ",
        JsonKind::Object => "the object ",
        JsonKind::Null | JsonKind::True | JsonKind::False => "",
    };
    match value.as_str() {
        Some(string) => format!("{kind}{}", Quoted::new(&*string)),
        None => format!("{kind}{}", super::token_steps::json(value.raw())),
    }
}
