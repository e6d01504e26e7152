//! Keys that a subrequest fetches. One request fetches, others that need the same keys meanwhile wait for it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::key_cache::{Kept, KeyCache, KeyError, LastText};
use crate::single_flight::Wake;
use jose::KeySet;

/// The keys of one source in one worker. `W` wakes a request that waits. Times are those of one clock.
pub struct RemoteKeys<W> {
    state: RefCell<State<W>>,
    last: RefCell<LastText>,
}

struct State<W> {
    kept: Option<Kept>,
    /// The fetch under way, or the last one.
    fetch: Number,
    running: bool,
    started: Duration,
    /// How the last fetch ended; none if it was given up.
    ended: Option<Result<KeySet, KeyError>>,
    failed: Option<Duration>,
    waiting: Vec<W>,
}

/// The number of a fetch.
pub type Number = u64;

/// What to do for keys.
#[derive(Debug)]
pub enum Look<W: Wake> {
    /// Nothing: here they are.
    Keys(KeySet),
    /// Fetch them.
    Fetch(Fetch<W>),
    /// Wait until that fetch has ended.
    Wait(Number),
}

/// How a fetch ended that somebody waited for.
#[derive(Debug)]
pub enum Outcome {
    Pending,
    Ended(Result<KeySet, KeyError>),
    /// The request that fetched has gone away: look again.
    GivenUp,
}

/// The duty to fetch. Dropped before [`Fetch::end`], it is given up, and one of those who wait takes over.
pub struct Fetch<W: Wake> {
    remote: Rc<RemoteKeys<W>>,
    number: Number,
}

/// How a fetch ended for the one who did it.
#[derive(Debug)]
pub struct Ended {
    pub keys: Result<KeySet, KeyError>,
    /// The source failed, and earlier keys stand in for it.
    pub stood_in_for: Option<KeyError>,
}

impl<W: Wake> RemoteKeys<W> {
    pub fn new() -> Self {
        let state = State {
            kept: None,
            fetch: 0,
            running: false,
            started: Duration::ZERO,
            ended: None,
            failed: None,
            waiting: Vec::new(),
        };
        Self {
            state: RefCell::new(state),
            last: RefCell::default(),
        }
    }

    /// The keys in what the source has answered.
    pub fn parse(&self, text: &[u8]) -> Result<KeySet, KeyError> {
        self.last.borrow_mut().parse(text)
    }

    /// Keys for which nobody has to be asked.
    pub fn at_hand(&self, now: Duration, cache: &KeyCache) -> Option<KeySet> {
        self.state.borrow().at_hand(now, cache)
    }

    /// Keys that are fresh, or how to get such. `waker` is called only where the answer is to wait.
    pub fn look<E>(
        self: &Rc<Self>,
        now: Duration,
        cache: &KeyCache,
        waker: impl FnOnce() -> Result<W, E>,
    ) -> Result<Look<W>, E> {
        let mut state = self.state.borrow_mut();
        match state.at_hand(now, cache) {
            Some(keys) => Ok(Look::Keys(keys)),
            None => self.fetch_or_wait(&mut state, now, waker),
        }
    }

    /// Asks again before the time, for a token whose key is not among the keys. See
    /// [`may_refresh`](Self::may_refresh).
    pub fn look_anew<E>(
        self: &Rc<Self>,
        now: Duration,
        waker: impl FnOnce() -> Result<W, E>,
    ) -> Result<Look<W>, E> {
        self.fetch_or_wait(&mut self.state.borrow_mut(), now, waker)
    }

    /// Whether it is long enough since the source was asked last, or somebody is just asking.
    pub fn may_refresh(&self, now: Duration, cache: &KeyCache) -> bool {
        let state = self.state.borrow();
        let long_ago = |pause| now.saturating_sub(state.started) >= pause;
        cache
            .refresh
            .is_some_and(|pause| state.running || long_ago(pause))
    }

    /// How the fetch that was waited for has ended. A request that is to wait on needs no other waker.
    pub fn outcome(&self, number: Number) -> Outcome {
        let state = self.state.borrow();
        match (&state.ended, state.fetch == number && state.running) {
            (_, true) => Outcome::Pending,
            (Some(result), false) if state.fetch == number => Outcome::Ended(result.clone()),
            (_, false) => Outcome::GivenUp,
        }
    }

