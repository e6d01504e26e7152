//! Key files: read once, and again when they have changed.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::fetch_state::{AfterFailure, FetchState, Need};
use super::key_cache::{KeyCache, KeyError, KeySetParser};
use jose::{KeySet, Warning};

/// How coarse the clock of a file system may be.
const COARSEST_CLOCK: Duration = Duration::from_secs(2);

/// How much larger keys are in memory than their text, approximately.
const KEYS_PER_TEXT: usize = 4;

/// What a file without keys has in memory, approximately.
const FILE_OVERHEAD: usize = 1024;

/// Access to one file, for [`CachedKeyFile`].
pub trait FileAccess {
    /// Which file is there now: one stat().
    ///
    /// # Errors
    /// The file is missing, or not a regular file.
    fn identity(&self) -> Result<FileIdentity, KeyError>;

    /// Opens and reads the file.
    ///
    /// # Errors
    /// The file cannot be read.
    fn read(&self) -> Result<FileRead, KeyError>;
}

/// A file that was read.
pub struct FileRead {
    /// The identity of the file that was read, not of one that has replaced it since.
    pub identity: FileIdentity,
    /// When it was read, since 1970.
    pub at: Duration,
    /// At most [`KeySet::MAX_BYTES`] bytes, or an error for a file with more.
    pub text: Result<Vec<u8>, KeyError>,
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

/// A file with a JWK Set or a single JWK. A change of the file takes effect with the next request,
/// or when its cached keys are no longer fresh.
pub struct CachedKeyFile<A> {
    access: A,
    last_read: RefCell<Option<LastRead>>,
    state: RefCell<FetchState>,
    /// The event-loop iteration for which the file is known to be unchanged, see
    /// [`current_keys`](Self::current_keys).
    checked_in: Cell<Option<usize>>,
}

/// What a request gets from a file.
#[derive(Debug)]
pub struct LoadedKeys {
    /// The keys to use.
    pub keys: Result<KeySet, KeyError>,
    /// Why the file is of no use, if `keys` are the last good ones instead.
    pub stale_because: Option<KeyError>,
}

/// The file as it was read last.
struct LastRead {
    identity: FileIdentity,
    /// See [`FileIdentity::is_settled`].
    is_settled: bool,
    /// Holds the text of a file that is not settled, since that is read again for each request.
    parser: KeySetParser,
    keys: Result<KeySet, KeyError>,
}

impl<A: FileAccess> CachedKeyFile<A> {
    /// A key file that is not read yet.
    pub fn new(access: A) -> Self {
        Self {
            access,
            last_read: RefCell::default(),
            state: RefCell::default(),
            checked_in: Cell::default(),
        }
    }

    /// How the file is accessed.
    pub fn access(&self) -> &A {
        &self.access
    }

    /// The cached keys, if they are fresh or the file is unchanged and valid: most requests need no
    /// more. `iteration` is called only for keys that are not fresh; see
    /// [`current_keys`](Self::current_keys).
    pub fn cached(
        &self,
        now: Duration,
        cache: &KeyCache,
        iteration: impl FnOnce() -> Option<usize>,
    ) -> Option<KeySet> {
        let is_unchanged_and_valid = || {
            self.is_unchanged(iteration()).unwrap_or(false)
                && matches!(&*self.last_read.borrow(), Some(last) if last.keys.is_ok())
        };
        let mut state = self.state.borrow_mut();
        state
            .fresh_or_unchanged(now, cache, is_unchanged_and_valid)
            .cloned()
    }

    /// The cached keys while they are fresh, unless the request needs newer ones. Otherwise the
    /// keys in the file, or the last good ones if the file is of no use. `iteration` and `report`
    /// are those of [`current_keys`](Self::current_keys).
    pub fn load(
        &self,
        now: Duration,
        cache: &KeyCache,
        need: Need,
        iteration: Option<usize>,
        report: impl FnMut(&Warning),
    ) -> LoadedKeys {
        let mut state = self.state.borrow_mut();
        let needs_newer = need == Need::NewerKeys && state.may_refresh(now, cache);
        if !needs_newer && let Some(keys) = state.fresh(now, cache) {
            return LoadedKeys {
                keys: Ok(keys.clone()),
                stale_because: None,
            };
        }
        let result = self.current_keys(iteration, report);
        // A file that is being replaced may be read again at once: that costs little.
        state.finish(now, result.as_ref(), AfterFailure::AskAgain);
        let (keys, stale_because) = match (result, state.usable(now, cache)) {
            (Err(error), Some(last_good)) => (Ok(last_good.clone()), Some(error)),
            (result, _) => (result, None),
        };
        LoadedKeys {
            keys,
            stale_because,
        }
    }

