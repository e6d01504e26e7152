mod every_order;
mod model;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const TIMES: IssuerTimes = IssuerTimes {
    refresh: Duration::from_secs(600),
    stale: Duration::from_secs(6000),
    lease: Duration::from_secs(60),
    configured_at: Duration::ZERO,
};
const WAIT: ScheduleStep = ScheduleStep::Wait { fetch: false };
const USE: ScheduleStep = ScheduleStep::Use { fetch: false };

fn id(text: &str) -> KeyTextId {
    KeyTextId::of(text.as_bytes())
}

/// Begins a fetch, which has to be due.
#[track_caller]
fn begin(record: &mut IssuerRecord, now: Duration, need: Need) -> FetchLease {
    let (step, lease) = record.look_up(now, &TIMES, need, 1, |_| true);
    lease.unwrap_or_else(|| panic!("{step:?}"))
}

/// What a request is to do when no fetch is to be begun.
#[track_caller]
fn step(record: &mut IssuerRecord, now: Duration, need: Need) -> ScheduleStep {
    let (step, lease) = record.look_up(now, &TIMES, need, 1, |_| true);
    assert_eq!(lease, None);
    step
}

/// A record whose issuer gave a text at this time, which is fresh for a minute.
fn fetched(now: Duration) -> IssuerRecord {
    let mut record = IssuerRecord::default();
    let lease = begin(&mut record, now, Need::Keys);
    assert!(record.succeed(now, &lease, id("a"), 60 * SECOND));
    record
}

#[test]
fn one_worker_fetches_and_the_others_wait() {
    let mut record = IssuerRecord::default();
    assert_eq!(record.next_look(SECOND, &TIMES), Duration::ZERO);
    let lease = begin(&mut record, SECOND, Need::Keys);
    for need in [Need::Keys, Need::NewerKeys] {
        assert_eq!(step(&mut record, 2 * SECOND, need), WAIT);
    }
    assert_eq!(record.next_look(2 * SECOND, &TIMES), IssuerTimes::LOOK);
    assert!(record.succeed(3 * SECOND, &lease, id("a"), 60 * SECOND));
    assert_eq!(step(&mut record, 3 * SECOND, Need::Keys), USE);
    assert_eq!(record.text_id(), Some(id("a")));
    assert_eq!(record.ended_fetches(), 1);
    assert_eq!(record.age(5 * SECOND), Some(2 * SECOND));
    assert_eq!(record.usable_for(5 * SECOND, &TIMES), 6058 * SECOND);
}

#[test]
fn row_39b_a_failure_is_followed_by_a_pause_for_all_workers() {
    let mut record = IssuerRecord::default();
    let lease = begin(&mut record, SECOND, Need::Keys);
    assert!(record.fail(2 * SECOND, &lease, 0));
    assert_eq!((record.failures(), record.ended_fetches()), (1, 1));
    let half = 2 * SECOND + SECOND / 2;
    assert_eq!(step(&mut record, half, Need::Keys), ScheduleStep::Fail);
    assert_eq!(record.next_look(half, &TIMES), SECOND / 2);
    let lease = begin(&mut record, 3 * SECOND, Need::Keys);
    assert!(record.fail(3 * SECOND, &lease, 0));
    assert_eq!(
        step(&mut record, 4 * SECOND, Need::Keys),
        ScheduleStep::Fail
    );
    let lease = begin(&mut record, 5 * SECOND, Need::Keys);
    assert!(record.succeed(5 * SECOND, &lease, id("a"), 60 * SECOND));
    assert_eq!(record.failures(), 0);

    // With keys nobody notices.
    let lease = begin(&mut record, 65 * SECOND, Need::Keys);
    assert!(record.fail(66 * SECOND, &lease, 0));
    assert_eq!(step(&mut record, 66 * SECOND, Need::Keys), USE);
    assert_eq!(step(&mut record, 66 * SECOND, Need::NewerKeys), USE);
}

#[test]
fn stale_keys_are_used_while_one_worker_fetches() {
    let mut record = fetched(SECOND);
    assert_eq!(step(&mut record, 60 * SECOND, Need::Keys), USE);
    assert_eq!(
        record.next_look(60 * SECOND + SECOND / 2, &TIMES),
        SECOND / 2
    );
    let (step_taken, lease) = record.look_up(61 * SECOND, &TIMES, Need::Keys, 1, |_| true);
    assert_eq!(step_taken, ScheduleStep::Use { fetch: true });
    assert!(lease.is_some());
    assert_eq!(step(&mut record, 62 * SECOND, Need::Keys), USE);
    assert_eq!(record.held(62 * SECOND, &TIMES), HeldAge::Stale);
    assert_eq!(record.held(6061 * SECOND, &TIMES), HeldAge::Unusable);
    assert_eq!(record.usable_for(7000 * SECOND, &TIMES), Duration::ZERO);
}

