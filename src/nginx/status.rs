//! The status codes of HTTP responses, with names for those that the module itself uses.

/// An HTTP status code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Status(pub u16);

impl Status {
    pub const OK: Self = Self(200);
    pub const NO_CONTENT: Self = Self(204);
    pub const UNAUTHORIZED: Self = Self(401);
    pub const FORBIDDEN: Self = Self(403);
    pub const METHOD_NOT_ALLOWED: Self = Self(405);
    pub const CONTENT_TOO_LARGE: Self = Self(413);
    pub const INTERNAL_SERVER_ERROR: Self = Self(500);

    /// Whether the status is 2xx.
    pub fn is_success(self) -> bool {
        (200..300).contains(&self.0)
    }
}
