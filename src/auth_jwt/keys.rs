//! What all sources of keys have in common: how they fail, and how long what they gave is kept.

use std::time::Duration;

use crate::jose::{self, KeySet};

/// Why a source gives no keys. Says what is wrong with it, never what is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyError {
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
pub(super) struct KeyCache {
    /// Zero: a file is looked at, and a subrequest made, for each request.
    pub(super) time: Duration,
    /// How long the last good keys stand in after that, while asking again fails.
    pub(super) stale: Duration,
    /// How soon a token with an unknown kid may make us ask again before the time; none: never.
    pub(super) refresh: Option<Duration>,
}

impl KeyCache {
    pub(super) const REFRESH: Duration = Duration::from_secs(10);

    /// How long a source that has failed is left alone while its last keys stand in.
    pub(super) fn pause(&self) -> Duration {
        self.refresh.unwrap_or(Self::REFRESH).min(Self::REFRESH)
    }
}

impl Default for KeyCache {
    fn default() -> Self {
        Self {
            time: Duration::ZERO,
            stale: Duration::ZERO,
            refresh: Some(Self::REFRESH),
        }
    }
}

/// Keys that were good, and when.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) keys: KeySet,
    pub(super) at: Duration,
}

impl Kept {
    /// Whether they need no look at their source.
    pub(super) fn is_fresh(&self, now: Duration, cache: &KeyCache) -> bool {
        now.saturating_sub(self.at) < cache.time
    }

    /// Whether they may stand in for a source that fails.
    pub(super) fn may_stand_in(&self, now: Duration, cache: &KeyCache) -> bool {
        now.saturating_sub(self.at) < cache.time.saturating_add(cache.stale)
    }
}
