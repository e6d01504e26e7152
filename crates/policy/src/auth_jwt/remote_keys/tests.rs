use super::*;
use crate::auth_jwt::has_kid;
use proptest::prelude::*;
use std::cell::Cell;
use std::convert::Infallible;

/// Counts how often it was woken.
type Waker = Rc<Cell<u32>>;
type Remote = Rc<RemoteKeys<Waker>>;

impl Wake for Waker {
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

fn look_up(remote: &Remote, now: Duration, cache: &KeyCache, need: Need) -> KeyLookup<Waker> {
    let waker = || Ok::<_, Infallible>(Waker::default());
    let Ok(lookup) = remote.look_up(now, cache, need, 0, waker);
    lookup
}

/// The fetch that a request begins.
#[track_caller]
fn fetch(remote: &Remote, now: Duration, cache: &KeyCache) -> KeyFetch<Waker> {
    look_up(remote, now, cache, Need::Keys)
        .fetch
        .expect("a fetch")
}

/// A request that waits for a fetch that another one has begun.
#[track_caller]
fn wait(remote: &Remote, waker: &Waker) -> KeyFollower<Waker> {
    let waker = || Ok::<_, Infallible>(Rc::clone(waker));
    match remote.look_up(SECOND, &CACHE, Need::Keys, 0, waker) {
        Ok(KeyLookup {
            keys: MaybeKeys::Wait(follower),
            fetch: None,
        }) => follower,
        _ => panic!("no fetch is under way"),
    }
}

#[track_caller]
fn assert_ready(remote: &Remote, now: Duration, cache: &KeyCache, kid: &str) {
    match look_up(remote, now, cache, Need::Keys).keys {
        MaybeKeys::Ready(keys) => assert!(has_kid(&keys, kid)),
        MaybeKeys::Wait(_) => panic!("waits"),
        MaybeKeys::Failed(error) => panic!("{error}"),
    }
}

#[test]
fn keys_are_fetched_once_in_their_time() {
    let remote = Remote::default();
    fetch(&remote, SECOND, &CACHE).finish(SECOND, Ok(keys("a")));
    assert_ready(&remote, 60 * SECOND, &CACHE, "a");
    fetch(&remote, 61 * SECOND, &CACHE);
}

#[test]
fn row_6_waiting_requests_get_what_was_fetched() {
    let remote = Remote::default();
    let fetch = fetch(&remote, SECOND, &CACHE);
    let woken = <[Waker; 2]>::default();
    let waiting = woken.each_ref().map(|waker| wait(&remote, waker));
    let outcome = |follower| remote.after_wait(follower, 2 * SECOND, &CACHE);
    assert!(outcome(&waiting[0]).is_none());
    fetch.finish(2 * SECOND, Err(KeyError::Status(404)));
    assert_eq!(woken.map(|woken| woken.get()), [1, 1]);
    for follower in &waiting {
        let error = outcome(follower).unwrap().unwrap_err();
        assert_eq!(error, KeyError::Status(404));
    }
}

#[test]
fn row_49_a_client_that_leaves_does_not_end_the_fetch() {
    let remote = Remote::default();
    let first = look_up(&remote, SECOND, &CACHE, Need::Keys);
    let fetch = first.fetch.unwrap();
    let woken = Waker::default();
    let follower = wait(&remote, &woken);
    drop(first.keys);
    assert_eq!(woken.get(), 0);
    assert!(fetch.is_awaited());
    fetch.finish(2 * SECOND, Ok(keys("a")));
    let keys = remote.after_wait(&follower, 2 * SECOND, &CACHE);
    assert!(has_kid(&keys.unwrap().unwrap(), "a"));
}

#[test]
fn a_fetch_is_awaited_as_long_as_somebody_waits() {
    let remote = Remote::default();
    let KeyLookup { keys, fetch } = look_up(&remote, SECOND, &CACHE, Need::Keys);
    let fetch = fetch.unwrap();
    assert!(fetch.is_awaited());
    drop(keys);
    assert!(!fetch.is_awaited());
    let follower = wait(&remote, &Waker::default());
    assert!(fetch.is_awaited());
    drop(follower);
    assert!(!fetch.is_awaited());
}

#[test]
fn a_fetch_that_is_dropped_has_failed() {
    let remote = Remote::default();
    let dropped = fetch(&remote, SECOND, &CACHE);
    let woken = Waker::default();
    let follower = wait(&remote, &woken);
    drop(dropped);
    assert_eq!(woken.get(), 1);
    let outcome = remote.after_wait(&follower, SECOND, &CACHE);
    assert_eq!(outcome.unwrap().unwrap_err(), KeyError::Incomplete);
    let MaybeKeys::Failed(error) = look_up(&remote, SECOND, &CACHE, Need::Keys).keys else {
        panic!("no pause");
    };
    assert_eq!(error, KeyError::Paused(Box::new(KeyError::Incomplete)));
    fetch(&remote, 2 * SECOND, &CACHE);
}

#[test]
fn row_39b_without_stale_a_failure_is_a_failure() {
    let remote = Remote::default();
    fetch(&remote, SECOND, &CACHE).finish(SECOND, Ok(keys("a")));
    let later = 61 * SECOND;
    let KeyLookup { keys, fetch } = look_up(&remote, later, &CACHE, Need::Keys);
    let MaybeKeys::Wait(follower) = keys else {
        panic!("does not wait");
    };
    fetch.unwrap().finish(later, Err(KeyError::Status(502)));
    let outcome = remote.after_wait(&follower, later, &CACHE).unwrap();
    assert_eq!(outcome.unwrap_err(), KeyError::Status(502));
}

#[test]
fn row_39b_stale_keys_are_used_while_the_source_fails() {
    let remote = Remote::default();
    fetch(&remote, SECOND, &STALE).finish(SECOND, Ok(keys("a")));
    let failed = 61 * SECOND;
    let refresh = fetch(&remote, failed, &STALE);
    assert_ready(&remote, failed, &STALE, "a");
    refresh.finish(failed, Err(KeyError::Status(502)));
    assert_ready(&remote, failed, &STALE, "a");
    // A location without `stale=` has no keys.
    let lookup = look_up(&remote, failed, &CACHE, Need::Keys);
    assert!(matches!(lookup.keys, MaybeKeys::Failed(_)));
    fetch(&remote, 660 * SECOND, &STALE).finish(660 * SECOND, Err(KeyError::Status(502)));
    let lookup = look_up(&remote, 661 * SECOND, &STALE, Need::Keys);
    assert!(matches!(lookup.keys, MaybeKeys::Failed(_)));
}

#[test]
fn a_refresh_that_fails_takes_no_keys_away() {
    let remote = Remote::default();
    fetch(&remote, SECOND, &CACHE).finish(SECOND, Ok(keys("a")));
    let KeyLookup { keys, fetch } = look_up(&remote, 11 * SECOND, &CACHE, Need::NewerKeys);
    let MaybeKeys::Wait(follower) = keys else {
        panic!("does not wait");
    };
    fetch
        .unwrap()
        .finish(12 * SECOND, Err(KeyError::Status(502)));
    let outcome = remote.after_wait(&follower, 12 * SECOND, &CACHE).unwrap();
    assert!(has_kid(&outcome.unwrap(), "a"));
    assert!(!remote.may_refresh(12 * SECOND, &CACHE));
}

#[test]
fn forgotten_keys_are_fetched_and_a_fetch_under_way_still_ends() {
    let remote = Remote::default();
    fetch(&remote, SECOND, &CACHE).finish(SECOND, Ok(keys("a")));
    assert_ready(&remote, SECOND, &CACHE, "a");
    remote.forget();
    let under_way = fetch(&remote, SECOND, &CACHE);
    let woken = Waker::default();
    let follower = wait(&remote, &woken);
    remote.forget();
    assert!(under_way.is_awaited());
    fetch(&remote, SECOND, &CACHE).finish(SECOND, Ok(keys("b")));
    drop(under_way);
    assert_eq!(woken.get(), 1);
    let outcome = remote.after_wait(&follower, SECOND, &CACHE).unwrap();
    assert!(has_kid(&outcome.unwrap(), "b"));
    assert_ready(&remote, SECOND, &CACHE, "b");
}

/// One thing that happens to a source.
#[derive(Debug, Clone)]
enum Step {
    /// A request comes, in one of two locations.
    Request { location: usize, need: Need },
    /// The client of the request at this position leaves.
    Leave(prop::sample::Index),
    /// The source gives keys.
    Keys,
    /// The source fails.
    Failure,
    /// nginx drops the fetch.
    Drop,
    /// Time passes, in tenths of seconds.
    Clock(u32),
}

/// The caches of the locations: without stale keys and refreshes, and with them.
const LOCATIONS: [KeyCache; 2] = [
    KeyCache {
        time: Duration::from_secs(3),
        stale: Duration::ZERO,
        refresh: None,
    },
    KeyCache {
        time: Duration::from_secs(2),
        stale: Duration::from_secs(20),
        refresh: Some(Duration::from_secs(5)),
    },
];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let need = prop_oneof![2 => Just(Need::Keys), 1 => Just(Need::NewerKeys)];
    let step = prop_oneof![
        6 => (0..2_usize, need).prop_map(|(location, need)| Step::Request { location, need }),
        1 => any::<prop::sample::Index>().prop_map(Step::Leave),
        2 => Just(Step::Keys),
        2 => Just(Step::Failure),
        1 => Just(Step::Drop),
        2 => (1..40_u32).prop_map(Step::Clock),
        1 => (100..400_u32).prop_map(Step::Clock),
    ];
    prop::collection::vec(step, 0..80)
}

