//! The arguments in a request's body, for `$post_arg_<name>`: fields of a form, or members of a
//! JSON object.
//!
//! The application behind nginx reads the same body with a parser of its own. An argument has a
//! value only if no parser in use would give it another one, because the authorization service
//! would otherwise judge what the application does not see.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use text::compact_json;

use super::field_names::{FieldNames, decode, skeleton};
use crate::header_names::is_spelling_of;

#[cfg(test)]
mod tests;

/// How a body with arguments is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFormat {
    /// `application/x-www-form-urlencoded`
    Form,
    /// `application/json` and other types that end with `+json`
    Json,
}

/// The arguments of a body. A name that occurs twice has no value, because an application may use
/// either of its values.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PostArgs {
    /// By the [`skeleton`] of the name. `None` if several names have this skeleton.
    args: HashMap<String, Option<PostArg>>,
}

#[derive(Debug, PartialEq, Eq)]
struct PostArg {
    /// In lower case.
    name: String,
    /// A JSON null, and a form's value that is not UTF-8, are none.
    value: Option<String>,
}

impl BodyFormat {
    /// The format that a header announces. `None` if it is no format with arguments,
    /// or if an application could take the body for something else: because it is encoded or not in
    /// UTF-8, or because there are several `Content-Type` lines, in whatever spelling.
    pub fn of_header<'a>(lines: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Option<Self> {
        let mut format = None;
        for (name, value) in lines {
            if is_spelling_of(name, b"content-encoding") {
                return None;
            }
            if is_spelling_of(name, b"content-type") {
                if format.is_some() || !name.eq_ignore_ascii_case(b"content-type") {
                    return None;
                }
                format = Some(Self::of_media_type(value)?);
            }
        }
        format
    }

    fn of_media_type(media_type: &[u8]) -> Option<Self> {
        // Some parsers ignore quotes here, so that a ";" between quotes must not count either.
        let mut parts = media_type.split(|&byte| byte == b';');
        let name = parts.next()?.trim_ascii().to_ascii_lowercase();
        let mut charsets = 0;
        for parameter in parts.map(<[u8]>::trim_ascii) {
            charsets += usize::from(is_charset(parameter)?);
        }
        match name.as_slice() {
            _ if charsets > 1 => None,
            b"application/x-www-form-urlencoded" => Some(Self::Form),
            b"application/json" => Some(Self::Json),
            name if name.ends_with(b"+json") => Some(Self::Json),
            _ => None,
        }
    }
}

/// Whether a parameter of a media type is the charset. `None` if that is another one than UTF-8,
/// or if the parameter is malformed.
fn is_charset(parameter: &[u8]) -> Option<bool> {
    if parameter.is_empty() {
        return Some(false);
    }
    let text = std::str::from_utf8(parameter).ok()?;
    let (name, value) = text.split_once('=')?;
    let in_quotes = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'));
    let value = in_quotes.unwrap_or(value);
    if value.contains(['"', '\\']) || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    // RFC 2231 has charset* and charset*0, too.
    match name.to_ascii_lowercase().as_str() {
        "charset" => value.eq_ignore_ascii_case("utf-8").then_some(true),
        name if name.starts_with("charset") => None,
        _ => Some(false),
    }
}

impl PostArgs {
    /// The arguments of a body. One that is malformed has none.
    pub fn parse(format: BodyFormat, body: &[u8]) -> Self {
        let pairs = match format {
            BodyFormat::Form => form_pairs(body),
            BodyFormat::Json => json_pairs(body).ok(),
        };
        let mut args = Self::default();
        for (name, value) in pairs.into_iter().flatten() {
            args.insert(&name, value);
        }
        args
    }

    /// The value of an argument. `name` is in lower case, like nginx's names of variables.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        let name = std::str::from_utf8(name).ok()?;
        let arg = self.args.get(&skeleton(name))?.as_ref()?;
        let value = arg.value.as_ref().filter(|_| arg.name == name)?;
        Some(value.as_bytes())
    }

    fn insert(&mut self, name: &str, value: Option<String>) {
        let FieldNames { own, parents } = FieldNames::of(name);
        for parent in parents {
            self.args.insert(parent, None);
        }
        match own.map(|own| self.args.entry(own)) {
            None => {}
            Some(Entry::Vacant(entry)) => {
                let name = name.to_ascii_lowercase();
                entry.insert(Some(PostArg { name, value }));
            }
            Some(Entry::Occupied(mut entry)) => {
                entry.insert(None);
            }
        }
    }
}

/// The fields of a form. `None` if parsers would disagree on the name of a field, because it is not
/// UTF-8 or has a malformed escape, or if the form names another charset.
///
/// `curl -d` announces a form, whatever it sends, and some gateways and applications read JSON
/// then. So the members of a form that is a JSON object are among the fields, and what is there in
/// both readings is there twice.
fn form_pairs(body: &[u8]) -> Option<Vec<(String, Option<String>)>> {
    let mut pairs = Vec::new();
    for pair in body.split(|&byte| byte == b'&').filter(|p| !p.is_empty()) {
        let (name, value) = form_pair(pair)?;
        if name.eq_ignore_ascii_case("_charset_") && !value.as_ref()?.eq_ignore_ascii_case("utf-8")
        {
            return None;
        }
        if !pair.contains(&b';') {
            pairs.push((name, value));
            continue;
        }
        // Some parsers end a field at a ";".
        pairs.push((name, None));
        for part in pair.split(|&byte| byte == b';') {
            pairs.push((form_pair(part)?.0, None));
        }
    }
    if body.trim_ascii_start().starts_with(b"{") {
        pairs.extend(json_pairs(body).into_iter().flatten());
    }
    Some(pairs)
}

fn form_pair(pair: &[u8]) -> Option<(String, Option<String>)> {
    let mut parts = pair.splitn(2, |&byte| byte == b'=');
    let (name, is_well_formed) = decode(parts.next().unwrap_or_default());
    let (value, _) = decode(parts.next().unwrap_or_default());
    let name = String::from_utf8(name).ok().filter(|_| is_well_formed)?;
    Some((name, String::from_utf8(value).ok()))
}

/// The members of a JSON object, with their values as they are written.
fn json_pairs(body: &[u8]) -> serde_json::Result<Vec<(String, Option<String>)>> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let pairs = json.deserialize_map(MemberVisitor)?;
    json.end()?;
    Ok(pairs)
}

struct MemberVisitor;

impl<'de> Visitor<'de> for MemberVisitor {
    type Value = Vec<(String, Option<String>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some((name, value)) = map.next_entry::<Cow<'de, str>, &'de RawValue>()? {
            let value = value_text(value.get()).map_err(A::Error::custom)?;
            pairs.push((name.into_owned(), value));
        }
        Ok(pairs)
    }
}

/// The text of a JSON value: the content of a string, and any other value as it is written, without
/// white space. `null` has none.
fn value_text(value: &str) -> serde_json::Result<Option<String>> {
    Ok(match value.as_bytes().first() {
        Some(b'"') => Some(serde_json::from_str(value)?),
        Some(b'n') => None,
        _ => Some(compact_json(value)),
    })
}
