#![allow(clippy::arithmetic_side_effects)]

use super::model::{self, *};
use super::*;
use proptest::prelude::*;
use std::panic::AssertUnwindSafe;

type Memory = model::Memory<SMALL_BLOCKS>;

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
fn memory_with_blocks_of_another_size_is_not_ours() {
    let mut memory = Memory::of_blocks(4);
    let mut large = model::Memory::<LARGE_BLOCKS>::of_blocks(4);
    assert!(large.map().is_ours());
    std::mem::swap(&mut memory.header, &mut large.header);
    assert!(!memory.map().is_ours());
    assert!(!large.map().is_ours());
}

#[test]
fn there_are_as_many_buckets_as_values_but_an_even_number() {
    for (blocks, buckets) in [(0, 0), (1, 2), (2, 2), (999, 1000)] {
        assert_eq!(buckets_for::<SMALL_BLOCKS>(blocks), buckets);
    }
    for (blocks, buckets) in [(0, 0), (31, 0), (32, 2), (64, 2), (96, 4), (4096, 128)] {
        assert_eq!(buckets_for::<LARGE_BLOCKS>(blocks), buckets);
    }
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
    assert_eq!(
        memory.put(1, 9, &[b'x'; 4 * SMALL_BLOCKS + 1], 0),
        Ok(false)
    );
    assert!(!memory.has(1));
    assert!(memory.has(2));
    assert_eq!(memory.put(1, 9, &[b'x'; 4 * SMALL_BLOCKS], 0), Ok(true));
    assert!(!memory.has(2));
    memory.assert_intact();
}

#[test]
fn values_of_every_length_are_returned() {
    let mut memory = Memory::of_blocks(4);
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(4 * SMALL_BLOCKS).collect();
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
    memory.put(1, 9, &[0; 2 * SMALL_BLOCKS], 0).expect("intact");
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
    memory.put(2, 9, &[0; 2 * SMALL_BLOCKS], 0).expect("intact");
    memory.map().clear();
    assert!(!memory.has(1) && !memory.has(2));
    assert_eq!(memory.put(2, 9, &[0; 4 * SMALL_BLOCKS], 0), Ok(true));
    memory.assert_intact();
}

#[test]
fn a_damaged_value_has_another_checksum() {
    for byte in 0..2 * SMALL_BLOCKS {
        let mut memory = Memory::of_blocks(2);
        memory.put(1, 9, &[7; 2 * SMALL_BLOCKS], 0).expect("intact");
        let mut block = memory
            .map()
            .find(&[1; 32])
            .expect("intact")
            .expect("present");
        if byte >= SMALL_BLOCKS {
            block = memory.blocks[block as usize].next;
        }
        memory.blocks[block as usize].data[byte % SMALL_BLOCKS] ^= 1;
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
            memory.put(5, 9, &[0; 4 * SMALL_BLOCKS], 0).map(|_| ()),
        ];
        assert!(results.contains(&Err(Damaged)), "{results:?}");
    }
}

type Operation = fn(&mut Memory);

/// What a process does to a map with six of eight blocks in use.
const OPERATIONS: [(&str, Operation); 8] = [
    ("put", |memory| _ = memory.put(4, 9, b"new", 0)),
    ("put blocks", |memory| {
        _ = memory.put(4, 9, &[4; 2 * SMALL_BLOCKS], 0)
    }),
    ("replace", |memory| _ = memory.put(2, 8, b"new", 0)),
    ("replace by more", |memory| {
        _ = memory.put(2, 8, &[5; 4 * SMALL_BLOCKS], 0)
    }),
    ("put and evict", |memory| {
        _ = memory.put(4, 9, &[6; 7 * SMALL_BLOCKS], 0)
    }),
    ("get", |memory| _ = memory.value(1, 0)),
    ("remove", |memory| _ = memory.map().remove(&[2; 32])),
    ("clear", |memory| memory.map().clear()),
];

