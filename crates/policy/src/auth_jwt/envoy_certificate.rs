//! The header line `x-forwarded-client-cert`, by which Envoy passes on the certificate of a client: one
//! element, whose fields are `Name=value` with a semicolon between them. A value may be in quotation
//! marks. The field `Hash` has the SHA-256 of the certificate; Envoy writes it for each certificate,
//! behind nothing but a name of its own.

/// The names that Envoy writes.
const NAMES: [&[u8]; 7] = [
    b"By", b"Hash", b"Cert", b"Chain", b"Subject", b"URI", b"DNS",
];

/// Why what Envoy has written is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvoyError {
    /// Envoy has passed on what a client or another proxy has written.
    #[error("it is of several proxies: let Envoy have \"SANITIZE_SET\"")]
    SeveralProxies,
    /// The field with the SHA-256 is not there, or not once, or has another form.
    #[error("it has no \"Hash\", or more than one")]
    NoHash,
    /// A quotation mark without another one.
    #[error("a quotation mark is not closed")]
    Quotation,
}

/// Whether a text begins with a field of Envoy's. Base64 of DER begins with another letter.
pub(super) fn is_of_envoy(text: &[u8]) -> bool {
    let (name, _) = split_at(text, b'=');
    NAMES.contains(&name) && name.len() < text.len()
}

/// The SHA-256 of the certificate.
///
/// Envoy does not quote the names in a certificate, which its owner has chosen: `URI=x;Hash=...` may be
/// one name. So a second `Hash` in any spelling refuses the text, also in quotation marks, and so does a
/// second element.
pub(super) fn sha256(text: &[u8]) -> Result<[u8; 32], EnvoyError> {
    let mut hash = None;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| b"=;,".contains(byte));
        let (name, behind) = rest.split_at(end.unwrap_or(rest.len()));
        let Some(behind) = behind.strip_prefix(b"=") else {
            // No field: a piece of a name in the certificate, or what a client has sent.
            rest = behind_semicolon(behind)?;
            continue;
        };
        let (value, behind) = value(behind)?;
        if name.eq_ignore_ascii_case(b"hash") && hash.replace(value).is_some() {
            return Err(EnvoyError::NoHash);
        }
        rest = behind;
    }
    match hash {
        Some(hash) if hashes(text) == 1 => from_hex(hash).ok_or(EnvoyError::NoHash),
        _ => Err(EnvoyError::NoHash),
    }
}

/// How many times there is `Hash=` where a field could begin, in quotation marks as well: a client can
/// have sent the first of them, and have the other one in its certificate.
fn hashes(text: &[u8]) -> usize {
    const FIELD: &[u8] = b"hash=";
    let begins = text.windows(FIELD.len()).enumerate();
    let begins = begins.filter(|(_, window)| window.eq_ignore_ascii_case(FIELD));
    let fields = begins.filter(|(begin, _)| {
        let before = text.get(..*begin).unwrap_or_default().trim_ascii_end();
        before.last().is_none_or(|byte| b";,".contains(byte))
    });
    fields.count()
}

/// A value, and what is behind the semicolon that ends it.
fn value(text: &[u8]) -> Result<(&[u8], &[u8]), EnvoyError> {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let end = text.iter().position(|byte| b";,".contains(byte));
        let (value, behind) = text.split_at(end.unwrap_or(text.len()));
        return Ok((value, behind_semicolon(behind)?));
    };
    let mut is_escaped = false;
    let end = quoted.iter().position(|&byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    let (value, behind) = quoted.split_at(end.ok_or(EnvoyError::Quotation)?);
    let behind = behind.get(1..).unwrap_or_default();
    Ok((value, behind_semicolon(behind)?))
}

fn behind_semicolon(behind: &[u8]) -> Result<&[u8], EnvoyError> {
    match behind.split_first() {
        None => Ok(b""),
        Some((b';', rest)) => Ok(rest),
        Some((b',', _)) => Err(EnvoyError::SeveralProxies),
        Some(_) => Err(EnvoyError::Quotation),
    }
}

/// What is in front of a byte, and what is behind it.
fn split_at(text: &[u8], byte: u8) -> (&[u8], &[u8]) {
    let mut parts = text.splitn(2, |&other| other == byte);
    let first = parts.next().unwrap_or_default();
    (first, parts.next().unwrap_or_default())
}

fn from_hex(text: &[u8]) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let bytes = text.chunks(2).map(|digits| {
        let digits = str::from_utf8(digits).ok()?;
        u8::from_str_radix(digits, 16).ok()
    });
    bytes.collect::<Option<Vec<_>>>()?.try_into().ok()
}

#[cfg(test)]
mod tests;
