use super::*;

const SECOND: Duration = Duration::from_secs(1);
const CACHE: KeyCache = KeyCache {
    time: Duration::from_secs(60),
    stale: Duration::from_secs(600),
    refresh: Some(Duration::from_secs(10)),
};

fn text(kid: &str) -> Vec<u8> {
    format!(r#"{{"kty":"oct","kid":"{kid}","k":"AAAA"}}"#).into_bytes()
}

fn keys(kid: &str) -> KeySet {
    KeySet::parse(&text(kid)).unwrap()
}

fn generations(keys: &KeySet) -> Vec<u64> {
    keys.generations().collect()
}

#[test]
fn the_same_text_gives_the_same_keys() {
    let mut parser = KeySetParser::default();
    let mut parse = |text: &[u8]| generations(&parser.parse(text).unwrap());
    let (first, other) = (parse(&text("a")), parse(&text("b")));
    assert_ne!(first, other);
    assert_eq!(parse(&text("b")), other);
    assert_ne!(parse(&text("a")), first);
    assert!(parser.parse(b"{}").is_err());
    assert!(parser.parse(b"{}").is_err());
}

#[test]
fn keys_are_fresh_for_the_time_of_the_cache() {
    let mut state = KeyCacheState::default();
    assert!(state.fresh(SECOND, &CACHE).is_none());
    let loaded = state.finish(SECOND, &CACHE, Ok(keys("a")));
    let expected = generations(&loaded.keys.unwrap());
    assert_eq!(loaded.stale_because, None);
    let fresh = |now| state.fresh(now, &CACHE).map(generations);
    assert_eq!(fresh(60 * SECOND), Some(expected));
    assert_eq!(fresh(61 * SECOND), None);
    assert!(state.fresh(SECOND, &KeyCache::NONE).is_none());
}

#[test]
fn an_unchanged_source_makes_its_keys_fresh_again() {
    let mut state = KeyCacheState::default();
    let never = || panic!("there are no keys to confirm, or they are fresh");
    assert!(state.fresh_or_unchanged(SECOND, &CACHE, never).is_none());
    _ = state.finish(SECOND, &CACHE, Ok(keys("a")));
    let at_61 = 61 * SECOND;
    assert!(
        state
            .fresh_or_unchanged(60 * SECOND, &CACHE, never)
            .is_some()
    );
    assert!(state.fresh_or_unchanged(at_61, &CACHE, || false).is_none());
    assert!(state.fresh_or_unchanged(at_61, &CACHE, || true).is_some());
    assert!(state.fresh(120 * SECOND, &CACHE).is_some());
    assert!(!state.may_refresh(70 * SECOND, &CACHE));
    assert!(state.may_refresh(71 * SECOND, &CACHE));
}

#[test]
fn row_39b_a_failure_is_paused_for_as_long_as_the_refresh_interval() {
    let mut state = KeyCacheState::default();
    _ = state.finish(SECOND, &CACHE, Ok(keys("a")));
    let loaded = state.finish(61 * SECOND, &CACHE, Err(KeyError::Status(502)));
    assert!(loaded.keys.is_ok());
    assert_eq!(loaded.stale_because, Some(KeyError::Status(502)));
    assert!(state.fresh_or_paused(70 * SECOND, &CACHE).is_some());
    assert!(state.fresh_or_paused(71 * SECOND, &CACHE).is_none());
    let loaded = state.finish(661 * SECOND, &CACHE, Err(KeyError::Truncated));
    assert_eq!(loaded.keys.unwrap_err(), KeyError::Truncated);
    assert_eq!(loaded.stale_because, None);
    assert!(state.fresh_or_paused(661 * SECOND, &CACHE).is_none());
    let pause = |refresh| KeyCache { refresh, ..CACHE }.pause();
    assert_eq!(pause(None), KeyCache::REFRESH);
    assert_eq!(pause(Some(SECOND)), SECOND);
    assert_eq!(pause(Some(60 * SECOND)), KeyCache::REFRESH);
}

#[test]
fn fresh_keys_are_refreshed_only_after_the_interval() {
    let mut state = KeyCacheState::default();
    assert!(state.may_refresh(SECOND, &CACHE));
    state.asked(SECOND);
    assert!(!state.may_refresh(10 * SECOND, &CACHE));
    assert!(state.may_refresh(11 * SECOND, &CACHE));
    let never = KeyCache {
        refresh: None,
        ..CACHE
    };
    assert!(!state.may_refresh(11 * SECOND, &never));
    assert!(!state.may_refresh(11 * SECOND, &KeyCache::NONE));
}
