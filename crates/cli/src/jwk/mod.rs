//! `nginx-auth jwk`: a JWK Set of what people have: PEM and DER keys, certificates, a secret, or
//! JSON that is almost a JWK Set. OpenSSL reads the keys; jose says whether the module takes them.

mod from_json;
mod from_openssl;
mod pem;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jose::{KeySet, NotKeySet, list_keys};
use serde_json::{Value, json};
use test_tokens::JwkObject;

use crate::args::JwkArgs;
use crate::input::InputSource;
use crate::new_file::NewFile;
use crate::output::{CommandError, Report};

/// Runs `jwk`.
///
/// # Errors
/// [`CommandError`]
pub fn run(args: &JwkArgs) -> Result<Report, CommandError> {
    let source = InputSource::named(&args.file);
    let text = source.read_keys()?;
    let of_source =
        |message: String| CommandError::Unusable(format!("{}: {message}", source.name()));
    let mut keys = read(&text, args).map_err(of_source)?;
    if keys.len() > 1 && args.kid.is_some() {
        let message = format!(
            "--kid is for one key, and {} has {}",
            source.name(),
            keys.len()
        );
        return Err(CommandError::Usage(message));
    }
    for key in &mut keys {
        if !args.private && key.get("kty").is_some_and(|kty| kty != "oct") {
            *key = test_tokens::public(key);
        }
        let options = [("kid", &args.kid), ("alg", &args.alg), ("use", &args.usage)];
        for (name, value) in options {
            if let Some(value) = value {
                key.insert(name.into(), value.as_str().into());
            }
        }
        match args.no_kid {
            true => drop(key.remove("kid")),
            false => name_by_thumbprint(key),
        }
    }
    let set = json!({ "keys": keys }).to_string();
    let mut report = Report::json(&set);
    report.warnings = warnings(&set);
    if let Some(out) = &args.out {
        NewFile::create(out, 0o600)?.write(&report.text)?;
        report.text.clear();
    }
    Ok(report)
}

/// Gives a key its thumbprint (RFC 7638) as a kid, if it has no kid. A secret has no thumbprint.
pub fn name_by_thumbprint(key: &mut JwkObject) {
    if key.contains_key("kid") {
        return;
    }
    let text = json!({ "keys": [key] }).to_string();
    let listed = list_keys(text.as_bytes()).unwrap_or_default();
    let material = listed.first().and_then(|key| key.key.as_ref().ok());
    if let Some(thumbprint) = material.and_then(|material| material.thumbprint) {
        key.insert("kid".into(), URL_SAFE_NO_PAD.encode(thumbprint).into());
    }
}

/// The keys in a text, with all their members.
fn read(text: &[u8], args: &JwkArgs) -> Result<Vec<JwkObject>, String> {
    if args.secret {
        return Ok(vec![secret(text)?]);
    }
    if let Ok(Value::Object(object)) = serde_json::from_slice(without_mark(text)) {
        return from_json::read(object);
    }
    if let Ok(Value::Array(keys)) = serde_json::from_slice(without_mark(text)) {
        return from_json::read_array(keys);
    }
    let found = match KeySet::parse(text) {
        Err(jose::Error::NotKeySet { found }) => Some(found),
        _ => None,
    };
    match found {
        Some(NotKeySet::Pem(_)) => pem::read(text),
        Some(NotKeySet::SshKey) => Err("an OpenSSH key: \"ssh-keygen -e -m PKCS8 -f FILE\" makes \
                                        PEM of a public one"
            .into()),
        Some(NotKeySet::PlainText) => {
            Err("one word: if it is a secret for HMAC or encryption, use --secret".into())
        }
        Some(NotKeySet::Token) => Err("a token: the issuer's keys are needed".into()),
        Some(NotKeySet::Empty) => Err("it is empty".into()),
        Some(NotKeySet::Html) => Err("HTML or XML".into()),
        // Other binary data may be DER as well.
        _ => from_openssl::read_der(text).map(|key| vec![key]),
    }
}

/// A secret: all bytes, but the line feed that an editor puts at the end.
fn secret(text: &[u8]) -> Result<JwkObject, String> {
    let secret = text.strip_suffix(b"\n").unwrap_or(text);
    let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
    if secret.is_empty() {
        return Err("the secret is empty".into());
    }
    Ok(JwkObject::from_iter([
        ("kty".to_owned(), Value::from("oct")),
        ("k".to_owned(), URL_SAFE_NO_PAD.encode(secret).into()),
    ]))
}

/// What the module will warn of when it reads the keys.
fn warnings(set: &str) -> Vec<String> {
    let keys = KeySet::parse(set.as_bytes());
    let warnings = keys.iter().flat_map(KeySet::warnings);
    warnings.map(ToString::to_string).collect()
}

fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}
