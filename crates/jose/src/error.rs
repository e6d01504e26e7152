//! Why a token or a key set was refused: one flat enum, one variant per cause. Texts are fit for a log line as they
//! are: whatever comes from outside is quoted, escaped and bounded, and neither token nor key material is among it.

use std::fmt;

use text::Quoted;

/// Why a token or a key set was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The token is longer than [`Limits::token_bytes`](super::Limits::token_bytes).
    #[error("token of {length} bytes is longer than {limit}")]
    TokenTooLarge { length: usize, limit: usize },
    /// The compact serialization has another number of parts than a token of this kind has: three for a JWS (RFC 7515
    /// section 7.1), five for a JWE (RFC 7516 section 7.1). `found` counts to one more than `expected` at most.
    #[error("token has {}", count(*found, *expected))]
    TokenParts { found: usize, expected: usize },
    /// A part is not base64url without padding (RFC 7515 section 2), or its last character has bits that mean nothing.
    #[error("{part} is not base64url")]
    Base64 { part: Part },
    /// A part is longer than its limit.
    #[error("{part} is longer than {limit} bytes")]
    TooLarge { part: Part, limit: usize },
    /// A part is not UTF-8.
    #[error("{part} is not UTF-8")]
    NotUtf8 { part: Part },
    /// A part is not JSON (RFC 8259); `offset` is the byte where that shows.
    #[error("{part} is not JSON at byte {offset}")]
    JsonSyntax { part: Part, offset: usize },
    /// A JSON object has two members of the same name.
    #[error("{part} has the name {name} twice")]
    DuplicateName { part: Part, name: Quoted },
    /// JSON arrays and objects are nested deeper than the limit.
    #[error("{part} is nested deeper than {limit}")]
    TooDeep { part: Part, limit: usize },
    /// The JSON is not an object.
    #[error("{part} is not a JSON object")]
    NotObject { part: Part },

    /// A header parameter is missing or of the wrong type.
    #[error("header parameter \"{name}\" is missing or of the wrong type")]
    HeaderParameter { name: &'static str },
    /// `crit` is not a non-empty array of distinct names of parameters that are present and not standard (RFC 7515
    /// section 4.1.11).
    #[error("header parameter \"crit\" is malformed")]
    CriticalMalformed,
    /// `crit` names an extension, and we know none.
    #[error("critical header parameter {name} is not supported")]
    CriticalUnsupported { name: Quoted },
    /// `b64` is anything but true (RFC 7797).
    #[error("unencoded payload is not supported")]
    UnencodedPayload,
    /// `alg` is not in our tables.
    #[error("algorithm {alg} is not supported")]
    UnsupportedAlgorithm { alg: Quoted },
    /// `enc` is not in our tables.
    #[error("content encryption {enc} is not supported")]
    UnsupportedEncryption { enc: Quoted },
    /// `zip` is anything but `DEF`.
    #[error("compression {zip} is not supported")]
    UnsupportedCompression { zip: Quoted },

    /// No key fits the token's algorithm and kid.
    #[error("no key fits algorithm {alg}{}", and_kid(kid))]
    UnknownKey { alg: Quoted, kid: Option<Quoted> },
    /// No candidate key verifies the signature; `tried` keys were tried.
    #[error("bad signature, algorithm {alg}{}, keys tried: {tried}", and_kid(kid))]
    BadSignature {
        alg: &'static str,
        kid: Option<Quoted>,
        tried: usize,
    },
    /// No candidate key decrypts the token. Which part was wrong is not told, on purpose.
    #[error(
        "decryption failed, algorithm {alg}{}, keys tried: {tried}",
        and_kid(kid)
    )]
    DecryptionFailed {
        alg: &'static str,
        kid: Option<Quoted>,
        tried: usize,
    },
    /// The system has no random bytes to hide behind that a key did not unwrap.
    #[error("no random bytes")]
    NoRandomness,
    /// The decrypted content does not inflate (RFC 1951).
    #[error("content does not inflate")]
    Inflate,

    /// `exp` or `nbf` is no JSON number, or one too large for a double.
    #[error("claim \"{claim}\" is not a number")]
    NotNumericDate { claim: &'static str },
    /// The current time is not before `exp` (RFC 7519 section 4.1.4), leeway counted in. All in seconds.
    #[error("expired: exp {exp}, now {now}, leeway {leeway}")]
    Expired { exp: i64, now: i64, leeway: u64 },
    /// The current time is before `nbf` (RFC 7519 section 4.1.5), leeway counted in. All in seconds.
    #[error("not yet valid: nbf {nbf}, now {now}, leeway {leeway}")]
    NotYetValid { nbf: i64, now: i64, leeway: u64 },

    /// A JSON object that is neither a JWK Set (no array `keys`) nor a JWK (no string `kty`).
    #[error("neither a JWK Set nor a JWK")]
    NotKeySet,
    /// A member of a key is missing, of the wrong type or not base64url. `index` counts from 0.
    #[error(
        "key {index}{}: member \"{member}\" is missing or malformed",
        and_kid(kid)
    )]
    KeyMember {
        index: usize,
        kid: Option<Quoted>,
        member: &'static str,
    },
    /// An element of `keys` is not a JSON object. `index` counts from 0.
    #[error("key {index} is not a JSON object")]
    KeyNotObject { index: usize },
    /// The members of a key do not make a key: a point off its curve, an even modulus, inconsistent primes.
    #[error("key {index}{}: not a valid {kty} key", and_kid(kid))]
    KeyInvalid {
        index: usize,
        kid: Option<Quoted>,
        kty: &'static str,
    },
}

