//! `auth_jwt_max_age`: how long ago a token may have been issued.

use std::cmp::Ordering;
use std::time::Duration;

use jose::{JsonValue, compare_numbers};
use text::Quoted;

/// Why a token is refused for its claim `iat`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgeError {
    /// The token does not say when it was issued.
    #[error("claim \"iat\" is missing, which auth_jwt_max_age requires")]
    Missing,
    /// The claim is no number.
    #[error("claim \"iat\" is not a number")]
    NotNumber,
    /// It was issued too long ago.
    #[error("too old: iat {iat}, now {now}, max_age {max_age}")]
    TooOld {
        /// The claim.
        iat: Quoted,
        /// The current time, in seconds since 1970 in UTC.
        now: i64,
        /// How many seconds ago it may have been issued.
        max_age: u64,
    },
    /// It was issued in the future.
    #[error(
        "issued in the future: iat {iat}, now {now}, leeway {leeway}: if the clocks of issuer and \
         nginx differ, see auth_jwt_leeway"
    )]
    InFuture {
        /// The claim.
        iat: Quoted,
        /// The current time, in seconds since 1970 in UTC.
        now: i64,
        /// How many seconds the clock of the issuer may be ahead.
        leeway: u64,
    },
}

/// Checks that claims have an `iat` that is at most `max_age` before `now` and at most `leeway`
/// after it. The claim is compared exactly, whatever its size or fraction. Only whole seconds of
/// both times count.
///
/// # Errors
/// [`AgeError`]
pub fn check_age(
    claims: JsonValue<'_>,
    now: i64,
    max_age: Duration,
    leeway: Duration,
) -> Result<(), AgeError> {
    let iat = claims.get(b"iat").ok_or(AgeError::Missing)?;
    let number = iat.as_number().ok_or(AgeError::NotNumber)?;
    let (max_age, leeway) = (max_age.as_secs(), leeway.as_secs());
    let earliest = i128::from(now).saturating_sub(max_age.into());
    let latest = i128::from(now).saturating_add(leeway.into());
    let is_beyond = |bound: i128, side| {
        let ordering = compare_numbers(number, &bound.to_string());
        // `None` cannot be, for both are numbers; it refuses.
        ordering.is_none_or(|ordering| ordering == side)
    };
    // A log line shows what the token says, cut if it is long.
    let iat = || Quoted::new(number);
    if is_beyond(earliest, Ordering::Less) {
        let iat = iat();
        return Err(AgeError::TooOld { iat, now, max_age });
    }
    if is_beyond(latest, Ordering::Greater) {
        let iat = iat();
        return Err(AgeError::InFuture { iat, now, leeway });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
