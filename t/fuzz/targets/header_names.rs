//! Names of header lines: names of a directive and names of lines, apart by zero bytes.
#![no_main]

use policy::header_names::{HeaderNames, is_credential};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nginx_auth_fuzz::in_time(|| check(bytes)));

fn check(bytes: &[u8]) {
    let texts: Vec<_> = bytes.split(|&byte| byte == 0).collect();
    let (configured, lines) = texts.split_at(texts.len() / 2);
    let mut names = HeaderNames::default();
    for text in configured {
        let _ = names.push(text);
    }
    for line in lines {
        // Every line that the service may set is one that the client cannot.
        assert!(!names.selects(line) || names.could_impersonate(line));
        let upper_case = line.to_ascii_uppercase();
        let other_spelling: Vec<_> = upper_case
            .iter()
            .map(|&byte| if byte == b'-' { b'_' } else { byte })
            .collect();
        assert!(!names.selects(line) || names.could_impersonate(&other_spelling));
        assert!(
            !is_credential(line) || !names.could_impersonate(line) || names.include_credentials()
        );
    }
}
