//! Metrics as the text that Prometheus reads (exposition format 0.0.4), and the same as JSON.

mod histogram;
mod json;
mod text;

pub use histogram::Buckets;
pub use json::json;
pub use text::{TEXT_CONTENT_TYPE, text};

/// Metrics of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// The name, by Prometheus's conventions.
    pub name: &'static str,
    /// What it counts, in one sentence.
    pub help: &'static str,
    /// What kind of number it is.
    pub kind: MetricKind,
    /// The values. No two have the same labels.
    pub samples: Vec<Sample>,
}

/// What kind of number a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// A number that only rises, until it begins at 0 again.
    Counter,
    /// A number that rises and falls.
    Gauge,
    /// How many of some durations fall into each of several buckets.
    Histogram,
}

/// A value and the labels that tell it from others of its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Names and values.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: Value,
}

/// The value of a metric.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// That of a counter or a gauge.
    Number(f64),
    /// That of a histogram.
    Histogram(HistogramValue),
}

/// The value of a histogram.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramValue {
    /// Upper bounds in seconds, each with the number of durations that are not longer.
    pub buckets: Vec<(f64, u64)>,
    /// How many durations there are.
    pub count: u64,
    /// All of them together, in seconds.
    pub sum: f64,
}

impl Family {
    /// A family without samples.
    pub fn new(name: &'static str, kind: MetricKind, help: &'static str) -> Self {
        Self {
            name,
            help,
            kind,
            samples: Vec::new(),
        }
    }

    /// Adds a number.
    pub fn push(&mut self, labels: &[(&'static str, &str)], number: u64) {
        // A count that is larger than 2^53 loses its last digits.
        self.push_value(labels, Value::Number(number as f64));
    }

    /// Adds a histogram.
    pub fn push_histogram(&mut self, labels: &[(&'static str, &str)], histogram: HistogramValue) {
        self.push_value(labels, Value::Histogram(histogram));
    }

    fn push_value(&mut self, labels: &[(&'static str, &str)], value: Value) {
        let labels = labels.iter();
        let labels = labels.map(|(name, value)| (*name, (*value).to_owned()));
        let labels = labels.collect();
        self.samples.push(Sample { labels, value });
    }
}

#[cfg(test)]
mod tests;
