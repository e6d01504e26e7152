//! The members of a discovery document that count.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::{DiscoveryError, MAX_BYTES};

/// The members that count. `None` is one that is missing or no string.
#[derive(Debug, Default)]
pub(super) struct Members {
    pub(super) issuer: Option<String>,
    pub(super) jwks_uri: Option<String>,
    has_keys: bool,
}

impl Members {
    pub(super) fn parse(body: &[u8]) -> Result<Self, DiscoveryError> {
        if body.len() > MAX_BYTES {
            return Err(DiscoveryError::TooLarge);
        }
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        match body.trim_ascii_start().first() {
            Some(b'{') => (),
            Some(b'<') => return Err(DiscoveryError::Html),
            _ => return Err(DiscoveryError::NotObject),
        }
        let mut json = serde_json::Deserializer::from_slice(body);
        let members = json
            .deserialize_map(MembersVisitor)
            .and_then(|members| json.end().map(|()| members));
        // The texts about an object quote nothing of it.
        let members = members.map_err(|error| DiscoveryError::Json(error.to_string()))?;
        match members.has_keys && members.issuer.is_none() {
            true => Err(DiscoveryError::KeySet),
            false => Ok(members),
        }
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Members::default();
        let (mut issuers, mut jwks_uris) = (0, 0);
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            match &*name {
                "issuer" => (members.issuer, issuers) = (text(map.next_value()?), issuers + 1),
                "jwks_uri" => {
                    (members.jwks_uri, jwks_uris) = (text(map.next_value()?), jwks_uris + 1);
                }
                name => {
                    members.has_keys |= name == "keys";
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        // Readers disagree on which one counts.
        match issuers > 1 || jwks_uris > 1 {
            true => Err(A::Error::custom(
                "\"issuer\" or \"jwks_uri\" is there twice",
            )),
            false => Ok(members),
        }
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}
