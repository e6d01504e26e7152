//! A hash table that keeps to a bound in bytes: what was used least recently goes first. A look, an insertion and a
//! removal take a fixed number of steps, whatever the table holds, and it never grows all at once: there is no request
//! that pays for many others. The caller compares.

use std::collections::hash_map;
use std::hash::{BuildHasher, Hash};
use std::sync::LazyLock;

use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;

/// Of each process its own, so that nobody can foresee which keys have equal hashes. Nor does anybody see a hash.
static SEED: LazyLock<SharedSeed> = LazyLock::new(|| SharedSeed::from_u64(random()));

/// From the system's random bytes, by way of the standard library.
fn random() -> u64 {
    hash_map::RandomState::new().hash_one(())
}

/// The place of an entry in [`Lru::entries`], or [`NONE`].
type Link = u32;

const NONE: Link = Link::MAX;

pub struct Lru<T> {
    hasher: SeedableRandomState,
    limit: usize,
    used: usize,
    /// Where the chain of the entries begins whose hashes have the same lowest bits. Their number is a power of two.
    chains: Box<[Link]>,
    entries: Vec<Entry<T>>,
    /// Entries without a value, chained.
    vacant: Link,
    newest: Link,
    oldest: Link,
}

struct Entry<T> {
    value: Option<T>,
    hash: u64,
    bytes: usize,
    /// The next entry of the chain, which was inserted before this one.
    next: Link,
    newer: Link,
    older: Link,
}

impl<T> Lru<T> {
    /// What an entry takes besides its value's own bytes.
    pub const OVERHEAD: usize = size_of::<Entry<T>>();

    /// A table that takes up so many bytes at most. A value takes up about `usual` bytes: then there is a chain for each.
    pub fn new(limit: usize, usual: usize) -> Self {
        let chains = (limit / usual).max(1).next_power_of_two();
        Self {
            hasher: SeedableRandomState::with_seed(random(), &SEED),
            limit,
            used: chains * size_of::<Link>(),
            chains: vec![NONE; chains].into(),
            entries: Vec::new(),
            vacant: NONE,
            newest: NONE,
            oldest: NONE,
        }
    }

    /// The hash that the table knows a key by.
    pub fn hash(&self, key: impl Hash) -> u64 {
        self.hasher.hash_one(key)
    }

    /// The value with this hash that was inserted last of those that are the one looked for. It becomes the one that
    /// was used last.
    pub fn find(&mut self, hash: u64, is_it: impl Fn(&T) -> bool) -> Option<&T> {
        let at = self.search(hash, is_it)?;
        if self.newest != at {
            self.unlink(at);
            self.link_as_newest(at);
        }
        self.entries[at as usize].value.as_ref()
    }

    /// Takes a value that has so many bytes outside of the table. One that is larger than the whole table is dropped.
    pub fn insert(&mut self, hash: u64, bytes: usize, value: T) {
        let bytes = bytes.saturating_add(Self::OVERHEAD);
        while self.oldest != NONE && bytes > self.limit.saturating_sub(self.used) {
            self.remove(self.oldest);
        }
        if bytes > self.limit.saturating_sub(self.used) {
            return;
        }
        let chain = self.chain(hash);
        let entry = Entry {
            value: Some(value),
            hash,
            bytes,
            next: self.chains[chain],
            newer: NONE,
            older: NONE,
        };
        let Some(at) = self.place(entry) else { return };
        self.used += bytes;
        self.chains[chain] = at;
        self.link_as_newest(at);
    }

    /// Of the values with this hash that are alike, removes those that were inserted before the last so many.
    pub fn keep_last(&mut self, most: usize, hash: u64, is_alike: impl Fn(&T) -> bool) {
        let mut seen = 0;
        let mut at = self.chains[self.chain(hash)];
        while at != NONE {
            let entry = &self.entries[at as usize];
            let next = entry.next;
            if entry.hash == hash && entry.value.as_ref().is_some_and(&is_alike) {
                seen += 1;
                if seen > most {
                    self.remove(at);
                }
            }
            at = next;
        }
    }

    fn search(&self, hash: u64, is_it: impl Fn(&T) -> bool) -> Option<Link> {
        let mut at = self.chains[self.chain(hash)];
        while at != NONE {
            let entry = &self.entries[at as usize];
            if entry.hash == hash && entry.value.as_ref().is_some_and(&is_it) {
                return Some(at);
            }
            at = entry.next;
        }
        None
    }

    fn chain(&self, hash: u64) -> usize {
        hash as usize & (self.chains.len() - 1)
    }

    /// Puts an entry where one was vacated, or behind the others.
    fn place(&mut self, entry: Entry<T>) -> Option<Link> {
        if self.vacant != NONE {
            let at = self.vacant;
            self.vacant = self.entries[at as usize].next;
            self.entries[at as usize] = entry;
            return Some(at);
        }
        let at = Link::try_from(self.entries.len()).ok();
        let at = at.filter(|&at| at != NONE)?;
        self.entries.push(entry);
        Some(at)
    }

