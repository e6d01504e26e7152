//! A file in memory, for the tests of what reads files.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::watched_file::{FileAccess, FileError, FileIdentity, FileRead};

/// The time at first, in seconds since 1970.
pub(crate) const NOW: u64 = 1_000_000;

/// A file in memory, or none.
#[derive(Clone)]
pub(crate) struct Disk {
    content: Rc<RefCell<Content>>,
    writes: Rc<Cell<u64>>,
    reads: Rc<Cell<u64>>,
    now: Rc<Cell<u64>>,
}

type Content = Option<(Vec<u8>, FileIdentity)>;

impl Default for Disk {
    fn default() -> Self {
        Self {
            content: Rc::default(),
            writes: Rc::default(),
            reads: Rc::default(),
            now: Rc::new(Cell::new(NOW)),
        }
    }
}

impl Disk {
    /// Writes the file, with this mtime.
    pub(crate) fn write(&self, text: &str, modified: u64, inode: u64) {
        // Each write has a ctime of its own.
        self.writes.set(self.writes.get() + 1);
        let identity = FileIdentity {
            device: 1,
            inode,
            size: text.len() as u64,
            modified: (modified as i64, 0),
            changed: (modified as i64, self.writes.get() as i64),
        };
        self.content.replace(Some((text.into(), identity)));
    }

    /// Writes the file in place, with an mtime long ago.
    pub(crate) fn write_old(&self, text: &str, seconds: u64) {
        self.write(text, seconds, 1);
    }

    /// Writes the file in place, with an mtime of this second.
    pub(crate) fn write_now(&self, text: &str) {
        self.write(text, NOW, 1);
    }

    /// Writes the file so that its identity stays as it is.
    pub(crate) fn write_unnoticed(&self, text: &str) {
        if let Some((content, _)) = &mut *self.content.borrow_mut() {
            *content = text.into();
        }
    }

    pub(crate) fn remove(&self) {
        self.content.replace(None);
    }

    /// Sets the clock.
    pub(crate) fn set_now(&self, seconds: u64) {
        self.now.set(seconds);
    }

    /// How often the file was read.
    pub(crate) fn reads(&self) -> u64 {
        self.reads.get()
    }
}

impl FileAccess for Disk {
    fn identity(&self) -> Result<FileIdentity, FileError> {
        let file = self.content.borrow();
        file.as_ref()
            .map(|(_, identity)| *identity)
            .ok_or_else(missing)
    }

    fn read(&self, max_bytes: usize) -> Result<FileRead, FileError> {
        let file = self.content.borrow();
        let (text, identity) = file.as_ref().ok_or_else(missing)?;
        self.reads.set(self.reads.get() + 1);
        Ok(FileRead {
            identity: *identity,
            text: match text.len() > max_bytes {
                true => Err(FileError::TooLarge(max_bytes)),
                false => Ok(text.clone()),
            },
        })
    }

    fn now(&self) -> Duration {
        Duration::from_secs(self.now.get())
    }
}

pub(crate) fn missing() -> FileError {
    FileError::Missing("No such file or directory (os error 2)".into())
}
