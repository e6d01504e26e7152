//! Strict JSON (RFC 8259) as a flat index over its own text: a [`Document`] owns the text, a [`Value`] is a view of
//! one value in it. Numbers, strings and spelling stay as written. Not serde_json: its `Value` rounds numbers and
//! keeps the last of two equal names, `arbitrary_precision` takes an object with one magic name for a number, and it
//! alone costs more than all of a token may (docs/performance.md). A test compares what both read.

mod number;
mod parse;

use std::borrow::Cow;
use std::ops::Range;

use text::{compact_json, is_field_value};

use super::error::{Error, Part};
use super::work;
pub use number::compare_numbers;

/// A JSON text with the index of its values.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Document {
    text: String,
    nodes: Vec<Node>,
}

impl Document {
    /// Parses an object of at most `bytes` bytes in which arrays and objects are nested at most `depth` deep.
    pub(crate) fn parse_object(
        text: Vec<u8>,
        part: Part,
        bytes: usize,
        depth: usize,
    ) -> Result<Self, Error> {
        if text.len() > bytes {
            return Err(Error::TooLarge { part, limit: bytes });
        }
        let text = String::from_utf8(text).map_err(|_| Error::NotUtf8 { part })?;
        let nodes = parse::nodes(&text, part, depth)?;
        let document = Self { text, nodes };
        match document.root().kind() {
            Kind::Object => Ok(document),
            _ => Err(Error::NotObject { part }),
        }
    }

    /// The whole value.
    pub(crate) fn root(&self) -> Value<'_> {
        Value::new(&self.text, &self.nodes)
    }

    /// The text as it was parsed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// How many bytes of memory it has allocated.
    pub(crate) fn memory(&self) -> usize {
        let nodes = self.nodes.capacity().saturating_mul(size_of::<Node>());
        self.text.capacity().saturating_add(nodes)
    }

    /// The text of a string of this document.
    pub(crate) fn str_at<'a>(&'a self, place: &'a Place) -> &'a str {
        match place {
            Place::Plain { start, end } => {
                let text = self.text.get(*start as usize..*end as usize);
                text.unwrap_or_default()
            }
            Place::Escaped(text) => text,
        }
    }
}

/// Where in a [`Document`] the text of a string is; the text itself if it was written with escape sequences.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Plain { start: u32, end: u32 },
    Escaped(Box<str>),
}

impl Place {
    /// How many bytes of memory it has allocated.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Self::Plain { .. } => 0,
            Self::Escaped(text) => text.len(),
        }
    }
}

/// An index over JSON text that somebody else owns.
pub(crate) struct Index(Vec<Node>);

impl Index {
    /// Like [`Document::parse_object`], without a copy of the text.
    pub(crate) fn of_object(text: &str, part: Part, depth: usize) -> Result<Self, Error> {
        let index = Self(parse::nodes(text, part, depth)?);
        match index.root(text).kind() {
            Kind::Object => Ok(index),
            _ => Err(Error::NotObject { part }),
        }
    }

    /// The whole value; `text` is the text that was parsed.
    pub(crate) fn root<'a>(&'a self, text: &'a str) -> Value<'a> {
        Value::new(text, &self.0)
    }
}

/// What a JSON value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Null,
    False,
    True,
    Number,
    /// A string without escape sequences.
    String,
    /// A string with escape sequences.
    EscapedString,
    Array,
    Object,
}

/// One value: where its text is, and of how many nodes it consists, itself included. In an object, names and values
/// alternate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Node {
    kind: Kind,
    start: u32,
    end: u32,
    size: u32,
}

impl Node {
    fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Where a string is between its quotation marks.
    fn inside(&self) -> (u32, u32) {
        (self.start.saturating_add(1), self.end.saturating_sub(1))
    }
}

/// A view of one JSON value.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    text: &'a str,
    /// The value's node, and those of what it holds.
    nodes: &'a [Node],
}

impl<'a> Value<'a> {
    fn new(text: &'a str, nodes: &'a [Node]) -> Self {
        Self { text, nodes }
    }

    /// What the value is.
    pub fn kind(self) -> Kind {
        self.nodes.first().map_or(Kind::Null, |node| node.kind)
    }

