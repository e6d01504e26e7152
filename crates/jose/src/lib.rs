//! JOSE in pure Rust: bytes, keys and a time in; verified claims or an [`Error`] out. Nothing here knows a clock, a
//! file, a log or a global. [`UnverifiedToken::parse`] looks at the form of a token, [`UnverifiedToken::verify`] at
//! everything that decides: header, algorithm, key, signature or authentication tag, and times. Sources: RFC 7515 to
//! 7520, 7797, 8037, 8725, 9864.

mod backend;
mod claims;
mod compact;
mod error;
mod header;
mod json;
mod jwe;
mod jwk;
mod jwks;
mod jws;
mod token;
mod work;

#[cfg(test)]
mod tests;

pub use claims::Claims;
pub use compact::Limits;
pub use error::{Error, ErrorKind, Part};
pub use header::Header;
pub use json::{Kind, Value, VariableText, compare_numbers};
pub use jwks::{KeySet, Warning};
pub use text::Quoted;
pub use token::{
    AuthenticToken, SignatureCheck, Summary, TokenType, UnverifiedToken, VerifiedToken,
};
