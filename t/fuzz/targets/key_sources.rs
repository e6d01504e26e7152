//! Whether a request has something twice that a cache key needs once: the value of a Cookie line up
//! to the first zero byte, the arguments behind it.
#![no_main]

use policy::auth_request::key_sources::{KeySources, RequestTexts};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nginx_auth_fuzz::in_time(|| check(bytes)));

fn check(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |&byte| byte == 0);
    let cookies = parts.next().unwrap_or_default();
    let args = parts.next().unwrap_or_default();
    let used = [b"arg_token".to_vec(), b"cookie_session".to_vec()];
    let used = KeySources::of_variables(used.into_iter());
    let is_ambiguous_for = |original_uri: &[u8], key: &[u8], cookies: &[&[u8]], args: &[u8]| {
        let lines = cookies.iter().map(|value| (&b"Cookie"[..], *value));
        let request = RequestTexts {
            lines,
            args,
            original_uri,
        };
        KeySources::of_key([key].into_iter()).are_ambiguous(&used, &request)
    };
    let is_ambiguous =
        |key: &[u8], cookies: &[&[u8]], args: &[u8]| is_ambiguous_for(b"/", key, cookies, args);
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
    // A rewrite may have left nginx no arguments that the service gets.
    let sent = [&b"/?"[..], &twice].concat();
    assert!(is_ambiguous_for(&sent, b"$arg_token", &[], b""));
    // Nobody knows what others read behind a "#".
    let sent = [b"/#", args].concat();
    assert!(is_ambiguous_for(&sent, b"$host", &[cookies], args));
    // A key that reads neither cookies nor arguments does not mind.
    assert!(!is_ambiguous(b"$host$request_uri$http_x", &[cookies], args));
}
