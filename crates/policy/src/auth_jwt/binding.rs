//! `auth_jwt_binding`: whether a token that is bound to a client's certificate comes from that
//! client (RFC 8705 section 3).

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jose::JsonValue;

use super::client_certificate::{CertificateError, certificate_sha256};

/// Members of `cnf` by which a token is bound to another key than that of a certificate (RFC 7800
/// section 3, RFC 9449 section 6.1).
const OTHER_BINDINGS: [&str; 5] = ["jkt", "jwk", "jwe", "jku", "kid"];

/// How many characters of base64url a SHA-256 has.
const SHA256_LEN: usize = 43;

/// The arguments of `auth_jwt_binding tls`.
#[derive(Debug)]
pub struct TlsBinding {
    /// The variable that has the client's certificate, as the configuration names it.
    pub variable: Rc<str>,
    /// Whether a token that is bound to nothing is refused.
    pub is_required: bool,
}

/// Why a token is refused for what it is bound to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// The token is bound to nothing.
    #[error("claim \"cnf\" is missing, which \"auth_jwt_binding tls required\" requires")]
    Unbound,
    /// The claim has a form in which it binds to nothing.
    #[error("claim \"cnf\" is not an object")]
    NotObject,
    /// The token is bound to a key that is not checked.
    #[error("claim \"cnf\" has \"{0}\", which \"auth_jwt_binding tls\" cannot check")]
    Other(&'static str),
    /// The token is bound, and not to a certificate.
    #[error("claim \"cnf\" has no \"x5t#S256\", which \"auth_jwt_binding tls\" checks")]
    NoThumbprint,
    /// The token is bound to what cannot be the SHA-256 of a certificate.
    #[error("\"x5t#S256\" in claim \"cnf\" is not a SHA-256 in base64url")]
    NotThumbprint,
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
}

impl TlsBinding {
    /// Checks that a token with these claims may be used with the client's certificate, which
    /// `certificate` gives in a form of [`certificate_sha256`]. An empty text is no certificate.
    ///
    /// # Errors
    /// The reason for a refusal.
    pub fn check<'a>(
        &self,
        claims: JsonValue<'_>,
        certificate: impl FnOnce() -> &'a [u8],
    ) -> Result<(), BindingError> {
        let variable = || Rc::clone(&self.variable);
        let Some(bound_to) = thumbprint(claims)? else {
            return match self.is_required {
                true => Err(BindingError::Unbound),
                false => Ok(()),
            };
        };
        let certificate = certificate();
        if certificate.is_empty() {
            return Err(BindingError::NoCertificate {
                variable: variable(),
            });
        }
        match certificate_sha256(certificate) {
            Ok(sha256) if sha256 == bound_to => Ok(()),
            Ok(_) => Err(BindingError::OtherCertificate {
                variable: variable(),
            }),
            Err(error) => Err(BindingError::Certificate {
                variable: variable(),
                error,
            }),
        }
    }
}

/// The SHA-256 of the certificate that a token is bound to. `None` if it is bound to nothing.
fn thumbprint(claims: JsonValue<'_>) -> Result<Option<[u8; 32]>, BindingError> {
    let Some(cnf) = claims.get(b"cnf") else {
        return Ok(None);
    };
    if cnf.kind() != jose::JsonKind::Object {
        return Err(BindingError::NotObject);
    }
    // Whoever binds a token to two keys wants both of them to be checked.
    let has = |name: &&&str| cnf.get(name.as_bytes()).is_some();
    if let Some(other) = OTHER_BINDINGS.iter().find(has) {
        return Err(BindingError::Other(other));
    }
    let value = cnf.get(b"x5t#S256").ok_or(BindingError::NoThumbprint)?;
    let text = value.as_str().ok_or(BindingError::NotThumbprint)?;
    if text.len() != SHA256_LEN {
        return Err(BindingError::NotThumbprint);
    }
    let bytes = URL_SAFE_NO_PAD.decode(text.as_bytes()).ok();
    let sha256 = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    sha256.map(Some).ok_or(BindingError::NotThumbprint)
}

#[cfg(test)]
mod tests;
