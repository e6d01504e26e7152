//! Keys that a subrequest fetches. One request fetches them; others that need the same keys
//! meanwhile wait for it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::key_cache::{KeyCache, KeyCacheState, KeyError, KeySetParser, LoadedKeys};
use crate::single_flight::{Admission, Follower, Leader, SingleFlight, Wake};
use jose::KeySet;

/// The keys of one source in one worker. `W` wakes a request that waits.
pub struct RemoteKeys<W> {
    state: RefCell<KeyCacheState>,
    parser: RefCell<KeySetParser>,
    /// One source, hence one key.
    flight: SingleFlight<(), W, KeysOrError>,
}

type KeysOrError = Result<KeySet, KeyError>;

/// The wait for another request that fetches the keys.
pub type KeyFollower<W> = Follower<W, KeysOrError>;

/// How a request comes by keys.
pub enum FetchDecision<W: Wake> {
    /// Without a fetch.
    Cached(KeySet),
    /// The request is to fetch them.
    Fetch(KeyFetch<W>),
    /// The request is to wait until another one has fetched them.
    Wait(KeyFollower<W>),
}

/// Held by the request that fetches. If it is dropped before [`finish`](Self::finish), one of the
/// waiting requests takes over.
pub struct KeyFetch<W: Wake> {
    remote: Rc<RemoteKeys<W>>,
    leader: Leader<(), W, KeysOrError>,
}

impl<W> Default for RemoteKeys<W> {
    fn default() -> Self {
        Self {
            state: RefCell::default(),
            parser: RefCell::default(),
            flight: SingleFlight::default(),
        }
    }
}

impl<W: Wake> RemoteKeys<W> {
    /// The keys in a response of the source.
    ///
    /// # Errors
    /// [`KeyError::Invalid`]
    pub fn parse(&self, text: &[u8]) -> Result<KeySet, KeyError> {
        self.parser.borrow_mut().parse(text)
    }

    /// The cached keys, if no fetch is due.
    pub fn cached(&self, now: Duration, cache: &KeyCache) -> Option<KeySet> {
        self.state.borrow().fresh_or_paused(now, cache).cloned()
    }

    /// Forgets the keys: the next request fetches them.
    pub fn forget(&self) {
        self.state.take();
        self.parser.take();
        self.flight.forget();
    }

    /// How to come by keys: from the cache, unless `force_refresh`, or by a fetch. `waker` is
    /// called only for a request that is to wait.
    ///
    /// # Errors
    /// Those of `waker`.
    pub fn decide<E>(
        self: &Rc<Self>,
        now: Duration,
        cache: &KeyCache,
        force_refresh: bool,
        waker: impl FnOnce() -> Result<W, E>,
    ) -> Result<FetchDecision<W>, E> {
        if !force_refresh && let Some(keys) = self.cached(now, cache) {
            return Ok(FetchDecision::Cached(keys));
        }
        match self.flight.join(()) {
            Admission::Lead(leader) => {
                self.state.borrow_mut().asked(now);
                Ok(FetchDecision::Fetch(KeyFetch {
                    remote: Rc::clone(self),
                    leader,
                }))
            }
            Admission::Follow(follower) => {
                follower.wake_at_end(waker()?);
                Ok(FetchDecision::Wait(follower))
            }
        }
    }

    /// Whether a token with an unknown key may have the source asked while its keys are fresh: it
    /// was not asked for a while, or another request is asking it now.
    pub fn may_refresh(&self, now: Duration, cache: &KeyCache) -> bool {
        let is_in_flight = || cache.refresh_interval().is_some() && self.flight.is_in_flight(&());
        self.state.borrow().may_refresh(now, cache) || is_in_flight()
    }
}

impl<W: Wake> KeyFetch<W> {
    /// Ends the fetch, and gives the same keys or the same error to the requests that wait.
    pub fn finish(self, now: Duration, cache: &KeyCache, fetched: KeysOrError) -> LoadedKeys {
        let loaded = self.remote.state.borrow_mut().finish(now, cache, fetched);
        self.leader.finish(loaded.keys.clone());
        loaded
    }
}

#[cfg(test)]
mod tests;
