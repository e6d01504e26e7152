//! Groups of counters in memory that the processes of a server share.
//!
//! All of it is atomics, without a lock or a pointer: any bytes are a valid table, a process that
//! dies leaves nothing half done, and it does not matter where a process has mapped the memory.
//!
//! The table outlives configurations. Each of them names its groups by an [identity](GroupId), and
//! finds the counts of a group of that identity again. One process at a time makes configurations;
//! meanwhile others count in the groups of earlier ones.

mod gauge;

use gauge::Gauge;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a group of counters is called: a digest of what it counts.
pub type GroupId = [u64; 4];

/// The counters of a group.
#[repr(C, align(64))]
pub struct Counters([AtomicU64; Self::LEN]);

/// Groups of counters, and gauges of each worker.
#[repr(C)]
pub struct CounterTable {
    /// The number of the newest configuration.
    configuration: AtomicU64,
    /// When the table was emptied, in seconds since 1970.
    since: AtomicU64,
    owners: [Owner; Self::GROUPS],
    workers: [[Gauges; Self::WORKERS]; Self::LIVING],
    counters: [Counters; Self::GROUPS],
}

/// What a group of counters belongs to.
#[repr(C)]
struct Owner {
    id: [AtomicU64; 4],
    /// The newest configuration that has named it; 0 if none has.
    configuration: AtomicU64,
}

/// What a worker has at present, such as a number of entries in a cache. It is that of the worker
/// which has started last with its number.
#[repr(C, align(64))]
struct Gauges([Gauge; CounterTable::GAUGES]);

/// A configuration names more groups than there may be.
#[derive(Debug, PartialEq, Eq)]
pub struct TooManyGroups;

impl Counters {
    /// How many counters a group has.
    pub const LEN: usize = 96;

