//! What all workers know of the keys of one issuer, but for their text. It is in shared memory, and
//! each function is called with the zone locked, so that one worker fetches for all of them.
//!
//! A worker that fetches has a lease. If it dies, the next worker that looks has the lease. If it is
//! only slow, the lease expires, another worker fetches, and the result of the slow one is dropped.
//!
//! Times are those of one monotonic clock, which all workers share.

use std::time::Duration;

use super::fetch_schedule::{Activity, FetchSchedule, HeldAge, Need, ScheduleStep};
use super::issuer_times::IssuerTimes;
use super::key_text_id::KeyTextId;

/// What all workers know of the keys of one issuer. The default is that of an issuer that nobody
/// has asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IssuerRecord {
    schedule: FetchSchedule,
    text: Option<SharedText>,
    /// Who began the last fetch, and its number, which is larger than that of the one before.
    owner: u64,
    begun: u64,
    /// How many fetches have succeeded or failed.
    ended: u64,
}

/// The text that is in shared memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SharedText {
    id: KeyTextId,
    /// When the text came from the issuer or from the file, and how old it was then.
    came_at: Duration,
    age_then: Duration,
    /// How long the text is fresh, by the configuration of the worker that got it, which may be
    /// another one than that of the worker that asks. `None`: the text is from a file, and never
    /// fresh.
    fresh_for: Option<Duration>,
}

/// The right and the duty to fetch, which ends with [`IssuerRecord::succeed`],
/// [`fail`](IssuerRecord::fail) or [`release`](IssuerRecord::release).
#[derive(Debug, PartialEq, Eq)]
#[must_use = "other workers wait for the end of the fetch"]
pub struct FetchLease {
    owner: u64,
    number: u64,
}

impl IssuerRecord {
    /// What a request is to do, or a worker that looks whether a fetch is due (as a request that
    /// needs keys). With a lease, the caller has to fetch. `owner` tells one worker from all
    /// others, such as by its process id: two workers may have the same number when shared memory
    /// was lost. `is_alive` tells whether such a worker still runs.
    pub fn look_up(
        &mut self,
        now: Duration,
        times: &IssuerTimes,
        need: Need,
        owner: u64,
        is_alive: impl FnOnce(u64) -> bool,
    ) -> (ScheduleStep, Option<FetchLease>) {
        self.clamp(now, times);
        if self.schedule.is_fetching(now) && !is_alive(self.owner) {
            self.schedule.cancel();
        }
        if self.is_pause_of_other_configuration(times) {
            self.schedule.cancel();
        }
        let held = self.held(now, times);
        let cache = times.key_cache(self.fresh_for(times));
        let step = self.schedule.next(now, held, &cache, need, times.lease);
        let lease = step.starts_fetch().then(|| {
            self.owner = owner;
            // Numbers go on with the time when shared memory was lost.
            self.begun = self.begun.wrapping_add(1).max(codec::nanos(now));
            let number = self.begun;
            FetchLease { owner, number }
        });
        (step, lease)
    }

    /// The fetch has given a key set, which the caller has parsed. Whether it counts: if so, the
    /// caller puts the text into shared memory, else somebody else fetches or has fetched since.
    pub fn succeed(
        &mut self,
        now: Duration,
        lease: &FetchLease,
        id: KeyTextId,
        fresh_for: Duration,
    ) -> bool {
        let counts = self.end(lease);
        if counts {
            self.schedule.succeed(now);
            self.text = Some(SharedText {
                id,
                came_at: now,
                age_then: Duration::ZERO,
                fresh_for: Some(fresh_for),
            });
        }
        counts
    }

    /// The fetch has failed. `jitter` is a random number, see [`FetchSchedule::fail`]. Whether it
    /// counts.
    pub fn fail(&mut self, now: Duration, lease: &FetchLease, jitter: u16) -> bool {
        let counts = self.end(lease);
        if counts {
            self.schedule.fail(now, jitter);
        }
        counts
    }

    /// The worker stops fetching, because it exits. Another one may begin at once.
    pub fn release(&mut self, lease: &FetchLease) {
        if self.is_current(lease) {
            self.schedule.cancel();
        }
    }

    /// Takes a text from a file, which is so old. It is used for as long as `refresh` and `stale`
    /// together, but the issuer is asked at once all the same. Whether it counts: a text that is
    /// there already does so in its place.
    pub fn restore(
        &mut self,
        now: Duration,
        times: &IssuerTimes,
        id: KeyTextId,
        age: Duration,
    ) -> bool {
        let restored = SharedText {
            id,
            came_at: now,
            age_then: age,
            fresh_for: None,
        };
        let counts = self.text.is_none() && restored.held(now, times).is_usable();
        if counts {
            self.text = Some(restored);
        }
        counts
    }