#[test]
fn an_unknown_key_has_the_issuer_asked_once_in_ten_seconds() {
    let mut record = fetched(SECOND);
    assert_eq!(step(&mut record, 10 * SECOND, Need::NewerKeys), USE);
    let lease = begin(&mut record, 11 * SECOND, Need::NewerKeys);
    assert_eq!(step(&mut record, 12 * SECOND, Need::NewerKeys), WAIT);
    assert_eq!(step(&mut record, 12 * SECOND, Need::Keys), USE);
    assert!(record.succeed(12 * SECOND, &lease, id("b"), 60 * SECOND));
    assert_eq!(step(&mut record, 21 * SECOND, Need::NewerKeys), USE);
    let _ = begin(&mut record, 22 * SECOND, Need::NewerKeys);
}

#[test]
fn a_worker_that_died_keeps_nobody_from_fetching() {
    let mut record = IssuerRecord::default();
    let dead = begin(&mut record, SECOND, Need::Keys);
    let is_alive = |owner| {
        assert_eq!(owner, 1);
        false
    };
    let (taken, lease) = record.look_up(SECOND, &TIMES, Need::Keys, 2, is_alive);
    assert_eq!(taken, ScheduleStep::Wait { fetch: true });
    // No fetch has ended: who waited for the first one waits for this one.
    assert_eq!((record.failures(), record.ended_fetches()), (0, 0));
    assert!(!record.succeed(SECOND, &dead, id("old"), 60 * SECOND));
    assert!(record.succeed(SECOND, &lease.unwrap(), id("a"), 60 * SECOND));

    // A fetch for an unknown key is begun again by the next token with one.
    let _ = begin(&mut record, 11 * SECOND, Need::NewerKeys);
    let (taken, lease) = record.look_up(11 * SECOND, &TIMES, Need::Keys, 2, |_| false);
    assert_eq!((taken, lease), (USE, None));
    assert!(!record.is_fetching(11 * SECOND));
    let (taken, lease) = record.look_up(11 * SECOND, &TIMES, Need::NewerKeys, 2, |_| false);
    assert_eq!(taken, ScheduleStep::Wait { fetch: true });
    assert!(lease.is_some() && record.is_fetching(11 * SECOND));
}

#[test]
fn only_of_a_worker_that_fetches_it_is_asked_whether_it_lives() {
    let mut record = fetched(SECOND);
    for need in [Need::Keys, Need::NewerKeys] {
        let (taken, _) = record.look_up(2 * SECOND, &TIMES, need, 2, |_| panic!("asked"));
        assert_eq!(taken, USE);
    }
    let lease = begin(&mut record, 61 * SECOND, Need::Keys);
    assert!(record.fail(61 * SECOND, &lease, 0));
    let (taken, _) = record.look_up(61 * SECOND, &TIMES, Need::Keys, 2, |_| panic!("asked"));
    assert_eq!(taken, USE);
}

#[test]
fn a_slow_worker_s_lease_expires_and_what_it_gives_later_does_not_count() {
    let mut record = IssuerRecord::default();
    let late = begin(&mut record, SECOND, Need::Keys);
    assert_eq!(step(&mut record, 60 * SECOND, Need::Keys), WAIT);
    let lease = begin(&mut record, 61 * SECOND, Need::Keys);
    assert!(!record.succeed(62 * SECOND, &late, id("old"), 60 * SECOND));
    assert!(!record.fail(62 * SECOND, &late, 0));
    record.release(&late);
    assert_eq!(step(&mut record, 62 * SECOND, Need::Keys), WAIT);
    assert!(record.succeed(63 * SECOND, &lease, id("a"), 60 * SECOND));
    assert!(!record.succeed(64 * SECOND, &late, id("old"), 60 * SECOND));
    assert_eq!(record.text_id(), Some(id("a")));

    // If nobody else has begun, being late does no harm.
    let mut record = IssuerRecord::default();
    let late = begin(&mut record, SECOND, Need::Keys);
    assert!(record.succeed(100 * SECOND, &late, id("a"), 60 * SECOND));
}

#[test]
fn a_fetch_of_before_shared_memory_was_lost_does_not_count() {
    let mut record = IssuerRecord::default();
    let late = begin(&mut record, SECOND, Need::Keys);
    let mut record = IssuerRecord::default();
    assert!(!record.succeed(2 * SECOND, &late, id("old"), 60 * SECOND));
    let (_, lease) = record.look_up(2 * SECOND, &TIMES, Need::Keys, 2, |_| true);
    assert!(!record.succeed(3 * SECOND, &late, id("old"), 60 * SECOND));
    assert!(record.succeed(3 * SECOND, &lease.unwrap(), id("a"), 60 * SECOND));
}

