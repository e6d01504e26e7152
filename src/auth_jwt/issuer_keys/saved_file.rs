//! `state_path`: the last good keys of an issuer in a file, for a start while the issuer does not
//! answer.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::nginx::net::unix_time;
use crate::nginx::{OpenError, is_own_file, open_stored_file};
use policy::auth_jwt::saved_keys::{self, MAX_BYTES, SavedKeysError};

/// The file with the keys of an issuer.
pub(super) struct SavedFile {
    path: PathBuf,
    /// Whose keys these are.
    identity: Box<str>,
}

/// Why the keys in a file are not used. The texts follow its name.
#[derive(Debug, thiserror::Error)]
pub(super) enum SavedFileError {
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("is no regular file")]
    NotRegular,
    #[error("can be written by others than root and the user of the workers")]
    Foreign,
    #[error("{0}")]
    Content(#[from] SavedKeysError),
}

impl SavedFile {
    /// The file in this folder for these keys.
    pub(super) fn new(folder: &Path, identity: &str) -> Self {
        Self {
            path: folder.join(saved_keys::file_name(identity)),
            identity: identity.into(),
        }
    }

    /// The name of the file, for messages.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The text of the key set in the file, and how long ago the issuer gave it. `None`: there is no
    /// file.
    ///
    /// # Errors
    /// [`SavedFileError`]
    pub(super) fn read(&self) -> Result<Option<(Vec<u8>, Duration)>, SavedFileError> {
        let (file, metadata) = match open_stored_file(&self.path) {
            Err(OpenError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(OpenError::Io(error)) => return Err(error.into()),
            Err(OpenError::Directory | OpenError::NotRegular | OpenError::Pseudo) => {
                return Err(SavedFileError::NotRegular);
            }
            Ok(opened) => opened,
        };
        if !is_own_file(&metadata) {
            return Err(SavedFileError::Foreign);
        }
        let mut content = Vec::new();
        file.take(MAX_BYTES as u64 + 1).read_to_end(&mut content)?;
        let saved = saved_keys::decode(&content, &self.identity, unix_time())?;
        Ok(Some((saved.text.to_vec(), saved.age)))
    }

    /// Puts a new file in the place of the old one. It is not flushed to the disk, which could hold
    /// the worker for a while: the digest tells a file that a crash of the system has damaged.
    pub(super) fn write(&self, text: &[u8]) -> io::Result<()> {
        let content = saved_keys::encode(&self.identity, unix_time(), text);
        let new = self
            .path
            .with_extension(format!("{}.new", std::process::id()));
        let written = write_new(&new, &content).and_then(|()| fs::rename(&new, &self.path));
        if written.is_err() {
            // The error that counts is the one before.
            let _ = fs::remove_file(&new);
        }
        written
    }
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    // One of a process that died in the middle may be there.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content)
}
