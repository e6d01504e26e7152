use super::*;
use crate::auth_jwt::has_kid;
use crate::single_flight::FlightState;
use std::cell::Cell;
use std::convert::Infallible;

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

fn decide(remote: &Remote, now: Duration, cache: &KeyCache) -> FetchDecision<Waker> {
    let Ok(decision) = remote.decide(now, cache, false, || Ok::<_, Infallible>(Waker::default()));
    decision
}

#[track_caller]
fn fetch(remote: &Remote, now: Duration, cache: &KeyCache) -> KeyFetch<Waker> {
    match decide(remote, now, cache) {
        FetchDecision::Fetch(fetch) => fetch,
        FetchDecision::Cached(_) => panic!("the keys are cached"),
        FetchDecision::Wait(_) => panic!("another request fetches"),
    }
}

#[track_caller]
fn follow(remote: &Remote, waker: &Waker) -> KeyFollower<Waker> {
    let waker = || Ok::<_, Infallible>(Rc::clone(waker));
    match remote.decide(SECOND, &CACHE, false, waker) {
        Ok(FetchDecision::Wait(follower)) => follower,
        _ => panic!("no other request fetches"),
    }
}

fn has_cached(remote: &Remote, now: Duration, cache: &KeyCache, kid: &str) -> bool {
    match decide(remote, now, cache) {
        FetchDecision::Cached(keys) => has_kid(&keys, kid),
        FetchDecision::Fetch(_) | FetchDecision::Wait(_) => false,
    }
}

#[test]
fn keys_are_fetched_once_in_their_time() {
    let remote = Remote::default();
    let loaded = fetch(&remote, SECOND, &CACHE).finish(SECOND, &CACHE, Ok(keys("a")));
    assert!(has_kid(&loaded.keys.unwrap(), "a"));
    assert!(has_cached(&remote, 60 * SECOND, &CACHE, "a"));
    fetch(&remote, 61 * SECOND, &CACHE);
}

#[test]
fn row_6_waiting_requests_get_what_was_fetched() {
    let remote = Remote::default();
    let fetch = fetch(&remote, SECOND, &CACHE);
    let woken = <[Waker; 2]>::default();
    let followers = woken.each_ref().map(|waker| follow(&remote, waker));
    assert!(matches!(followers[0].state(), FlightState::Pending));
    fetch.finish(2 * SECOND, &CACHE, Err(KeyError::Status(404)));
    assert_eq!(woken.map(|woken| woken.get()), [1, 1]);
    for follower in followers {
        assert!(matches!(
            follower.state(),
            FlightState::Finished(Err(KeyError::Status(404)))
        ));
    }
}

#[test]
fn row_6_a_waiting_request_takes_over_from_a_client_that_left() {
    let remote = Remote::default();
    let gone = fetch(&remote, SECOND, &CACHE);
    let woken = Waker::default();
    let follower = follow(&remote, &woken);
    drop(gone);
    assert_eq!(woken.get(), 1);
    assert!(matches!(follower.state(), FlightState::Abandoned));
    fetch(&remote, SECOND, &CACHE);
}

#[test]
fn row_39b_without_stale_a_failure_is_a_failure() {
    let remote = Remote::default();
    fetch(&remote, SECOND, &CACHE).finish(SECOND, &CACHE, Ok(keys("a")));
    let later = 61 * SECOND;
    let loaded = fetch(&remote, later, &CACHE).finish(later, &CACHE, Err(KeyError::Status(502)));
    assert_eq!(loaded.keys.unwrap_err(), KeyError::Status(502));
    fetch(&remote, later, &CACHE);
}

#[test]
fn row_39b_stale_keys_are_used_while_the_source_fails() {
    let remote = Remote::default();
    fetch(&remote, SECOND, &STALE).finish(SECOND, &STALE, Ok(keys("a")));
    let failed = 61 * SECOND;
    let loaded = fetch(&remote, failed, &STALE).finish(failed, &STALE, Err(KeyError::Status(502)));
    assert!(has_kid(&loaded.keys.unwrap(), "a"));
    assert_eq!(loaded.stale_because, Some(KeyError::Status(502)));
    // The source is not asked for a while, and then asked again.
    assert!(has_cached(&remote, failed + 9 * SECOND, &STALE, "a"));
    fetch(&remote, failed + 10 * SECOND, &STALE);
    let too_late = 661 * SECOND;
    let fetch = fetch(&remote, too_late, &STALE);
    let loaded = fetch.finish(too_late, &STALE, Err(KeyError::Status(502)));
    assert_eq!(loaded.keys.unwrap_err(), KeyError::Status(502));
}

#[test]
fn an_unknown_kid_refreshes_but_not_too_often() {
    let remote = Remote::default();
    fetch(&remote, SECOND, &CACHE).finish(SECOND, &CACHE, Ok(keys("a")));
    assert!(!remote.may_refresh(10 * SECOND, &CACHE));
    assert!(remote.may_refresh(11 * SECOND, &CACHE));
    let off = KeyCache {
        refresh: None,
        ..CACHE
    };
    assert!(!remote.may_refresh(50 * SECOND, &off));
    let waker = || Ok::<_, Infallible>(Waker::default());
    let Ok(FetchDecision::Fetch(refresh)) = remote.decide(11 * SECOND, &CACHE, true, waker) else {
        panic!("no refresh");
    };
    // While it is under way, other requests may wait for it.
    assert!(remote.may_refresh(12 * SECOND, &CACHE));
    assert!(!remote.may_refresh(12 * SECOND, &off));
    // A refresh that fails takes nothing away that is still in its time.
    let loaded = refresh.finish(11 * SECOND, &CACHE, Err(KeyError::Status(502)));
    assert!(has_kid(&loaded.keys.unwrap(), "a"));
    assert!(!remote.may_refresh(12 * SECOND, &CACHE));
}

#[test]
fn forgotten_keys_are_fetched_and_a_fetch_under_way_still_ends() {
    let remote = Remote::default();
    fetch(&remote, SECOND, &CACHE).finish(SECOND, &CACHE, Ok(keys("a")));
    assert!(has_cached(&remote, SECOND, &CACHE, "a"));
    remote.forget();
    let under_way = fetch(&remote, SECOND, &CACHE);
    let woken = Waker::default();
    let follower = follow(&remote, &woken);
    remote.forget();
    fetch(&remote, SECOND, &CACHE).finish(SECOND, &CACHE, Ok(keys("b")));
    assert!(has_cached(&remote, SECOND, &CACHE, "b"));
    drop(under_way);
    assert_eq!(woken.get(), 1);
    assert!(matches!(follower.state(), FlightState::Abandoned));
}
