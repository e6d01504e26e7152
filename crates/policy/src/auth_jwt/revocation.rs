//! Lists of what is revoked: subjects, keys or single tokens, by name.

use std::borrow::Cow;
use std::fmt;
use std::hash::BuildHasher;

use foldhash::quality::RandomState;
use hashbrown::HashTable;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};

#[cfg(test)]
mod tests;

/// The names of a JSON object, whose values do not matter.
///
/// All names are in one buffer, and the table has their positions only: a million names of 36 bytes
/// take 60 MB, and as strings of their own would take 110 MB.
#[derive(Default)]
pub struct RevocationList {
    names: Vec<u8>,
    /// Where each name begins and ends in `names`.
    positions: HashTable<(u32, u32)>,
    hasher: RandomState,
}

/// Why a text is no list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevocationListError {
    /// The text has no byte but white space. An empty object revokes nothing, an empty file is more
    /// likely a mistake.
    #[error("the file is empty, which revokes nothing: write {{}} if that is meant")]
    Empty,
    /// It is not a JSON object, for this reason.
    #[error("not a JSON object: {0}")]
    NotAnObject(String),
    /// The names are too long for the positions of the table.
    #[error("the names have more than 4 GiB")]
    TooLarge,
}

impl RevocationList {
    /// The longest text that is read, in bytes.
    pub const MAX_BYTES: usize = 256 * 1024 * 1024;

    /// Reads a list from its JSON text. The names are taken as JSON has them, that is without its
    /// escape sequences; values are skipped.
    ///
    /// # Errors
    /// The text is no JSON object.
    pub fn parse(text: &[u8]) -> Result<Self, RevocationListError> {
        if text.trim_ascii().is_empty() {
            return Err(RevocationListError::Empty);
        }
        let mut json = serde_json::Deserializer::from_slice(text);
        let list = json
            .deserialize_map(NameVisitor)
            .and_then(|list| json.end().map(|()| list))
            .map_err(|error| RevocationListError::NotAnObject(error.to_string()))?;
        list.ok_or(RevocationListError::TooLarge)
    }

    /// Whether the list has this name, byte by byte.
    pub fn contains(&self, name: &[u8]) -> bool {
        let hash = self.hasher.hash_one(name);
        let is_name = |position: &(u32, u32)| name_at(&self.names, *position) == name;
        self.positions.find(hash, is_name).is_some()
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Whether nothing is revoked.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// Adds a name; `None` if the list gets too long for that.
    fn insert(&mut self, name: &[u8]) -> Option<()> {
        if self.contains(name) {
            return Some(());
        }
        let begin = u32::try_from(self.names.len()).ok()?;
        let end = begin.checked_add(u32::try_from(name.len()).ok()?)?;
        self.names.extend_from_slice(name);
        let Self {
            names,
            positions,
            hasher,
        } = self;
        let hash = |position: &(u32, u32)| hasher.hash_one(name_at(names, *position));
        positions.insert_unique(hasher.hash_one(name), (begin, end), hash);
        Some(())
    }
}

fn name_at(names: &[u8], (begin, end): (u32, u32)) -> &[u8] {
    names.get(begin as usize..end as usize).unwrap_or_default()
}

/// Collects the names of an object. The result is `None` if they are too long.
struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Option<RevocationList>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Self::Value, M::Error> {
        let mut list = RevocationList::default();
        while let Some(name) = members.next_key::<Name<'_>>()? {
            members.next_value::<IgnoredAny>()?;
            if list.insert(name.0.as_bytes()).is_none() {
                return Ok(None);
            }
        }
        list.names.shrink_to_fit();
        Ok(Some(list))
    }
}

/// A name, borrowed from the text unless it has escape sequences.
struct Name<'de>(Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StringVisitor;

        impl<'de> Visitor<'de> for StringVisitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(StringVisitor)
    }
}
