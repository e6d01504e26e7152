//! The JSON body of a response that allows, which `auth_request_answer` keeps: an object whose
//! members `$auth_answer_<name>` and `$auth_json_<name>` show.
//!
//! The body says who somebody is, so that nothing of it counts unless all of it is certain: it is
//! whole, it is announced as JSON in UTF-8, and no name is there twice.

use std::cell::OnceCell;

use jose::{Document, Error, JsonKind, JsonValue, Limits};

use super::post_args::BodyFormat;

pub use jose::VariableText;

#[cfg(test)]
mod tests;

/// An answer of the authorization service.
pub struct Answer {
    /// What [`compact`](Self::compact) has returned, or nothing if the document is there.
    stored: Box<str>,
    // perf: a cache hit whose values are those of auth_request_set needs none of the members, and
    // does not parse them.
    document: OnceCell<Option<Document>>,
}

/// Why the body of a response is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// It is empty.
    #[error("the response has no body, and auth_request_answer requires one")]
    Empty,
    /// It is longer than the configuration allows.
    #[error("the body is larger than auth_request_answer")]
    TooLarge,
    /// Its end has not come.
    #[error("the body was truncated")]
    Truncated,
    /// nginx has it in a file.
    #[error("the body is in a file, and was not read")]
    Unreadable,
    /// A range of it was requested, as clients can do where their lines go to the service.
    #[error("the response has only a part of the body; do not pass the client's Range on")]
    Partial,
    /// Its type is not JSON in UTF-8, or it is encoded.
    #[error("the body is not announced as plain JSON (Content-Type, charset, Content-Encoding)")]
    MediaType,
    /// It is not UTF-8.
    #[error("the body is not UTF-8")]
    NotUtf8,
    /// It is not JSON.
    #[error("the body is not JSON at byte {0}")]
    NotJson(usize),
    /// It is JSON, but no object.
    #[error("the body is no JSON object")]
    NotObject,
    /// An object in it has a name twice.
    #[error("the body has a name twice in one object")]
    DuplicateName,
    /// Its arrays and objects are nested too deep.
    #[error("the body is nested too deep")]
    TooDeep,
}

/// The text of an answer that was stored is not what was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CorruptAnswer;

impl Answer {
    /// Reads the body of a response with this status. `lines` are the `Content-Type` and
    /// `Content-Encoding` lines of its header.
    ///
    /// # Errors
    /// [`AnswerError`]
    pub fn read<'a>(
        status: u16,
        lines: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        body: &[u8],
    ) -> Result<Self, AnswerError> {
        if status == 206 {
            return Err(AnswerError::Partial);
        }
        if body.is_empty() {
            return Err(AnswerError::Empty);
        }
        if BodyFormat::of_header(lines) != Some(BodyFormat::Json) {
            return Err(AnswerError::MediaType);
        }
        let document = parse(body)?;
        Ok(Self {
            stored: "".into(),
            document: OnceCell::from(Some(document)),
        })
    }

    /// An answer whose [`compact`](Self::compact) text was stored.
    ///
    /// # Errors
    /// [`CorruptAnswer`] if it is not UTF-8.
    pub fn from_stored(text: &[u8]) -> Result<Self, CorruptAnswer> {
        let text = std::str::from_utf8(text).map_err(|_| CorruptAnswer)?;
        Ok(Self {
            stored: text.into(),
            document: OnceCell::new(),
        })
    }

    /// The answer as JSON without white space, to be stored.
    ///
    /// # Errors
    /// [`CorruptAnswer`]
    pub fn compact(&self) -> Result<String, CorruptAnswer> {
        Ok(self.object()?.compact())
    }

    /// A member as text: that of a string; numbers as written; `true` and `false`; the elements of
    /// an array joined by commas; objects, and arrays that contain objects, as compact JSON. `None`
    /// if there is no such member.
    ///
    /// # Errors
    /// [`CorruptAnswer`]
    pub fn text(&self, name: &[u8]) -> Result<Option<VariableText<'_>>, CorruptAnswer> {
        Ok(self.object()?.get(name).map(JsonValue::text))
    }

    /// A member as compact JSON, in which a string is in quotes. `None` if there is no such member.
    ///
    /// # Errors
    /// [`CorruptAnswer`]
    pub fn json(&self, name: &[u8]) -> Result<Option<VariableText<'_>>, CorruptAnswer> {
        Ok(self.object()?.get(name).map(JsonValue::json_text))
    }

    fn object(&self) -> Result<JsonValue<'_>, CorruptAnswer> {
        let parse = || parse(self.stored.as_bytes()).ok();
        let document = self.document.get_or_init(parse).as_ref();
        Ok(document.ok_or(CorruptAnswer)?.root())
    }
}

fn parse(body: &[u8]) -> Result<Document, AnswerError> {
    let limits = Limits {
        // The length was limited when the body was read.
        json_bytes: body.len(),
        ..Limits::default()
    };
    let document = Document::parse_value(body, &limits).map_err(|error| match error {
        Error::NotUtf8 { .. } => AnswerError::NotUtf8,
        Error::DuplicateName { .. } => AnswerError::DuplicateName,
        Error::TooDeep { .. } => AnswerError::TooDeep,
        Error::JsonSyntax { offset, .. } => AnswerError::NotJson(offset),
        _ => AnswerError::NotJson(0),
    })?;
    match document.root().kind() {
        JsonKind::Object => Ok(document),
        _ => Err(AnswerError::NotObject),
    }
}
