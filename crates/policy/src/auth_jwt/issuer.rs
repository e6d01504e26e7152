//! `auth_jwt_issuer` and `auth_jwt_trust`: which issuer's keys a token is verified with, and what
//! the issuer's block requires of it (RFC 8725 sections 3.8 to 3.12). Keys, and rules for which a
//! request is needed, are the caller's.

mod access_token;
mod media_type;

use std::rc::Rc;
use std::time::Duration;

use jose::JsonValue;
use text::Quoted;

use super::allowed_algorithms::AllowedAlgorithms;
use super::max_age::{AgeError, check_age};

pub use access_token::NotAccessToken;
pub use media_type::MediaType;

/// What a block says of the tokens of its issuer.
#[derive(Debug, Clone, Default)]
pub struct IssuerTerms {
    /// The name of the block.
    pub name: Rc<str>,
    /// What the claim `iss` must be.
    pub issuer: Box<str>,
    /// The claim `aud` must hold one of these. Empty: it is not looked at.
    pub audience: Vec<Box<str>>,
    /// The algorithms that signatures may have. `None`: all.
    pub algorithms: Option<AllowedAlgorithms>,
    /// The header parameter `typ` must be one of these. Empty: it is not looked at.
    pub types: Vec<MediaType>,
    /// Whether tokens must be access tokens of RFC 9068.
    pub requires_access_token: bool,
    /// How long ago tokens may have been issued.
    pub max_age: Option<Duration>,
    /// How far the issuer's clock may be apart. `None`: as the location has it.
    pub leeway: Option<Duration>,
}

/// Why a token has no issuer that is trusted. `trusted` has the names of those that are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UntrustedIssuer {
    /// The token does not say who issued it.
    #[error("claim \"iss\" is missing, trusted issuers: {trusted}")]
    Missing {
        /// The names of blocks.
        trusted: Rc<str>,
    },
    /// The claim is of another type.
    #[error("claim \"iss\" is not a string, trusted issuers: {trusted}")]
    NotString {
        /// The names of blocks.
        trusted: Rc<str>,
    },
    /// No trusted issuer has this name.
    #[error("iss {iss} is not that of a trusted issuer: {trusted}")]
    Unknown {
        /// The claim.
        iss: Quoted,
        /// The names of blocks.
        trusted: Rc<str>,
    },
}

