//! What a response of the authorization service means: allow, deny, or an error of the service.

use super::statuses::Statuses;

#[cfg(test)]
mod tests;

/// What a response of the authorization service means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The service lets the request in.
    Allow,
    /// The service refuses the request, and the client gets its status.
    Deny,
    /// The service has not decided, so `auth_request_on_error` does.
    Error(AuthError),
}

/// Why a response of the authorization service decides nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The service could not be reached, closed the connection or took too long.
    #[error("no response from the service")]
    NoResponse,
    /// What the service sent has no valid HTTP header.
    #[error("invalid response from the service")]
    InvalidResponse,
    /// The body of a response that allows did not come to its end.
    #[error("response was truncated")]
    Truncated,
    /// The body of a response that allows is longer than nginx reads.
    #[error("response body is too large")]
    BodyTooLarge,
    /// A 301 or 302 of `auth_request_deny_status` does not say where to go.
    #[error("redirect without a Location header")]
    NoLocation,
    /// The status means neither allow nor deny.
    #[error("neither allows nor denies")]
    UnexpectedStatus,
}

/// Who produced the status of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseOrigin {
    /// The authorization service, a cache of its responses, or the nginx configuration.
    Service,
    /// nginx itself, because it got no response.
    NoResponse,
    /// nginx itself, because it got an invalid response.
    InvalidResponse,
}

/// How much of a response's body has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyState {
    /// All of it.
    Complete,
    /// The connection ended, or an error occurred, before the end of the body.
    Truncated,
    /// It is too large, and was not read to its end.
    TooLarge,
}

/// The parts of a response that a decision depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceResponse {
    /// The HTTP status.
    pub status: u16,
    /// Who produced the status.
    pub origin: ResponseOrigin,
    /// Whether the body is complete.
    pub body: BodyState,
    /// Whether the response has a `Location` header.
    pub has_location: bool,
}

/// The value of `auth_request_on_error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// Requests are refused with this status.
    Refuse(u16),
    /// Requests are let in if the service fails; see [`OnError::refusal_status`].
    Allow,
}

impl ServiceResponse {
    /// What the response means. `deny_status` is the value of `auth_request_deny_status`.
    #[inline]
    pub fn decision(self, deny_status: Option<&Statuses>) -> Decision {
        match self.origin {
            ResponseOrigin::NoResponse if self.status >= 500 => {
                Decision::Error(AuthError::NoResponse)
            }
            ResponseOrigin::InvalidResponse if self.status >= 500 => {
                Decision::Error(AuthError::InvalidResponse)
            }
            // Below 500 the configuration has replaced nginx's own status, as by error_page.
            _ if is_success(self.status) => match self.body {
                BodyState::Complete => Decision::Allow,
                BodyState::Truncated => Decision::Error(AuthError::Truncated),
                BodyState::TooLarge => Decision::Error(AuthError::BodyTooLarge),
            },
            _ if !is_denial(self.status, deny_status) => {
                Decision::Error(AuthError::UnexpectedStatus)
            }
            _ if matches!(self.status, 301 | 302) && !self.has_location => {
                Decision::Error(AuthError::NoLocation)
            }
            // A denial counts even if its body is not complete.
            _ => Decision::Deny,
        }
    }
}

impl OnError {
    /// The status that a request is refused with because of an error, or `None` if the request is
    /// let in (fail open). `response_status` is the status of the response that the error is about.
    pub fn refusal_status(self, error: AuthError, response_status: u16) -> Option<u16> {
        match self {
            Self::Allow if is_outage(error, response_status) => None,
            Self::Allow => Some(500),
            Self::Refuse(status) => Some(status),
        }
    }
}

/// Whether an error shows that the service has failed, which no client can bring about.
fn is_outage(error: AuthError, status: u16) -> bool {
    match error {
        // nginx also responds with 500 without asking the service, for example if `proxy_pass` has
        // a variable whose value, chosen by the client, makes an invalid address.
        AuthError::NoResponse => matches!(status, 502 | 504),
        // The service may have been too slow to complete its header (504). A client may have
        // provoked any other invalid header, if the service repeats what the client sends.
        AuthError::InvalidResponse => status == 504,
        AuthError::UnexpectedStatus => (500..600).contains(&status),
        AuthError::Truncated | AuthError::BodyTooLarge | AuthError::NoLocation => false,
    }
}

/// Whether a response with this status denies. 304 never does: it would tell the client that the
/// copy it has is still good.
#[inline]
pub fn is_denial(status: u16, deny_status: Option<&Statuses>) -> bool {
    let is_configured = || deny_status.is_some_and(|statuses| statuses.contain(status));
    matches!(status, 401 | 403) || (status != 304 && is_configured())
}

/// Whether a denial with this status always takes along the header with this name, without which
/// the client could not act on the status.
pub fn goes_with_denial(status: u16, header_name: &[u8]) -> bool {
    let companion = match status {
        300..=399 => "location",
        401 => "www-authenticate",
        429 | 503 => "retry-after",
        _ => return false,
    };
    header_name.eq_ignore_ascii_case(companion.as_bytes())
}

/// Whether a status is one of the 2xx.
#[inline]
pub fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}
