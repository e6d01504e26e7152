//! The failures of the layer between nginx and the rest of the module: nginx could not do what the
//! module asked for, or a callback of the module panicked.

use std::fmt;

/// Why an operation of this layer failed. A request to which this happens ends with status 500.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// nginx could not allocate memory.
    OutOfMemory,
    /// nginx did not start a subrequest and logged the reason (ngx_http_subrequest).
    SubrequestRefused,
    /// nginx could not evaluate a value with variables (ngx_http_complex_value).
    Evaluation,
    /// A length does not fit into the type that nginx uses for it.
    TooLong,
    /// A callback panicked. The panic is logged.
    Panic,
    /// State that this layer has stored with nginx is missing. This is a defect of this layer.
    Inconsistent,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfMemory => "out of memory",
            Self::SubrequestRefused => "nginx refused to start a subrequest",
            Self::Evaluation => "nginx could not evaluate a value with variables",
            Self::TooLong => "a length is too large for nginx",
            Self::Panic => "a callback panicked",
            Self::Inconsistent => "the state of the request is inconsistent",
        })
    }
}
