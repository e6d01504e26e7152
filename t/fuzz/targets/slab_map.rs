//! The map in shared memory, intact or damaged, with small or large blocks. The first byte says which,
//! each step has four.
#![no_main]

use slab_map::model::{Step, check_damaged, check_intact};
use slab_map::{LARGE_BLOCKS, SMALL_BLOCKS};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nginx_auth_fuzz::in_time(|| check(bytes)));

fn check(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else {
        return;
    };
    let (steps, _) = rest.as_chunks();
    // The map is checked as a whole after each step.
    let steps = steps.iter().take(500).map(step);
    match kind % 4 {
        0 => check_intact::<SMALL_BLOCKS>(steps),
        1 => check_damaged::<SMALL_BLOCKS>(steps),
        2 => check_intact::<LARGE_BLOCKS>(steps.map(enlarge)),
        _ => check_damaged::<LARGE_BLOCKS>(steps.map(enlarge)),
    }
}

fn step(&[kind, what, low, high]: &[u8; 4]) -> Step {
    let number = u16::from_le_bytes([low, high]);
    match kind % 8 {
        0..3 => Step::Put(what % 12, i64::from(kind >> 3), usize::from(number % 2200)),
        3..5 => Step::Get(what % 12),
        5 => Step::Remove(what % 12),
        6 => Step::Wait,
        // A link that leads outside, or to a block that there is.
        _ => Step::Damage(
            kind >> 3,
            what % 12,
            if number > 255 {
                u32::MAX
            } else {
                number.into()
            },
        ),
    }
}

/// A value that takes up as many large blocks as it would take up small ones.
fn enlarge(step: Step) -> Step {
    match step {
        Step::Put(key, time, length) => Step::Put(key, time, length * LARGE_BLOCKS / SMALL_BLOCKS),
        other => other,
    }
}
