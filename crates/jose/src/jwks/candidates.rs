//! The keys to try for a token, found by algorithm and `kid` and bounded by what they cost.

use std::collections::HashMap;

use crate::cost::{KeyKind, message_cost};

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

/// What the keys that were tried have cost.
struct Work {
    budget: u64,
    /// The cost of the token's bytes for each key.
    message: u64,
    spent: u64,
    /// A bit for each kind of key that was tried.
    // perf: a list takes 200 instructions more.
    kinds: u16,
}

impl Work {
    fn new(budget: u64, message_length: usize) -> Self {
        Self {
            budget,
            message: message_cost(message_length),
            spent: 0,
            kinds: 0,
        }
    }

    /// Whether the key may be tried: it is within the budget, or the first of its kind.
    fn admits<K>(&mut self, key: &Candidate<K>) -> bool {
        let cost = key.cost.saturating_add(self.message);
        let spent = self.spent.saturating_add(cost);
        let is_first = self.kinds & key.kind.bit() == 0;
        let is_admitted = is_first || spent <= self.budget;
        if is_admitted {
            self.spent = spent;
            self.kinds |= key.kind.bit();
        }
        is_admitted
    }
}

/// The keys of all tables to try for a token with this algorithm and `kid`, in this order: those
/// with its `kid`, then those without one, or all keys if the token has none. Of each group the
/// first key of each kind comes first, so that none is missed for keys of another kind.
pub(super) fn candidates<'a, K: 'a>(
    tables: impl Iterator<Item = &'a KeysByAlgorithm<K>> + Clone,
    algorithm: &str,
    kid: Option<&str>,
    message_length: usize,
    fits: impl Fn(&K) -> bool + Copy,
) -> impl Iterator<Item = &'a K> {
    let lists = tables.flat_map(move |table| table.get(algorithm));
    let is_fit = move |key: &&Candidate<K>| fits(&key.key);
    let named = move |keys: &'a KeysByKid<K>| {
        let keys = kid.into_iter().flat_map(|kid| keys.named(kid));
        keys.filter(is_fit)
    };
    let unnamed = move |keys: &'a KeysByKid<K>| keys.unnamed(kid.is_some()).filter(is_fit);
    let first_named = lists.clone().filter_map(move |keys| named(keys).next());
    let further_named = lists.clone().flat_map(move |keys| named(keys).skip(1));
    let first_unnamed = lists.clone().filter_map(move |keys| unnamed(keys).next());
    let further_unnamed = lists.flat_map(move |keys| unnamed(keys).skip(1));
    let mut named_work = Work::new(NAMED_BUDGET, message_length);
    let mut unnamed_work = Work::new(BUDGET, message_length);
    let named = first_named.chain(further_named);
    let unnamed = first_unnamed.chain(further_unnamed);
    named
        .filter(move |key| named_work.admits(key))
        .chain(unnamed.filter(move |key| unnamed_work.admits(key)))
        .take(MAX_CANDIDATES)
        .map(|key| &key.key)
}
