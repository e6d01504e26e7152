use super::*;

fn freshness(lines: &[&str]) -> Freshness {
    Freshness::from_cache_control(lines.iter().map(|line| line.as_bytes()))
}

fn at_most(seconds: u64) -> Freshness {
    Freshness::AtMost(Duration::from_secs(seconds))
}

#[test]
fn a_response_with_one_of_these_directives_is_not_kept() {
    for line in [
        "no-store",
        "NO-STORE",
        "max-age=60, no-store",
        "no-cache",
        "private",
        "private=\"x-user\"",
        "max-age=0",
        "max-age",
        "max-age=",
        "max-age=-1",
        "max-age=1.5",
        "max-age=x",
        "max-age=\"60",
        "s-maxage=0, max-age=60",
    ] {
        assert_eq!(freshness(&[line]), Freshness::Never, "{line}");
    }
    assert_eq!(freshness(&["max-age=60", "private"]), Freshness::Never);
    assert_eq!(freshness(&["private", "max-age=60"]), Freshness::Never);
    assert_eq!(Freshness::Never.cap(Duration::MAX), None);
    assert_eq!(Freshness::Unspecified.cap(Duration::ZERO), None);
}

#[test]
fn the_shortest_limit_counts() {
    assert_eq!(freshness(&["max-age=60"]), at_most(60));
    assert_eq!(freshness(&["public, Max-Age = \"60\" ,x"]), at_most(60));
    assert_eq!(
        freshness(&["max-age=60, s-maxage=30", "max-age=90"]),
        at_most(30)
    );
    assert_eq!(
        freshness(&["max-age=99999999999999999999"]),
        at_most(u64::MAX)
    );
    let minute = Duration::from_secs(60);
    assert_eq!(at_most(30).cap(minute), Some(minute / 2));
    assert_eq!(at_most(90).cap(minute), Some(minute));
}

#[test]
fn age_is_subtracted() {
    let after = |lines: &[&str]| at_most(60).minus_age(lines.iter().map(|line| line.as_bytes()));
    for lines in [
        &["60"][..],
        &["61"],
        &["1", "99999999999999999999"],
        &[""],
        &["-1"],
        &["1, 2"],
        &["1.5"],
    ] {
        assert_eq!(after(lines), Freshness::Never, "{lines:?}");
    }
    assert_eq!(after(&[]), at_most(60));
    assert_eq!(after(&["0"]), at_most(60));
    assert_eq!(after(&["5", " 20 "]), at_most(40));
    let age = || [&b"x"[..]].into_iter();
    assert_eq!(
        Freshness::Unspecified.minus_age(age()),
        Freshness::Unspecified
    );
    assert_eq!(Freshness::Never.minus_age(age()), Freshness::Never);
}

#[test]
fn other_directives_say_nothing() {
    for line in [
        "",
        ",",
        "public",
        "must-revalidate",
        "x-max-age=0",
        "=no-store",
    ] {
        assert_eq!(freshness(&[line]), Freshness::Unspecified, "{line}");
    }
    assert_eq!(freshness(&[]), Freshness::Unspecified);
}

#[test]
fn the_shorter_of_two_counts() {
    use Freshness::{Never, Unspecified};
    for (one, other, expected) in [
        (Never, Unspecified, Never),
        (Never, at_most(5), Never),
        (Unspecified, Unspecified, Unspecified),
        (Unspecified, at_most(5), at_most(5)),
        (at_most(6), at_most(5), at_most(5)),
    ] {
        assert_eq!(one.and(other), expected);
        assert_eq!(other.and(one), expected);
    }
}

#[test]
fn pragma_may_forbid_it() {
    let pragma = |lines: &[&str]| Freshness::from_pragma(lines.iter().map(|line| line.as_bytes()));
    assert_eq!(pragma(&[]), Freshness::Unspecified);
    assert_eq!(
        pragma(&["", "x-no-cache", "no-cache=1"]),
        Freshness::Unspecified
    );
    for lines in [&["no-cache"][..], &["a", "b , NO-Cache"]] {
        assert_eq!(pragma(lines), Freshness::Never, "{lines:?}");
    }
}

#[test]
fn accel_expires_has_seconds_or_a_time() {
    let accel = |lines: &[&str], now| {
        Freshness::from_accel_expires(lines.iter().map(|line| line.as_bytes()), now)
    };
    assert_eq!(accel(&[], 1000), Freshness::Unspecified);
    for lines in [
        &["0"][..],
        &["@1000"],
        &["@999"],
        &["@0"],
        &["@"],
        &[""],
        &["-1"],
        &["@-1"],
        &["off"],
        &["1.5"],
        &["@ 2000"],
        &["60", "0"],
        &["@2000", "@1"],
    ] {
        assert_eq!(accel(lines, 1000), Freshness::Never, "{lines:?}");
    }
    assert_eq!(accel(&["60"], 1000), at_most(60));
    assert_eq!(accel(&[" 60 ", "30"], 1000), at_most(30));
    assert_eq!(accel(&["@1060"], 1000), at_most(60));
    assert_eq!(accel(&["@1060", "90"], 1000), at_most(60));
    assert_eq!(accel(&["@60"], -5), at_most(60));
    assert_eq!(accel(&["99999999999999999999"], 1000), at_most(u64::MAX));
}

#[test]
fn expires_is_a_time_and_a_malformed_one_is_past() {
    let expires = |times: &[Option<i64>]| Freshness::from_expires(times.iter().copied(), 1000);
    assert_eq!(expires(&[]), Freshness::Unspecified);
    for times in [
        &[None][..],
        &[Some(1000)],
        &[Some(999)],
        &[Some(0)],
        &[Some(i64::MIN)],
    ] {
        assert_eq!(expires(times), Freshness::Never, "{times:?}");
    }
    assert_eq!(expires(&[Some(1060), None]), Freshness::Never);
    assert_eq!(expires(&[Some(1060)]), at_most(60));
    assert_eq!(expires(&[Some(1060), Some(1030)]), at_most(30));
    assert_eq!(expires(&[Some(i64::MAX)]), at_most(i64::MAX as u64 - 1000));
}

#[test]
fn until_is_a_time_in_seconds() {
    const NOW: i64 = 1_700_000_000;
    let until = |value: &str| Freshness::from_until(value.as_bytes(), NOW);
    for value in [
        "0",
        "1",
        "1700000000",
        "1700000000.9",
        "-1",
        "-1800000000",
        "x",
        "null",
        "\"1800000000\"",
        " 1800000000",
        "1800000000 ",
        "1.8e9",
        "1800000000.",
        ".5",
        "1800000000.x",
        "1800000000.1.2",
        "+1800000000",
        "0x7fffffff",
        "1800000000,1900000000",
        "true",
        "[1800000000]",
        "inf",
    ] {
        assert_eq!(until(value), Freshness::Never, "{value}");
    }
    assert_eq!(until(""), Freshness::Unspecified);
    assert_eq!(until("1700000001"), at_most(1));
    assert_eq!(until("1700000001.9"), at_most(1));
    assert_eq!(until("1700000060"), at_most(60));
    assert_eq!(until("001700000060"), at_most(60));
    assert_eq!(
        until("99999999999999999999"),
        at_most(u64::MAX - 1_700_000_000)
    );
    assert_eq!(Freshness::from_until(b"9", -5), at_most(9));
}