    /// Adds to a counter.
    #[inline]
    pub fn add(&self, counter: usize, count: u64) {
        if let Some(counter) = self.0.get(counter) {
            counter.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Replaces the value of a counter that shows what is, and not what has happened.
    #[inline]
    pub fn set(&self, counter: usize, value: u64) {
        if let Some(counter) = self.0.get(counter) {
            counter.store(value, Ordering::Relaxed);
        }
    }

    /// Replaces such a value, and returns the one before.
    pub fn swap(&self, counter: usize, value: u64) -> u64 {
        let counter = self.0.get(counter);
        counter.map_or(0, |counter| counter.swap(value, Ordering::Relaxed))
    }

    /// The value of a counter.
    pub fn get(&self, counter: usize) -> u64 {
        let counter = self.0.get(counter);
        counter.map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    fn clear(&self) {
        self.0
            .iter()
            .for_each(|counter| counter.store(0, Ordering::Relaxed));
    }
}

impl CounterTable {
    /// How many groups a configuration may name.
    pub const MAX_GROUPS: usize = 256;

    /// How many gauges a worker has.
    pub const GAUGES: usize = 7;

    /// Three more times the groups of a configuration, for those that workers of earlier
    /// configurations still count in, and for those that come back.
    const GROUPS: usize = 4 * Self::MAX_GROUPS;

    /// The most workers whose gauges are shown.
    const WORKERS: usize = 256;

    /// How many configurations have gauges of their own. So a worker of an earlier configuration
    /// does not write to those of a worker that has its number now.
    const LIVING: usize = 4;

    /// Empties memory that was no table before. `now` is in seconds since 1970.
    pub fn clear(&self, now: u64) {
        self.configuration.store(0, Ordering::Relaxed);
        self.since.store(now, Ordering::Relaxed);
        for owner in &self.owners {
            owner.configuration.store(0, Ordering::Relaxed);
        }
        for gauge in self.workers.iter().flatten().flat_map(|gauges| &gauges.0) {
            gauge.clear();
        }
    }

    /// When the table was emptied, in seconds since 1970.
    pub fn since(&self) -> u64 {
        self.since.load(Ordering::Relaxed)
    }

    /// Begins a configuration with these groups, no two of which are the same. Gives its number,
    /// and for each group the index of its counters. They go on from where they were if an earlier
    /// configuration has named the group; else they begin at 0, in place of the group that no
    /// configuration has named for the longest time.
    ///
    /// # Errors
    /// [`TooManyGroups`]
    pub fn configure(&self, groups: &[GroupId]) -> Result<(u64, Vec<usize>), TooManyGroups> {
        if groups.len() > Self::MAX_GROUPS {
            return Err(TooManyGroups);
        }
        let number = self.configuration.load(Ordering::Relaxed).saturating_add(1);
        self.configuration.store(number, Ordering::Relaxed);
        let known: Vec<_> = groups.iter().map(|id| self.find(id, number)).collect();
        let indices = groups.iter().zip(known);
        let indices = indices.map(|(id, known)| known.or_else(|| self.replace_oldest(id, number)));
        let indices = indices.collect::<Option<_>>().ok_or(TooManyGroups)?;
        Ok((number, indices))
    }

    /// The counters with this index.
    pub fn counters(&self, index: usize) -> Option<&Counters> {
        self.counters.get(index)
    }

    /// Has the gauges of a worker begin at 0, as it starts.
    pub fn start_worker(&self, configuration: u64, worker: usize) {
        for gauge in self.gauges(configuration, worker) {
            gauge.start(configuration);
        }
    }

    /// Sets a gauge of a worker of this configuration, unless a worker of a later one has its place.
    pub fn set_gauge(&self, configuration: u64, worker: usize, gauge: usize, value: u64) {
        if let Some(gauge) = self.gauges(configuration, worker).get(gauge) {
            gauge.set(configuration, value);
        }
    }

    /// The sum of a gauge over all workers of this configuration that have started.
    pub fn sum_of_gauge(&self, configuration: u64, gauge: usize) -> u64 {
        let workers = self.gauges_of_all_workers(configuration).iter();
        let gauges = workers.filter_map(|gauges| gauges.0.get(gauge));
        let values = gauges.filter_map(|gauge| gauge.get(configuration));
        values.fold(0, u64::saturating_add)
    }

    /// The index of a group that an earlier configuration has named, which this one names now.
    fn find(&self, id: &GroupId, number: u64) -> Option<usize> {
        let index = self.owners.iter().position(|owner| owner.is(id))?;
        let owner = self.owners.get(index)?;
        owner.configuration.store(number, Ordering::Relaxed);
        Some(index)
    }

    /// Gives the group that no configuration has named for the longest time to another. None if
    /// this configuration names all groups.
    fn replace_oldest(&self, id: &GroupId, number: u64) -> Option<usize> {
        let owners = self.owners.iter().enumerate();
        let (index, owner) = owners.min_by_key(|(_, owner)| owner.configuration())?;
        if owner.configuration() == number {
            return None;
        }
        for (to, part) in owner.id.iter().zip(id) {
            to.store(*part, Ordering::Relaxed);
        }
        owner.configuration.store(number, Ordering::Relaxed);
        self.counters(index)?.clear();
        Some(index)
    }

    fn gauges(&self, configuration: u64, worker: usize) -> &[Gauge] {
        let gauges = self.gauges_of_all_workers(configuration).get(worker);
        gauges.map_or(&[], |gauges| &gauges.0)
    }

    fn gauges_of_all_workers(&self, configuration: u64) -> &[Gauges] {
        let row = usize::try_from(configuration).unwrap_or(0) % Self::LIVING;
        self.workers.get(row).map_or(&[], |row| row)
    }
}

impl Owner {
    fn is(&self, id: &GroupId) -> bool {
        let mut parts = self.id.iter().zip(id);
        self.configuration() != 0 && parts.all(|(own, part)| own.load(Ordering::Relaxed) == *part)
    }

    fn configuration(&self) -> u64 {
        self.configuration.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
