//! Why a token or a key set was refused: one flat enum with one variant for each cause. The texts
//! are ready for a log line. What comes from outside is quoted, escaped and truncated in them, and
//! they contain neither the token nor key material.

use std::fmt;

use text::Quoted;

use crate::no_key::NoKeyReason;
use crate::not_key_set::NotKeySet;

/// How many keys that fit a token are counted. Whoever sends tokens could have all keys of a large
/// set counted for each one otherwise.
pub(crate) const MAX_COUNTED: usize = 100;

/// Why a token or a key set was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The token is longer than [`Limits::token_bytes`](crate::Limits::token_bytes).
    #[error("token of {length} bytes is longer than {limit} bytes")]
    TokenTooLarge {
        /// Length of the token in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The compact serialization has the wrong number of parts: a JWS has three (RFC 7515 section
    /// 7.1), a JWE has five (RFC 7516 section 7.1).
    #[error("{}", wrong_parts(*found, *expected))]
    TokenParts {
        /// The number of parts, counted up to [`MAX_PARTS`](Self::MAX_PARTS) + 1.
        found: usize,
        /// The number of parts of such a token.
        expected: usize,
    },
    /// What an encrypted token contains is of the other kind: claims in a nested token, or a JWS in
    /// one that is not nested.
    #[error("{}", wrong_content(*is_token))]
    Content {
        /// Whether the content is a JWS.
        is_token: bool,
    },
    /// The input is not base64url (RFC 7515 section 2), or its last character has bits that no byte
    /// uses.
    #[error("{part} is not base64url")]
    Base64 {
        /// The input.
        part: InputPart,
    },
    /// The input ends with the padding of base64, which a token must not have (RFC 7515 section 2).
    #[error("{part} is base64url with padding")]
    Base64Padding {
        /// The input.
        part: InputPart,
    },
    /// The input is longer than its limit.
    #[error("{part} is longer than {limit} bytes")]
    TooLarge {
        /// The input.
        part: InputPart,
        /// The limit in bytes.
        limit: usize,
    },
    /// The input is not UTF-8.
    #[error("{part} is not UTF-8")]
    NotUtf8 {
        /// The input.
        part: InputPart,
    },
    /// The input is not JSON (RFC 8259).
    #[error("{part} is not JSON at byte {offset}")]
    JsonSyntax {
        /// The input.
        part: InputPart,
        /// The first byte, counted from 0, that cannot be part of JSON.
        offset: usize,
    },
    /// A JSON object has two members with the same name.
    #[error("{part} has the name {name} twice")]
    DuplicateName {
        /// The input.
        part: InputPart,
        /// The name.
        name: Quoted,
    },
    /// JSON arrays and objects are nested too deep.
    #[error("{part} is nested deeper than {limit} levels")]
    TooDeep {
        /// The input.
        part: InputPart,
        /// The limit in levels.
        limit: usize,
    },
    /// The input is JSON, but not an object.
    #[error("{part} is not a JSON object")]
    NotObject {
        /// The input.
        part: InputPart,
    },

    /// A header parameter is missing or is not a string.
    #[error("JOSE header parameter \"{name}\" is missing or of the wrong type")]
    HeaderParameter {
        /// The name of the parameter.
        name: &'static str,
    },
    /// `crit` is not an array of one or more different names of parameters that are in the header
    /// and are not standard parameters (RFC 7515 section 4.1.11).
    #[error("JOSE header parameter \"crit\" is malformed")]
    CriticalMalformed,
    /// `crit` names an extension. No extension is supported.
    #[error("critical JOSE header parameter {name} is not supported")]
    CriticalUnsupported {
        /// The first name in `crit`.
        name: Quoted,
    },
    /// `b64` (RFC 7797) is present and is not `true`, or `crit` names it.
    #[error("unencoded payload is not supported")]
    UnencodedPayload,
    /// The algorithm is not supported. That includes `none`.
    #[error("algorithm {alg} is not supported")]
    UnsupportedAlgorithm {
        /// The token's `alg`.
        alg: Quoted,
    },
    /// The content encryption is not supported.
    #[error("content encryption {enc} is not supported")]
    UnsupportedEncryption {
        /// The token's `enc`.
        enc: Quoted,
    },
    /// The compression is not `DEF`.
    #[error("compression {zip} is not supported")]
    UnsupportedCompression {
        /// The token's `zip`.
        zip: Quoted,
    },

    /// The set has no key that can be used with the token's algorithm and `kid`.
    #[error("{}", no_key(alg, kid, reason))]
    UnknownKey {
        /// The token's `alg`.
        alg: &'static str,
        /// The token's `kid`.
        kid: Option<Quoted>,
        /// Why not.
        reason: NoKeyReason,
    },
    /// None of the keys that were tried made the signature.
    #[error(
        "bad signature, algorithm \"{alg}\"{}, keys tried: {tried}{}",
        and_kid(kid),
        of_fitting(*tried, *fitting)
    )]
    BadSignature {
        /// The token's `alg`.
        alg: &'static str,
        /// The token's `kid`.
        kid: Option<Quoted>,
        /// How many keys were tried.
        tried: usize,
        /// How many keys fit the token. Some are not tried if all could take too long.
        fitting: usize,
    },
    /// None of the keys that were tried decrypts the token. The text does not tell which part of
    /// the token was wrong, because that would help an attacker.
    #[error(
        "decryption failed, algorithm \"{alg}\"{}, keys tried: {tried}{}",
        and_kid(kid),
        of_fitting(*tried, *fitting)
    )]
    DecryptionFailed {
        /// The token's `alg`.
        alg: &'static str,
        /// The token's `kid`.
        kid: Option<Quoted>,
        /// How many keys were tried.
        tried: usize,
        /// How many keys fit the token. Some are not tried if all could take too long.
        fitting: usize,
    },
    /// The system has no random bytes for the key that stands in for one that cannot be unwrapped.
    #[error("no random bytes available")]
    NoRandomness,
    /// The decrypted content cannot be inflated (RFC 1951).
    #[error("compressed content cannot be inflated")]
    Inflate,

    /// `exp` or `nbf` is not a JSON number, or is too large for a double.
    #[error("claim \"{claim}\" is not a number")]
    NotNumericDate {
        /// The name of the claim.
        claim: &'static str,
    },
    /// The current time is not before `exp` (RFC 7519 section 4.1.4).
    #[error("expired: exp {exp}, now {now}, leeway {leeway}")]
    Expired {
        /// The claim, in seconds since 1970 in UTC.
        exp: i64,
        /// The current time, in seconds since 1970 in UTC.
        now: i64,
        /// How many seconds after `exp` the token is still accepted.
        leeway: u64,
    },
    /// The current time is before `nbf` (RFC 7519 section 4.1.5).
    #[error("not yet valid: nbf {nbf}, now {now}, leeway {leeway}")]
    NotYetValid {
        /// The claim, in seconds since 1970 in UTC.
        nbf: i64,
        /// The current time, in seconds since 1970 in UTC.
        now: i64,
        /// How many seconds before `nbf` the token is already accepted.
        leeway: u64,
    },

    /// A text is neither a JWK Set, which has an array `keys`, nor a JWK, which has `kty`.
    #[error("{found}")]
    NotKeySet {
        /// What it is instead.
        found: NotKeySet,
    },
}

