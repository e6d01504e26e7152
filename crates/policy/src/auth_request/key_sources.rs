//! Whether nginx and the authorization service read the same values in a request.
//!
//! A cache key such as `$cookie_session` has the first cookie of that name. A service may take
//! another one, so that a client with two of them could put its verdict where those without the
//! cookie find it.

use std::collections::HashSet;

use super::field_names::{FieldNames, decode, skeleton};
use super::variable_names::variable_names;
use crate::header_names::is_spelling_of;

#[cfg(test)]
mod tests;

/// Variables that have nothing of a cookie or an argument in them, or all of them. What begins so
/// is among them.
const SAFE_PREFIXES: [&[u8]; 11] = [
    b"connection",
    b"content_",
    b"http_",
    b"jwt_",
    b"post_arg_",
    b"proxy_protocol_",
    b"realip_",
    b"remote_",
    b"request",
    b"server_",
    b"ssl_",
];

const SAFE_VARIABLES: [&[u8]; 12] = [
    b"args",
    b"binary_remote_addr",
    b"document_root",
    b"document_uri",
    b"escaped_request_uri",
    b"host",
    b"hostname",
    b"https",
    b"is_args",
    b"query_string",
    b"scheme",
    b"uri",
];

/// What the variables of a cache key read of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeySources {
    cookies: Vec<FieldName>,
    args: Vec<FieldName>,
    /// The names after `http_`.
    headers: Vec<Vec<u8>>,
    /// Whether there is a variable, such as one of `map`, that may be made of any cookie or
    /// argument.
    any: bool,
}

/// The name of a cookie or an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldName {
    name: Vec<u8>,
    skeleton: String,
}

impl FieldName {
    /// A name as it is in `$cookie_<name>` or `$arg_<name>`.
    pub fn new(name: &[u8]) -> Self {
        Self {
            name: name.into(),
            skeleton: skeleton(&String::from_utf8_lossy(name)),
        }
    }
}

impl KeySources {
    /// The sources of a key that is written in these texts.
    pub fn of_key<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut sources = Self::default();
        for variable in texts.flat_map(variable_names) {
            if let Some(name) = variable.strip_prefix(b"cookie_") {
                sources.cookies.push(FieldName::new(name));
            } else if let Some(name) = variable.strip_prefix(b"arg_") {
                sources.args.push(FieldName::new(name));
            } else if let Some(name) = variable.strip_prefix(b"http_") {
                // $http_cookie has all lines.
                if name != b"cookie" {
                    sources.headers.push(name.into());
                }
            } else if !is_safe(&variable) {
                sources.any = true;
            }
        }
        sources
    }

    /// Whether a request has something twice that the key needs once, or in a spelling that nginx
    /// and a service may read differently. `lines` are those of the request's header, and `args`
    /// its arguments; `used_args` are the names of all `$arg_<name>` in the configuration, of which
    /// a variable of `map` may be made.
    pub fn are_ambiguous<'a>(
        &self,
        used_args: &[FieldName],
        lines: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
        args: &'a [u8],
    ) -> bool {
        // nginx ends a cookie that it does not look for at a ",", too.
        let cookies = lines
            .clone()
            .filter(|(name, _)| name.eq_ignore_ascii_case(b"cookie"));
        let cookies = cookies.flat_map(|(_, value)| value.split(|byte| b";,".contains(byte)));
        let cookies = cookies.map(|pair| Field {
            pair,
            place: FieldPlace::Cookie,
        });
        // Some services take a ";" for a "&".
        let args = args.split(|&byte| byte == b'&').flat_map(|pair| {
            let pairs = pair.split(|&byte| byte == b';').enumerate();
            pairs.map(|(index, pair)| Field {
                pair,
                place: match index {
                    0 => FieldPlace::Arg,
                    _ => FieldPlace::InsideArg,
                },
            })
        });
        let is_arg_ambiguous = |name: &FieldName| is_ambiguous(args.clone(), name);
        self.headers
            .iter()
            .any(|name| is_line_ambiguous(lines.clone(), name))
            || self
                .cookies
                .iter()
                .any(|name| is_ambiguous(cookies.clone(), name))
            || self.args.iter().any(is_arg_ambiguous)
            || self.any && (has_repeated_name(cookies) || used_args.iter().any(is_arg_ambiguous))
    }
}

