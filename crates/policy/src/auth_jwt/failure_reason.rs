//! Why the last fetch of an issuer's keys has failed, as all workers may say: a text for log lines that
//! is so short that it can be in shared memory.

use std::fmt;

/// The reason of a failure. It contains nothing of what a response holds but what the text of an
/// error quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureReason(String);

impl FailureReason {
    /// How many bytes a reason has at most. URLs and the names in certificates can be long.
    pub const MAX_BYTES: usize = 512;

    /// The text of an error. What is too long ends with `...`.
    pub fn new(mut error: String) -> Self {
        const MORE: &str = "...";
        if error.len() > Self::MAX_BYTES {
            let room = Self::MAX_BYTES - MORE.len();
            let starts = error.char_indices().map(|(start, _)| start);
            let end = starts.take_while(|&start| start <= room).last();
            error.truncate(end.unwrap_or(0));
            error.push_str(MORE);
        }
        Self(error)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The reason that another worker has shared. `None` if the bytes are those of no reason.
    pub fn from_shared(bytes: Vec<u8>) -> Option<Self> {
        let text = String::from_utf8(bytes).ok()?;
        (text.len() <= Self::MAX_BYTES).then_some(Self(text))
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