    fn fetch_or_wait<E>(
        self: &Rc<Self>,
        state: &mut State<W>,
        now: Duration,
        waker: impl FnOnce() -> Result<W, E>,
    ) -> Result<Look<W>, E> {
        if state.running {
            state.waiting.push(waker()?);
            return Ok(Look::Wait(state.fetch));
        }
        state.fetch += 1;
        state.running = true;
        state.started = now;
        state.ended = None;
        Ok(Look::Fetch(Fetch {
            remote: Rc::clone(self),
            number: state.fetch,
        }))
    }
}

impl<W> State<W> {
    fn at_hand(&self, now: Duration, cache: &KeyCache) -> Option<KeySet> {
        let kept = self.kept.as_ref()?;
        let paused = |failed| now.saturating_sub(failed) < cache.pause();
        let pausing = || self.failed.is_some_and(paused) && kept.may_stand_in(now, cache);
        (kept.is_fresh(now, cache) || pausing()).then(|| kept.keys.clone())
    }
}

impl<W: Wake> Fetch<W> {
    /// Ends the fetch for all who wait for it. Where it failed and the last good keys may stand in, they are what it
    /// gives.
    pub fn end(self, now: Duration, cache: &KeyCache, fetched: Result<KeySet, KeyError>) -> Ended {
        let mut state = self.remote.state.borrow_mut();
        let ended = match fetched {
            Ok(keys) => {
                state.kept = Some(Kept {
                    keys: keys.clone(),
                    at: now,
                });
                state.failed = None;
                Ended {
                    keys: Ok(keys),
                    stood_in_for: None,
                }
            }
            Err(error) => {
                state.failed = Some(now);
                match &state.kept {
                    Some(kept) if kept.may_stand_in(now, cache) => Ended {
                        keys: Ok(kept.keys.clone()),
                        stood_in_for: Some(error),
                    },
                    _ => Ended {
                        keys: Err(error),
                        stood_in_for: None,
                    },
                }
            }
        };
        state.ended = Some(ended.keys.clone());
        ended
    }
}

impl<W: Wake> Drop for Fetch<W> {
    fn drop(&mut self) {
        let waiting = {
            let mut state = self.remote.state.borrow_mut();
            if state.fetch == self.number {
                state.running = false;
            }
            std::mem::take(&mut state.waiting)
        };
        waiting.iter().for_each(Wake::wake);
    }
}

