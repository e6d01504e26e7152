//! The time limit of all targets, which is that no input of 64 KiB may take longer than 100 ms; and
//! tokens of other libraries with their keys.

use std::time::Duration;

use cpu_time::ThreadTime;
use jose::KeySet;

/// Files with tokens and the keys that made them: JWK Sets with a further member.
const VECTORS: [&str; 2] = [
    include_str!("../../data/npm-jose.json"),
    include_str!("../../data/jwcrypto.json"),
];

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

/// The keys of all files with tokens of other libraries.
pub fn keys_of_vectors() -> KeySet {
    KeySet::merge(&VECTORS.map(|file| KeySet::parse(file.as_bytes()).unwrap()))
}

/// Whether the text is one of these tokens.
pub fn is_vector(token: &[u8]) -> bool {
    let token = str::from_utf8(token).unwrap();
    VECTORS.iter().any(|file| file.contains(token))
}