/// A request that waits.
struct Waiting {
    location: usize,
    follower: KeyFollower<Waker>,
    woken: Waker,
}

/// What docs/reference.md promises, in the plainest form: what has happened so far, from which
/// every sentence about fetching can be checked.
#[derive(Default)]
struct Model {
    now: Duration,
    fetched_at: Option<Duration>,
    fetching: bool,
    started_at: Duration,
    ended_at: Option<Duration>,
    failures: u32,
    /// The end of the pause after a failure, without jitter.
    paused_until: Duration,
}

impl Model {
    fn age(&self) -> Option<Duration> {
        self.fetched_at.map(|at| self.now - at)
    }

    fn is_usable(&self, cache: &KeyCache) -> bool {
        self.age().is_some_and(|age| age < cache.time + cache.stale)
    }

    fn is_fresh(&self, cache: &KeyCache) -> bool {
        self.age().is_some_and(|age| age < cache.time)
    }

    fn is_paused(&self) -> bool {
        self.now < self.paused_until
    }

    fn may_refresh(&self, cache: &KeyCache) -> bool {
        let Some(refresh) = cache.refresh else {
            return false;
        };
        let is_due = self.ended_at.is_none_or(|at| self.now - at >= refresh);
        self.fetching || (is_due && !self.is_paused())
    }

