//! One gauge of one worker.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

/// A value, and the number of the configuration of the worker that it is of. Both are in one atomic:
/// a worker of an earlier configuration, whose place another worker has taken, never changes the
/// value of that one.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicU64);

impl Gauge {
    /// Makes it the gauge of no worker.
    pub(crate) fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Makes it the gauge of a worker of this configuration, which is not 0, and whose value is 0.
    pub(crate) fn start(&self, configuration: u64) {
        // A store would do as well, but loom does not order it with changes by other processes.
        self.0.swap(pack(configuration, 0), Ordering::Relaxed);
    }

    /// Sets the value, unless it is that of another configuration. A value with more than 32 bits is
    /// the largest that has 32.
    pub(crate) fn set(&self, configuration: u64, value: u64) {
        let set = |packed| is_of(packed, configuration).then_some(pack(configuration, value));
        _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, set);
    }

    /// The value, if it is that of a worker of this configuration.
    pub(crate) fn get(&self, configuration: u64) -> Option<u64> {
        let packed = self.0.load(Ordering::Relaxed);
        is_of(packed, configuration).then_some(packed & VALUE)
    }
}

/// The bits of the value. The others have the lower half of the configuration's number, which is
/// enough for four billion reloads.
const VALUE: u64 = 0xffff_ffff;

fn pack(configuration: u64, value: u64) -> u64 {
    (configuration << 32) | value.min(VALUE)
}

fn is_of(packed: u64, configuration: u64) -> bool {
    packed != 0 && packed >> 32 == configuration & VALUE
}
