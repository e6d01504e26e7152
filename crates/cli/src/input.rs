//! What is read from files and from standard input, bounded in size.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use jose::{KeySet, Limits};
use text::Quoted;

/// The longest text that holds a token: what nginx would never take, but a line feed more than jose
/// does, so that jose says what is wrong with a longer one.
const MAX_TOKEN: usize = 1 << 20;

/// Why an input cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The system says why.
    #[error("cannot read {name}: {error}")]
    Unreadable {
        /// What was read.
        name: String,
        /// Why not.
        error: io::Error,
    },
    /// There is more than anybody needs.
    #[error("{name} is longer than {limit} bytes")]
    TooLong {
        /// What was read.
        name: String,
        /// The limit in bytes.
        limit: usize,
    },
}

/// Where an input is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputSource {
    /// Standard input, which `-` names.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl InputSource {
    /// The source with this name on the command line.
    pub fn named(name: &Path) -> Self {
        match name.as_os_str() == "-" {
            true => Self::Stdin,
            false => Self::File(name.to_owned()),
        }
    }

    /// Its name in messages.
    pub fn name(&self) -> String {
        match self {
            Self::Stdin => "standard input".to_owned(),
            Self::File(path) => quoted_path(path),
        }
    }

    /// Reads all of it, at most `limit` bytes.
    ///
    /// # Errors
    /// [`InputError`]
    pub fn read(&self, limit: usize) -> Result<Vec<u8>, InputError> {
        let read = match self {
            Self::Stdin => read_from(io::stdin().lock(), limit),
            Self::File(path) => File::open(path).and_then(|file| read_from(file, limit)),
        };
        let bytes = read.map_err(|error| InputError::Unreadable {
            name: self.name(),
            error,
        })?;
        match bytes.len() > limit {
            true => Err(InputError::TooLong {
                name: self.name(),
                limit,
            }),
            false => Ok(bytes),
        }
    }

    /// Reads a key set, or what is in its place.
    ///
    /// # Errors
    /// [`InputError`]
    pub fn read_keys(&self) -> Result<Vec<u8>, InputError> {
        self.read(KeySet::MAX_BYTES)
    }

    /// Reads a token: all of the input but a line feed at its end.
    ///
    /// # Errors
    /// [`InputError`]
    pub fn read_token(&self) -> Result<Vec<u8>, InputError> {
        let limit = MAX_TOKEN.max(Limits::default().token_bytes.saturating_add(2));
        let mut bytes = self.read(limit)?;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        Ok(bytes)
    }
}

/// A path as messages name it.
pub fn quoted_path(path: &Path) -> String {
    Quoted::whole(path.as_os_str().as_encoded_bytes()).to_string()
}

/// Reads up to one byte more than the limit.
fn read_from(reader: impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    reader.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
