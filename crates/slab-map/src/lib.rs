//! A bounded map from 32-byte keys to values that expire, in memory that several processes share.
//! An entry is a chain of blocks of equal size. Each entry is linked into the list of its hash
//! bucket and into one list of all entries, from the most to the least recently used. Links are
//! block numbers, so that each process may map the memory at another address. The memory may be
//! damaged, so every link is checked: if it leads outside of the memory, to a block of the wrong
//! kind or in a circle, the result is [`Damaged`] and not a panic. The caller owns the memory, and
//! holds a lock during each call.

use std::hash::{DefaultHasher, Hasher};
use steps::step;

/// A key, which is a digest that the caller has computed.
pub type EntryKey = [u8; 32];

/// The memory does not contain what the map has written. [`SlabMap::clear`] makes it usable again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged;

/// The outcome of [`SlabMap::get`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOutcome {
    /// There is no entry with the key.
    Nothing,
    /// There is an entry, but it has expired.
    Expired,
    /// The buffer is too small for the value, which has this many bytes.
    Longer(usize),
    /// The value is in the buffer. The caller has to compare its [`checksum`](crate::checksum()),
    /// which this crate does not do under the caller's lock.
    Copied {
        /// When the entry expires, in seconds since 1970.
        expires: i64,
        /// The checksum that was passed to [`SlabMap::put`].
        checksum: u64,
    },
}

/// Marks memory with this layout. The last byte changes whenever [`MapHeader`] or [`Block`] change. The
/// size of a block is mixed in.
const LAYOUT: u64 = u64::from_be_bytes(*b"authmap\x01");

/// How much of a value is in one block: 256 bytes with what manages the block.
pub const SMALL_BLOCKS: usize = 184;

/// The same for values that can have megabytes, of which there are few: 2,048 bytes. Management takes
/// up 4 % in place of 30 %.
pub const LARGE_BLOCKS: usize = 1976;

/// The link that leads to no block.
const NONE: u32 = u32::MAX;

/// So many of the least recently used entries are searched for an expired one, before the least
/// recently used entry is evicted.
const EVICTION_CANDIDATES: usize = 8;

/// The state of a map, apart from its entries. The caller only provides the memory for it.
#[repr(C)]
#[derive(Debug)]
pub struct MapHeader {
    layout: u64,
    /// A secret number. Without it, nobody can choose keys that all fall into the same bucket.
    seed: u64,
    blocks: u32,
    free_blocks: u32,
    /// The first block of the list of blocks that were used and are free again.
    free: u32,
    /// The first block that was never used. It and all blocks behind it contain undefined bytes.
    fresh: u32,
    /// The most recently used entry.
    newest: u32,
    /// The least recently used entry.
    oldest: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
struct BlockKind(u32);

impl BlockKind {
    const FREE: Self = Self(1);
    /// The first block of an entry. Only this one uses the fields from `bucket_next` to `key`.
    const ENTRY: Self = Self(2);
    /// Any other block of an entry.
    const CONTINUATION: Self = Self(3);
}

/// A piece of the memory for entries, with so much of a value. The caller only provides the memory
/// for it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Block<const DATA: usize = SMALL_BLOCKS> {
    kind: BlockKind,
    /// The next block of the entry, or of the list of free blocks.
    next: u32,
    /// The next entry in the bucket.
    bucket_next: u32,
    /// The entry that was used next after this one.
    newer: u32,
    /// The entry that was used last before this one.
    older: u32,
    /// Length of the value in bytes.
    length: u32,
    /// In seconds since 1970.
    expires: i64,
    checksum: u64,
    key: EntryKey,
    data: [u8; DATA],
}

impl<const DATA: usize> Block<DATA> {
    fn fill(&mut self, piece: &[u8]) {
        for (target, byte) in self.data.iter_mut().zip(piece) {
            *target = *byte;
        }
    }
}

const _: () = assert!(size_of::<Block<SMALL_BLOCKS>>() == 256);
const _: () = assert!(size_of::<Block<LARGE_BLOCKS>>() == 2048);

/// The checksum of an entry. A damaged entry has another checksum.
pub fn checksum(key: &EntryKey, expires: i64, value: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(key);
    hasher.write_i64(expires);
    hasher.write(value);
    hasher.finish()
}

/// How many blocks with so much data a value needs.
fn blocks_for<const DATA: usize>(length: usize) -> usize {
    length.div_ceil(DATA).max(1)
}

/// How many buckets a map with so many blocks should have: one for each value that it is made for. The
/// number is even.
pub const fn buckets_for<const DATA: usize>(blocks: usize) -> usize {
    let values = match DATA {
        LARGE_BLOCKS => blocks / 32,
        _ => blocks,
    };
    values.next_multiple_of(2)
}

/// A map in memory that may contain any bytes.
pub struct SlabMap<'a, const DATA: usize = SMALL_BLOCKS> {
    /// The memory for the map's own state.
    pub header: &'a mut MapHeader,
    /// The memory for the entries.
    pub blocks: &'a mut [Block<DATA>],
    /// The memory for the first entry of each bucket.
    pub buckets: &'a mut [u32],
}

