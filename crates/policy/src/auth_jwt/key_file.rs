//! Key files: read once, and again when they have changed.

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use super::fetch_state::{AfterFailure, FetchState, Need};
use super::key_cache::{KeyCache, KeyError, KeySetParser};
use super::watched_file::{FileAccess, FileError, ReadLimits, WatchedFile};
use jose::{KeySet, Warning};

const LIMITS: ReadLimits = ReadLimits {
    max_bytes: KeySet::MAX_BYTES,
    max_unsettled_bytes: u64::MAX,
};

/// What a file without keys has in memory, approximately.
const FILE_OVERHEAD: usize = 1024;

/// A file with a JWK Set or a single JWK. A change of the file takes effect with the next request,
/// or when its cached keys are no longer fresh.
pub struct CachedKeyFile<A> {
    file: WatchedFile<A, KeyFileContent>,
    state: RefCell<FetchState>,
}

/// What a request gets from a file.
#[derive(Debug)]
pub struct LoadedKeys {
    /// The keys to use.
    pub keys: Result<KeySet, KeyError>,
    /// Why the file is of no use, if `keys` are the last good ones instead.
    pub stale_because: Option<KeyError>,
    /// Whether these keys, or the error, are what a look at the file has given just now.
    pub is_first_hand: bool,
}

/// What a file holds.
struct KeyFileContent {
    /// Holds the text of a file that is not settled, since that is read again for each request.
    parser: KeySetParser,
    keys: Result<KeySet, KeyError>,
}

impl<A: FileAccess> CachedKeyFile<A> {
    /// A key file that is not read yet.
    pub fn new(access: A) -> Self {
        Self {
            file: WatchedFile::new(access, LIMITS),
            state: RefCell::default(),
        }
    }

    /// How the file is accessed.
    pub fn access(&self) -> &A {
        self.file.access()
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
            self.file.is_unchanged(iteration()).unwrap_or(false)
                && self
                    .file
                    .last_read()
                    .is_some_and(|last| last.content.keys.is_ok())
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
                is_first_hand: false,
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
            is_first_hand: true,
        }
    }

    /// The keys as they were read last, if the file held some and the same file is there still.
    pub fn unchanged_keys(&self) -> Option<KeySet> {
        let last = self.file.last_read()?;
        let is_unchanged = self.file.access().identity().as_ref() == Ok(&last.identity);
        last.content.keys.clone().ok().filter(|_| is_unchanged)
    }

    /// A number that tells the file that was read last from others by its name; 0 if there is none.
    pub fn identity_digest(&self) -> u64 {
        let last = self.file.last_read();
        last.map_or(0, |last| last.identity.digest())
    }

    /// Forgets what was read: the next request reads the file.
    pub fn forget(&self) {
        self.file.forget();
        self.state.take();
    }

    /// How many bytes the file has in memory, approximately; `None` if there is no file.
    pub fn memory(&self) -> Option<usize> {
        let last = self.file.last_read()?;
        let text = match last.is_settled {
            true => 0,
            false => usize::try_from(last.identity.size).unwrap_or(usize::MAX),
        };
        let keys = last.content.keys.as_ref().map_or(0, KeySet::memory);
        Some(keys.saturating_add(text).saturating_add(FILE_OVERHEAD))
    }

    /// Whether a token with an unknown key may have the file read while its keys are fresh.
    pub fn may_refresh(&self, now: Duration, cache: &KeyCache) -> bool {
        self.state.borrow().may_refresh(now, cache)
    }

    /// The keys in the file now. When the file is read, `report` gets a warning for each key that is
    /// weak or unusable, unless all were reported before. `iteration` is that of
    /// [`WatchedFile::current`].
    ///
    /// # Errors
    /// The file cannot be read or holds no valid key set.
    pub fn current_keys(
        &self,
        iteration: Option<usize>,
        report: impl FnMut(&Warning),
    ) -> Result<KeySet, KeyError> {
        let make =
            |text, previous, is_settled| KeyFileContent::parse(text, previous, is_settled, report);
        self.file
            .current(iteration, make, |content| content.keys.clone())?
    }
}

impl KeyFileContent {
    fn parse(
        text: Result<Vec<u8>, FileError>,
        previous: Option<Self>,
        is_settled: bool,
        report: impl FnMut(&Warning),
    ) -> Self {
        let (mut parser, last_keys) = match previous {
            Some(previous) => (previous.parser, previous.keys.ok()),
            None => Default::default(),
        };
        let text = text.map_err(KeyError::from);
        let keys = text.and_then(|text| parser.parse(&text, |_| ()));
        let warnings = || keys.iter().flat_map(KeySet::warnings);
        if !last_keys.iter().flat_map(KeySet::warnings).eq(warnings()) {
            warnings().for_each(report);
        }
        Self {
            parser: match is_settled {
                true => KeySetParser::default(),
                false => parser,
            },
            keys,
        }
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

/// What helps against this error of a key file, beyond what the error says.
pub fn advice(path: &Path, error: &KeyError) -> &'static str {
    let is_url = || path.as_os_str().to_string_lossy().contains("://");
    match error {
        KeyError::File(FileError::Missing(_)) if is_url() => {
            "; keys are fetched from a URL by auth_jwt_issuer with jwks_uri"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests;
