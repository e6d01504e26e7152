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
fn vary_names_are_sorted_without_duplicates_unless_no_other_request_fits() {
    let names = |lines: &[&'static str]| vary_names(lines.iter().map(|line| line.as_bytes()));
    assert_eq!(names(&["*"]), None);
    assert_eq!(names(&["Origin", "a, *"]), None);
    for name in [
        "Host",
        "Forwarded",
        "X-Real-IP",
        "X-Forwarded-For",
        "X-Original-URI",
    ] {
        assert_eq!(names(&["Origin", name]), None, "{name}");
    }
    assert_eq!(names(&[]), Some(vec![]));
    assert_eq!(names(&["", " , "]), Some(vec![]));
    assert_eq!(
        names(&["Origin,  cookie", "ORIGIN"]),
        Some(vec![b"cookie".to_vec(), b"origin".to_vec()])
    );
}
