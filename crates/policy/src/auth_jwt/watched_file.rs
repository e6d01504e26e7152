//! Watching a file: it is read once, and again when it has changed.

use std::cell::{Cell, Ref, RefCell};
use std::time::Duration;

/// How coarse the clock of a file system may be.
const COARSEST_CLOCK: Duration = Duration::from_secs(2);

/// Access to one file, for [`WatchedFile`].
pub trait FileAccess {
    /// Which file is there now: one stat().
    ///
    /// # Errors
    /// The file is missing, or not a regular file.
    fn identity(&self) -> Result<FileIdentity, FileError>;

    /// Opens and reads the file.
    ///
    /// # Errors
    /// The file cannot be read.
    fn read(&self, max_bytes: usize) -> Result<FileRead, FileError>;

    /// The time since 1970, by the clock that file systems use.
    fn now(&self) -> Duration;
}

/// How a file is read.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimits {
    /// How large the file may be, in bytes.
    pub max_bytes: usize,
    /// How large a file may be that is read for each request while it is not settled, see
    /// [`LastRead::is_settled`].
    pub max_unsettled_bytes: u64,
}

/// A file that was read.
pub struct FileRead {
    /// The identity of the file that was read, not of one that has replaced it since.
    pub identity: FileIdentity,
    /// All of it, or [`FileError::TooLarge`] for a file with more than `max_bytes`.
    pub text: Result<Vec<u8>, FileError>,
}

/// What stat() says of a file. If it is the same as before, so is the content, except as
/// [`is_settled`](Self::is_settled) has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileIdentity {
    /// The file system.
    pub device: u64,
    /// The file in it.
    pub inode: u64,
    /// In bytes.
    pub size: u64,
    /// When the content was written (mtime): seconds since 1970, nanoseconds.
    pub modified: (i64, i64),
    /// When the inode was changed (ctime), likewise.
    pub changed: (i64, i64),
}

/// Why there is no text of a file. The message never contains anything of what the file holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// There is no such file; what the operating system says.
    #[error("{0}")]
    Missing(String),
    /// The file cannot be opened or read, for this reason of the operating system.
    #[error("{0}")]
    Unreadable(String),
    /// The path leads to a directory.
    #[error("a directory, where the name of a file is needed")]
    Directory,
    /// The path leads to a pipe, a socket or a device.
    #[error("not a regular file")]
    NotRegular,
    /// The path leads to a file whose content the system makes up.
    #[error("on a pseudo file system such as /proc")]
    Pseudo,
    /// The file has more than this many bytes.
    #[error("larger than {0} bytes")]
    TooLarge(usize),
}

/// A file, and what was made of its text. A change of the file takes effect with the next request.
pub struct WatchedFile<A, T> {
    access: A,
    limits: ReadLimits,
    last_read: RefCell<Option<LastRead<T>>>,
    /// The event-loop iteration for which the file is known to be unchanged, see
    /// [`current`](Self::current).
    checked_in: Cell<Option<usize>>,
}

/// The file as it was read last.
pub struct LastRead<T> {
    /// Which file that was.
    pub identity: FileIdentity,
    /// Whether a later write certainly changes the identity. A file that is not settled is read again
    /// for each request, or once more when it is settled, by its size
    /// ([`ReadLimits::max_unsettled_bytes`]).
    pub is_settled: bool,
    /// What was made of the text.
    pub content: T,
}

impl<A: FileAccess, T> WatchedFile<A, T> {
    /// A file that is not read yet.
    pub fn new(access: A, limits: ReadLimits) -> Self {
        Self {
            access,
            limits,
            last_read: RefCell::default(),
            checked_in: Cell::default(),
        }
    }

    /// How the file is accessed.
    pub fn access(&self) -> &A {
        &self.access
    }