/// The category of an [`Error`], for status variables and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The token does not have the required form.
    Malformed,
    /// The token uses an algorithm, encryption, compression or extension that is not supported.
    Unsupported,
    /// The set has no key for the token.
    UnknownKey,
    /// No key of the set made the signature.
    BadSignature,
    /// No key of the set decrypts the token.
    DecryptionFailed,
    /// The token has expired.
    Expired,
    /// The token is not valid yet.
    NotYetValid,
    /// The key set has the error, not the token.
    KeySet,
}

/// Which input an [`Error`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputPart {
    /// The protected header of a JWS or JWE.
    Header,
    /// The claims: the payload of a JWS, or the plaintext of a JWE.
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
    /// A JSON value that is compared with a part of a token.
    Value,
}

impl Error {
    /// The most parts that any kind of token has.
    pub const MAX_PARTS: usize = 5;

    /// The category of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::TooLarge { part, .. }
            | Self::NotUtf8 { part }
            | Self::JsonSyntax { part, .. }
            | Self::DuplicateName { part, .. }
            | Self::TooDeep { part, .. }
            | Self::NotObject { part }
            | Self::Base64 { part }
            | Self::Base64Padding { part }
                if *part == InputPart::KeySet =>
            {
                ErrorKind::KeySet
            }
            Self::TokenTooLarge { .. }
            | Self::TokenParts { .. }
            | Self::Content { .. }
            | Self::Base64 { .. }
            | Self::Base64Padding { .. }
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
            Self::NotKeySet { .. } => ErrorKind::KeySet,
        }
    }
}

