//! The fields of a request's body, for `$post_arg_<name>`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use text::compact_json;

/// The fields of a body by name, in lower case. A name that is there twice has no value: who reads the body next may
/// take either.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Fields(HashMap<Box<[u8]>, Option<Box<[u8]>>>);

impl Fields {
    /// The fields of a body of this media type; none where it is neither a form nor a JSON object.
    pub fn parse(content_type: &[u8], body: &[u8]) -> Self {
        let essence = content_type.split(|&byte| byte == b';').next();
        let essence = essence
            .unwrap_or_default()
            .trim_ascii()
            .to_ascii_lowercase();
        match essence.as_slice() {
            b"application/x-www-form-urlencoded" => Self::of_form(body),
            b"application/json" => Self::of_json(body).unwrap_or_default(),
            other if other.ends_with(b"+json") => Self::of_json(body).unwrap_or_default(),
            _ => Self::default(),
        }
    }

    /// The value of the field with this name, in lower case as nginx has the names of variables.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.0.get(name)?.as_deref()
    }

    fn of_form(body: &[u8]) -> Self {
        let mut fields = Self::default();
        for pair in body
            .split(|&byte| byte == b'&')
            .filter(|pair| !pair.is_empty())
        {
            let mut parts = pair.splitn(2, |&byte| byte == b'=');
            let name = decode(parts.next().unwrap_or_default());
            let value = decode(parts.next().unwrap_or_default());
            fields.put(name, Some(value));
        }
        fields
    }

    fn of_json(body: &[u8]) -> serde_json::Result<Self> {
        let mut json = serde_json::Deserializer::from_slice(body);
        let fields = json.deserialize_map(Members)?;
        json.end()?;
        Ok(fields)
    }

    fn put(&mut self, mut name: Vec<u8>, value: Option<Vec<u8>>) {
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

/// Reads the members of an object with their values as they are written.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Fields::default();
        while let Some((name, value)) = map.next_entry::<Cow<'de, str>, &'de RawValue>()? {
            let value = text(value.get()).map_err(A::Error::custom)?;
            fields.put(name.into_owned().into_bytes(), value);
        }
        Ok(fields)
    }
}

/// The text of a JSON value: that of a string, nothing for null, else as it is written but for spaces.
fn text(value: &str) -> serde_json::Result<Option<Vec<u8>>> {
    Ok(match value.as_bytes().first() {
        Some(b'"') => Some(serde_json::from_str::<String>(value)?.into_bytes()),
        Some(b'n') => None,
        _ => Some(compact_json(value).into_bytes()),
    })
}

/// Decodes a name or value of a form: `+` is a space, `%XX` a byte; what is no such escape stays as it is.
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

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &[u8] = b"application/x-www-form-urlencoded";
    const JSON: &[u8] = b"application/json";

    fn field(content_type: &[u8], body: &[u8], name: &str) -> Option<String> {
        let fields = Fields::parse(content_type, body);
        fields
            .get(name.as_bytes())
            .map(|value| String::from_utf8_lossy(value).into())
    }

    #[test]
    fn none_at_all() {
        for (content_type, body) in [
            (&b""[..], &b"a=1"[..]),
            (b"text/plain", b"a=1"),
            (b"multipart/form-data; boundary=x", b"a=1"),
            (FORM, b""),
            (FORM, b"&&"),
            (JSON, b""),
            (JSON, b"[1]"),
            (JSON, b"\"a\""),
            (JSON, b"{\"a\":1} x"),
            (JSON, b"{\"a\":1"),
            (JSON, b"{\"a\":01}"),
            (JSON, b"{\"a\":\"\xff\"}"),
            (JSON, b"\xef\xbb\xbf{\"a\":1}"),
            (b"application/jsonp", b"{\"a\":1}"),
        ] {
            assert_eq!(
                Fields::parse(content_type, body),
                Fields::default(),
                "{body:?}"
            );
        }
    }

    #[test]
    fn of_a_form() {
        let body = b"a=1&b=x+y%20z%26&c&=e&d=%zz%4&a%62=2&e=%C3%BC=";
        let get = |name| {
            field(
                b"Application/X-WWW-Form-Urlencoded ; charset=utf-8",
                body,
                name,
            )
        };
        assert_eq!(get("a").as_deref(), Some("1"));
        assert_eq!(get("b").as_deref(), Some("x y z&"));
        assert_eq!(get("c").as_deref(), Some(""));
        assert_eq!(get("").as_deref(), Some("e"));
        assert_eq!(get("d").as_deref(), Some("%zz%4"));
        assert_eq!(get("ab").as_deref(), Some("2"));
        assert_eq!(get("e").as_deref(), Some("\u{fc}="));
        assert_eq!(get("f"), None);
    }

    #[test]
    fn of_json() {
        let body = br#" {"S":"a\u0041\n\"","n": 1.50e+2, "t":true,"f":false,"z":null,
            "a":[1, "b \" ,\\", [ ]],"o":{"k" : " v "},"e":""} "#;
        for content_type in [JSON, b"application/vnd.api+json; charset=utf-8"] {
            let get = |name| field(content_type, body, name);
            assert_eq!(get("s").as_deref(), Some("aA\n\""));
            assert_eq!(get("n").as_deref(), Some("1.50e+2"));
            assert_eq!(get("t").as_deref(), Some("true"));
            assert_eq!(get("f").as_deref(), Some("false"));
            assert_eq!(get("z"), None);
            assert_eq!(get("a").as_deref(), Some(r#"[1,"b \" ,\\",[]]"#));
            assert_eq!(get("o").as_deref(), Some(r#"{"k":" v "}"#));
            assert_eq!(get("e").as_deref(), Some(""));
            assert_eq!(get("k"), None);
        }
    }

    #[test]
    fn there_twice() {
        assert_eq!(field(FORM, b"a=1&a=1", "a"), None);
        assert_eq!(field(FORM, b"a=1&%61=2&b=3", "a"), None);
        assert_eq!(field(FORM, b"a=1&%61=2&b=3", "b").as_deref(), Some("3"));
        assert_eq!(field(FORM, b"a=1&A=1", "a"), None);
        assert_eq!(field(JSON, br#"{"a":1,"\u0061":2}"#, "a"), None);
        assert_eq!(field(JSON, br#"{"a":1,"a":null,"a":2}"#, "a"), None);
    }
}