/// A cookie or an argument: a name, `=` and a value.
#[derive(Clone, Copy)]
struct Field<'a> {
    pair: &'a [u8],
    place: FieldPlace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FieldPlace {
    Cookie,
    Arg,
    /// Inside of what nginx takes for one argument.
    InsideArg,
}

impl Field<'_> {
    fn name(&self) -> &[u8] {
        self.pair
            .split(|&byte| byte == b'=')
            .next()
            .unwrap_or_default()
    }

    /// The names by which a service may know the field.
    fn names(&self) -> FieldNames {
        let name = decode(self.name()).0;
        let name = String::from_utf8_lossy(&name);
        match self.place {
            FieldPlace::Cookie => FieldNames::of_cookie(&name),
            FieldPlace::Arg | FieldPlace::InsideArg => FieldNames::of(&name),
        }
    }

    /// Whether a service may know the field by this name, which is a skeleton.
    // perf: almost all names are letters, digits and "-_ ". Not decoding those saves a cache hit
    // with four cookies 6,500 instructions.
    fn may_have_name(&self, skeleton: &str) -> bool {
        let name = self.name();
        let is_simple = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_ ".contains(byte);
        if !name.iter().all(is_simple) {
            return self.names().include(skeleton);
        }
        let letters = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
        letters.map(u8::to_ascii_lowercase).eq(skeleton.bytes())
    }

    /// Whether nginx knows the field by this name.
    fn has_name(&self, name: &[u8]) -> bool {
        let own = trim_spaces(self.name());
        self.place != FieldPlace::InsideArg
            && self.pair.contains(&b'=')
            && own.eq_ignore_ascii_case(name)
    }
}

fn is_safe(variable: &[u8]) -> bool {
    SAFE_VARIABLES.contains(&variable)
        || SAFE_PREFIXES
            .iter()
            .any(|prefix| variable.starts_with(prefix))
}

/// Whether a service may take some field for the named one, except for a single field that nginx
/// takes for it, too.
fn is_ambiguous<'a>(fields: impl Iterator<Item = Field<'a>>, name: &FieldName) -> bool {
    let mut fields = fields.filter(|field| field.may_have_name(&name.skeleton));
    let first = fields.next();
    first.is_some_and(|first| !first.has_name(&name.name)) || fields.next().is_some()
}

fn is_line_ambiguous<'a>(lines: impl Iterator<Item = (&'a [u8], &'a [u8])>, name: &[u8]) -> bool {
    let mut is_there = false;
    for (line, _) in lines {
        if line.len() != name.len() || !is_spelling_of(line, name) {
            continue;
        }
        // nginx takes "-" for "_" in the name of a variable, and no other byte.
        let is_found = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if is_there || !line.iter().all(is_found) {
            return true;
        }
        is_there = true;
    }
    false
}

fn has_repeated_name<'a>(fields: impl Iterator<Item = Field<'a>>) -> bool {
    let mut seen = HashSet::new();
    let names = fields.filter(|field| field.pair.contains(&b'='));
    let names = names.map(|field| field.names());
    let mut names = names.flat_map(|names| names.own.into_iter().chain(names.parents));
    names.any(|name| !seen.insert(name))
}

fn trim_spaces(text: &[u8]) -> &[u8] {
    let is_text = |byte: &u8| *byte != b' ';
    let start = text.iter().position(is_text).unwrap_or(text.len());
    let end = text
        .iter()
        .rposition(is_text)
        .map_or(start, |last| last + 1);
    &text[start..end]
}
