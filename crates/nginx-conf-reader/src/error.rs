//! Where a directive stands, and what is wrong with it.

use std::fmt::{self, Display};
use std::io;
use std::path::Path;
use std::rc::Rc;

/// A line of a file of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The file.
    pub file: Rc<Path>,
    /// The line in which the directive ends with `;` or `{`, as nginx counts.
    pub line: usize,
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// Why a configuration cannot be read, or a question about it not be answered. The text has the
/// form of nginx's messages, with file and line at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfError {
    message: String,
    place: Option<Place>,
}

impl ConfError {
    /// An error without a place in the configuration.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            place: None,
        }
    }

    /// An error in a line.
    pub fn at(place: &Place, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            place: Some(place.clone()),
        }
    }

    /// A file that cannot be read.
    pub(crate) fn open(file: &Path, error: &io::Error, place: Option<&Place>) -> Self {
        Self {
            message: format!(
                "open() \"{}\" failed ({})",
                file.display(),
                system_error(error)
            ),
            place: place.cloned(),
        }
    }
}

impl Display for ConfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.place {
            Some(place) => write!(f, " in {place}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfError {}

/// An error of the system in nginx's form: `2: No such file or directory`.
fn system_error(error: &io::Error) -> String {
    let text = error.to_string();
    match (error.raw_os_error(), text.rsplit_once(" (os error ")) {
        (Some(code), Some((text, _))) => format!("{code}: {text}"),
        _ => text,
    }
}
