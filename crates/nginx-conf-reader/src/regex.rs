//! Regular expressions, by the library that nginx uses.

use pcre2::bytes::{Regex, RegexBuilder};
use text::Quoted;

use crate::error::{ConfError, Place};

/// Whether a text matches.
///
/// # Errors
/// The expression is none, or the search goes beyond the library's bounds.
pub fn matches(
    pattern: &[u8],
    ignores_case: bool,
    text: &[u8],
    place: &Place,
) -> Result<bool, ConfError> {
    let regex = compile(pattern, ignores_case, place)?;
    regex.is_match(text).map_err(|error| {
        let pattern = Quoted::whole(pattern);
        ConfError::at(place, format!("cannot match {pattern}: {error}"))
    })
}

fn compile(pattern: &[u8], ignores_case: bool, place: &Place) -> Result<Regex, ConfError> {
    let quoted = Quoted::whole(pattern);
    let text = str::from_utf8(pattern).map_err(|_| {
        ConfError::at(
            place,
            format!("cannot follow the regular expression {quoted}: it is not in UTF-8"),
        )
    })?;
    let mut builder = RegexBuilder::new();
    builder.caseless(ignores_case);
    builder.build(text).map_err(|error| {
        ConfError::at(
            place,
            format!("cannot compile the regular expression {quoted}: {error}"),
        )
    })
}
