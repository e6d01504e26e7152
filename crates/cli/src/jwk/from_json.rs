//! JSON that is a JWK Set, a JWK, an array of them, or has a certificate for each kid.

use serde_json::Value;
use test_tokens::JwkObject;

use super::pem;

/// The keys of an object.
///
/// # Errors
/// What it is instead.
pub fn read(mut object: JwkObject) -> Result<Vec<JwkObject>, String> {
    if object.contains_key("kty") {
        return Ok(vec![object]);
    }
    if let Some(keys) = object.remove("keys") {
        return match keys {
            Value::Array(keys) => read_array(keys),
            _ => Err("\"keys\" is no array".into()),
        };
    }
    if let Some(Value::String(uri)) = object.get("jwks_uri") {
        let uri = text::Quoted::new(uri);
        return Err(format!(
            "an OpenID configuration: the keys are at its jwks_uri {uri}"
        ));
    }
    let certificates = object.iter().map(|(kid, value)| {
        let text = value.as_str().ok_or("a JSON object without keys")?;
        let mut keys = pem::read(text.as_bytes())?;
        for key in &mut keys {
            key.insert("kid".into(), kid.as_str().into());
        }
        Ok(keys)
    });
    let keys: Vec<_> = certificates.collect::<Result<_, String>>()?;
    match keys.is_empty() {
        true => Err("a JSON object without keys".into()),
        false => Ok(keys.concat()),
    }
}

/// The keys of an array.
///
/// # Errors
/// An element is no object.
pub fn read_array(keys: Vec<Value>) -> Result<Vec<JwkObject>, String> {
    let objects = keys.into_iter().map(|key| match key {
        Value::Object(key) => Ok(key),
        _ => Err("an element of the array is no key".to_owned()),
    });
    objects.collect()
}
