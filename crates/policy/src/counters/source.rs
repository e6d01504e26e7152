//! What is counted of the sources of keys: a group for each issuer, key file and key request.

use super::ReadCounter;
use metrics::{Buckets, Family, MetricKind};

/// The number of a counter in the group of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SourceCounter(u8);

/// Where keys are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// An `auth_jwt_issuer` whose keys are fetched.
    Issuer,
    /// An `auth_jwt_key_request`.
    KeyRequest,
}

const DURATIONS: u8 = 7;

impl SourceCounter {
    /// How many there are.
    pub const COUNT: usize = DURATIONS as usize + Buckets::OF_REQUESTS.count();

    /// A fetch that gave a key set.
    pub const SUCCESS: Self = Self(0);
    /// A fetch that gave none, or a look at a file that is of no use.
    pub const FAILURE: Self = Self(1);
    /// How many keys of the set can be used.
    pub const KEYS: Self = Self(2);
    /// When the set was got, in seconds since 1970.
    pub const TIME: Self = Self(3);
    /// How many files there have been by that name.
    pub const VERSIONS: Self = Self(4);
    /// A digest of which file it was last, which is not shown.
    pub const IDENTITY: Self = Self(5);
    /// How long all fetches took together, in milliseconds.
    pub const DURATION_SUM: Self = Self(6);

    /// A fetch that took so many milliseconds.
    pub fn duration(ms: u64) -> Self {
        // There are less than 256 buckets.
        Self(DURATIONS + Buckets::OF_REQUESTS.index(ms) as u8)
    }

    /// The number.
    pub fn number(self) -> usize {
        self.0.into()
    }
}

/// The metrics of issuers, or of key requests, each with its name and its counters.
pub fn fetch_families(kind: SourceKind, sources: &[(&str, ReadCounter<'_>)]) -> Vec<Family> {
    let (label, names, helps) = match kind {
        SourceKind::Issuer => (
            "issuer",
            [
                "nginx_auth_jwt_issuer_fetches_total",
                "nginx_auth_jwt_issuer_fetch_duration_seconds",
                "nginx_auth_jwt_issuer_keys",
                "nginx_auth_jwt_issuer_last_success_timestamp_seconds",
            ],
            [
                "Fetches of an issuer's keys.",
                "How long fetches of an issuer's keys took.",
                "Keys of an issuer that can be used.",
                "When the issuer's keys were fetched last, in seconds since 1970; 0: not yet.",
            ],
        ),
        SourceKind::KeyRequest => (
            "uri",
            [
                "nginx_auth_jwt_key_request_fetches_total",
                "nginx_auth_jwt_key_request_fetch_duration_seconds",
                "nginx_auth_jwt_key_request_keys",
                "nginx_auth_jwt_key_request_last_success_timestamp_seconds",
            ],
            [
                "Subrequests of auth_jwt_key_request.",
                "How long subrequests of auth_jwt_key_request took.",
                "Keys of the last response that can be used.",
                "When a key request succeeded last, in seconds since 1970; 0: not yet.",
            ],
        ),
    };
    let mut fetches = Family::new(names[0], MetricKind::Counter, helps[0]);
    let mut durations = Family::new(names[1], MetricKind::Histogram, helps[1]);
    let mut keys = Family::new(names[2], MetricKind::Gauge, helps[2]);
    let mut times = Family::new(names[3], MetricKind::Gauge, helps[3]);
    for (name, read) in sources {
        let get = |counter: SourceCounter| read(counter.number());
        let source = (label, *name);
        let success = get(SourceCounter::SUCCESS);
        fetches.push(&[source, ("result", "success")], success);
        let failure = get(SourceCounter::FAILURE);
        fetches.push(&[source, ("result", "failure")], failure);
        let bucket = |index: usize| read(usize::from(DURATIONS).saturating_add(index));
        let sum = get(SourceCounter::DURATION_SUM);
        durations.push_histogram(&[source], Buckets::OF_REQUESTS.value(bucket, sum));
        keys.push(&[source], get(SourceCounter::KEYS));
        times.push(&[source], get(SourceCounter::TIME));
    }
    vec![fetches, durations, keys, times]
}

/// The metrics of key files, each with its path and its counters.
pub fn key_file_families(files: &[(&str, ReadCounter<'_>)]) -> Vec<Family> {
    let mut versions = Family::new(
        "nginx_auth_jwt_key_file_versions_total",
        MetricKind::Counter,
        "How many files with a key set there have been by that name.",
    );
    let mut failures = Family::new(
        "nginx_auth_jwt_key_file_failures_total",
        MetricKind::Counter,
        "Looks at a key file that could not be read, or held no key set.",
    );
    let mut keys = Family::new(
        "nginx_auth_jwt_key_file_keys",
        MetricKind::Gauge,
        "Keys of a key file that can be used.",
    );
    let mut times = Family::new(
        "nginx_auth_jwt_key_file_loaded_timestamp_seconds",
        MetricKind::Gauge,
        "When the keys in force were read first, in seconds since 1970; 0: not yet.",
    );
    for (file, read) in files {
        let get = |counter: SourceCounter| read(counter.number());
        let file = [("file", *file)];
        versions.push(&file, get(SourceCounter::VERSIONS));
        failures.push(&file, get(SourceCounter::FAILURE));
        keys.push(&file, get(SourceCounter::KEYS));
        times.push(&file, get(SourceCounter::TIME));
    }
    vec![versions, failures, keys, times]
}
