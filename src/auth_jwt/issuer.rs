//! Issuers: what a block of `auth_jwt_issuer` has said, and those that a level trusts.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::file_path::KeyFile;
use super::issuer_keys::FetchedKeys;
use crate::nginx::{ConfigError, Regex, Request, Variable};
use jose::{JsonValue, VerifiedToken};
use policy::auth_jwt::issuer::{IssuerIndex, IssuerRejection, IssuerTerms, choose};
use policy::auth_jwt::rejection::{Rejection, RuleSubject};
use policy::auth_jwt::rules::Rule;
use policy::auth_jwt::token_requirements::check_rules;
use text::Quoted;

/// An issuer: its keys, and what is required of its tokens.
pub(super) struct Issuer {
    pub(super) index: IssuerIndex,
    pub(super) terms: IssuerTerms,
    pub(super) rules: Vec<Rule<Variable, Regex>>,
    pub(super) keys: IssuerKeySource,
}

/// Where the keys of an issuer are from.
pub(super) enum IssuerKeySource {
    File(Rc<KeyFile>),
    Fetched(Rc<FetchedKeys>),
}

impl Issuer {
    /// How far the issuer's clock may be apart, where the location says this.
    #[inline]
    pub(super) fn leeway(&self, of_location: Duration) -> Duration {
        self.terms.leeway.unwrap_or(of_location)
    }

    /// The source of its keys as log lines name it.
    pub(super) fn describe_keys(&self) -> String {
        let name = Quoted::whole(&*self.terms.name);
        match &self.keys {
            IssuerKeySource::File(file) => format!("issuer {name}: key file {}", file.access()),
            IssuerKeySource::Fetched(_) => format!("issuer {name}"),
        }
    }

    /// Whether there is anything to check for each request anew.
    #[inline]
    pub(super) fn has_checks(&self) -> bool {
        self.terms.max_age.is_some() || !self.rules.is_empty()
    }

    /// Checks of a token what does not depend on the request or the time.
    pub(super) fn check_terms(&self, token: &VerifiedToken) -> Result<(), Rejection> {
        let (header, claims) = (token.header().object(), token.claims().object());
        Ok(self.terms.check(header, claims)?)
    }

    /// Checks how long ago a token was issued.
    pub(super) fn check_age(
        &self,
        claims: JsonValue<'_>,
        now: i64,
        leeway: Duration,
    ) -> Result<(), Rejection> {
        let checked = self.terms.check_age(claims, now, leeway);
        checked.map_err(|unmet| IssuerRejection::Unmet(Rc::clone(&self.terms.name), unmet).into())
    }

    /// Checks what the block requires of claims.
    pub(super) fn check_rules(
        &self,
        request: Request<'_>,
        token: &VerifiedToken,
    ) -> Result<(), Rejection> {
        let claims = token.claims().object();
        check_rules(RuleSubject::Claim, &self.rules, claims, &request)
    }
}

/// The issuers of a configuration.
#[derive(Default)]
pub(super) struct ConfiguredIssuers(RefCell<Vec<Rc<Issuer>>>);

impl ConfiguredIssuers {
    /// Whether an issuer may have this name.
    ///
    /// # Errors
    /// There is one with this name.
    pub(super) fn check_name(&self, name: &str) -> Result<(), ConfigError> {
        match self.named(name.as_bytes()) {
            None => Ok(()),
            Some(_) => Err(ConfigError::message(format_args!(
                "duplicate auth_jwt_issuer {}",
                Quoted::whole(name)
            ))),
        }
    }

