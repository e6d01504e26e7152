//! Whether a location accepts a token: the module's checks in the module's order. Each check is the
//! function of jose or policy that the module calls. The order is that of src/auth_jwt (handler.rs,
//! authenticate.rs, issued_token.rs), and t/command_line.t compares the two.

use std::rc::Rc;
use std::time::Duration;

use jose::{
    AuthenticToken, KeySet, Limits, SignatureCheck, TokenType, UnverifiedToken, VerifiedToken,
};
use policy::auth_jwt::bearer::{Presented, find_token, find_token_in_value};
use policy::auth_jwt::issuer::{IssuerRejection, choose};
use policy::auth_jwt::rejection::{Rejection, RuleSubject};
use policy::auth_jwt::token_requirements::check_rules;

use crate::demands::{Demands, IssuerDemands, WhereToken};
use crate::key_files::{DemandedFiles, KeyFileText, merge};

/// What a location presents to the judge when a client sends `token`: behind the word Bearer, or as
/// the value of a variable.
pub fn presented<'a>(demands: &Demands, header: &'a [u8], token: &'a [u8]) -> Presented<'a> {
    match demands.source {
        WhereToken::Authorization => find_token(std::iter::once(header), false),
        WhereToken::Variable(_) => find_token_in_value(token),
    }
}

/// What a location makes of a token.
#[derive(Debug)]
pub struct Judgement {
    /// Why the request is refused, if it is.
    pub rejection: Option<Rejection>,
    /// The token, if it is verified. It may be refused all the same, for what it says.
    pub verified: Option<VerifiedToken>,
}

/// Judges what a request presents, at the time `now` in seconds since 1970 in UTC.
pub fn judge(
    presented: Presented<'_>,
    demands: &Demands,
    files: &DemandedFiles,
    now: i64,
) -> Judgement {
    let mut verified = None;
    let result = check(presented, demands, files, now, &mut verified);
    Judgement {
        rejection: result.err(),
        verified,
    }
}

fn check(
    presented: Presented<'_>,
    demands: &Demands,
    files: &DemandedFiles,
    now: i64,
    verified: &mut Option<VerifiedToken>,
) -> Result<(), Rejection> {
    if lacks_keys(demands) {
        return Err(Rejection::NoKeySource);
    }
    let text = match presented {
        Presented::Token(text) => text,
        Presented::Nothing => return Err(Rejection::Missing),
        Presented::Several => return Err(Rejection::SeveralTokens),
    };
    let token = UnverifiedToken::parse(text, demands.token_type, &Limits::default())?;
    if token.header().zip().is_some() && !demands.accepts_compression {
        return Err(Rejection::Compressed);
    }
    let (authentic, issuer) = match &demands.trusted {
        None => (authenticate(&token, demands, files, now)?, None),
        Some(trusted) => authenticate_issued(&token, demands, trusted, files, now)?,
    };
    let leeway = leeway(issuer, demands);
    let requirements = demands.requirements();
    if authentic.readable_claims().is_none() {
        requirements.check_without_keys(authentic.header(), None, now, leeway)?;
    }
    let token = verified.insert(authentic.valid_at(now, leeway)?);
    let claims = token.claims().object();
    if let Some(issuer) = issuer {
        check_age_of(issuer, token, now, leeway)?;
    }
    requirements.check_age(token.claims(), now, leeway)?;
    requirements.check_algorithms(token)?;
    if let Some(issuer) = issuer {
        check_rules(
            RuleSubject::Claim,
            &issuer.rules,
            claims,
            &demands.variables,
        )?;
    }
    check_revoked(token, files)?;
    requirements.check_values(token, &demands.variables)?;
    check_requirement(demands)
}

/// Checks the values of `auth_jwt_require` that are the same for every request.
pub fn check_requirement(demands: &Demands) -> Result<(), Rejection> {
    match &demands.unmet_requirement {
        Some(unmet) => Err(Rejection::Requirement {
            value: Rc::clone(&unmet.value),
            status: unmet.status,
        }),
        None => Ok(()),
    }
}

/// Whether the location needs keys of its own and has none.
pub fn lacks_keys(demands: &Demands) -> bool {
    let needs_none = demands.trusted.is_some() && demands.token_type == TokenType::Signed;
    demands.key_files.is_empty() && !needs_none && !needs_no_keys(demands)
}

