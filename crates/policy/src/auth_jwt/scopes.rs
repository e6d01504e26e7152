//! `auth_jwt_require_scope`: which scopes a token grants.

use std::rc::Rc;

use jose::{JsonKind, JsonValue};

/// The scopes that a token must grant.
#[derive(Debug, Clone, Default)]
pub struct RequiredScopes {
    names: Vec<Box<str>>,
    /// All of them with spaces between, for the challenge.
    joined: Rc<str>,
}

impl RequiredScopes {
    /// Adds a scope.
    ///
    /// # Errors
    /// What would be right.
    pub fn add(&mut self, name: &[u8]) -> Result<(), &'static str> {
        let name = str::from_utf8(name).ok().filter(|name| is_scope(name));
        let name = name.ok_or("it must be one scope, without spaces, quotes, \"\\\" and \"$\"")?;
        if self.names.iter().all(|known| **known != *name) {
            self.names.push(name.into());
            self.joined = self.names.join(" ").into();
        }
        Ok(())
    }

    /// All scopes with spaces between.
    pub fn joined(&self) -> &Rc<str> {
        &self.joined
    }

    /// The first scope that the claims do not grant.
    pub fn missing(&self, claims: JsonValue<'_>) -> Option<&str> {
        // `scope` is that of RFC 8693 and RFC 9068, `scp` that of Entra ID and Okta.
        let claims = [claims.get(b"scope"), claims.get(b"scp")];
        let is_granted = |name: &str| claims.iter().flatten().any(|claim| grants(*claim, name));
        let mut names = self.names.iter().map(|name| &**name);
        names.find(|name| !is_granted(name))
    }
}

/// Whether a claim has this scope: as a word of a string, or as an element of an array.
fn grants(claim: JsonValue<'_>, name: &str) -> bool {
    match claim.kind() {
        JsonKind::Array => claim
            .elements()
            .any(|element| element.as_str().is_some_and(|scope| scope == name)),
        _ => claim
            .as_str()
            .is_some_and(|words| words.split(' ').any(|word| word == name)),
    }
}

/// Whether this is one scope (RFC 6749 section 3.3). A `$` is allowed there, but here it would be
/// taken for a variable by those who read it.
fn is_scope(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'$'))
}

#[cfg(test)]
mod tests;
