//! The keys to try for a token, found by algorithm and `kid` and bounded by what they cost.

use std::collections::HashMap;
use std::iter;

use crate::cost::{KeyKind, message_cost};
use crate::error::MAX_COUNTED;

/// The most keys that are tried for one token.
const MAX_CANDIDATES: usize = 16;
/// What keys may cost that have the token's `kid`, in nanoseconds: all keys with one `kid` are
/// meant to be tried, so this is more than sixteen usual ones cost.
const NAMED_BUDGET: u64 = 12_000_000;
/// What other keys may cost.
const BUDGET: u64 = 2_000_000;

/// A key with what an attempt costs.
pub(super) struct Candidate<K> {
    pub(super) key: K,
    pub(super) kind: KeyKind,
    /// In nanoseconds, without the bytes of the token.
    pub(super) cost: u64,
}

/// The keys of one set by algorithm and kind.
// perf: there are few algorithms, so that a list takes 60 instructions less than a hash table.
pub(super) struct KeysByAlgorithm<K>(Vec<(&'static str, KeyKind, KeysByKid<K>)>);

impl<K> Default for KeysByAlgorithm<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K> KeysByAlgorithm<K> {
    /// The keys for an algorithm, by kind.
    fn get(&self, algorithm: &str) -> impl Iterator<Item = &KeysByKid<K>> + Clone {
        let found = self.0.iter().filter(move |(name, ..)| *name == algorithm);
        found.map(|(.., keys)| keys)
    }

    /// Whether a key has this `kid`.
    pub(super) fn has_kid(&self, kid: &str) -> bool {
        let mut lists = self.0.iter();
        lists.any(|(.., keys)| keys.by_kid.contains_key(kid))
    }

    /// The names of all algorithms that there are keys for.
    pub(super) fn algorithms(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(name, ..)| *name)
    }

    pub(super) fn add(&mut self, algorithm: &'static str, key: Candidate<K>, kid: Option<&str>) {
        let mut lists = self.0.iter_mut();
        if let Some((.., keys)) =
            lists.find(|(name, kind, _)| *name == algorithm && *kind == key.kind)
        {
            return keys.add(key, kid);
        }
        let kind = key.kind;
        let mut keys = KeysByKid::default();
        keys.add(key, kid);
        self.0.push((algorithm, kind, keys));
    }

    /// Completes the set: from now on cheap keys are tried before expensive ones, and keys of equal
    /// cost in the order of the set.
    pub(super) fn sort(&mut self) {
        self.0.iter_mut().for_each(|(.., keys)| keys.sort());
    }
}

/// The keys of one set for one algorithm and of one kind.
struct KeysByKid<K> {
    all: Vec<Candidate<K>>,
    /// Positions in `all`.
    // perf: foldhash takes 120 instructions less for a look-up than the default hash, which is made
    // for untrusted keys: whoever writes a key set is trusted, and clients only choose what is
    // looked up.
    by_kid: HashMap<String, Vec<usize>, foldhash::fast::RandomState>,
    /// Positions in `all`.
    without_kid: Vec<usize>,
    /// The positions in `all` by cost.
    by_cost: Vec<usize>,
}

impl<K> Default for KeysByKid<K> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            by_kid: HashMap::default(),
            without_kid: Vec::new(),
            by_cost: Vec::new(),
        }
    }
}

impl<K> KeysByKid<K> {
    fn add(&mut self, key: Candidate<K>, kid: Option<&str>) {
        let positions = match kid {
            Some(kid) => self.by_kid.entry(kid.to_owned()).or_default(),
            None => &mut self.without_kid,
        };
        positions.push(self.all.len());
        self.by_cost.push(self.all.len());
        self.all.push(key);
    }

    fn sort(&mut self) {
        let Self {
            all,
            by_kid,
            without_kid,
            by_cost,
        } = self;
        let lists = by_kid.values_mut().chain([without_kid, by_cost]);
        for positions in lists {
            positions.sort_by_key(|&position| all.get(position).map(|key| key.cost));
        }
    }

    /// The keys with this `kid`.
    fn named(&self, kid: &str) -> impl Iterator<Item = &Candidate<K>> {
        self.at(self.by_kid.get(kid).map_or(&[], Vec::as_slice))
    }

    /// The other keys to try: those without a `kid`, or all keys for a token without one.
    fn unnamed(&self, token_has_kid: bool) -> impl Iterator<Item = &Candidate<K>> {
        self.at(match token_has_kid {
            true => &self.without_kid,
            false => &self.by_cost,
        })
    }