impl<const DATA: usize> SlabMap<'_, DATA> {
    const LAYOUT: u64 = LAYOUT ^ ((DATA as u64) << 8);

    /// Whether the memory contains a map with this layout and this number of blocks.
    pub fn is_ours(&self) -> bool {
        self.header.layout == Self::LAYOUT && self.header.blocks as usize == self.blocks.len()
    }

    /// Sets the secret number that decides which bucket a key belongs to. [`clear`](Self::clear)
    /// has to be called next.
    pub fn seed(&mut self, seed: u64) {
        self.header.seed = seed;
    }

    /// Writes an empty map, whatever the memory contains.
    pub fn clear(&mut self) {
        let count = u32::try_from(self.blocks.len()).unwrap_or(NONE);
        step();
        self.buckets.fill(NONE);
        step();
        *self.header = MapHeader {
            layout: Self::LAYOUT,
            seed: self.header.seed,
            blocks: count,
            free_blocks: count,
            free: NONE,
            fresh: 0,
            newest: NONE,
            oldest: NONE,
        };
    }

    /// Copies a value into the buffer, if the buffer's capacity is sufficient, and makes the entry
    /// the most recently used one. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// [`Damaged`]
    pub fn get(
        &mut self,
        key: &EntryKey,
        now: i64,
        buffer: &mut Vec<u8>,
    ) -> Result<ReadOutcome, Damaged> {
        buffer.clear();
        let Some(at) = self.find(key)? else {
            return Ok(ReadOutcome::Nothing);
        };
        let Block {
            expires, checksum, ..
        } = *self.entry(at)?;
        if expires <= now {
            return Ok(ReadOutcome::Expired);
        }
        let length = self.length(at)?;
        if length > buffer.capacity() {
            return Ok(ReadOutcome::Longer(length));
        }
        self.copy(at, length, buffer)?;
        if self.header.newest != at {
            self.lru_unlink(at)?;
            self.lru_push_front(at)?;
        }
        Ok(ReadOutcome::Copied { expires, checksum })
    }

    /// Inserts an entry. It replaces the entry with the same key, and other entries are evicted to
    /// make room. `expires` and `now` are in seconds since 1970. Returns false, and only removes
    /// the entry with the same key, if the value is larger than the whole map.
    ///
    /// # Errors
    /// [`Damaged`]
    pub fn put(
        &mut self,
        key: &EntryKey,
        expires: i64,
        checksum: u64,
        value: &[u8],
        now: i64,
    ) -> Result<bool, Damaged> {
        self.remove(key)?;
        let Ok(length) = u32::try_from(value.len()) else {
            return Ok(false);
        };
        let count = blocks_for::<DATA>(value.len());
        if count > self.blocks.len() {
            return Ok(false);
        }
        while (self.header.free_blocks as usize) < count {
            let victim = self.victim(now)?;
            self.remove_entry(victim)?;
        }
        let mut next = NONE;
        for piece in value.chunks(DATA).skip(1).rev() {
            next = self.allocate(BlockKind::CONTINUATION, next, piece)?;
        }
        let at = self.allocate(BlockKind::ENTRY, next, value.get(..DATA).unwrap_or(value))?;
        let bucket_next = std::mem::replace(self.bucket(key)?, at);
        let entry = self.entry(at)?;
        entry.bucket_next = bucket_next;
        entry.length = length;
        step();
        entry.expires = expires;
        entry.checksum = checksum;
        step();
        entry.key = *key;
        self.lru_push_front(at)?;
        Ok(true)
    }

    /// Removes the entry with this key, if there is one.
    ///
    /// # Errors
    /// [`Damaged`]
    pub fn remove(&mut self, key: &EntryKey) -> Result<(), Damaged> {
        match self.find(key)? {
            Some(at) => self.remove_entry(at),
            None => Ok(()),
        }
    }

    fn find(&mut self, key: &EntryKey) -> Result<Option<u32>, Damaged> {
        let mut at = *self.bucket(key)?;
        for _ in 0..self.blocks.len() {
            if at == NONE {
                return Ok(None);
            }
            let entry = self.entry(at)?;
            if entry.key == *key {
                return Ok(Some(at));
            }
            at = entry.bucket_next;
        }
        if at == NONE { Ok(None) } else { Err(Damaged) }
    }

    /// The entry to evict: an expired entry among the [`EVICTION_CANDIDATES`] least recently used
    /// ones, or else the least recently used entry.
    fn victim(&mut self, now: i64) -> Result<u32, Damaged> {
        let mut at = self.header.oldest;
        for _ in 0..EVICTION_CANDIDATES {
            if at == NONE {
                break;
            }
            let entry = self.entry(at)?;
            if entry.expires <= now {
                return Ok(at);
            }
            at = entry.newer;
        }
        Ok(self.header.oldest)
    }

    fn remove_entry(&mut self, at: u32) -> Result<(), Damaged> {
        let count = blocks_for::<DATA>(self.length(at)?);
        self.bucket_unlink(at)?;
        self.lru_unlink(at)?;
        let mut block = at;
        let mut kind = BlockKind::ENTRY;
        for _ in 0..count {
            let free = std::mem::replace(&mut self.header.free, block);
            let freed = self.block(block, kind)?;
            freed.kind = BlockKind::FREE;
            block = std::mem::replace(&mut freed.next, free);
            kind = BlockKind::CONTINUATION;
            self.header.free_blocks = self.header.free_blocks.checked_add(1).ok_or(Damaged)?;
        }
        if block == NONE { Ok(()) } else { Err(Damaged) }
    }

    /// Allocates a block: a free one, or one that was never used.
    fn allocate(&mut self, kind: BlockKind, next: u32, piece: &[u8]) -> Result<u32, Damaged> {
        let at = match self.header.free {
            NONE => self.free_a_fresh_block()?,
            at => at,
        };
        let block = self.block(at, BlockKind::FREE)?;
        let free = block.next;
        block.kind = kind;
        block.next = next;
        step();
        block.fill(piece);
        step();
        self.header.free = free;
        step();
        self.header.free_blocks = self.header.free_blocks.checked_sub(1).ok_or(Damaged)?;
        Ok(at)
    }

    /// Makes the first block that was never used a free block.
    fn free_a_fresh_block(&mut self) -> Result<u32, Damaged> {
        let at = self.header.fresh;
        self.header.fresh = at.checked_add(1).ok_or(Damaged)?;
        let block = self.any_block(at)?;
        block.kind = BlockKind::FREE;
        block.next = NONE;
        Ok(at)
    }

    fn copy(&mut self, at: u32, length: usize, buffer: &mut Vec<u8>) -> Result<(), Damaged> {
        let mut block = self.entry(at)?;
        let mut left = length;
        loop {
            let piece = left.min(DATA);
            buffer.extend_from_slice(block.data.get(..piece).ok_or(Damaged)?);
            left = left.saturating_sub(piece);
            if left == 0 {
                return Ok(());
            }
            let next = block.next;
            block = self.block(next, BlockKind::CONTINUATION)?;
        }
    }

    /// Makes an entry that is not in the list the most recently used one.
    fn lru_push_front(&mut self, at: u32) -> Result<(), Damaged> {
        let older = std::mem::replace(&mut self.header.newest, at);
        let entry = self.entry(at)?;
        entry.newer = NONE;
        entry.older = older;
        match older {
            NONE => self.header.oldest = at,
            older => self.entry(older)?.newer = at,
        }
        Ok(())
    }

    fn lru_unlink(&mut self, at: u32) -> Result<(), Damaged> {
        let Block { newer, older, .. } = *self.entry(at)?;
        let from_newer = match newer {
            NONE => &mut self.header.newest,
            newer => &mut self.entry(newer)?.older,
        };
        if std::mem::replace(from_newer, older) != at {
            return Err(Damaged);
        }
        let from_older = match older {
            NONE => &mut self.header.oldest,
            older => &mut self.entry(older)?.newer,
        };
        if std::mem::replace(from_older, newer) != at {
            return Err(Damaged);
        }
        Ok(())
    }

    fn bucket_unlink(&mut self, at: u32) -> Result<(), Damaged> {
        let Block {
            key, bucket_next, ..
        } = *self.entry(at)?;
        let first = self.bucket(&key)?;
        if *first == at {
            *first = bucket_next;
            return Ok(());
        }
        let mut before = *first;
        for _ in 0..self.blocks.len() {
            let entry = self.entry(before)?;
            if entry.bucket_next == at {
                entry.bucket_next = bucket_next;
                return Ok(());
            }
            before = entry.bucket_next;
        }
        Err(Damaged)
    }

    fn bucket(&mut self, key: &EntryKey) -> Result<&mut u32, Damaged> {
        step();
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.header.seed);
        hasher.write(key);
        let count = self.buckets.len() as u64;
        let bucket = hasher.finish().checked_rem(count).ok_or(Damaged)?;
        self.buckets.get_mut(bucket as usize).ok_or(Damaged)
    }

    /// The length of an entry's value. An intact entry is not longer than the map.
    fn length(&mut self, at: u32) -> Result<usize, Damaged> {
        let length = self.entry(at)?.length as usize;
        if blocks_for::<DATA>(length) > self.blocks.len() {
            return Err(Damaged);
        }
        Ok(length)
    }

    fn entry(&mut self, at: u32) -> Result<&mut Block<DATA>, Damaged> {
        self.block(at, BlockKind::ENTRY)
    }

    fn block(&mut self, at: u32, kind: BlockKind) -> Result<&mut Block<DATA>, Damaged> {
        let block = self.any_block(at)?;
        (block.kind == kind).then_some(block).ok_or(Damaged)
    }

    fn any_block(&mut self, at: u32) -> Result<&mut Block<DATA>, Damaged> {
        step();
        if at >= self.header.fresh {
            return Err(Damaged);
        }
        self.blocks.get_mut(at as usize).ok_or(Damaged)
    }
}

pub mod change_state;
#[cfg(any(test, feature = "model"))]
pub mod model;
pub mod steps;
#[cfg(test)]
mod tests;
