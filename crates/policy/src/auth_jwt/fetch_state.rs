//! The states of one source of keys in one worker: fresh or stale keys, or none; being fetched, or
//! failed a moment ago. They tell who gets keys at once, who waits, and when the source is asked.
//!
//! Times are those of one monotonic clock.

use std::time::Duration;

use super::fetch_schedule::{FetchSchedule, HeldAge, ScheduleStep};
use super::key_cache::{KeyCache, KeyError};
use jose::KeySet;

pub use super::fetch_schedule::Need;

/// No limit: a fetch of this worker ends in every case, because it fails when it is dropped.
const UNLIMITED: Duration = Duration::MAX;

/// The keys of one source, and how far asking it has come.
#[derive(Debug, Default)]
pub struct FetchState {
    /// The last good keys.
    held: Option<HeldKeys>,
    schedule: FetchSchedule,
    /// Why the last fetch failed, if it did.
    error: Option<KeyError>,
}

#[derive(Debug)]
struct HeldKeys {
    keys: KeySet,
    /// When the source gave them, or was last seen to hold them still.
    fetched_at: Duration,
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
        (held.age(now, cache) == HeldAge::Fresh).then_some(&held.keys)
    }

    /// The keys, if they are fresh, or stale within their bound.
    #[inline]
    pub fn usable(&self, now: Duration, cache: &KeyCache) -> Option<&KeySet> {
        let held = self.held.as_ref()?;
        held.age(now, cache).is_usable().then_some(&held.keys)
    }

    /// The keys, if they are usable and nobody has to ask the source for newer ones now.
    #[inline]
    pub fn usable_without_fetch(&self, now: Duration, cache: &KeyCache) -> Option<&KeySet> {
        let held = self.held.as_ref()?;
        let suffices = match held.age(now, cache) {
            HeldAge::Fresh => true,
            HeldAge::Stale => !self.schedule.may_fetch(now),
            HeldAge::Unusable => false,
        };
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
        if held.age(now, cache) != HeldAge::Fresh {
            if !is_unchanged() {
                return None;
            }
            held.fetched_at = now;
            self.schedule.confirm(now);
        }
        Some(&held.keys)
    }

    /// What a request is to do. If the source is to be asked, the state is "fetching" from now on,
    /// until [`finish`](Self::finish).
    pub fn next(&mut self, now: Duration, cache: &KeyCache, need: Need) -> NextStep {
        let held = self.held.as_ref();
        let age = held.map_or(HeldAge::Unusable, |held| held.age(now, cache));
        match (self.schedule.next(now, age, cache, need, UNLIMITED), held) {
            (ScheduleStep::Use { fetch }, Some(held)) => NextStep::Use {
                keys: held.keys.clone(),
                fetch,
            },
            // The schedule has nobody use keys that are not there.
            (ScheduleStep::Use { fetch } | ScheduleStep::Wait { fetch }, _) => {
                NextStep::Wait { fetch }
            }
            (ScheduleStep::Fail, _) => {
                NextStep::Fail(self.error.clone().unwrap_or(KeyError::Incomplete))
            }
        }
    }

    /// Takes what the source gave.
    pub fn finish(
        &mut self,
        now: Duration,
        result: Result<&KeySet, &KeyError>,
        after_failure: AfterFailure,
    ) {
        match (result, after_failure) {
            (Ok(keys), _) => {
                self.schedule.succeed(now);
                self.error = None;
                self.held = Some(HeldKeys {
                    keys: keys.clone(),
                    fetched_at: now,
                });
            }
            (Err(_), AfterFailure::AskAgain) => self.schedule.cancel(),
            (Err(error), AfterFailure::Pause { jitter }) => {
                self.schedule.fail(now, jitter);
                self.error = Some(error.clone());
            }
        }
    }

    /// Whether a token with an unknown key has the source asked while its keys are fresh, or waits
    /// for a fetch that is under way: the last fetch was a while ago.
    pub fn may_refresh(&self, now: Duration, cache: &KeyCache) -> bool {
        self.schedule.may_refresh(now, cache)
    }
}

impl HeldKeys {
    #[inline]
    fn age(&self, now: Duration, cache: &KeyCache) -> HeldAge {
        HeldAge::of(Some(now.saturating_sub(self.fetched_at)), cache)
    }
}

#[cfg(test)]
mod tests;
