//! Why a set has no key for a token, and why it has none for any token.

use std::fmt;

use text::Quoted;

use crate::warning::{KeyFault, entry_name};

/// What keys are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPurpose {
    /// To verify signatures.
    Verify,
    /// To decrypt.
    Decrypt,
}

/// Why no key of a set can be used for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoKeyReason {
    /// The set has no keys at all.
    EmptySet,
    /// No key of the set has the token's `kid`.
    NoSuchKid,
    /// The keys with the token's `kid`, or all keys for a token without one, are for these
    /// algorithms.
    OtherAlgorithms(Vec<&'static str>),
    /// The keys are for another content encryption.
    OtherEncryption,
    /// The keys are on another curve than the sender's key.
    OtherCurve,
    /// A member of the key does not allow this use.
    OtherPurpose {
        /// What the key would be needed for.
        needed: KeyPurpose,
        /// The member, `use` or `key_ops`.
        member: &'static str,
    },
    /// The key is a public key, which decrypts nothing.
    PublicKey,
    /// The key was left out when the set was loaded.
    LeftOut(KeyFault),
}

/// Something about a whole set that the operator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetWarning {
    /// No key of the set can be used for any token.
    Useless {
        /// What the keys are needed for.
        purpose: KeyPurpose,
        /// Why, for the first keys of the set.
        keys: Vec<UselessKey>,
        /// How many more keys there are.
        more: usize,
    },
    /// Some keys have private members, and only their public part is used.
    PrivateKeys {
        /// The position in the set, counted from 0, and the `kid` of the first of them.
        keys: Vec<(usize, Option<Quoted>)>,
        /// How many more there are.
        more: usize,
    },
}

/// Why one key cannot be used for any token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UselessKey {
    pub(crate) index: usize,
    pub(crate) kid: Option<Quoted>,
    pub(crate) reason: NoKeyReason,
}

impl NoKeyReason {
    /// The end of the log line about a token, which has named the token's `kid` if it has one.
    pub(crate) fn about_token(&self, has_kid: bool) -> String {
        match (self, has_kid) {
            (Self::EmptySet, _) => "the set is empty".to_owned(),
            (Self::NoSuchKid, _) => "the set has no such kid".to_owned(),
            (Self::OtherAlgorithms(names), true) => {
                format!("the set has that kid for {} only", names.join(", "))
            }
            (Self::OtherAlgorithms(names), false) => {
                format!("the set has keys for {} only", names.join(", "))
            }
            (_, true) => format!("the key with that kid {}", self.about_key()),
            (_, false) => format!("the first key of the set {}", self.about_key()),
        }
    }

    /// What is said of a key, without the subject of the sentence.
    pub fn about_key(&self) -> String {
        match self {
            Self::EmptySet | Self::NoSuchKid => "does not exist".to_owned(),
            Self::OtherAlgorithms(names) => format!("is for {} only", names.join(", ")),
            Self::OtherEncryption => "is for other values of \"enc\" only".to_owned(),
            Self::OtherCurve => "is on another curve than \"epk\"".to_owned(),
            Self::OtherPurpose { needed, member } => match (needed, *member) {
                (KeyPurpose::Verify, "use") => "is for encryption only, by its \"use\"".to_owned(),
                (KeyPurpose::Decrypt, "use") => "is for signatures only, by its \"use\"".to_owned(),
                (KeyPurpose::Verify, member) => format!("may not verify, by its \"{member}\""),
                (KeyPurpose::Decrypt, member) => format!("may not decrypt, by its \"{member}\""),
            },
            Self::PublicKey => "has no private members, which decryption needs".to_owned(),
            Self::LeftOut(fault) => format!("is left out, {fault}"),
        }
    }
}

impl UselessKey {
    fn text(&self) -> String {
        let name = entry_name(self.index, self.kid.as_ref());
        format!("{name} {}", self.reason.about_key())
    }
}

impl fmt::Display for SetWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, keys, more): (_, Vec<_>, _) = match self {
            Self::Useless {
                purpose,
                keys,
                more,
            } => (
                match purpose {
                    KeyPurpose::Verify => "no key of this set verifies signatures",
                    KeyPurpose::Decrypt => "no key of this set decrypts tokens",
                },
                keys.iter().map(UselessKey::text).collect(),
                more,
            ),
            Self::PrivateKeys { keys, more } => (
                "private keys, of which only the public part is needed to verify signatures",
                keys.iter()
                    .map(|(index, kid)| entry_name(*index, kid.as_ref()))
                    .collect(),
                more,
            ),
        };
        match (keys.is_empty(), more) {
            (true, _) => write!(f, "{what}: it is empty"),
            (false, 0) => write!(f, "{what}: {}", keys.join("; ")),
            (false, more) => write!(f, "{what}: {}; and {more} more", keys.join("; ")),
        }
    }
}
