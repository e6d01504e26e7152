//! The claims (RFC 7519 section 4): a JSON object, and when it is valid.

use std::time::Duration;

use super::compact::Limits;
use super::error::{Error, Part};
use super::json::{Document, Value};

/// The claims of a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Claims {
    json: Document,
}

impl Claims {
    pub(super) fn parse(text: Vec<u8>, limits: &Limits) -> Result<Self, Error> {
        let (bytes, depth) = (limits.json_bytes, limits.json_depth);
        let json = Document::parse_object(text, Part::Claims, bytes, depth)?;
        Ok(Self { json })
    }

    /// All claims.
    pub fn object(&self) -> Value<'_> {
        self.json.root()
    }

    /// The claims' JSON as it came.
    pub fn json(&self) -> &str {
        self.json.text()
    }

    /// How many bytes of memory they have allocated.
    pub(super) fn memory(&self) -> usize {
        self.json.memory()
    }

    /// The claim at the end of a path of names from the top.
    pub fn path(&self, names: &[impl AsRef<[u8]>]) -> Option<Value<'_>> {
        self.object().path(names)
    }

    /// Checks `exp` and `nbf` where they are present (RFC 7519 sections 4.1.4 and 4.1.5). `now` is in seconds since
    /// 1970 in UTC; of `leeway` the whole seconds count. A fraction in a claim counts as the next second: nothing else
    /// is between two whole seconds.
    pub fn check_times(&self, now: i64, leeway: Duration) -> Result<(), Error> {
        self.times()?.check(now, leeway)
    }

    /// `exp` and `nbf`, to check them any number of times.
    pub(super) fn times(&self) -> Result<Times, Error> {
        Ok(Times {
            exp: self.numeric_date("exp")?,
            nbf: self.numeric_date("nbf")?,
        })
    }

    /// A NumericDate (RFC 7519 section 2) in seconds, fractions rounded up; beyond 64 bits, the nearest that fits.
    /// An error if the claim is no number or too large for a double.
    pub fn numeric_date(&self, claim: &'static str) -> Result<Option<i64>, Error> {
        let Some(value) = self.object().get(claim.as_bytes()) else {
            return Ok(None);
        };
        let number = value.as_number().ok_or(Error::NotNumericDate { claim })?;
        if let Ok(seconds) = number.parse() {
            return Ok(Some(seconds));
        }
        match number.parse::<f64>() {
            // `as` saturates.
            Ok(seconds) if seconds.is_finite() => Ok(Some(seconds.ceil() as i64)),
            _ => Err(Error::NotNumericDate { claim }),
        }
    }
}

/// When claims are valid, in seconds since 1970 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    exp: Option<i64>,
    nbf: Option<i64>,
}

