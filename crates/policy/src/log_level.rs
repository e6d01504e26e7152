//! How loudly something is logged.

/// How loudly something is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// The request does not have what it needs.
    Info,
    /// The server cannot judge the request: its administrator has to act.
    Error,
}
