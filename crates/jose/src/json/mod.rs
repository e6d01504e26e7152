//! Strict JSON (RFC 8259): a [`Document`] owns a text and a flat list of the values in it, and a
//! [`JsonValue`] is a view of one of them. Numbers, strings and spelling stay as written. This is
//! not serde_json because its `Value` rounds numbers and keeps the last of two members with the
//! same name, because its feature `arbitrary_precision` reads an object with one special name as a
//! number, and because it alone takes longer than all other work on a token (docs/performance.md).
//! A test compares what both read.

mod document;
mod escape;
mod number;
mod parse;
mod value;

pub use document::Document;
pub(crate) use document::Index;
pub use number::compare_numbers;
pub(crate) use value::StringRef;
pub use value::{JsonKind, JsonValue, VariableText};

#[cfg(test)]
mod tests;
