//! The token in a request: values of header lines Authorization, apart by zero bytes.
#![no_main]

use policy::auth_jwt::bearer::{Presented, find_bearer_token};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nginx_auth_fuzz::in_time(|| check(bytes)));

fn check(bytes: &[u8]) {
    let lines: Vec<_> = bytes.split(|&byte| byte == 0).collect();
    match find_bearer_token(lines.iter().copied()) {
        Presented::Several => assert!(lines.len() > 1),
        Presented::Nothing => assert_eq!(lines.len(), 1),
        Presented::Token(token) => {
            let [line] = lines.as_slice() else {
                panic!("several lines, and a token");
            };
            assert!(line[..7].eq_ignore_ascii_case(b"bearer "));
            assert!(!token.is_empty() && !token.starts_with(b" ") && line.ends_with(token));
        }
    }
}
