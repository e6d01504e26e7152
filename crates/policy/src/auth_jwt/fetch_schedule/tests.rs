use super::*;

const SECOND: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(60);
const CACHE: KeyCache = KeyCache {
    time: Duration::from_secs(600),
    stale: Duration::from_secs(6000),
    refresh: Some(Duration::from_secs(10)),
};

fn next(schedule: &mut FetchSchedule, now: Duration, held: HeldAge, need: Need) -> ScheduleStep {
    schedule.next(now, held, &CACHE, need, LIMIT)
}

#[test]
fn pauses_double_up_to_a_bound() {
    let seconds = |failures| pause(failures, 0).as_secs();
    assert_eq!(
        [1, 2, 3, 4, 5, 6, u32::MAX].map(seconds),
        [1, 2, 4, 8, 16, 30, 30]
    );
    assert_eq!(pause(1, u16::MAX), Duration::from_millis(1100));
    assert_eq!(pause(9, u16::MAX), Duration::from_secs(33));
}

#[test]
fn keys_are_fresh_then_stale_then_unusable() {
    let at = |seconds| HeldAge::of(Some(seconds * SECOND), &CACHE);
    assert_eq!(HeldAge::of(None, &CACHE), HeldAge::Unusable);
    assert_eq!([0, 599].map(at), [HeldAge::Fresh; 2]);
    assert_eq!([600, 6599].map(at), [HeldAge::Stale; 2]);
    assert_eq!([6600, u32::MAX].map(at), [HeldAge::Unusable; 2]);
    let forever = KeyCache {
        stale: Duration::MAX,
        ..CACHE
    };
    assert_eq!(
        HeldAge::of(Some(Duration::MAX), &forever),
        HeldAge::Unusable
    );
}

#[test]
fn whoever_fetches_too_long_is_taken_for_dead() {
    let mut schedule = FetchSchedule::default();
    let fetch = ScheduleStep::Wait { fetch: true };
    let wait = ScheduleStep::Wait { fetch: false };
    assert_eq!(
        next(&mut schedule, SECOND, HeldAge::Unusable, Need::Keys),
        fetch
    );
    for need in [Need::Keys, Need::NewerKeys] {
        assert_eq!(
            next(&mut schedule, 60 * SECOND, HeldAge::Unusable, need),
            wait
        );
    }
    assert!(schedule.is_fetching(60 * SECOND));
    assert!(!schedule.is_fetching(61 * SECOND));
    assert_eq!(
        next(&mut schedule, 61 * SECOND, HeldAge::Unusable, Need::Keys),
        fetch
    );
    assert!(schedule.is_fetching(120 * SECOND));
}

#[test]
fn a_fetch_that_was_cancelled_says_nothing_of_the_source() {
    let mut schedule = FetchSchedule::default();
    schedule.fail(SECOND, 0);
    let fetch = ScheduleStep::Use { fetch: true };
    assert_eq!(
        next(&mut schedule, 2 * SECOND, HeldAge::Stale, Need::Keys),
        fetch
    );
    schedule.cancel();
    assert_eq!(schedule.failures(), 1);
    assert_eq!(
        next(&mut schedule, 2 * SECOND, HeldAge::Stale, Need::Keys),
        fetch
    );
}

#[test]
fn a_clock_that_was_set_back_holds_up_nothing() {
    let far = 1_000_000 * SECOND;
    let mut fetching = FetchSchedule::default();
    next(&mut fetching, far, HeldAge::Unusable, Need::Keys);
    fetching.clamp(SECOND, LIMIT);
    assert!(fetching.is_fetching(60 * SECOND));
    assert!(!fetching.is_fetching(61 * SECOND));

    let mut failed = FetchSchedule::default();
    failed.fail(far, 0);
    failed.clamp(SECOND, LIMIT);
    assert!(!failed.may_fetch(2 * SECOND));
    assert!(failed.may_fetch(SECOND + Duration::from_millis(1100)));

    let mut succeeded = FetchSchedule::default();
    succeeded.succeed(far);
    succeeded.clamp(SECOND, LIMIT);
    assert!(!succeeded.may_refresh(10 * SECOND, &CACHE));
    assert!(succeeded.may_refresh(11 * SECOND, &CACHE));
    // Times that the clock has reached stay.
    let before = succeeded;
    succeeded.clamp(2 * SECOND, LIMIT);
    assert_eq!(succeeded, before);
}
