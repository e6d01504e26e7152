//! Why a request is refused, and what that means for the client and for the log.

use text::Quoted;

use super::check_result::CheckResult;
use super::decision::{AuthError, OnError};
use crate::log_level::LogLevel;
use crate::uri::UnsafePath;

#[cfg(test)]
mod tests;

/// A reason to refuse a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// nginx did not read the client's body, and has logged why.
    ClientBody {
        /// The status that nginx chose, such as 413.
        status: u16,
    },
    /// The URI of the subrequest is unsafe.
    UnsafeUri {
        /// The URI as it is configured: the values of its variables may be secrets.
        uri: &'a [u8],
        /// What is wrong with its value.
        reason: UnsafePath,
    },
    /// The authorization service denied the request.
    Denied {
        /// The status of the response.
        status: u16,
        /// The URI of the service as it is configured: the values of its variables may be secrets.
        uri: &'a [u8],
    },
    /// A condition of `auth_request_require` is not met.
    Requirement {
        /// The condition as it is configured.
        value: &'a str,
        /// The status that is configured with it.
        status: u16,
    },
    /// The authorization service did not decide. `auth_request_on_error` may let the request in.
    ServiceError {
        /// What is wrong with the response.
        error: AuthError,
        /// The status of the response.
        status: u16,
        /// The status of the service's own response, if the configuration has replaced it, as by
        /// `error_page`.
        replaced: Option<u16>,
        /// The URI of the service as it is configured.
        uri: &'a [u8],
        /// What is configured for this case.
        on_error: OnError,
        /// Whether variables say how nginx connects to the service, so that the client may have
        /// brought the error about. Then it is not let in.
        connects_by_variables: bool,
    },
}

/// What follows from a [`Refusal`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalOutcome {
    /// The status that the client gets, or `None` if `auth_request_on_error` lets the request in.
    pub status: Option<u16>,
    /// The line for the log, if there is one.
    pub log_line: Option<(LogLevel, String)>,
    /// What the counters have of it.
    pub result: CheckResult,
}

impl Refusal<'_> {
    /// What follows for the client and for the log.
    pub fn outcome(&self) -> RefusalOutcome {
        let (status, log_line, result) = match *self {
            Self::ClientBody { status } => (Some(status), None, CheckResult::ClientBody),
            Self::Denied { status, uri } => {
                let uri = Quoted::new(uri);
                let text = format!("auth request: denied with status {status} by {uri}");
                let line = Some((LogLevel::Info, text));
                (Some(status), line, CheckResult::Denied)
            }
            Self::UnsafeUri { uri, reason } => {
                let text = format!("auth request: the URI {} {reason}", Quoted::new(uri));
                let line = Some((LogLevel::Error, text));
                (Some(500), line, CheckResult::UnsafeUri)
            }
            Self::Requirement { value, status } => {
                let text = format!("auth request: required {value} is empty or 0");
                let line = Some((LogLevel::Info, text));
                (Some(status), line, CheckResult::Requirement)
            }
            Self::ServiceError {
                error,
                status: response_status,
                replaced,
                uri,
                on_error,
                connects_by_variables,
            } => {
                let configured = on_error.refusal_status(error, response_status);
                let (status, suffix) = match (configured, connects_by_variables) {
                    (Some(_), _) => (configured, ""),
                    (None, false) => (None, ", let in by auth_request_on_error"),
                    (None, true) => (
                        on_error.closed().refusal_status(error, response_status),
                        ", not let in by auth_request_on_error, since the client may have a say in \
                         how nginx connects: TLS settings or the bind address have variables",
                    ),
                };
                let replaced = replaced.map_or(String::new(), |status| {
                    format!(", in place of status {status} of the service")
                });
                // The first words are those of nginx's own module: log filters look for them.
                let text = format!(
                    "auth request unexpected status: {response_status} from {}: {error}{replaced}{}{suffix}",
                    Quoted::new(uri),
                    advice(error, response_status)
                );
                let result = match status {
                    Some(_) => CheckResult::Error(error),
                    None => CheckResult::LetIn(error),
                };
                (status, Some((LogLevel::Error, text)), result)
            }
        };
        RefusalOutcome {
            status,
            log_line,
            result,
        }
    }
}

/// What such a status often means.
fn advice(error: AuthError, status: u16) -> &'static str {
    match (error, status) {
        (AuthError::UnexpectedStatus, 301..=303 | 307 | 308) => {
            "; auth_request_deny_status passes redirects on to clients"
        }
        (AuthError::UnexpectedStatus, 404) => {
            "; no location has this URI, or nothing is at the address in its proxy_pass"
        }
        (AuthError::UnexpectedStatus, 405) => "; the service is asked by GET",
        (AuthError::UnexpectedStatus, 429) => "; auth_request_deny_status passes it on to clients",
        _ => "",
    }
}
