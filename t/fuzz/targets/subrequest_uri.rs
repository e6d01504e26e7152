//! What variables put into the URI of a subrequest or the name of a key file.
#![no_main]

use policy::auth_jwt::key_file::unsafe_name_reason;
use policy::uri::{encode_args, encode_value, unsafe_path};

libfuzzer_sys::fuzz_target!(|text: &[u8]| nginx_auth_fuzz::in_time(|| check(text)));

fn check(text: &[u8]) {
    if unsafe_path(text, false).is_none() {
        assert_eq!(text.first(), Some(&b'/'));
        assert!(
            !text
                .iter()
                .any(|byte| byte.is_ascii_control() || *byte == b' ')
        );
        assert!(
            !text
                .split(|&byte| byte == b'/')
                .any(|segment| segment == b"..")
        );
    }
    let encoded = encode_args(text);
    let args = encoded.as_deref().unwrap_or(text);
    assert!(
        args.iter()
            .all(|byte| byte.is_ascii_graphic() && *byte != b'#')
    );
    // What is encoded once stays as it is.
    assert_eq!(encode_args(args), None);
    let is_unreserved = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(byte);
    assert!(encode_value(text).iter().all(is_unreserved));
    if unsafe_name_reason(text).is_none() {
        assert!(!text.is_empty() && !text.contains(&0));
        assert!(
            !text
                .split(|&byte| byte == b'/')
                .any(|segment| segment == b"..")
        );
    }
}
