//! Why a request is refused, and what that means for the client and for the log.

mod log_line;

use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;

use super::bearer::AuthScheme;
use super::binding::BindingError;
use super::dpop::ProofError;
use super::issuer::{IssuerRejection, UnmetTerm};
use super::jwt_status::JwtStatus;
use super::key_cache::KeyError;
use super::key_file;
use super::max_age::AgeError;
use super::revocation::RevocationError;
use super::revocation_file::RevocationFileError;
use super::rules::RuleFailure;
use super::scopes::GrantedScopes;
use crate::log_level::LogLevel;
use crate::uri::UnsafePath;
use jose::{ErrorKind, NotKeySet};
use text::{Quoted, is_quotable};

pub use log_line::LogLine;

/// Why a request is refused. A [`LogLine`] says more about the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The request has no token.
    #[error("no token")]
    Missing,
    /// The request may have several tokens.
    #[error("more than one \"Authorization\" header line")]
    SeveralTokens,
    /// The token is not accepted.
    #[error("{0}")]
    Token(#[from] jose::Error),
    /// The token is compressed, and the configuration does not accept that.
    #[error("the token is compressed, and auth_jwt_compression is off")]
    Compressed,
    /// The algorithm is supported, but not one of `auth_jwt_algorithms`.
    #[error("algorithm {alg} is not one of auth_jwt_algorithms")]
    Algorithm {
        /// The token's `alg`.
        alg: Quoted,
    },
    /// The token is of no issuer that `auth_jwt_trust` names, or not as its `auth_jwt_issuer` has it.
    #[error("{0}")]
    Issuer(#[from] IssuerRejection),
    /// The token is too old, by `auth_jwt_max_age`.
    #[error("{0}")]
    Age(#[from] AgeError),
    /// The token is bound to a client, and does not come from it, or it is bound to nobody, by
    /// `auth_jwt_binding`.
    #[error("{0}")]
    Binding(#[from] BindingError),
    /// The token is revoked, or lacks what a list of revoked names is about.
    #[error("{0}")]
    Revocation(#[from] RevocationError),
    /// A list of revoked names is of no use.
    #[error("revocation list {}: {error}", Quoted::whole(path.as_os_str().as_encoded_bytes()))]
    RevocationList {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: RevocationFileError,
    },
    /// A rule of `auth_jwt_require_claim` or `auth_jwt_require_header` is not met.
    #[error("required {subject} {rule}: {failure}")]
    Rule {
        /// What the rule is about.
        subject: RuleSubject,
        /// The rule, as the configuration has it.
        rule: Rc<str>,
        /// Why it is not met.
        failure: RuleFailure,
        /// The configured status.
        status: u16,
    },
    /// The token does not grant a scope of `auth_jwt_require_scope`.
    #[error("required scope {missing} is not granted: {granted}")]
    Scope {
        /// The first scope that is not granted.
        missing: Quoted,
        /// What the token grants.
        granted: GrantedScopes,
        /// All scopes that are required.
        required: Rc<str>,
    },
    /// A condition of `auth_jwt_require` is not met.
    #[error("required {value} is empty or 0")]
    Requirement {
        /// The condition, as the configuration has it.
        value: Rc<str>,
        /// The configured status.
        status: u16,
    },
    /// The variable of `auth_jwt_mode` has a value that is no mode.
    #[error("auth_jwt_mode is {0}, it must be \"required\", \"optional\", \"report\" or \"off\"")]
    Mode(Quoted),
    /// The location needs keys and has none configured.
    #[error("no auth_jwt_key_file or auth_jwt_key_request for this location")]
    NoKeySource,
    /// A key file is of no use.
    #[error(
        "key file {}: {error}{}",
        Quoted::whole(path.as_os_str().as_encoded_bytes()),
        key_file::advice(path, error)
    )]
    KeyFile {
        /// The file, whose name may contain values from the request.
        path: PathBuf,
        /// What is wrong with it.
        error: KeyError,
    },
    /// The name of a key file is unsafe, for this reason.
    #[error("key file name rejected after variable expansion: {0}")]
    KeyFileName(&'static str),
    /// A key request is of no use.
    #[error("key request {uri}: {}", in_response(error))]
    KeyRequest {
        /// What was requested.
        uri: Quoted,
        /// What is wrong with the response.
        error: KeyError,
    },
    /// The keys of an issuer are not there.
    #[error("issuer {}: {error}", Quoted::whole(&**issuer))]
    IssuerKeys {
        /// The name of the issuer's block.
        issuer: Rc<str>,
        /// Why.
        error: KeyError,
    },
    /// The URI of a key request is unsafe.
    #[error("key request: the URI {uri} {reason}")]
    KeyRequestUri {
        /// The URI as it is configured: the values of its variables may be secrets.
        uri: Quoted,
        /// What is wrong with its value.
        reason: UnsafePath,
    },
    /// nginx could not do what was asked, for this reason.
    #[error("{0}")]
    Nginx(String),
}

/// An error about the response of a key location.
fn in_response(error: &KeyError) -> String {
    match error {
        KeyError::Invalid(jose::Error::NotKeySet {
            found: found @ (NotKeySet::Html | NotKeySet::Empty | NotKeySet::Object),
        }) => format!(
            "HTTP status 200, but {found}; see which location has this URI, and its proxy_pass"
        ),
        _ => error.to_string(),
    }
}

/// The part of a token that a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleSubject {
    /// A claim.
    Claim,
    /// A parameter of the JOSE header.
    Header,
}

impl fmt::Display for RuleSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Claim => "claim",
            Self::Header => "header parameter",
        })
    }
}

