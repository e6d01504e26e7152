//! What all sources of keys have in common: how they fail, and how long what they gave is kept.

use std::time::Duration;

use jose::KeySet;

/// Why a source gives no keys. Says what is wrong with it, never what is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("{0}")]
    Unreadable(String),
    #[error("not a regular file")]
    NotRegular,
    #[error("larger than {} bytes", KeySet::MAX_BYTES)]
    TooLarge,
    #[error("broken off")]
    Incomplete,
    #[error("{0}")]
    Invalid(#[from] jose::Error),
    /// A subrequest ended with another status than 200.
    #[error("answered with {0}")]
    Status(u16),
    #[error(
        "compressed: have the location ask for it plain, as by proxy_set_header Accept-Encoding \"\""
    )]
    Compressed,
}

/// `auth_jwt_key_cache time [stale=time] [refresh=time|off]`: how long keys are used without asking again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyCache {
    /// Zero: a file is looked at, and a subrequest made, for each request.
    pub time: Duration,
    /// How long the last good keys stand in after that, while asking again fails.
    pub stale: Duration,
    /// How soon a token with an unknown kid may make us ask again before the time; none: never.
    pub refresh: Option<Duration>,
}

impl KeyCache {
    pub const REFRESH: Duration = Duration::from_secs(10);

    /// Nothing is kept.
    pub const NONE: Self = Self {
        time: Duration::ZERO,
        stale: Duration::ZERO,
        refresh: Some(Self::REFRESH),
    };

    /// How long a source that has failed is left alone while its last keys stand in.
    pub fn pause(&self) -> Duration {
        self.refresh.unwrap_or(Self::REFRESH).min(Self::REFRESH)
    }
}

/// The last text that keys were parsed from. The same text again gives the same keys, at the price of a comparison, and
/// what was found out with them still holds.
#[derive(Default)]
pub struct LastText(Option<(Box<[u8]>, KeySet)>);

impl LastText {
    /// The keys in a text.
    pub fn parse(&mut self, text: &[u8]) -> Result<KeySet, KeyError> {
        if let Some((last, keys)) = &self.0
            && **last == *text
        {
            return Ok(keys.clone());
        }
        let keys = KeySet::parse(text)?;
        self.0 = Some((text.into(), keys.clone()));
        Ok(keys)
    }
}

/// Keys that were good, and when.
#[derive(Debug, Clone)]
pub struct Kept {
    pub keys: KeySet,
    pub at: Duration,
}

impl Kept {
    /// Whether they need no look at their source.
    pub fn is_fresh(&self, now: Duration, cache: &KeyCache) -> bool {
        now.saturating_sub(self.at) < cache.time
    }

    /// Whether they may stand in for a source that fails.
    pub fn may_stand_in(&self, now: Duration, cache: &KeyCache) -> bool {
        now.saturating_sub(self.at) < cache.time.saturating_add(cache.stale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_gives_the_same_keys() {
        let text = |kid| format!(r#"{{"kty":"oct","kid":"{kid}","k":"AAAA"}}"#).into_bytes();
        let mut last = LastText::default();
        let mut generation = |text: &[u8]| {
            let keys = last.parse(text).unwrap();
            let generation: Vec<_> = keys.generations().collect();
            generation
        };
        let (first, other) = (generation(&text("a")), generation(&text("b")));
        assert_ne!(first, other);
        assert_eq!(generation(&text("b")), other);
        assert_ne!(generation(&text("a")), first);
        assert!(last.parse(b"{}").is_err());
        assert!(last.parse(b"{}").is_err());
    }
}
