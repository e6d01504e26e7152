//! Access to key files.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::nginx::{OpenError, open_stored_file};
use jose::KeySet;
use policy::auth_jwt::key_cache::KeyError;
use policy::auth_jwt::key_file::{CachedKeyFile, FileAccess, FileIdentity, FileRead};
use text::Quoted;

/// A key file on disk.
pub(super) type KeyFile = CachedKeyFile<KeyFilePath>;

/// Where a key file is.
pub(super) struct KeyFilePath(pub(super) PathBuf);

impl KeyFilePath {
    /// Whether the permissions of the file certainly keep this user from reading it.
    pub(super) fn is_unreadable_by(&self, user: u32) -> bool {
        const READABLE_BY_GROUP_OR_OTHERS: u32 = 0o044;
        let is_root = user == 0;
        !is_root
            && fs::metadata(&self.0).is_ok_and(|metadata| {
                metadata.uid() != user && metadata.mode() & READABLE_BY_GROUP_OR_OTHERS == 0
            })
    }
}

/// The path as log lines quote it.
impl fmt::Display for KeyFilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Quoted::whole(self.0.as_os_str().as_encoded_bytes()).fmt(f)
    }
}

impl FileAccess for KeyFilePath {
    fn identity(&self) -> Result<FileIdentity, KeyError> {
        regular_file(&self.0).map(|metadata| identity(&metadata))
    }

    fn read(&self) -> Result<FileRead, KeyError> {
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let (file, metadata) = open_stored_file(&self.0).map_err(|error| match error {
            OpenError::Io(error) => unreadable(error),
            OpenError::NotRegular => KeyError::NotRegular,
            OpenError::Pseudo => KeyError::Pseudo,
        })?;
        let text = match metadata.size() > KeySet::MAX_BYTES as u64 {
            true => Err(KeyError::TooLarge),
            false => read_text(file)?,
        };
        Ok(FileRead {
            identity: identity(&metadata),
            at: at.unwrap_or_default(),
            text,
        })
    }
}

/// The content of a file, which may be growing.
fn read_text(file: File) -> Result<Result<Vec<u8>, KeyError>, KeyError> {
    let mut text = Vec::new();
    let limit = KeySet::MAX_BYTES as u64;
    file.take(limit + 1)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    Ok(match text.len() > KeySet::MAX_BYTES {
        true => Err(KeyError::TooLarge),
        false => Ok(text),
    })
}

fn identity(metadata: &Metadata) -> FileIdentity {
    FileIdentity {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    }
}

/// The metadata of a regular file.
fn regular_file(path: &Path) -> Result<Metadata, KeyError> {
    let metadata = fs::metadata(path).map_err(unreadable)?;
    match metadata.is_file() {
        true => Ok(metadata),
        false => Err(KeyError::NotRegular),
    }
}

fn unreadable(error: io::Error) -> KeyError {
    KeyError::Unreadable(error.to_string())
}
