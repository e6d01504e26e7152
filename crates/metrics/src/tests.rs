use super::*;
use serde_json::json as object;

fn families() -> Vec<Family> {
    let mut counter = Family::new("x_requests_total", MetricKind::Counter, "Requests.");
    counter.push(&[("zone", ""), ("status", "ok")], 12);
    counter.push(&[("zone", "a\"b\\c\nd"), ("status", "ok")], 0);
    let mut gauge = Family::new(
        "x_time_seconds",
        MetricKind::Gauge,
        "A time,\nand \\ so on.",
    );
    gauge.push(&[], 1_800_000_000);
    let mut histogram = Family::new(
        "x_duration_seconds",
        MetricKind::Histogram,
        "How long it takes.",
    );
    let counts = [1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 4];
    let value = Buckets::OF_REQUESTS.value(|index| counts[index], 60_045);
    histogram.push_histogram(&[("zone", "a")], value);
    let empty = Family::new("x_issuers", MetricKind::Gauge, "None.");
    vec![counter, gauge, histogram, empty]
}

#[test]
fn the_text_is_that_of_prometheus() {
    let expected = r#"# HELP x_requests_total Requests.
# TYPE x_requests_total counter
x_requests_total{zone="",status="ok"} 12
x_requests_total{zone="a\"b\\c\nd",status="ok"} 0
# HELP x_time_seconds A time,\nand \\ so on.
# TYPE x_time_seconds gauge
x_time_seconds 1800000000
# HELP x_duration_seconds How long it takes.
# TYPE x_duration_seconds histogram
x_duration_seconds_bucket{zone="a",le="0.005"} 1
x_duration_seconds_bucket{zone="a",le="0.01"} 1
x_duration_seconds_bucket{zone="a",le="0.025"} 3
x_duration_seconds_bucket{zone="a",le="0.05"} 3
x_duration_seconds_bucket{zone="a",le="0.1"} 3
x_duration_seconds_bucket{zone="a",le="0.25"} 3
x_duration_seconds_bucket{zone="a",le="0.5"} 3
x_duration_seconds_bucket{zone="a",le="1"} 3
x_duration_seconds_bucket{zone="a",le="2.5"} 3
x_duration_seconds_bucket{zone="a",le="5"} 3
x_duration_seconds_bucket{zone="a",le="10"} 3
x_duration_seconds_bucket{zone="a",le="+Inf"} 7
x_duration_seconds_sum{zone="a"} 60.045
x_duration_seconds_count{zone="a"} 7
"#;
    assert_eq!(text(&families()), expected);
    assert_eq!(text(&[]), "");
}

#[test]
fn the_json_has_the_same_numbers() {
    let text = json(&families());
    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    let value = |pointer: &str| read.pointer(pointer).unwrap();
    assert_eq!(value("/x_requests_total/type"), "counter");
    assert_eq!(value("/x_requests_total/help"), "Requests.");
    let first = object!({ "labels": { "zone": "", "status": "ok" }, "value": 12 });
    assert_eq!(*value("/x_requests_total/samples/0"), first);
    let zone = "/x_requests_total/samples/1/labels/zone";
    assert_eq!(value(zone), "a\"b\\c\nd");
    // A whole number is written without a point.
    let time = value("/x_time_seconds/samples/0/value");
    assert_eq!(time.to_string(), "1800000000");
    let histogram = "/x_duration_seconds/samples/0";
    let bucket = object!({ "le": 0.025, "count": 3 });
    assert_eq!(*value(&format!("{histogram}/buckets/2")), bucket);
    assert_eq!(*value(&format!("{histogram}/count")), 7);
    assert_eq!(*value(&format!("{histogram}/sum")), 60.045);
    assert_eq!(*value("/x_issuers/samples"), object!([]));
}

#[test]
fn a_duration_belongs_to_the_first_bucket_that_is_not_shorter() {
    let index = |ms| Buckets::OF_REQUESTS.index(ms);
    assert_eq!([0, 5, 6, 10, 11, 10_000].map(index), [0, 0, 1, 1, 2, 10]);
    assert_eq!([10_001, u64::MAX].map(index), [11, 11]);
    assert_eq!(Buckets::OF_REQUESTS.count(), 12);
}
