//! Counts steps of work for the test that holds them to be in proportion to the input. Outside of tests it is nothing.

#[cfg(not(test))]
#[inline(always)]
pub(super) fn count(_steps: usize) {}

#[cfg(test)]
pub(super) use counter::{count, counted};

#[cfg(test)]
mod counter {
    use std::cell::Cell;

    thread_local! {
        static STEPS: Cell<usize> = const { Cell::new(0) };
    }

    pub(crate) fn count(steps: usize) {
        STEPS.set(STEPS.get() + steps);
    }

    /// How many steps something takes.
    pub(crate) fn counted(run: impl FnOnce()) -> usize {
        let before = STEPS.get();
        run();
        STEPS.get() - before
    }
}
