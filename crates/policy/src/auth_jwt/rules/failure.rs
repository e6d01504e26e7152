//! Why a token does not meet a rule.

use jose::{JsonKind, JsonValue};
use text::Quoted;

use super::operand::kind_name;

/// Why a token does not meet a rule. The text ends a sentence that begins with the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleFailure {
    /// There is no such value.
    #[error("it is missing")]
    Missing,
    /// The value was judged.
    #[error("it is {kind}{value}{advice}")]
    Unmet {
        /// The type of the value in front of it, as in `the number `. Nothing for a string.
        kind: &'static str,
        /// The beginning of the value: the text of a string, the JSON of another type.
        value: Quoted,
        /// What may have been meant.
        advice: &'static str,
    },
    /// The operator cannot judge values of this type.
    #[error("it is {}, not {needed}", kind_name(*kind))]
    Type {
        /// The type of the value.
        kind: JsonKind,
        /// What it would have to be.
        needed: &'static str,
    },
    /// A variable of the rule has a value that is of no use.
    #[error("{name}: {reason}")]
    Variable {
        /// The variable, as the configuration has it.
        name: Box<str>,
        /// What is wrong with its value.
        reason: String,
    },
    /// The value is too long for a regular expression.
    #[error("it has {length} bytes, more than {limit}")]
    TooLong {
        /// Its length.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// The regular expression was not applied to the end.
    #[error("{0}")]
    Regex(&'static str),
    /// More elements would have to be compared than is allowed.
    #[error("it has too many elements to compare")]
    TooMany,
}

impl RuleFailure {
    /// `compares_whole` says whether the rule takes an array for a single value.
    pub(super) fn unmet(value: JsonValue<'_>, compares_whole: bool) -> Self {
        let kind = match value.kind() {
            JsonKind::String | JsonKind::EscapedString => "",
            JsonKind::Number => "the number ",
            JsonKind::Array => "the array ",
            JsonKind::Object => "the object ",
            JsonKind::Null | JsonKind::True | JsonKind::False => "the JSON value ",
        };
        let advice = match value.kind() {
            JsonKind::Array if compares_whole => "; \"any\" compares its elements",
            _ => "",
        };
        Self::Unmet {
            kind,
            advice,
            value: match value.as_str() {
                Some(string) => Quoted::new(&*string),
                None => Quoted::new(value.raw()),
            },
        }
    }
}
