//! The fields of a request body: the media type up to the first zero byte, the body behind it.
#![no_main]

use policy::auth_request::post_args::{BodyFormat, PostArgs};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nginx_auth_fuzz::in_time(|| check(bytes)));

fn check(bytes: &[u8]) {
    let end = bytes
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(bytes.len());
    let (media_type, body) = bytes.split_at(end);
    let body = body.get(1..).unwrap_or_default();
    let lines = [(&b"Content-Type"[..], media_type)];
    let Some(format) = BodyFormat::of_header(lines.into_iter()) else {
        return;
    };
    let fields = PostArgs::parse(format, body);
    // A field that is there once more has no value, whatever it was before.
    if format == BodyFormat::Form {
        let twice = [b"a=1&a=2&", body].concat();
        assert_eq!(PostArgs::parse(format, &twice).get(b"a"), None);
    }
    // nginx turns the names of variables into lower case: no other name is ever asked for.
    assert_eq!(fields.get(b"A"), None);
}
