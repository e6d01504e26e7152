//! JSON texts together with the list of values that are in them.

use std::fmt;

use text::Quoted;

use super::parse::{self, RepeatedNames};
use super::value::{JsonKind, JsonValue, Node, StringRef};
use crate::error::{Error, InputPart};
use crate::limits::Limits;

/// A JSON text that is owned, with the values in it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Document {
    text: String,
    nodes: Vec<Node>,
}

impl Document {
    /// Parses a value of any type, with the limits that claims have.
    ///
    /// # Errors
    /// If the text is not JSON, or longer or deeper than the limits.
    pub fn parse_value(text: &[u8], limits: &Limits) -> Result<Self, Error> {
        let part = InputPart::Value;
        let text = checked_text(text.to_vec(), part, limits.json_bytes)?;
        let nodes = parse::nodes(&text, part, limits.json_depth, RepeatedNames::Refuse)?;
        Ok(Self { text, nodes })
    }

    /// Parses an object of at most `bytes` bytes in which arrays and objects are nested at most
    /// `depth` deep. Errors are about `part`.
    pub(crate) fn parse_object(
        text: Vec<u8>,
        part: InputPart,
        bytes: usize,
        depth: usize,
    ) -> Result<Self, Error> {
        let text = checked_text(text, part, bytes)?;
        let nodes = object_nodes(&text, part, depth, RepeatedNames::Refuse)?;
        Ok(Self { text, nodes })
    }

    /// The value that the text consists of.
    pub fn root(&self) -> JsonValue<'_> {
        JsonValue::new(&self.text, &self.nodes)
    }

    /// The text as it was parsed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The text of a string of this document.
    pub(crate) fn resolve<'a>(&'a self, string: &'a StringRef) -> &'a str {
        string.resolve(&self.text)
    }

    /// Bytes of heap memory.
    pub(crate) fn memory(&self) -> usize {
        let nodes = self.nodes.capacity().saturating_mul(size_of::<Node>());
        self.text.capacity().saturating_add(nodes)
    }
}

impl fmt::Debug for Document {
    /// Shows only the type, because the value may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root().fmt(f)
    }
}

/// The values of a JSON object whose text somebody else owns.
pub(crate) struct Index(Vec<Node>);

impl Index {
    /// Like [`Document::parse_object`], without a copy of the text. Inside the object there may be
    /// others that have two members of the same name, see [`JsonValue::repeated_name`].
    pub(crate) fn of_object(text: &str, part: InputPart, depth: usize) -> Result<Self, Error> {
        let nodes = object_nodes(text, part, depth, RepeatedNames::Accept)?;
        match JsonValue::new(text, &nodes).repeated_name() {
            None => Ok(Self(nodes)),
            Some(name) => Err(Error::DuplicateName {
                part,
                name: Quoted::new(&*name),
            }),
        }
    }

    /// The object. `text` has to be the text that was parsed.
    pub(crate) fn root<'a>(&'a self, text: &'a str) -> JsonValue<'a> {
        JsonValue::new(text, &self.0)
    }
}

fn checked_text(text: Vec<u8>, part: InputPart, limit: usize) -> Result<String, Error> {
    match text.len() > limit {
        true => Err(Error::TooLarge { part, limit }),
        false => String::from_utf8(text).map_err(|_| Error::NotUtf8 { part }),
    }
}

fn object_nodes(
    text: &str,
    part: InputPart,
    depth: usize,
    repeated_names: RepeatedNames,
) -> Result<Vec<Node>, Error> {
    let nodes = parse::nodes(text, part, depth, repeated_names)?;
    match JsonValue::new(text, &nodes).kind() {
        JsonKind::Object => Ok(nodes),
        _ => Err(Error::NotObject { part }),
    }
}
