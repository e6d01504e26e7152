//! A path into claims (its names and the JSON apart by zero bytes), and the text of what is there.
#![no_main]

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jose::{Limits, TokenType, UnverifiedToken, VariableText};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nginx_auth_fuzz::in_time(|| check(bytes)));

fn check(bytes: &[u8]) {
    let mut path: Vec<_> = bytes.split(|&byte| byte == 0).collect();
    let json = URL_SAFE_NO_PAD.encode(path.pop().unwrap());
    let token = format!("{}.{json}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#));
    let token = UnverifiedToken::parse(token.as_bytes(), TokenType::Signed, &Limits::default());
    let Ok(token) = token else { return };
    let _ = token.check_without_keys(0, Duration::MAX);
    let claims = token.claims().unwrap().object();
    for value in claims
        .members()
        .map(|(_, value)| value)
        .chain(claims.path(&path))
    {
        if let VariableText::Plain(text) = value.text() {
            assert!(!text.contains(['\0', '\r', '\n']));
        }
    }
}
