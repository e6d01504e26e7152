//! What all sources of keys have in common: how a source fails, how long its keys are cached, and
//! when it may be asked again.

use std::time::Duration;

use jose::KeySet;

/// Why a source gave no keys. The text never contains anything of what the source holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be opened or read, for this reason of the operating system.
    #[error("{0}")]
    Unreadable(String),
    /// The path leads to a directory, a pipe or a device.
    #[error("not a regular file")]
    NotRegular,
    /// There is more than a key set may have.
    #[error("larger than {} bytes", KeySet::MAX_BYTES)]
    TooLarge,
    /// The response ended before its body was complete.
    #[error("response was truncated")]
    Truncated,
    /// There is no valid key set.
    #[error("{0}")]
    Invalid(#[from] jose::Error),
    /// The response has another status than 200.
    #[error("HTTP status {}", with_advice(.0))]
    Status(u16),
    /// The response is compressed, though nobody asked for that.
    #[error("response is compressed; add proxy_set_header Accept-Encoding \"\" to the location")]
    Compressed,
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
    /// How much longer the last good keys are used while their source fails.
    pub stale: Duration,
    /// The least time between two refreshes of fresh keys, which tokens with an unknown key cause.
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

    /// The least time between two refreshes of fresh keys. `None`: there are no fresh keys, or they
    /// are never refreshed.
    pub fn refresh_interval(&self) -> Option<Duration> {
        self.refresh.filter(|_| !self.time.is_zero())
    }

    /// How long a source that has failed is not asked again while its last good keys are used.
    pub fn pause(&self) -> Duration {
        self.refresh.unwrap_or(Self::REFRESH).min(Self::REFRESH)
    }
}

/// Parses the key sets of one source. An unchanged text gives the previous set again, at the price
/// of a comparison. That set keeps its generations, so tokens that were cached with it still match.
#[derive(Default)]
pub struct KeySetParser {
    previous: Option<(Box<[u8]>, KeySet)>,
}

impl KeySetParser {
    /// The key set in a text.
    ///
    /// # Errors
    /// [`KeyError::Invalid`]
    pub fn parse(&mut self, text: &[u8]) -> Result<KeySet, KeyError> {
        if let Some((previous, keys)) = &self.previous
            && **previous == *text
        {
            return Ok(keys.clone());
        }
        let keys = KeySet::parse(text)?;
        self.previous = Some((text.into(), keys.clone()));
        Ok(keys)
    }
}

/// What a source gave after it was asked.
#[derive(Debug)]
pub struct LoadedKeys {
    /// The keys to use.
    pub keys: Result<KeySet, KeyError>,
    /// Why the source failed, if `keys` are the last good ones instead.
    pub stale_because: Option<KeyError>,
}

/// The cached keys of one source, and when the source was asked and failed. Times are those of one
/// monotonic clock.
#[derive(Debug, Default)]
pub struct KeyCacheState {
    cached: Option<CachedKeys>,
    /// The time from which [`KeyCache::refresh_interval`] counts.
    asked_at: Option<Duration>,
    /// When the source was asked last, if it failed then.
    failed_at: Option<Duration>,
}

/// The last good keys.
#[derive(Debug)]
struct CachedKeys {
    keys: KeySet,
    /// When the source gave them, or was last seen to hold them still.
    fetched_at: Duration,
}

impl KeyCacheState {
    /// The cached keys, if they are fresh.
    #[inline]
    pub fn fresh(&self, now: Duration, cache: &KeyCache) -> Option<&KeySet> {
        let cached = self.cached.as_ref()?;
        cached.is_fresh(now, cache).then_some(&cached.keys)
    }

    /// The cached keys, if they are fresh or the source still holds them. `is_unchanged` tells the
    /// latter; it is called only for keys that are not fresh, and makes them fresh.
    #[inline]
    pub fn fresh_or_unchanged(
        &mut self,
        now: Duration,
        cache: &KeyCache,
        is_unchanged: impl FnOnce() -> bool,
    ) -> Option<&KeySet> {
        let cached = self.cached.as_mut()?;
        if !cached.is_fresh(now, cache) {
            if !is_unchanged() {
                return None;
            }
            cached.fetched_at = now;
            self.asked_at = Some(now);
        }
        Some(&cached.keys)
    }

    /// The cached keys, if they are fresh, or may be used because the source failed a moment ago.
    #[inline]
    pub fn fresh_or_paused(&self, now: Duration, cache: &KeyCache) -> Option<&KeySet> {
        let cached = self.cached.as_ref()?;
        let is_paused = || {
            self.failed_at
                .is_some_and(|failed_at| now.saturating_sub(failed_at) < cache.pause())
        };
        let is_usable =
            cached.is_fresh(now, cache) || (is_paused() && cached.may_be_stale(now, cache));
        is_usable.then_some(&cached.keys)
    }

    /// Notes that the source is asked, for [`may_refresh`](Self::may_refresh).
    pub fn asked(&mut self, now: Duration) {
        self.asked_at = Some(now);
    }

    /// Takes what the source gave. If it failed, the last good keys are used as long as they may.
    pub fn finish(
        &mut self,
        now: Duration,
        cache: &KeyCache,
        result: Result<KeySet, KeyError>,
    ) -> LoadedKeys {
        let (keys, stale_because) = match (result, &self.cached) {
            (Ok(keys), _) => {
                self.failed_at = None;
                self.cached = Some(CachedKeys {
                    keys: keys.clone(),
                    fetched_at: now,
                });
                (Ok(keys), None)
            }
            (Err(error), cached) => {
                self.failed_at = Some(now);
                match cached {
                    Some(cached) if cached.may_be_stale(now, cache) => {
                        (Ok(cached.keys.clone()), Some(error))
                    }
                    _ => (Err(error), None),
                }
            }
        };
        LoadedKeys {
            keys,
            stale_because,
        }
    }

    /// Whether a token with an unknown key may have the source asked while its keys are fresh: the
    /// source was not asked for a while.
    pub fn may_refresh(&self, now: Duration, cache: &KeyCache) -> bool {
        cache.refresh_interval().is_some_and(|interval| {
            self.asked_at
                .is_none_or(|asked_at| now.saturating_sub(asked_at) >= interval)
        })
    }
}

impl CachedKeys {
    #[inline]
    fn is_fresh(&self, now: Duration, cache: &KeyCache) -> bool {
        self.age(now) < cache.time
    }

    /// Whether the keys may be used while their source fails.
    #[inline]
    fn may_be_stale(&self, now: Duration, cache: &KeyCache) -> bool {
        self.age(now) < cache.time.saturating_add(cache.stale)
    }

    #[inline]
    fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.fetched_at)
    }
}

#[cfg(test)]
mod tests;
