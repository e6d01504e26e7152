//! HMAC with SHA-2 (RFC 7518 section 3.2). Secrets of any length are taken, as NGINX Plus does.

use super::{Algorithm, Prepared, Verifier};
use crate::backend::hmac;
use crate::jwk::Material;

pub(super) static ALGORITHMS: [Algorithm; 3] = [
    Algorithm {
        name: "HS256",
        verifier: |key| verifier(key, hmac::HMAC_SHA256),
    },
    Algorithm {
        name: "HS384",
        verifier: |key| verifier(key, hmac::HMAC_SHA384),
    },
    Algorithm {
        name: "HS512",
        verifier: |key| verifier(key, hmac::HMAC_SHA512),
    },
];

fn verifier(key: &Material, algorithm: hmac::Algorithm) -> Prepared {
    match key {
        Material::Octets(secret) => Ok(Some(Box::new(hmac::Key::new(algorithm, secret)))),
        _ => Ok(None),
    }
}

impl Verifier for hmac::Key {
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        // In constant time, and over the whole length.
        hmac::verify(self, message, signature).is_ok()
    }
}

/// How long a secret should be in bytes: as the hash of the algorithm (RFC 7518 section 3.2); of the shortest one
/// where the key names none; none for a key that is for something else.
pub(crate) fn recommended_length(alg: Option<&str>) -> Option<usize> {
    match alg {
        None | Some("HS256") => Some(32),
        Some("HS384") => Some(48),
        Some("HS512") => Some(64),
        Some(_) => None,
    }
}
