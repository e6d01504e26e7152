//! Key files: read once, and again when they have changed.

use std::cell::RefCell;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::jose::{self, KeySet, Warning};

/// A file with a JWK Set or a JWK. What is in it counts from the moment that it is there.
pub(super) struct KeyFile {
    path: PathBuf,
    loaded: RefCell<Option<Loaded>>,
}

/// Why a key file is of no use. Says what is wrong with it, never what is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyFileError {
    #[error("{0}")]
    Unreadable(String),
    #[error("not a regular file")]
    NotRegular,
    #[error("larger than {} bytes", KeySet::MAX_BYTES)]
    TooLarge,
    #[error("{0}")]
    Invalid(#[from] jose::Error),
}

/// What a file was when it was read.
struct Loaded {
    identity: Identity,
    /// Whether a later change would show in the identity, see [`Identity::is_settled`].
    settled: bool,
    keys: Result<KeySet, KeyFileError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl KeyFile {
    /// A key file that is not read yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            loaded: RefCell::new(None),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The keys that are in the file now. Costs one stat where the file is as it was; where it was read anew,
    /// `report` is told of the keys that are weak or of no use.
    pub(super) fn keys(&self, report: impl FnMut(&Warning)) -> Result<KeySet, KeyFileError> {
        let identity = regular_file(&self.path).map(|metadata| Identity::of(&metadata))?;
        let mut loaded = self.loaded.borrow_mut();
        if let Some(loaded) = &*loaded
            && loaded.settled
            && loaded.identity == identity
        {
            return loaded.keys.clone();
        }
        let (identity, text) = read(&self.path)?;
        let keys = text.and_then(|text| Ok(KeySet::parse(&text)?));
        keys.iter().flat_map(KeySet::warnings).for_each(report);
        *loaded = Some(Loaded {
            identity,
            settled: identity.is_settled(),
            keys: keys.clone(),
        });
        keys
    }
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// A file system's clock is coarser than a nanosecond, and on some as coarse as two seconds: a file that was
    /// written just now could be written again without its identity changing. Such a file is read every time.
    fn is_settled(&self) -> bool {
        const COARSEST: Duration = Duration::from_secs(2);
        let (seconds, _) = self.modified.max(self.changed);
        let written = u64::try_from(seconds)
            .map(Duration::from_secs)
            .unwrap_or_default();
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH + written)
            .is_ok_and(|age| age > COARSEST)
    }
}

/// To open a pipe or a device could stop the worker for good: look first.
fn regular_file(path: &Path) -> Result<Metadata, KeyFileError> {
    let metadata = fs::metadata(path).map_err(unreadable)?;
    match metadata.is_file() {
        true => Ok(metadata),
        false => Err(KeyFileError::NotRegular),
    }
}

/// The file's text, with the identity of the very file that was read.
fn read(path: &Path) -> Result<(Identity, Result<Vec<u8>, KeyFileError>), KeyFileError> {
    let file = File::open(path).map_err(unreadable)?;
    let identity = Identity::of(&file.metadata().map_err(unreadable)?);
    let mut text = Vec::new();
    let limit = KeySet::MAX_BYTES as u64;
    file.take(limit + 1)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    let text = match text.len() > KeySet::MAX_BYTES {
        true => Err(KeyFileError::TooLarge),
        false => Ok(text),
    };
    Ok((identity, text))
}

/// Why a name that holds values from a request is not opened: such a value could lead out of the folder that the
/// configuration names.
pub(super) fn unfit_name(name: &[u8]) -> Option<&'static str> {
    if name.is_empty() {
        return Some("it is empty");
    }
    if name.contains(&0) {
        return Some("it holds a NUL");
    }
    let leads_out = name
        .split(|&byte| byte == b'/')
        .any(|segment| segment == b"..");
    leads_out.then_some("it holds \"..\"")
}

