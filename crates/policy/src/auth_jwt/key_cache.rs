//! What all sources of keys have in common: how a source fails, how long its keys are cached, and
//! how their text is parsed.

use std::time::Duration;

use super::watched_file::FileError;
use jose::{KeySet, Warning};

/// Why a source gave no keys. The text never contains anything of what the source holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("{0}")]
    File(#[from] FileError),
    /// The response has more than a key set may have.
    #[error("larger than {} bytes", KeySet::MAX_BYTES)]
    TooLarge,
    /// The response ended before its body was complete.
    #[error("response was truncated")]
    Truncated,
    /// nginx has not kept the body of the response.
    #[error("nginx has not read the body of the response")]
    NotRead,
    /// There is no valid key set.
    #[error("{0}")]
    Invalid(#[from] jose::Error),
    /// The response has another status than 200.
    #[error("HTTP status {}", with_advice(.0))]
    Status(u16),
    /// The response is compressed. The subrequest does not ask for that.
    #[error("response is compressed with gzip, though the key request does not accept that")]
    Compressed,
    /// nginx gave the subrequest up before there was a response.
    #[error("subrequest did not complete")]
    Incomplete,
    /// The keys of an issuer cannot be fetched. The text says from where, and why.
    #[error("{0}")]
    Fetch(String),
    /// The source failed a moment ago, and is not asked again yet.
    #[error("last attempt failed, and the next one is not due: {0}")]
    Paused(Box<KeyError>),
}

/// The status of a key location's response, and what it often means.
fn with_advice(status: &u16) -> String {
    let advice = match status {
        301 | 302 | 303 | 307 | 308 => {
            "; redirects are not followed, proxy_pass needs the final address"
        }
        401 | 403 => "; the provider or the location refuses the request",
        404 => "; no location has this URI, or nothing is at the address in its proxy_pass",
        502 => {
            "; the line of nginx above says why, see proxy_pass, proxy_ssl_* and resolver of the \
             location"
        }
        504 => "; see proxy_connect_timeout and proxy_read_timeout of the location",
        _ => "",
    };
    format!("{status}{advice}")
}

/// `auth_jwt_key_cache time [stale=time] [refresh=time|off]`: how long keys are used before their
/// source is asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyCache {
    /// How long cached keys are fresh. Zero: every request checks the file or makes the subrequest.
    pub time: Duration,
    /// How much longer the last good keys are used while their source is asked, or fails.
    pub stale: Duration,
    /// The least time between the end of a fetch and a refresh of fresh keys, which tokens with an
    /// unknown key cause.
    /// `None`: fresh keys are never refreshed.
    pub refresh: Option<Duration>,
}

impl KeyCache {
    /// The default of `refresh=`.
    pub const REFRESH: Duration = Duration::from_secs(10);

    /// No cache: what holds without the directive.
    pub const NONE: Self = Self {
        time: Duration::ZERO,
        stale: Duration::ZERO,
        refresh: Some(Self::REFRESH),
    };

    /// The least time between the end of a fetch and a refresh of fresh keys. `None`: there are no
    /// fresh keys, or they are never refreshed.
    pub fn refresh_interval(&self) -> Option<Duration> {
        self.refresh.filter(|_| !self.time.is_zero())
    }
}

/// Parses the key sets of one source. An unchanged text gives the previous result again, at the
/// price of a comparison. The set keeps its generations, so tokens that were cached with it still
/// match.
#[derive(Default)]
pub struct KeySetParser {
    previous: Option<ParsedText>,
}

/// A text with the key set in it.
pub(super) struct ParsedText {
    text: Box<[u8]>,
    result: Result<KeySet, KeyError>,
}

impl ParsedText {
    /// Parses a text. `report` gets the warnings about its keys.
    pub(super) fn parse(text: &[u8], report: impl FnMut(&Warning)) -> Self {
        let result = KeySet::parse(text).map_err(KeyError::from);
        result.iter().flat_map(KeySet::warnings).for_each(report);
        let text = text.into();
        Self { text, result }
    }

    pub(super) fn is_of(&self, text: &[u8]) -> bool {
        *self.text == *text
    }

    pub(super) fn result(&self) -> Result<KeySet, KeyError> {
        self.result.clone()
    }
}

impl KeySetParser {
    /// The key set in a text. `report` gets the warnings about its keys, unless the text is
    /// unchanged.
    ///
    /// # Errors
    /// [`KeyError::Invalid`]
    pub fn parse(&mut self, text: &[u8], report: impl FnMut(&Warning)) -> Result<KeySet, KeyError> {
        let known = self.previous.take().filter(|known| known.is_of(text));
        let parsed = known.unwrap_or_else(|| ParsedText::parse(text, report));
        self.previous.insert(parsed).result()
    }
}

#[cfg(test)]
mod tests;
