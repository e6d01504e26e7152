//! What a response says of its being cached: lines of Cache-Control, Age, X-Accel-Expires and
//! Vary, apart by zero bytes.
#![no_main]

use std::time::Duration;

use policy::auth_request::vary::{has_seen, vary_names};
use policy::freshness::Freshness;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nginx_auth_fuzz::in_time(|| check(bytes)));

fn check(bytes: &[u8]) {
    const HOUR: Duration = Duration::from_secs(3600);
    let lines = || bytes.split(|&byte| byte == 0);
    let freshness = Freshness::from_cache_control(lines());
    // No header makes a verdict live longer than it is configured to, or than it did without.
    let time = freshness.cap(HOUR);
    assert!(time.is_none_or(|time| !time.is_zero() && time <= HOUR));
    let aged = freshness.minus_age(lines()).cap(HOUR);
    assert!(aged.unwrap_or_default() <= time.unwrap_or_default());
    let accel = Freshness::from_accel_expires(lines(), 1_700_000_000);
    assert!(accel.and(freshness).cap(HOUR).unwrap_or_default() <= time.unwrap_or_default());
    let forbidden = Freshness::from_cache_control(lines().chain([&b"no-store"[..]]));
    assert_eq!(forbidden.cap(HOUR), None);

    if let Some(names) = vary_names(lines()) {
        assert!(names.is_sorted() && names.iter().all(|name| name != b"*"));
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }
    // What was sent with the client's value was seen.
    let sent = [&b"GET / HTTP/1.1\r\nCookie: a=b\r\n\r\n"[..], bytes].concat();
    assert!(has_seen(&sent, b"cookie", [&b"a=b"[..]].into_iter()));
    has_seen(bytes, b"cookie", lines());
    assert_eq!(vary_names(lines().chain([&b"a, *"[..]])), None);
}