impl<W: Wake> std::fmt::Debug for Fetch<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fetch({})", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth_jwt::has_kid;
    use std::cell::Cell;
    use std::convert::Infallible;

    type Remote = Rc<RemoteKeys<Rc<Cell<u32>>>>;

    impl Wake for Rc<Cell<u32>> {
        fn wake(&self) {
            self.set(self.get() + 1);
        }
    }

    const SECOND: Duration = Duration::from_secs(1);
    const CACHE: KeyCache = KeyCache {
        time: Duration::from_secs(60),
        stale: Duration::ZERO,
        refresh: Some(Duration::from_secs(10)),
    };
    const STALE: KeyCache = KeyCache {
        stale: Duration::from_secs(600),
        ..CACHE
    };

    fn keys(kid: &str) -> KeySet {
        let text = format!(r#"{{"kty":"oct","kid":"{kid}","k":"{}"}}"#, "A".repeat(43));
        KeySet::parse(text.as_bytes()).unwrap()
    }

    fn look(remote: &Remote, now: Duration, cache: &KeyCache) -> Look<Rc<Cell<u32>>> {
        let Ok(look) = remote.look(now, cache, || Ok::<_, Infallible>(Rc::default()));
        look
    }

    fn fetch(remote: &Remote, now: Duration, cache: &KeyCache) -> Fetch<Rc<Cell<u32>>> {
        match look(remote, now, cache) {
            Look::Fetch(fetch) => fetch,
            other => panic!("{other:?}"),
        }
    }

    fn has(look: Look<Rc<Cell<u32>>>, kid: &str) -> bool {
        match look {
            Look::Keys(keys) => has_kid(&keys, kid),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn keys_are_fetched_once_in_their_time() {
        let remote: Remote = Rc::new(RemoteKeys::new());
        let ended = fetch(&remote, SECOND, &CACHE).end(SECOND, &CACHE, Ok(keys("a")));
        assert!(has_kid(&ended.keys.unwrap(), "a"));
        assert!(has(look(&remote, 60 * SECOND, &CACHE), "a"));
        fetch(&remote, 61 * SECOND, &CACHE);
    }

    #[test]
    fn row_6_those_who_wait_get_what_was_fetched() {
        let remote: Remote = Rc::new(RemoteKeys::new());
        let fetch = fetch(&remote, SECOND, &CACHE);
        let woken: [Rc<Cell<u32>>; 2] = Default::default();
        let numbers = woken.clone().map(|waker| {
            match remote.look(SECOND, &CACHE, || Ok::<_, Infallible>(waker)) {
                Ok(Look::Wait(number)) => number,
                other => panic!("{other:?}"),
            }
        });
        assert!(matches!(remote.outcome(numbers[0]), Outcome::Pending));
        fetch.end(2 * SECOND, &CACHE, Err(KeyError::Status(404)));
        assert_eq!(woken.map(|woken| woken.get()), [1, 1]);
        for number in numbers {
            assert!(matches!(
                remote.outcome(number),
                Outcome::Ended(Err(KeyError::Status(404)))
            ));
        }
    }

    #[test]
    fn row_6_one_who_waits_takes_over_from_a_client_that_left() {
        let remote: Remote = Rc::new(RemoteKeys::new());
        let gone = fetch(&remote, SECOND, &CACHE);
        let woken: Rc<Cell<u32>> = Rc::default();
        let Ok(Look::Wait(number)) =
            remote.look(SECOND, &CACHE, || Ok::<_, Infallible>(woken.clone()))
        else {
            panic!("nobody fetches");
        };
        drop(gone);
        assert_eq!(woken.get(), 1);
        assert!(matches!(remote.outcome(number), Outcome::GivenUp));
        fetch(&remote, SECOND, &CACHE);
    }

    #[test]
    fn row_39b_without_stale_a_failure_is_a_failure() {
        let remote: Remote = Rc::new(RemoteKeys::new());
        fetch(&remote, SECOND, &CACHE).end(SECOND, &CACHE, Ok(keys("a")));
        let later = 61 * SECOND;
        let ended = fetch(&remote, later, &CACHE).end(later, &CACHE, Err(KeyError::Status(502)));
        assert_eq!(ended.keys.unwrap_err(), KeyError::Status(502));
        fetch(&remote, later, &CACHE);
    }

    #[test]
    fn row_39b_stale_keys_stand_in_for_so_long() {
        let remote: Remote = Rc::new(RemoteKeys::new());
        fetch(&remote, SECOND, &STALE).end(SECOND, &STALE, Ok(keys("a")));
        let failed = 61 * SECOND;
        let ended = fetch(&remote, failed, &STALE).end(failed, &STALE, Err(KeyError::Status(502)));
        assert!(has_kid(&ended.keys.unwrap(), "a"));
        assert_eq!(ended.stood_in_for, Some(KeyError::Status(502)));
        // The source is left alone for a while, and then asked again.
        assert!(has(look(&remote, failed + 9 * SECOND, &STALE), "a"));
        fetch(&remote, failed + 10 * SECOND, &STALE);
        let too_late = 661 * SECOND;
        let fetch = fetch(&remote, too_late, &STALE);
        let ended = fetch.end(too_late, &STALE, Err(KeyError::Status(502)));
        assert_eq!(ended.keys.unwrap_err(), KeyError::Status(502));
    }

    #[test]
    fn an_unknown_kid_asks_again_but_not_too_often() {
        let remote: Remote = Rc::new(RemoteKeys::new());
        fetch(&remote, SECOND, &CACHE).end(SECOND, &CACHE, Ok(keys("a")));
        assert!(!remote.may_refresh(10 * SECOND, &CACHE));
        assert!(remote.may_refresh(11 * SECOND, &CACHE));
        let off = KeyCache {
            refresh: None,
            ..CACHE
        };
        assert!(!remote.may_refresh(50 * SECOND, &off));
        let anew = remote.look_anew(11 * SECOND, || Ok::<_, Infallible>(Rc::default()));
        let Ok(Look::Fetch(again)) = anew else {
            panic!("no refresh");
        };
        // A refresh that fails takes nothing away that is still in its time.
        let ended = again.end(11 * SECOND, &CACHE, Err(KeyError::Status(502)));
        assert!(has_kid(&ended.keys.unwrap(), "a"));
    }
}
