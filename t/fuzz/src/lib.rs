//! What every target is run under: no input of 64 KiB may take longer than 100 ms.

use std::time::{Duration, Instant};

/// Our code is almost 30 times slower under the sanitizer and with the counters of coverage, the foreign code that does
/// the cryptography is not: ten times 100 ms is strict for the former.
const LIMIT: Duration = Duration::from_secs(1);

/// Runs a target and aborts if it is too slow, also when it is tried again: other work on the machine is no fault of
/// ours.
pub fn in_time(run: impl Fn()) {
    let is_slow = || {
        let start = Instant::now();
        run();
        start.elapsed() > LIMIT
    };
    if (0..3).all(|_| is_slow()) {
        panic!("slower than {LIMIT:?}, three times");
    }
}
