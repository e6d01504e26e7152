//! The same numbers as JSON.

use crate::{Family, MetricKind, Sample, Value};
use serde_json::{Map, Number, json};

/// The metrics as a JSON object: each name with its kind, its help and its samples. Families without
/// samples are there as well.
pub fn json(families: &[Family]) -> String {
    let members = families.iter().map(|family| {
        let samples: Vec<_> = family.samples.iter().map(sample).collect();
        let kind = match family.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        let member = json!({ "type": kind, "help": family.help, "samples": samples });
        (family.name.to_owned(), member)
    });
    let object: Map<_, _> = members.collect();
    serde_json::Value::Object(object).to_string()
}

fn sample(sample: &Sample) -> serde_json::Value {
    let labels = sample.labels.iter();
    let labels = labels.map(|(name, value)| ((*name).to_owned(), json!(value)));
    let labels: Map<_, _> = labels.collect();
    match &sample.value {
        Value::Number(value) => json!({ "labels": labels, "value": number(*value) }),
        Value::Histogram(histogram) => {
            let buckets = histogram.buckets.iter();
            let buckets = buckets.map(|(bound, count)| json!({ "le": bound, "count": count }));
            let buckets: Vec<_> = buckets.collect();
            json!({
                "labels": labels,
                "buckets": buckets,
                "count": histogram.count,
                "sum": histogram.sum,
            })
        }
    }
}

/// A whole number without a point, where that is exact.
fn number(value: f64) -> serde_json::Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value.fract() == 0.0 && (0.0..=EXACT).contains(&value) {
        true => json!(value as u64),
        false => json!(Number::from_f64(value)),
    }
}
