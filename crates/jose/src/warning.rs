//! What is wrong with one entry of a key set. The other keys of the set are used.

use std::fmt;

use text::Quoted;

use crate::load_budget::MAX_KEYS;

/// A problem with one entry of a key set, worth a line in the operator's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Position in the set, counted from 0.
    pub index: usize,
    /// The entry's `kid`, if it is a string.
    pub kid: Option<Quoted>,
    /// What is wrong.
    pub problem: KeyProblem,
}

/// What is wrong with an entry, and whether its key is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyProblem {
    /// The key is not used (RFC 7517 section 5).
    LeftOut(KeyFault),
    /// The key is used in spite of this.
    Used(Vec<KeyFlaw>),
    /// There is a problem with this entry and with so many more behind it. The warnings of a set
    /// end here, so that a set cannot fill a log.
    NotListed(usize),
    /// This entry and so many more behind it are not used: [`KeyFault::Excess`].
    Excess(usize),
}

/// Why an entry is left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// The entry is not a JSON object.
    #[error("not a JSON object")]
    NotObject,
    /// The object has two members with the same name (RFC 7517 section 4).
    #[error("member {name} occurs twice")]
    RepeatedName {
        /// The name.
        name: Quoted,
    },
    /// A required member is not there.
    #[error("member \"{member}\" is missing")]
    Missing {
        /// The name of the member.
        member: &'static str,
    },
    /// A member has another JSON type.
    #[error("member \"{member}\" is not {expected}")]
    WrongType {
        /// The name of the member.
        member: &'static str,
        /// The type that it should have.
        expected: &'static str,
    },
    /// A member is not base64url.
    #[error("member \"{member}\" is not base64url{}", about_secret(member))]
    NotBase64 {
        /// The name of the member.
        member: &'static str,
    },
    /// A member is empty, or a number that has to be positive is zero.
    #[error("member \"{member}\" is empty or zero")]
    Empty {
        /// The name of the member.
        member: &'static str,
    },
    /// A coordinate has another length than its curve demands.
    #[error("member \"{member}\" has {bytes} bytes instead of {expected}")]
    Length {
        /// The name of the member.
        member: &'static str,
        /// Its length in bytes, without zeros on the left.
        bytes: usize,
        /// The length that it should have.
        expected: usize,
    },
    /// The type, curve, algorithm or use is not supported.
    #[error("unsupported {member} {value}")]
    Unsupported {
        /// The name of the member.
        member: &'static str,
        /// Its value.
        value: Quoted,
    },
    /// `key_ops` is an empty array, which allows nothing.
    #[error("member \"key_ops\" is empty, so that the key may be used for nothing")]
    NoOperation,
    /// The key's own `alg` is for keys of another type, curve or length.
    #[error("alg {alg} is not for a key of this type, curve or length")]
    AlgorithmMismatch {
        /// The key's `alg`.
        alg: Quoted,
    },
    /// An RSA modulus or exponent is even.
    #[error("member \"{member}\" is an even number")]
    Even {
        /// The name of the member.
        member: &'static str,
    },
    /// An RSA exponent is 1.
    #[error("member \"e\" is 1")]
    ExponentOne,
    /// An RSA exponent is larger than 2^32 - 1, which would make each signature expensive.
    #[error("member \"e\" has {bits} bits, at most 32 are accepted")]
    ExponentLength {
        /// Length of the exponent in bits.
        bits: usize,
    },
    /// An RSA modulus has less than 2,048 bits.
    #[error("too weak: RSA modulus of {bits} bits, at least 2048 are needed")]
    Weak {
        /// Length of the modulus in bits.
        bits: usize,
    },
    /// An RSA modulus has more than 16,384 bits.
    #[error("too large: RSA modulus of {bits} bits, at most 16384 are accepted")]
    TooLarge {
        /// Length of the modulus in bits.
        bits: usize,
    },
    /// An RSA private key lacks `p`, `q`, `dp`, `dq` or `qi`, and too many keys of the set do.
    #[error("it lacks p, q, dp, dq or qi, which are computed for few keys of a set only")]
    NoPrimes,
    /// The members are well-formed, but make no key: the point is not on the curve or has small
    /// order, or the private members do not belong to the public ones.
    #[error("{}", invalid_key(kty))]
    Invalid {
        /// The key's `kty`.
        kty: &'static str,
    },
    /// The members are well-formed, but make no key pair for key agreement: the point is not on the
    /// curve, or the private member is not that of the point.
    #[error("its members are not a key pair of the curve")]
    NotKeyPair,
    /// To check the private members or the certificate takes long, and too many keys of the set
    /// have such.
    #[error(
        "private members and certificates take long to check, which is done for few keys of a set \
         only"
    )]
    Costly,
    /// There are so many keys before this one that no more are used.
    #[error("of one set no more than {MAX_KEYS} keys are used")]
    Excess,
    /// `x5c` takes the place of the members that are missing, and is no array of certificates, or
    /// the first certificate has another type of key.
    #[error("member \"x5c\" has no certificate for a key of this type")]
    Certificate,
}

