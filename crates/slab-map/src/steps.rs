//! Where a process can be stopped in the middle of a change, for tests of what the next process
//! finds. Without the feature `steps`, [`step`] does nothing.

#[cfg(any(test, feature = "steps"))]
mod counted {
    use std::cell::Cell;

    /// What stops the process.
    type Stop = fn();

    thread_local! {
        static STOP: Cell<Option<(u32, Stop)>> = const { Cell::new(None) };
    }

    /// Has `stop` called at the step with this number, counted from 1. 0 is no step.
    pub fn stop_at(number: u32, stop: Stop) {
        STOP.set((number > 0).then_some((number, stop)));
    }

    /// Counts a step, each of which is between two changes of the memory.
    pub fn step() {
        if let Some((left, stop)) = STOP.take() {
            match left.saturating_sub(1) {
                0 => stop(),
                left => STOP.set(Some((left, stop))),
            }
        }
    }
}

#[cfg(any(test, feature = "steps"))]
pub use counted::{step, stop_at};

/// Does nothing.
#[cfg(not(any(test, feature = "steps")))]
#[inline(always)]
pub fn step() {}