impl fmt::Display for InputPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "JOSE header",
            Self::Claims => "claims set",
            Self::Signature => "signature",
            Self::EncryptedKey => "encrypted key",
            Self::Iv => "initialization vector",
            Self::Ciphertext => "ciphertext",
            Self::Tag => "authentication tag",
            Self::KeySet => "key set",
            Self::Value => "value",
        })
    }
}

fn wrong_parts(found: usize, expected: usize) -> String {
    match (found, expected) {
        (5, 3) => "an encrypted token (5 parts) where a signed one is expected".into(),
        (3, 5) => "a signed token (3 parts) where an encrypted one is expected".into(),
        (1, _) => format!("token has 1 part instead of {expected}"),
        _ if found > Error::MAX_PARTS => format!("token has more than {} parts", Error::MAX_PARTS),
        _ => format!("token has {found} parts instead of {expected}"),
    }
}

fn wrong_content(is_token: bool) -> &'static str {
    match is_token {
        true => "a nested token where an encrypted one with claims is expected",
        false => "an encrypted token with claims where a nested one is expected",
    }
}

fn no_key(alg: &str, kid: &Option<Quoted>, reason: &NoKeyReason) -> String {
    let reason = reason.about_token(kid.is_some());
    match kid {
        Some(kid) => format!("no key with kid {kid} for {alg}: {reason}"),
        None => format!("no key for {alg}: {reason}"),
    }
}

fn and_kid(kid: &Option<Quoted>) -> String {
    kid.as_ref()
        .map_or_else(String::new, |kid| format!(", kid {kid}"))
}

/// What is said if not all keys that fit were tried.
fn of_fitting(tried: usize, fitting: usize) -> String {
    let or_more = if fitting >= MAX_COUNTED {
        " or more"
    } else {
        ""
    };
    match tried < fitting {
        true => format!(
            " of {fitting}{or_more} that fit, since more could take too long; give each key the kid \
             that its tokens have"
        ),
        false => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_an_error_quotes_values() {
        let error = Error::BadSignature {
            alg: "RS256",
            kid: Some(Quoted::new("k1")),
            tried: 2,
            fitting: 2,
        };
        assert_eq!(
            error.to_string(),
            "bad signature, algorithm \"RS256\", kid \"k1\", keys tried: 2"
        );
        assert_eq!(error.kind(), ErrorKind::BadSignature);
    }

    #[test]
    fn an_error_in_a_key_set_is_not_an_error_of_the_token() {
        for (part, kind) in [
            (InputPart::KeySet, ErrorKind::KeySet),
            (InputPart::Claims, ErrorKind::Malformed),
        ] {
            assert_eq!(Error::NotObject { part }.kind(), kind);
        }
    }
}
