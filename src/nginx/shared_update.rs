//! Changes of a zone that consist of several reads and writes, between which no other worker comes.

use super::log::Log;
use super::shared::SharedZone;
use nginx_sys::ngx_time;
use slab_map::change_state::ChangeState;
use slab_map::{Damaged, EntryKey, LARGE_BLOCKS, ReadOutcome, SlabMap, checksum};

/// The longest value that can be read while the zone is locked.
const MAX_READ: usize = 512;

/// The entries of a zone that is locked. Nothing may be allocated meanwhile, nor may anything panic.
pub struct LockedEntries<'z, 'm, const DATA: usize> {
    map: &'z mut SlabMap<'m, DATA>,
    buffer: &'z mut Vec<u8>,
    lost_at: i64,
    is_damaged: bool,
    has_changed: bool,
}

/// The entries of a [`LargeValueZone`](super::shared::LargeValueZone) that is locked.
pub type LargeValueEntries<'z, 'm> = LockedEntries<'z, 'm, LARGE_BLOCKS>;

/// A value that is ready to be stored: its checksum is computed before the zone is locked.
pub struct ZoneEntry<'v> {
    key: EntryKey,
    checksum: u64,
    value: &'v [u8],
}

/// Entries without a time are kept until they are evicted.
const NEVER: i64 = i64::MAX;

impl<const DATA: usize> SharedZone<DATA> {
    /// Calls `work` while no other worker can read or change the zone. If the zone turns out to be
    /// damaged, it is emptied and `work` is called again. `None` before nginx has made the zone.
    pub fn update<T>(
        &self,
        log: Log<'_>,
        mut work: impl FnMut(&mut LockedEntries<'_, '_, DATA>) -> T,
    ) -> Option<T> {
        let mut buffer = Vec::with_capacity(MAX_READ);
        let work_on = |map: &mut SlabMap<'_, DATA>, state: &ChangeState| {
            let mut entries = LockedEntries {
                map,
                buffer: &mut buffer,
                lost_at: state.lost_at(),
                is_damaged: false,
                has_changed: false,
            };
            let result = work(&mut entries);
            match entries.is_damaged {
                true => Err(Damaged),
                false => Ok((result, entries.has_changed)),
            }
        };
        let updated = self.with_map(log, |(_, has_changed)| *has_changed, work_on);
        updated.map(|(result, _)| result)
    }
}

impl<const DATA: usize> LockedEntries<'_, '_, DATA> {
    /// When the zone has lost its entries, because it was damaged. In seconds since 1970; 0 if that
    /// has not happened.
    pub fn lost_at(&self) -> i64 {
        self.lost_at
    }

    /// The value of a key, if there is one with this length.
    pub fn read<const N: usize>(&mut self, key: &EntryKey) -> Option<[u8; N]> {
        const { assert!(N <= MAX_READ) };
        let outcome = self.map.get(key, ngx_time(), self.buffer);
        let outcome = outcome.inspect_err(|Damaged| self.is_damaged = true);
        let Ok(ReadOutcome::Copied { checksum: sum, .. }) = outcome else {
            return None;
        };
        let value: &[u8] = self.buffer;
        if checksum(key, NEVER, value) != sum {
            // Not "no value": a proof that was used would be accepted again.
            self.is_damaged = true;
            return None;
        }
        value.try_into().ok()
    }

    /// Stores a value. False if it is larger than the zone.
    pub fn write(&mut self, entry: &ZoneEntry<'_>) -> bool {
        let ZoneEntry {
            key,
            checksum,
            value,
        } = entry;
        self.has_changed = true;
        let stored = self.map.put(key, NEVER, *checksum, value, ngx_time());
        stored.unwrap_or_else(|Damaged| {
            self.is_damaged = true;
            false
        })
    }
}

impl<'v> ZoneEntry<'v> {
    /// A value for a key.
    pub fn new(key: EntryKey, value: &'v [u8]) -> Self {
        Self {
            checksum: checksum(&key, NEVER, value),
            key,
            value,
        }
    }
}
