//! `auth_jwt_dpop_nonce`: how long a nonce of this server is good for (RFC 9449 sections 8 and 9).

use jose::{DpopNonceKey, JsonValue};

/// For how many seconds a nonce is accepted.
pub const LIFETIME: i64 = 120;

/// From which age in seconds on a client gets another one with the response, so that a client that
/// goes on asking is never refused for its nonce.
const RENEWAL_AGE: i64 = LIFETIME / 2;

/// By how many seconds a nonce may be of the future: the workers read the clock at different
/// moments, and a clock that is corrected may go backwards.
const CLOCK_DIFFERENCE: i64 = 10;

/// Why a proof is refused on account of its nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NonceError {
    /// The proof has none.
    #[error("claim \"nonce\" is missing, which \"auth_jwt_dpop_nonce on\" requires")]
    Missing,
    /// It cannot be one of this server.
    #[error("claim \"nonce\" is not a string")]
    NotString,
    /// It is another server's, made up, or was made before the memory of used proofs was empty.
    #[error("the nonce is not one of this server, or of before its last start")]
    Unknown,
    /// It is too old.
    #[error("the nonce is {age} seconds old, more than {LIFETIME}")]
    Old {
        /// Its age in seconds.
        age: i64,
    },
    /// The clock of this server has gone backwards.
    #[error("the nonce is {ahead} seconds ahead of the clock")]
    Future {
        /// The difference in seconds.
        ahead: i64,
    },
}

/// Checks the nonce in the claims of a proof. The result is whether the client needs another one
/// soon.
///
/// # Errors
/// [`NonceError`]
pub fn check_nonce(
    claims: JsonValue<'_>,
    key: &DpopNonceKey,
    now: i64,
) -> Result<bool, NonceError> {
    let nonce = claims.get(b"nonce").ok_or(NonceError::Missing)?;
    let nonce = nonce.as_str().ok_or(NonceError::NotString)?;
    let time = key.time_of(&nonce).ok_or(NonceError::Unknown)?;
    let age = now.saturating_sub(time);
    match age {
        age if age > LIFETIME => Err(NonceError::Old { age }),
        age if age < -CLOCK_DIFFERENCE => Err(NonceError::Future {
            ahead: age.saturating_neg(),
        }),
        age => Ok(age >= RENEWAL_AGE),
    }
}

#[cfg(test)]
mod tests;
