//! Whether nginx and the authorization service read the same values in a request.
//!
//! A cache key such as `$cookie_session` has the first cookie of that name. A service may take
//! another one, so that a client with two of them could put its verdict where those without the
//! cookie find it.

use std::collections::HashSet;
use std::iter;

use memchr::memrchr;

use super::field_names::{FieldNames, decode, skeleton};
use super::variable_names::variable_names;
use crate::header_names::is_spelling_of;

#[cfg(test)]
mod tests;

/// Variables that have nothing of a cookie or an argument in them, or all of them. What begins so
/// is among them.
const SAFE_PREFIXES: [&[u8]; 10] = [
    b"connection",
    b"content_",
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
    /// Whether a variable has an argument or all of them.
    has_query: bool,
    /// Whether there is a variable, such as one of `map`, that may be made of any other.
    any: bool,
}

/// The name of a cookie or an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FieldName {
    name: Vec<u8>,
    skeleton: String,
}

/// What nginx and a service read cookies, arguments and headers in.
pub struct RequestTexts<'a, L> {
    /// The names and values of the header lines.
    pub lines: L,
    /// The arguments as nginx has them, which a `rewrite` may have changed.
    pub args: &'a [u8],
    /// The path and the arguments as the client has sent them, which a service may get as
    /// `$request_uri`.
    pub original_uri: &'a [u8],
}

impl FieldName {
    /// A name as it is in `$cookie_<name>` or `$arg_<name>`.
    fn new(name: &[u8]) -> Self {
        Self {
            name: name.into(),
            skeleton: skeleton(&String::from_utf8_lossy(name)),
        }
    }
}

impl KeySources {
    /// The sources of a key that is written in these texts.
    pub fn of_key<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Self {
        Self::of_variables(texts.flat_map(variable_names))
    }

    /// The sources of these variables.
    pub fn of_variables(variables: impl Iterator<Item = Vec<u8>>) -> Self {
        let mut sources = Self::default();
        for variable in variables {
            sources.has_query |= reads_query(&variable);
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
    /// and a service may read differently. `used` are the sources of all variables in the
    /// configuration, of which a variable of `map` may be made.
    pub fn are_ambiguous<'a>(
        &self,
        used: &Self,
        request: &RequestTexts<'a, impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone>,
    ) -> bool {
        // For nginx the URI ends here. Others go on, so that they see arguments that nginx does not.
        // Browsers and libraries do not send it.
        request.original_uri.contains(&b'#')
            || self.read_ambiguous(request)
            || self.any
                && (used.read_ambiguous(request) || has_repeated_name(request.cookie_fields()))
    }

    fn read_ambiguous<'a>(
        &self,
        request: &RequestTexts<'a, impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone>,
    ) -> bool {
        let is_line_ambiguous = |name: &Vec<u8>| is_line_ambiguous(request.lines.clone(), name);
        let is_cookie_ambiguous = |name: &FieldName| is_ambiguous(request.cookie_fields(), name);
        let is_arg_ambiguous = |name: &FieldName| {
            is_ambiguous(arg_fields(request.args), name)
                || request
                    .original_args()
                    .is_some_and(|args| is_ambiguous(arg_fields(args), name))
        };
        self.headers.iter().any(is_line_ambiguous)
            || self.cookies.iter().any(is_cookie_ambiguous)
            || self.args.iter().any(is_arg_ambiguous)
            || self.has_query && request.has_encoded_query()
    }
}

