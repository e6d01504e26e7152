//! Decryption: what is accepted is one of the tokens that the keys made.
#![no_main]

use std::time::Duration;

use jose::{KeySet, Limits, TokenType, UnverifiedToken};

thread_local! {
    static KEYS: KeySet = nginx_auth_fuzz::keys_of_vectors();
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nginx_auth_fuzz::in_time(|| check(bytes)));

fn check(bytes: &[u8]) {
    for kind in [TokenType::Encrypted, TokenType::Nested] {
        let token = UnverifiedToken::parse(bytes, kind, &Limits::default());
        let verified =
            token.and_then(|token| KEYS.with(|keys| token.verify(keys, 0, Duration::ZERO)));
        assert!(verified.is_err() || nginx_auth_fuzz::is_vector(bytes));
    }
}
