use super::*;

const TIMES: IssuerTimes = IssuerTimes {
    refresh: IssuerTimes::REFRESH,
    stale: IssuerTimes::STALE,
    lease: Duration::from_secs(60),
    configured_at: Duration::ZERO,
};

fn at_most(seconds: u64) -> Freshness {
    Freshness::AtMost(Duration::from_secs(seconds))
}

#[test]
fn the_header_counts_between_the_least_time_and_refresh() {
    for (header, expected) in [
        (Freshness::Unspecified, 600),
        (Freshness::Never, 30),
        (at_most(1), 30),
        (at_most(30), 30),
        (at_most(31), 31),
        (at_most(599), 599),
        (at_most(601), 600),
        (at_most(u64::MAX), 600),
    ] {
        assert_eq!(TIMES.fresh_for(header, 0).as_secs(), expected, "{header:?}");
    }
    let often = IssuerTimes {
        refresh: Duration::from_secs(5),
        ..TIMES
    };
    for header in [
        Freshness::Unspecified,
        Freshness::Never,
        at_most(1),
        at_most(60),
    ] {
        assert_eq!(often.fresh_for(header, 0).as_secs(), 5, "{header:?}");
        assert_eq!(often.fresh_for(header, u16::MAX).as_secs(), 5, "{header:?}");
    }
}

#[test]
fn chance_shortens_it_by_a_tenth_at_most() {
    let shortest = TIMES.fresh_for(Freshness::Unspecified, u16::MAX);
    assert_eq!(shortest.as_millis(), 540_000);
    let half = TIMES.fresh_for(Freshness::Unspecified, u16::MAX / 2);
    assert_eq!(half.as_secs(), 570);
    assert_eq!(TIMES.fresh_for(at_most(30), u16::MAX).as_secs(), 30);
    let forever = IssuerTimes {
        refresh: Duration::MAX,
        ..TIMES
    };
    assert!(forever.fresh_for(Freshness::Unspecified, u16::MAX) > Duration::MAX / 10 * 8);
}

#[test]
fn starts_are_spread_over_two_seconds() {
    assert_eq!(IssuerTimes::start_delay(0), Duration::ZERO);
    assert_eq!(IssuerTimes::start_delay(u16::MAX / 2 + 1).as_millis(), 1000);
    assert_eq!(IssuerTimes::start_delay(u16::MAX).as_millis(), 1999);
}