fn unreadable(error: io::Error) -> KeyFileError {
    KeyFileError::Unreadable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    const ONE: &str =
        r#"{"kty":"oct","kid":"1","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;
    const TWO: &str =
        r#"{"kty":"oct","kid":"2","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder =
                std::env::temp_dir().join(format!("nginx-auth-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn file(&self) -> PathBuf {
            self.0.join("keys.json")
        }

        /// Writes the file so that it looks as if it had long been there.
        fn write_old(&self, text: &str, seconds: u64) {
            fs::write(self.file(), text).unwrap();
            let file = File::options().append(true).open(self.file()).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds))
                .unwrap();
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn has(file: &KeyFile, kid: &str) -> bool {
        file.keys(|_| ()).unwrap().contains_kid(kid)
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error_until_it_is() {
        let folder = Folder::new("missing");
        let file = KeyFile::new(folder.file());
        let missing = "No such file or directory (os error 2)".to_owned();
        assert_eq!(
            file.keys(|_| ()).unwrap_err(),
            KeyFileError::Unreadable(missing)
        );
        fs::write(folder.file(), ONE).unwrap();
        assert!(has(&file, "1"));
    }

    #[test]
    fn a_removed_file_is_an_error_at_once() {
        let folder = Folder::new("removed");
        folder.write_old(ONE, 1000);
        let file = KeyFile::new(folder.file());
        assert!(has(&file, "1"));
        fs::remove_file(folder.file()).unwrap();
        assert!(matches!(
            file.keys(|_| ()),
            Err(KeyFileError::Unreadable(_))
        ));
    }

    #[test]
    fn a_file_replaced_or_rewritten_counts_at_once() {
        let folder = Folder::new("rotated");
        let file = KeyFile::new(folder.file());
        folder.write_old(ONE, 1000);
        assert!(has(&file, "1"));
        // In place, with the same size and time.
        folder.write_old(TWO, 1000);
        assert!(has(&file, "2") && !has(&file, "1"));
        // By rename.
        fs::write(folder.0.join("new"), ONE).unwrap();
        fs::rename(folder.0.join("new"), folder.file()).unwrap();
        assert!(has(&file, "1") && !has(&file, "2"));
    }

    #[test]
    fn a_broken_file_takes_the_keys_away() {
        let folder = Folder::new("broken");
        let file = KeyFile::new(folder.file());
        folder.write_old(ONE, 1000);
        assert!(has(&file, "1"));
        folder.write_old("{\"keys\":[", 1000);
        assert!(matches!(
            file.keys(|_| ()),
            Err(KeyFileError::Invalid(jose::Error::JsonSyntax { .. }))
        ));
    }

    #[test]
    fn what_is_no_regular_file_is_not_opened() {
        let file = KeyFile::new(std::env::temp_dir());
        assert_eq!(file.keys(|_| ()).unwrap_err(), KeyFileError::NotRegular);
        let file = KeyFile::new("/dev/zero".into());
        assert_eq!(file.keys(|_| ()).unwrap_err(), KeyFileError::NotRegular);
    }

    #[test]
    fn row_36_a_file_is_read_to_the_limit_only() {
        let folder = Folder::new("large");
        let file = KeyFile::new(folder.file());
        File::create(folder.file())
            .unwrap()
            .set_len(KeySet::MAX_BYTES as u64 + 1)
            .unwrap();
        assert_eq!(file.keys(|_| ()).unwrap_err(), KeyFileError::TooLarge);
    }

    #[test]
    fn row_3_and_39_names_do_not_lead_out_of_their_folder() {
        for name in [
            "/keys/../a",
            "..",
            "../a",
            "a/..",
            "/keys/x/../../etc/y",
            "",
            "a\0b",
        ] {
            assert!(unfit_name(name.as_bytes()).is_some(), "{name:?}");
        }
        for name in ["/keys/a.jwk", "keys/..a", "keys/a..", "a...b"] {
            assert_eq!(unfit_name(name.as_bytes()), None, "{name:?}");
        }
    }

    #[test]
    fn weak_keys_are_reported_when_the_file_is_read() {
        let folder = Folder::new("weak");
        fs::write(folder.file(), r#"{"kty":"oct","k":"AAAA"}"#).unwrap();
        let mut reported = Vec::new();
        let file = KeyFile::new(folder.file());
        file.keys(|warning| reported.push(warning.to_string()))
            .unwrap();
        assert_eq!(reported, ["key 0: secret of 3 bytes is shorter than 32"]);
    }
}
