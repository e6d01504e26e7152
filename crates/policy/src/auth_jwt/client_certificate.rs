//! The certificate of a client, in each form in which a TLS server passes it on, and its SHA-256,
//! to which a token may be bound (RFC 8705 section 3.1).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::sha::Sha256;

use super::envoy_certificate::{self, EnvoyError};

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

/// What the DER of a certificate begins with: the tag of a SEQUENCE.
const SEQUENCE: u8 = 0x30;

/// Why a text is no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// It is in no form that is known.
    #[error("it is neither PEM nor base64 nor what Envoy writes")]
    UnknownForm,
    /// A `%` is not followed by two hexadecimal digits.
    #[error("it has a \"%\" without two hexadecimal digits")]
    PercentEncoding,
    /// PEM without its last line, or a colon without the other one.
    #[error("its end is missing")]
    NoEnd,
    /// Something else than another certificate follows.
    #[error("something follows the certificate")]
    Trailing,
    /// What should be base64 is not.
    #[error("it is not base64")]
    Base64,
    /// The base64 is of something else.
    #[error("it holds no DER")]
    NotDer,
    /// The header line with it is there twice, so that a client may have written one of them.
    #[error("there is more than one such header line")]
    SeveralLines,
    /// What Envoy has written cannot be used.
    #[error(transparent)]
    Envoy(#[from] EnvoyError),
}

/// The SHA-256 of the DER of a certificate. The text is
///
/// - PEM, whose line breaks may be any white space, as in nginx's `$ssl_client_cert`, or the same
///   percent-encoded, as in `$ssl_client_escaped_cert`. Of several certificates the first counts,
///   which is the client's;
/// - or base64 between colons, as in the header field `Client-Cert` (RFC 9440 section 2.1);
/// - or base64 alone, as Traefik has it, which percent-encodes it in some versions and writes a comma
///   between several;
/// - or the fields of Envoy's `x-forwarded-client-cert`, of which the one with the SHA-256 counts.
///
/// # Errors
/// [`CertificateError`]
pub fn certificate_sha256(text: &[u8]) -> Result<[u8; 32], CertificateError> {
    let text = text.trim_ascii();
    if envoy_certificate::is_of_envoy(text) {
        return Ok(envoy_certificate::sha256(text)?);
    }
    let base64 = match text.strip_prefix(b":") {
        Some(rest) => Cow::Borrowed(between_colons(rest)?),
        None => {
            let decoded = percent_decoded(text)?;
            match decoded.starts_with(BEGIN) {
                true => Cow::Owned(of_first_pem(&decoded)?),
                false => Cow::Owned(alone(&decoded)?.to_vec()),
            }
        }
    };
    let der = STANDARD
        .decode(base64)
        .map_err(|_| CertificateError::Base64)?;
    match der.first() {
        Some(&SEQUENCE) => {
            // perf: as for the thumbprint of a key in jose.
            let mut sha256 = Sha256::new();
            sha256.update(&der);
            Ok(sha256.finish())
        }
        _ => Err(CertificateError::NotDer),
    }
}

/// The first of one or several texts in base64. nginx joins two header lines of one name by a comma
/// and a space, which is no base64, nor is `Hash=`, which Envoy may append.
fn alone(text: &[u8]) -> Result<&[u8], CertificateError> {
    let mut texts = text.split(|&byte| byte == b',');
    let first = texts.clone().next().unwrap_or_default();
    match texts.all(is_like_base64) {
        true => Ok(first),
        false => Err(CertificateError::UnknownForm),
    }
}

/// Whether a text has the characters of base64, with `=` at its end only.
fn is_like_base64(text: &[u8]) -> bool {
    let end = text.iter().position(|&byte| byte == b'=');
    let (digits, padding) = text.split_at(end.unwrap_or(text.len()));
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    !digits.is_empty() && digits.iter().all(is_digit) && padding.iter().all(|&byte| byte == b'=')
}

/// The base64 in a structured field, without the first colon.
fn between_colons(rest: &[u8]) -> Result<&[u8], CertificateError> {
    match rest.iter().position(|&byte| byte == b':') {
        None => Err(CertificateError::NoEnd),
        Some(end) if end.saturating_add(1) < rest.len() => Err(CertificateError::Trailing),
        Some(end) => Ok(rest.get(..end).unwrap_or_default()),
    }
}

/// The base64 of the first certificate, without white space. Only certificates follow it: what a
/// proxy has appended to the line of a client is none.
fn of_first_pem(pem: &[u8]) -> Result<Vec<u8>, CertificateError> {
    let rest = pem
        .strip_prefix(BEGIN)
        .ok_or(CertificateError::UnknownForm)?;
    let (base64, mut others) = split_at_end(rest).ok_or(CertificateError::NoEnd)?;
    while !others.is_empty() {
        let other = others.strip_prefix(BEGIN).and_then(split_at_end);
        others = match other {
            Some((text, behind)) if text.iter().all(is_of_pem) => behind,
            _ => return Err(CertificateError::Trailing),
        };
    }
    let mut base64 = base64.to_vec();
    base64.retain(|byte| !byte.is_ascii_whitespace());
    Ok(base64)
}

/// What is in front of the end of a certificate in PEM, and what is behind it.
fn split_at_end(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (text, behind) = text.split_at_checked(memchr::memmem::find(text, END)?)?;
    Some((text, behind.strip_prefix(END)?.trim_ascii()))
}

fn is_of_pem(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || byte.is_ascii_whitespace() || b"+/=".contains(byte)
}

/// The text without percent-encoding. PEM itself has no `%`.
fn percent_decoded(text: &[u8]) -> Result<Cow<'_, [u8]>, CertificateError> {
    if !text.contains(&b'%') {
        return Ok(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || {
            let digit = char::from(*bytes.next()?).to_digit(16)?;
            u8::try_from(digit).ok()
        };
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(CertificateError::PercentEncoding);
        };
        decoded.push(high.wrapping_mul(16) | low);
    }
    Ok(Cow::Owned(decoded))
}

#[cfg(test)]
mod tests;
