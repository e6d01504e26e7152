//! What the cache of verdicts had for a request.

/// The value of `$auth_request_cache_status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheStatus {
    /// A verdict.
    Hit,
    /// Nothing.
    Miss,
    /// A verdict whose time is over.
    Expired,
    /// It was not asked: the key of the request is empty, or its body cannot be read.
    Bypass,
}

impl CacheStatus {
    /// The value as text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hit => "HIT",
            Self::Miss => "MISS",
            Self::Expired => "EXPIRED",
            Self::Bypass => "BYPASS",
        }
    }
}
