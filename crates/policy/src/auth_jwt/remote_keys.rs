//! Keys that a subrequest fetches. The fetch belongs to no request: whoever needs the keys may
//! begin it, waits for it or not, and may leave.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::fetch_state::{AfterFailure, FetchState, Need, NextStep};
use super::key_cache::{KeyCache, KeyError, KeySetParser};
use crate::single_flight::{Admission, FlightState, Follower, Leader, SingleFlight, Wake};
use jose::{KeySet, Warning};

/// The keys of one source in one worker. `W` wakes a request that waits.
pub struct RemoteKeys<W> {
    state: RefCell<FetchState>,
    parser: RefCell<KeySetParser>,
    /// One source, hence one key.
    flight: SingleFlight<(), W, KeysOrError>,
}

type KeysOrError = Result<KeySet, KeyError>;

/// The wait for a fetch.
pub type KeyFollower<W> = Follower<W, KeysOrError>;

/// What a request gets.
pub struct KeyLookup<W: Wake> {
    /// The keys, if the request has them without waiting.
    pub keys: MaybeKeys<W>,
    /// A fetch that is to be started now, whoever waits for it.
    pub fetch: Option<KeyFetch<W>>,
}

/// Keys, or the wait for them.
pub enum MaybeKeys<W: Wake> {
    /// The keys to use.
    Ready(KeySet),
    /// The request is to wait for the fetch, and to ask
    /// [`after_wait`](RemoteKeys::after_wait) when it is woken.
    Wait(KeyFollower<W>),
    /// There are no keys, and the source is left alone for a while.
    Failed(KeyError),
}

/// A fetch that is under way. If it is dropped before [`finish`](Self::finish), it has failed.
pub struct KeyFetch<W: Wake> {
    remote: Rc<RemoteKeys<W>>,
    /// `None` once the fetch is finished.
    leader: Option<Leader<(), W, KeysOrError>>,
    started_at: Duration,
    after_failure: AfterFailure,
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
    /// The keys in a response of the source. `report` gets their warnings, unless the text is the
    /// one that was parsed before.
    ///
    /// # Errors
    /// [`KeyError::Invalid`]
    pub fn parse(&self, text: &[u8], report: impl FnMut(&Warning)) -> KeysOrError {
        self.parser.borrow_mut().parse(text, report)
    }

    /// The keys, if they may be used and no fetch is due.
    pub fn cached(&self, now: Duration, cache: &KeyCache) -> Option<KeySet> {
        let state = self.state.borrow();
        state.usable_without_fetch(now, cache).cloned()
    }

    /// Forgets the keys: the next request fetches them.
    pub fn forget(&self) {
        self.state.take();
        self.parser.take();
        self.flight.forget();
    }

    /// The keys for a request, or the wait for them. `waker` is called only for a request that is
    /// to wait. `jitter` is a random number, see [`AfterFailure::Pause`].
    ///
    /// # Errors
    /// Those of `waker`.
    pub fn look_up<E>(
        self: &Rc<Self>,
        now: Duration,
        cache: &KeyCache,
        need: Need,
        jitter: u16,
        waker: impl FnOnce() -> Result<W, E>,
    ) -> Result<KeyLookup<W>, E> {
        let step = self.state.borrow_mut().next(now, cache, need);
        let starts = |fetch: bool| match fetch {
            true => self.start(now, AfterFailure::Pause { jitter }),
            false => None,
        };
        let (keys, fetch) = match step {
            NextStep::Use { keys, fetch } => (MaybeKeys::Ready(keys), starts(fetch)),
            NextStep::Fail(error) => {
                let error = KeyError::Paused(Box::new(error));
                (MaybeKeys::Failed(error), None)
            }
            NextStep::Wait { fetch } => {
                let fetch = starts(fetch);
                let keys = match self.flight.join(()) {
                    Admission::Follow(follower) => {
                        follower.wake_at_end(waker()?);
                        MaybeKeys::Wait(follower)
                    }
                    // There is a flight as long as the state is "fetching".
                    Admission::Lead(_) => MaybeKeys::Failed(KeyError::Incomplete),
                };
                (keys, fetch)
            }
        };
        Ok(KeyLookup { keys, fetch })
    }

    /// What a request has after it waited. `None`: the fetch is still under way.
    ///
    /// # Errors
    /// The fetch has failed, and there are no keys that may be used.
    pub fn after_wait(
        &self,
        follower: &KeyFollower<W>,
        now: Duration,
        cache: &KeyCache,
    ) -> Option<KeysOrError> {
        let error = match follower.state() {
            FlightState::Pending => return None,
            FlightState::Finished(Ok(keys)) => return Some(Ok(keys.clone())),
            FlightState::Finished(Err(error)) => error.clone(),
            FlightState::Abandoned => KeyError::Incomplete,
        };
        // Who waited for newer keys goes on with those that were there.
        Some(self.usable(now, cache).ok_or(error))
    }

    /// The keys, if they are fresh or stale within their bound.
    pub fn usable(&self, now: Duration, cache: &KeyCache) -> Option<KeySet> {
        self.state.borrow().usable(now, cache).cloned()
    }

    /// Whether a token with an unknown key may need [newer keys](Need::NewerKeys).
    pub fn may_refresh(&self, now: Duration, cache: &KeyCache) -> bool {
        self.state.borrow().may_refresh(now, cache)
    }

    fn start(self: &Rc<Self>, now: Duration, after_failure: AfterFailure) -> Option<KeyFetch<W>> {
        match self.flight.join(()) {
            Admission::Lead(leader) => Some(KeyFetch {
                remote: Rc::clone(self),
                leader: Some(leader),
                started_at: now,
                after_failure,
            }),
            // There is no flight unless the state is "fetching".
            Admission::Follow(_) => None,
        }
    }
}

impl<W: Wake> KeyFetch<W> {
    /// Whether a request waits for the fetch.
    pub fn is_awaited(&self) -> bool {
        self.leader.as_ref().is_some_and(Leader::has_followers)
    }

    /// Ends the fetch, and gives the same keys or the same error to the requests that wait.
    pub fn finish(mut self, now: Duration, fetched: KeysOrError) {
        self.end(now, fetched);
    }

    fn end(&mut self, now: Duration, fetched: KeysOrError) {
        let Some(leader) = self.leader.take() else {
            return;
        };
        // After `forget`, there may be another fetch, and what this one gives counts for those only
        // who wait for it.
        if leader.is_current() {
            let mut state = self.remote.state.borrow_mut();
            state.finish(now, fetched.as_ref(), self.after_failure);
        }
        leader.finish(fetched);
    }
}

impl<W: Wake> Drop for KeyFetch<W> {
    fn drop(&mut self) {
        self.end(self.started_at, Err(KeyError::Incomplete));
    }
}

#[cfg(test)]
mod tests;
