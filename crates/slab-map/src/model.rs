//! A map that owns its memory, compared with a simple model of it: for the tests and the fuzz
//! target.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use super::*;
use std::collections::HashMap;

/// The size of a map that takes [`Step`]s.
const BLOCKS: usize = 12;

/// The memory for a map.
pub(super) struct Memory<const DATA: usize> {
    pub(super) header: MapHeader,
    pub(super) blocks: Vec<Block<DATA>>,
    pub(super) buckets: Vec<u32>,
}

impl<const DATA: usize> Memory<DATA> {
    /// A block with undefined bytes.
    const UNUSED: Block<DATA> = Block {
        kind: BlockKind::ENTRY,
        next: 0,
        bucket_next: 0,
        newer: 0,
        older: 0,
        length: u32::MAX,
        expires: i64::MAX,
        checksum: 0,
        key: [1; 32],
        data: [0; DATA],
    };

    pub(super) fn of_blocks(count: usize) -> Self {
        let mut memory = Self {
            header: MapHeader {
                layout: 0,
                seed: 0,
                blocks: 0,
                free_blocks: 0,
                free: 0,
                fresh: 0,
                newest: 0,
                oldest: 0,
            },
            blocks: vec![Self::UNUSED; count],
            buckets: vec![0; count],
        };
        memory.map().seed(7);
        memory.map().clear();
        memory
    }

    pub(super) fn map(&mut self) -> SlabMap<'_, DATA> {
        SlabMap {
            header: &mut self.header,
            blocks: &mut self.blocks,
            buckets: &mut self.buckets,
        }
    }

    pub(super) fn put(
        &mut self,
        key: u8,
        expires: i64,
        value: &[u8],
        now: i64,
    ) -> Result<bool, Damaged> {
        let key = [key; 32];
        let checksum = checksum(&key, expires, value);
        self.map().put(&key, expires, checksum, value, now)
    }

    /// The value of an entry whose checksum is right, read with a buffer that grows as needed.
    pub(super) fn value(&mut self, key: u8, now: i64) -> Result<Option<(i64, Vec<u8>)>, Damaged> {
        let key = [key; 32];
        let mut buffer = Vec::new();
        let mut outcome = self.map().get(&key, now, &mut buffer)?;
        if let ReadOutcome::Longer(length) = outcome {
            buffer.reserve_exact(length);
            outcome = self.map().get(&key, now, &mut buffer)?;
        }
        Ok(match outcome {
            ReadOutcome::Copied {
                expires,
                checksum: written,
            } => (checksum(&key, expires, &buffer) == written).then_some((expires, buffer)),
            ReadOutcome::Nothing | ReadOutcome::Expired => None,
            ReadOutcome::Longer(_) => panic!("the buffer has the length that was asked for"),
        })
    }

    #[cfg(test)]
    pub(super) fn has(&mut self, key: u8) -> bool {
        self.value(key, 0).expect("intact").is_some()
    }

    /// Each block is either free or part of an entry that is in the list and in its bucket.
    pub(super) fn assert_intact(&mut self) {
        let mut used = 0;
        let mut at = self.header.oldest;
        while at != NONE {
            let entry = self.blocks[at as usize];
            assert_eq!(self.map().find(&entry.key), Ok(Some(at)));
            used += blocks_for::<DATA>(entry.length as usize);
            at = entry.newer;
        }
        let mut free = self.blocks.len() - self.header.fresh as usize;
        let mut at = self.header.free;
        while at != NONE {
            assert_eq!(self.blocks[at as usize].kind, BlockKind::FREE);
            free += 1;
            at = self.blocks[at as usize].next;
        }
        assert_eq!(free, self.header.free_blocks as usize);
        assert_eq!(used + free, self.blocks.len());
    }
}

/// What is done with a map of twelve blocks. A block number is less than twelve, and a value is not
/// larger than the map.
#[derive(Debug, Clone)]
pub enum Step {
    /// Puts a value: the key, for how many seconds, and the length.
    Put(u8, i64, usize),
    /// Gets the value of a key.
    Get(u8),
    /// Removes a key.
    Remove(u8),
    /// Lets ten seconds pass.
    Wait,
    /// Damages the memory: the field, the block, and the new value.
    Damage(u8, u8, u32),
}

/// Takes the steps but for those of damage, and panics unless the map returns of each key the last
/// value that was put, or nothing.
pub fn check_intact<const DATA: usize>(steps: impl IntoIterator<Item = Step>) {
    let mut memory = Memory::<DATA>::of_blocks(BLOCKS);
    let mut model = HashMap::new();
    let mut now = 0;
    for step in steps {
        match step {
            Step::Put(key, time, length) => {
                let put = (now + time, value(key, length));
                assert_eq!(memory.put(key, put.0, &put.1, now), Ok(true));
                if time > 0 {
                    assert_eq!(memory.value(key, now), Ok(Some(put.clone())));
                }
                model.insert(key, put);
            }
            Step::Get(key) => {
                let got = memory.value(key, now).expect("intact");
                let known = model.get(&key).filter(|put| put.0 > now);
                // The entry may have been evicted, but its value is not another one.
                assert!(got.is_none() || got.as_ref() == known);
            }
            Step::Remove(key) => {
                assert_eq!(memory.map().remove(&[key; 32]), Ok(()));
                model.remove(&key);
                assert_eq!(memory.value(key, now), Ok(None));
            }
            Step::Wait => now += 10,
            Step::Damage(..) => {}
        }
        memory.assert_intact();
    }
}

/// Takes the steps, and panics if the map returns a value that was not put with this key.
pub fn check_damaged<const DATA: usize>(steps: impl IntoIterator<Item = Step>) {
    let mut memory = Memory::<DATA>::of_blocks(BLOCKS);
    let mut puts = HashMap::<u8, Vec<(i64, Vec<u8>)>>::new();
    for step in steps {
        let result = match step {
            Step::Put(key, time, length) => {
                let put = (time + 1, value(key, length));
                let result = memory.put(key, put.0, &put.1, 0);
                puts.entry(key).or_default().push(put);
                result.map(|_| ())
            }
            Step::Get(key) => memory.value(key, 0).map(|got| {
                let known = puts.get(&key).map_or(&[][..], |puts| puts.as_slice());
                assert!(got.is_none_or(|got| known.contains(&got)));
            }),
            Step::Remove(key) => memory.map().remove(&[key; 32]),
            Step::Wait => Ok(()),
            Step::Damage(field, block, to) => {
                damage(&mut memory, field, block, to);
                Ok(())
            }
        };
        if result == Err(Damaged) {
            memory.map().clear();
            memory.assert_intact();
        }
    }
}

fn damage<const DATA: usize>(memory: &mut Memory<DATA>, field: u8, block: u8, to: u32) {
    let entry = &mut memory.blocks[usize::from(block)];
    match field {
        0 => entry.kind = BlockKind(to),
        1 => entry.next = to,
        2 => entry.bucket_next = to,
        3 => entry.newer = to,
        4 => entry.older = to,
        5 => entry.length = to,
        6 => entry.expires = i64::from(to),
        7 => entry.checksum ^= u64::from(to),
        8 => entry.key[0] = u8::try_from(to % 256).expect("a byte"),
        9 => entry.data[0] ^= 1,
        10 => memory.header.free = to,
        11 => memory.header.free_blocks = to,
        12 => memory.header.oldest = to,
        13 => memory.header.fresh = to,
        _ => memory.buckets[usize::from(block)] = to,
    }
}

fn value(key: u8, length: usize) -> Vec<u8> {
    (key..=u8::MAX).cycle().take(length).collect()
}
