//! Finds the location of a request: exact ones first, then the longest prefix, then regular
//! expressions in their order, and so on inside the location that was found
//! (`ngx_http_core_find_location`).

use crate::error::ConfError;
use crate::regex;
use crate::tree::ConfDirective;

/// How the argument of a location is compared with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `=`
    Exact,
    Prefix,
    /// `^~`: regular expressions are not asked.
    PrefixBeforeRegexes,
    /// `~`
    Regex,
    /// `~*`
    RegexIgnoringCase,
    /// `@name`: no request of a client comes here.
    Named,
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<'a> {
    /// To a location, with those that it is inside of: the outermost first. None: to the server
    /// itself.
    Locations(Vec<&'a ConfDirective>),
    /// nginx answers with status 301, to the same path with a slash at the end, which this location
    /// is for.
    RedirectTo(&'a ConfDirective),
}

/// The directives of which each makes a location answer requests without a slash at the end with a
/// redirect.
const PASSES: [&str; 7] = [
    "proxy_pass",
    "fastcgi_pass",
    "uwsgi_pass",
    "scgi_pass",
    "grpc_pass",
    "memcached_pass",
    "tunnel_pass",
];

/// Finds the location that nginx chooses for a path in a server.
///
/// # Errors
/// A location has arguments that nginx does not understand.
pub fn choose<'a>(server: &'a ConfDirective, path: &[u8]) -> Result<Found<'a>, ConfError> {
    let mut search = Search {
        path,
        chosen: Vec::new(),
    };
    Ok(match search.inside(server)? {
        FoundInside::Redirect(to) => Found::RedirectTo(to),
        FoundInside::Final | FoundInside::Prefix | FoundInside::Nothing => {
            Found::Locations(search.chosen)
        }
    })
}

/// What a search inside a level has found.
#[derive(Clone, Copy)]
enum FoundInside<'a> {
    /// What counts, whatever the regular expressions further out are.
    Final,
    /// A prefix: regular expressions further out come before it.
    Prefix,
    Nothing,
    Redirect(&'a ConfDirective),
}

struct Search<'p, 'a> {
    path: &'p [u8],
    /// What was found so far, from the outside to the inside.
    chosen: Vec<&'a ConfDirective>,
}

impl<'a> Search<'_, 'a> {
    /// Looks for a location in a server or in a location.
    fn inside(&mut self, level: &'a ConfDirective) -> Result<FoundInside<'a>, ConfError> {
        let level_depth = self.chosen.len();
        let outcome = match self.prefix(level)? {
            FoundInside::Prefix => {
                let found = self.chosen.last().copied();
                let Some(found) = found else {
                    return Ok(FoundInside::Nothing);
                };
                let (kind, _) = arguments(found)?;
                let inner = self.inside(found)?;
                match inner {
                    FoundInside::Final | FoundInside::Redirect(_) => return Ok(inner),
                    FoundInside::Prefix | FoundInside::Nothing
                        if kind == Kind::PrefixBeforeRegexes =>
                    {
                        return Ok(FoundInside::Prefix);
                    }
                    FoundInside::Prefix | FoundInside::Nothing => FoundInside::Prefix,
                }
            }
            outcome @ (FoundInside::Final | FoundInside::Redirect(_)) => return Ok(outcome),
            FoundInside::Nothing => FoundInside::Nothing,
        };
        for location in locations(level) {
            let (kind, pattern) = arguments(location)?;
            let ignores_case = match kind {
                Kind::Regex => false,
                Kind::RegexIgnoringCase => true,
                _ => continue,
            };
            if regex::matches(pattern, ignores_case, self.path, location.place())? {
                self.chosen.truncate(level_depth);
                self.chosen.push(location);
                return Ok(match self.inside(location)? {
                    FoundInside::Redirect(to) => FoundInside::Redirect(to),
                    _ => FoundInside::Final,
                });
            }
        }
        Ok(outcome)
    }

    /// Looks for an exact location or the longest prefix.
    fn prefix(&mut self, level: &'a ConfDirective) -> Result<FoundInside<'a>, ConfError> {
        let mut longest: Option<(&'a ConfDirective, usize)> = None;
        let mut redirect = None;
        // Whether a location has the path for its name.
        let mut is_named = false;
        for location in locations(level) {
            let (kind, name) = arguments(location)?;
            if !matches!(kind, Kind::Exact | Kind::Prefix | Kind::PrefixBeforeRegexes) {
                continue;
            }
            is_named |= *name == *self.path;
            if kind == Kind::Exact && *name == *self.path {
                self.chosen.push(location);
                return Ok(FoundInside::Final);
            }
            let is_longer = longest.is_none_or(|(_, length)| name.len() > length);
            if kind != Kind::Exact && self.path.starts_with(name) && is_longer {
                longest = Some((location, name.len()));
            }
            let without_slash = name.strip_suffix(b"/");
            if without_slash == Some(self.path) && has_pass(location) {
                redirect = Some(location);
            }
        }
        if let Some(location) = redirect.filter(|_| !is_named) {
            return Ok(FoundInside::Redirect(location));
        }
        match longest {
            Some((location, _)) => {
                self.chosen.push(location);
                Ok(FoundInside::Prefix)
            }
            None => Ok(FoundInside::Nothing),
        }
    }
}

/// The locations directly in a level.
fn locations(level: &ConfDirective) -> impl Iterator<Item = &ConfDirective> {
    level
        .find("location")
        .filter(|location| location.has_block())
}

fn has_pass(location: &ConfDirective) -> bool {
    location
        .block()
        .iter()
        .any(|directive| PASSES.iter().any(|name| directive.is(name)))
}

/// How a location is compared, and with what (`ngx_http_core_location`).
fn arguments(location: &ConfDirective) -> Result<(Kind, &[u8]), ConfError> {
    let modifier = |modifier: &[u8]| match modifier {
        b"=" => Some(Kind::Exact),
        b"^~" => Some(Kind::PrefixBeforeRegexes),
        b"~" => Some(Kind::Regex),
        b"~*" => Some(Kind::RegexIgnoringCase),
        _ => None,
    };
    match location.args() {
        [name] => {
            // The modifier may stand without a space in front of the name.
            let known: [&[u8]; 4] = [b"=", b"^~", b"~*", b"~"];
            let glued = known
                .iter()
                .find_map(|known| Some((modifier(known)?, name.strip_prefix(*known)?)));
            Ok(match glued {
                Some(glued) => glued,
                None if name.starts_with(b"@") => (Kind::Named, name),
                None => (Kind::Prefix, name),
            })
        }
        [word, name] => match modifier(word) {
            Some(kind) => Ok((kind, name)),
            None => {
                let message = format!("invalid location modifier {}", text::Quoted::whole(word));
                Err(ConfError::at(location.place(), message))
            }
        },
        _ => {
            let message = "invalid number of arguments in \"location\" directive";
            Err(ConfError::at(location.place(), message))
        }
    }
}
