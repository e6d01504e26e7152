//! A JWK Set and its warnings.
#![no_main]

use jose::KeySet;

libfuzzer_sys::fuzz_target!(|text: &[u8]| nginx_auth_fuzz::in_time(|| check(text)));

fn check(text: &[u8]) {
    match KeySet::parse(text) {
        Ok(keys) => assert!(
            keys.warnings()
                .all(|warning| warning.to_string().is_ascii())
        ),
        Err(error) => assert!(error.to_string().is_ascii()),
    }
}
