//! Access to key files.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jose::KeySet;
use policy::auth_jwt::key_cache::KeyError;
use policy::auth_jwt::key_file::{self, FileAccess, FileRead, Identity};

pub(super) type KeyFile = key_file::KeyFile<KeyFilePath>;

/// Where a key file is.
pub(super) struct KeyFilePath(pub(super) PathBuf);

impl KeyFilePath {
    /// Whether it is sure that this user cannot read the file, by its permissions.
    pub(super) fn is_closed_to(&self, user: u32) -> bool {
        const FOR_OTHERS: u32 = 0o044;
        let is_root = user == 0;
        !is_root
            && fs::metadata(&self.0)
                .is_ok_and(|metadata| metadata.uid() != user && metadata.mode() & FOR_OTHERS == 0)
    }
}

impl FileAccess for KeyFilePath {
    fn identity(&self) -> Result<Identity, KeyError> {
        regular_file(&self.0).map(|metadata| identity(&metadata))
    }

    fn read(&self) -> Result<FileRead, KeyError> {
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let file = File::open(&self.0).map_err(unreadable)?;
        let identity = identity(&file.metadata().map_err(unreadable)?);
        let mut text = Vec::new();
        let limit = KeySet::MAX_BYTES as u64;
        file.take(limit + 1)
            .read_to_end(&mut text)
            .map_err(unreadable)?;
        let text = match text.len() > KeySet::MAX_BYTES {
            true => Err(KeyError::TooLarge),
            false => Ok(text),
        };
        Ok(FileRead {
            identity,
            at: at.unwrap_or_default(),
            text,
        })
    }
}

fn identity(metadata: &Metadata) -> Identity {
    Identity {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    }
}

/// To open a pipe or a device could stop the worker for good: look first.
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
