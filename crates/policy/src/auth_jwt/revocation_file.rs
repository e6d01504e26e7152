//! A file with a list of revoked names: read once, and again when it has changed.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;

use super::revocation_list::{NotRevocationList, RevocationList};
use super::watched_file::{FileAccess, FileError, ReadLimits, WatchedFile};

const LIMITS: ReadLimits = ReadLimits {
    max_bytes: RevocationList::MAX_BYTES,
    // Reading so much takes 0.1 ms.
    max_unsettled_bytes: 256 << 10,
};

/// A file with a list of revoked names. A change of the file takes effect with the next request.
pub struct RevocationFile<A> {
    file: WatchedFile<A, RevocationFileContent>,
    hasher: RandomState,
}

/// Why there is no list. The message never contains anything of what the file holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevocationFileError {
    /// The file cannot be read.
    #[error("{0}{advice}", advice = advice(.0))]
    File(#[from] FileError),
    /// Its text is no list.
    #[error("{0}")]
    Invalid(#[from] NotRevocationList),
}

/// What helps against an error, unless the error itself says it.
fn advice(error: &FileError) -> &'static str {
    match error {
        FileError::Missing(_) => "; write {} to it if nothing is revoked",
        FileError::TooLarge(_) => "; leave out what has expired",
        FileError::Directory | FileError::NotRegular | FileError::Pseudo => {
            "; it has to be a file on disk"
        }
        FileError::Unreadable(_) => "",
    }
}

/// What a file holds.
struct RevocationFileContent {
    /// The hash of the text, by which an unchanged one is not parsed again. `None`: there is no text.
    hash: Option<u64>,
    list: Result<RevocationList, RevocationFileError>,
}

impl<A: FileAccess> RevocationFile<A> {
    /// A file that is not read yet.
    pub fn new(access: A) -> Self {
        Self {
            file: WatchedFile::new(access, LIMITS),
            hasher: RandomState::default(),
        }
    }

    /// How the file is accessed.
    pub fn access(&self) -> &A {
        self.file.access()
    }

    /// Whether the list in the file has this name. `iteration` is that of [`WatchedFile::current`].
    ///
    /// # Errors
    /// There is no list now: the one before, if there was one, does not count any more.
    pub fn contains(
        &self,
        name: &[u8],
        iteration: Option<usize>,
    ) -> Result<bool, RevocationFileError> {
        self.current(iteration, |list| list.contains(name))
    }

    /// Reads the file if it has changed.
    ///
    /// # Errors
    /// As [`contains`](Self::contains).
    pub fn load(&self) -> Result<(), RevocationFileError> {
        self.current(None, |_| ())
    }

    /// Forgets what was read: the next request reads the file.
    pub fn forget(&self) {
        self.file.forget();
    }

    fn current<R>(
        &self,
        iteration: Option<usize>,
        look: impl FnOnce(&RevocationList) -> R,
    ) -> Result<R, RevocationFileError> {
        let make = |text, previous, _| self.parse(text, previous);
        self.file.current(iteration, make, |content| {
            content.list.as_ref().map(look).map_err(Clone::clone)
        })?
    }

    /// The list in a text, or the previous one if the text is the same.
    fn parse(
        &self,
        text: Result<Vec<u8>, FileError>,
        previous: Option<RevocationFileContent>,
    ) -> RevocationFileContent {
        let hash = text.as_ref().ok().map(|text| self.hasher.hash_one(text));
        match previous {
            Some(previous) if hash.is_some() && previous.hash == hash => return previous,
            // Never in memory together with the new list.
            previous => drop(previous),
        }
        let list = text
            .map_err(RevocationFileError::from)
            .and_then(|text| Ok(RevocationList::parse(&text)?));
        RevocationFileContent { hash, list }
    }
}

#[cfg(test)]
mod tests;
