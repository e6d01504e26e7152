//! What a response of the authorization service means: allow, deny, or an error of the service.

use super::answer::AnswerError;
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
    /// nginx could not connect to the service.
    #[error("no connection to the service")]
    NoConnection,
    /// The service, or the way to it, took too long.
    #[error("the service did not respond in time")]
    TimedOut,
    /// The service closed the connection.
    #[error("no response from the service")]
    NoResponse,
    /// What the service sent has no valid HTTP header.
    #[error("invalid response from the service")]
    InvalidResponse,
    /// nginx did not try to connect: it knows no address, or no server that it counts as alive.
    #[error("the service was not asked")]
    NotAsked,
    /// nginx failed at the header of a response that allows.
    #[error("response was truncated")]
    Truncated,
    /// The response allows, but its body is not what `auth_request_answer` requires.
    #[error(transparent)]
    Answer(AnswerError),
    /// A 301 or 302 of `auth_request_deny_status` does not say where to go.
    #[error("redirect without a Location header")]
    NoLocation,
    /// The service itself responded with a 5xx.
    #[error("neither allows nor denies")]
    ServerError,
    /// The status means neither allow nor deny.
    #[error("neither allows nor denies")]
    UnexpectedStatus,
}

impl AuthError {
    /// The error in one word, for counters.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoConnection => "no_connection",
            Self::TimedOut => "timed_out",
            Self::NoResponse => "no_response",
            Self::InvalidResponse => "invalid_response",
            Self::NotAsked => "not_asked",
            Self::Truncated => "truncated",
            Self::Answer(_) => "answer",
            Self::NoLocation => "no_location",
            Self::ServerError => "server_error",
            Self::UnexpectedStatus => "unexpected_status",
        }
    }
}

/// Who produced the status of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseOrigin {
    /// The authorization service, asked for this request.
    Service,
    /// A cache of its responses, or nginx as it is configured: an error page, `return`,
    /// `limit_req`.
    Elsewhere,
    /// nginx itself, because no connection could be made.
    NoConnection,
    /// nginx itself, because time ran out.
    TimedOut,
    /// nginx itself, because the connection was closed before a response came.
    NoResponse,
    /// nginx itself, because it got an invalid response.
    InvalidResponse,
    /// nginx itself, which did not try to connect.
    NotAsked,
}

/// The parts of a response that a decision depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceResponse {
    /// The HTTP status.
    pub status: u16,
    /// Who produced the status.
    pub origin: ResponseOrigin,
    /// Whether nginx has processed the whole header.
    pub has_header: bool,
    /// Whether the response has a `Location` header.
    pub has_location: bool,
    /// What is wrong with the body of a response that allows. Without `auth_request_answer` nothing
    /// is: nobody looks at it.
    pub answer_error: Option<AnswerError>,
}

/// The value of `auth_request_on_error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// Requests are refused with this status.
    Refuse(u16),
    /// Requests are let in while the service cannot be reached.
    Allow {
        /// Also while the service itself responds with a 5xx.
        on_server_error: bool,
    },
}

impl ServiceResponse {
    /// What the response means. `deny_status` is the value of `auth_request_deny_status`.
    #[inline]
    pub fn decision(self, deny_status: Option<&Statuses>) -> Decision {
        // Below 500 the configuration has replaced nginx's own status, as by error_page.
        if let Some(error) = self.own_error().filter(|_| self.status >= 500) {
            return Decision::Error(error);
        }
        if is_success(self.status) {
            return match (self.has_header, self.answer_error) {
                (true, None) => Decision::Allow,
                (true, Some(error)) => Decision::Error(AuthError::Answer(error)),
                (false, _) => Decision::Error(AuthError::Truncated),
            };
        }
        let is_server_error = (500..600).contains(&self.status);
        if !is_denial(self.status, deny_status) {
            return Decision::Error(match self.origin {
                ResponseOrigin::Service if is_server_error => AuthError::ServerError,
                _ => AuthError::UnexpectedStatus,
            });
        }
        match matches!(self.status, 301 | 302) && !self.has_location {
            true => Decision::Error(AuthError::NoLocation),
            false => Decision::Deny,
        }
    }

    /// The error for which nginx itself has made up a status.
    #[inline]
    fn own_error(self) -> Option<AuthError> {
        match self.origin {
            ResponseOrigin::Service | ResponseOrigin::Elsewhere => None,
            ResponseOrigin::NoConnection => Some(AuthError::NoConnection),
            ResponseOrigin::TimedOut => Some(AuthError::TimedOut),
            ResponseOrigin::NoResponse => Some(AuthError::NoResponse),
            ResponseOrigin::InvalidResponse => Some(AuthError::InvalidResponse),
            ResponseOrigin::NotAsked => Some(AuthError::NotAsked),
        }
    }
}

impl OnError {
    /// The status that `Allow` refuses requests with that it does not let in.
    const REFUSED: u16 = 500;

    /// What applies if the client may have brought the error about, whatever the error is.
    pub fn closed(self) -> Self {
        match self {
            Self::Allow { .. } => Self::Refuse(Self::REFUSED),
            Self::Refuse(_) => self,
        }
    }

    /// The status that a request is refused with because of an error, or `None` if the request is
    /// let in (fail open). `response_status` is the status of the response that the error is about.
    pub fn refusal_status(self, error: AuthError, response_status: u16) -> Option<u16> {
        match self {
            Self::Allow { on_server_error }
                if is_outage(error, response_status)
                    || on_server_error && error == AuthError::ServerError =>
            {
                None
            }
            Self::Allow { .. } => Some(Self::REFUSED),
            Self::Refuse(status) => Some(status),
        }
    }
}

/// Whether an error shows that the service is down, which no client can bring about. A client can
/// bring about what nginx does without asking (`limit_req`, or counting a server as down), and a
/// service that closes the connection or sends an invalid header because of what the client sent.
fn is_outage(error: AuthError, status: u16) -> bool {
    match error {
        // With another status nginx did something else than failing to connect, or the
        // configuration has replaced the status.
        AuthError::NoConnection => matches!(status, 502 | 504),
        AuthError::TimedOut => status == 504,
        AuthError::NoResponse
        | AuthError::InvalidResponse
        | AuthError::NotAsked
        | AuthError::Truncated
        | AuthError::Answer(_)
        | AuthError::NoLocation
        | AuthError::ServerError
        | AuthError::UnexpectedStatus => false,
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
