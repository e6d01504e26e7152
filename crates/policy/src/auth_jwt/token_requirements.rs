//! What a location requires of a token beyond its signature and its times: `auth_jwt_algorithms`,
//! `auth_jwt_max_age`, `auth_jwt_require_claim`, `auth_jwt_require_header` and
//! `auth_jwt_require_scope`. The caller makes the checks that need more than the token between
//! [`check_algorithms`](TokenRequirements::check_algorithms) and
//! [`check_values`](TokenRequirements::check_values).

use std::rc::Rc;
use std::time::Duration;

use jose::{Claims, JoseHeader, JsonValue, VerifiedToken};
use text::Quoted;

use super::allowed_algorithms::AllowedAlgorithms;
use super::max_age::check_age;
use super::rejection::{Rejection, RuleSubject};
use super::rules::{Rule, RuleRequest};
use super::scopes::{GrantedScopes, RequiredScopes};

/// What the directives of a location require. `V` is a variable, `R` a compiled regular expression.
#[derive(Debug)]
pub struct TokenRequirements<'a, V, R> {
    /// `auth_jwt_algorithms`
    pub algorithms: Option<&'a AllowedAlgorithms>,
    /// `auth_jwt_max_age`
    pub max_age: Option<Duration>,
    /// `auth_jwt_require_claim`
    pub claim_rules: &'a [Rule<V, R>],
    /// `auth_jwt_require_header`
    pub header_rules: &'a [Rule<V, R>],
    /// `auth_jwt_require_scope`
    pub scopes: Option<&'a RequiredScopes>,
}

impl<V, R> TokenRequirements<'_, V, R> {
    /// Checks what can be checked before there are keys: the age if the claims are not encrypted,
    /// and the algorithm of the header. That of the token inside a nested one is not known yet.
    ///
    /// # Errors
    /// Why the token is refused.
    #[inline]
    pub fn check_without_keys(
        &self,
        header: &JoseHeader,
        claims: Option<&Claims>,
        now: i64,
        leeway: Duration,
    ) -> Result<(), Rejection> {
        if let Some(claims) = claims {
            self.check_age(claims, now, leeway)?;
        }
        self.check_algorithm(header)
    }

    /// Checks how long ago the token was issued.
    ///
    /// # Errors
    /// [`Rejection::Age`]
    #[inline]
    pub fn check_age(&self, claims: &Claims, now: i64, leeway: Duration) -> Result<(), Rejection> {
        match self.max_age {
            Some(max_age) => Ok(check_age(claims.object(), now, max_age, leeway)?),
            None => Ok(()),
        }
    }

    /// Checks the algorithms of the token, and of the token around it if it is nested.
    ///
    /// # Errors
    /// [`Rejection::Algorithm`]
    #[inline]
    pub fn check_algorithms(&self, token: &VerifiedToken) -> Result<(), Rejection> {
        if let Some(outer) = token.outer_header() {
            self.check_algorithm(outer)?;
        }
        self.check_algorithm(token.header())
    }

    /// Checks the rules on claims, those on the header, and the scopes, in this order.
    ///
    /// # Errors
    /// [`Rejection::Rule`], [`Rejection::Scope`]
    #[inline]
    pub fn check_values(
        &self,
        token: &VerifiedToken,
        request: &impl RuleRequest<Variable = V, Regex = R>,
    ) -> Result<(), Rejection> {
        let (claims, header) = (token.claims().object(), token.header().object());
        check_rules(RuleSubject::Claim, self.claim_rules, claims, request)?;
        check_rules(RuleSubject::Header, self.header_rules, header, request)?;
        match self.scopes {
            Some(scopes) => check_scopes(scopes, claims),
            None => Ok(()),
        }
    }

    fn check_algorithm(&self, header: &JoseHeader) -> Result<(), Rejection> {
        match self.algorithms {
            Some(algorithms) if !algorithms.allow(header.alg()) => Err(Rejection::Algorithm {
                alg: Quoted::new(header.alg()),
            }),
            _ => Ok(()),
        }
    }
}

/// Checks rules on the claims or on the header, which `object` is.
///
/// # Errors
/// [`Rejection::Rule`] for the first that is not met.
#[inline]
pub fn check_rules<V, R>(
    subject: RuleSubject,
    rules: &[Rule<V, R>],
    object: JsonValue<'_>,
    request: &impl RuleRequest<Variable = V, Regex = R>,
) -> Result<(), Rejection> {
    for rule in rules {
        rule.judge(object, request)
            .map_err(|failure| Rejection::Rule {
                subject,
                rule: Rc::clone(rule.text()),
                failure,
                status: rule.status(),
            })?;
    }
    Ok(())
}

/// Checks that the claims grant all scopes.
///
/// # Errors
/// [`Rejection::Scope`] for the first that they do not grant.
pub fn check_scopes(scopes: &RequiredScopes, claims: JsonValue<'_>) -> Result<(), Rejection> {
    match scopes.missing(claims) {
        None => Ok(()),
        Some(missing) => Err(Rejection::Scope {
            missing: Quoted::whole(missing),
            granted: GrantedScopes::of(claims),
            required: Rc::clone(scopes.joined()),
        }),
    }
}

#[cfg(test)]
mod tests;
