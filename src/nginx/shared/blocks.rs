//! The map itself, in safe code and without nginx: entries are chains of blocks of one size, in buckets by their key
//! and in a list by their last use. Its memory may be damaged, so whatever is read there is checked: a link that leads
//! outside, to a block of the wrong kind or in a circle is [`Damaged`], and nothing here panics.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

use std::hash::{DefaultHasher, Hasher};

pub(super) type Key = [u8; 32];

/// What is there is not what this code has written. [`Store::clear`] makes it usable again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Damaged;

/// What [`Store::get`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Nothing,
    Expired,
    /// The value is longer than the buffer, namely so long.
    Longer(usize),
    /// The value is in the buffer, and it is what was put there if [`check`] says the same of it.
    Copied {
        expires: i64,
        check: u64,
    },
}

/// Ours, and of this layout. A change of [`Header`] or [`Block`] is to change the number.
const LAYOUT: u64 = u64::from_be_bytes(*b"authmap\x01");

/// No block.
const NONE: u32 = u32::MAX;

/// How many entries are looked at for an expired one, before the one that was longest not used has to go.
const EXPIRED_AMONG: usize = 8;

#[repr(C)]
#[derive(Debug)]
pub(super) struct Header {
    layout: u64,
    /// What nobody outside knows, so that nobody can choose keys that are all in one bucket.
    seed: u64,
    blocks: u32,
    free_blocks: u32,
    /// The first of the blocks that are free again.
    free: u32,
    /// The first of the blocks that were not used yet, whatever is in them.
    fresh: u32,
    newest: u32,
    oldest: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
struct Kind(u32);

impl Kind {
    const FREE: Self = Self(1);
    /// The first block of an entry. Only here the fields from `beside` to `key` mean something.
    const ENTRY: Self = Self(2);
    /// A further block of an entry.
    const MORE: Self = Self(3);
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    kind: Kind,
    /// The next block of the entry, or the next free one.
    next: u32,
    /// The next entry in the bucket.
    beside: u32,
    newer: u32,
    older: u32,
    length: u32,
    expires: i64,
    check: u64,
    key: Key,
    data: [u8; Self::DATA],
}

impl Block {
    const DATA: usize = 184;

    fn fill(&mut self, piece: &[u8]) {
        for (place, byte) in self.data.iter_mut().zip(piece) {
            *place = *byte;
        }
    }
}

const _: () = assert!(size_of::<Block>() == 256);

/// A number that tells an entry from a damaged one.
pub(super) fn check(key: &Key, expires: i64, value: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(key);
    hasher.write_i64(expires);
    hasher.write(value);
    hasher.finish()
}

/// How many blocks a value needs.
fn blocks_for(length: usize) -> usize {
    length.div_ceil(Block::DATA).max(1)
}

/// The map, over memory of which any content is possible.
pub(super) struct Store<'a> {
    pub(super) header: &'a mut Header,
    pub(super) blocks: &'a mut [Block],
    /// The first entry of each bucket.
    pub(super) buckets: &'a mut [u32],
}

