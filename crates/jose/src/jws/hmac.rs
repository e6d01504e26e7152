//! HMAC with SHA-2 (RFC 7518 section 3.2). Secrets of any length are accepted, as by NGINX Plus.

use super::algorithm::SignatureAlgorithm;
use crate::crypto::{Prepared, Verifier, hmac};
use crate::jwk::KeyMaterial;

pub(super) static ALGORITHMS: [SignatureAlgorithm; 3] = [
    SignatureAlgorithm {
        name: "HS256",
        verifier: |key| verifier(key, hmac::HMAC_SHA256),
    },
    SignatureAlgorithm {
        name: "HS384",
        verifier: |key| verifier(key, hmac::HMAC_SHA384),
    },
    SignatureAlgorithm {
        name: "HS512",
        verifier: |key| verifier(key, hmac::HMAC_SHA512),
    },
];

impl Verifier for hmac::Key {
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        // The library compares in constant time and refuses truncated MACs.
        hmac::verify(self, message, signature).is_ok()
    }
}

/// The minimum length in bytes of a secret of a key with this `alg`: the length of the hash (RFC
/// 7518 section 3.2), and of the shortest hash if the key has no `alg`. `None` if the key is not
/// for HMAC.
pub(crate) fn recommended_secret_length(alg: Option<&str>) -> Option<usize> {
    match alg {
        None | Some("HS256") => Some(32),
        Some("HS384") => Some(48),
        Some("HS512") => Some(64),
        Some(_) => None,
    }
}

fn verifier(key: &KeyMaterial, algorithm: hmac::Algorithm) -> Prepared<dyn Verifier> {
    match key {
        KeyMaterial::Octets(secret) => Ok(Some(Box::new(hmac::Key::new(algorithm, secret)))),
        _ => Ok(None),
    }
}