    fn at(&self, positions: &[usize]) -> impl Iterator<Item = &Candidate<K>> {
        positions
            .iter()
            .filter_map(|&position| self.all.get(position))
    }
}

/// What is looked for.
#[derive(Clone, Copy)]
pub(super) struct KeySearch<'a> {
    pub(super) algorithm: &'a str,
    pub(super) kid: Option<&'a str>,
    /// How many bytes of the token each key has to read.
    pub(super) message_length: usize,
    /// How many keys of each kind are tried whatever they cost.
    pub(super) at_least: usize,
}

/// The keys of all tables to try for a token, in this order: those with its `kid`, then those
/// without one, or all keys if the token has none. Of each group the cheapest keys of each kind come
/// first, so that none is missed for keys of another kind, and then the others by cost.
pub(super) fn candidates<'a, K: 'a>(
    tables: impl Iterator<Item = &'a KeysByAlgorithm<K>> + Clone,
    search: KeySearch<'_>,
    fits: impl Fn(&K) -> bool + Copy,
) -> impl Iterator<Item = &'a K> {
    let lists = tables.flat_map(move |table| table.get(search.algorithm));
    let named_lists = lists.clone();
    let named = search.kid.into_iter().flat_map(move |kid| {
        let keys = named_lists.clone().map(|keys| keys.named(kid));
        admitted(keys, search, NAMED_BUDGET, fits)
    });
    // perf: seldom needed by a token with a `kid`.
    let unnamed = iter::once_with(move || {
        let keys = lists.map(move |keys| keys.unnamed(search.kid.is_some()));
        admitted(keys, search, BUDGET, fits)
    });
    named.chain(unnamed.flatten()).take(MAX_CANDIDATES)
}

/// How many keys of all tables fit a token, whether they are tried or not. Not more than
/// [`MAX_COUNTED`] are counted.
pub(super) fn count<'a, K: 'a>(
    tables: impl Iterator<Item = &'a KeysByAlgorithm<K>>,
    algorithm: &str,
    kid: Option<&str>,
    fits: impl Fn(&K) -> bool,
) -> usize {
    let lists = tables.flat_map(|table| table.get(algorithm));
    let keys = lists.flat_map(|keys| {
        let named = kid.into_iter().flat_map(|kid| keys.named(kid));
        named.chain(keys.unnamed(kid.is_some()))
    });
    let fitting = keys.filter(|candidate| fits(&candidate.key));
    fitting.take(MAX_COUNTED).count()
}

/// The keys of one group that are tried. Each list is sorted by cost.
fn admitted<'a, K: 'a>(
    lists: impl Iterator<Item = impl Iterator<Item = &'a Candidate<K>>>,
    search: KeySearch<'_>,
    budget: u64,
    fits: impl Fn(&K) -> bool,
) -> impl Iterator<Item = &'a K> {
    let fitting = lists.flat_map(|keys| keys.filter(|key| fits(&key.key)).take(MAX_CANDIDATES));
    let mut ranked: Vec<_> = fitting.map(|key| (key, false)).collect();
    ranked.sort_by_key(|(key, _)| key.cost);
    let mut kinds = KindsSeen::default();
    for (key, is_first) in &mut ranked {
        *is_first = kinds.is_first(key.kind, search.at_least);
    }
    ranked.sort_by_key(|(_, is_first)| !is_first);
    let message = message_cost(search.message_length);
    let mut spent = 0u64;
    let admitted = ranked.into_iter().filter(move |(key, is_first)| {
        let cost = key.cost.saturating_add(message);
        let sum = spent.saturating_add(cost);
        let is_admitted = *is_first || sum <= budget;
        if is_admitted {
            spent = sum;
        }
        is_admitted
    });
    admitted.map(|(key, _)| &key.key)
}

/// Which kinds of keys there were once, and which twice: a bit for each.
#[derive(Default)]
struct KindsSeen([u16; 2]);

impl KindsSeen {
    /// Whether this key is among the first so many of its kind, which are two at most.
    fn is_first(&mut self, kind: KeyKind, at_least: usize) -> bool {
        let mut seen = self.0.iter_mut().take(at_least);
        let unseen = seen.find(|kinds| **kinds & kind.bit() == 0);
        unseen.map(|kinds| *kinds |= kind.bit()).is_some()
    }
}
