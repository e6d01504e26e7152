//! `auth_jwt_dpop_algorithms`: the algorithms that DPoP proofs may have.

use jose::DpopProof;

/// What `alg` says of the signatures of two curves (RFC 8037 section 3.1).
const EDDSA: &str = "EdDSA";

/// The names by which RFC 9864 tells the two apart.
const CURVES: [&str; 2] = ["Ed25519", "Ed448"];

/// The algorithms that DPoP proofs may have: without a directive all that are supported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofAlgorithms(Vec<&'static str>);

impl Default for ProofAlgorithms {
    fn default() -> Self {
        Self(DpopProof::algorithms().collect())
    }
}

impl ProofAlgorithms {
    /// Those with these names.
    ///
    /// # Errors
    /// A name that is wrong, and what would be right.
    pub fn parse<'a>(names: impl Iterator<Item = &'a [u8]>) -> Result<Self, (&'a [u8], String)> {
        let mut allowed = Vec::new();
        for name in names {
            let known = DpopProof::algorithms().find(|known| known.as_bytes() == name);
            let known = known.ok_or_else(|| {
                let known: Vec<_> = DpopProof::algorithms().collect();
                (name, format!("it must be one of {}", known.join(", ")))
            })?;
            allowed.push(known);
        }
        Ok(Self(allowed))
    }

    /// Whether a proof may have its algorithm. One with `EdDSA` may have it by the name of its curve
    /// as well.
    pub fn allow(&self, proof: &DpopProof) -> bool {
        self.0.contains(&proof.algorithm()) || self.0.contains(&proof.precise_algorithm())
    }

    /// The names for a challenge, in the order of [`DpopProof::algorithms`].
    pub fn names(&self) -> String {
        let has_curve = CURVES.iter().any(|curve| self.0.contains(curve));
        let names = DpopProof::algorithms()
            .filter(|name| self.0.contains(name) || has_curve && *name == EDDSA);
        names.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests;
