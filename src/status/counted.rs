//! What `auth_jwt` and `auth_request` count with.

use std::rc::Rc;
use std::time::Duration;

use crate::nginx::CounterGroup;
use policy::auth_request::check_result::CheckResult;
use policy::counters::ZoneCounter;

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

    /// Counts how long the authorization service took. `duration` is called only if it is counted.
    #[inline]
    pub fn count_duration(&self, duration: impl FnOnce() -> Duration) {
        if let Some(group) = &self.0 {
            let duration = duration();
            let ms = u64::try_from(duration.as_millis()).unwrap_or(0);
            group.add(ZoneCounter::duration(duration).number(), 1);
            group.add(ZoneCounter::DURATION_SUM.number(), ms);
        }
    }
}
