//! JSON, as claims: what was parsed is an object, and its compact form is the same object again.
#![no_main]

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jose::{JsonKind, Limits, TokenType, UnverifiedToken};

libfuzzer_sys::fuzz_target!(|json: &[u8]| nginx_auth_fuzz::in_time(|| check(json)));

fn check(json: &[u8]) {
    let Some(compact) = compact(json) else { return };
    assert_eq!(self::compact(compact.as_bytes()).as_ref(), Some(&compact));
}

fn compact(json: &[u8]) -> Option<String> {
    let token = format!(
        "{}.{}.",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"x"}"#),
        URL_SAFE_NO_PAD.encode(json)
    );
    let token =
        UnverifiedToken::parse(token.as_bytes(), TokenType::Signed, &Limits::default()).ok()?;
    let claims = token.claims()?.object();
    assert_eq!(claims.kind(), JsonKind::Object);
    Some(claims.compact())
}