    fn end(&mut self, at: Duration, has_failed: bool) {
        self.fetching = false;
        self.ended_at = Some(at);
        if has_failed {
            self.failures += 1;
            let pause = [1, 2, 4, 8, 16]
                .get(self.failures as usize - 1)
                .unwrap_or(&30);
            self.paused_until = at + *pause * SECOND;
        } else {
            self.failures = 0;
            self.paused_until = Duration::ZERO;
            self.fetched_at = Some(at);
        }
    }
}

/// Checks a request, and gives the fetch that it begins.
fn check_request(
    model: &mut Model,
    remote: &Remote,
    waiting: &mut Vec<Waiting>,
    location: usize,
    need: Need,
) -> Result<Option<KeyFetch<Waker>>, TestCaseError> {
    let cache = &LOCATIONS[location];
    let woken = Waker::default();
    prop_assert_eq!(
        remote.may_refresh(model.now, cache),
        model.may_refresh(cache)
    );
    let needs_newer = need == Need::NewerKeys && model.may_refresh(cache);
    let has_keys = model.is_usable(cache) && !needs_newer;
    let may_fetch = !model.fetching && !model.is_paused();
    let is_cached = remote.cached(model.now, cache).is_some();
    let needs_no_fetch = model.is_fresh(cache) || !may_fetch;
    prop_assert_eq!(is_cached, model.is_usable(cache) && needs_no_fetch);
    let waker = || Ok::<_, Infallible>(Rc::clone(&woken));
    let Ok(KeyLookup { keys, fetch }) = remote.look_up(model.now, cache, need, 0, waker);
    match keys {
        // Who has usable keys never waits, and who has none has nothing to use.
        MaybeKeys::Ready(_) => prop_assert!(has_keys),
        // Who has none waits for the one fetch.
        MaybeKeys::Wait(follower) => {
            prop_assert!(!has_keys && (model.fetching || may_fetch));
            waiting.push(Waiting {
                location,
                follower,
                woken,
            });
        }
        // In the pause after a failure there is no waiting.
        MaybeKeys::Failed(error) => {
            prop_assert!(matches!(error, KeyError::Paused(_)));
            prop_assert!(!has_keys && !model.fetching && model.is_paused());
        }
    }
    // One fetch at a time, none in a pause, and one for every request that finds no fresh keys or
    // needs newer ones.
    let is_due = may_fetch && (!model.is_fresh(cache) || needs_newer);
    prop_assert_eq!(fetch.is_some(), is_due);
    if fetch.is_some() {
        model.fetching = true;
        model.started_at = model.now;
    }
    Ok(fetch)
}

