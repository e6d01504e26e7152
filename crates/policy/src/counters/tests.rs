use super::*;
use crate::auth_jwt::jwt_status::JwtStatus;
use crate::auth_request::cache_status::CacheStatus;
use crate::auth_request::check_result::CheckResult;
use crate::auth_request::decision::AuthError;
use metrics::{Family, Value};
use std::collections::HashSet;

fn families() -> Vec<Family> {
    // Each counter has its own number as its value.
    let by_number = |number: usize| number as u64;
    zone_families(&[("", &by_number), ("api", &|_| 0)])
}

fn value(name: &str, labels: &[(&'static str, &str)]) -> u64 {
    let families = families();
    let family = families.iter().find(|family| family.name == name).unwrap();
    let labels: Vec<_> = labels
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();
    let mut samples = family.samples.iter();
    let sample = samples.find(|sample| sample.labels == labels).unwrap();
    match &sample.value {
        Value::Number(number) => *number as u64,
        Value::Histogram(histogram) => histogram.count,
    }
}

#[test]
fn each_counter_has_a_number_and_a_place_of_its_own() {
    let mut numbers = HashSet::new();
    for family in families() {
        for sample in family.samples {
            let labels = sample.labels;
            if labels[0].1.is_empty()
                && let Value::Number(number) = sample.value
            {
                assert!(
                    numbers.insert(number as usize),
                    "{} {labels:?}",
                    family.name
                );
            }
        }
    }
    // Those of the histogram follow, and two numbers stand for what cannot happen.
    let sum = ZoneCounter::DURATION_SUM.number();
    assert!(numbers.iter().all(|number| *number < sum));
    assert_eq!(numbers.len() + 2, sum);
    assert_eq!(ZoneCounter::COUNT, sum + 1 + 12);
    let last = ZoneCounter::duration(u64::MAX);
    assert_eq!(last.number(), ZoneCounter::COUNT - 1);
}

#[test]
fn a_counter_is_shown_as_what_it_counts() {
    let number = |counter: ZoneCounter| counter.number() as u64;
    let token = |status, result| number(ZoneCounter::token(status, result));
    let rows = [
        (JwtStatus::Ok, TokenResult::Accepted, "ok", "accepted"),
        (
            JwtStatus::Missing,
            TokenResult::Refused,
            "missing",
            "refused",
        ),
        (JwtStatus::Missing, TokenResult::Passed, "missing", "passed"),
        (
            JwtStatus::Expired,
            TokenResult::Refused,
            "expired",
            "refused",
        ),
        (
            JwtStatus::Disabled,
            TokenResult::Passed,
            "disabled",
            "passed",
        ),
    ];
    for (status, result, status_name, result_name) in rows {
        let labels = [
            ("zone", ""),
            ("status", status_name),
            ("result", result_name),
        ];
        let shown = value("nginx_auth_jwt_requests_total", &labels);
        assert_eq!(shown, token(status, result), "{labels:?}");
    }
    let rows = [
        (
            "nginx_auth_jwt_token_cache_lookups_total",
            "hit",
            ZoneCounter::TOKEN_CACHE_HIT,
        ),
        (
            "nginx_auth_jwt_token_cache_lookups_total",
            "miss",
            ZoneCounter::TOKEN_CACHE_MISS,
        ),
        (
            "nginx_auth_request_checks_total",
            "allowed",
            ZoneCounter::check(CheckResult::Allowed),
        ),
        (
            "nginx_auth_request_checks_total",
            "denied",
            ZoneCounter::check(CheckResult::Denied),
        ),
        (
            "nginx_auth_request_checks_total",
            "error",
            ZoneCounter::check(CheckResult::Error(AuthError::TimedOut)),
        ),
        (
            "nginx_auth_request_checks_total",
            "let_in",
            ZoneCounter::check(CheckResult::LetIn(AuthError::TimedOut)),
        ),
        (
            "nginx_auth_request_cache_lookups_total",
            "expired",
            ZoneCounter::cache_lookup(CacheStatus::Expired),
        ),
    ];
    for (name, result, counter) in rows {
        let shown = value(name, &[("zone", ""), ("result", result)]);
        assert_eq!(shown, number(counter), "{name} {result}");
    }
    let labels = [("zone", ""), ("error", "timed_out")];
    let shown = value("nginx_auth_request_errors_total", &labels);
    assert_eq!(shown, number(ZoneCounter::error(AuthError::TimedOut)));
    let shown = value("nginx_auth_jwt_dpop_replays_total", &[("zone", "")]);
    assert_eq!(shown, number(ZoneCounter::DPOP_REPLAY));
}

#[test]
fn each_zone_has_values_of_its_own() {
    let labels = [
        ("zone", "api"),
        ("status", "expired"),
        ("result", "refused"),
    ];
    assert_eq!(value("nginx_auth_jwt_requests_total", &labels), 0);
    assert_eq!(
        value("nginx_auth_request_duration_seconds", &[("zone", "api")]),
        0
    );
}

#[test]
fn the_counters_of_a_source_are_shown_by_its_name() {
    let by_number = |number: usize| number as u64 + 100;
    let shown = |families: Vec<Family>| {
        let mut shown = Vec::new();
        for family in families {
            for sample in family.samples {
                let value = match sample.value {
                    Value::Number(number) => number,
                    Value::Histogram(histogram) => histogram.sum * 1000.0,
                };
                let labels: Vec<_> = sample.labels.iter().map(|(_, value)| &**value).collect();
                let name = family.name.trim_start_matches("nginx_auth_jwt_");
                shown.push(format!("{name} {} {value}", labels.join(" ")));
            }
        }
        shown
    };
    let value = |counter: SourceCounter| by_number(counter.number());
    for (kind, name) in [
        (SourceKind::Issuer, "issuer"),
        (SourceKind::KeyRequest, "key_request"),
    ] {
        let expected = [
            format!(
                "{name}_fetches_total a success {}",
                value(SourceCounter::SUCCESS)
            ),
            format!(
                "{name}_fetches_total a failure {}",
                value(SourceCounter::FAILURE)
            ),
            format!(
                "{name}_fetch_duration_seconds a {}",
                value(SourceCounter::DURATION_SUM)
            ),
            format!("{name}_keys a {}", value(SourceCounter::KEYS)),
            format!(
                "{name}_last_success_timestamp_seconds a {}",
                value(SourceCounter::TIME)
            ),
        ];
        assert_eq!(shown(fetch_families(kind, &[("a", &by_number)])), expected);
    }
    let expected = [
        format!(
            "key_file_versions_total /k {}",
            value(SourceCounter::VERSIONS)
        ),
        format!(
            "key_file_failures_total /k {}",
            value(SourceCounter::FAILURE)
        ),
        format!("key_file_keys /k {}", value(SourceCounter::KEYS)),
        format!(
            "key_file_loaded_timestamp_seconds /k {}",
            value(SourceCounter::TIME)
        ),
    ];
    assert_eq!(shown(key_file_families(&[("/k", &by_number)])), expected);
    let last = SourceCounter::duration(u64::MAX);
    assert_eq!(last.number(), SourceCounter::COUNT - 1);
    assert_eq!(
        SourceCounter::duration(0).number(),
        SourceCounter::DURATION_SUM.number() + 1
    );
}
