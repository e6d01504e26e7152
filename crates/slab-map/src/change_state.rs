//! What tells of changes to a map, beside the map in the memory that processes share: whether the
//! last one was finished, how many there were, and when entries were lost.

#[cfg(loom)]
use loom::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

/// Atomics only, so that any bytes are a valid state. All but [`changes`](Self::changes) is to be
/// used with the lock of the map.
#[repr(C)]
#[derive(Debug, Default)]
pub struct ChangeState {
    /// Not 0 while an operation works on the map, and after a process died during one.
    busy: AtomicU32,
    changes: AtomicU64,
    /// When entries were lost, in seconds since 1970; 0 if they never were.
    lost_at: AtomicI64,
}

impl ChangeState {
    /// Makes this the state of a new map. The number of changes may be any.
    pub fn reset(&self) {
        self.busy.store(0, Ordering::Relaxed);
        self.lost_at.store(0, Ordering::Relaxed);
    }

    /// How many changes there were. As long as the number is the same, what was read after it is
    /// current. It may be asked without the lock.
    #[inline]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Begins an operation on the map. False if the one before was not finished, so that the map may
    /// be half changed and has to be emptied.
    #[must_use = "a map that is half changed must not be used"]
    pub fn begin(&self) -> bool {
        // Nothing of the operation comes before this.
        self.busy.swap(1, Ordering::SeqCst) == 0
    }

    /// Notes that the map was emptied at this time, in seconds since 1970, because it was damaged.
    pub fn note_loss(&self, now: i64) {
        self.lost_at.store(now, Ordering::Relaxed);
    }

    /// When the map was last emptied, in seconds since 1970. 0 if it has not been since it was new.
    pub fn lost_at(&self) -> i64 {
        self.lost_at.load(Ordering::Relaxed)
    }

    /// Notes a change that the operation has made.
    pub fn note_change(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// Ends the operation.
    pub fn finish(&self) {
        // Nothing of the operation comes after this.
        self.busy.store(0, Ordering::Release);
    }
}
