//! The token in a request: values of header lines Authorization, apart by zero bytes.
#![no_main]

use policy::auth_jwt::bearer::{Presented, find_token};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nginx_auth_fuzz::in_time(|| check(bytes)));

fn check(bytes: &[u8]) {
    let lines: Vec<_> = bytes.split(|&byte| byte == 0).collect();
    for (accepts_dpop, schemes) in [(false, &["bearer "][..]), (true, &["bearer ", "dpop "])] {
        match find_token(lines.iter().copied(), accepts_dpop) {
            Presented::Several => assert!(lines.len() > 1),
            Presented::Nothing => assert_eq!(lines.len(), 1),
            Presented::Token(token) => {
                let [line] = lines.as_slice() else {
                    panic!("several lines, and a token");
                };
                let has = |scheme: &&str| {
                    let begin = line.get(..scheme.len());
                    begin.is_some_and(|begin| begin.eq_ignore_ascii_case(scheme.as_bytes()))
                };
                assert!(schemes.iter().any(has));
                assert!(!token.is_empty() && !token.starts_with(b" ") && line.ends_with(token));
            }
        }
    }
}