    /// The value's JSON as written, white space included.
    pub fn raw(self) -> &'a str {
        let node = self.nodes.first();
        let raw = node.and_then(|node| self.text.get(node.range()));
        raw.unwrap_or_default()
    }

    /// A string's text, escape sequences resolved.
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        let node = self.nodes.first()?;
        let (start, end) = node.inside();
        let inside = || self.text.get(start as usize..end as usize);
        match node.kind {
            Kind::String => inside().map(Cow::Borrowed),
            Kind::EscapedString => inside().map(|text| Cow::Owned(unescape(text))),
            _ => None,
        }
    }

    /// Where a string's text is, to be read without a search.
    pub(crate) fn place(self) -> Option<Place> {
        let node = self.nodes.first()?;
        if node.kind == Kind::String {
            let (start, end) = node.inside();
            return Some(Place::Plain { start, end });
        }
        let text = self.as_str()?;
        Some(Place::Escaped(text.into_owned().into_boxed_str()))
    }

    /// Whether this is a string with this text.
    fn is(self, text: &[u8]) -> bool {
        match self.nodes {
            [node, ..] if node.kind == Kind::String => {
                let (start, end) = node.inside();
                let inside = self.text.as_bytes().get(start as usize..);
                let length = end.saturating_sub(start) as usize;
                length == text.len() && inside.is_some_and(|inside| inside.starts_with(text))
            }
            _ => self.as_str().is_some_and(|own| own.as_bytes() == text),
        }
    }

    /// A number as written.
    pub fn as_number(self) -> Option<&'a str> {
        (self.kind() == Kind::Number).then(|| self.raw())
    }

    /// A boolean.
    pub fn as_bool(self) -> Option<bool> {
        match self.kind() {
            Kind::True => Some(true),
            Kind::False => Some(false),
            _ => None,
        }
    }

    /// The elements of an array in order; none for anything else.
    pub fn elements(self) -> impl Iterator<Item = Value<'a>> {
        let inside = match self.kind() {
            Kind::Array => self.nodes.get(1..).unwrap_or_default(),
            _ => &[],
        };
        Siblings {
            text: self.text,
            nodes: inside,
        }
    }

    /// The members of an object in order; none for anything else.
    pub fn members(self) -> impl Iterator<Item = (Cow<'a, str>, Value<'a>)> {
        let members = self.pairs();
        members.map_while(|(name, value)| Some((name.as_str()?, value)))
    }

    /// The members of an object, names as values.
    fn pairs(self) -> impl Iterator<Item = (Value<'a>, Value<'a>)> {
        let inside = match self.kind() {
            Kind::Object => self.nodes.get(1..).unwrap_or_default(),
            _ => &[],
        };
        let text = self.text;
        let mut rest = inside;
        std::iter::from_fn(move || {
            work::count(1);
            let (name, values) = rest.split_at_checked(1)?;
            let size = values.first()?.size as usize;
            let (value, behind) = values.split_at_checked(size)?;
            rest = behind;
            Some((Value::new(text, name), Value::new(text, value)))
        })
    }

    /// The member of an object with this name.
    pub fn get(self, name: &[u8]) -> Option<Value<'a>> {
        let mut members = self.pairs();
        let (_, value) = members.find(|(own, _)| own.is(name))?;
        Some(value)
    }

    /// The value at the end of a path of names, each leading into an object.
    pub fn path(self, names: &[impl AsRef<[u8]>]) -> Option<Value<'a>> {
        names
            .iter()
            .try_fold(self, |value, name| value.get(name.as_ref()))
    }

    /// The value as a variable holds it: a string's text; numbers as written; `true`, `false`; the elements of an
    /// array joined by commas; objects, and arrays that hold objects, as compact JSON; null is [`VariableText::Absent`].
    pub fn text(self) -> VariableText<'a> {
        match self.kind() {
            Kind::Null => VariableText::Absent,
            Kind::Number | Kind::True | Kind::False => {
                VariableText::Plain(Cow::Borrowed(self.raw()))
            }
            // Control characters are only there where they are escaped (RFC 8259 section 7).
            Kind::String => VariableText::Plain(self.as_str().unwrap_or_default()),
            Kind::Object => VariableText::Plain(Cow::Owned(self.compact())),
            Kind::Array if self.holds_object() => VariableText::Plain(Cow::Owned(self.compact())),
            Kind::EscapedString => VariableText::checked(self.as_str().unwrap_or_default()),
            Kind::Array => {
                let mut joined = String::new();
                self.join(&mut joined);
                VariableText::checked(Cow::Owned(joined))
            }
        }
    }

    /// The value's JSON without white space; numbers and strings stay as written.
    pub fn compact(self) -> String {
        work::count(self.raw().len());
        compact_json(self.raw())
    }

    fn holds_object(self) -> bool {
        self.nodes.iter().any(|node| node.kind == Kind::Object)
    }

    fn join(self, joined: &mut String) {
        for (n, element) in self.elements().enumerate() {
            if n > 0 {
                joined.push(',');
            }
            match element.kind() {
                Kind::Array => element.join(joined),
                _ => joined.push_str(&element.as_str().unwrap_or(Cow::Borrowed(element.raw()))),
            }
        }
    }
}

impl std::fmt::Debug for Value<'_> {
    /// The kind only: a value may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Value({:?})", self.kind())
    }
}

/// The text form of a value, for a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VariableText<'a> {
    /// There is no such value, or it is null.
    Absent,
    /// VariableText without NUL, CR and LF.
    Plain(Cow<'a, str>),
    /// The text holds NUL, CR or LF: no variable may carry it.
    Unsafe,
}

impl<'a> VariableText<'a> {
    fn checked(text: Cow<'a, str>) -> Self {
        match is_field_value(text.as_bytes()) {
            true => Self::Plain(text),
            false => Self::Unsafe,
        }
    }
}

struct Siblings<'a> {
    text: &'a str,
    nodes: &'a [Node],
}

impl<'a> Iterator for Siblings<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        work::count(1);
        let size = self.nodes.first()?.size as usize;
        let (nodes, rest) = self.nodes.split_at_checked(size)?;
        self.nodes = rest;
        Some(Value::new(self.text, nodes))
    }
}

/// Resolves the escape sequences of a string that was parsed.
fn unescape(text: &str) -> String {
    work::count(text.len());
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, _)) = rest.split_once('\\') {
        plain.push_str(before);
        let sequence = rest.get(before.len()..).unwrap_or_default();
        let Some((character, length)) = parse::escape(sequence.as_bytes()) else {
            break;
        };
        plain.push(character);
        rest = sequence.get(length..).unwrap_or_default();
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests;