/// Such a map, which an operation was stopped in the middle of. `None` if it ends before that step.
fn stopped_at(step: u32, operation: Operation) -> Option<Memory> {
    struct Died;
    let mut memory = Memory::of_blocks(8);
    for (key, length) in [(1, 0), (2, 3 * SMALL_BLOCKS), (3, 2 * SMALL_BLOCKS)] {
        memory.put(key, 9, &vec![key; length], 0).expect("intact");
    }
    steps::stop_at(step, || std::panic::resume_unwind(Box::new(Died)));
    let ended = std::panic::catch_unwind(AssertUnwindSafe(|| operation(&mut memory)));
    steps::stop_at(0, || ());
    match ended {
        Ok(()) => None,
        Err(payload) => payload.is::<Died>().then_some(memory),
    }
}

#[test]
fn a_map_whose_process_has_died_at_any_step_can_be_cleared() {
    for (name, operation) in OPERATIONS {
        let stopped = (1..).map_while(|step| stopped_at(step, operation));
        let count = stopped.map(|mut memory| {
            memory.map().clear();
            memory.assert_intact();
            assert!((0..=u8::MAX).all(|key| !memory.has(key)), "{name}");
            assert_eq!(memory.put(2, 9, &[2; 8 * SMALL_BLOCKS], 0), Ok(true));
            assert!(memory.has(2));
        });
        assert!(count.count() > 1, "{name}");
    }
}

/// Whoever uses it all the same gets no other value than one that was put, and no endless loop.
#[test]
fn a_map_whose_process_has_died_at_any_step_has_no_wrong_value() {
    let mut values = vec![
        (1, 9, Vec::new()),
        (2, 9, vec![2; 3 * SMALL_BLOCKS]),
        (3, 9, vec![3; 2 * SMALL_BLOCKS]),
        (4, 9, b"new".to_vec()),
        (4, 9, vec![4; 2 * SMALL_BLOCKS]),
        (2, 8, b"new".to_vec()),
        (2, 8, vec![5; 4 * SMALL_BLOCKS]),
        (4, 9, vec![6; 7 * SMALL_BLOCKS]),
    ];
    for (name, operation) in OPERATIONS {
        for mut memory in (1..).map_while(|step| stopped_at(step, operation)) {
            for round in 0..4 {
                for key in 0..6 {
                    let Ok(Some((expires, value))) = memory.value(key, 0) else {
                        continue;
                    };
                    let value = (key, expires, value);
                    assert!(values.contains(&value), "{name}: {value:?}");
                }
                let length = SMALL_BLOCKS * usize::from(round);
                if memory.put(5, 7, &vec![round; length], 0).is_err() {
                    memory.map().clear();
                    memory.assert_intact();
                }
                values.push((5, 7, vec![round; length]));
            }
        }
    }
}

/// Steps with values of up to `longest` bytes.
fn step(damage: u32, longest: usize) -> impl Strategy<Value = Step> {
    let number = prop_oneof![0..12_u32, Just(NONE), any::<u32>()];
    prop_oneof![
        8 => (0..12_u8, 0..40_i64, 0..longest).prop_map(|(key, time, length)| Step::Put(key, time, length)),
        8 => (0..12_u8).prop_map(Step::Get),
        2 => (0..12_u8).prop_map(Step::Remove),
        2 => Just(Step::Wait),
        damage => (0..15_u8, 0..12_u8, number).prop_map(|(field, block, to)| Step::Damage(field, block, to)),
    ]
}

fn steps(damage: u32, data: usize) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(damage, 5 * data), 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_intact_map_returns_the_last_value_that_was_put(steps in steps(0, SMALL_BLOCKS)) {
        check_intact::<SMALL_BLOCKS>(steps);
    }

    #[test]
    fn a_damaged_map_returns_only_values_that_were_put(steps in steps(3, SMALL_BLOCKS)) {
        check_damaged::<SMALL_BLOCKS>(steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn so_does_an_intact_map_with_large_blocks(steps in steps(0, LARGE_BLOCKS)) {
        check_intact::<LARGE_BLOCKS>(steps);
    }

    #[test]
    fn so_does_a_damaged_map_with_large_blocks(steps in steps(3, LARGE_BLOCKS)) {
        check_damaged::<LARGE_BLOCKS>(steps);
    }
}
