//! What a value of a token is compared with, and how: JSON values by their content, numbers
//! exactly.

use std::borrow::Cow;
use std::cmp::Ordering;

use jose::{JsonKind, JsonValue, compare_numbers};

/// Up to this many members, those of two objects are looked up one by one. With more, sorting is
/// faster.
const MAX_LOOKED_UP: usize = 16;

/// What a value of a token is compared with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Operand<'a> {
    /// A text that stands for a string and, if it is a number, for that number as well.
    Text(&'a [u8]),
    /// A JSON value.
    Json(JsonValue<'a>),
}

impl<'a> Operand<'a> {
    /// Whether `value` is the same JSON value.
    pub(super) fn equals(self, value: JsonValue<'_>) -> bool {
        match self {
            Self::Json(json) => json_equals(value, json),
            Self::Text(text) => match value.kind() {
                JsonKind::Number => self.compare(value) == Ok(Ordering::Equal),
                _ => value.as_str().is_some_and(|own| own.as_bytes() == text),
            },
        }
    }

    /// How `value` is to this operand: two numbers by their values, two strings by their bytes.
    ///
    /// # Errors
    /// What `value` would have to be.
    pub(super) fn compare(self, value: JsonValue<'_>) -> Result<Ordering, &'static str> {
        let ordering = match (value.as_number(), self.as_number()) {
            (Some(number), Some(own)) => compare_numbers(number, own),
            _ => None,
        };
        let compare_strings = || {
            let (string, own) = (value.as_str()?, self.as_string()?);
            Some(string.as_bytes().cmp(&own))
        };
        ordering
            .or_else(compare_strings)
            .ok_or_else(|| self.comparable())
    }

    /// Whether something can be compared with it by order.
    pub(super) fn has_order(self) -> bool {
        self.as_number().is_some() || self.as_string().is_some()
    }

    /// The members of an array, if it is one and `alone` is set. Otherwise the operand itself.
    pub(super) fn elements(self, alone: bool) -> impl Iterator<Item = Operand<'a>> {
        let array = match self {
            Self::Json(json) if alone && json.kind() == JsonKind::Array => Some(json),
            _ => None,
        };
        let itself = array.is_none().then_some(self);
        array
            .into_iter()
            .flat_map(JsonValue::elements)
            .map(Operand::Json)
            .chain(itself)
    }

    fn as_number(self) -> Option<&'a str> {
        match self {
            Self::Json(json) => json.as_number(),
            Self::Text(text) => {
                let text = str::from_utf8(text).ok()?;
                compare_numbers(text, "0").map(|_| text)
            }
        }
    }

    pub(super) fn as_string(self) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Json(json) => json.as_str().map(|string| match string {
                Cow::Borrowed(string) => Cow::Borrowed(string.as_bytes()),
                Cow::Owned(string) => Cow::Owned(string.into_bytes()),
            }),
        }
    }

    /// What can be compared with it by order.
    fn comparable(self) -> &'static str {
        match (self.as_number(), self) {
            (Some(_), Self::Text(_)) => "a number or a string",
            (Some(_), Self::Json(_)) => "a number",
            (None, _) => "a string",
        }
    }
}

/// The elements of an array; any other value is the only one.
pub(super) fn elements_of(value: JsonValue<'_>) -> impl Iterator<Item = JsonValue<'_>> {
    let itself = (value.kind() != JsonKind::Array).then_some(value);
    value.elements().chain(itself)
}

/// What a log line calls a type.
pub(super) fn kind_name(kind: JsonKind) -> &'static str {
    match kind {
        JsonKind::Null => "null",
        JsonKind::False | JsonKind::True => "a boolean",
        JsonKind::Number => "a number",
        JsonKind::String | JsonKind::EscapedString => "a string",
        JsonKind::Array => "an array",
        JsonKind::Object => "an object",
    }
}

/// Whether two JSON values are the same: strings without regard to escape sequences, numbers
/// without regard to their spelling, objects without regard to the order of their members.
fn json_equals(a: JsonValue<'_>, b: JsonValue<'_>) -> bool {
    match (a.kind(), b.kind()) {
        (JsonKind::Number, JsonKind::Number) => {
            compare_numbers(a.raw(), b.raw()) == Some(Ordering::Equal)
        }
        (
            JsonKind::String | JsonKind::EscapedString,
            JsonKind::String | JsonKind::EscapedString,
        ) => a.as_str() == b.as_str(),
        (JsonKind::Array, JsonKind::Array) => arrays_equal(a, b),
        (JsonKind::Object, JsonKind::Object) => objects_equal(a, b),
        (a, b) => a == b,
    }
}

fn arrays_equal(a: JsonValue<'_>, b: JsonValue<'_>) -> bool {
    let (mut a, mut b) = (a.elements(), b.elements());
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if json_equals(a, b) => {}
            _ => return false,
        }
    }
}

/// Names are unique in each of them: the parser refuses others.
fn objects_equal(a: JsonValue<'_>, b: JsonValue<'_>) -> bool {
    let count = a.members().count();
    if count != b.members().count() {
        return false;
    }
    if count <= MAX_LOOKED_UP {
        return a.members().all(|(name, value)| {
            let other = b.get(name.as_bytes());
            other.is_some_and(|other| json_equals(value, other))
        });
    }
    let (a, b) = (sorted_members(a), sorted_members(b));
    a.iter()
        .zip(&b)
        .all(|(a, b)| a.0 == b.0 && json_equals(a.1, b.1))
}

fn sorted_members(object: JsonValue<'_>) -> Vec<(Cow<'_, str>, JsonValue<'_>)> {
    let mut members: Vec<_> = object.members().collect();
    members.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    members
}
