//! What a command prints, and its exit status.

use std::io::{self, ErrorKind, Write};

use crate::input::InputError;
use crate::printable::{indented_json, printable, printable_json};

/// What a command has to say.
#[derive(Debug, Default)]
pub struct Report {
    /// What goes to standard output. It is printable, with escape sequences for colors at most.
    pub text: String,
    /// Lines for standard error.
    pub warnings: Vec<String>,
    /// Whether the answer is no: the token is refused, or the file is of no use.
    pub is_no: bool,
    /// Why there is no more to say.
    pub error: Option<CommandError>,
}

/// Why a command has nothing to say.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The options are wrong together, or a value is.
    #[error("{0}")]
    Usage(String),
    /// The configuration cannot be read, or it has no answer.
    #[error("{0}")]
    Configuration(String),
    /// The input cannot be used.
    #[error("{0}")]
    Unusable(String),
    /// A file cannot be read.
    #[error("{0}")]
    Input(#[from] InputError),
    /// A file cannot be written.
    #[error("cannot write {name}: {error}")]
    Output {
        /// What was to be written.
        name: String,
        /// Why not.
        error: io::Error,
    },
}

impl Report {
    /// A report with this JSON text.
    pub fn json(json: &str) -> Self {
        let mut text = printable_json(&indented_json(json));
        text.push('\n');
        Self {
            text,
            ..Self::default()
        }
    }

    /// Prints it, and says what the exit status is. A reader that has left is no error.
    pub fn print(&self) -> u8 {
        for warning in &self.warnings {
            warn("warning", warning);
        }
        let mut output = anstream::stdout().lock();
        let written = output.write_all(self.text.as_bytes());
        match written.and_then(|()| output.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                let name = "standard output".to_owned();
                CommandError::Output { name, error }.print()
            }
            _ => match &self.error {
                Some(error) => error.print(),
                None => u8::from(self.is_no),
            },
        }
    }
}

impl CommandError {
    /// Prints it, and says what the exit status is.
    pub fn print(&self) -> u8 {
        warn("error", &self.to_string());
        match self {
            Self::Unusable(_) => 1,
            Self::Usage(_) => 2,
            Self::Configuration(_) | Self::Input(_) | Self::Output { .. } => 3,
        }
    }
}

/// Writes a line to standard error. If that is not possible, nobody can be told.
fn warn(what: &str, message: &str) {
    let line = format!("nginx-auth: {what}: {}\n", printable(message));
    _ = anstream::stderr().write_all(line.as_bytes());
}