/// Whether signatures are believed, so that no key is needed.
fn needs_no_keys(demands: &Demands) -> bool {
    demands.token_type == TokenType::Signed && demands.signature_check == SignatureCheck::Believe
}

fn authenticate(
    token: &UnverifiedToken,
    demands: &Demands,
    files: &DemandedFiles,
    now: i64,
) -> Result<AuthenticToken, Rejection> {
    token.check_without_keys(now, demands.leeway)?;
    let requirements = demands.requirements();
    requirements.check_without_keys(token.header(), token.claims(), now, demands.leeway)?;
    let keys = match needs_no_keys(demands) {
        true => KeySet::default(),
        false => merge(&files.own)?,
    };
    Ok(token.authenticate(&keys, demands.signature_check)?)
}

/// A token of one of the trusted issuers, and that issuer.
fn authenticate_issued<'d>(
    token: &UnverifiedToken,
    demands: &Demands,
    trusted: &'d [IssuerDemands],
    files: &'d DemandedFiles,
    now: i64,
) -> Result<(AuthenticToken, Option<&'d IssuerDemands>), Rejection> {
    let requirements = demands.requirements();
    let opened = match demands.token_type {
        TokenType::Signed => token.clone(),
        TokenType::Encrypted | TokenType::Nested => {
            token.check_without_keys(now, demands.leeway)?;
            requirements.check_without_keys(token.header(), None, now, demands.leeway)?;
            token.open(&merge(&files.own)?)?
        }
    };
    let Some(claims) = opened.claims() else {
        // The module refuses a configuration that would accept such tokens.
        return Err(Rejection::Nginx("nobody signs an encrypted token".into()));
    };
    let (issuer, keys) = choose_issuer(trusted, files, claims.object())?;
    let leeway = leeway(Some(issuer), demands);
    if demands.token_type == TokenType::Signed {
        token.check_without_keys(now, leeway)?;
        issuer
            .terms
            .check(token.header().object(), claims.object())?;
        let age = issuer.terms.check_age(claims.object(), now, leeway);
        age.map_err(|unmet| IssuerRejection::Unmet(Rc::clone(&issuer.terms.name), unmet))?;
        requirements.check_without_keys(token.header(), Some(claims), now, leeway)?;
    }
    let authentic = opened.authenticate(&merge(keys)?, SignatureCheck::Verify)?;
    let valid = authentic.clone().valid_at(now, leeway)?;
    let (header, claims) = (valid.header().object(), valid.claims().object());
    issuer.terms.check(header, claims)?;
    Ok((authentic, Some(issuer)))
}

/// The issuer that the claims name, and its files.
pub fn choose_issuer<'d>(
    trusted: &'d [IssuerDemands],
    files: &'d DemandedFiles,
    claims: jose::JsonValue<'_>,
) -> Result<(&'d IssuerDemands, &'d [KeyFileText]), Rejection> {
    let names = trusted.iter().map(|issuer| issuer.terms.describe());
    let names: Vec<_> = names.collect();
    let with_files = trusted.iter().zip(&files.issuers);
    let issuers = with_files.map(|(issuer, files)| ((issuer, &**files), &issuer.terms));
    Ok(choose(issuers, &names.join(", ").into(), claims)?)
}

/// How far the clocks may be apart for tokens of this issuer.
pub fn leeway(issuer: Option<&IssuerDemands>, demands: &Demands) -> Duration {
    let own = issuer.and_then(|issuer| issuer.terms.leeway);
    own.unwrap_or(demands.leeway)
}

fn check_age_of(
    issuer: &IssuerDemands,
    token: &VerifiedToken,
    now: i64,
    leeway: Duration,
) -> Result<(), Rejection> {
    let terms = &issuer.terms;
    let checked = terms.check_age(token.claims().object(), now, leeway);
    checked.map_err(|unmet| IssuerRejection::Unmet(Rc::clone(&terms.name), unmet).into())
}

/// Checks that no list has the token.
pub fn check_revoked(token: &VerifiedToken, files: &DemandedFiles) -> Result<(), Rejection> {
    for named in &files.revoked {
        named.subject.check(token, |name| match &named.list {
            Ok(list) => Ok(list.contains(name)),
            Err(error) => Err(Rejection::RevocationList {
                path: named.path.clone(),
                error: error.clone(),
            }),
        })?;
    }
    Ok(())
}