/// What a refusal looks like from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusalResponse<'a> {
    /// The status of the response.
    pub status: u16,
    /// The header line that asks for another token.
    pub challenge: Challenge<'a>,
    /// How the refusal is logged.
    pub log_level: LogLevel,
    /// The value of `$jwt_status`.
    pub jwt_status: JwtStatus,
}

/// The `WWW-Authenticate` header line (RFC 6750 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge<'a> {
    /// None: another token would not help.
    None,
    /// The realm alone: the request had no token.
    Realm,
    /// The realm, and that the token is not accepted.
    InvalidToken,
    /// The realm, and that the DPoP proof beside the token is not accepted.
    InvalidProof,
    /// The realm, and that the DPoP proof beside the token needs the nonce of the response.
    UseNonce,
    /// The realm, and that a token with these scopes is needed.
    InsufficientScope(&'a str),
}

/// What a client is told whose DPoP proof needs a nonce.
const USE_NONCE: &[u8] =
    b", error=\"use_dpop_nonce\", error_description=\"use the nonce in the header field DPoP-Nonce\"";

impl Rejection {
    /// What the refusal looks like from outside.
    #[inline]
    pub fn response(&self) -> RefusalResponse<'_> {
        use {Challenge as C, JwtStatus as S, LogLevel as L};
        let (status, challenge, log_level, jwt_status) = match self {
            Self::Missing => (401, C::Realm, L::Info, S::Missing),
            Self::SeveralTokens => (401, C::InvalidToken, L::Info, S::Malformed),
            Self::Token(error) => (401, C::InvalidToken, L::Info, token_status(error.kind())),
            Self::Compressed => (401, C::InvalidToken, L::Info, S::UnsupportedAlgorithm),
            Self::Algorithm { .. } => (401, C::InvalidToken, L::Info, S::UnsupportedAlgorithm),
            Self::Issuer(error) => (401, C::InvalidToken, L::Info, issuer_status(error)),
            Self::Age(error) => (401, C::InvalidToken, L::Info, age_status(error)),
            Self::Binding(BindingError::Proof(ProofError::Nonce(_))) => {
                (401, C::UseNonce, L::Info, S::Binding)
            }
            Self::Binding(BindingError::Proof(_)) => (401, C::InvalidProof, L::Info, S::Binding),
            Self::Binding(_) => (401, C::InvalidToken, L::Info, S::Binding),
            Self::Revocation(error) => (401, C::InvalidToken, L::Info, revocation_status(error)),
            Self::Rule { status: 401, .. } => (401, C::InvalidToken, L::Info, S::ClaimMismatch),
            Self::Rule { status, .. } => (*status, C::None, L::Info, S::ClaimMismatch),
            Self::Scope { required, .. } => {
                let challenge = C::InsufficientScope(required);
                (403, challenge, L::Info, S::InsufficientScope)
            }
            Self::Requirement { status: 401, .. } => {
                (401, C::InvalidToken, L::Info, S::Requirement)
            }
            Self::Requirement { status, .. } => (*status, C::None, L::Info, S::Requirement),
            Self::RevocationList { .. }
            | Self::Mode(_)
            | Self::NoKeySource
            | Self::KeyFile { .. }
            | Self::KeyFileName(_)
            | Self::KeyRequest { .. }
            | Self::IssuerKeys { .. }
            | Self::KeyRequestUri { .. }
            | Self::Nginx(_) => (500, C::None, L::Error, S::KeysUnavailable),
        };
        RefusalResponse {
            status,
            challenge,
            log_level,
            jwt_status,
        }
    }
}

/// The value of `$jwt_status` for a token that is not accepted.
fn token_status(kind: ErrorKind) -> JwtStatus {
    use JwtStatus as S;
    match kind {
        ErrorKind::Malformed => S::Malformed,
        ErrorKind::Unsupported => S::UnsupportedAlgorithm,
        ErrorKind::UnknownKey => S::UnknownKey,
        ErrorKind::BadSignature => S::BadSignature,
        ErrorKind::DecryptionFailed => S::DecryptionFailed,
        ErrorKind::Expired => S::Expired,
        ErrorKind::NotYetValid => S::NotYetValid,
        ErrorKind::KeySet => S::KeysUnavailable,
    }
}