impl Times {
    /// See [`Claims::check_times`].
    pub(super) fn check(&self, now: i64, leeway: Duration) -> Result<(), Error> {
        let leeway = leeway.as_secs();
        let slack = i128::from(leeway);
        if let Some(exp) = self.exp
            && i128::from(now).saturating_sub(slack) >= i128::from(exp)
        {
            return Err(Error::Expired { exp, now, leeway });
        }
        if let Some(nbf) = self.nbf
            && i128::from(now).saturating_add(slack) < i128::from(nbf)
        {
            return Err(Error::NotYetValid { nbf, now, leeway });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn check(claims: &str, leeway: Duration) -> Result<(), Error> {
        let claims = Claims::parse(claims.as_bytes().to_vec(), &Limits::default()).unwrap();
        claims.check_times(NOW, leeway)
    }

    fn at_once(claims: &str) -> Result<(), Error> {
        check(claims, Duration::ZERO)
    }

    #[test]
    fn exp_is_the_first_second_that_is_too_late() {
        assert_eq!(at_once("{}"), Ok(()));
        assert_eq!(at_once(r#"{"exp":1700000001}"#), Ok(()));
        let expired = |exp, leeway| {
            Err(Error::Expired {
                exp,
                now: NOW,
                leeway,
            })
        };
        assert_eq!(at_once(r#"{"exp":1700000000}"#), expired(NOW, 0));
        assert_eq!(at_once(r#"{"exp":1700000000.0}"#), expired(NOW, 0));
        assert_eq!(at_once(r#"{"exp":1700000000.25}"#), Ok(()));
        assert_eq!(at_once(r#"{"exp":1.7e9}"#), expired(NOW, 0));
        let leeway = Duration::from_secs(60);
        assert_eq!(check(r#"{"exp":1699999941}"#, leeway), Ok(()));
        assert_eq!(
            check(r#"{"exp":1699999940}"#, leeway),
            expired(NOW - 60, 60)
        );
    }

    #[test]
    fn nbf_is_the_first_second_that_is_not_too_early() {
        assert_eq!(at_once(r#"{"nbf":1700000000}"#), Ok(()));
        let early = |nbf, leeway| {
            Err(Error::NotYetValid {
                nbf,
                now: NOW,
                leeway,
            })
        };
        assert_eq!(at_once(r#"{"nbf":1700000000.1}"#), early(NOW + 1, 0));
        assert_eq!(at_once(r#"{"nbf":1700000001}"#), early(NOW + 1, 0));
        let leeway = Duration::from_secs(60);
        assert_eq!(check(r#"{"nbf":1700000060}"#, leeway), Ok(()));
        assert_eq!(check(r#"{"nbf":1700000061}"#, leeway), early(NOW + 61, 60));
    }

    #[test]
    fn row_14_times_are_numbers() {
        for claim in ["exp", "nbf"] {
            let not_a_date = Err(Error::NotNumericDate { claim });
            for value in [
                "\"1800000000\"",
                "true",
                "null",
                "[]",
                "{}",
                "1e400",
                "-1e400",
            ] {
                assert_eq!(
                    at_once(&format!("{{\"{claim}\":{value}}}")),
                    not_a_date,
                    "{value}"
                );
            }
        }
        assert_eq!(at_once(r#"{"nbf":-0,"exp":1e308}"#), Ok(()));
    }

    #[test]
    fn row_15_and_44_times_do_not_overflow() {
        let century = Duration::from_secs(100 * 366 * 86400);
        for leeway in [Duration::ZERO, century, Duration::MAX] {
            assert_eq!(check(r#"{"exp":9223372036854775807}"#, leeway), Ok(()));
            assert_eq!(check(r#"{"exp":18446744073709551615}"#, leeway), Ok(()));
            assert_eq!(check(r#"{"nbf":-9223372036854775808}"#, leeway), Ok(()));
            assert_eq!(check(r#"{"nbf":-18446744073709551615}"#, leeway), Ok(()));
        }
        let exp = i64::MIN;
        let expired = Error::Expired {
            exp,
            now: NOW,
            leeway: 0,
        };
        assert_eq!(at_once(r#"{"exp":-9223372036854775808}"#), Err(expired));
        assert_eq!(
            check(r#"{"exp":-9223372036854775808}"#, Duration::MAX),
            Ok(())
        );
        let nbf = i64::MAX;
        let early = Error::NotYetValid {
            nbf,
            now: NOW,
            leeway: 0,
        };
        assert_eq!(at_once(r#"{"nbf":9223372036854775807}"#), Err(early));
        let claims = Claims::parse(br#"{"exp":5,"nbf":5}"#.to_vec(), &Limits::default()).unwrap();
        assert!(claims.check_times(i64::MIN, Duration::MAX).is_ok());
        assert!(claims.check_times(i64::MAX, Duration::MAX).is_ok());
        assert!(claims.check_times(i64::MAX, Duration::ZERO).is_err());
        assert!(claims.check_times(i64::MIN, Duration::ZERO).is_err());
    }
}
