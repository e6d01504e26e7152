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
    /// What keeps this user from reading the file, if its permissions certainly do.
    pub(super) fn obstacle_for(&self, user: u32) -> Option<String> {
        const READABLE_BY_GROUP_OR_OTHERS: u32 = 0o044;
        if user == 0 {
            return None;
        }
        let metadata = fs::metadata(&self.0).ok()?;
        let is_unreadable =
            metadata.uid() != user && metadata.mode() & READABLE_BY_GROUP_OR_OTHERS == 0;
        is_unreadable.then(|| obstacle(&self.0, &metadata, user))
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
            OpenError::Io(error) => unreadable(&self.0, error),
            OpenError::NotRegular => KeyError::NotRegular,
            OpenError::Pseudo => KeyError::Pseudo,
        })?;
        let text = match metadata.size() > KeySet::MAX_BYTES as u64 {
            true => Err(KeyError::TooLarge),
            false => read_text(file).map_err(|error| unreadable(&self.0, error))?,
        };
        Ok(FileRead {
            identity: identity(&metadata),
            at: at.unwrap_or_default(),
            text,
        })
    }
}

/// The content of a file, which may be growing.
fn read_text(file: File) -> io::Result<Result<Vec<u8>, KeyError>> {
    let mut text = Vec::new();
    let limit = KeySet::MAX_BYTES as u64;
    file.take(limit + 1).read_to_end(&mut text)?;
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
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, error))?;
    match metadata.is_file() {
        true => Ok(metadata),
        false => Err(KeyError::NotRegular),
    }
}

fn unreadable(path: &Path, error: io::Error) -> KeyError {
    let reason = match (error.kind(), worker_user()) {
        (io::ErrorKind::PermissionDenied, Some(user)) => match fs::metadata(path) {
            Ok(metadata) => format!("{error}: {}", obstacle(path, &metadata, user)),
            Err(_) => {
                let closed = closed_folder(path, user).unwrap_or_else(|| {
                    format!(
                        "user \"{}\" may not enter a folder above it",
                        user_name(user)
                    )
                });
                format!("{error}: {closed}")
            }
        },
        _ => error.to_string(),
    };
    KeyError::Unreadable(reason)
}

/// Why this user may not read the file, and what helps.
fn obstacle(path: &Path, metadata: &Metadata, user: u32) -> String {
    let (user, owner) = (user_name(user), user_name(metadata.uid()));
    let mode = metadata.mode() & 0o7777;
    let path = Quoted::whole(path.as_os_str().as_encoded_bytes());
    format!(
        "user \"{user}\" may not read it, its owner is \"{owner}\" and its mode {mode:04o}; run: \
         chown {user} {path} && chmod u+r {path}"
    )
}

/// Which folder above the file this user certainly may not enter, and what helps. From the root on,
/// since nobody can tell what is behind a closed folder.
fn closed_folder(path: &Path, user: u32) -> Option<String> {
    const OPEN_TO_GROUP_OR_OTHERS: u32 = 0o011;
    let mut folders: Vec<&Path> = path.ancestors().skip(1).collect();
    folders.reverse();
    for folder in folders {
        let metadata = fs::metadata(folder).ok()?;
        if metadata.uid() != user && metadata.mode() & OPEN_TO_GROUP_OR_OTHERS == 0 {
            let (user, owner) = (user_name(user), user_name(metadata.uid()));
            let mode = metadata.mode() & 0o7777;
            let folder = Quoted::whole(folder.as_os_str().as_encoded_bytes());
            return Some(format!(
                "user \"{user}\" may not enter the folder {folder}, its owner is \"{owner}\" and its \
                 mode {mode:04o}; run: chmod go+x {folder}"
            ));
        }
    }
    None
}

/// The user that this process runs as.
fn worker_user() -> Option<u32> {
    // /proc/self itself belongs to root after nginx has changed the user of the process.
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The name of a user in /etc/passwd, or the number.
fn user_name(user: u32) -> String {
    let number = user.to_string();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then(|| name.to_owned())
    });
    name.unwrap_or(number)
}
