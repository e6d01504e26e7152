//! Workers that read and change a zone, keep copies of what they have read, and die. What they do is
//! what `SharedZone::with_map` does, with one number in place of the map.

use crate::change_state::ChangeState;
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

/// A number that is half changed.
const HALF: u64 = u64::MAX;

/// The number of an emptied zone.
const EMPTY: u64 = 0;

/// Where a worker dies.
#[derive(Clone, Copy, PartialEq)]
enum Death {
    Locked,
    Begun,
    HalfChanged,
    Changed,
    Noted,
    Finished,
}

struct Zone {
    lock: Mutex<()>,
    state: ChangeState,
    /// Stands for memory that is used with the lock only: the order of its accesses is free.
    number: AtomicU64,
}

impl Zone {
    fn new() -> Arc<Self> {
        let zone = Self {
            lock: Mutex::new(()),
            state: ChangeState::default(),
            number: AtomicU64::new(1),
        };
        zone.state.reset();
        Arc::new(zone)
    }

    /// Reads the number, and changes it if `to` says so. The worker may die meanwhile: the lock is
    /// released then, as nginx's master does it.
    fn work(&self, to: Option<u64>, death: Option<Death>) -> Option<u64> {
        let dies = |at| death == Some(at);
        let _lock = self.lock.lock().unwrap_or_else(|error| error.into_inner());
        if dies(Death::Locked) {
            return None;
        }
        let is_intact = self.state.begin();
        if dies(Death::Begun) {
            return None;
        }
        if !is_intact {
            self.state.note_loss(9);
            self.number.store(EMPTY, Ordering::Relaxed);
        }
        let number = self.number.load(Ordering::Relaxed);
        if let Some(to) = to {
            self.number.store(HALF, Ordering::Relaxed);
            if dies(Death::HalfChanged) {
                return None;
            }
            self.number.store(to, Ordering::Relaxed);
        }
        if dies(Death::Changed) {
            return None;
        }
        if to.is_some() || !is_intact {
            self.state.note_change();
        }
        if dies(Death::Noted) {
            return None;
        }
        self.state.finish();
        if dies(Death::Finished) {
            return None;
        }
        Some(number)
    }
}

#[test]
fn a_copy_that_counts_is_the_value_of_the_last_change() {
    loom::model(|| {
        let zone = Zone::new();
        let is_put = Arc::new(AtomicBool::new(false));
        let writer = {
            let (zone, is_put) = (Arc::clone(&zone), Arc::clone(&is_put));
            thread::spawn(move || {
                zone.work(Some(2), None);
                is_put.store(true, Ordering::Release);
            })
        };
        // The number of changes is read before the value.
        let changes = zone.state.changes();
        let copy = zone.work(None, None);
        if is_put.load(Ordering::Acquire) && zone.state.changes() == changes {
            assert_eq!(
                copy,
                Some(2),
                "an old value is used after another one was put"
            );
        }
        assert!(matches!(copy, Some(1 | 2)));
        assert!(writer.join().is_ok());
    });
}

#[test]
fn nobody_sees_what_a_worker_has_left_that_died() {
    let deaths = [
        Death::Locked,
        Death::Begun,
        Death::HalfChanged,
        Death::Changed,
        Death::Noted,
        Death::Finished,
    ];
    for death in deaths {
        loom::model(move || {
            let zone = Zone::new();
            let changes = zone.state.changes();
            let copy = zone.work(None, None);
            assert_eq!(copy, Some(1));
            let dying = {
                let zone = Arc::clone(&zone);
                thread::spawn(move || zone.work(Some(2), Some(death)))
            };
            let other = {
                let zone = Arc::clone(&zone);
                thread::spawn(move || zone.work(None, None))
            };
            let seen = other.join().ok().flatten();
            assert!(dying.join().is_ok());
            let number = zone.work(None, None);
            let expected: &[u64] = match death {
                Death::Locked => &[1],
                Death::Begun | Death::HalfChanged | Death::Changed | Death::Noted => &[EMPTY],
                Death::Finished => &[2],
            };
            assert!(number.is_some_and(|number| expected.contains(&number)));
            assert!(seen.is_some_and(|seen| seen == 1 || expected.contains(&seen)));
            // What was read before the loss is not used after it.
            if number != copy {
                assert_ne!(zone.state.changes(), changes);
            }
            let lost_at = zone.state.lost_at();
            assert_eq!(lost_at != 0, expected == [EMPTY]);
        });
    }
}
