use super::*;

const BYTES: usize = 1000;
const COST: usize = BYTES + Lru::<&str>::OVERHEAD;

/// A table with room for this many values of [`BYTES`].
fn room_for(values: usize) -> Lru<&'static str> {
    let mut limit = values * COST;
    loop {
        let lru = Lru::new(limit, 2048);
        if lru.used + values * COST <= limit {
            return lru;
        }
        limit += 4;
    }
}

fn has(lru: &Lru<&str>, hash: u64, value: &str) -> bool {
    lru.search(hash, |found| *found == value).is_some()
}

fn count<T>(lru: &Lru<T>) -> usize {
    let count = lru.entries.iter().flat_map(|entry| &entry.value).count();
    assert_eq!((lru.len(), lru.is_empty()), (count, count == 0));
    count
}

#[test]
fn an_empty_table_finds_nothing() {
    let mut lru = Lru::<&str>::new(0, 2048);
    assert_eq!(lru.find(0, |_| true), None);
    lru.insert(0, 0, "a");
    assert_eq!(lru.find(0, |_| true), None);
    assert_eq!(count(&lru), 0);
    assert_eq!(
        (lru.least_recently_used, lru.most_recently_used),
        (NONE, NONE)
    );
}

#[test]
fn the_least_recently_used_goes_first() {
    let mut lru = room_for(10);
    for (hash, value) in [(1, "a"), (2, "b"), (3, "c")] {
        lru.insert(hash, BYTES, value);
    }
    for hash in 11..=17 {
        lru.insert(hash, BYTES, "filler");
    }
    assert_eq!(lru.find(1, |_| true), Some(&"a"));
    lru.insert(4, BYTES, "d");
    assert!(!has(&lru, 2, "b"));
    assert!(has(&lru, 1, "a") && has(&lru, 3, "c") && has(&lru, 4, "d"));
    // From the middle of the order of use, and from its end.
    assert_eq!(lru.find(1, |_| true), Some(&"a"));
    assert_eq!(lru.find(1, |_| true), Some(&"a"));
    for (hash, value) in (5..).zip(["e", "f", "g", "h", "i", "j", "k", "l", "m"]) {
        lru.insert(hash, BYTES, value);
    }
    assert!(!has(&lru, 3, "c") && !has(&lru, 11, "filler") && !has(&lru, 4, "d"));
    assert!(has(&lru, 1, "a") && has(&lru, 5, "e") && has(&lru, 13, "m"));
}

#[test]
fn the_bound_is_kept_whatever_the_sizes() {
    let limit = 64 << 10;
    let mut lru = Lru::new(limit, 2048);
    let mut hash = 1u64;
    for _ in 0..10_000 {
        hash = hash.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        lru.insert(hash, (hash >> 40) as usize % 5000, hash);
        let values = lru.entries.iter().filter(|entry| entry.value.is_some());
        let used: usize = values.map(|entry| entry.bytes).sum();
        assert_eq!(lru.used, used + lru.buckets.len() * size_of::<Link>());
        assert!(lru.used <= limit);
        assert_eq!(lru.find(hash, |_| true), Some(&hash));
    }
    assert!(count(&lru) > 5);
    // Entries of removed values are used again.
    assert!(lru.entries.len() < 400, "{}", lru.entries.len());
}

#[test]
fn row_51_a_value_larger_than_an_eighth_of_the_table_is_dropped_and_evicts_no_other() {
    let mut lru = room_for(10);
    for hash in 1..=10 {
        lru.insert(hash, BYTES, "small");
    }
    let used = lru.used;
    let largest = lru.limit / 8 - Lru::<&str>::OVERHEAD;
    for bytes in [largest + 1, 5 * BYTES, usize::MAX] {
        lru.insert(11, bytes, "large");
        assert!(!has(&lru, 11, "large"));
        assert_eq!((lru.used, count(&lru)), (used, 10));
    }
    lru.insert(11, largest, "large");
    assert!(has(&lru, 11, "large") && has(&lru, 10, "small"));
}

#[test]
fn equal_hashes_are_told_apart_by_the_comparison() {
    let mut lru = room_for(10);
    for value in ["a", "b", "c", "d"] {
        lru.insert(7, BYTES, value);
    }
    for hash in 101..=106 {
        lru.insert(hash, BYTES, "filler");
    }
    for value in ["a", "b", "c", "d"] {
        assert_eq!(lru.find(7, |found| *found == value), Some(&value));
    }
    for hash in 101..=106 {
        assert!(lru.find(hash, |_| true).is_some());
    }
    assert_eq!(lru.find(7, |found| *found == "e"), None);
    // Another hash in the same bucket.
    assert_eq!(lru.find(7 + (1 << 32), |_| true), None);
    // Removal from the end, the middle and the beginning of one bucket.
    lru.insert(7, BYTES, "e");
    assert!(!has(&lru, 7, "a"));
    lru.find(7, |found| *found == "b");
    lru.insert(7, BYTES, "f");
    assert!(!has(&lru, 7, "c"));
    for value in ["b", "d", "e", "f"] {
        assert!(has(&lru, 7, value), "{value}");
    }
}

#[test]
fn the_newest_of_equal_values_are_kept() {
    let mut lru = room_for(10);
    for value in ["a1", "b1", "a2", "a3", "b2"] {
        lru.insert(7, BYTES, value);
    }
    lru.keep_newest(2, 7, |value| value.starts_with('a'));
    assert!(!has(&lru, 7, "a1"));
    assert_eq!(count(&lru), 4);
    lru.keep_newest(0, 7, |value| value.starts_with('b'));
    assert_eq!(count(&lru), 2);
    assert!(has(&lru, 7, "a2") && has(&lru, 7, "a3"));
    assert_eq!(lru.find(7, |value| value.starts_with('a')), Some(&"a3"));
}
