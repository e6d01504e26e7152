//! A key server whose key sets are mutated: a token is only good if its key is in the set.

use std::net::SocketAddr;

use anyhow::Result;
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use crate::answer::{Answer, Change, Parsed, json};
use crate::credentials::Credentials;
use crate::http1::{self, HttpRequest, Response};
use crate::random::Random;
use crate::run::{Finding, Run};

/// What nginx may get as a key set.
pub const KEYS: &str = include_str!("../data/verification.json");

/// The members that a key is made of.
const MATERIAL: [&str; 6] = ["k", "n", "e", "x", "y", "crv"];

pub fn answer(seed: u64, case: u64) -> Answer {
    let random = &mut Random::of_case(seed, case);
    let status = if random.once_in(12) {
        *random.pick(&["404 Not Found", "204 X", "301 X", "500 X"])
    } else {
        "200 OK"
    };
    let lines = ["Content-Type: application/json".to_owned()];
    Answer::new(random, status, &lines, KEYS.trim().as_bytes())
}

pub fn ask(
    run: &Run,
    credentials: &Credentials,
    nginx: SocketAddr,
    prefix: &str,
    case: u64,
) -> Result<()> {
    let random = &mut Random::of_case(!run.seed, case);
    let is_forged = random.once_in(4);
    let token = match is_forged {
        true => random.pick(&credentials.forged),
        false => random.pick(&credentials.signed),
    };
    let request = HttpRequest::get(&format!("{prefix}/keys"))
        .with("X-Case", format!("{case:x}"))
        .with("Authorization", format!("Bearer {token}"));
    let answer = answer(run.seed, case);
    let parsed = Parsed::new(&answer.bytes);
    let Some(response) = http1::ask(nginx, &request)? else {
        anyhow::bail!("nginx closed the connection");
    };
    run.count(format!(
        "{} for {:?}{}",
        response.status,
        answer.change,
        if is_forged { ", forged" } else { "" }
    ));
    if let Some(what) = wrong(token, is_forged, &answer, &parsed, &response) {
        run.report(
            case,
            &Finding {
                what,
                sent: answer.bytes,
            },
        );
    }
    Ok(())
}

fn wrong(
    token: &str,
    is_forged: bool,
    answer: &Answer,
    parsed: &Parsed,
    response: &Response,
) -> Option<String> {
    let has_key =
        parsed.status == Some(200) && parsed.bodies.iter().any(|body| has_key(body, token));
    let status = response.status;
    if response.is_success() {
        return (is_forged || !has_key).then(|| format!("a wrong yes: {status}"));
    }
    let is_good = parsed.status == Some(200) && parsed.is_sound;
    if is_good && answer.change == Change::Nothing && !is_forged {
        return Some(format!("a wrong no: {status}"));
    }
    // A set whose form is right is no error, whatever its keys are.
    let is_set =
        is_good && answer.change != Change::Any && parsed.bodies.iter().all(|body| is_set(body));
    (is_set && status >= 500).then(|| format!("an error for a key set: {status}"))
}

/// Whether this is an object, of which each name is there once, with an array `keys`.
fn is_set(body: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return false;
    };
    let names = value.as_object().map_or(0, serde_json::Map::len);
    // serde_json takes the last of two members of one name. All that is written here has no other
    // spaces.
    value["keys"].is_array() && names == 1 && value.to_string().len() == body.len()
}

/// Whether the set has the material of the key that has signed the token.
pub fn has_key(body: &[u8], token: &str) -> bool {
    let Some(set) = json(body) else {
        return true;
    };
    let own = serde_json::from_str::<Value>(KEYS).unwrap_or_default();
    let header = token.split('.').next().map(decoded).unwrap_or_default();
    let header: Value = serde_json::from_slice(&header).unwrap_or_default();
    let Some(key) = own["keys"]
        .as_array()
        .and_then(|keys| keys.iter().find(|key| key["kid"] == header["kid"]))
    else {
        return false;
    };
    let entries = match &set["keys"] {
        Value::Array(entries) => entries.clone(),
        _ => vec![set],
    };
    entries.iter().any(|entry| {
        MATERIAL
            .iter()
            .all(|name| is_same(&entry[*name], &key[*name]))
    })
}

/// Whether two members are the same, however sloppily one of them is written.
fn is_same(member: &Value, own: &Value) -> bool {
    match (member, own) {
        (Value::String(text), Value::String(own)) => text == own || decoded(text) == decoded(own),
        (_, Value::Null) => true,
        _ => false,
    }
}

/// Base64 of either alphabet, with padding or without, and without zeros in front.
fn decoded(text: &str) -> Vec<u8> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let text = text.replace('+', "-").replace('/', "_");
    let bytes = GeneralPurpose::new(&URL_SAFE, config)
        .decode(text)
        .unwrap_or_default();
    bytes.into_iter().skip_while(|&byte| byte == 0).collect()
}
