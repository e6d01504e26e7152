//! What became of the token of a request, as `$jwt_status` and the counters have it.

/// A value of `$jwt_status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwtStatus {
    /// The token is accepted.
    Ok,
    /// The request has no token.
    Missing,
    /// What the request has is no token, or the request has several.
    Malformed,
    /// An algorithm is not supported, or not allowed.
    UnsupportedAlgorithm,
    /// There is no key for the token.
    UnknownKey,
    /// The signature does not fit.
    BadSignature,
    /// The token cannot be decrypted.
    DecryptionFailed,
    /// The token is too old.
    Expired,
    /// The token is of the future.
    NotYetValid,
    /// The token is of no issuer that is trusted.
    UntrustedIssuer,
    /// A claim or a parameter of the header is not as required.
    ClaimMismatch,
    /// The token does not grant a required scope.
    InsufficientScope,
    /// The token is revoked.
    Revoked,
    /// The token is bound to another client.
    Binding,
    /// A condition of `auth_jwt_require` is not met.
    Requirement,
    /// Nothing can be said of the token: there are no keys, for example.
    KeysUnavailable,
    /// Nobody looks at tokens, by `auth_jwt off` or `auth_jwt_mode off`.
    Disabled,
}

impl JwtStatus {
    /// All values, each at the place that its number says (`as usize`).
    pub const ALL: [Self; 17] = [
        Self::Ok,
        Self::Missing,
        Self::Malformed,
        Self::UnsupportedAlgorithm,
        Self::UnknownKey,
        Self::BadSignature,
        Self::DecryptionFailed,
        Self::Expired,
        Self::NotYetValid,
        Self::UntrustedIssuer,
        Self::ClaimMismatch,
        Self::InsufficientScope,
        Self::Revoked,
        Self::Binding,
        Self::Requirement,
        Self::KeysUnavailable,
        Self::Disabled,
    ];

    /// The value as text.
    #[inline]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::UnsupportedAlgorithm => "unsupported_algorithm",
            Self::UnknownKey => "unknown_key",
            Self::BadSignature => "bad_signature",
            Self::DecryptionFailed => "decryption_failed",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::UntrustedIssuer => "untrusted_issuer",
            Self::ClaimMismatch => "claim_mismatch",
            Self::InsufficientScope => "insufficient_scope",
            Self::Revoked => "revoked",
            Self::Binding => "binding",
            Self::Requirement => "requirement",
            Self::KeysUnavailable => "keys_unavailable",
            Self::Disabled => "disabled",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_status_has_its_number_and_a_name_of_its_own() {
        for (number, status) in JwtStatus::ALL.into_iter().enumerate() {
            assert_eq!(status as usize, number, "{status:?}");
        }
        let names: HashSet<_> = JwtStatus::ALL.map(JwtStatus::name).into();
        assert_eq!(names.len(), JwtStatus::ALL.len());
    }
}
