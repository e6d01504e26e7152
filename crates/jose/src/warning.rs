//! What is wrong with a key in a set that is used nevertheless.

use std::fmt;

use text::Quoted;

/// A problem with one key of a set, worth a line in the operator's log. The other keys of the set
/// are used. `index` counts the keys of the set from 0, and `kid` is the key's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// An HMAC secret is shorter than the output of the hash function (RFC 7518 section 3.2). The
    /// key is used.
    ShortSecret {
        /// Position in the set.
        index: usize,
        /// The key's `kid`.
        kid: Option<Quoted>,
        /// Length of the secret in bytes.
        bytes: usize,
        /// Length in bytes that RFC 7518 demands.
        recommended: usize,
    },
    /// An RSA modulus has not 2,048 to 16,384 bits. The key is not used.
    ModulusLength {
        /// Position in the set.
        index: usize,
        /// The key's `kid`.
        kid: Option<Quoted>,
        /// Length of the modulus in bits.
        bits: usize,
    },
    /// The key's type, curve, algorithm or use is not supported. The key is not used (RFC 7517
    /// section 5).
    Skipped {
        /// Position in the set.
        index: usize,
        /// The key's `kid`.
        kid: Option<Quoted>,
        /// Name of the unsupported member.
        member: &'static str,
        /// Value of the unsupported member.
        value: Quoted,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::ShortSecret { index, kid, .. }
        | Self::ModulusLength { index, kid, .. }
        | Self::Skipped { index, kid, .. }) = self;
        write!(f, "key {index}")?;
        if let Some(kid) = kid {
            write!(f, ", kid {kid}")?;
        }
        match self {
            Self::ShortSecret {
                bytes, recommended, ..
            } => write!(
                f,
                ": secret of {bytes} bytes is shorter than {recommended} bytes"
            ),
            Self::ModulusLength { bits, .. } => write!(
                f,
                ": skipped, RSA modulus of {bits} bits instead of 2048 to 16384"
            ),
            Self::Skipped { member, value, .. } => {
                write!(f, ": skipped, unsupported {member} {value}")
            }
        }
    }
}
