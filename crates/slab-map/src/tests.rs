#![allow(clippy::arithmetic_side_effects)]

use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

/// A block with undefined bytes.
const UNUSED: Block = Block {
    kind: BlockKind::ENTRY,
    next: 0,
    bucket_next: 0,
    newer: 0,
    older: 0,
    length: u32::MAX,
    expires: i64::MAX,
    checksum: 0,
    key: [1; 32],
    data: [0; Block::DATA],
};

/// The memory for a map.
struct Memory {
    header: MapHeader,
    blocks: Vec<Block>,
    buckets: Vec<u32>,
}

impl Memory {
    fn of_blocks(count: usize) -> Self {
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
            blocks: vec![UNUSED; count],
            buckets: vec![0; count],
        };
        memory.map().seed(7);
        memory.map().clear();
        memory
    }

    fn map(&mut self) -> SlabMap<'_> {
        SlabMap {
            header: &mut self.header,
            blocks: &mut self.blocks,
            buckets: &mut self.buckets,
        }
    }

    fn put(&mut self, key: u8, expires: i64, value: &[u8], now: i64) -> Result<bool, Damaged> {
        let key = [key; 32];
        let checksum = checksum(&key, expires, value);
        self.map().put(&key, expires, checksum, value, now)
    }

    /// The value of an entry whose checksum is right, read with a buffer that grows as needed.
    fn value(&mut self, key: u8, now: i64) -> Result<Option<(i64, Vec<u8>)>, Damaged> {
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

    fn has(&mut self, key: u8) -> bool {
        self.value(key, 0).expect("intact").is_some()
    }

    /// Each block is either free or part of an entry that is in the list and in its bucket.
    fn assert_intact(&mut self) {
        let mut used = 0;
        let mut at = self.header.oldest;
        while at != NONE {
            let entry = self.blocks[at as usize];
            assert_eq!(self.map().find(&entry.key), Ok(Some(at)));
            used += blocks_for(entry.length as usize);
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

#[test]
fn memory_with_another_layout_is_not_ours() {
    let mut memory = Memory::of_blocks(4);
    assert!(memory.map().is_ours());
    memory.header.layout += 1;
    assert!(!memory.map().is_ours());
    memory.header.layout = 0;
    assert!(!memory.map().is_ours());
    memory.map().clear();
    assert!(memory.map().is_ours());
    memory.blocks.pop();
    assert!(!memory.map().is_ours());
}

#[test]
fn a_map_without_blocks_is_damaged() {
    let mut memory = Memory::of_blocks(0);
    assert_eq!(memory.put(1, 9, b"", 0), Err(Damaged));
    assert_eq!(memory.value(1, 0), Err(Damaged));
    assert_eq!(memory.map().remove(&[1; 32]), Err(Damaged));
}

#[test]
fn a_value_that_is_too_large_removes_only_its_own_key() {
    let mut memory = Memory::of_blocks(4);
    assert_eq!(memory.put(1, 9, b"one", 0), Ok(true));
    assert_eq!(memory.put(2, 9, b"two", 0), Ok(true));
    assert_eq!(memory.put(1, 9, &[b'x'; 4 * Block::DATA + 1], 0), Ok(false));
    assert!(!memory.has(1));
    assert!(memory.has(2));
    assert_eq!(memory.put(1, 9, &[b'x'; 4 * Block::DATA], 0), Ok(true));
    assert!(!memory.has(2));
    memory.assert_intact();
}

#[test]
fn values_of_every_length_are_returned() {
    let mut memory = Memory::of_blocks(4);
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(4 * Block::DATA).collect();
    for length in 0..=bytes.len() {
        let value = &bytes[..length];
        assert_eq!(memory.put(1, 9, value, 0), Ok(true));
        assert_eq!(memory.value(1, 0), Ok(Some((9, value.to_vec()))));
    }
    memory.assert_intact();
}

#[test]
fn keys_that_differ_in_any_byte_are_different() {
    for i in 0..32 {
        // With one bucket, both keys are in the same list.
        let mut memory = Memory::of_blocks(1);
        let mut key = [0; 32];
        key[i] = 1;
        let written = checksum(&key, 9, b"");
        assert_eq!(memory.map().put(&key, 9, written, b"", 0), Ok(true));
        assert!(!memory.has(0));
    }
}

#[test]
fn an_entry_expires_at_its_time() {
    let mut memory = Memory::of_blocks(4);
    memory.put(1, 9, b"one", 0).expect("intact");
    let mut buffer = Vec::with_capacity(9);
    let mut get = |now| memory.map().get(&[1; 32], now, &mut buffer);
    assert_eq!(get(9), Ok(ReadOutcome::Expired));
    assert_eq!(get(i64::MAX), Ok(ReadOutcome::Expired));
    let checksum = checksum(&[1; 32], 9, b"one");
    assert_eq!(
        get(8),
        Ok(ReadOutcome::Copied {
            expires: 9,
            checksum
        })
    );
    assert_eq!(buffer, b"one");
}

#[test]
fn the_least_recently_used_entry_is_evicted_first() {
    let mut memory = Memory::of_blocks(3);
    for key in 1..=3 {
        memory.put(key, 9, b"", 0).expect("intact");
    }
    assert!(memory.has(1));
    memory.put(4, 9, b"", 0).expect("intact");
    assert_eq!(
        [1, 2, 3, 4].map(|key| memory.has(key)),
        [true, false, true, true]
    );
    memory.assert_intact();
}

#[test]
fn an_expired_entry_is_evicted_before_the_least_recently_used() {
    let mut memory = Memory::of_blocks(3);
    for (key, expires) in [(1, 9), (2, 5), (3, 9)] {
        memory.put(key, expires, b"", 0).expect("intact");
    }
    memory.put(4, 9, b"", 5).expect("intact");
    assert_eq!(
        [1, 2, 3, 4].map(|key| memory.has(key)),
        [true, false, true, true]
    );
}

#[test]
fn a_removed_entry_is_not_found() {
    let mut memory = Memory::of_blocks(3);
    memory.put(1, 9, &[0; 2 * Block::DATA], 0).expect("intact");
    memory.put(2, 9, b"", 0).expect("intact");
    for _ in 0..2 {
        assert_eq!(memory.map().remove(&[1; 32]), Ok(()));
        assert!(!memory.has(1));
        assert!(memory.has(2));
        memory.assert_intact();
    }
}

#[test]
fn a_cleared_map_is_empty_and_has_all_its_blocks() {
    let mut memory = Memory::of_blocks(4);
    memory.put(1, 9, b"", 0).expect("intact");
    memory.put(2, 9, &[0; 2 * Block::DATA], 0).expect("intact");
    memory.map().clear();
    assert!(!memory.has(1) && !memory.has(2));
    assert_eq!(memory.put(2, 9, &[0; 4 * Block::DATA], 0), Ok(true));
    memory.assert_intact();
}

#[test]
fn a_damaged_value_has_another_checksum() {
    for byte in 0..2 * Block::DATA {
        let mut memory = Memory::of_blocks(2);
        memory.put(1, 9, &[7; 2 * Block::DATA], 0).expect("intact");
        let mut block = memory
            .map()
            .find(&[1; 32])
            .expect("intact")
            .expect("present");
        if byte >= Block::DATA {
            block = memory.blocks[block as usize].next;
        }
        memory.blocks[block as usize].data[byte % Block::DATA] ^= 1;
        assert_eq!(memory.value(1, 0), Ok(None));
    }
}

#[test]
fn a_damaged_link_is_found() {
    let links: [fn(&mut Memory, u32); 7] = [
        |memory, to| memory.header.free = to,
        |memory, to| memory.header.oldest = to,
        |memory, to| memory.buckets.fill(to),
        |memory, to| memory.blocks.iter_mut().for_each(|block| block.next = to),
        |memory, to| memory.blocks.iter_mut().for_each(|block| block.older = to),
        |memory, to| memory.blocks.iter_mut().for_each(|block| block.newer = to),
        |memory, to| memory.blocks.iter_mut().for_each(|block| block.length = to),
    ];
    for damage in links {
        let mut memory = Memory::of_blocks(5);
        for key in 1..=4 {
            memory.put(key, 9, b"value", 0).expect("intact");
        }
        damage(&mut memory, NONE - 1);
        let results = [
            memory.value(2, 0).map(|_| ()),
            memory.put(5, 9, &[0; 4 * Block::DATA], 0).map(|_| ()),
        ];
        assert!(results.contains(&Err(Damaged)), "{results:?}");
    }
}

#[derive(Debug, Clone)]
enum Step {
    Put(u8, i64, usize),
    Get(u8),
    Remove(u8),
    Wait,
    /// The field, the block, and the new value.
    Damage(u8, u8, u32),
}

fn step(damage: u32) -> impl Strategy<Value = Step> {
    let number = prop_oneof![0..12_u32, Just(NONE), any::<u32>()];
    prop_oneof![
        8 => (0..12_u8, 0..40_i64, 0..900_usize).prop_map(|(key, time, length)| Step::Put(key, time, length)),
        8 => (0..12_u8).prop_map(Step::Get),
        2 => (0..12_u8).prop_map(Step::Remove),
        2 => Just(Step::Wait),
        damage => (0..15_u8, 0..12_u8, number).prop_map(|(field, block, to)| Step::Damage(field, block, to)),
    ]
}

fn damage(memory: &mut Memory, field: u8, block: u8, to: u32) {
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_intact_map_returns_the_last_value_that_was_put(steps in prop::collection::vec(step(0), 1..80)) {
        let mut memory = Memory::of_blocks(12);
        let mut model = HashMap::new();
        let mut now = 0;
        for step in steps {
            match step {
                Step::Put(key, time, length) => {
                    let put = (now + time, value(key, length));
                    prop_assert_eq!(memory.put(key, put.0, &put.1, now), Ok(true));
                    if time > 0 {
                        prop_assert_eq!(memory.value(key, now), Ok(Some(put.clone())));
                    }
                    model.insert(key, put);
                }
                Step::Get(key) => {
                    let got = memory.value(key, now).expect("intact");
                    let known = model.get(&key).filter(|put| put.0 > now);
                    // The entry may have been evicted, but its value is not another one.
                    prop_assert!(got.is_none() || got.as_ref() == known);
                }
                Step::Remove(key) => {
                    prop_assert_eq!(memory.map().remove(&[key; 32]), Ok(()));
                    model.remove(&key);
                    prop_assert_eq!(memory.value(key, now), Ok(None));
                }
                Step::Wait => now += 10,
                Step::Damage(..) => {}
            }
            memory.assert_intact();
        }
    }

    /// Each call ends without a panic, and never returns a value that was not put with this key.
    #[test]
    fn a_damaged_map_returns_only_values_that_were_put(steps in prop::collection::vec(step(3), 1..80)) {
        let mut memory = Memory::of_blocks(12);
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
}
