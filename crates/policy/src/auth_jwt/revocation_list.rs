//! Lists of revoked names: the members' names of a JSON object.

use std::fmt;
use std::hash::BuildHasher;

use foldhash::quality::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;

/// What the file of a list may begin with (RFC 8259 section 8.1).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How long a member of the object is, in bytes: a UUID with the shortest of values.
const MEMBER: usize = 40;

/// Ends each name in the buffer. No byte of UTF-8 is like it.
const END_OF_NAME: u8 = 0xff;

/// The names of a JSON object, whose values do not matter.
// perf: all names are in one buffer, and the table has only where they begin: a million names of 36
// bytes take 48 MB, and as strings of their own would take 110 MB.
#[derive(Debug, Default)]
pub struct RevocationList {
    /// Each name, with [`END_OF_NAME`] behind it.
    names: Vec<u8>,
    /// Where each name begins in `names`.
    positions: HashTable<u32>,
    hasher: RandomState,
}

/// Why a text is no list. The message never contains anything of the text: the path may be that of
/// another file by mistake, and that one may have secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRevocationList {
    /// The text has no byte but white space. An empty object revokes nothing, an empty file is more
    /// likely a mistake.
    #[error("the file is empty; write {{}} to it if nothing is revoked")]
    Empty,
    /// It is another JSON value than an object.
    #[error(
        "it holds {0}, and has to hold a JSON object whose names are revoked, such as \
         {{\"alice\":null}}"
    )]
    NotObject(&'static str),
    /// It begins as an object does, and there is no end.
    #[error(
        "it does not end as a JSON object does, as if it were half written; write another file, \
         and rename it"
    )]
    Truncated,
    /// It is not JSON.
    #[error(
        "not JSON at line {line}, column {column}; it has to hold a JSON object whose names are \
         revoked, such as {{\"alice\":null}}"
    )]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The byte in the line, from 1.
        column: usize,
    },
}

impl RevocationList {
    /// The longest text of a list, in bytes.
    pub const MAX_BYTES: usize = 64 << 20;

    /// Reads a list from its JSON text. The names are taken as JSON has them, that is without its
    /// escape sequences. Values are skipped, however deep they are.
    ///
    /// # Errors
    /// The text is no JSON object.
    pub fn parse(text: &[u8]) -> Result<Self, NotRevocationList> {
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        let trimmed = text.trim_ascii();
        if trimmed.is_empty() {
            return Err(NotRevocationList::Empty);
        }
        // Most files that are half written are told without parsing them.
        if trimmed.starts_with(b"{") && !trimmed.ends_with(b"}") {
            return Err(NotRevocationList::Truncated);
        }
        let mut json = serde_json::Deserializer::from_slice(text);
        let text_bytes = text.len();
        json.deserialize_map(ObjectVisitor { text_bytes })
            .and_then(|list| json.end().map(|()| list))
            .map_err(|error| match error.classify() {
                Category::Eof => NotRevocationList::Truncated,
                Category::Data => NotRevocationList::NotObject(kind(trimmed)),
                Category::Syntax | Category::Io => NotRevocationList::Syntax {
                    line: error.line(),
                    column: error.column(),
                },
            })
    }

    /// Whether the list has this name, byte by byte.
    pub fn contains(&self, name: &[u8]) -> bool {
        let is_name = |begin: &u32| is_at(&self.names, *begin, name);
        let hash = self.hasher.hash_one(name);
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

    /// Lets a function resize the table, which takes the hash of each name for that.
    fn resize(&mut self, resize: impl FnOnce(&mut HashTable<u32>, &dyn Fn(&u32) -> u64)) {
        let Self {
            names,
            positions,
            hasher,
        } = self;
        resize(positions, &|begin| hasher.hash_one(name_at(names, *begin)));
    }

    /// Adds a name, unless it is there.
    fn insert<E: Error>(&mut self, name: &[u8]) -> Result<(), E> {
        let Self {
            names,
            positions,
            hasher,
        } = self;
        let entry = positions.entry(
            hasher.hash_one(name),
            |begin| is_at(names, *begin, name),
            |begin| hasher.hash_one(name_at(names, *begin)),
        );
        if let Entry::Vacant(entry) = entry {
            // No text of up to MAX_BYTES has names of 4 GiB.
            entry.insert(u32::try_from(names.len()).map_err(E::custom)?);
            names.extend_from_slice(name);
            names.push(END_OF_NAME);
        }
        Ok(())
    }
}

/// Whether it is this name that begins there.
fn is_at(names: &[u8], begin: u32, name: &[u8]) -> bool {
    name_at(names, begin) == name
}

/// The name that begins there.
fn name_at(names: &[u8], begin: u32) -> &[u8] {
    let rest = names.get(begin as usize..).unwrap_or_default();
    let end = memchr::memchr(END_OF_NAME, rest).unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default()
}

/// What kind of JSON value this is, by its first byte.
fn kind(json: &[u8]) -> &'static str {
    match json.first() {
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b'n') => "null",
        Some(b't' | b'f') => "true or false",
        _ => "a number",
    }
}

/// Makes a list of the names of an object.
struct ObjectVisitor {
    /// The length of the text.
    text_bytes: usize,
}

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = RevocationList;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Self::Value, M::Error> {
        let mut list = RevocationList::default();
        // The names are no longer than the text. Memory that is not used costs nothing, and a buffer
        // that grows leaves its earlier ones to the allocator.
        list.names.reserve_exact(self.text_bytes);
        // perf: a table that grows has to hash all names again. For a million names of 36 bytes the
        // right size at once takes 0.29 s instead of 0.37 s.
        let expected = self.text_bytes / MEMBER;
        list.resize(|positions, hash| positions.reserve(expected, hash));
        while members.next_key_seed(NameInserter(&mut list))?.is_some() {
            members.next_value::<IgnoredAny>()?;
        }
        list.names.shrink_to_fit();
        list.resize(|positions, hash| positions.shrink_to_fit(hash));
        Ok(list)
    }
}

/// Adds one name to a list.
struct NameInserter<'a>(&'a mut RevocationList);

impl<'de> DeserializeSeed<'de> for NameInserter<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameInserter<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<(), E> {
        self.0.insert(name.as_bytes())
    }
}

#[cfg(test)]
mod tests;
