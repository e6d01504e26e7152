//! What a key costs. What one attempt costs is an estimate in nanoseconds, by the type and the size
//! of the key and the length of the token. The figures are those of docs/performance.md, rounded up. They
//! do not have to be exact: they keep a token from being tried with many expensive keys.

use crate::jwk::{EcCurve, EdwardsCurve, KeyMaterial, MlDsa, MontgomeryCurve, bits};

/// A MAC, or unwrapping with AES, besides the bytes of the token.
const SYMMETRIC: u64 = 2_000;
const P256: u64 = 70_000;
const P384: u64 = 260_000;
const P521: u64 = 430_000;
const ED25519: u64 = 50_000;
const ED448: u64 = 280_000;
const SECP256K1: u64 = 330_000;
const ML_DSA_44: u64 = 40_000;
const ML_DSA_65: u64 = 60_000;
const ML_DSA_87: u64 = 90_000;
/// A shared secret, which OpenSSL computes for all of these.
const P256_SECRET: u64 = 70_000;
const P384_SECRET: u64 = 1_000_000;
const P521_SECRET: u64 = 420_000;
const X25519_SECRET: u64 = 60_000;
const X448_SECRET: u64 = 320_000;
/// Bytes of memory of a key, besides its `kid` and what its algorithms have.
const ENTRY_MEMORY: usize = 300;
/// Bytes of memory that the table of an algorithm has for a key, besides its `kid`.
const ROW_MEMORY: usize = 200;
/// SHA-256 without instructions for it, for each byte.
const HASHED_BYTE: u64 = 3;

/// The costs of RSA for moduli of up to so many bits: a multiplication with the public key, of
/// which a signature takes one for each bit of the exponent and one for each bit that is set; and a
/// private operation.
const RSA: [(usize, RsaCost); 4] = [
    (2048, RsaCost::new(1_200, 700_000)),
    (4096, RsaCost::new(3_300, 4_200_000)),
    (8192, RsaCost::new(15_000, 35_000_000)),
    (16384, RsaCost::new(55_000, 250_000_000)),
];

#[derive(Clone, Copy)]
struct RsaCost {
    multiplication: u64,
    private: u64,
}

/// What kind of key it is: at least one key of each kind is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Octets,
    Rsa,
    Ec(EcCurve),
    Okp(EdwardsCurve),
    Montgomery(MontgomeryCurve),
    MlDsa(MlDsa),
}

impl KeyKind {
    /// A bit that no other kind has.
    pub(crate) fn bit(self) -> u16 {
        match self {
            Self::Octets => 1,
            Self::Rsa => 1 << 1,
            Self::Ec(EcCurve::P256) => 1 << 2,
            Self::Ec(EcCurve::P384) => 1 << 3,
            Self::Ec(EcCurve::P521) => 1 << 4,
            Self::Ec(EcCurve::Secp256k1) => 1 << 5,
            Self::Okp(EdwardsCurve::Ed25519) => 1 << 6,
            Self::Okp(EdwardsCurve::Ed448) => 1 << 7,
            Self::Montgomery(MontgomeryCurve::X25519) => 1 << 8,
            Self::Montgomery(MontgomeryCurve::X448) => 1 << 9,
            Self::MlDsa(MlDsa::MlDsa44) => 1 << 10,
            Self::MlDsa(MlDsa::MlDsa65) => 1 << 11,
            Self::MlDsa(MlDsa::MlDsa87) => 1 << 12,
        }
    }
}

impl RsaCost {
    const fn new(multiplication: u64, private: u64) -> Self {
        Self {
            multiplication,
            private,
        }
    }
}

impl KeyMaterial {
    /// The kind of the key.
    pub(crate) fn kind(&self) -> KeyKind {
        match self {
            Self::Octets(_) => KeyKind::Octets,
            Self::Rsa { .. } => KeyKind::Rsa,
            Self::Ec { crv, .. } => KeyKind::Ec(*crv),
            Self::Okp { crv, .. } => KeyKind::Okp(*crv),
            Self::Montgomery { crv, .. } => KeyKind::Montgomery(*crv),
            Self::MlDsa { parameters, .. } => KeyKind::MlDsa(*parameters),
        }
    }