    fn remove(&mut self, at: Link) {
        self.unlink(at);
        let Entry {
            hash, next, bytes, ..
        } = self.entries[at as usize];
        let chain = self.chain(hash);
        if self.chains[chain] == at {
            self.chains[chain] = next;
        } else {
            let mut before = self.chains[chain];
            while self.entries[before as usize].next != at {
                before = self.entries[before as usize].next;
            }
            self.entries[before as usize].next = next;
        }
        self.used -= bytes;
        let entry = &mut self.entries[at as usize];
        entry.value = None;
        entry.next = self.vacant;
        self.vacant = at;
    }

    fn unlink(&mut self, at: Link) {
        let Entry { newer, older, .. } = self.entries[at as usize];
        match newer {
            NONE => self.newest = older,
            newer => self.entries[newer as usize].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.entries[older as usize].newer = newer,
        }
    }

    fn link_as_newest(&mut self, at: Link) {
        let older = self.newest;
        self.entries[at as usize].newer = NONE;
        self.entries[at as usize].older = older;
        match older {
            NONE => self.oldest = at,
            older => self.entries[older as usize].newer = at,
        }
        self.newest = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: usize = 1000;
    const COST: usize = BYTES + Lru::<&str>::OVERHEAD;

    /// Room for so many values of [`BYTES`].
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
        lru.entries.iter().flat_map(|entry| &entry.value).count()
    }

    #[test]
    fn an_empty_one_has_nothing() {
        let mut lru = Lru::<&str>::new(0, 2048);
        assert_eq!(lru.find(0, |_| true), None);
        lru.insert(0, 0, "a");
        assert_eq!(lru.find(0, |_| true), None);
        assert_eq!((lru.oldest, lru.newest), (NONE, NONE));
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut lru = room_for(3);
        for (hash, value) in [(1, "a"), (2, "b"), (3, "c")] {
            lru.insert(hash, BYTES, value);
        }
        assert_eq!(lru.find(1, |_| true), Some(&"a"));
        lru.insert(4, BYTES, "d");
        assert!(!has(&lru, 2, "b"));
        assert!(has(&lru, 1, "a") && has(&lru, 3, "c") && has(&lru, 4, "d"));
        // In the middle of the list, and at its end.
        assert_eq!(lru.find(1, |_| true), Some(&"a"));
        assert_eq!(lru.find(1, |_| true), Some(&"a"));
        lru.insert(5, BYTES, "e");
        lru.insert(6, BYTES, "f");
        assert!(!has(&lru, 3, "c") && !has(&lru, 4, "d"));
        assert!(has(&lru, 1, "a") && has(&lru, 5, "e") && has(&lru, 6, "f"));
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
            assert_eq!(lru.used, used + lru.chains.len() * size_of::<Link>());
            assert!(lru.used <= limit);
            assert_eq!(lru.find(hash, |_| true), Some(&hash));
        }
        assert!(count(&lru) > 5);
        // Vacated places are taken again.
        assert!(lru.entries.len() < 400, "{}", lru.entries.len());
    }

    #[test]
    fn what_is_larger_than_all_is_not_kept() {
        let mut lru = room_for(2);
        lru.insert(1, BYTES, "a");
        lru.insert(2, usize::MAX, "b");
        assert!(!has(&lru, 2, "b"));
        assert_eq!(lru.used, lru.chains.len() * size_of::<Link>());
        lru.insert(1, BYTES, "a");
        assert!(has(&lru, 1, "a"));
    }

    #[test]
    fn equal_hashes_are_told_apart_by_the_comparison() {
        let mut lru = room_for(4);
        for value in ["a", "b", "c", "d"] {
            lru.insert(7, BYTES, value);
        }
        for value in ["a", "b", "c", "d"] {
            assert_eq!(lru.find(7, |found| *found == value), Some(&value));
        }
        assert_eq!(lru.find(7, |found| *found == "e"), None);
        // Another hash with the same chain.
        assert_eq!(lru.find(7 + (1 << 32), |_| true), None);
        // Out of the end, the middle and the beginning of one chain.
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
    fn the_last_of_those_alike_are_kept() {
        let mut lru = room_for(6);
        for value in ["a1", "b1", "a2", "a3", "b2"] {
            lru.insert(7, BYTES, value);
        }
        lru.keep_last(2, 7, |value| value.starts_with('a'));
        assert!(!has(&lru, 7, "a1"));
        assert_eq!(count(&lru), 4);
        lru.keep_last(0, 7, |value| value.starts_with('b'));
        assert_eq!(count(&lru), 2);
        assert!(has(&lru, 7, "a2") && has(&lru, 7, "a3"));
        assert_eq!(lru.find(7, |value| value.starts_with('a')), Some(&"a3"));
    }
}
