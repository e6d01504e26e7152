//! Access to files that are read again when they change.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::nginx::{Config, OpenError, open_stored_file};
use policy::auth_jwt::key_file::CachedKeyFile;
use policy::auth_jwt::watched_file::{FileAccess, FileError, FileIdentity, FileRead};
use text::Quoted;

/// A key file on disk.
pub(super) type KeyFile = CachedKeyFile<FilePath>;

/// Where such a file is.
pub(super) struct FilePath(pub(super) PathBuf);

impl FilePath {
    /// Warns if the workers certainly may not read the file. They have what the master read until it
    /// changes. `kind` is what the file is to the configuration.
    pub(super) fn warn_of_obstacle(&self, kind: &str, cf: &Config<'_>) {
        let obstacle = cf.worker_user().and_then(|user| self.obstacle_for(user));
        if let Some(obstacle) = obstacle {
            cf.warn(format_args!(
                "{kind} {self}: it cannot be read when it changes, {obstacle}"
            ));
        }
    }

    /// What keeps this user from reading the file, if its permissions certainly do.
    fn obstacle_for(&self, user: u32) -> Option<String> {
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
impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Quoted::whole(self.0.as_os_str().as_encoded_bytes()).fmt(f)
    }
}

impl FileAccess for FilePath {
    fn identity(&self) -> Result<FileIdentity, FileError> {
        regular_file(&self.0).map(|metadata| identity(&metadata))
    }

    fn read(&self, max_bytes: usize) -> Result<FileRead, FileError> {
        let (file, metadata) = open_stored_file(&self.0).map_err(|error| match error {
            OpenError::Io(error) => unreadable(&self.0, error),
            OpenError::Directory => FileError::Directory,
            OpenError::NotRegular => FileError::NotRegular,
            OpenError::Pseudo => FileError::Pseudo,
        })?;
        let text = match usize::try_from(metadata.size()) {
            Ok(size) if size <= max_bytes => {
                read_text(file, size, max_bytes).map_err(|error| unreadable(&self.0, error))?
            }
            _ => Err(FileError::TooLarge(max_bytes)),
        };
        Ok(FileRead {
            identity: identity(&metadata),
            text,
        })
    }

    fn now(&self) -> Duration {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.unwrap_or_default()
    }
}

/// The content of a file, which had this size and may be growing.
fn read_text(file: File, size: usize, max_bytes: usize) -> io::Result<Result<Vec<u8>, FileError>> {
    let mut text = Vec::new();
    // One more byte than there is: the end of the file is seen without a larger buffer.
    text.try_reserve_exact(size.saturating_add(1))?;
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX);
    file.take(limit.saturating_add(1)).read_to_end(&mut text)?;
    Ok(match text.len() > max_bytes {
        true => Err(FileError::TooLarge(max_bytes)),
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
fn regular_file(path: &Path) -> Result<Metadata, FileError> {
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, error))?;
    match (metadata.is_file(), metadata.is_dir()) {
        (true, _) => Ok(metadata),
        (false, true) => Err(FileError::Directory),
        (false, false) => Err(FileError::NotRegular),
    }
}

fn unreadable(path: &Path, error: io::Error) -> FileError {
    if error.kind() == io::ErrorKind::NotFound {
        return FileError::Missing(error.to_string());
    }
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
    FileError::Unreadable(reason)
}

/// Why this user may not read the file, and what helps.
fn obstacle(path: &Path, metadata: &Metadata, user: u32) -> String {
    const READABLE_BY_OTHERS: u32 = 0o004;
    let (user, owner) = (user_name(user), user_name(metadata.uid()));
    let mode = metadata.mode() & 0o7777;
    let path = Quoted::whole(path.as_os_str().as_encoded_bytes());
    if mode & READABLE_BY_OTHERS != 0 {
        return format!(
            "user \"{user}\" may not read it, though its mode {mode:04o} allows that: see its access \
             control list (getfacl {path}), SELinux (ls -Z {path}, ausearch -m avc) or AppArmor"
        );
    }
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