/// What the block of the token's issuer requires, and the token does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnmetTerm {
    /// The token is for somebody else.
    #[error("aud {aud} is not one of its audience: {audience}")]
    Audience {
        /// The claim, as JSON.
        aud: Quoted,
        /// The audience of the block, quoted.
        audience: String,
    },
    /// The token does not say for whom it is.
    #[error("claim \"aud\" is missing, which audience requires")]
    NoAudience,
    /// The signature has another algorithm.
    #[error("algorithm {alg} is not one of its algorithms")]
    Algorithm {
        /// The header parameter.
        alg: Quoted,
    },
    /// The token is of another type.
    #[error("typ {typ} is not {wanted}")]
    Type {
        /// The header parameter.
        typ: Quoted,
        /// What it has to be, quoted, and why.
        wanted: String,
    },
    /// The token does not say of which type it is.
    #[error("header parameter \"typ\" is missing")]
    NoType,
    /// The token is no access token.
    #[error("no access token of RFC 9068: {0}")]
    AccessToken(#[from] NotAccessToken),
    /// The token is too old, or from the future.
    #[error("{}", about_age(.0))]
    Age(#[from] AgeError),
}

/// In a block, the directive has another name.
fn about_age(error: &AgeError) -> String {
    match error {
        AgeError::Missing => "claim \"iat\" is missing, which max_age requires".to_owned(),
        error => error.to_string(),
    }
}

/// Why a token is refused on account of its issuer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssuerRejection {
    /// Nobody who is trusted has issued it.
    #[error("{0}")]
    Untrusted(#[from] UntrustedIssuer),
    /// The block with this name requires something else.
    #[error("issuer {name}: {term}", name = Quoted::whole(&**.0), term = .1)]
    Unmet(Rc<str>, UnmetTerm),
}

/// The position of a block in the configuration, which tells it from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IssuerIndex(pub usize);

/// The issuer of a token with these claims, which nobody has verified yet: the first of the trusted
/// ones that has its `iss`. Where several have, `aud` decides; then the result is an error of the
/// first of them if the token is for none. `trusted` yields issuers with their terms, and `names`
/// has the names of their blocks.
///
/// # Errors
/// Why the token is refused. No key is tried then.
pub fn choose<'a, I>(
    trusted: impl Iterator<Item = (I, &'a IssuerTerms)> + Clone,
    names: &Rc<str>,
    claims: JsonValue<'_>,
) -> Result<I, IssuerRejection> {
    let trusted_names = || Rc::clone(names);
    let iss = claims.get(b"iss").ok_or_else(|| UntrustedIssuer::Missing {
        trusted: trusted_names(),
    })?;
    let iss = iss.as_str().ok_or_else(|| UntrustedIssuer::NotString {
        trusted: trusted_names(),
    })?;
    let mut candidates = trusted.filter(|(_, terms)| *terms.issuer == *iss);
    let mut others = candidates.clone().skip(1);
    let Some((issuer, terms)) = candidates.next() else {
        return Err(IssuerRejection::Untrusted(UntrustedIssuer::Unknown {
            iss: Quoted::new(&*iss),
            trusted: trusted_names(),
        }));
    };
    // The only candidate is judged later: that the token has expired is said first.
    let Some(second) = others.next() else {
        return Ok(issuer);
    };
    let unmet = match terms.check_audience(claims) {
        Ok(()) => return Ok(issuer),
        Err(unmet) => unmet,
    };
    let mut others = std::iter::once(second).chain(others);
    match others.find(|(_, terms)| terms.check_audience(claims).is_ok()) {
        Some((issuer, _)) => Ok(issuer),
        None => Err(IssuerRejection::Unmet(Rc::clone(&terms.name), unmet)),
    }
}

impl IssuerTerms {
    /// Whether a token could be of either issuer, so that nobody can tell whose keys verify it.
    pub fn overlaps(&self, other: &Self) -> bool {
        let is_shared = |audience| other.audience.contains(audience);
        self.issuer == other.issuer
            && (self.audience.is_empty()
                || other.audience.is_empty()
                || self.audience.iter().any(is_shared))
    }

    /// The name of the block, and what `iss` of its tokens is, for a log line.
    pub fn describe(&self) -> String {
        let (name, issuer) = (Quoted::whole(&*self.name), Quoted::new(&*self.issuer));
        format!("{name} ({issuer})")
    }

    /// Checks what does not depend on the request or the time of a token that one of the issuer's
    /// keys has signed. `header` is that of the signature.
    ///
    /// # Errors
    /// Why the token is refused.
    pub fn check(
        &self,
        header: JsonValue<'_>,
        claims: JsonValue<'_>,
    ) -> Result<(), IssuerRejection> {
        // The claim that has chosen the issuer was not verified then.
        let own = &self.issuer;
        let iss = claims.get(b"iss").and_then(JsonValue::as_str);
        if iss.as_deref() != Some(own) {
            return Err(IssuerRejection::Untrusted(UntrustedIssuer::Unknown {
                iss: Quoted::new(iss.as_deref().unwrap_or_default()),
                trusted: self.describe().into(),
            }));
        }
        self.check_terms(header, claims)
            .map_err(|unmet| IssuerRejection::Unmet(Rc::clone(&self.name), unmet))
    }

    /// Checks how long ago the token was issued.
    ///
    /// # Errors
    /// [`UnmetTerm::Age`]
    pub fn check_age(
        &self,
        claims: JsonValue<'_>,
        now: i64,
        leeway: Duration,
    ) -> Result<(), UnmetTerm> {
        match self.max_age {
            Some(max_age) => Ok(check_age(claims, now, max_age, leeway)?),
            None => Ok(()),
        }
    }

    fn check_terms(&self, header: JsonValue<'_>, claims: JsonValue<'_>) -> Result<(), UnmetTerm> {
        self.check_audience(claims)?;
        if let Some(algorithms) = &self.algorithms {
            let alg = header.get(b"alg").and_then(JsonValue::as_str);
            let alg = alg.unwrap_or_default();
            if !algorithms.allow(&alg) {
                return Err(UnmetTerm::Algorithm {
                    alg: Quoted::new(&*alg),
                });
            }
        }
        check_type(&self.types, "", header)?;
        if self.requires_access_token {
            let why = ", which profile rfc9068 requires; an ID token is no access token";
            check_type(&[MediaType::access_token()], why, header)?;
            access_token::check_claims(claims)?;
        }
        Ok(())
    }

    fn check_audience(&self, claims: JsonValue<'_>) -> Result<(), UnmetTerm> {
        if self.audience.is_empty() {
            return Ok(());
        }
        let aud = claims.get(b"aud").ok_or(UnmetTerm::NoAudience)?;
        let is_own = |value: JsonValue<'_>| {
            let value = value.as_str();
            value.is_some_and(|value| self.audience.iter().any(|own| **own == *value))
        };
        match is_own(aud) || aud.elements().any(is_own) {
            true => Ok(()),
            false => Err(UnmetTerm::Audience {
                aud: match aud.as_str() {
                    Some(text) => Quoted::new(&*text),
                    None => Quoted::new(aud.raw()),
                },
                audience: quoted_list(self.audience.iter().map(|own| &**own)),
            }),
        }
    }
}

/// `why` ends the text about another type.
fn check_type(types: &[MediaType], why: &str, header: JsonValue<'_>) -> Result<(), UnmetTerm> {
    if types.is_empty() {
        return Ok(());
    }
    let typ = header.get(b"typ").and_then(JsonValue::as_str);
    let typ = typ.ok_or(UnmetTerm::NoType)?;
    match types.iter().any(|own| own.matches(&typ)) {
        true => Ok(()),
        false => Err(UnmetTerm::Type {
            typ: Quoted::new(&*typ),
            wanted: quoted_list(types.iter().map(MediaType::as_str)) + why,
        }),
    }
}

/// The first few of what the configuration names, quoted.
fn quoted_list<'a>(texts: impl ExactSizeIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 8;
    let more = match texts.len() > SHOWN {
        true => " ...",
        false => "",
    };
    let texts = texts.take(SHOWN).map(|text| Quoted::new(text).to_string());
    texts.collect::<Vec<_>>().join(", ") + more
}

#[cfg(test)]
mod tests;
