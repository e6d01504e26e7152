//! Variables whose value can be known: those of the token, and those of `set` with a constant text, and
//! of `map` whose source is constant or that has nothing but a default.

use std::collections::BTreeMap;

use nginx_conf_reader::tree::ConfDirective;
use pcre2::bytes::RegexBuilder;

use super::levels::Level;
use super::token_variables::TokenVariables;
use crate::local_rule::KnownVariables;

/// How many variables may be behind each other.
const MAX_DEPTH: usize = 16;

/// A variable whose value is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnknownVariable(pub(super) String);

/// The variables of a location whose values can be known.
pub(super) struct Constants<'a> {
    /// Values that were given for one request. They come before all others.
    given: &'a KnownVariables,
    token: Option<TokenVariables>,
    /// `None`: the value is another one for each request.
    sets: BTreeMap<String, Option<Vec<u8>>>,
    maps: BTreeMap<String, &'a ConfDirective>,
}

impl<'a> Constants<'a> {
    /// Those of the innermost of these levels.
    pub(super) fn new(
        http: &'a ConfDirective,
        levels: &[Level<'a>],
        given: &'a KnownVariables,
        token: Option<TokenVariables>,
    ) -> Self {
        let mut maps = BTreeMap::new();
        for map in http.find("map") {
            if let Some(name) = map.args().get(1).and_then(|name| variable(name)) {
                maps.insert(name, map);
            }
        }
        let mut constants = Self {
            given,
            token,
            sets: BTreeMap::new(),
            maps,
        };
        // nginx runs the directives of the server, and then those of the location. It runs none of
        // the locations around it.
        let server = levels.iter().find(|level| level.block.is("server"));
        let location = levels.iter().rfind(|level| level.block.is("location"));
        for level in [server, location].into_iter().flatten() {
            for directive in level.block.block() {
                constants.run(directive);
            }
        }
        let blocks = levels.iter().flat_map(|level| level.block.block());
        for directive in blocks.filter(|directive| directive.is("auth_request_set")) {
            constants.forget(directive);
        }
        constants
    }

    /// The text with the values of its variables.
    pub(super) fn expand(&self, text: &[u8]) -> Result<Vec<u8>, UnknownVariable> {
        self.expand_to(text, MAX_DEPTH)
    }

    /// The value of a variable, by its name without the `$`.
    pub(super) fn value(&self, name: &str) -> Result<Vec<u8>, UnknownVariable> {
        self.value_to(name, MAX_DEPTH)
    }

    fn run(&mut self, directive: &ConfDirective) {
        match (directive.name(), directive.args()) {
            (b"set", [name, value]) => {
                if let Some(name) = variable(name) {
                    let value = self.expand(value).ok();
                    self.sets.insert(name, value);
                }
            }
            (b"if", _) => {
                for inner in directive.block().iter().filter(|inner| inner.is("set")) {
                    self.forget(inner);
                }
            }
            _ => {}
        }
    }

    /// Notes that the variable of a directive has a value that is not known.
    fn forget(&mut self, directive: &ConfDirective) {
        if let Some(name) = directive.args().first().and_then(|name| variable(name)) {
            self.sets.insert(name, None);
        }
    }

    fn expand_to(&self, text: &[u8], depth: usize) -> Result<Vec<u8>, UnknownVariable> {
        let mut expanded = Vec::new();
        for part in parts(text) {
            match part {
                Part::Text(byte) => expanded.push(byte),
                Part::Variable(name) => expanded.extend(self.value_to(&name, depth)?),
            }
        }
        Ok(expanded)
    }

    fn value_to(&self, name: &str, depth: usize) -> Result<Vec<u8>, UnknownVariable> {
        let unknown = || UnknownVariable(name.to_owned());
        if let Some(value) = self.given.0.get(name) {
            return Ok(value.clone());
        }
        let depth = depth.checked_sub(1).ok_or_else(unknown)?;
        let lower = name.to_ascii_lowercase();
        match (self.sets.get(&lower), self.maps.get(&lower)) {
            (Some(value), None) => value.clone().ok_or_else(unknown),
            (None, Some(map)) => self.mapped(map, depth).ok_or_else(unknown),
            // With both it depends on the phase.
            (Some(_), Some(_)) => Err(unknown()),
            (None, None) => {
                let token = self.token.as_ref();
                token
                    .and_then(|token| token.value(&lower))
                    .ok_or_else(unknown)
            }
        }
    }

    /// The value of a `map`, if it is the same for all requests.
    fn mapped(&self, map: &ConfDirective, depth: usize) -> Option<Vec<u8>> {
        let mut default = None;
        let mut entries = Vec::new();
        for entry in map.block() {
            match (entry.name(), entry.args()) {
                (b"hostnames", []) => return None,
                (b"volatile", []) => {}
                (b"default", [value]) => default = Some(value),
                (key, [value]) => entries.push((key, value)),
                _ => return None,
            }
        }
        let source = map.args().first()?;
        let found = match &entries[..] {
            [] => None,
            entries => find_entry(entries, &self.expand_to(source, depth).ok()?)?,
        };
        match found.or(default) {
            Some(value) => self.expand_to(value, depth).ok(),
            None => Some(Vec::new()),
        }
    }
}

/// The value for a source: exact keys without regard to case, then regular expressions. The outer
/// `None`: it is not known.
fn find_entry<'e>(
    entries: &[(&'e [u8], &'e Vec<u8>)],
    source: &[u8],
) -> Option<Option<&'e Vec<u8>>> {
    // A backslash has a key with another meaning stand for itself.
    let plain = |key: &'e [u8]| match key {
        [b'~', ..] => None,
        [b'\\', rest @ ..] => Some(rest),
        key => Some(key),
    };
    let mut exact = entries
        .iter()
        .filter_map(|(key, value)| Some((plain(key)?, *value)));
    if let Some((_, value)) = exact.find(|(key, _)| key.eq_ignore_ascii_case(source)) {
        return Some(Some(value));
    }
    for (key, value) in entries {
        let Some(pattern) = key.strip_prefix(b"~") else {
            continue;
        };
        let (pattern, ignores_case) = match pattern.strip_prefix(b"*") {
            Some(pattern) => (pattern, true),
            None => (pattern, false),
        };
        let regex = RegexBuilder::new()
            .caseless(ignores_case)
            .build(str::from_utf8(pattern).ok()?);
        if regex.ok()?.is_match(source).ok()? {
            return Some(Some(value));
        }
    }
    Some(None)
}

