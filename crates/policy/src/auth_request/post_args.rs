//! The arguments in a request's body, for `$post_arg_<name>`: fields of a form, or members of a
//! JSON object.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use text::compact_json;

#[cfg(test)]
mod tests;

/// The arguments by name, in lower case. A name that occurs twice has no value, because an
/// application may use either of its values.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PostArgs(HashMap<Box<[u8]>, Option<Box<[u8]>>>);

impl PostArgs {
    /// The arguments in a body of this media type. A body that is neither a form nor a JSON object
    /// has none.
    pub fn parse(content_type: &[u8], body: &[u8]) -> Self {
        let media_type = content_type.split(|&byte| byte == b';').next();
        let media_type = media_type.unwrap_or_default().trim_ascii();
        match media_type.to_ascii_lowercase().as_slice() {
            b"application/x-www-form-urlencoded" => Self::from_form(body),
            b"application/json" => Self::from_json(body).unwrap_or_default(),
            other if other.ends_with(b"+json") => Self::from_json(body).unwrap_or_default(),
            _ => Self::default(),
        }
    }

    /// The value of an argument. `name` is in lower case, like nginx's names of variables.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.0.get(name)?.as_deref()
    }

    fn from_form(body: &[u8]) -> Self {
        let mut args = Self::default();
        for pair in body
            .split(|&byte| byte == b'&')
            .filter(|pair| !pair.is_empty())
        {
            let mut parts = pair.splitn(2, |&byte| byte == b'=');
            let name = decode(parts.next().unwrap_or_default());
            let value = decode(parts.next().unwrap_or_default());
            args.insert(name, Some(value));
        }
        args
    }

    fn from_json(body: &[u8]) -> serde_json::Result<Self> {
        let mut json = serde_json::Deserializer::from_slice(body);
        let args = json.deserialize_map(MemberVisitor)?;
        json.end()?;
        Ok(args)
    }

    fn insert(&mut self, mut name: Vec<u8>, value: Option<Vec<u8>>) {
        name.make_ascii_lowercase();
        match self.0.entry(name.into()) {
            Entry::Vacant(entry) => {
                entry.insert(value.map(Vec::into_boxed_slice));
            }
            Entry::Occupied(mut entry) => {
                entry.insert(None);
            }
        }
    }
}

/// Visits the members of a JSON object, with their values as they are written.
struct MemberVisitor;

impl<'de> Visitor<'de> for MemberVisitor {
    type Value = PostArgs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PostArgs, A::Error> {
        let mut args = PostArgs::default();
        while let Some((name, value)) = map.next_entry::<Cow<'de, str>, &'de RawValue>()? {
            let value = value_text(value.get()).map_err(A::Error::custom)?;
            args.insert(name.into_owned().into_bytes(), value);
        }
        Ok(args)
    }
}

/// The text of a JSON value: the content of a string, and any other value as it is written, without
/// white space. `null` has none.
fn value_text(value: &str) -> serde_json::Result<Option<Vec<u8>>> {
    Ok(match value.as_bytes().first() {
        Some(b'"') => Some(serde_json::from_str::<String>(value)?.into_bytes()),
        Some(b'n') => None,
        _ => Some(compact_json(value).into_bytes()),
    })
}

/// Decodes a name or a value of a form: `+` is a space, `%XX` is a byte, and an invalid escape
/// stays as it is.
fn decode(text: &[u8]) -> Vec<u8> {
    let digit = |at: Option<&u8>| at.and_then(|&byte| char::from(byte).to_digit(16));
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        let ahead = rest.as_slice();
        match (byte, digit(ahead.first()), digit(ahead.get(1))) {
            (b'+', ..) => decoded.push(b' '),
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                rest = ahead[2..].iter();
            }
            _ => decoded.push(byte),
        }
    }
    decoded
}
