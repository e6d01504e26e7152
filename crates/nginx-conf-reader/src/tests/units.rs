//! Times.

use crate::units::Unit::{Milliseconds, Seconds};
use crate::units::{flag, time};
use std::time::Duration;

#[test]
fn what_is_no_time() {
    for text in [
        "",
        "s",
        "x",
        "-1",
        "1x",
        "1.5s",
        "1 m",
        "1s1s",
        "1s1m",
        "1m1h",
        " ",
        "1ms1s",
        "1 5ms",
        "1\t2",
        "99999999999999999999",
    ] {
        assert_eq!(time(text.as_bytes(), Seconds), None, "{text}");
        assert_eq!(time(text.as_bytes(), Milliseconds), None, "{text}");
    }
    assert_eq!(time(b"5ms", Seconds), None);
    assert_eq!(time(b"1M1y", Seconds), None);
    assert_eq!(time(b"1y", Milliseconds), None);
    assert_eq!(time(b"1M", Milliseconds), None);
}

#[test]
fn times() {
    for (text, seconds) in [
        ("0", 0),
        ("90", 90),
        ("1h30m", 5_400),
        ("1h 30m  5s", 5_405),
        ("1w2d", 777_600),
        ("1m 5", 65),
        ("1 2", 3),
        ("5s3", 8),
        (" 7", 7),
    ] {
        let expected = Some(Duration::from_secs(seconds));
        assert_eq!(time(text.as_bytes(), Seconds), expected, "{text}");
        assert_eq!(time(text.as_bytes(), Milliseconds), expected, "{text}");
    }
    assert_eq!(
        time(b"1y1M", Seconds),
        Some(Duration::from_secs(395 * 86_400))
    );
    assert_eq!(
        time(b"1s5ms", Milliseconds),
        Some(Duration::from_millis(1_005))
    );
}

#[test]
fn flags() {
    assert_eq!(flag(b"On"), Some(true));
    assert_eq!(flag(b"off"), Some(false));
    assert_eq!(flag(b"yes"), None);
    assert_eq!(flag(b""), None);
}
