//! Recognizes what people put where a key set belongs.

use std::fmt;

use text::Quoted;

/// A text that is not a key set, and what it is instead. The value never has anything of a text
/// that may be secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotKeySet {
    /// There is nothing, or only white space.
    Empty,
    /// A key or certificate as PEM, with the words behind BEGIN.
    Pem(PemLabel),
    /// A key of OpenSSH.
    SshKey,
    /// Binary data that begins as DER does.
    Der,
    /// A page for browsers, or XML.
    Html,
    /// UTF-16, by its byte order mark.
    Utf16,
    /// A token.
    Token,
    /// A text of one word, which may be a secret.
    PlainText,
    /// JSON: an array of objects.
    Array,
    /// JSON: a discovery document, and its `jwks_uri`.
    OpenIdConfiguration {
        /// Where the keys are.
        jwks_uri: Quoted,
    },
    /// JSON: an object that has a certificate as PEM for each kid.
    CertificatesByKid,
    /// JSON: an object whose `keys` is not an array.
    KeysNotArray,
    /// JSON: another object.
    Object,
}

/// What a PEM text holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PemLabel {
    /// `CERTIFICATE`
    Certificate,
    /// `PUBLIC KEY`, `RSA PUBLIC KEY`
    PublicKey,
    /// `PRIVATE KEY`, `RSA PRIVATE KEY`, `EC PRIVATE KEY`, `ENCRYPTED PRIVATE KEY`
    PrivateKey,
    /// Anything else.
    Other,
}

impl NotKeySet {
    /// What a text is that is not JSON, or JSON but no object. `None` if that is not clear.
    pub(crate) fn recognize(text: &[u8]) -> Option<Self> {
        let text = text.trim_ascii();
        if text.is_empty() {
            return Some(Self::Empty);
        }
        if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
            return Some(Self::Utf16);
        }
        // A SEQUENCE with a length of two bytes, as every certificate and RSA key has it.
        if text.starts_with(b"\x30\x82") {
            return Some(Self::Der);
        }
        let text = std::str::from_utf8(text).ok()?;
        if text.starts_with("ssh-") || text.starts_with("ecdsa-sha2-") {
            return Some(Self::SshKey);
        }
        match text.as_bytes().first()? {
            b'<' => Some(Self::Html),
            b'[' => (text.contains("\"kty\"")).then_some(Self::Array),
            b'{' | b'"' => None,
            _ => PemLabel::find(text)
                .map(Self::Pem)
                .or_else(|| one_word(text)),
        }
    }
}

impl PemLabel {
    /// The first label in a text.
    pub(crate) fn find(text: &str) -> Option<Self> {
        let (_, behind) = text.split_once("-----BEGIN ")?;
        let (label, _) = behind.split_once("-----")?;
        Some(match label {
            "CERTIFICATE" | "TRUSTED CERTIFICATE" | "X509 CERTIFICATE" => Self::Certificate,
            _ if label.ends_with("PUBLIC KEY") => Self::PublicKey,
            _ if label.ends_with("PRIVATE KEY") => Self::PrivateKey,
            _ => Self::Other,
        })
    }
}

/// A token or a text that may be a secret.
fn one_word(text: &str) -> Option<NotKeySet> {
    let is_json = matches!(text, "null" | "true" | "false");
    if is_json || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return None;
    }
    let is_token = text.starts_with("eyJ") && text.split('.').count() > 2;
    Some(match is_token {
        true => NotKeySet::Token,
        false => NotKeySet::PlainText,
    })
}

impl fmt::Display for NotKeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MAKE_ONE: &str = "make one of it by \"nginx-auth jwk FILE\", or see docs/keys.md";
        match self {
            Self::Empty => f.write_str("empty instead of a JWK Set"),
            Self::Pem(label) => write!(f, "PEM {label} instead of a JWK Set; {MAKE_ONE}"),
            Self::SshKey => write!(f, "OpenSSH key instead of a JWK Set; {MAKE_ONE}"),
            Self::Der => write!(f, "DER key or certificate instead of a JWK Set; {MAKE_ONE}"),
            Self::Html => f.write_str("HTML or XML instead of a JWK Set"),
            Self::Utf16 => f.write_str("UTF-16 instead of a JWK Set; save it as UTF-8"),
            Self::Token => f.write_str("token instead of a JWK Set; the issuer's keys are needed"),
            Self::PlainText => f.write_str(
                "plain text, perhaps a secret, instead of a JWK Set; make one of it by \"nginx-auth \
                 jwk --secret FILE\", or see docs/keys.md",
            ),
            Self::Array => {
                f.write_str("array of keys instead of a JWK Set; put {\"keys\":...} around it")
            }
            Self::OpenIdConfiguration { jwks_uri } => write!(
                f,
                "OpenID configuration instead of a JWK Set; the keys are at its jwks_uri {jwks_uri}"
            ),
            Self::CertificatesByKid => write!(
                f,
                "certificates by kid instead of a JWK Set; use the provider's address for a JWK \
                 Set, or see docs/keys.md"
            ),
            Self::KeysNotArray => f.write_str("neither a JWK Set nor a JWK: \"keys\" is no array"),
            Self::Object => {
                f.write_str("neither a JWK Set nor a JWK: it has neither \"keys\" nor \"kty\"")
            }
        }
    }
}

impl fmt::Display for PemLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "certificate",
            Self::PublicKey => "public key",
            Self::PrivateKey => "private key",
            Self::Other => "text",
        })
    }
}
