//! The time limit of all targets: no input of 64 KiB may take longer than 100 ms.

use std::time::Duration;

use cpu_time::ThreadTime;

/// Our code is almost 30 times slower under the sanitizer and with coverage counters, but the
/// libraries of cryptography are not, so ten times 100 ms is strict for our code.
const LIMIT: Duration = Duration::from_secs(1);

/// Runs a target, and panics if it is too slow. Processor time is measured: a busy machine makes no
/// input slow.
pub fn in_time(run: impl FnOnce()) {
    let start = ThreadTime::now();
    run();
    let elapsed = start.elapsed();
    assert!(
        elapsed <= LIMIT,
        "{elapsed:?} of processor time, the limit is {LIMIT:?}"
    );
}