    /// Shared memory has lost the text. The issuer is asked at once.
    pub fn forget_text(&mut self) {
        self.text = None;
    }

    /// The text that counts.
    pub fn text_id(&self) -> Option<KeyTextId> {
        self.text.map(|text| text.id)
    }

    /// Whether the text may be used.
    pub fn held(&self, now: Duration, times: &IssuerTimes) -> HeldAge {
        self.text
            .map_or(HeldAge::Unusable, |text| text.held(now, times))
    }

    /// How long ago the issuer gave the keys.
    pub fn age(&self, now: Duration) -> Option<Duration> {
        self.text.map(|text| text.age(now))
    }

    /// How long the text may be used from now on.
    pub fn usable_for(&self, now: Duration, times: &IssuerTimes) -> Duration {
        self.text.map_or(Duration::ZERO, |text| {
            text.usable_time(times).saturating_sub(text.age(now))
        })
    }

    /// How long a worker may sleep before it looks again.
    pub fn next_look(&self, now: Duration, times: &IssuerTimes) -> Duration {
        let until_fetch = match self.schedule.activity {
            Activity::Fetching { until } | Activity::Failed { until } => until.saturating_sub(now),
            Activity::Idle => Duration::ZERO,
        };
        let until_stale = match self.held(now, times) {
            HeldAge::Fresh => {
                let age = self.age(now).unwrap_or_default();
                self.fresh_for(times).saturating_sub(age)
            }
            HeldAge::Stale | HeldAge::Unusable => Duration::ZERO,
        };
        until_fetch.max(until_stale).min(IssuerTimes::LOOK)
    }

    /// How many fetches have succeeded or failed. Who waits for one waits until this number changes,
    /// and looks again if nobody [is fetching](Self::is_fetching) before that.
    pub fn ended_fetches(&self) -> u64 {
        self.ended
    }

    /// Whether a worker fetches, as far as the record knows.
    pub fn is_fetching(&self, now: Duration) -> bool {
        self.schedule.is_fetching(now)
    }

    /// How many fetches have failed since the last one that succeeded.
    pub fn failures(&self) -> u32 {
        self.schedule.failures()
    }

    fn fresh_for(&self, times: &IssuerTimes) -> Duration {
        self.text
            .map_or(Duration::ZERO, |text| text.fresh_for(times))
    }

    /// Whether the issuer is left alone after a fetch that was begun before the configuration was
    /// read. Another configuration may be what helps, so its first look passes over the pause. That
    /// begins a fetch, so that the looks of other workers do not.
    fn is_pause_of_other_configuration(&self, times: &IssuerTimes) -> bool {
        matches!(self.schedule.activity, Activity::Failed { .. })
            && self.begun < codec::nanos(times.configured_at)
    }

    /// Ends the fetch of this lease. Whether it is the one that others wait for.
    fn end(&mut self, lease: &FetchLease) -> bool {
        let is_current = self.is_current(lease);
        if is_current {
            self.ended = self.ended.wrapping_add(1);
        }
        is_current
    }

    fn is_current(&self, lease: &FetchLease) -> bool {
        (lease.owner, lease.number) == (self.owner, self.begun)
            && matches!(self.schedule.activity, Activity::Fetching { .. })
    }

    /// Nothing waits for a clock that was set back.
    fn clamp(&mut self, now: Duration, times: &IssuerTimes) {
        self.schedule.clamp(now, times.lease);
        if let Some(text) = &mut self.text {
            text.came_at = text.came_at.min(now);
        }
    }
}

impl SharedText {
    fn age(&self, now: Duration) -> Duration {
        let since = now.saturating_sub(self.came_at);
        since.saturating_add(self.age_then)
    }

    fn held(&self, now: Duration, times: &IssuerTimes) -> HeldAge {
        let age = self.age(now);
        if age < self.fresh_for(times) {
            HeldAge::Fresh
        } else if age < self.usable_time(times) {
            HeldAge::Stale
        } else {
            HeldAge::Unusable
        }
    }

    /// A reload may have made `refresh` shorter.
    fn fresh_for(&self, times: &IssuerTimes) -> Duration {
        self.fresh_for.unwrap_or_default().min(times.refresh)
    }

    /// How old the text may be.
    fn usable_time(&self, times: &IssuerTimes) -> Duration {
        let time = match self.fresh_for {
            Some(_) => self.fresh_for(times),
            None => times.refresh,
        };
        time.saturating_add(times.stale)
    }
}

mod codec;

#[cfg(test)]
mod tests;
