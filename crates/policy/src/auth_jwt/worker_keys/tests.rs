use super::super::has_kid;
use super::*;
use crate::auth_jwt::fetch_schedule::Need;

const SECOND: Duration = Duration::from_secs(1);
const TIMES: IssuerTimes = IssuerTimes {
    refresh: Duration::from_secs(600),
    stale: Duration::from_secs(6000),
    lease: Duration::from_secs(60),
    configured_at: Duration::ZERO,
};

fn text(kid: &str) -> Vec<u8> {
    format!(r#"{{"kty":"oct","kid":"{kid}","k":"AAAA"}}"#).into_bytes()
}

fn parse(kid: &str) -> Option<Result<KeySet, KeyError>> {
    Some(KeySet::parse(&text(kid)).map_err(KeyError::from))
}

/// Lets somebody fetch this text.
fn fetch(record: &mut IssuerRecord, now: Duration, text: &[u8]) {
    let (_, lease) = record.look_up(now, &TIMES, Need::Keys, 1, |_| true);
    let lease = lease.expect("a fetch is due");
    assert!(record.succeed(now, &lease, KeyTextId::of(text), 60 * SECOND));
}

#[test]
fn a_text_is_parsed_once_and_replaces_the_one_before() {
    let (mut record, mut keys) = (IssuerRecord::default(), WorkerKeys::default());
    assert!(!keys.needs_text(&record));
    fetch(&mut record, SECOND, &text("a"));
    assert!(keys.needs_text(&record));
    keys.update(SECOND, &TIMES, &record, parse("a"));
    assert!(!keys.needs_text(&record));
    assert!(has_kid(keys.usable(SECOND).unwrap(), "a"));

    // The same text again only lasts longer.
    let end = 6061 * SECOND;
    assert!(keys.usable(end - SECOND).is_some());
    assert!(keys.usable(end).is_none());
    fetch(&mut record, 100 * SECOND, &text("a"));
    assert!(!keys.needs_text(&record));
    keys.update(100 * SECOND, &TIMES, &record, None);
    assert!(keys.usable(end).is_some());

    fetch(&mut record, 200 * SECOND, &text("b"));
    assert!(keys.needs_text(&record));
    keys.update(200 * SECOND, &TIMES, &record, parse("b"));
    let now = keys.usable(200 * SECOND).unwrap();
    assert!(has_kid(now, "b") && !has_kid(now, "a"));
}

#[test]
fn a_text_that_does_not_come_or_is_invalid_leaves_no_keys() {
    let (mut record, mut keys) = (IssuerRecord::default(), WorkerKeys::default());
    fetch(&mut record, SECOND, &text("a"));
    keys.update(SECOND, &TIMES, &record, parse("a"));
    fetch(&mut record, 100 * SECOND, &text("b"));
    keys.update(100 * SECOND, &TIMES, &record, None);
    assert!(keys.usable(100 * SECOND).is_none());
    assert!(keys.needs_text(&record));

    // An invalid one is not parsed again.
    let invalid = KeySet::parse(b"{}").map_err(KeyError::from);
    assert!(invalid.is_err());
    keys.update(100 * SECOND, &TIMES, &record, Some(invalid));
    assert!(keys.usable(100 * SECOND).is_none());
    assert!(!keys.needs_text(&record));
}

#[test]
fn a_worker_goes_on_with_its_keys_when_shared_memory_is_lost() {
    let (mut record, mut keys) = (IssuerRecord::default(), WorkerKeys::default());
    fetch(&mut record, SECOND, &text("a"));
    keys.update(SECOND, &TIMES, &record, parse("a"));
    let lost = IssuerRecord::default();
    assert!(!keys.needs_text(&lost));
    keys.update(100 * SECOND, &TIMES, &lost, None);
    assert!(keys.usable(100 * SECOND).is_some());
    assert!(keys.usable(6061 * SECOND).is_none());
}
