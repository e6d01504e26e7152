//! The keys whose last response could not be cached. Requests with such a key ask the service at
//! once: if each waited for the one before it, it would wait in vain.

use std::cell::RefCell;
use std::time::Duration;

use crate::lru::Lru;

#[cfg(test)]
mod tests;

/// The keys of one worker. A key is a digest.
#[derive(Default)]
pub struct UncacheableKeys(RefCell<Option<Lru<UncacheableKey>>>);

struct UncacheableKey {
    key: [u8; 32],
    until: Duration,
}

impl UncacheableKeys {
    /// How long a key is remembered.
    pub const TIME: Duration = Duration::from_secs(1);

    /// The memory that they take at most.
    const MAX_BYTES: usize = 1 << 20;

    /// Remembers that a response could not be cached. `now` is a monotonic time.
    pub fn add(&self, key: [u8; 32], now: Duration) {
        self.remove(&key);
        let mut keys = self.0.borrow_mut();
        let typical = Lru::<UncacheableKey>::OVERHEAD;
        let keys = keys.get_or_insert_with(|| Lru::new(Self::MAX_BYTES, typical));
        let until = now.saturating_add(Self::TIME);
        keys.insert(keys.hash(key), 0, UncacheableKey { key, until });
    }

    /// Forgets a key, because a response was cached.
    pub fn remove(&self, key: &[u8; 32]) {
        if let Some(keys) = self.0.borrow_mut().as_mut() {
            keys.keep_newest(0, keys.hash(key), |other| other.key == *key);
        }
    }

    /// Forgets all keys.
    pub fn clear(&self) {
        self.0.take();
    }

    /// Whether the last response for a key could not be cached.
    pub fn contains(&self, key: &[u8; 32], now: Duration) -> bool {
        let mut keys = self.0.borrow_mut();
        let is_known = |keys: &mut Lru<UncacheableKey>| {
            let is_same = |other: &UncacheableKey| other.key == *key && now < other.until;
            keys.find(keys.hash(key), is_same).is_some()
        };
        keys.as_mut().is_some_and(is_known)
    }
}
