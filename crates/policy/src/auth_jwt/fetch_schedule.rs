//! When a source of keys is asked, and what a request does meanwhile: the one decision for keys that
//! a worker holds itself and for those that all workers share. The schedule is plain numbers, so
//! that it can be in shared memory, and knows neither keys nor errors.
//!
//! Times are those of one monotonic clock.

use std::time::Duration;

use super::key_cache::KeyCache;

/// The pause after the first failure. Each further failure doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause, without its random part.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How far asking a source has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FetchSchedule {
    pub(super) activity: Activity,
    /// When the last fetch came to its end. A fetch that is under way does not count.
    pub(super) ended_at: Option<Duration>,
    /// How many fetches have failed since the last one that succeeded.
    pub(super) failures: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Activity {
    /// The source may be asked.
    #[default]
    Idle,
    /// The source is being asked. Whoever does so has until this time, and is taken for dead then.
    Fetching { until: Duration },
    /// The source failed, and is not asked again before this time.
    Failed { until: Duration },
}

/// Which keys a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Those that count at present.
    Keys,
    /// Those of a later fetch: the keys that count at present do not have the token's key.
    NewerKeys,
}

/// Whether the keys that are held may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldAge {
    /// There are none, or they are too old.
    Unusable,
    /// They are used as long as there are no newer ones.
    Stale,
    /// They are used, and the source need not be asked.
    Fresh,
}

/// What a request is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScheduleStep {
    /// Use the keys that are held.
    Use {
        /// Whether a fetch of newer keys is to be started besides.
        fetch: bool,
    },
    /// Wait until the source has been asked.
    Wait {
        /// Whether that fetch is to be started, since none is under way.
        fetch: bool,
    },
    /// Fail: the source failed a moment ago.
    Fail,
}

impl HeldAge {
    /// What may be done with keys of this age. `None`: there are no keys.
    #[inline]
    pub fn of(age: Option<Duration>, cache: &KeyCache) -> Self {
        match age {
            Some(age) if age < cache.time => Self::Fresh,
            Some(age) if age < cache.time.saturating_add(cache.stale) => Self::Stale,
            Some(_) | None => Self::Unusable,
        }
    }

    /// Whether the keys may be used.
    #[inline]
    pub fn is_usable(self) -> bool {
        self != Self::Unusable
    }
}

impl ScheduleStep {
    /// Whether a fetch is to be started.
    pub fn starts_fetch(self) -> bool {
        matches!(self, Self::Use { fetch: true } | Self::Wait { fetch: true })
    }
}

impl FetchSchedule {
    /// What a request is to do. If the source is to be asked, the schedule is "fetching" from now
    /// on, until the fetch ends in one of the ways below or `limit` has passed.
    pub fn next(
        &mut self,
        now: Duration,
        held: HeldAge,
        cache: &KeyCache,
        need: Need,
        limit: Duration,
    ) -> ScheduleStep {
        let needs_newer = need == Need::NewerKeys && self.may_refresh(now, cache);
        let fetch = self.may_fetch(now);
        let step = match held {
            HeldAge::Fresh | HeldAge::Stale if !needs_newer => ScheduleStep::Use {
                fetch: fetch && held == HeldAge::Stale,
            },
            HeldAge::Unusable if !fetch && matches!(self.activity, Activity::Failed { .. }) => {
                ScheduleStep::Fail
            }
            _ => ScheduleStep::Wait { fetch },
        };
        if step.starts_fetch() {
            let until = now.saturating_add(limit);
            self.activity = Activity::Fetching { until };
        }
        step
    }

    /// The fetch has succeeded.
    pub fn succeed(&mut self, now: Duration) {
        *self = Self {
            ended_at: Some(now),
            ..Self::default()
        };
    }

    /// The fetch has failed, and a pause follows. `jitter` is a random number, which lengthens it by
    /// a tenth at most, so that workers that failed together do not ask together.
    pub fn fail(&mut self, now: Duration, jitter: u16) {
        self.failures = self.failures.saturating_add(1);
        self.ended_at = Some(now);
        self.activity = Activity::Failed {
            until: now.saturating_add(pause(self.failures, jitter)),
        };
    }

    /// The fetch has ended without saying anything of its source, which may be asked again at once.
    pub fn cancel(&mut self) {
        self.activity = Activity::Idle;
    }

    /// The source was seen to hold the same keys still.
    pub fn confirm(&mut self, now: Duration) {
        self.ended_at = Some(now);
    }

    /// Whether a token with an unknown key has the source asked while its keys are fresh, or waits
    /// for a fetch that is under way: the last fetch was a while ago.
    pub fn may_refresh(&self, now: Duration, cache: &KeyCache) -> bool {
        let is_due = |interval| {
            self.ended_at
                .is_none_or(|ended_at| now.saturating_sub(ended_at) >= interval)
        };
        cache.refresh_interval().is_some_and(|interval| {
            self.is_fetching(now) || (self.may_fetch(now) && is_due(interval))
        })
    }

    /// Whether the source is neither being asked nor left alone after a failure.
    pub fn may_fetch(&self, now: Duration) -> bool {
        match self.activity {
            Activity::Idle => true,
            Activity::Fetching { until } | Activity::Failed { until } => now >= until,
        }
    }

    /// Whether the source is being asked.
    pub fn is_fetching(&self, now: Duration) -> bool {
        matches!(self.activity, Activity::Fetching { until } if now < until)
    }

    /// How many fetches have failed since the last one that succeeded.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Moves times that the clock cannot reach soon, because it was set back, to where they would be
    /// if everything had happened just now. `limit` is that of [`next`](Self::next).
    pub fn clamp(&mut self, now: Duration, limit: Duration) {
        self.ended_at = self.ended_at.map(|ended_at| ended_at.min(now));
        match &mut self.activity {
            Activity::Idle => (),
            Activity::Fetching { until } => *until = (*until).min(now.saturating_add(limit)),
            Activity::Failed { until } => {
                let longest = pause(self.failures, u16::MAX);
                *until = (*until).min(now.saturating_add(longest));
            }
        }
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