impl<'a, L: Iterator<Item = (&'a [u8], &'a [u8])> + Clone> RequestTexts<'a, L> {
    fn cookie_fields(&self) -> impl Iterator<Item = Field<'a>> + Clone {
        let lines = self.lines.clone();
        let cookies = lines.filter(|(name, _)| name.eq_ignore_ascii_case(b"cookie"));
        let pairs = cookies.flat_map(|(_, value)| value.split(|&byte| byte == b';'));
        // A "," ends a cookie as well for some services, and for nginx before 1.29.6.
        let parts = pairs.flat_map(|pair| pair.split(|&byte| byte == b',').enumerate());
        parts.flat_map(|(index, part)| {
            let own = Field {
                pair: part,
                place: match index {
                    0 => FieldPlace::Cookie,
                    _ => FieldPlace::InsideCookie,
                },
            };
            let inside = names_inside(part).map(|name| Field {
                pair: name,
                place: FieldPlace::InsideCookie,
            });
            iter::once(own).chain(inside)
        })
    }

    /// The arguments that the client has sent, if they are not those that nginx has.
    fn original_args(&self) -> Option<&'a [u8]> {
        let question_mark = self.original_uri.iter().position(|&byte| byte == b'?')?;
        let args = &self.original_uri[question_mark + 1..];
        (args != self.args).then_some(args)
    }

    /// Whether the path has a `?` or a `#` in percent-encoding. nginx takes them for characters of a
    /// name, and passes them on in `$uri` without the encoding: then the service sees arguments.
    fn has_encoded_query(&self) -> bool {
        let path = self.original_uri.split(|&byte| byte == b'?').next();
        let is_mark = |three: &[u8]| {
            [&b"%3f"[..], b"%23"]
                .iter()
                .any(|m| three.eq_ignore_ascii_case(m))
        };
        path.unwrap_or_default().windows(3).any(is_mark)
    }
}

fn arg_fields(args: &[u8]) -> impl Iterator<Item = Field<'_>> {
    // Some services take a ";" for a "&".
    args.split(|&byte| byte == b'&').flat_map(|pair| {
        let pairs = pair.split(|&byte| byte == b';').enumerate();
        pairs.map(|(index, pair)| Field {
            pair,
            place: match index {
                0 => FieldPlace::Arg,
                _ => FieldPlace::InsideArg,
            },
        })
    })
}

/// The names inside of what nginx takes for one cookie, for a service that ends a cookie at white
/// space or at a quote, as Python's http.cookies does: what is between one of these and a `=`.
fn names_inside(pair: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let in_front = &pair[..memrchr(b'=', pair).unwrap_or(0)];
    let parts = in_front.split(|&byte| byte == b'=').enumerate();
    parts.filter_map(|(index, part)| {
        let is_end = |byte: &u8| *byte == b'"' || !byte.is_ascii_graphic() && byte.is_ascii();
        let end = part.iter().rposition(|byte| !is_end(byte))? + 1;
        // The end itself is no part of a name, and does no harm there.
        let start = part[..end].iter().rposition(is_end)?;
        // At the beginning of the pair is its own name.
        let is_inside = index > 0 || !part[..start].iter().all(is_end);
        is_inside.then_some(&part[start..end])
    })
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
    /// Inside of what nginx may take for one cookie.
    InsideCookie,
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

    /// The names by which a service may know the field. None if that cannot be told, because of
    /// escapes such as "%u0061", which some decode.
    fn names(&self) -> Option<FieldNames> {
        let (name, is_well_formed) = decode(self.name());
        let name = String::from_utf8_lossy(&name);
        is_well_formed.then(|| match self.place {
            FieldPlace::Cookie | FieldPlace::InsideCookie => FieldNames::of_cookie(&name),
            FieldPlace::Arg | FieldPlace::InsideArg => FieldNames::of(&name),
        })
    }

    /// Whether a service may know the field by this name, which is a skeleton.
    // perf: almost all names are letters, digits and "-_ ". Not decoding those saves a cache hit
    // with four cookies 6,500 instructions.
    fn may_have_name(&self, skeleton: &str) -> bool {
        let name = self.name();
        let is_simple = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_ ".contains(byte);
        if !name.iter().all(is_simple) {
            return self.names().is_none_or(|names| names.include(skeleton));
        }
        let letters = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
        letters.map(u8::to_ascii_lowercase).eq(skeleton.bytes())
    }

    /// Whether nginx knows the field by this name.
    fn has_name(&self, name: &[u8]) -> bool {
        let own = match self.place {
            FieldPlace::Cookie => trim_spaces(self.name()),
            FieldPlace::Arg => self.name(),
            FieldPlace::InsideCookie | FieldPlace::InsideArg => return false,
        };
        self.pair.contains(&b'=') && own.eq_ignore_ascii_case(name)
    }
}

fn reads_query(variable: &[u8]) -> bool {
    variable.starts_with(b"arg_") || [&b"args"[..], b"query_string", b"is_args"].contains(&variable)
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
    let names = names.filter_map(|field| field.names());
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
