//! What one key set may take to load. Whoever writes a set could keep each worker busy for a minute
//! otherwise, with 4 MiB of private keys that have to be checked, or fill its memory with secrets of
//! one byte. What exceeds the budget is left out, and the first keys count.

/// How many keys of a set are used. 16,384 RSA keys of 2,048 bits that are prepared for six
/// algorithms take 0.3 s and some 160 MiB.
pub(crate) const MAX_KEYS: usize = 16_384;

/// What the costly checks of a set may take, by an estimate in nanoseconds: those of private
/// members and of certificates, and the computation of primes.
const MAX_CHECKS: u64 = 200_000_000;

/// For how many RSA private keys of a set the primes are computed.
const MAX_COMPLETIONS: usize = 16;

/// To parse a certificate, with its key.
const CERTIFICATE: u64 = 300_000;

/// What the keys of a set have taken so far.
#[derive(Debug, Default)]
pub(crate) struct LoadBudget {
    keys: usize,
    checks: u64,
    /// For how many keys the primes were computed.
    completions: usize,
}

impl LoadBudget {
    /// The budget of one key, for which no primes are computed.
    pub(crate) fn without_primes() -> Self {
        Self {
            completions: MAX_COMPLETIONS,
            ..Self::default()
        }
    }

    /// Whether no more keys are used.
    pub(crate) fn is_full(&self) -> bool {
        self.keys >= MAX_KEYS
    }

    /// Notes a key that is used.
    pub(crate) fn note_key(&mut self) {
        self.keys = self.keys.saturating_add(1);
    }

    /// Whether the primes may be computed that belong to a modulus of this length in bytes. If so,
    /// they are charged.
    pub(crate) fn affords_primes(&mut self, modulus_length: usize) -> bool {
        let length = u64::try_from(modulus_length).unwrap_or(u64::MAX);
        let cost = length.saturating_mul(length).saturating_mul(8);
        let is_affordable = self.completions < MAX_COMPLETIONS && self.affords(cost);
        if is_affordable {
            self.completions = self.completions.saturating_add(1);
        }
        is_affordable
    }

    /// Whether a certificate may be parsed. If so, it is charged.
    pub(crate) fn affords_certificate(&mut self) -> bool {
        self.affords(CERTIFICATE)
    }

    /// Whether a check of this cost may be made. If so, it is charged.
    pub(crate) fn affords(&mut self, cost: u64) -> bool {
        let sum = self.checks.saturating_add(cost);
        let is_affordable = sum <= MAX_CHECKS;
        if is_affordable {
            self.checks = sum;
        }
        is_affordable
    }
}