impl Store<'_> {
    /// Whether this code has written it, with so many blocks.
    pub(super) fn is_ours(&self) -> bool {
        self.header.layout == LAYOUT && self.header.blocks as usize == self.blocks.len()
    }

    pub(super) fn seed(&mut self, seed: u64) {
        self.header.seed = seed;
    }

    /// Makes an empty map of it.
    pub(super) fn clear(&mut self) {
        let count = u32::try_from(self.blocks.len()).unwrap_or(NONE);
        self.buckets.fill(NONE);
        *self.header = Header {
            layout: LAYOUT,
            seed: self.header.seed,
            blocks: count,
            free_blocks: count,
            free: NONE,
            fresh: 0,
            newest: NONE,
            oldest: NONE,
        };
    }

    /// Copies a value into the buffer, as far as it has room for it, and remembers that it was used.
    pub(super) fn get(
        &mut self,
        key: &Key,
        now: i64,
        buffer: &mut Vec<u8>,
    ) -> Result<Look, Damaged> {
        buffer.clear();
        let Some(at) = self.find(key)? else {
            return Ok(Look::Nothing);
        };
        let Block { expires, check, .. } = *self.entry(at)?;
        if expires <= now {
            return Ok(Look::Expired);
        }
        let length = self.length(at)?;
        if length > buffer.capacity() {
            return Ok(Look::Longer(length));
        }
        self.copy(at, length, buffer)?;
        if self.header.newest != at {
            self.leave_list(at)?;
            self.lead_list(at)?;
        }
        Ok(Look::Copied { expires, check })
    }

    /// Keeps a value in place of the one that the key has, if there is room for so long a one at all.
    pub(super) fn put(
        &mut self,
        key: &Key,
        expires: i64,
        check: u64,
        value: &[u8],
        now: i64,
    ) -> Result<bool, Damaged> {
        self.remove(key)?;
        let Ok(length) = u32::try_from(value.len()) else {
            return Ok(false);
        };
        let count = blocks_for(value.len());
        if count > self.blocks.len() {
            return Ok(false);
        }
        while (self.header.free_blocks as usize) < count {
            let victim = self.victim(now)?;
            self.drop_entry(victim)?;
        }
        let mut next = NONE;
        for piece in value.chunks(Block::DATA).skip(1).rev() {
            next = self.take(Kind::MORE, next, piece)?;
        }
        let at = self.take(Kind::ENTRY, next, value.get(..Block::DATA).unwrap_or(value))?;
        let beside = std::mem::replace(self.bucket(key)?, at);
        let entry = self.entry(at)?;
        entry.beside = beside;
        entry.length = length;
        entry.expires = expires;
        entry.check = check;
        entry.key = *key;
        self.lead_list(at)?;
        Ok(true)
    }

    pub(super) fn remove(&mut self, key: &Key) -> Result<(), Damaged> {
        match self.find(key)? {
            Some(at) => self.drop_entry(at),
            None => Ok(()),
        }
    }

    fn find(&mut self, key: &Key) -> Result<Option<u32>, Damaged> {
        let mut at = *self.bucket(key)?;
        for _ in 0..self.blocks.len() {
            if at == NONE {
                return Ok(None);
            }
            let entry = self.entry(at)?;
            if entry.key == *key {
                return Ok(Some(at));
            }
            at = entry.beside;
        }
        if at == NONE { Ok(None) } else { Err(Damaged) }
    }

    /// The entry to give up for another: an expired one where it is found at once, else the one that was longest not
    /// used.
    fn victim(&mut self, now: i64) -> Result<u32, Damaged> {
        let mut at = self.header.oldest;
        for _ in 0..EXPIRED_AMONG {
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

    fn drop_entry(&mut self, at: u32) -> Result<(), Damaged> {
        let count = blocks_for(self.length(at)?);
        self.leave_bucket(at)?;
        self.leave_list(at)?;
        let mut block = at;
        let mut kind = Kind::ENTRY;
        for _ in 0..count {
            let free = std::mem::replace(&mut self.header.free, block);
            let freed = self.block(block, kind)?;
            freed.kind = Kind::FREE;
            block = std::mem::replace(&mut freed.next, free);
            kind = Kind::MORE;
            self.header.free_blocks = self.header.free_blocks.checked_add(1).ok_or(Damaged)?;
        }
        if block == NONE { Ok(()) } else { Err(Damaged) }
    }

    /// Takes a free block.
    fn take(&mut self, kind: Kind, next: u32, piece: &[u8]) -> Result<u32, Damaged> {
        let at = match self.header.free {
            NONE => self.fresh()?,
            at => at,
        };
        let block = self.block(at, Kind::FREE)?;
        let free = block.next;
        block.kind = kind;
        block.next = next;
        block.fill(piece);
        self.header.free = free;
        self.header.free_blocks = self.header.free_blocks.checked_sub(1).ok_or(Damaged)?;
        Ok(at)
    }

    /// Makes a block that was not used yet a free one.
    fn fresh(&mut self) -> Result<u32, Damaged> {
        let at = self.header.fresh;
        self.header.fresh = at.checked_add(1).ok_or(Damaged)?;
        let block = self.any_block(at)?;
        block.kind = Kind::FREE;
        block.next = NONE;
        Ok(at)
    }

    fn copy(&mut self, at: u32, length: usize, buffer: &mut Vec<u8>) -> Result<(), Damaged> {
        let mut block = self.entry(at)?;
        let mut left = length;
        loop {
            let piece = left.min(Block::DATA);
            buffer.extend_from_slice(block.data.get(..piece).ok_or(Damaged)?);
            left = left.saturating_sub(piece);
            if left == 0 {
                return Ok(());
            }
            let next = block.next;
            block = self.block(next, Kind::MORE)?;
        }
    }

    /// Makes an entry that is in no list the most recently used one.
    fn lead_list(&mut self, at: u32) -> Result<(), Damaged> {
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

    fn leave_list(&mut self, at: u32) -> Result<(), Damaged> {
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

    fn leave_bucket(&mut self, at: u32) -> Result<(), Damaged> {
        let Block { key, beside, .. } = *self.entry(at)?;
        let first = self.bucket(&key)?;
        if *first == at {
            *first = beside;
            return Ok(());
        }
        let mut before = *first;
        for _ in 0..self.blocks.len() {
            let entry = self.entry(before)?;
            if entry.beside == at {
                entry.beside = beside;
                return Ok(());
            }
            before = entry.beside;
        }
        Err(Damaged)
    }

    fn bucket(&mut self, key: &Key) -> Result<&mut u32, Damaged> {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.header.seed);
        hasher.write(key);
        let count = self.buckets.len() as u64;
        let bucket = hasher.finish().checked_rem(count).ok_or(Damaged)?;
        self.buckets.get_mut(bucket as usize).ok_or(Damaged)
    }

    /// The length of a value, which is one that fits.
    fn length(&mut self, at: u32) -> Result<usize, Damaged> {
        let length = self.entry(at)?.length as usize;
        if blocks_for(length) > self.blocks.len() {
            return Err(Damaged);
        }
        Ok(length)
    }

    fn entry(&mut self, at: u32) -> Result<&mut Block, Damaged> {
        self.block(at, Kind::ENTRY)
    }

    fn block(&mut self, at: u32, kind: Kind) -> Result<&mut Block, Damaged> {
        let block = self.any_block(at)?;
        (block.kind == kind).then_some(block).ok_or(Damaged)
    }

    fn any_block(&mut self, at: u32) -> Result<&mut Block, Damaged> {
        if at >= self.header.fresh {
            return Err(Damaged);
        }
        self.blocks.get_mut(at as usize).ok_or(Damaged)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
