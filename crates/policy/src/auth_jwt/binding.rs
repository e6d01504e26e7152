//! `auth_jwt_binding`: whether a token that is bound to a client's certificate or key comes from that
//! client (RFC 8705 section 3, RFC 9449 section 7).

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jose::{JsonKind, JsonValue};

use super::bearer::AuthScheme;
use super::client_certificate::{CertificateError, certificate_sha256};
use super::dpop::ProofError;

/// The member of `cnf` with the SHA-256 of a certificate.
const CERTIFICATE: &str = "x5t#S256";

/// The member of `cnf` with the thumbprint of a key.
const KEY: &str = "jkt";

/// Members of `cnf` by which a token is bound in another way (RFC 7800 section 3).
const OTHERS: [&str; 4] = ["jwk", "jwe", "jku", "kid"];

/// How many characters of base64url a SHA-256 has.
const SHA256_LEN: usize = 43;

/// What a token may be bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindingKind {
    /// A certificate of the client.
    Tls,
    /// A key of the client, which makes DPoP proofs.
    Dpop,
    /// Either, or both.
    Any,
}

/// The arguments of `auth_jwt_binding`.
#[derive(Debug)]
pub struct BindingRule {
    /// What a token may be bound to.
    pub kind: BindingKind,
    /// The variable that has the client's certificate, as the configuration names it.
    pub variable: Rc<str>,
    /// Whether a token that is bound to nothing is refused.
    pub is_required: bool,
}

/// Why a token is refused for what it is bound to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// The token is bound to nothing.
    #[error("claim \"cnf\" is missing, which \"auth_jwt_binding {} required\" requires", .0.name())]
    Unbound(BindingKind),
    /// The claim has a form in which it binds to nothing.
    #[error("claim \"cnf\" is not an object")]
    NotObject,
    /// The token is bound to something that is not checked.
    #[error("claim \"cnf\" has \"{member}\", which \"auth_jwt_binding {}\" cannot check", kind.name())]
    Other {
        /// The member that says so.
        member: &'static str,
        /// What is checked.
        kind: BindingKind,
    },
    /// The token is bound, and to nothing that is checked.
    #[error("claim \"cnf\" has no {}, which \"auth_jwt_binding {}\" checks", .0.members(), .0.name())]
    NoMember(BindingKind),
    /// The token is bound to what cannot be a SHA-256.
    #[error("\"{0}\" in claim \"cnf\" is not a SHA-256 in base64url")]
    NotSha256(&'static str),
    /// The client has no certificate.
    #[error("the token is bound to a client certificate, and {variable} is empty")]
    NoCertificate {
        /// The variable that should have it.
        variable: Rc<str>,
    },
    /// What should be the client's certificate cannot be read.
    #[error("{variable} holds no client certificate: {error}")]
    Certificate {
        /// The variable that should have it.
        variable: Rc<str>,
        /// What is wrong with it.
        error: CertificateError,
    },
    /// The token is another client's.
    #[error("the token is bound to another client certificate than that in {variable}")]
    OtherCertificate {
        /// The variable that has the certificate.
        variable: Rc<str>,
    },
    /// The token is bound to a key, and sent as if it were not.
    #[error("the token is bound to a key, and sent with the scheme \"Bearer\" instead of \"DPoP\"")]
    SentAsBearer,
    /// The token is bound to no key, and sent as if it were.
    #[error("the token is sent with the scheme \"DPoP\", and bound to no key")]
    SentAsBound,
    /// The proof is another client's.
    #[error("the token is bound to another key than that of the DPoP proof")]
    OtherKey,
    /// The proof does not fit the request.
    #[error("{0}")]
    Proof(#[from] ProofError),
}

/// What a token is bound to.
struct Bound {
    certificate: Option<[u8; 32]>,
    key: Option<[u8; 32]>,
}

impl BindingKind {
    /// As the directive names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Dpop => "dpop",
            Self::Any => "any",
        }
    }

    /// Whether there may be DPoP proofs.
    pub fn has_proofs(self) -> bool {
        self != Self::Tls
    }

    fn has_certificates(self) -> bool {
        self != Self::Dpop
    }

    fn members(self) -> &'static str {
        match self {
            Self::Tls => "\"x5t#S256\"",
            Self::Dpop => "\"jkt\"",
            Self::Any => "\"x5t#S256\" or \"jkt\"",
        }
    }
}