/// Checks that the end of a fetch is the end of the wait for all.
fn check_end(
    model: &Model,
    remote: &Remote,
    waiting: &mut Vec<Waiting>,
    fetched: Result<(), KeyError>,
) -> Result<(), TestCaseError> {
    for Waiting {
        location,
        follower,
        woken,
    } in waiting.drain(..)
    {
        prop_assert_eq!(woken.get(), 1);
        let cache = &LOCATIONS[location];
        let Some(outcome) = remote.after_wait(&follower, model.now, cache) else {
            return Err(TestCaseError::fail("still waits"));
        };
        match &fetched {
            Ok(()) => prop_assert!(outcome.is_ok()),
            Err(_) if model.is_usable(cache) => prop_assert!(outcome.is_ok()),
            Err(error) => prop_assert_eq!(&outcome.unwrap_err(), error),
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn row_49_any_sequence_of_events_agrees_with_what_is_documented(steps in steps()) {
        let remote = Remote::default();
        let mut model = Model::default();
        let mut waiting = Vec::new();
        let mut fetch: Option<KeyFetch<Waker>> = None;
        for step in steps {
            match step {
                Step::Request { location, need } => {
                    let begun = check_request(&mut model, &remote, &mut waiting, location, need)?;
                    prop_assert!(begun.is_none() || fetch.is_none(), "two fetches");
                    fetch = fetch.or(begun);
                }
                Step::Leave(index) => {
                    if !waiting.is_empty() {
                        waiting.remove(index.index(waiting.len()));
                    }
                }
                Step::Keys => {
                    let Some(fetch) = fetch.take() else { continue };
                    model.end(model.now, false);
                    fetch.finish(model.now, Ok(keys("a")));
                    check_end(&model, &remote, &mut waiting, Ok(()))?;
                }
                Step::Failure => {
                    let Some(fetch) = fetch.take() else { continue };
                    model.end(model.now, true);
                    fetch.finish(model.now, Err(KeyError::Status(503)));
                    check_end(&model, &remote, &mut waiting, Err(KeyError::Status(503)))?;
                }
                Step::Drop => {
                    let Some(fetch) = fetch.take() else { continue };
                    model.end(model.started_at, true);
                    drop(fetch);
                    check_end(&model, &remote, &mut waiting, Err(KeyError::Incomplete))?;
                }
                Step::Clock(tenths) => model.now += tenths * SECOND / 10,
            }
            for request in &waiting {
                prop_assert_eq!(request.woken.get(), 0, "woken before the end");
            }
            if let Some(fetch) = &fetch {
                prop_assert_eq!(fetch.is_awaited(), !waiting.is_empty());
            }
        }
    }
}
