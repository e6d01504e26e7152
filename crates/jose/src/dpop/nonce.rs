//! Nonces for DPoP proofs (RFC 9449 sections 8 and 9). A nonce is the time at which it was made, with
//! a MAC over it, in base64url. So nobody has to remember the nonces that were given out, and nobody
//! can make one of the future without the key.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::crypto::hmac;

/// How many bytes the time has. The MAC follows.
const TIME_LEN: usize = size_of::<i64>();

/// How many characters of base64url a nonce has: those of the time and of a SHA-256.
const NONCE_LEN: usize = 54;

/// Makes nonces, and knows those that were made with the same secret.
pub struct DpopNonceKey(hmac::Key);

impl DpopNonceKey {
    /// A key of this secret, which must be random.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The nonce of this time, in seconds since 1970.
    pub fn nonce(&self, time: i64) -> String {
        let time = time.to_be_bytes();
        let mac = hmac::sign(&self.0, &time);
        URL_SAFE_NO_PAD.encode([&time, mac.as_ref()].concat())
    }

    /// When a nonce was made, in seconds since 1970. `None` if it was not made with this key.
    pub fn time_of(&self, nonce: &str) -> Option<i64> {
        if nonce.len() != NONCE_LEN {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(nonce).ok()?;
        let (time, mac) = bytes.split_first_chunk::<TIME_LEN>()?;
        // The library compares in constant time, and refuses a MAC that is shorter.
        hmac::verify(&self.0, time, mac).ok()?;
        Some(i64::from_be_bytes(*time))
    }
}

impl fmt::Debug for DpopNonceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DpopNonceKey")
    }
}

#[cfg(test)]
mod tests;