    /// The cost to verify a signature, without that of the message.
    pub(crate) fn verification_cost(&self) -> u64 {
        match self {
            Self::Octets(_) => SYMMETRIC,
            Self::Rsa { n, e, .. } => {
                let ones = e.iter().map(|byte| u64::from(byte.count_ones()));
                let squares = u64::try_from(bits(e)).unwrap_or(u64::MAX);
                let multiplications = ones.fold(squares, u64::saturating_add);
                rsa_cost(n).multiplication.saturating_mul(multiplications)
            }
            Self::Ec { crv, .. } => match crv {
                EcCurve::P256 => P256,
                EcCurve::P384 => P384,
                EcCurve::P521 => P521,
                EcCurve::Secp256k1 => SECP256K1,
            },
            Self::Okp { crv, .. } => match crv {
                EdwardsCurve::Ed25519 => ED25519,
                EdwardsCurve::Ed448 => ED448,
            },
            Self::MlDsa { parameters, .. } => match parameters {
                MlDsa::MlDsa44 => ML_DSA_44,
                MlDsa::MlDsa65 => ML_DSA_65,
                MlDsa::MlDsa87 => ML_DSA_87,
            },
            // Such keys verify nothing.
            Self::Montgomery { .. } => SYMMETRIC,
        }
    }

    /// The cost to decrypt a content key, without that of the content.
    pub(crate) fn decryption_cost(&self) -> u64 {
        match self {
            Self::Rsa { n, .. } => rsa_cost(n).private,
            Self::Ec { crv, .. } => match crv {
                EcCurve::P256 => P256_SECRET,
                EcCurve::P384 => P384_SECRET,
                EcCurve::P521 => P521_SECRET,
                EcCurve::Secp256k1 => SYMMETRIC,
            },
            Self::Montgomery { crv, .. } => match crv {
                MontgomeryCurve::X25519 => X25519_SECRET,
                MontgomeryCurve::X448 => X448_SECRET,
            },
            Self::Octets(_) | Self::Okp { .. } | Self::MlDsa { .. } => SYMMETRIC,
        }
    }
}

impl KeyMaterial {
    /// The cost to check the private members when the key is loaded. It is 0 if there are none that
    /// are used.
    pub(crate) fn private_check_cost(&self) -> u64 {
        match self {
            Self::Rsa {
                n,
                private: Some(_),
                ..
            } => {
                let length = u64::try_from(n.len()).unwrap_or(u64::MAX);
                length.saturating_mul(60).saturating_add(10_000)
            }
            // Both are one multiplication on the curve.
            Self::Ec { d: Some(_), .. } | Self::Montgomery { d: Some(_), .. } => {
                self.decryption_cost()
            }
            _ => 0,
        }
    }

    /// How many bytes of memory the key takes, as measured, and rounded up. It is prepared for so
    /// many algorithms that verify, and for so many that decrypt.
    pub(crate) fn memory(&self, verifiers: usize, decrypters: usize, kid: Option<&str>) -> usize {
        let kid = kid.map_or(0, str::len);
        let rows = verifiers.saturating_add(decrypters);
        let private = match decrypters {
            0 => 0,
            _ => self.private_memory(),
        };
        [
            ENTRY_MEMORY,
            kid,
            ROW_MEMORY.saturating_add(kid).saturating_mul(rows),
            self.verifier_memory().saturating_mul(verifiers),
            self.secret_memory().saturating_mul(decrypters),
            private,
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }

    /// Bytes of memory for one algorithm.
    fn verifier_memory(&self) -> usize {
        match self {
            Self::Octets(_) => 1_250,
            Self::Rsa { n, .. } => n.len().saturating_mul(2).saturating_add(900),
            Self::Ec { .. } | Self::Okp { .. } => 500,
            Self::Montgomery { .. } => 0,
            Self::MlDsa { public_key, .. } => public_key.len().saturating_mul(2),
        }
    }

    /// Bytes of memory for one algorithm that decrypts. It is 0 for keys that the algorithms share.
    fn secret_memory(&self) -> usize {
        match self {
            Self::Octets(secret) => secret.len(),
            _ => 0,
        }
    }

    /// Bytes of memory that all algorithms share which decrypt.
    fn private_memory(&self) -> usize {
        match self {
            Self::Rsa { n, .. } => n.len().saturating_mul(4).saturating_add(1_000),
            Self::Ec { .. } => 2_500,
            Self::Montgomery { .. } => 1_000,
            Self::Octets(_) | Self::Okp { .. } | Self::MlDsa { .. } => 0,
        }
    }
}

/// The cost of the bytes that are hashed or decrypted.
pub(crate) fn message_cost(length: usize) -> u64 {
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    length.saturating_mul(HASHED_BYTE)
}

fn rsa_cost(n: &[u8]) -> RsaCost {
    let size = bits(n);
    let found = RSA.iter().find(|(limit, _)| size <= *limit);
    let [.., (_, largest)] = RSA;
    found.map_or(largest, |(_, cost)| *cost)
}
