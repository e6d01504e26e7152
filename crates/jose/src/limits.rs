//! Upper bounds on the input.

/// Upper bounds on the length and depth of a token. [`UnverifiedToken::parse`] refuses what exceeds
/// them.
///
/// [`UnverifiedToken::parse`]: crate::UnverifiedToken::parse
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Length of a token in bytes.
    pub token_bytes: usize,
    /// Length in bytes of the JSON of a header, and of the JSON of the claims.
    pub json_bytes: usize,
    /// How deep arrays and objects may be nested in a header or in claims.
    pub json_depth: usize,
    /// Length in bytes of compressed content (`zip`) after it is inflated.
    pub inflated_bytes: usize,
}

impl Default for Limits {
    /// Tokens of 512 KiB, JSON of 256 KiB and 32 levels, and 256 KiB of inflated content.
    fn default() -> Self {
        Self {
            token_bytes: 512 << 10,
            json_bytes: 256 << 10,
            json_depth: 32,
            inflated_bytes: 256 << 10,
        }
    }
}
