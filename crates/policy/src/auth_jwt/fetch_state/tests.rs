use super::*;
use crate::auth_jwt::watched_file::FileError;

const SECOND: Duration = Duration::from_secs(1);
const CACHE: KeyCache = KeyCache {
    time: Duration::from_secs(60),
    stale: Duration::from_secs(600),
    refresh: Some(Duration::from_secs(10)),
};
const NO_STALE: KeyCache = KeyCache {
    stale: Duration::ZERO,
    ..CACHE
};
const PAUSE: AfterFailure = AfterFailure::Pause { jitter: 0 };

fn keys(kid: &str) -> KeySet {
    let text = format!(r#"{{"kty":"oct","kid":"{kid}","k":"AAAA"}}"#);
    KeySet::parse(text.as_bytes()).unwrap()
}

fn generations(keys: &KeySet) -> Vec<u64> {
    keys.generations().collect()
}

/// A state whose source was asked successfully at this time.
fn fetched(at: Duration) -> FetchState {
    let mut state = FetchState::default();
    state.finish(at, Ok(&keys("a")), PAUSE);
    state
}

fn fail(state: &mut FetchState, now: Duration) {
    state.finish(now, Err(&KeyError::Status(503)), PAUSE);
}

#[track_caller]
fn assert_step(state: &mut FetchState, now: Duration, need: Need, expected: &str) {
    let step = match state.next(now, &CACHE, need) {
        NextStep::Use { fetch: false, .. } => "use",
        NextStep::Use { fetch: true, .. } => "use and fetch",
        NextStep::Wait { fetch: false } => "wait",
        NextStep::Wait { fetch: true } => "fetch and wait",
        NextStep::Fail(_) => "fail",
    };
    assert_eq!(step, expected);
}

#[test]
fn keys_are_fresh_for_the_time_of_the_cache() {
    let mut state = FetchState::default();
    assert!(state.fresh(SECOND, &CACHE).is_none());
    let first = keys("a");
    state.finish(SECOND, Ok(&first), PAUSE);
    let fresh = |now| state.fresh(now, &CACHE).map(generations);
    assert_eq!(fresh(60 * SECOND), Some(generations(&first)));
    assert_eq!(fresh(61 * SECOND), None);
    assert!(state.fresh(SECOND, &KeyCache::NONE).is_none());
    assert!(state.usable(660 * SECOND, &CACHE).is_some());
    assert!(state.usable(661 * SECOND, &CACHE).is_none());
    assert!(state.usable(61 * SECOND, &NO_STALE).is_none());
}

#[test]
fn an_unchanged_source_makes_its_keys_fresh_again() {
    let mut state = FetchState::default();
    let never = || panic!("there are no keys to confirm, or they are fresh");
    assert!(state.fresh_or_unchanged(SECOND, &CACHE, never).is_none());
    state.finish(SECOND, Ok(&keys("a")), PAUSE);
    let mut at = |now, unchanged: &dyn Fn() -> bool| {
        state.fresh_or_unchanged(now, &CACHE, unchanged).is_some()
    };
    assert!(at(60 * SECOND, &never));
    assert!(!at(61 * SECOND, &|| false));
    assert!(at(61 * SECOND, &|| true));
    assert!(state.fresh(120 * SECOND, &CACHE).is_some());
    assert!(!state.may_refresh(70 * SECOND, &CACHE));
    assert!(state.may_refresh(71 * SECOND, &CACHE));
}

#[test]
fn whoever_has_no_keys_waits_for_one_fetch() {
    let mut state = FetchState::default();
    assert_step(&mut state, SECOND, Need::Keys, "fetch and wait");
    assert_step(&mut state, 2 * SECOND, Need::Keys, "wait");
    assert_step(&mut state, 2 * SECOND, Need::NewerKeys, "wait");
    state.finish(3 * SECOND, Ok(&keys("a")), PAUSE);
    assert_step(&mut state, 3 * SECOND, Need::Keys, "use");
}

#[test]
fn stale_keys_are_used_at_once_while_one_fetch_runs() {
    let mut state = fetched(SECOND);
    let stale = 61 * SECOND;
    assert_step(&mut state, stale, Need::Keys, "use and fetch");
    assert_step(&mut state, stale, Need::Keys, "use");
    assert!(state.usable_without_fetch(stale, &CACHE).is_some());
    // Beyond the bound nobody uses them, however long the fetch takes.
    assert_step(&mut state, 661 * SECOND, Need::Keys, "wait");
    assert!(state.usable_without_fetch(661 * SECOND, &CACHE).is_none());
}

#[test]
fn row_39b_a_failure_is_followed_by_a_pause_with_and_without_keys() {
    let mut with_keys = fetched(SECOND);
    assert_step(&mut with_keys, 61 * SECOND, Need::Keys, "use and fetch");
    fail(&mut with_keys, 62 * SECOND);
    assert_step(&mut with_keys, 62 * SECOND, Need::Keys, "use");
    assert_step(&mut with_keys, 62 * SECOND, Need::NewerKeys, "use");
    assert_step(&mut with_keys, 63 * SECOND, Need::Keys, "use and fetch");

    let mut without = FetchState::default();
    assert_step(&mut without, SECOND, Need::Keys, "fetch and wait");
    fail(&mut without, 5 * SECOND);
    // The pause counts from the end of the fetch.
    assert_step(&mut without, 5 * SECOND, Need::Keys, "fail");
    assert!(matches!(
        without.next(5 * SECOND, &CACHE, Need::Keys),
        NextStep::Fail(KeyError::Status(503))
    ));
    assert_step(&mut without, 6 * SECOND, Need::Keys, "fetch and wait");
}

#[test]
fn pauses_double_and_a_success_ends_them() {
    let mut state = FetchState::default();
    fail(&mut state, SECOND);
    fail(&mut state, 10 * SECOND);
    assert_step(&mut state, 11 * SECOND, Need::Keys, "fail");
    state.finish(20 * SECOND, Ok(&keys("a")), PAUSE);
    fail(&mut state, 700 * SECOND);
    assert_step(&mut state, 701 * SECOND, Need::Keys, "fetch and wait");
}

#[test]
fn fresh_keys_are_refreshed_only_after_the_interval() {
    let mut state = fetched(SECOND);
    assert_step(&mut state, 10 * SECOND, Need::NewerKeys, "use");
    assert_step(&mut state, 11 * SECOND, Need::NewerKeys, "fetch and wait");
    // Others do not wait for it, but whoever has the same unknown key does.
    assert_step(&mut state, 12 * SECOND, Need::Keys, "use");
    assert_step(&mut state, 12 * SECOND, Need::NewerKeys, "wait");
    // The interval counts from the end of the fetch.
    state.finish(30 * SECOND, Ok(&keys("b")), PAUSE);
    assert!(!state.may_refresh(39 * SECOND, &CACHE));
    assert!(state.may_refresh(40 * SECOND, &CACHE));
    let never = KeyCache {
        refresh: None,
        ..CACHE
    };
    assert!(!state.may_refresh(40 * SECOND, &never));
    assert!(!state.may_refresh(40 * SECOND, &KeyCache::NONE));
}

#[test]
fn a_source_that_costs_nothing_may_be_asked_again_at_once() {
    let mut state = fetched(SECOND);
    state.finish(
        11 * SECOND,
        Err(&KeyError::File(FileError::NotRegular)),
        AfterFailure::AskAgain,
    );
    assert!(state.may_refresh(11 * SECOND, &CACHE));
    assert_step(&mut state, 61 * SECOND, Need::Keys, "use and fetch");
}
