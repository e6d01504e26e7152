//! The states of one source of keys in one worker: fresh or stale keys, or none; being fetched, or
//! failed a moment ago. They tell who gets keys at once, who waits, and when the source is asked.
//!
//! Times are those of one monotonic clock.

use std::time::Duration;

use super::key_cache::{KeyCache, KeyError};
use jose::KeySet;

/// The pause after the first failure. Each further failure doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause, without its random part.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The keys of one source, and how far asking it has come.
#[derive(Debug, Default)]
pub struct FetchState {
    /// The last good keys.
    held: Option<HeldKeys>,
    activity: Activity,
    /// When the last fetch came to its end. A fetch that is under way does not count.
    ended_at: Option<Duration>,
    /// How many fetches have failed since the last one that succeeded.
    failures: u32,
}

#[derive(Debug)]
struct HeldKeys {
    keys: KeySet,
    /// When the source gave them, or was last seen to hold them still.
    fetched_at: Duration,
}

#[derive(Debug, Default)]
enum Activity {
    /// The source may be asked.
    #[default]
    Idle,
    /// The source is being asked.
    Fetching,
    /// The source failed, and is not asked again before this time.
    Failed { error: KeyError, until: Duration },
}

/// Which keys a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Those that count at present.
    Keys,
    /// Those of a later fetch: the keys that count at present do not have the token's key.
    NewerKeys,
}

/// What a request is to do.
#[derive(Debug)]
pub enum NextStep {
    /// Use these keys.
    Use {
        /// The keys, fresh or stale.
        keys: KeySet,
        /// Whether a fetch of newer keys is to be started besides.
        fetch: bool,
    },
    /// Wait until the source has been asked.
    Wait {
        /// Whether that fetch is to be started, since none is under way.
        fetch: bool,
    },
    /// Fail, because the source failed for this reason a moment ago.
    Fail(KeyError),
}

/// What follows a fetch that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// The next request that needs the keys asks again: asking costs next to nothing.
    AskAgain,
    /// The source is left alone for a while.
    Pause {
        /// A random number, which lengthens the pause by a tenth at most, so that workers that
        /// failed together do not ask together.
        jitter: u16,
    },
}

impl FetchState {
    /// The keys, if they are fresh.
    #[inline]
    pub fn fresh(&self, now: Duration, cache: &KeyCache) -> Option<&KeySet> {
        let held = self.held.as_ref()?;
        held.is_fresh(now, cache).then_some(&held.keys)
    }

    /// The keys, if they are fresh, or stale within their bound.
    #[inline]
    pub fn usable(&self, now: Duration, cache: &KeyCache) -> Option<&KeySet> {
        let held = self.held.as_ref()?;
        held.is_usable(now, cache).then_some(&held.keys)
    }

    /// The keys, if they are usable and nobody has to ask the source for newer ones now.
    #[inline]
    pub fn usable_without_fetch(&self, now: Duration, cache: &KeyCache) -> Option<&KeySet> {
        let held = self.held.as_ref()?;
        let suffices =
            held.is_fresh(now, cache) || (held.is_usable(now, cache) && !self.may_fetch(now));
        suffices.then_some(&held.keys)
    }

    /// The keys, if they are fresh or the source still holds them. `is_unchanged` tells the latter;
    /// it is called only for keys that are not fresh, and makes them fresh.
    #[inline]
    pub fn fresh_or_unchanged(
        &mut self,
        now: Duration,
        cache: &KeyCache,
        is_unchanged: impl FnOnce() -> bool,
    ) -> Option<&KeySet> {
        let held = self.held.as_mut()?;
        if !held.is_fresh(now, cache) {
            if !is_unchanged() {
                return None;
            }
            held.fetched_at = now;
            self.ended_at = Some(now);
        }
        Some(&held.keys)
    }

    /// What a request is to do. If the source is to be asked, the state is "fetching" from now on,
    /// until [`finish`](Self::finish).
    pub fn next(&mut self, now: Duration, cache: &KeyCache, need: Need) -> NextStep {
        let needs_newer = need == Need::NewerKeys && self.may_refresh(now, cache);
        let fetch = self.may_fetch(now);
        let step = match (self.usable(now, cache), &self.activity) {
            (Some(keys), _) if !needs_newer => NextStep::Use {
                keys: keys.clone(),
                fetch: fetch && self.fresh(now, cache).is_none(),
            },
            (None, Activity::Failed { error, .. }) if !fetch => NextStep::Fail(error.clone()),
            _ => NextStep::Wait { fetch },
        };
        if let NextStep::Use { fetch: true, .. } | NextStep::Wait { fetch: true } = step {
            self.activity = Activity::Fetching;
        }
        step
    }

    /// Takes what the source gave.
    pub fn finish(
        &mut self,
        now: Duration,
        result: Result<&KeySet, &KeyError>,
        after_failure: AfterFailure,
    ) {
        self.activity = Activity::Idle;
        match (result, after_failure) {
            (Ok(keys), _) => {
                self.failures = 0;
                self.ended_at = Some(now);
                self.held = Some(HeldKeys {
                    keys: keys.clone(),
                    fetched_at: now,
                });
            }
            (Err(_), AfterFailure::AskAgain) => (),
            (Err(error), AfterFailure::Pause { jitter }) => {
                self.failures = self.failures.saturating_add(1);
                self.ended_at = Some(now);
                self.activity = Activity::Failed {
                    error: error.clone(),
                    until: now.saturating_add(pause(self.failures, jitter)),
                };
            }
        }
    }

    /// Whether a token with an unknown key has the source asked while its keys are fresh, or waits
    /// for a fetch that is under way: the last fetch was a while ago.
    pub fn may_refresh(&self, now: Duration, cache: &KeyCache) -> bool {
        cache
            .refresh_interval()
            .is_some_and(|interval| match self.activity {
                Activity::Fetching => true,
                Activity::Failed { until, .. } if now < until => false,
                Activity::Idle | Activity::Failed { .. } => self
                    .ended_at
                    .is_none_or(|ended_at| now.saturating_sub(ended_at) >= interval),
            })
    }

    /// Whether the source is neither being asked nor left alone after a failure.
    fn may_fetch(&self, now: Duration) -> bool {
        match self.activity {
            Activity::Idle => true,
            Activity::Fetching => false,
            Activity::Failed { until, .. } => now >= until,
        }
    }
}

impl HeldKeys {
    #[inline]
    fn is_fresh(&self, now: Duration, cache: &KeyCache) -> bool {
        self.age(now) < cache.time
    }

    #[inline]
    fn is_usable(&self, now: Duration, cache: &KeyCache) -> bool {
        self.age(now) < cache.time.saturating_add(cache.stale)
    }

    #[inline]
    fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.fetched_at)
    }
}

/// The pause after so many failures.
fn pause(failures: u32, jitter: u16) -> Duration {
    let doublings = failures.saturating_sub(1).min(5);
    let pause = (FIRST_PAUSE * (1 << doublings)).min(LONGEST_PAUSE);
    pause + pause / 10 * u32::from(jitter) / u32::from(u16::MAX)
}

#[cfg(test)]
mod tests;
