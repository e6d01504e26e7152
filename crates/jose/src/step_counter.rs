//! Counts the steps that loops take, for the test which proves that the work is proportional to the
//! length of the input. Outside of tests it does nothing.

#[cfg(test)]
pub(super) use counter::{add, steps_of};

/// How many steps the check of a private key counts as: it takes 10 us at least.
pub(super) const KEY_CHECK: usize = 10_000;

/// Adds to the counter of this thread.
#[cfg(not(test))]
pub(super) fn add(_steps: usize) {}

#[cfg(test)]
mod counter {
    use std::cell::Cell;

    thread_local! {
        static STEPS: Cell<usize> = const { Cell::new(0) };
    }

    pub(crate) fn add(steps: usize) {
        STEPS.set(STEPS.get().saturating_add(steps));
    }

    /// How many steps `run` takes.
    pub(crate) fn steps_of(run: impl FnOnce()) -> usize {
        let before = STEPS.get();
        run();
        STEPS.get().saturating_sub(before)
    }
}
