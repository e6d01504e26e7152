//! The claims of a token (RFC 7519 section 4): a JSON object, and the period in which it is valid.

use std::time::Duration;

use crate::error::{Error, InputPart};
use crate::json::{Document, JsonValue};
use crate::limits::Limits;

/// The claims of a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Claims {
    json: Document,
}

/// `exp` and `nbf`, in seconds since 1970 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ValidityPeriod {
    exp: Option<i64>,
    nbf: Option<i64>,
}

impl Claims {
    pub(crate) fn parse(text: Vec<u8>, limits: &Limits) -> Result<Self, Error> {
        let (bytes, depth) = (limits.json_bytes, limits.json_depth);
        let json = Document::parse_object(text, InputPart::Claims, bytes, depth)?;
        Ok(Self { json })
    }

    /// All claims, as a JSON object.
    pub fn object(&self) -> JsonValue<'_> {
        self.json.root()
    }

    /// The JSON text of the claims as it is in the token.
    pub fn json(&self) -> &str {
        self.json.text()
    }

    /// The claim `exp` in seconds, if it is there and alone would not have the token refused, as in
    /// [`AuthenticToken::valid_at`](crate::AuthenticToken::valid_at).
    ///
    /// # Errors
    /// [`Error::NotNumericDate`], [`Error::Expired`]
    pub fn exp(&self, now: i64, leeway: Duration) -> Result<Option<i64>, Error> {
        let exp = self.numeric_date("exp")?;
        exp.map_or(Ok(()), |exp| check_exp(exp, now, leeway))?;
        Ok(exp)
    }

    /// The claim `nbf` in seconds, if it is there and alone would not have the token refused.
    ///
    /// # Errors
    /// [`Error::NotNumericDate`], [`Error::NotYetValid`]
    pub fn nbf(&self, now: i64, leeway: Duration) -> Result<Option<i64>, Error> {
        let nbf = self.numeric_date("nbf")?;
        nbf.map_or(Ok(()), |nbf| check_nbf(nbf, now, leeway))?;
        Ok(nbf)
    }

    /// The period in which the token is valid.
    ///
    /// # Errors
    /// [`Error::NotNumericDate`]
    pub(crate) fn validity_period(&self) -> Result<ValidityPeriod, Error> {
        Ok(ValidityPeriod {
            exp: self.numeric_date("exp")?,
            nbf: self.numeric_date("nbf")?,
        })
    }

    /// Bytes of heap memory.
    pub(crate) fn memory(&self) -> usize {
        self.json.memory()
    }

    /// A NumericDate (RFC 7519 section 2) in seconds. A fraction is rounded up, and a number beyond
    /// 64 bits becomes the nearest that fits.
    fn numeric_date(&self, claim: &'static str) -> Result<Option<i64>, Error> {
        let Some(value) = self.object().get(claim.as_bytes()) else {
            return Ok(None);
        };
        let number = value.as_number().ok_or(Error::NotNumericDate { claim })?;
        if let Ok(seconds) = number.parse() {
            return Ok(Some(seconds));
        }
        match number.parse::<f64>() {
            // A cast to an integer saturates.
            Ok(seconds) if seconds.is_finite() => Ok(Some(seconds.ceil() as i64)),
            _ => Err(Error::NotNumericDate { claim }),
        }
    }
}

impl ValidityPeriod {
    /// Checks `exp` and `nbf` where they are present (RFC 7519 sections 4.1.4 and 4.1.5). `now` is
    /// in seconds since 1970 in UTC. Only whole seconds of `leeway` count.
    ///
    /// # Errors
    /// [`Error::Expired`], [`Error::NotYetValid`]
    pub(crate) fn check(&self, now: i64, leeway: Duration) -> Result<(), Error> {
        self.exp.map_or(Ok(()), |exp| check_exp(exp, now, leeway))?;
        self.nbf.map_or(Ok(()), |nbf| check_nbf(nbf, now, leeway))
    }
}

fn check_exp(exp: i64, now: i64, leeway: Duration) -> Result<(), Error> {
    let leeway = leeway.as_secs();
    match i128::from(now).saturating_sub(leeway.into()) >= i128::from(exp) {
        true => Err(Error::Expired { exp, now, leeway }),
        false => Ok(()),
    }
}

fn check_nbf(nbf: i64, now: i64, leeway: Duration) -> Result<(), Error> {
    let leeway = leeway.as_secs();
    match i128::from(now).saturating_add(leeway.into()) < i128::from(nbf) {
        true => Err(Error::NotYetValid { nbf, now, leeway }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests;
