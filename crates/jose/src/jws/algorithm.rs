//! What an algorithm for signatures or MACs consists of.

use crate::crypto::{Prepared, Verifier};
use crate::jwk::{Jwk, KeyMaterial};

/// An algorithm for signatures or MACs.
pub(crate) struct SignatureAlgorithm {
    /// The value of `alg`.
    pub(crate) name: &'static str,
    /// Prepares key material for this algorithm. `None` if it is of the wrong type or curve.
    pub(super) verifier: fn(&KeyMaterial) -> Prepared<dyn Verifier>,
}

impl SignatureAlgorithm {
    /// Prepares a key for this algorithm. `None` if the key's type, curve, `use`, `key_ops` or
    /// `alg` does not allow that.
    pub(crate) fn prepare(&self, key: &Jwk) -> Prepared<dyn Verifier> {
        let is_allowed = key.may_verify() && key.alg().is_none_or(|alg| alg == self.name);
        match is_allowed {
            true => (self.verifier)(&key.material),
            false => Ok(None),
        }
    }
}
