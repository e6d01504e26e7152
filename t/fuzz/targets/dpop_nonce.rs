//! Nonces of DPoP proofs: the claims of a proof. Only what the key has made at a time that counts is
//! accepted.
#![no_main]

use jose::{Document, DpopNonceKey, JsonValue, Limits};
use policy::auth_jwt::dpop_nonce::{LIFETIME, check_nonce};

/// The time at which the seeds were made.
const NOW: i64 = 1_700_000_000;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nginx_auth_fuzz::in_time(|| check(bytes)));

fn check(bytes: &[u8]) {
    let key = DpopNonceKey::new(&[1; 32]);
    if let Ok(text) = std::str::from_utf8(bytes) {
        check_text(&key, text);
    }
    let Ok(document) = Document::parse_value(bytes, &Limits::default()) else {
        return;
    };
    let claims = document.root();
    let nonce = claims.get(b"nonce").and_then(JsonValue::as_str);
    let time = nonce.and_then(|nonce| check_text(&key, &nonce));
    for age in [-86_400, 0, LIFETIME, LIFETIME + 1, i64::MAX - NOW] {
        let now = NOW + age;
        let accepted = check_nonce(claims, &key, now).is_ok();
        let may_be = time.is_some_and(|time| now.abs_diff(time) <= LIFETIME.unsigned_abs());
        assert!(!accepted || may_be);
    }
    // Another server knows none of them.
    assert!(check_nonce(claims, &DpopNonceKey::new(&[2; 32]), NOW).is_err());
}

/// When a nonce was made. There is one text for each time.
fn check_text(key: &DpopNonceKey, text: &str) -> Option<i64> {
    let time = key.time_of(text)?;
    assert_eq!(key.nonce(time), text);
    Some(time)
}