    /// The file as it was read last; `None` if it is not read yet, or was not there.
    pub fn last_read(&self) -> Option<Ref<'_, LastRead<T>>> {
        Ref::filter_map(self.last_read.borrow(), Option::as_ref).ok()
    }

    /// Forgets what was read: the next request reads the file.
    pub fn forget(&self) {
        self.last_read.take();
        self.checked_in.take();
    }

    /// Calls `look` with what was made of the file as it is now. An unchanged file costs one
    /// stat(). A changed one is read, and `make` gets its text, what was made of the text before,
    /// and whether the file [is settled](LastRead::is_settled).
    ///
    /// Requests that had begun to arrive before an event-loop iteration share one stat() in it, for
    /// a millisecond at most: a file that is replaced after that stat() is replaced no earlier than
    /// a millisecond before the last byte of those requests came. `iteration` is `None` for a
    /// request that may have been sent later.
    ///
    /// # Errors
    /// The file cannot be read. What was made of it before is gone.
    pub fn current<R>(
        &self,
        iteration: Option<usize>,
        make: impl FnOnce(Result<Vec<u8>, FileError>, Option<T>, bool) -> T,
        look: impl FnOnce(&T) -> R,
    ) -> Result<R, FileError> {
        let is_unchanged = self.is_unchanged(iteration)?;
        let mut last_read = self.last_read.borrow_mut();
        if is_unchanged && let Some(last) = &*last_read {
            return Ok(look(&last.content));
        }
        let previous = last_read.take();
        let at = self.access.now();
        let FileRead { identity, text } = self.access.read(self.limits.max_bytes)?;
        let is_settled = identity.is_settled(at);
        let content = make(text, previous.map(|last| last.content), is_settled);
        let last = last_read.insert(LastRead {
            identity,
            is_settled,
            content,
        });
        self.checked_in.set(iteration);
        Ok(look(&last.content))
    }

    /// Whether the file is the one that was read last.
    ///
    /// # Errors
    /// As [`current`](Self::current).
    pub fn is_unchanged(&self, iteration: Option<usize>) -> Result<bool, FileError> {
        if iteration.is_some() && self.checked_in.get() == iteration {
            return Ok(true);
        }
        self.checked_in.set(None);
        let identity = self.access.identity().inspect_err(|_| {
            self.last_read.take();
        })?;
        let is_unchanged = match &*self.last_read.borrow() {
            Some(last) => last.identity == identity && self.is_to_be_kept(last),
            None => false,
        };
        if is_unchanged {
            self.checked_in.set(iteration);
        }
        Ok(is_unchanged)
    }

    /// Whether a file that looks unchanged is not read again.
    fn is_to_be_kept(&self, last: &LastRead<T>) -> bool {
        let is_large = last.identity.size > self.limits.max_unsettled_bytes;
        last.is_settled || is_large && !last.identity.is_settled(self.access.now())
    }
}

impl FileIdentity {
    /// A number that is the same for the same identity in all processes, and never 0.
    pub fn digest(&self) -> u64 {
        let Self {
            device,
            inode,
            size,
            modified,
            changed,
        } = *self;
        let times = [modified.0, modified.1, changed.0, changed.1];
        let numbers = [device, inode, size].into_iter();
        let numbers = numbers.chain(times.map(i64::cast_unsigned));
        // FNV-1a, by numbers in place of bytes.
        let digest = numbers.fold(0xcbf2_9ce4_8422_2325_u64, |digest, number| {
            (digest ^ number).wrapping_mul(0x0100_0000_01b3)
        });
        digest.max(1)
    }

    /// Whether a later write would change the identity. File times are coarser than a nanosecond,
    /// on some file systems as coarse as two seconds: a file that was written a moment ago could be
    /// written again with the same times.
    fn is_settled(&self, now: Duration) -> bool {
        let (seconds, _) = self.modified.max(self.changed);
        let written = u64::try_from(seconds)
            .map(Duration::from_secs)
            .unwrap_or_default();
        now.checked_sub(written)
            .is_some_and(|age| age > COARSEST_CLOCK)
    }
}

#[cfg(test)]
mod tests;
