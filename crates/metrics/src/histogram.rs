//! Buckets for durations.

use crate::HistogramValue;

/// The buckets of a histogram. Their counts are kept elsewhere, in an array.
#[derive(Debug, Clone, Copy)]
pub struct Buckets {
    /// The upper bounds in milliseconds, in rising order.
    bounds: &'static [u64],
}

impl Buckets {
    /// Those that Prometheus's own libraries have for the time that a request takes.
    pub const OF_REQUESTS: Self = Self {
        bounds: &[5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000],
    };

    /// How many counts there are: one for each bucket, and one for what is longer.
    pub const fn count(self) -> usize {
        self.bounds.len().saturating_add(1)
    }

    /// The index of the count to which a duration in milliseconds belongs.
    #[inline]
    pub fn index(self, ms: u64) -> usize {
        let mut bounds = self.bounds.iter();
        bounds
            .position(|bound| ms <= *bound)
            .unwrap_or(self.bounds.len())
    }

    /// The histogram with these counts, and with this sum of all durations in milliseconds.
    pub fn value(self, count: impl Fn(usize) -> u64, sum_ms: u64) -> HistogramValue {
        let mut total = 0_u64;
        let mut buckets = Vec::with_capacity(self.bounds.len());
        for (index, bound) in self.bounds.iter().enumerate() {
            total = total.saturating_add(count(index));
            buckets.push((seconds(*bound), total));
        }
        HistogramValue {
            buckets,
            count: total.saturating_add(count(self.bounds.len())),
            sum: seconds(sum_ms),
        }
    }
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}
