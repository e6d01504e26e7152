//! A run: threads that take cases until enough was sent, and what they find.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

/// After so many findings a run ends: more of them say the same.
const ENOUGH: usize = 5;

/// How long a run goes on.
#[derive(Clone, Copy)]
pub enum Limit {
    Requests(u64),
    Time(Duration),
    /// One case alone, to see it again.
    Case(u64),
}

pub struct Run {
    pub seed: u64,
    limit: Limit,
    folder: PathBuf,
    started: Instant,
    next_case: AtomicU64,
    requests: AtomicU64,
    counts: Mutex<BTreeMap<String, u64>>,
    findings: Mutex<usize>,
}

/// What is wrong with what nginx did.
pub struct Finding {
    pub what: String,
    /// The bytes that brought it about.
    pub sent: Vec<u8>,
}

impl Run {
    pub fn new(seed: u64, limit: Limit, folder: PathBuf) -> Self {
        let first = match limit {
            Limit::Case(case) => case,
            _ => 0,
        };
        Self {
            seed,
            limit,
            folder,
            started: Instant::now(),
            next_case: AtomicU64::new(first),
            requests: AtomicU64::new(0),
            counts: Mutex::default(),
            findings: Mutex::default(),
        }
    }

    /// Gives each case to `one`, in so many threads, until the limit is reached. Returns whether
    /// nothing was found.
    pub fn all(&self, threads: usize, one: impl Fn(u64) -> Result<()> + Sync) -> bool {
        let work = || {
            while let Some(case) = self.next() {
                if let Err(error) = one(case) {
                    let what = format!("no response: {error:#}");
                    self.report(
                        case,
                        &Finding {
                            what,
                            sent: Vec::new(),
                        },
                    );
                }
            }
        };
        let threads = if matches!(self.limit, Limit::Case(_)) {
            1
        } else {
            threads
        };
        std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
        self.print();
        self.findings() == 0
    }

    fn next(&self) -> Option<u64> {
        let case = self.next_case.fetch_add(1, Ordering::Relaxed);
        let is_over = match self.limit {
            Limit::Requests(limit) => self.requests.load(Ordering::Relaxed) >= limit,
            Limit::Time(limit) => self.started.elapsed() >= limit,
            Limit::Case(only) => case > only,
        };
        (!is_over && self.findings() < ENOUGH).then_some(case)
    }

    /// Counts a request, and what became of it.
    pub fn count(&self, what: impl Into<String>) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut counts) = self.counts.lock() {
            *counts.entry(what.into()).or_default() += 1;
        }
    }

    pub fn report(&self, case: u64, finding: &Finding) {
        let Ok(mut findings) = self.findings.lock() else {
            return;
        };
        *findings += 1;
        let file = self
            .folder
            .join(format!("finding-{}-{case}-{findings}", self.seed));
        if let Err(error) = std::fs::write(&file, &finding.sent) {
            println!("{}: {error}", file.display());
        }
        println!(
            "seed {} case {case}: {}\n    sent: {}",
            self.seed,
            finding.what,
            file.display()
        );
    }

    fn findings(&self) -> usize {
        self.findings.lock().map_or(ENOUGH, |findings| *findings)
    }

    fn print(&self) {
        let time = self.started.elapsed().as_secs_f64();
        let requests = self.requests.load(Ordering::Relaxed);
        println!("seed {}: {requests} requests in {time:.1} s", self.seed);
        if let Ok(counts) = self.counts.lock() {
            for (what, count) in counts.iter() {
                println!("    {count:>9}  {what}");
            }
        }
    }
}
