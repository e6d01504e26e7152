//! Key files: read once, and again when they have changed.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::key_cache::{Kept, KeyCache, KeyError, LastText};
use jose::{KeySet, Warning};

/// Access to one file, for [`KeyFile`].
pub trait FileAccess {
    /// Which file is there now: one stat().
    fn identity(&self) -> Result<Identity, KeyError>;

    /// Opens and reads the file.
    fn read(&self) -> Result<FileRead, KeyError>;
}

/// A file that was read.
pub struct FileRead {
    /// Of the very file that was read.
    pub identity: Identity,
    /// Since 1970, when it was read.
    pub at: Duration,
    /// No more than [`KeySet::MAX_BYTES`].
    pub text: Result<Vec<u8>, KeyError>,
}

/// A file with a JWK Set or a JWK. What is in it counts from the moment that it is there.
pub struct KeyFile<A> {
    access: A,
    loaded: RefCell<Option<Loaded>>,
    /// The last keys that were good, with the time at which they were.
    kept: RefCell<Option<Kept>>,
    /// The turn for which what was read counts, see [`Self::keys`].
    turn: Cell<Option<usize>>,
}

/// What a key file has for a request.
#[derive(Debug)]
pub struct Found {
    pub keys: Result<KeySet, KeyError>,
    /// The file is of no use, and what was in it before stands in for it.
    pub stood_in_for: Option<KeyError>,
}

/// What a file was when it was read.
struct Loaded {
    identity: Identity,
    /// Whether a later change would show in the identity, see [`Identity::is_settled`].
    settled: bool,
    /// What was read, as long as it may be read again without having changed.
    last: LastText,
    keys: Result<KeySet, KeyError>,
}

/// What tells a file from what was there before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The file system.
    pub device: u64,
    /// The file in it.
    pub inode: u64,
    /// In bytes.
    pub size: u64,
    /// When the content was written: seconds since 1970, nanoseconds.
    pub modified: (i64, i64),
    /// When anything of it was changed.
    pub changed: (i64, i64),
}

impl<A: FileAccess> KeyFile<A> {
    /// A key file that is not read yet.
    pub fn new(access: A) -> Self {
        Self {
            access,
            loaded: RefCell::new(None),
            kept: RefCell::new(None),
            turn: Cell::new(None),
        }
    }

    /// How the file is accessed.
    pub fn access(&self) -> &A {
        &self.access
    }

    /// The keys that count at this time: without a look at the file while those of the last look are fresh, unless
    /// `anew` asks for one.
    pub fn look(
        &self,
        now: Duration,
        cache: &KeyCache,
        anew: bool,
        turn: Option<usize>,
        report: impl FnMut(&Warning),
    ) -> Found {
        let mut kept = self.kept.borrow_mut();
        if let Some(kept) = &*kept
            && kept.is_fresh(now, cache)
            && !anew
        {
            return Found {
                keys: Ok(kept.keys.clone()),
                stood_in_for: None,
            };
        }
        match (self.keys(turn, report), &*kept) {
            (Ok(keys), _) => {
                *kept = Some(Kept {
                    keys: keys.clone(),
                    at: now,
                });
                Found {
                    keys: Ok(keys),
                    stood_in_for: None,
                }
            }
            (Err(error), Some(kept)) if kept.may_stand_in(now, cache) => Found {
                keys: Ok(kept.keys.clone()),
                stood_in_for: Some(error),
            },
            (Err(error), _) => Found {
                keys: Err(error),
                stood_in_for: None,
            },
        }
    }

    /// The keys that count at this time, where there is nothing else to say: they are fresh, or the file is as it was
    /// and of use.
    pub fn at_hand(
        &self,
        now: Duration,
        cache: &KeyCache,
        turn: impl FnOnce() -> Option<usize>,
    ) -> Option<KeySet> {
        let mut kept = self.kept.borrow_mut();
        let kept = kept.as_mut()?;
        if !kept.is_fresh(now, cache) {
            if !self.is_as_read(turn()).ok()? {
                return None;
            }
            let loaded = self.loaded.borrow();
            loaded.as_ref()?.keys.as_ref().ok()?;
            kept.at = now;
        }
        Some(kept.keys.clone())
    }

    /// Whether a token with an unknown kid may have the file looked at before the time.
    pub fn may_refresh(&self, now: Duration, cache: &KeyCache) -> bool {
        let kept = self.kept.borrow();
        let long_ago = |pause| {
            kept.as_ref()
                .is_none_or(|kept| now.saturating_sub(kept.at) >= pause)
        };
        !cache.time.is_zero() && cache.refresh.is_some_and(long_ago)
    }

    /// The keys that are in the file now. Costs one stat where the file is as it was; where it was read anew,
    /// `report` is told of the keys that are weak or of no use.
    ///
    /// Requests that were sent before one turn of nginx's event loop began share its first look: a file that was replaced
    /// after it was replaced after they were sent. `turn` is none for a request of which that is not known.
    pub fn keys(
        &self,
        turn: Option<usize>,
        report: impl FnMut(&Warning),
    ) -> Result<KeySet, KeyError> {
        let is_as_read = self.is_as_read(turn)?;
        let mut loaded = self.loaded.borrow_mut();
        if is_as_read && let Some(loaded) = &*loaded {
            return loaded.keys.clone();
        }
        let FileRead { identity, at, text } = self.access.read()?;
        let mut last = loaded
            .as_mut()
            .map_or_else(LastText::default, |loaded| std::mem::take(&mut loaded.last));
        let keys = text.and_then(|text| last.parse(&text));
        let warnings = || keys.iter().flat_map(KeySet::warnings);
        let known = loaded.iter().flat_map(|loaded| &loaded.keys);
        if !known.flat_map(KeySet::warnings).eq(warnings()) {
            warnings().for_each(report);
        }
        let settled = identity.is_settled(at);
        *loaded = Some(Loaded {
            identity,
            settled,
            last: if settled { LastText::default() } else { last },
            keys: keys.clone(),
        });
        self.turn.set(turn);
        keys
    }

    /// Whether what was read is still what is in the file, whatever that is.
    fn is_as_read(&self, turn: Option<usize>) -> Result<bool, KeyError> {
        if turn.is_some() && self.turn.get() == turn {
            return Ok(true);
        }
        self.turn.set(None);
        let identity = self.access.identity()?;
        let is_it = |loaded: &Loaded| loaded.settled && loaded.identity == identity;
        let is_as_read = self.loaded.borrow().as_ref().is_some_and(is_it);
        if is_as_read {
            self.turn.set(turn);
        }
        Ok(is_as_read)
    }
}

impl Identity {
    /// A file system's clock is coarser than a nanosecond, and on some as coarse as two seconds: a file that was
    /// written just now could be written again without its identity changing. Such a file is read every time.
    fn is_settled(&self, now: Duration) -> bool {
        const COARSEST: Duration = Duration::from_secs(2);
        let (seconds, _) = self.modified.max(self.changed);
        let written = u64::try_from(seconds)
            .map(Duration::from_secs)
            .unwrap_or_default();
        now.checked_sub(written).is_some_and(|age| age > COARSEST)
    }
}

/// Why a name that holds values from a request is not opened: such a value could lead out of the folder that the
/// configuration names.
pub fn unfit_name(name: &[u8]) -> Option<&'static str> {
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

#[cfg(test)]
mod tests;