impl BindingRule {
    /// Checks that a token with these claims, sent with this scheme, may be used with the client's
    /// certificate, which `certificate` gives in a form of [`certificate_sha256`], or the reason why it
    /// cannot; an empty text is no certificate. The result is the thumbprint of the key that the client has to prove yet.
    ///
    /// # Errors
    /// The reason for a refusal.
    pub fn check<'a>(
        &self,
        claims: JsonValue<'_>,
        scheme: Option<AuthScheme>,
        certificate: impl FnOnce() -> Result<&'a [u8], CertificateError>,
    ) -> Result<Option<[u8; 32]>, BindingError> {
        let Some(bound) = self.bound(claims)? else {
            return match (self.is_required, scheme) {
                (true, _) => Err(BindingError::Unbound(self.kind)),
                (false, Some(AuthScheme::Dpop)) => Err(BindingError::SentAsBound),
                (false, _) => Ok(None),
            };
        };
        if let Some(sha256) = bound.certificate {
            self.check_certificate(sha256, certificate())?;
        }
        match (bound.key, scheme) {
            (Some(_), Some(AuthScheme::Bearer)) => Err(BindingError::SentAsBearer),
            (None, Some(AuthScheme::Dpop)) => Err(BindingError::SentAsBound),
            (key, _) => Ok(key),
        }
    }

    fn check_certificate(
        &self,
        sha256: [u8; 32],
        certificate: Result<&[u8], CertificateError>,
    ) -> Result<(), BindingError> {
        let variable = Rc::clone(&self.variable);
        if certificate.is_ok_and(<[u8]>::is_empty) {
            return Err(BindingError::NoCertificate { variable });
        }
        match certificate.and_then(certificate_sha256) {
            Ok(own) if own == sha256 => Ok(()),
            Ok(_) => Err(BindingError::OtherCertificate { variable }),
            Err(error) => Err(BindingError::Certificate { variable, error }),
        }
    }

    /// What a token is bound to. `None` if it is bound to nothing.
    fn bound(&self, claims: JsonValue<'_>) -> Result<Option<Bound>, BindingError> {
        let Some(cnf) = claims.get(b"cnf") else {
            return Ok(None);
        };
        if cnf.kind() != JsonKind::Object {
            return Err(BindingError::NotObject);
        }
        // Whoever binds a token to two keys wants both of them to be checked.
        let kind = self.kind;
        let unchecked = [
            (!kind.has_proofs()).then_some(KEY),
            (!kind.has_certificates()).then_some(CERTIFICATE),
        ];
        let mut unchecked = unchecked.into_iter().flatten().chain(OTHERS);
        if let Some(member) = unchecked.find(|name| cnf.get(name.as_bytes()).is_some()) {
            return Err(BindingError::Other { member, kind });
        }
        let bound = Bound {
            certificate: sha256(cnf, CERTIFICATE)?,
            key: sha256(cnf, KEY)?,
        };
        match bound.certificate.or(bound.key) {
            Some(_) => Ok(Some(bound)),
            None => Err(BindingError::NoMember(kind)),
        }
    }
}

/// A member of `cnf` that is a SHA-256.
fn sha256(cnf: JsonValue<'_>, member: &'static str) -> Result<Option<[u8; 32]>, BindingError> {
    let not_sha256 = BindingError::NotSha256(member);
    let Some(value) = cnf.get(member.as_bytes()) else {
        return Ok(None);
    };
    let Some(text) = value.as_str().filter(|text| text.len() == SHA256_LEN) else {
        return Err(not_sha256);
    };
    let bytes = URL_SAFE_NO_PAD.decode(text.as_bytes()).ok();
    let sha256 = bytes.and_then(|bytes| bytes.try_into().ok());
    sha256.map(Some).ok_or(not_sha256)
}

#[cfg(test)]
mod tests;