/// The name of a variable in lower case, as nginx compares names, without the `$`.
fn variable(word: &[u8]) -> Option<String> {
    let name = str::from_utf8(word.strip_prefix(b"$")?).ok()?;
    Some(name.to_ascii_lowercase())
}

/// A part of a text with variables.
enum Part {
    Text(u8),
    Variable(String),
}

/// The parts of a text. nginx reads `$name` and `${name}`.
fn parts(text: &[u8]) -> Vec<Part> {
    let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        if first != b'$' {
            parts.push(Part::Text(first));
            continue;
        }
        let name = behind.strip_prefix(b"{").unwrap_or(behind);
        let length = name.iter().take_while(is_name).count();
        let (name, behind_name) = name.split_at_checked(length).unwrap_or((name, &[]));
        rest = match behind.starts_with(b"{") {
            true => behind_name.strip_prefix(b"}").unwrap_or(behind_name),
            false => behind_name,
        };
        parts.push(Part::Variable(String::from_utf8_lossy(name).into_owned()));
    }
    parts
}

/// The variables in a text, each without the `$`.
pub(super) fn variables(text: &[u8]) -> impl Iterator<Item = String> {
    parts(text).into_iter().filter_map(|part| match part {
        Part::Variable(name) => Some(name),
        Part::Text(_) => None,
    })
}
