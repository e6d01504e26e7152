//! `auth_jwt_revocation_list_sub`, `auth_jwt_revocation_list_kid`, `auth_jwt_revocation_list_jti`:
//! which tokens are revoked before they expire.

use std::fmt;

use jose::{JsonValue, VerifiedToken};
use text::Quoted;

/// The part of a token that a list has the revoked values of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationSubject {
    /// The claim `sub`: all tokens of a user.
    Sub,
    /// The header parameter `kid`: all tokens that were signed with a key.
    Kid,
    /// The claim `jti`: one token.
    Jti,
}

/// Why a token is refused for a list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevocationError {
    /// The token does not have what the list is about.
    #[error("{0} is missing, which auth_jwt_revocation_list_{name} requires", name = .0.name())]
    Missing(RevocationSubject),
    /// It has it in a form that no list can name.
    #[error("{0} is not a string, which auth_jwt_revocation_list_{name} requires", name = .0.name())]
    NotString(RevocationSubject),
    /// The list has it.
    #[error("revoked: {subject} is {value}")]
    Revoked {
        /// What the list is about.
        subject: RevocationSubject,
        /// What the token has.
        value: Quoted,
    },
}

impl RevocationSubject {
    /// Its name in the token, which is also the last part of the directive's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sub => "sub",
            Self::Kid => "kid",
            Self::Jti => "jti",
        }
    }

    /// Checks that this part of a token is not in a list, which `contains` asks.
    ///
    /// # Errors
    /// The reason for a refusal, or an error of `contains`.
    pub fn check<E: From<RevocationError>>(
        self,
        token: &VerifiedToken,
        contains: impl FnOnce(&[u8]) -> Result<bool, E>,
    ) -> Result<(), E> {
        let object = match self {
            Self::Sub | Self::Jti => token.claims().object(),
            Self::Kid => token.header().object(),
        };
        self.check_value(object.get(self.name().as_bytes()), contains)
    }

    fn check_value<E: From<RevocationError>>(
        self,
        value: Option<JsonValue<'_>>,
        contains: impl FnOnce(&[u8]) -> Result<bool, E>,
    ) -> Result<(), E> {
        let value = value.ok_or(RevocationError::Missing(self))?;
        let value = value.as_str().ok_or(RevocationError::NotString(self))?;
        match contains(value.as_bytes())? {
            false => Ok(()),
            true => Err(RevocationError::Revoked {
                subject: self,
                value: Quoted::new(&*value),
            }
            .into()),
        }
    }
}

/// As log lines name it.
impl fmt::Display for RevocationSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = match self {
            Self::Sub | Self::Jti => "claim",
            Self::Kid => "header parameter",
        };
        write!(f, "{part} \"{}\"", self.name())
    }
}

#[cfg(test)]
mod tests;
