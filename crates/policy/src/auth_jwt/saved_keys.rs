//! The last good keys of an issuer as a file, for a start while the issuer does not answer. The
//! first lines say whose keys they are and how old; a digest tells a file that was damaged.
//!
//! ```text
//! nginx-auth issuer keys 1
//! sha-256 <hexadecimal digits, of all that follows>
//! fetched <seconds since 1970>
//! source <JSON string>
//!
//! <the text of the key set>
//! ```

use std::time::Duration;

use jose::KeySet;
use text::Quoted;

use super::key_text_id::KeyTextId;

/// The largest file that is read.
pub const MAX_BYTES: usize = KeySet::MAX_BYTES + 64 * 1024;

const FIRST_LINE: &str = "nginx-auth issuer keys 1\n";
const DIGEST: &str = "sha-256 ";
const FETCHED: &str = "fetched ";
const SOURCE: &str = "source ";

/// How far the clock may have been set back since the file was written.
const CLOCK_SKEW: i64 = 300;

/// The keys in a file.
#[derive(Debug, PartialEq, Eq)]
pub struct SavedKeys<'a> {
    /// How long ago the issuer gave them.
    pub age: Duration,
    /// The text of the key set.
    pub text: &'a [u8],
}

/// Why a file is not used. The texts follow its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SavedKeysError {
    /// The file is something else.
    #[error("is no file with keys of an issuer, or of another version of this module")]
    Foreign,
    /// The file is not what was written.
    #[error("is damaged")]
    Damaged,
    /// The file has keys of another issuer, or from somewhere else.
    #[error("has the keys of {0}, which is not configured so any more")]
    OtherSource(Quoted),
    /// The file was written at a time that has not come yet.
    #[error("is from the future: the system's clock is wrong, or was when the file was written")]
    Future,
}

/// The name of the file for a source, by its
/// [`id`](super::issuer_source::IssuerSource::id).
pub fn file_name(source: &str) -> String {
    let digest = KeyTextId::of(source.as_bytes()).to_string();
    let shown = digest.get(..32).unwrap_or_default();
    format!("issuer-{shown}.keys")
}

/// The content of the file for keys that an issuer gave at this time, in seconds since 1970.
pub fn encode(source: &str, fetched_at: i64, text: &[u8]) -> Vec<u8> {
    let source = serde_json::Value::from(source);
    let rest = format!("{FETCHED}{fetched_at}\n{SOURCE}{source}\n\n");
    let rest = [rest.as_bytes(), text].concat();
    let first = format!("{FIRST_LINE}{DIGEST}{}\n", KeyTextId::of(&rest));
    [first.into_bytes(), rest].concat()
}

/// The keys in a file, if they are those of this source. `now` is in seconds since 1970.
///
/// # Errors
/// [`SavedKeysError`]
pub fn decode<'a>(file: &'a [u8], source: &str, now: i64) -> Result<SavedKeys<'a>, SavedKeysError> {
    let parts = Parts::split(file)?;
    if parts.source != source {
        return Err(SavedKeysError::OtherSource(Quoted::new(parts.source)));
    }
    if parts.fetched_at > now.saturating_add(CLOCK_SKEW) {
        return Err(SavedKeysError::Future);
    }
    let age = u64::try_from(now.saturating_sub(parts.fetched_at)).unwrap_or(0);
    Ok(SavedKeys {
        age: Duration::from_secs(age),
        text: parts.text,
    })
}

/// Whose keys are in a file, for [`decode`].
///
/// # Errors
/// [`SavedKeysError`]
pub fn source(file: &[u8]) -> Result<String, SavedKeysError> {
    Parts::split(file).map(|parts| parts.source)
}

/// The text of the key set in a file, whosever it is and however old.
///
/// # Errors
/// [`SavedKeysError`]
pub fn key_set(file: &[u8]) -> Result<&[u8], SavedKeysError> {
    Parts::split(file).map(|parts| parts.text)
}

/// What is in a file that was not damaged.
struct Parts<'a> {
    fetched_at: i64,
    source: String,
    text: &'a [u8],
}

impl<'a> Parts<'a> {
    fn split(file: &'a [u8]) -> Result<Self, SavedKeysError> {
        let rest = file
            .strip_prefix(FIRST_LINE.as_bytes())
            .ok_or(SavedKeysError::Foreign)?;
        let (digest, rest) = split_line(rest, DIGEST)?;
        if digest != KeyTextId::of(rest).to_string() {
            return Err(SavedKeysError::Damaged);
        }
        let (fetched_at, rest) = split_line(rest, FETCHED)?;
        let (source, rest) = split_line(rest, SOURCE)?;
        Ok(Self {
            fetched_at: fetched_at.parse().map_err(|_| SavedKeysError::Damaged)?,
            source: serde_json::from_str(source).map_err(|_| SavedKeysError::Damaged)?,
            text: rest.strip_prefix(b"\n").ok_or(SavedKeysError::Damaged)?,
        })
    }
}

/// The value in the first line, which begins with this name, and what follows the line.
fn split_line<'a>(text: &'a [u8], name: &str) -> Result<(&'a str, &'a [u8]), SavedKeysError> {
    let end = text.iter().position(|&byte| byte == b'\n');
    let (line, rest) = end
        .and_then(|end| text.split_at_checked(end))
        .ok_or(SavedKeysError::Damaged)?;
    let value = line.strip_prefix(name.as_bytes());
    let value = value.and_then(|value| std::str::from_utf8(value).ok());
    let rest = rest.strip_prefix(b"\n").unwrap_or_default();
    Ok((value.ok_or(SavedKeysError::Damaged)?, rest))
}

#[cfg(test)]
mod tests;