#[test]
fn a_worker_s_own_fetch_of_before_does_not_count_either() {
    let late = begin(&mut IssuerRecord::default(), SECOND, Need::Keys);
    let mut record = IssuerRecord::default();
    let lease = begin(&mut record, 2 * SECOND, Need::Keys);
    assert!(!record.succeed(3 * SECOND, &late, id("old"), 60 * SECOND));
    assert!(record.succeed(3 * SECOND, &lease, id("a"), 60 * SECOND));
}

#[test]
fn a_worker_that_exits_hands_on() {
    let mut record = IssuerRecord::default();
    let lease = begin(&mut record, SECOND, Need::Keys);
    record.release(&lease);
    // No fetch has ended: who waited for this one looks again, and waits for the next one.
    assert_eq!((record.failures(), record.ended_fetches()), (0, 0));
    assert!(!record.is_fetching(SECOND));
    let _ = begin(&mut record, SECOND, Need::Keys);
    assert!(record.is_fetching(SECOND));
}

#[test]
fn shorter_times_of_a_reload_hold_for_keys_that_were_fetched_with_longer_ones() {
    let short = IssuerTimes {
        refresh: 3 * SECOND,
        stale: 2 * SECOND,
        ..TIMES
    };
    let none = IssuerTimes {
        stale: Duration::ZERO,
        ..short
    };
    // The same if a worker of before fetches after the reload.
    let mut record = IssuerRecord::default();
    let lease = begin(&mut record, SECOND, Need::Keys);
    assert!(record.succeed(SECOND, &lease, id("a"), 600 * SECOND));
    for (now, held, usable_for) in [
        (1, HeldAge::Fresh, 5),
        (3, HeldAge::Fresh, 3),
        (4, HeldAge::Stale, 2),
        (5, HeldAge::Stale, 1),
        (6, HeldAge::Unusable, 0),
    ] {
        let now = now * SECOND;
        assert_eq!(record.held(now, &short), held, "{now:?}");
        assert_eq!(record.usable_for(now, &short), usable_for * SECOND);
        assert_eq!(record.held(now, &TIMES), HeldAge::Fresh);
    }
    assert_eq!(record.held(4 * SECOND, &none), HeldAge::Unusable);
    let half = 3 * SECOND + SECOND / 2;
    assert_eq!(record.next_look(half, &short), SECOND / 2);
    let (taken, _) = record.look_up(half, &short, Need::Keys, 1, |_| true);
    assert_eq!(taken, USE);
    let (taken, lease) = record.look_up(4 * SECOND, &short, Need::Keys, 1, |_| true);
    assert_eq!(taken, ScheduleStep::Use { fetch: true });
    assert!(lease.is_some());

    // Longer times do not make keys last longer that were to be fetched earlier.
    let mut record = IssuerRecord::default();
    let lease = begin(&mut record, SECOND, Need::Keys);
    assert!(record.succeed(SECOND, &lease, id("a"), 3 * SECOND));
    assert_eq!(record.held(4 * SECOND, &TIMES), HeldAge::Stale);
}

#[test]
fn a_reload_ends_the_pause_after_a_failure_once() {
    let mut record = IssuerRecord::default();
    let mut now = SECOND;
    for _ in 0..6 {
        now += 40 * SECOND;
        let lease = begin(&mut record, now, Need::Keys);
        assert!(record.fail(now, &lease, 0));
    }
    now += SECOND;
    let reloaded = IssuerTimes {
        configured_at: now,
        ..TIMES
    };
    assert_eq!(step(&mut record, now, Need::Keys), ScheduleStep::Fail);
    let (taken, lease) = record.look_up(now, &reloaded, Need::Keys, 2, |_| true);
    assert_eq!(taken, ScheduleStep::Wait { fetch: true });
    // The second worker waits for the first one, and has the pause after it.
    let (taken, none) = record.look_up(now, &reloaded, Need::Keys, 3, |_| true);
    assert_eq!((taken, none), (WAIT, None));
    now += SECOND;
    assert!(record.fail(now, &lease.unwrap(), 0));
    assert_eq!(record.failures(), 7);
    now += 29 * SECOND;
    for times in [&reloaded, &TIMES] {
        let (taken, lease) = record.look_up(now, times, Need::Keys, 3, |_| true);
        assert_eq!((taken, lease), (ScheduleStep::Fail, None));
    }

    // The fetch of a worker of before the reload goes on, and does not count as one of it.
    now += SECOND;
    let late = begin(&mut record, now, Need::Keys);
    now += SECOND;
    let reloaded = IssuerTimes {
        configured_at: now,
        ..TIMES
    };
    let (taken, lease) = record.look_up(now, &reloaded, Need::Keys, 4, |_| true);
    assert_eq!((taken, lease), (WAIT, None));
    assert!(record.fail(now, &late, 0));
    let (taken, lease) = record.look_up(now, &reloaded, Need::Keys, 4, |_| true);
    assert_eq!(taken, ScheduleStep::Wait { fetch: true });
    assert!(record.succeed(now, &lease.unwrap(), id("a"), 60 * SECOND));
}

