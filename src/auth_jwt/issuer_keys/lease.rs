//! The lease of a worker that fetches.

use std::rc::Rc;
use std::time::Duration;

use super::shared_keys::SharedKeys;
use crate::nginx::net::{is_panicking, random, uptime};
use policy::auth_jwt::failure_reason::FailureReason;
use policy::auth_jwt::issuer_record::FetchLease;

/// A lease. If it is dropped because the worker exits, another worker may fetch at once. If the fetch
/// panics, it has failed.
pub(super) struct HeldLease {
    shared: Rc<SharedKeys>,
    /// `None` once the fetch has ended.
    lease: Option<FetchLease>,
}

impl HeldLease {
    pub(super) fn new(shared: Rc<SharedKeys>, lease: FetchLease) -> Self {
        Self {
            shared,
            lease: Some(lease),
        }
    }

    /// The fetch has given a key set. Whether that is another one than before. `None`: it does not
    /// count, since somebody else has fetched meanwhile.
    pub(super) fn succeed(mut self, text: &[u8], fresh_for: Duration) -> Option<bool> {
        let lease = self.lease.take()?;
        self.shared.publish(uptime(), &lease, text, fresh_for)
    }

    /// The fetch has failed for this reason.
    pub(super) fn fail(mut self, reason: &FailureReason) {
        self.end_with_failure(reason);
    }

    fn end_with_failure(&mut self, reason: &FailureReason) {
        if let Some(lease) = self.lease.take() {
            self.shared.fail(uptime(), &lease, random(), reason);
        }
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        if is_panicking() {
            let reason = "the fetch has panicked, as a [crit] line says";
            self.end_with_failure(&FailureReason::new(reason.into()));
        } else if let Some(lease) = self.lease.take() {
            self.shared.update(|record| record.release(&lease));
        }
    }
}
