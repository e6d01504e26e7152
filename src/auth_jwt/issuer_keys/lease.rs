//! The lease of a worker that fetches.

use std::rc::Rc;
use std::time::Duration;

use super::shared_keys::SharedKeys;
use crate::nginx::net::{is_panicking, random, uptime};
use policy::auth_jwt::issuer_record::{FetchLease, IssuerRecord};

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

    /// The fetch has failed.
    pub(super) fn fail(mut self) {
        self.end(|record, lease| {
            record.fail(uptime(), lease, random());
        });
    }

    fn end(&mut self, end: impl Fn(&mut IssuerRecord, &FetchLease)) {
        if let Some(lease) = self.lease.take() {
            self.shared.update(|record| end(record, &lease));
        }
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        match is_panicking() {
            true => self.end(|record, lease| {
                record.fail(uptime(), lease, random());
            }),
            false => self.end(IssuerRecord::release),
        }
    }
}
