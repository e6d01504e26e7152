//! The form of a token of each type, and what a log line says about it.
#![no_main]

use jose::{Limits, Summary, TokenType, UnverifiedToken};

libfuzzer_sys::fuzz_target!(|token: &[u8]| nginx_auth_fuzz::in_time(|| check(token)));

fn check(token: &[u8]) {
    for kind in [TokenType::Signed, TokenType::Encrypted, TokenType::Nested] {
        let _ = UnverifiedToken::parse(token, kind, &Limits::default());
    }
    assert!(
        Summary::of(token, &Limits::default())
            .to_string()
            .is_ascii()
    );
}