/// The value of `$jwt_status` for a token that is refused for its `iat`.
fn age_status(error: &AgeError) -> JwtStatus {
    use JwtStatus as S;
    match error {
        AgeError::Missing => S::ClaimMismatch,
        AgeError::NotNumber => S::Malformed,
        AgeError::TooOld { .. } => S::Expired,
        AgeError::InFuture { .. } => S::NotYetValid,
    }
}

/// The value of `$jwt_status` for a token that is refused on account of its issuer.
fn issuer_status(error: &IssuerRejection) -> JwtStatus {
    use {JwtStatus as S, UnmetTerm as U};
    match error {
        IssuerRejection::Untrusted(_) => S::UntrustedIssuer,
        IssuerRejection::Unmet(_, U::Algorithm { .. }) => S::UnsupportedAlgorithm,
        IssuerRejection::Unmet(_, U::Age(error)) => age_status(error),
        IssuerRejection::Unmet(
            _,
            U::Audience { .. } | U::NoAudience | U::Type { .. } | U::NoType | U::AccessToken(_),
        ) => S::ClaimMismatch,
    }
}

/// The value of `$jwt_status` for a token that is refused for a list of revoked names.
fn revocation_status(error: &RevocationError) -> JwtStatus {
    use JwtStatus as S;
    match error {
        RevocationError::Missing(_) | RevocationError::NotString(_) => S::ClaimMismatch,
        RevocationError::Revoked { .. } => S::Revoked,
    }
}

impl Challenge<'_> {
    /// The value of the header line for a scheme, or `None` for [`Challenge::None`]. A realm with
    /// control characters is replaced by an empty one. `proof_algorithms` are those of DPoP, with
    /// spaces between them.
    #[inline]
    pub fn value(
        self,
        scheme: AuthScheme,
        realm: &[u8],
        proof_algorithms: impl FnOnce() -> String,
    ) -> Option<Vec<u8>> {
        let (error, scope): (&[u8], _) = match (self, scheme) {
            (Self::None, _) => return None,
            // The token is as good as it was: another one would not help.
            (Self::Realm, _) | (Self::UseNonce, AuthScheme::Bearer) => (b"", None),
            (Self::UseNonce, AuthScheme::Dpop) => (USE_NONCE, None),
            (Self::InvalidProof, AuthScheme::Dpop) => (b", error=\"invalid_dpop_proof\"", None),
            (Self::InvalidToken | Self::InvalidProof, _) => (b", error=\"invalid_token\"", None),
            (Self::InsufficientScope(scope), _) => (b", error=\"insufficient_scope\"", Some(scope)),
        };
        let mut value = Vec::with_capacity(64 + realm.len());
        value.extend_from_slice(match scheme {
            AuthScheme::Bearer => b"Bearer realm=",
            AuthScheme::Dpop => b"DPoP realm=",
        });
        push_quoted(&mut value, if is_quotable(realm) { realm } else { b"" });
        if scheme == AuthScheme::Dpop {
            push_attribute(&mut value, b"algs", proof_algorithms().as_bytes());
        }
        value.extend_from_slice(error);
        if let Some(scope) = scope {
            // A scope has no character that would have to be escaped.
            value.extend_from_slice(b", scope=\"");
            value.extend_from_slice(scope.as_bytes());
            value.push(b'"');
        }
        Some(value)
    }
}

impl Challenge<'_> {
    /// Whether the header line for a scheme has this attribute, besides `realm` and `error`, so that
    /// the configuration cannot add another one. The name is in lower case. The scopes that are
    /// missing, for example, come before those that are recommended in general.
    pub fn has(self, scheme: AuthScheme, name: &[u8]) -> bool {
        match name {
            b"scope" => matches!(self, Self::InsufficientScope(_)),
            b"algs" => scheme == AuthScheme::Dpop,
            b"error_description" => self == Self::UseNonce && scheme == AuthScheme::Dpop,
            _ => false,
        }
    }
}

/// Adds `, name="value"` to a challenge. The value has no control characters
/// ([`is_quotable`]).
pub fn push_attribute(challenge: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    challenge.extend_from_slice(b", ");
    challenge.extend_from_slice(name);
    challenge.push(b'=');
    push_quoted(challenge, value);
}

/// Adds a quoted string (RFC 9110 section 5.6.4).
fn push_quoted(to: &mut Vec<u8>, value: &[u8]) {
    to.push(b'"');
    for &byte in value {
        if matches!(byte, b'"' | b'\\') {
            to.push(b'\\');
        }
        to.push(byte);
    }
    to.push(b'"');
}

#[cfg(test)]
mod tests;