    /// Adds an issuer, whose name was checked, and to which `new` gives the index.
    ///
    /// # Errors
    /// There is one of which nobody could tell the tokens.
    pub(super) fn add(
        &self,
        new: impl FnOnce(IssuerIndex) -> Issuer,
    ) -> Result<Rc<Issuer>, ConfigError> {
        let mut issuers = self.0.borrow_mut();
        let new = new(IssuerIndex(issuers.len()));
        let name = Quoted::whole(&*new.terms.name);
        for known in &*issuers {
            if known.terms.overlaps(&new.terms) {
                return Err(ConfigError::message(format_args!(
                    "auth_jwt_issuer {name} has the \"issuer\" of {}: both need an \"audience\", \
                     with no value in common",
                    Quoted::whole(&*known.terms.name)
                )));
            }
        }
        let new = Rc::new(new);
        issuers.push(Rc::clone(&new));
        Ok(new)
    }

    /// The keys that the workers fetch.
    pub(super) fn fetched_keys(&self) -> Vec<Rc<FetchedKeys>> {
        let issuers = self.0.borrow();
        let fetched = issuers.iter().filter_map(|issuer| match &issuer.keys {
            IssuerKeySource::Fetched(keys) => Some(Rc::clone(keys)),
            IssuerKeySource::File(_) => None,
        });
        fetched.collect()
    }

    /// The issuer with this name.
    pub(super) fn named(&self, name: &[u8]) -> Option<Rc<Issuer>> {
        let issuers = self.0.borrow();
        let mut issuers = issuers.iter();
        let issuer = issuers.find(|issuer| issuer.terms.name.as_bytes() == name);
        issuer.map(Rc::clone)
    }

    /// `; there are "a", "b"`, for a message about a name that none of them has.
    pub(super) fn describe(&self) -> String {
        match quoted_names(&self.0.borrow()) {
            names if names.is_empty() => names,
            names => format!("; there are {names}"),
        }
    }
}

fn quoted_names(issuers: &[Rc<Issuer>]) -> String {
    let names: Vec<_> = issuers
        .iter()
        .map(|issuer| Quoted::whole(&*issuer.terms.name).to_string())
        .collect();
    names.join(", ")
}

fn described(issuers: &[Rc<Issuer>]) -> String {
    let issuers = issuers.iter().map(|issuer| issuer.terms.describe());
    issuers.collect::<Vec<_>>().join(", ")
}

/// The issuers that a level trusts.
pub(super) struct TrustedIssuers {
    issuers: Vec<Rc<Issuer>>,
    /// The names of their blocks, each with its `iss`, for the log.
    names: Rc<str>,
    /// Whether some of them have the same `iss`, so that the audience tells them apart.
    share_iss: bool,
}

impl TrustedIssuers {
    pub(super) fn new(issuers: Vec<Rc<Issuer>>) -> Self {
        let has_twin = |(n, issuer): (usize, &Rc<Issuer>)| {
            let mut others = issuers.iter().skip(n + 1);
            others.any(|other| other.terms.issuer == issuer.terms.issuer)
        };
        Self {
            names: described(&issuers).into(),
            share_iss: issuers.iter().enumerate().any(has_twin),
            issuers,
        }
    }

    /// What `iss` of their tokens is.
    pub(super) fn urls(&self) -> impl Iterator<Item = &str> {
        self.issuers.iter().map(|issuer| &*issuer.terms.issuer)
    }

    /// The issuer of a token with these claims.
    pub(super) fn choose(&self, claims: JsonValue<'_>) -> Result<&Issuer, Rejection> {
        let issuers = self.issuers.iter().map(|issuer| (&**issuer, &issuer.terms));
        Ok(choose(issuers, &self.names, claims)?)
    }

    /// The issuer with this index, if it is trusted here.
    #[inline]
    pub(super) fn find(&self, index: IssuerIndex) -> Option<&Issuer> {
        let mut issuers = self.issuers.iter();
        issuers
            .find(|issuer| issuer.index == index)
            .map(|issuer| &**issuer)
    }

    /// Whether a trusted issuer is not the only one with its `iss`: then a token that was judged by
    /// its keys elsewhere may be of another one here.
    #[inline]
    pub(super) fn share_iss(&self) -> bool {
        self.share_iss
    }
}
