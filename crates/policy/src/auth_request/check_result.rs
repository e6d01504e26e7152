//! How a check of `auth_request` ended, for counters.

use super::decision::AuthError;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckResult {
    /// The service, or the cache, let the request in.
    Allowed,
    /// The service, or the cache, refused the request.
    Denied,
    /// A condition of `auth_request_require` was not met.
    Requirement,
    /// The client's body could not be read, or was too large.
    ClientBody,
    /// The URI of the service would have been unsafe.
    UnsafeUri,
    /// The service did not decide, and the request was refused.
    Error(AuthError),
    /// The service did not decide, and `auth_request_on_error` let the request in.
    LetIn(AuthError),
}

impl CheckResult {
    /// The result in one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Requirement => "requirement",
            Self::ClientBody => "client_body",
            Self::UnsafeUri => "unsafe_uri",
            Self::Error(_) => "error",
            Self::LetIn(_) => "let_in",
        }
    }

    /// What was wrong with the service's response.
    pub fn error(self) -> Option<AuthError> {
        match self {
            Self::Error(error) | Self::LetIn(error) => Some(error),
            Self::Allowed
            | Self::Denied
            | Self::Requirement
            | Self::ClientBody
            | Self::UnsafeUri => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_service_that_did_not_decide_has_an_error() {
        let error = AuthError::NoConnection;
        assert_eq!(CheckResult::Error(error).error(), Some(error));
        assert_eq!(CheckResult::LetIn(error).error(), Some(error));
        for decided in [CheckResult::Allowed, CheckResult::Denied] {
            assert_eq!(decided.error(), None);
        }
    }
}
