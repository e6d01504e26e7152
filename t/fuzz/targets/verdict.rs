//! A verdict in shared memory: any bytes are refused, or are one record and nothing else.
#![no_main]

use std::time::Duration;

use policy::auth_request::verdict_codec::{VerdictRecord, VerdictView, current};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nginx_auth_fuzz::in_time(|| check(bytes)));

fn check(bytes: &[u8]) {
    let Some(view) = VerdictView::read(bytes) else {
        return;
    };
    let record = VerdictRecord {
        status: view.status,
        vary: view.vary().collect(),
        vary_digest: *view.vary_digest,
        assigned: view.assigned().collect(),
        lines: view.lines().collect(),
        content: view.content().collect(),
        answer: view.answer().into_iter().collect(),
    };
    let stored = record.encode(Duration::from_secs(1)).unwrap_or_default();
    assert_eq!(current(&stored, Duration::ZERO), Some(bytes));
}
