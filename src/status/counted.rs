//! What `auth_jwt` and `auth_request` count with: a handle for the requests of a level, and one for a
//! source of keys.

use std::rc::Rc;
use std::time::Duration;

use crate::nginx::CounterGroup;
use policy::auth_request::check_result::CheckResult;
use policy::counters::{SourceCounter, ZoneCounter};

/// The counters of a level. None if there is no page to show them: then nothing is counted.
#[derive(Clone, Default)]
pub struct ZoneCounters(pub(super) Option<Rc<CounterGroup>>);

impl ZoneCounters {
    /// Counts one more.
    #[inline]
    pub fn count(&self, counter: ZoneCounter) {
        if let Some(group) = &self.0 {
            group.add(counter.number(), 1);
        }
    }

    /// Counts how a check of `auth_request` has ended.
    #[inline]
    pub fn count_check(&self, result: CheckResult) {
        self.count(ZoneCounter::check(result));
        if let Some(error) = result.error() {
            self.count(ZoneCounter::error(error));
        }
    }

    /// Counts how many milliseconds the authorization service took. `ms` is called only if that is
    /// counted.
    // perf: a `Duration` in place of milliseconds takes 40 instructions more.
    #[inline]
    pub fn count_duration(&self, ms: impl FnOnce() -> u64) {
        if let Some(group) = &self.0 {
            let ms = ms();
            group.add(ZoneCounter::duration(ms).number(), 1);
            group.add(ZoneCounter::DURATION_SUM.number(), ms);
        }
    }
}

/// The counters of a source of keys: an issuer, a key file or a key request.
#[derive(Clone)]
pub struct SourceCounters(pub(super) Rc<CounterGroup>);

impl SourceCounters {
    /// Notes the keys that the source has, and since when, in seconds since 1970.
    pub fn note_keys(&self, keys: usize, since: i64) {
        let keys = u64::try_from(keys).unwrap_or(u64::MAX);
        self.0.set(SourceCounter::KEYS.number(), keys);
        let since = u64::try_from(since).unwrap_or(0);
        self.0.set(SourceCounter::TIME.number(), since);
    }

    /// Notes keys that were fetched so long ago, maybe before anything was counted.
    pub fn note_known_keys(&self, keys: usize, age: Duration, now: i64) {
        // The worker that has fetched them has noted when, by a clock that is not rounded twice.
        let since = match i64::try_from(self.0.get(SourceCounter::TIME.number())) {
            Ok(noted) if noted > 0 => noted,
            _ => now.saturating_sub(i64::try_from(age.as_secs()).unwrap_or(now)),
        };
        self.note_keys(keys, since);
    }

    /// Counts a fetch that took so long. `keys` is how many keys it gave, if it succeeded, and `now`
    /// is in seconds since 1970.
    pub fn count_fetch(&self, keys: Option<usize>, duration: Duration, now: i64) {
        match keys {
            Some(keys) => {
                self.0.add(SourceCounter::SUCCESS.number(), 1);
                self.note_keys(keys, now);
            }
            None => self.count_failure(),
        }
        let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.0.add(SourceCounter::duration(ms).number(), 1);
        self.0.add(SourceCounter::DURATION_SUM.number(), ms);
    }

    /// Counts a failure.
    pub fn count_failure(&self) {
        self.0.add(SourceCounter::FAILURE.number(), 1);
    }

    /// Notes which file a worker has read. The first worker that reads another one than before
    /// counts it. `keys` is how many keys it has, and `now` is in seconds since 1970.
    pub fn note_file(&self, identity: u64, keys: usize, now: i64) {
        let before = self.0.swap(SourceCounter::IDENTITY.number(), identity);
        if before != identity {
            self.0.add(SourceCounter::VERSIONS.number(), 1);
            self.note_keys(keys, now);
        }
    }
}