    /// Forgets what was read: the next request reads the file.
    pub fn forget(&self) {
        self.last_read.take();
        self.state.take();
        self.checked_in.take();
    }

    /// How many bytes the file has in memory, approximately; `None` if there is no file.
    pub fn memory(&self) -> Option<usize> {
        let last = self.last_read.borrow();
        let LastRead {
            identity,
            is_settled,
            keys,
            ..
        } = last.as_ref()?;
        let text = usize::try_from(identity.size).unwrap_or(usize::MAX);
        let keys = if keys.is_ok() { KEYS_PER_TEXT } else { 0 };
        let texts = keys + usize::from(!is_settled);
        Some(text.saturating_mul(texts).saturating_add(FILE_OVERHEAD))
    }

    /// Whether a token with an unknown key may have the file read while its keys are fresh.
    pub fn may_refresh(&self, now: Duration, cache: &KeyCache) -> bool {
        self.state.borrow().may_refresh(now, cache)
    }

    /// The keys in the file now. An unchanged file costs one stat(). When the file is read,
    /// `report` gets a warning for each key that is weak or unusable, unless all were reported
    /// before.
    ///
    /// Requests that had begun to arrive before an event-loop iteration share one stat() in it, for
    /// a millisecond at most: a file that is replaced after that stat() is replaced no earlier than
    /// a millisecond before the last byte of those requests came. `iteration` is `None` for a
    /// request that may have been sent later.
    ///
    /// # Errors
    /// The file cannot be read or holds no valid key set.
    pub fn current_keys(
        &self,
        iteration: Option<usize>,
        report: impl FnMut(&Warning),
    ) -> Result<KeySet, KeyError> {
        let is_unchanged = self.is_unchanged(iteration)?;
        let mut last_read = self.last_read.borrow_mut();
        if is_unchanged && let Some(last) = &*last_read {
            return last.keys.clone();
        }
        let FileRead { identity, at, text } = self.access.read().inspect_err(|_| {
            last_read.take();
        })?;
        let mut parser = last_read
            .as_mut()
            .map(|last| std::mem::take(&mut last.parser))
            .unwrap_or_default();
        let keys = text.and_then(|text| parser.parse(&text, |_| ()));
        let warnings = || keys.iter().flat_map(KeySet::warnings);
        let last_keys = last_read.iter().flat_map(|last| &last.keys);
        if !last_keys.flat_map(KeySet::warnings).eq(warnings()) {
            warnings().for_each(report);
        }
        let is_settled = identity.is_settled(at);
        *last_read = Some(LastRead {
            identity,
            is_settled,
            parser: match is_settled {
                true => KeySetParser::default(),
                false => parser,
            },
            keys: keys.clone(),
        });
        self.checked_in.set(iteration);
        keys
    }

    /// Whether the file is the one that was read last, valid or not.
    fn is_unchanged(&self, iteration: Option<usize>) -> Result<bool, KeyError> {
        if iteration.is_some() && self.checked_in.get() == iteration {
            return Ok(true);
        }
        self.checked_in.set(None);
        let identity = self.access.identity().inspect_err(|_| {
            self.last_read.take();
        })?;
        let is_unchanged = match &*self.last_read.borrow() {
            Some(last) => last.is_settled && last.identity == identity,
            None => false,
        };
        if is_unchanged {
            self.checked_in.set(iteration);
        }
        Ok(is_unchanged)
    }
}

impl FileIdentity {
    /// Whether a later write would change the identity. File times are coarser than a nanosecond,
    /// on some file systems as coarse as two seconds: a file that was written a moment ago could be
    /// written again with the same times. Such a file is read for each request.
    fn is_settled(&self, now: Duration) -> bool {
        let (seconds, _) = self.modified.max(self.changed);
        let written = u64::try_from(seconds)
            .map(Duration::from_secs)
            .unwrap_or_default();
        now.checked_sub(written)
            .is_some_and(|age| age > COARSEST_CLOCK)
    }
}

/// Why a file name with values from a request must not be opened, if so: such a value could lead
/// out of the folder that the configuration names.
pub fn unsafe_name_reason(name: &[u8]) -> Option<&'static str> {
    let mut segments = name.split(|&byte| byte == b'/');
    if name.is_empty() {
        Some("is empty")
    } else if name.contains(&0) {
        Some("contains NUL")
    } else if segments.any(|segment| segment == b"..") {
        Some("contains \"..\"")
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
