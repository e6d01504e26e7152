//! Files that a command makes: never in the place of another one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::input::quoted_path;
use crate::output::CommandError;

/// A new file, still empty.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    file: File,
}

impl NewFile {
    /// Makes a file with this mode, less what the umask forbids.
    ///
    /// # Errors
    /// [`CommandError::Output`], also if there is such a file.
    pub fn create(path: &Path, mode: u32) -> Result<Self, CommandError> {
        let mut options = OpenOptions::new();
        let opened = options.write(true).create_new(true).mode(mode).open(path);
        match opened {
            Ok(file) => Ok(Self {
                path: path.to_owned(),
                file,
            }),
            Err(error) => Err(failed(path, error)),
        }
    }

    /// Writes all that the file is to hold.
    ///
    /// # Errors
    /// [`CommandError::Output`]
    pub fn write(mut self, text: &str) -> Result<(), CommandError> {
        let written = self.file.write_all(text.as_bytes());
        let written = written.and_then(|()| self.file.sync_all());
        written.map_err(|error| failed(&self.path, error))
    }

    /// Removes it again.
    pub fn remove(self) {
        _ = fs::remove_file(&self.path);
    }
}

fn failed(path: &Path, error: io::Error) -> CommandError {
    CommandError::Output {
        name: quoted_path(path),
        error,
    }
}