/// What is wrong with an entry whose key is used nevertheless.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFlaw {
    /// A member has padding (RFC 7515 section 2 forbids it).
    #[error("member \"{member}\" has base64 padding")]
    Padding {
        /// The name of the member.
        member: &'static str,
    },
    /// A member has the characters `+` and `/` instead of `-` and `_`.
    #[error("member \"{member}\" is base64 instead of base64url")]
    StandardAlphabet {
        /// The name of the member.
        member: &'static str,
    },
    /// A number has zeros on the left (RFC 7518 section 2 forbids them), or a coordinate has more
    /// of them than its curve demands.
    #[error("member \"{member}\" has superfluous zeros on the left")]
    LeadingZeros {
        /// The name of the member.
        member: &'static str,
    },
    /// A coordinate is shorter than its curve demands (RFC 7518 section 6.2.1.2).
    #[error("member \"{member}\" lacks zeros on the left")]
    MissingZeros {
        /// The name of the member.
        member: &'static str,
    },
    /// The entry has a certificate instead of the members of a public key.
    #[error("its public key is only in the first certificate of \"x5c\"")]
    Certificate,
    /// An HMAC secret is shorter than the output of the hash function (RFC 7518 section 3.2).
    #[error("secret of {bytes} bytes is shorter than {recommended} bytes")]
    ShortSecret {
        /// Length of the secret in bytes.
        bytes: usize,
        /// Length in bytes that RFC 7518 demands.
        recommended: usize,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", entry_name(self.index, self.kid.as_ref()))?;
        match &self.problem {
            KeyProblem::LeftOut(fault) => write!(f, "left out, {fault}"),
            KeyProblem::Excess(0) => write!(f, "left out, {}", KeyFault::Excess),
            KeyProblem::Excess(more) => {
                write!(f, "left out with {more} more, {}", KeyFault::Excess)
            }
            KeyProblem::NotListed(more) => {
                write!(f, "something is wrong with this entry and with {more} more")
            }
            KeyProblem::Used(flaws) => {
                f.write_str("used, but ")?;
                for (position, flaw) in flaws.iter().enumerate() {
                    let separator = if position == 0 { "" } else { "; " };
                    write!(f, "{separator}{flaw}")?;
                }
                Ok(())
            }
        }
    }
}

/// How a log line names an entry: `key 1, kid "k2"`.
pub(crate) fn entry_name(index: usize, kid: Option<&Quoted>) -> String {
    match kid {
        Some(kid) => format!("key {index}, kid {kid}"),
        None => format!("key {index}"),
    }
}

/// Many take the member for the secret itself.
fn about_secret(member: &str) -> &'static str {
    match member {
        "k" => "; docs/keys.md tells how to encode a secret",
        _ => "",
    }
}

fn invalid_key(kty: &str) -> &'static str {
    match kty {
        "EC" => "members \"x\" and \"y\" are not a point of the curve",
        "OKP" => "member \"x\" is not a point of the curve, or has small order",
        "RSA" => "its members do not belong to one RSA key",
        _ => "not a valid key",
    }
}
