//! A hash table within a bound of bytes, from which the least recently used value goes first.
//! Lookup, insertion and removal take constant time on average. The array of buckets has its final
//! size from the beginning and is never rehashed, so no single request pays for a resize. Equality
//! is the caller's closure.

use std::collections::hash_map;
use std::hash::{BuildHasher, Hash};
use std::sync::LazyLock;

use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;

/// Random for each process, so that nobody can predict which keys have equal hashes.
static SEED: LazyLock<SharedSeed> = LazyLock::new(|| SharedSeed::from_u64(random()));

/// A number from the system's random bytes, by way of the standard library.
fn random() -> u64 {
    hash_map::RandomState::new().hash_one(())
}

/// The index of an entry in [`Lru::entries`], or [`NONE`].
type Link = u32;

const NONE: Link = Link::MAX;

/// A hash table within a bound of bytes.
pub struct Lru<T> {
    hasher: SeedableRandomState,
    /// In bytes, like `used`.
    limit: usize,
    used: usize,
    /// How many entries have a value.
    len: usize,
    /// The first entry of each bucket. The lowest bits of a hash select the bucket, so there are a
    /// power of two of them.
    buckets: Box<[Link]>,
    entries: Vec<Entry<T>>,
    /// The first of the entries without a value, a list like that of a bucket.
    vacant: Link,
    most_recently_used: Link,
    least_recently_used: Link,
}

struct Entry<T> {
    value: Option<T>,
    hash: u64,
    bytes: usize,
    /// The next entry of the bucket, which was inserted before this one.
    next: Link,
    /// The neighbours in the order of use.
    more_recent: Link,
    less_recent: Link,
}

impl<T> Lru<T> {
    /// The bytes of an entry besides those of its value.
    pub const OVERHEAD: usize = size_of::<Entry<T>>();

    /// The part of a table that its largest value may take.
    const LARGEST_SHARE: usize = 8;

    /// A table that takes up `limit` bytes at most. `typical` is the size of a typical value, from
    /// which follows the number of buckets: about one for each value.
    pub fn new(limit: usize, typical: usize) -> Self {
        let buckets = (limit / typical).max(1).next_power_of_two();
        Self {
            hasher: SeedableRandomState::with_seed(random(), &SEED),
            limit,
            used: buckets * size_of::<Link>(),
            len: 0,
            buckets: vec![NONE; buckets].into(),
            entries: Vec::new(),
            vacant: NONE,
            most_recently_used: NONE,
            least_recently_used: NONE,
        }
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The hash of a key in this table. Another table has another hash for it.
    pub fn hash(&self, key: impl Hash) -> u64 {
        self.hasher.hash_one(key)
    }

    /// The value that was inserted last, of those with this hash for which `matches` is true. It
    /// becomes the most recently used one.
    pub fn find(&mut self, hash: u64, matches: impl Fn(&T) -> bool) -> Option<&T> {
        let at = self.search(hash, matches)?;
        if self.most_recently_used != at {
            self.unlink(at);
            self.link_as_most_recent(at);
        }
        self.entries[at as usize].value.as_ref()
    }

    /// Adds a value that has this many bytes outside of the table. The least recently used values
    /// are evicted to make room. A value larger than an eighth of the table is dropped instead, so
    /// that one value does not evict most of the others.
    pub fn insert(&mut self, hash: u64, bytes: usize, value: T) {
        let bytes = bytes.saturating_add(Self::OVERHEAD);
        if bytes > self.limit / Self::LARGEST_SHARE {
            return;
        }
        while self.least_recently_used != NONE && bytes > self.limit.saturating_sub(self.used) {
            self.remove(self.least_recently_used);
        }
        if bytes > self.limit.saturating_sub(self.used) {
            return;
        }
        let bucket = self.bucket(hash);
        let entry = Entry {
            value: Some(value),
            hash,
            bytes,
            next: self.buckets[bucket],
            more_recent: NONE,
            less_recent: NONE,
        };
        let Some(at) = self.store(entry) else { return };
        self.used += bytes;
        self.len += 1;
        self.buckets[bucket] = at;
        self.link_as_most_recent(at);
    }

    /// Of the values with this hash for which `is_alike` is true, keeps the `most` that were
    /// inserted last, and removes the others.
    pub fn keep_newest(&mut self, most: usize, hash: u64, is_alike: impl Fn(&T) -> bool) {
        let mut seen = 0;
        let mut at = self.buckets[self.bucket(hash)];
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

    fn search(&self, hash: u64, matches: impl Fn(&T) -> bool) -> Option<Link> {
        let mut at = self.buckets[self.bucket(hash)];
        while at != NONE {
            let entry = &self.entries[at as usize];
            if entry.hash == hash && entry.value.as_ref().is_some_and(&matches) {
                return Some(at);
            }
            at = entry.next;
        }
        None
    }

    fn bucket(&self, hash: u64) -> usize {
        hash as usize & (self.buckets.len() - 1)
    }

    /// Puts an entry where another was removed, or behind all others.
    fn store(&mut self, entry: Entry<T>) -> Option<Link> {
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
        let bucket = self.bucket(hash);
        if self.buckets[bucket] == at {
            self.buckets[bucket] = next;
        } else {
            let mut before = self.buckets[bucket];
            while self.entries[before as usize].next != at {
                before = self.entries[before as usize].next;
            }
            self.entries[before as usize].next = next;
        }
        self.used -= bytes;
        self.len -= 1;
        let entry = &mut self.entries[at as usize];
        entry.value = None;
        entry.next = self.vacant;
        self.vacant = at;
    }

    fn unlink(&mut self, at: Link) {
        let Entry {
            more_recent,
            less_recent,
            ..
        } = self.entries[at as usize];
        match more_recent {
            NONE => self.most_recently_used = less_recent,
            more_recent => self.entries[more_recent as usize].less_recent = less_recent,
        }
        match less_recent {
            NONE => self.least_recently_used = more_recent,
            less_recent => self.entries[less_recent as usize].more_recent = more_recent,
        }
    }

    fn link_as_most_recent(&mut self, at: Link) {
        let previous = self.most_recently_used;
        self.entries[at as usize].more_recent = NONE;
        self.entries[at as usize].less_recent = previous;
        match previous {
            NONE => self.least_recently_used = at,
            previous => self.entries[previous as usize].more_recent = at,
        }
        self.most_recently_used = at;
    }
}

#[cfg(test)]
mod tests;