/// What kind of refusal an [`Error`] is, as `$jwt_status` and metrics tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Not a token of the expected form.
    Malformed,
    /// An algorithm, encryption, compression or extension that we don't have.
    Unsupported,
    /// No key for it.
    UnknownKey,
    /// The signature is not one of our keys'.
    BadSignature,
    /// No key of ours decrypts it.
    DecryptionFailed,
    /// Too late.
    Expired,
    /// Too early.
    NotYetValid,
    /// Not the token but the key set is at fault.
    KeySet,
}

impl Error {
    /// The kind of refusal.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::TooLarge { part, .. }
            | Self::NotUtf8 { part }
            | Self::JsonSyntax { part, .. }
            | Self::DuplicateName { part, .. }
            | Self::TooDeep { part, .. }
            | Self::NotObject { part }
            | Self::Base64 { part }
                if *part == Part::KeySet =>
            {
                ErrorKind::KeySet
            }
            Self::TokenTooLarge { .. }
            | Self::TokenParts { .. }
            | Self::Base64 { .. }
            | Self::TooLarge { .. }
            | Self::NotUtf8 { .. }
            | Self::JsonSyntax { .. }
            | Self::DuplicateName { .. }
            | Self::TooDeep { .. }
            | Self::NotObject { .. }
            | Self::HeaderParameter { .. }
            | Self::CriticalMalformed
            | Self::Inflate
            | Self::NotNumericDate { .. } => ErrorKind::Malformed,
            Self::CriticalUnsupported { .. }
            | Self::UnencodedPayload
            | Self::UnsupportedAlgorithm { .. }
            | Self::UnsupportedEncryption { .. }
            | Self::UnsupportedCompression { .. } => ErrorKind::Unsupported,
            Self::UnknownKey { .. } => ErrorKind::UnknownKey,
            Self::BadSignature { .. } => ErrorKind::BadSignature,
            Self::DecryptionFailed { .. } | Self::NoRandomness => ErrorKind::DecryptionFailed,
            Self::Expired { .. } => ErrorKind::Expired,
            Self::NotYetValid { .. } => ErrorKind::NotYetValid,
            Self::NotKeySet
            | Self::KeyNotObject { .. }
            | Self::KeyMember { .. }
            | Self::KeyInvalid { .. } => ErrorKind::KeySet,
        }
    }
}

/// Which part of the input an [`Error`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The (protected) header.
    Header,
    /// The payload of a JWS or the plaintext of a JWE: the claims.
    Claims,
    /// The signature of a JWS.
    Signature,
    /// The encrypted key of a JWE.
    EncryptedKey,
    /// The initialization vector of a JWE.
    Iv,
    /// The ciphertext of a JWE.
    Ciphertext,
    /// The authentication tag of a JWE.
    Tag,
    /// A JWK Set or a JWK.
    KeySet,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Claims => "claims set",
            Self::Signature => "signature",
            Self::EncryptedKey => "encrypted key",
            Self::Iv => "initialization vector",
            Self::Ciphertext => "ciphertext",
            Self::Tag => "authentication tag",
            Self::KeySet => "key set",
        })
    }
}

fn count(found: usize, expected: usize) -> String {
    match found {
        1 => format!("1 part instead of {expected}"),
        _ if found > expected => format!("more than {expected} parts"),
        _ => format!("{found} parts instead of {expected}"),
    }
}

fn and_kid(kid: &Option<Quoted>) -> String {
    kid.as_ref()
        .map_or_else(String::new, |kid| format!(", kid {kid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_reads_as_a_log_line() {
        let error = Error::BadSignature {
            alg: "RS256",
            kid: Some(Quoted::new("k1")),
            tried: 2,
        };
        assert_eq!(
            error.to_string(),
            "bad signature, algorithm RS256, kid \"k1\", keys tried: 2"
        );
        assert_eq!(error.kind(), ErrorKind::BadSignature);
        let error = Error::NotObject { part: Part::KeySet };
        assert_eq!(error.kind(), ErrorKind::KeySet);
    }
}
