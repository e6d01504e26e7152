//! Tests of the whole way from bytes to verified claims, with tokens that josekit made.

mod changes;
mod encrypted;
mod josekit;
mod keys;
mod refusals;
mod signed;
mod vectors;
mod work;
mod wycheproof;

use std::sync::{LazyLock, Mutex};
use std::{collections::HashMap, time::Duration};

use ::josekit::{Map, Value};
use test_tokens as maker;

use super::*;

type Key = Map<String, Value>;

const NOW: i64 = 1_700_000_000;

/// One private key for each algorithm and number, made once: RSA keys take their time.
fn key(alg: &str, number: usize) -> Key {
    static KEYS: LazyLock<Mutex<HashMap<(String, usize), Key>>> = LazyLock::new(Default::default);
    let mut keys = KEYS.lock().unwrap();
    let alg = if ["RS", "PS"].iter().any(|prefix| alg.starts_with(prefix)) {
        "RSA"
    } else {
        alg
    };
    let key = keys.entry((alg.to_owned(), number));
    let new = || {
        let mut key = maker::key(alg, None).unwrap();
        key.remove("alg");
        key
    };
    key.or_insert_with(new).clone()
}

/// The key with other members; null takes one away.
fn with(key: &Key, members: &str) -> Key {
    let mut key = key.clone();
    let members: Key = serde_json::from_str(members).unwrap();
    key.extend(members);
    key.retain(|_, value| !value.is_null());
    key
}

fn set(keys: &[Key]) -> KeySet {
    let keys: Vec<_> = keys
        .iter()
        .map(|key| Value::Object(maker::public(key)))
        .collect();
    KeySet::parse(serde_json::json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

fn sign(alg: &str, key: &Key, header: &str, claims: &str) -> String {
    maker::sign(alg, key, header, claims.as_bytes()).unwrap()
}

/// Parses and verifies a signed token.
fn verify(token: &str, keys: &KeySet) -> Result<VerifiedToken, Error> {
    let token = UnverifiedToken::parse(token.as_bytes(), TokenType::Signed, &Limits::default())?;
    token.verify(keys, NOW, Duration::ZERO)
}

fn quoted(text: &str) -> Quoted {
    Quoted::new(text)
}
