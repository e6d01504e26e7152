//! A worker's own copies of the records that it has found in shared memory. Finding one takes
//! neither the zone's mutex nor a digest.
//!
//! A copy is valid only while the zone's change counter stays the same, so that the copies never
//! give a record that the zone would not.

use std::cell::RefCell;
use std::rc::Rc;

use crate::lru::Lru;

#[cfg(test)]
mod tests;

/// The records that one worker has copied.
#[derive(Default)]
pub struct WorkerCache(RefCell<Option<Lru<CachedRecord>>>);

/// What a worker finds a record by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WorkerKey<'a> {
    /// The number of the location.
    pub location: usize,
    /// Everything that tells this request from others in the same location.
    pub text: &'a [u8],
}

struct CachedRecord {
    location: usize,
    text: Box<[u8]>,
    /// The change counter of the zone before the record was read from it.
    changes: u64,
    /// In seconds since 1970.
    expires: i64,
    record: Rc<[u8]>,
}

impl WorkerCache {
    /// The memory that a worker's copies take at most. It is allocated as it is used.
    const MAX_BYTES: usize = 8 << 20;

    /// The memory that a typical copy takes.
    const TYPICAL_BYTES: usize = 512;

    /// The record of a key, if it is valid at this change counter of the zone and has not expired
    /// at the time `now`, in seconds since 1970.
    #[inline]
    pub fn find(&self, key: WorkerKey<'_>, changes: u64, now: i64) -> Option<Rc<[u8]>> {
        let mut records = self.0.borrow_mut();
        let records = records.as_mut()?;
        let is_valid = |cached: &CachedRecord| {
            cached.changes == changes && now < cached.expires && cached.has_key(key)
        };
        let cached = records.find(records.hash(key), is_valid)?;
        Some(Rc::clone(&cached.record))
    }

    /// Forgets all copies.
    pub fn clear(&self) {
        self.0.replace(None);
    }

    /// Keeps the record of a key, and drops the one that it had. `changes` is the zone's change
    /// counter before the record was read from it.
    pub fn insert(&self, key: WorkerKey<'_>, changes: u64, expires: i64, record: Rc<[u8]>) {
        let mut records = self.0.borrow_mut();
        let records = records.get_or_insert_with(|| Lru::new(Self::MAX_BYTES, Self::TYPICAL_BYTES));
        let hash = records.hash(key);
        records.keep_newest(0, hash, |cached| cached.has_key(key));
        let bytes = key.text.len() + record.len() + CachedRecord::ALLOCATOR_BYTES;
        let cached = CachedRecord {
            location: key.location,
            text: key.text.into(),
            changes,
            expires,
            record,
        };
        records.insert(hash, bytes, cached);
    }
}

impl CachedRecord {
    /// What the allocator and the reference counts add to a record, about.
    const ALLOCATOR_BYTES: usize = 4 * 16;

    fn has_key(&self, key: WorkerKey<'_>) -> bool {
        self.location == key.location && *self.text == *key.text
    }
}
