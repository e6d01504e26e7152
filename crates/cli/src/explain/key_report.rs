//! Which keys are tried for a token, and why not the others.

use jose::{Error, KeySet, KeySize, ListedKey, NoKeyReason, list_keys};
use text::Quoted;

use crate::input::quoted_path;
use crate::key_files::KeyFileText;

/// How many keys with another kid are shown.
const MAX_OTHERS: usize = 8;
/// How many keys are shown at all.
const MAX_SHOWN: usize = 100;

/// What became of an attempt with one key alone.
#[derive(Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The key fits the token.
    Success,
    /// The key is a candidate, and not the right one.
    Failure,
    /// The key is no candidate.
    NoCandidate(NoKeyReason),
}

/// What is to be said about the keys.
#[derive(Debug, Default)]
pub struct KeyReport {
    /// A line for each key.
    pub lines: Vec<String>,
    /// How many are candidates.
    pub candidates: usize,
    /// How many fit the token.
    pub successes: usize,
}

impl Attempt {
    /// What the result of jose says of the only key that it had.
    pub fn of<T>(result: Result<T, Error>) -> Self {
        match result {
            Err(Error::UnknownKey { reason, .. }) => Self::NoCandidate(reason),
            Err(Error::BadSignature { .. } | Error::DecryptionFailed { .. }) => Self::Failure,
            // What is wrong behind the signature or the decryption is not the key's fault.
            Ok(_) | Err(_) => Self::Success,
        }
    }

    fn text(&self, success: &str, failure: &str) -> String {
        match self {
            Self::Success => success.to_owned(),
            Self::Failure => format!("tried, {failure}"),
            Self::NoCandidate(NoKeyReason::NoSuchKid) => "not tried, it has another kid".to_owned(),
            Self::NoCandidate(reason) => format!("not tried, it {}", reason.about_key()),
        }
    }
}

/// Tries each key of these files alone. `success` and `failure` say what a key did.
pub fn report(
    files: &[KeyFileText],
    attempt: impl Fn(&KeySet) -> Attempt,
    [success, failure]: [&str; 2],
) -> KeyReport {
    let mut report = KeyReport::default();
    let (mut others, mut hidden) = (0_usize, 0_usize);
    for file in files {
        let name = quoted_path(&file.path);
        let keys = list_keys(&file.text).unwrap_or_default();
        if keys.is_empty() && file.keys.is_ok() {
            report.lines.push(format!("{name} has no keys"));
        }
        for key in &keys {
            let attempt = attempt(&key.alone);
            let is_other = attempt == Attempt::NoCandidate(NoKeyReason::NoSuchKid);
            others = others.saturating_add(is_other.into());
            if matches!(attempt, Attempt::Success | Attempt::Failure) {
                report.candidates = report.candidates.saturating_add(1);
            }
            report.successes = report
                .successes
                .saturating_add((attempt == Attempt::Success).into());
            if is_other && others > MAX_OTHERS || report.lines.len() >= MAX_SHOWN {
                hidden = hidden.saturating_add(1);
                continue;
            }
            let line = match &key.key {
                Ok(_) => {
                    let what = attempt.text(success, failure);
                    format!("{name}, {}: {what}", describe(key))
                }
                Err(fault) => format!("{name}, {}: left out, {fault}", describe(key)),
            };
            report.lines.push(line);
        }
    }
    if hidden > 0 {
        report.lines.push(format!("and {hidden} more keys"));
    }
    report
}

/// `key 0, kid "k1", RSA of 2048 bits`
fn describe(key: &ListedKey) -> String {
    let mut text = format!("key {}", key.index);
    if let Some(kid) = &key.kid {
        text.push_str(&format!(", kid {}", Quoted::new(kid)));
    }
    if let Ok(material) = &key.key {
        let kty = key.kty.as_deref().unwrap_or("key");
        text.push_str(&format!(", {kty} {}", size(material.size)));
    }
    text
}

/// `of 2048 bits`, or `P-256`.
pub fn size(size: KeySize) -> String {
    match size {
        KeySize::Bytes(1) => "of 1 byte".to_owned(),
        KeySize::Bytes(bytes) => format!("of {bytes} bytes"),
        KeySize::Bits(bits) => format!("of {bits} bits"),
        KeySize::Named(name) => name.to_owned(),
    }
}
