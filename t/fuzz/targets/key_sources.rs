//! Whether a request has something twice that a cache key needs once: the value of a Cookie line up
//! to the first zero byte, the arguments behind it.
#![no_main]

use policy::auth_request::key_sources::{FieldName, KeySources};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nginx_auth_fuzz::in_time(|| check(bytes)));

fn check(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |&byte| byte == 0);
    let cookies = parts.next().unwrap_or_default();
    let args = parts.next().unwrap_or_default();
    let is_ambiguous = |key: &[u8], cookies: &[&[u8]], args: &[u8]| {
        let lines = cookies.iter().map(|value| (&b"Cookie"[..], *value));
        let used_args = [FieldName::new(b"token")];
        KeySources::of_key([key].into_iter()).are_ambiguous(&used_args, lines, args)
    };
    // A request that has a cookie or an argument once, and this one in front of it, has it twice.
    let with_cookie = [b"session=a; ", cookies].concat();
    let twice = [&b"session=b; "[..], &with_cookie].concat();
    assert!(is_ambiguous(b"$cookie_session", &[&twice], b""));
    assert!(is_ambiguous(
        b"$cookie_session",
        &[b"session=b", &with_cookie],
        b""
    ));
    assert!(is_ambiguous(b"$map", &[&twice], b""));
    let twice = [b"token=a&token=b&", args].concat();
    assert!(is_ambiguous(b"$arg_token", &[], &twice));
    assert!(is_ambiguous(b"$map", &[], &twice));
    // A key that reads neither cookies nor arguments does not mind.
    assert!(!is_ambiguous(b"$host$request_uri$http_x", &[cookies], args));
}