#[test]
fn keys_of_a_file_are_used_until_they_are_too_old_and_the_issuer_is_asked_at_once() {
    let mut record = IssuerRecord::default();
    assert!(!record.restore(SECOND, &TIMES, id("a"), 6600 * SECOND));
    assert_eq!(record.text_id(), None);
    // With stale 0, they are used as long as those that were just fetched may be.
    let none = IssuerTimes {
        stale: Duration::ZERO,
        ..TIMES
    };
    assert!(record.restore(SECOND, &none, id("a"), 599 * SECOND));
    assert_eq!(record.held(SECOND, &none), HeldAge::Stale);
    assert_eq!(record.usable_for(SECOND, &none), SECOND);
    assert_eq!(record.next_look(SECOND, &none), Duration::ZERO);
    assert_eq!(record.held(2 * SECOND, &none), HeldAge::Unusable);
    let bytes = record.encode();
    assert_eq!(IssuerRecord::decode(&bytes), Some(record));

    let mut record = IssuerRecord::default();
    assert!(record.restore(SECOND, &TIMES, id("a"), 6590 * SECOND));
    let (step_taken, lease) = record.look_up(SECOND, &TIMES, Need::Keys, 1, |_| true);
    assert_eq!(step_taken, ScheduleStep::Use { fetch: true });
    assert_eq!(record.held(10 * SECOND, &TIMES), HeldAge::Stale);
    assert_eq!(record.held(12 * SECOND, &TIMES), HeldAge::Unusable);
    // A token with an unknown key waits for the fetch.
    assert_eq!(step(&mut record, 2 * SECOND, Need::NewerKeys), WAIT);
    assert!(record.succeed(3 * SECOND, &lease.unwrap(), id("b"), 60 * SECOND));
    assert!(!record.restore(3 * SECOND, &TIMES, id("a"), SECOND));
    assert_eq!(record.text_id(), Some(id("b")));
}

#[test]
fn a_text_that_was_lost_is_fetched_again() {
    let mut record = fetched(SECOND);
    record.forget_text();
    let _ = begin(&mut record, 2 * SECOND, Need::Keys);
}

#[test]
fn a_clock_that_was_set_back_makes_nothing_last_longer() {
    let mut record = fetched(1_000_000 * SECOND);
    assert_eq!(step(&mut record, SECOND, Need::Keys), USE);
    let lease = begin(&mut record, 61 * SECOND, Need::Keys);
    assert!(record.fail(61 * SECOND, &lease, 0));
    assert_eq!(record.held(6061 * SECOND, &TIMES), HeldAge::Unusable);
}

#[test]
fn bytes_of_something_else_are_no_record() {
    let record = fetched(SECOND);
    let bytes = record.encode();
    assert_eq!(IssuerRecord::decode(&bytes), Some(record));
    assert_eq!(IssuerRecord::decode(&[0; IssuerRecord::BYTES]), None);
    assert_eq!(IssuerRecord::decode(&bytes[1..]), None);
    assert_eq!(
        IssuerRecord::decode(&[bytes.as_slice(), b"a"].concat()),
        None
    );
    assert_eq!(IssuerRecord::decode(b""), None);
    for (index, what) in [(0, "layout"), (8, "activity"), (39, "failures")] {
        let mut damaged = bytes;
        damaged[index] ^= 0x80;
        assert_eq!(IssuerRecord::decode(&damaged), None, "{what}");
    }
    let empty = IssuerRecord::default();
    assert_eq!(IssuerRecord::decode(&empty.encode()), Some(empty));
}

#[test]
fn a_time_that_is_too_late_to_be_stored_is_not_taken_for_none() {
    let longest = Duration::from_nanos(u64::MAX - 1);
    for time in [longest, longest + SECOND, Duration::MAX] {
        assert_eq!(codec::nanos(time), u64::MAX - 1);
    }
}
