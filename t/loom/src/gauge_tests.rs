//! A worker starts while one of an earlier configuration, which had its place, still counts.

use crate::gauge::Gauge;
use loom::sync::Arc;
use loom::thread;

const OLD: u64 = 3;
const NEW: u64 = 7;

#[test]
fn an_old_worker_does_not_change_the_gauge_of_a_new_one() {
    loom::model(|| {
        let gauge = Arc::new(Gauge::default());
        gauge.start(OLD);
        let old = {
            let gauge = Arc::clone(&gauge);
            thread::spawn(move || {
                gauge.set(OLD, 5);
                gauge.set(OLD, 6);
            })
        };
        gauge.start(NEW);
        assert_eq!(gauge.get(NEW), Some(0));
        gauge.set(NEW, 2);
        assert_eq!(gauge.get(NEW), Some(2));
        assert!(old.join().is_ok());
        assert_eq!(gauge.get(NEW), Some(2));
        assert_eq!(gauge.get(OLD), None);
    });
}

#[test]
fn a_page_shows_a_value_that_a_worker_has_set() {
    loom::model(|| {
        let gauge = Arc::new(Gauge::default());
        let worker = {
            let gauge = Arc::clone(&gauge);
            thread::spawn(move || {
                gauge.start(NEW);
                gauge.set(NEW, 5);
            })
        };
        assert!(matches!(gauge.get(NEW), None | Some(0 | 5)));
        assert!(worker.join().is_ok());
        assert_eq!(gauge.get(NEW), Some(5));
    });
}
