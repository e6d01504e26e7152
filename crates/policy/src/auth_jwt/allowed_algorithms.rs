//! `auth_jwt_algorithms`: the algorithms that tokens may have.

use jose::{TokenType, key_management_algorithms, signature_algorithms};

/// The algorithms that tokens may have, for signatures and for key management. Each is allowed by
/// its name: a token with `EdDSA` is another one than a token with `Ed25519`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedAlgorithms(Vec<&'static str>);

impl AllowedAlgorithms {
    /// Allows another algorithm.
    ///
    /// # Errors
    /// What would be right.
    pub fn add(&mut self, name: &[u8]) -> Result<(), String> {
        let mut known = signature_algorithms().chain(key_management_algorithms());
        let Some(name) = known.find(|known| known.as_bytes() == name) else {
            let known: Vec<_> = signature_algorithms().collect();
            return Err(format!(
                "it must be one of {}, or of {} for encrypted tokens",
                known.join(", "),
                key_management_algorithms().collect::<Vec<_>>().join(", ")
            ));
        };
        self.0.push(name);
        Ok(())
    }

    /// Allows another algorithm for signatures.
    ///
    /// # Errors
    /// What would be right.
    pub fn add_signature(&mut self, name: &[u8]) -> Result<(), String> {
        let Some(name) = signature_algorithms().find(|known| known.as_bytes() == name) else {
            let known: Vec<_> = signature_algorithms().collect();
            return Err(format!("it must be one of {}", known.join(", ")));
        };
        self.0.push(name);
        Ok(())
    }

    /// Whether tokens may have this algorithm.
    pub fn allow(&self, name: &str) -> bool {
        self.0.contains(&name)
    }

    /// Whether there can be tokens of this type at all: a nested token has an algorithm of each
    /// kind.
    pub fn allow_type(&self, kind: TokenType) -> bool {
        let signed = || signature_algorithms().any(|name| self.allow(name));
        let encrypted = || key_management_algorithms().any(|name| self.allow(name));
        match kind {
            TokenType::Signed => signed(),
            TokenType::Encrypted => encrypted(),
            TokenType::Nested => signed() && encrypted(),
        }
    }
}

#[cfg(test)]
mod tests;
