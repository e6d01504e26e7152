//! Key files whose names come from requests: those that were used most recently are remembered,
//! good or bad. A client that chooses among many files can neither fill the memory nor have a file
//! read and parsed for each of its requests.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::key_file::CachedKeyFile;
use super::watched_file::FileAccess;

/// How many files are remembered.
const MAX_FILES: usize = 1024;

/// How many bytes they may have in memory, approximately.
const MAX_BYTES: usize = 64 << 20;

/// The most recently used key files. The least recently used one goes first when there are too
/// many, or when they are too large.
pub struct RecentKeyFiles<A> {
    files: HashMap<PathBuf, RecentFile<A>>,
    max_files: usize,
    max_bytes: usize,
    /// The sum of what all files have in memory.
    bytes: usize,
    /// Counts uses.
    uses: u64,
}

struct RecentFile<A> {
    file: Rc<CachedKeyFile<A>>,
    bytes: usize,
    last_use: u64,
}

impl<A: FileAccess> Default for RecentKeyFiles<A> {
    fn default() -> Self {
        Self::new(MAX_FILES, MAX_BYTES)
    }
}

impl<A: FileAccess> RecentKeyFiles<A> {
    fn new(max_files: usize, max_bytes: usize) -> Self {
        Self {
            files: HashMap::new(),
            max_files,
            max_bytes,
            bytes: 0,
            uses: 0,
        }
    }

    /// The file with this path, if it is remembered.
    pub fn find(&self, path: &Path) -> Option<Rc<CachedKeyFile<A>>> {
        self.files.get(path).map(|recent| Rc::clone(&recent.file))
    }

    /// Remembers a file that was used now. A file that is not there is not remembered: names are
    /// cheap to make up, and there is nothing to remember of them.
    pub fn note_use(&mut self, path: &Path, file: &Rc<CachedKeyFile<A>>) {
        self.remove(path);
        let Some(bytes) = file.memory() else {
            return;
        };
        self.uses += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        let recent = RecentFile {
            file: Rc::clone(file),
            bytes,
            last_use: self.uses,
        };
        self.files.insert(path.to_owned(), recent);
        // However large a file is, it is remembered until another one is used.
        while self.files.len() > self.max_files
            || (self.bytes > self.max_bytes && self.files.len() > 1)
        {
            self.remove_least_recent();
        }
    }

    /// Forgets all files.
    pub fn clear(&mut self) {
        self.files.clear();
        self.bytes = 0;
    }

    fn remove(&mut self, path: &Path) {
        if let Some(removed) = self.files.remove(path) {
            self.bytes = self.bytes.saturating_sub(removed.bytes);
        }
    }

    /// The search takes some microseconds, which is less than reading the file that makes it
    /// necessary.
    fn remove_least_recent(&mut self) {
        let least_recent = self.files.iter().min_by_key(|(_, recent)| recent.last_use);
        if let Some(path) = least_recent.map(|(path, _)| path.clone()) {
            self.remove(&path);
        }
    }
}

#[cfg(test)]
mod tests;
