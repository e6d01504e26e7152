//! `auth_jwt_upstream_header`: what of a claim is in header lines for upstreams.

use std::borrow::Cow;

use jose::{JsonKind, JsonValue, VariableText};

use super::value_path::ValuePath;

/// A claim, and how header lines have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimHeader {
    path: ValuePath,
    form: HeaderForm,
}

/// The parameter `as=`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HeaderForm {
    /// One line with the text of the claim, the elements of an array joined by commas.
    #[default]
    Text,
    /// One line with the claim as compact JSON.
    Json,
    /// One line for each element of an array.
    Lines,
}

/// The values of the lines of one claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderValues<'a> {
    /// There is no line: the claim is missing, null or empty.
    None,
    /// There is one line.
    One(Cow<'a, str>),
    /// There is a line for each of these.
    Several(Vec<Cow<'a, str>>),
}

/// Why a claim that is there is in no line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnfitClaim {
    /// A control character would end the line, or be read in another way.
    #[error("the claim has a control character")]
    ControlCharacter,
    /// An object, or an array in an array, has no text.
    #[error("the claim is or holds an object, or an array in an array: write \"as=json\"")]
    Structure,
    /// Two elements would look like three.
    #[error("an element of the claim has a comma: write \"as=lines\" or \"as=json\"")]
    Comma,
    /// Whoever reads a header line drops the spaces around its value.
    #[error("the claim or an element of it begins or ends with a space")]
    Space,
}

impl HeaderForm {
    /// Reads the value of `as=`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        match text {
            b"text" => Some(Self::Text),
            b"json" => Some(Self::Json),
            b"lines" => Some(Self::Lines),
            _ => None,
        }
    }
}

impl ClaimHeader {
    /// The claim at this path.
    ///
    /// # Errors
    /// What would be right, if the path is none.
    pub fn new(path: &[u8], form: HeaderForm) -> Result<Self, &'static str> {
        let path = ValuePath::parse(path)?;
        Ok(Self { path, form })
    }

    /// What the lines have of these claims.
    ///
    /// # Errors
    /// If the claim is one that header lines cannot have in this form.
    pub fn values<'a>(&self, claims: JsonValue<'a>) -> Result<HeaderValues<'a>, UnfitClaim> {
        let Some(value) = self.path.find(claims) else {
            return Ok(HeaderValues::None);
        };
        match (self.form, value.kind()) {
            (_, JsonKind::Null) => Ok(HeaderValues::None),
            (HeaderForm::Json, _) => one(value.json_text()),
            (_, JsonKind::Object) => Err(UnfitClaim::Structure),
            (HeaderForm::Text, JsonKind::Array) => joined(value),
            (HeaderForm::Lines, JsonKind::Array) => {
                let lines = value
                    .elements()
                    .map(element)
                    .collect::<Result<Vec<_>, _>>()?;
                let lines = lines.into_iter().filter(|line| !line.is_empty());
                Ok(HeaderValues::Several(lines.collect()))
            }
            (HeaderForm::Text | HeaderForm::Lines, _) => one(value.text()),
        }
    }
}

fn one(text: VariableText<'_>) -> Result<HeaderValues<'_>, UnfitClaim> {
    let text = checked(text)?;
    Ok(match text.is_empty() {
        true => HeaderValues::None,
        false => HeaderValues::One(text),
    })
}

/// The elements of an array, joined by commas. No element may have one itself: `["a,admin"]` would
/// look like `["a","admin"]`.
fn joined(array: JsonValue<'_>) -> Result<HeaderValues<'_>, UnfitClaim> {
    let mut joined = String::new();
    for (n, value) in array.elements().enumerate() {
        let element = element(value)?;
        if element.contains(',') {
            return Err(UnfitClaim::Comma);
        }
        if n > 0 {
            joined.push(',');
        }
        joined.push_str(&element);
    }
    Ok(match joined.is_empty() {
        true => HeaderValues::None,
        false => HeaderValues::One(joined.into()),
    })
}

fn element(value: JsonValue<'_>) -> Result<Cow<'_, str>, UnfitClaim> {
    match value.kind() {
        JsonKind::Object | JsonKind::Array => Err(UnfitClaim::Structure),
        JsonKind::Null => Ok(Cow::Borrowed("null")),
        _ => checked(value.text()),
    }
}

fn checked(text: VariableText<'_>) -> Result<Cow<'_, str>, UnfitClaim> {
    match text {
        VariableText::Absent => Ok(Cow::Borrowed("")),
        VariableText::Unsafe => Err(UnfitClaim::ControlCharacter),
        VariableText::Plain(text) if text.trim().len() != text.len() => Err(UnfitClaim::Space),
        VariableText::Plain(text) => Ok(text),
    }
}

#[cfg(test)]
mod tests;
