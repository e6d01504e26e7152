//! How long the keys of an issuer count, and when it is asked for them.

use std::time::Duration;

use super::key_cache::KeyCache;
use crate::freshness::Freshness;

/// How long the keys of an issuer count: `refresh` and `stale` of an `auth_jwt_issuer` block, in one
/// configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IssuerTimes {
    /// The issuer is asked at least once in this time.
    pub refresh: Duration,
    /// How much longer the last good keys are used while the issuer does not answer.
    pub stale: Duration,
    /// How long one fetch may take. Whoever fetches longer is taken for a process that hangs, so
    /// this is more than the time limit of the whole fetch.
    pub lease: Duration,
    /// When the configuration was read.
    pub configured_at: Duration,
}

impl IssuerTimes {
    /// The default of `refresh`.
    pub const REFRESH: Duration = Duration::from_secs(10 * 60);

    /// The default of `stale`.
    pub const STALE: Duration = Duration::from_secs(24 * 60 * 60);

    /// An issuer is asked at most once in this time, unless its keys are missing or a token has an
    /// unknown key: whatever its `Cache-Control` says, and however many issuers forbid caching.
    pub const LEAST_REFRESH: Duration = Duration::from_secs(30);

    /// How long a request with an unknown key waits for newer keys.
    pub const LONGEST_WAIT: Duration = Duration::from_secs(2);

    /// How often a worker looks at least whether another one has fetched keys. A key that the
    /// issuer has removed counts in this worker for so long.
    pub const LOOK: Duration = Duration::from_secs(1);

    /// The first fetches of all issuers begin within this time.
    const START: Duration = Duration::from_secs(2);

    /// How long keys of a response are fresh, as its header says and the configuration allows.
    /// `jitter` is a random number, which shortens it by a tenth at most, so that issuers that were
    /// asked together are not asked together again.
    pub fn fresh_for(&self, header: Freshness, jitter: u16) -> Duration {
        let least = Self::LEAST_REFRESH.min(self.refresh);
        let time = header.cap(self.refresh).unwrap_or_default();
        let shortened = time.saturating_sub(share(time / 10, jitter));
        shortened.max(least)
    }

    /// How long to wait before the first fetch after a start, by a random number.
    pub fn start_delay(jitter: u16) -> Duration {
        share(Self::START, jitter)
    }

    /// The bounds for keys that are fresh for this time.
    pub(super) fn key_cache(&self, fresh_for: Duration) -> KeyCache {
        KeyCache {
            // No time at all would stand for "no cache".
            time: fresh_for.max(Duration::from_nanos(1)),
            stale: self.stale,
            refresh: Some(KeyCache::REFRESH),
        }
    }
}

/// A random part of a time.
fn share(time: Duration, jitter: u16) -> Duration {
    time / u32::from(u16::MAX) * u32::from(jitter)
}

#[cfg(test)]
mod tests;
