//! The text that Prometheus reads.

use crate::{Family, HistogramValue, MetricKind, Sample, Value};
use prometheus::TextEncoder;
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};

/// What a response with this text has for its `Content-Type`.
pub const TEXT_CONTENT_TYPE: &str = "text/plain; version=0.0.4";

/// The metrics as text. Families without samples are left out.
pub fn text(families: &[Family]) -> String {
    let families = families.iter();
    let families = families.filter(|family| !family.samples.is_empty());
    let families: Vec<_> = families.map(encodable).collect();
    // A family without samples is the only error.
    TextEncoder::new()
        .encode_to_string(&families)
        .unwrap_or_default()
}

fn encodable(family: &Family) -> MetricFamily {
    let mut encodable = MetricFamily::default();
    encodable.set_name(family.name.to_owned());
    encodable.set_help(family.help.to_owned());
    encodable.set_field_type(match family.kind {
        MetricKind::Counter => MetricType::COUNTER,
        MetricKind::Gauge => MetricType::GAUGE,
        MetricKind::Histogram => MetricType::HISTOGRAM,
    });
    let samples = family.samples.iter();
    encodable.set_metric(samples.map(|sample| metric(family.kind, sample)).collect());
    encodable
}

fn metric(kind: MetricKind, sample: &Sample) -> Metric {
    let labels = sample.labels.iter().map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value(value.clone());
        pair
    });
    let mut metric = Metric::from_label(labels.collect());
    match (&sample.value, kind) {
        (Value::Number(number), MetricKind::Gauge) => {
            let mut gauge = Gauge::default();
            gauge.set_value(*number);
            metric.set_gauge(gauge);
        }
        (Value::Number(number), _) => {
            let mut counter = Counter::default();
            counter.set_value(*number);
            metric.set_counter(counter);
        }
        (Value::Histogram(value), _) => metric.set_histogram(histogram(value)),
    }
    metric
}

fn histogram(value: &HistogramValue) -> Histogram {
    let buckets = value.buckets.iter().map(|(bound, count)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound);
        bucket.set_cumulative_count(*count);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(value.count);
    histogram.set_sample_sum(value.sum);
    histogram
}
