//! What is expected of a token, and what of it is checked.

/// The kind of token that is expected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum TokenType {
    /// A JWS with claims as its payload.
    #[default]
    Signed,
    /// A JWE with claims as its plaintext.
    Encrypted,
    /// A JWE with a JWS as its plaintext, which has claims as its payload (RFC 7519 section 11.2).
    Nested,
}

/// Whether the signature of a JWS is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignatureCheck {
    /// One of the keys must have made the signature.
    Verify,
    /// The signature is not checked, so that everybody can write such tokens. All other checks are
    /// made, and a JWE still has to be encrypted to one of the keys.
    Believe,
}
