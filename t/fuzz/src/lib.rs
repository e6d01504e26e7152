//! The time limit of all targets: no input of 64 KiB may take longer than 100 ms.

use std::time::{Duration, Instant};

/// Our code is almost 30 times slower under the sanitizer and with coverage counters, but the
/// libraries of cryptography are not, so ten times 100 ms is strict for our code.
const LIMIT: Duration = Duration::from_secs(1);

/// Runs a target, and panics if it is too slow three times in a row: once may be due to other work on
/// the machine.
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
