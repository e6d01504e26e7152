//! JSON Web Tokens and keys in safe Rust, on OpenSSL and AWS-LC or ring. Bytes, keys and a time in;
//! verified claims or an [`Error`] out. No clock and no I/O: the only global is the counter that
//! numbers key sets. [`UnverifiedToken::parse`] checks the form of a token, and
//! [`UnverifiedToken::verify`] everything else: header, algorithm, key, signature or authentication
//! tag, and times. Sources: RFC 7515 to 7520, 7638, 7797, 8037, 8725, 9449 and 9864.

mod claims;
mod compact;
mod cost;
mod crypto;
mod dpop;
mod error;
mod header;
mod json;
mod jwe;
mod jwk;
mod jwks;
mod jws;
mod limits;
mod load_budget;
mod no_key;
mod not_key_set;
mod step_counter;
mod summary;
mod token;
mod token_type;
mod warning;

#[cfg(test)]
mod tests;

pub use claims::Claims;
pub use dpop::{DpopError, DpopNonceKey, DpopProof};
pub use error::{Error, ErrorKind, InputPart};
pub use header::JoseHeader;
pub use json::{Document, JsonKind, JsonValue, VariableText, compare_numbers};
pub use jwks::{KeySet, KeySize, ListedKey, ListedMaterial, list_keys};
pub use limits::Limits;
pub use no_key::{KeyPurpose, NoKeyReason, SetWarning, UselessKey};
pub use not_key_set::{NotKeySet, PemLabel};
pub use summary::Summary;
pub use text::Quoted;
pub use token::{AuthenticToken, UnverifiedToken, VerifiedToken};
pub use token_type::{SignatureCheck, TokenType};
pub use warning::{KeyFault, KeyFlaw, KeyProblem, Warning};

/// The names of all algorithms for signatures and MACs that are supported.
pub fn signature_algorithms() -> impl Iterator<Item = &'static str> {
    jws::algorithms().map(|algorithm| algorithm.name)
}

/// The names of all algorithms for key management that are supported.
pub fn key_management_algorithms() -> impl Iterator<Item = &'static str> {
    jwe::algorithms().map(|algorithm| algorithm.name)
}

/// The names of all algorithms for content encryption that are supported.
pub fn content_encryption_algorithms() -> impl Iterator<Item = &'static str> {
    jwe::encryptions().map(|encryption| encryption.name)
}
