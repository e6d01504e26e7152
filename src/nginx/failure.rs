//! Why nginx could not do what was asked.

use std::fmt;

/// Why nginx could not do what was asked. The request ends with 500.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// A pool has no memory left.
    OutOfMemory,
    /// nginx did not start a subrequest, and logged why (ngx_http_subrequest).
    SubrequestRefused,
    /// nginx could not evaluate a value with variables (ngx_http_complex_value).
    Evaluation,
    /// A length is larger than nginx's type for it.
    TooLong,
    /// A callback panicked, which is logged.
    Panic,
    /// Something of ours is not where we have put it.
    Inconsistent,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfMemory => "out of memory",
            Self::SubrequestRefused => "nginx refused to start a subrequest",
            Self::Evaluation => "nginx could not evaluate a value with variables",
            Self::TooLong => "a length is too large for nginx",
            Self::Panic => "a panic in nginx-auth",
            Self::Inconsistent => "the state of the request is inconsistent",
        })
    }
}
