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
fn vary_names_are_sorted_without_duplicates_unless_a_proxy_may_make_such_a_header() {
    let names = |lines: &[&'static str]| vary_names(lines.iter().map(|line| line.as_bytes()));
    assert_eq!(names(&["*"]), None);
    assert_eq!(names(&["Origin", "accept, *"]), None);
    for name in [
        "Host",
        "Forwarded",
        "X-Real-IP",
        "X-Forwarded-For",
        "X-Original-URI",
        "X-Tenant",
        "Accept-Charset",
        "Accept_Language",
        "Proxy-Authorization",
        "Cookie2",
        "Coo kie",
    ] {
        assert_eq!(names(&["Origin", name]), None, "{name}");
    }
    assert_eq!(names(&[]), Some(vec![]));
    assert_eq!(names(&["", " , "]), Some(vec![]));
    assert_eq!(
        names(&["Origin,  cookie", "ORIGIN"]),
        Some(vec![b"cookie".to_vec(), b"origin".to_vec()])
    );
    let all = "accept,accept-encoding,accept-language,authorization,cookie,origin,user-agent";
    let sorted = all
        .split(',')
        .map(|name| name.as_bytes().to_vec())
        .collect();
    assert_eq!(names(&["User-Agent, Accept", all]), Some(sorted));
}

#[test]
fn a_service_has_seen_the_values_of_the_client_or_others() {
    let sent = b"GET /a HTTP/1.0\r\nHost: a\r\nCOOKIE: a=1; b=2\r\nAccept: \r\nOrigin:b\r\nX: 1\r\nX: 2\r\n\r\nY: 3\r\n";
    let saw = |name: &str, values: &[&str]| {
        let values = values.iter().map(|value| value.as_bytes());
        has_seen(sent, name.as_bytes(), values)
    };
    for (name, values) in [
        ("cookie", &["a=1; b=2"][..]),
        ("Cookie", &["a=1", "b=2"]),
        ("accept", &[""]),
        ("origin", &["b"]),
        ("x", &["1", "2"]),
        // not sent
        ("y", &["1"]),
        ("z", &[]),
        ("cook", &["1"]),
        ("get /a http/1.0", &["1"]),
    ] {
        assert!(saw(name, values), "{name}");
    }
    for (name, values) in [
        ("cookie", &["a=1"][..]),
        ("cookie", &[]),
        ("accept", &[]),
        ("accept", &["a"]),
        ("origin", &["b", ""]),
        ("x", &["2", "1"]),
        ("x", &["1, 2"]),
    ] {
        assert!(!saw(name, values), "{name}");
    }
    assert!(has_seen(b"", b"a", [].into_iter()));
    assert!(!has_seen(b"GET / HTTP/1.1\nA: 1", b"a", [].into_iter()));
}

#[test]
fn a_header_of_another_protocol_is_not_one_of_http_1() {
    for sent in [
        &b"GET / HTTP/1.0\r\n"[..],
        b"POST /a?b HTTP/1.1\r\nA: b\r\n\r\n",
    ] {
        assert!(is_http_header(sent));
    }
    for sent in [
        &b""[..],
        b"GET / HTTP/1.1",
        b"GET / HTTP/2\r\n",
        b"PRI * HTTP/2.0\r\n",
        b"\x01\x01\0\x01\0\x08\0\0",
        b"get key\r\n",
        b"HTTP/1.1\r\n",
    ] {
        assert!(!is_http_header(sent), "{sent:?}");
    }
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
