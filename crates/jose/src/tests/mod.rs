//! Tests of the public API, with tokens that josekit made.

#![allow(clippy::arithmetic_side_effects)]

mod certificates;
mod cost;
mod documented;
mod encrypted;
mod josekit_accepts;
mod key_agreement;
mod keys;
mod listing;
mod load_budget;
mod messages;
mod mutations;
mod no_key;
mod not_key_set;
mod opened;
mod security_cases;
mod signed;
mod sloppy_keys;
mod states;
mod step_count;
mod unknown_kid;
mod vectors;
mod wycheproof;

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use serde_json::Value;
use test_tokens::JwkObject;

use super::*;

const NOW: i64 = 1_700_000_000;

/// A private key, without `alg` unless its type demands one. The same arguments give the same key,
/// because generating RSA keys takes long. All algorithms with RSA signatures share their keys.
fn key(alg: &str, number: usize) -> JwkObject {
    static KEYS: LazyLock<Mutex<HashMap<(String, usize), JwkObject>>> =
        LazyLock::new(Default::default);
    let mut keys = KEYS.lock().unwrap();
    let alg = match ["RS", "PS"].iter().any(|prefix| alg.starts_with(prefix)) {
        true => "RSA",
        false => alg,
    };
    let key = keys.entry((alg.to_owned(), number));
    let new = || {
        let mut key = test_tokens::key(alg, None).unwrap();
        if key["kty"] != "AKP" {
            key.remove("alg");
        }
        key
    };
    key.or_insert_with(new).clone()
}

/// The key with these members added or replaced. Members that are null are removed.
fn with(key: &JwkObject, members: &str) -> JwkObject {
    let mut key = key.clone();
    let members: JwkObject = serde_json::from_str(members).unwrap();
    key.extend(members);
    key.retain(|_, value| !value.is_null());
    key
}

/// The keys of two sets, in this order.
fn both(first: &KeySet, second: &KeySet) -> KeySet {
    KeySet::merge([first, second])
}

/// A set of the public halves of these keys. Secrets remain as they are.
fn set(keys: &[JwkObject]) -> KeySet {
    let keys: Vec<_> = keys
        .iter()
        .map(|key| Value::Object(test_tokens::public(key)))
        .collect();
    KeySet::parse(serde_json::json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

fn sign(alg: &str, key: &JwkObject, header: &str, claims: &str) -> String {
    test_tokens::sign(alg, key, header, claims.as_bytes()).unwrap()
}

fn parse(token: &str, kind: TokenType) -> Result<UnverifiedToken, Error> {
    UnverifiedToken::parse(token.as_bytes(), kind, &Limits::default())
}

/// Parses and verifies a signed token.
fn verify(token: &str, keys: &KeySet) -> Result<VerifiedToken, Error> {
    parse(token, TokenType::Signed)?.verify(keys, NOW, Duration::ZERO)
}

fn quoted(text: &str) -> Quoted {
    Quoted::new(text)
}
