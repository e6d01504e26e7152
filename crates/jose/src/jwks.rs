//! JWK Sets (RFC 7517 section 5), prepared for verification: for each algorithm the keys that can
//! be used with it, indexed by `kid`, so that the time to find a key does not depend on the size of
//! the set.

use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use text::Quoted;

use crate::crypto::Verifier;
use crate::error::{Error, InputPart};
use crate::json::{Index, JsonKind, JsonValue};
use crate::jwe::{self, ContentEncryption, Decrypter, KeyManagementAlgorithm};
use crate::jwk::{Jwk, KeyMaterial, UnusableKey};
use crate::jws::{self, SignatureAlgorithm};
use crate::step_counter;
use crate::warning::Warning;

/// How deep a JWK Set may be nested, counting members that are ignored.
const MAX_DEPTH: usize = 32;

/// The keys of one JWK Set, or of several merged ones. Clones share the keys.
#[derive(Clone, Default)]
pub struct KeySet {
    sets: Rc<[Rc<ParsedSet>]>,
}

/// The keys of one text.
#[derive(Default)]
struct ParsedSet {
    /// A number that no other set of the process has or had.
    generation: u64,
    /// How many keys can be used with an algorithm.
    usable: usize,
    verifiers: KeysByAlgorithm<Box<dyn Verifier>>,
    decrypters: KeysByAlgorithm<Box<dyn Decrypter>>,
    warnings: Vec<Warning>,
}

impl KeySet {
    /// Maximum length of a JWK Set in bytes.
    pub const MAX_BYTES: usize = 8 << 20;
    /// Maximum number of keys that are tried for one token.
    pub const MAX_CANDIDATES: usize = 16;

    /// Parses a JWK Set, or a single JWK. Keys that are not supported are skipped with a
    /// [`Warning`].
    ///
    /// # Errors
    /// If the text is not a JWK Set, or a supported key is malformed.
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        let part = InputPart::KeySet;
        if text.len() > Self::MAX_BYTES {
            let limit = Self::MAX_BYTES;
            return Err(Error::TooLarge { part, limit });
        }
        let text = std::str::from_utf8(text).map_err(|_| Error::NotUtf8 { part })?;
        let index = Index::of_object(text, part, MAX_DEPTH)?;
        let object = index.root(text);
        static NEXT_GENERATION: AtomicU64 = AtomicU64::new(0);
        let mut set = ParsedSet {
            generation: NEXT_GENERATION.fetch_add(1, Ordering::Relaxed),
            ..ParsedSet::default()
        };
        match object.get(b"keys") {
            Some(keys) if keys.kind() == JsonKind::Array => {
                for (index, key) in keys.elements().enumerate() {
                    set.add(key, index)?;
                }
            }
            None if object.get(b"kty").is_some() => set.add(object, 0)?,
            _ => return Err(Error::NotKeySet),
        }
        Ok(Self {
            sets: Rc::from([Rc::new(set)]),
        })
    }

    /// One set with the keys of all these sets, in their order.
    pub fn merge<'a>(sets: impl IntoIterator<Item = &'a Self>) -> Self {
        let sets = sets.into_iter().flat_map(|set| set.sets.iter().cloned());
        Self {
            sets: sets.collect(),
        }
    }

    /// Identifies the keys: one number for each JWK Set that was parsed. Parsing the same text
    /// again gives another number. What is known about a token and one set holds for another set
    /// only if all numbers are equal.
    pub fn generations(&self) -> impl Iterator<Item = u64> {
        self.sets.iter().map(|set| set.generation)
    }

    /// Whether the set has these [`generations`](Self::generations).
    pub fn has_generations(&self, generations: &[u64]) -> bool {
        let mut pairs = self.sets.iter().zip(generations);
        self.sets.len() == generations.len()
            && pairs.all(|(set, generation)| set.generation == *generation)
    }

    /// Whether a usable key has this `kid`.
    pub(crate) fn has_kid(&self, kid: &str) -> bool {
        let mut sets = self.sets.iter();
        sets.any(|set| set.verifiers.has_kid(kid) || set.decrypters.has_kid(kid))
    }

    /// The warnings about the keys, in the order of the sets.
    pub fn warnings(&self) -> impl Iterator<Item = &Warning> {
        self.sets.iter().flat_map(|set| &set.warnings)
    }

    /// How many keys can be used with an algorithm.
    pub(crate) fn usable_keys(&self) -> usize {
        let counts = self.sets.iter().map(|set| set.usable);
        counts.fold(0, usize::saturating_add)
    }

    /// The keys to try for a signed token: first those with its `kid`, then those without a `kid`.
    /// All keys if the token has no `kid`.
    pub(crate) fn verifiers(
        &self,
        algorithm: &SignatureAlgorithm,
        kid: Option<&str>,
    ) -> impl Iterator<Item = &dyn Verifier> {
        let tables = self.sets.iter().map(|set| &set.verifiers);
        let keys = candidates(tables, algorithm.name, kid);
        keys.map(|key| &**key).take(Self::MAX_CANDIDATES)
    }

    /// The keys to try for an encrypted token, in the same order.
    pub(crate) fn decrypters(
        &self,
        algorithm: &KeyManagementAlgorithm,
        encryption: &ContentEncryption,
        kid: Option<&str>,
    ) -> impl Iterator<Item = &dyn Decrypter> {
        let tables = self.sets.iter().map(|set| &set.decrypters);
        let keys = candidates(tables, algorithm.name, kid).map(|key| &**key);
        keys.filter(|key| key.fits(encryption))
            .take(Self::MAX_CANDIDATES)
    }
}

impl fmt::Debug for KeySet {
    /// Shows how many keys there are, but not the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySet({} keys)", self.usable_keys())
    }
}

impl ParsedSet {
    /// Adds a key, prepared for each algorithm that it can be used with.
    fn add(&mut self, key: JsonValue<'_>, index: usize) -> Result<(), Error> {
        let key = match Jwk::parse(key, index, is_supported) {
            Ok(key) => key,
            Err(UnusableKey::Skipped(warning)) => {
                self.warnings.push(warning);
                return Ok(());
            }
            Err(UnusableKey::Malformed(error)) => return Err(error),
        };
        let invalid = |_| Error::KeyInvalid {
            index,
            kid: key.kid.as_deref().map(Quoted::new),
            kty: key.kty(),
        };
        let kid = key.kid.as_deref();
        let mut is_usable = false;
        step_counter::add(1);
        for algorithm in jws::algorithms() {
            if let Some(verifier) = algorithm.prepare(&key).map_err(invalid)? {
                is_usable = true;
                self.verifiers.add(algorithm.name, verifier, kid);
            }
        }
        for algorithm in jwe::algorithms() {
            if let Some(decrypter) = algorithm.prepare(&key).map_err(invalid)? {
                is_usable = true;
                self.decrypters.add(algorithm.name, decrypter, kid);
            }
        }
        self.usable = self.usable.saturating_add(usize::from(is_usable));
        self.warn_of_short_secret(&key, index);
        Ok(())
    }

    fn warn_of_short_secret(&mut self, key: &Jwk, index: usize) {
        if let KeyMaterial::Octets(secret) = &key.material
            && key.may_verify()
            && let Some(recommended) = jws::recommended_secret_length(key.alg())
            && secret.len() < recommended
        {
            self.warnings.push(Warning::ShortSecret {
                index,
                kid: key.kid.as_deref().map(Quoted::new),
                bytes: secret.len(),
                recommended,
            });
        }
    }
}

/// Whether a key may have this `alg`. The `alg` of a key for direct use is a content encryption.
fn is_supported(alg: &str) -> bool {
    jws::find(alg).is_some() || jwe::find(alg).is_some() || jwe::find_encryption(alg).is_some()
}

/// The keys of one set by algorithm.
// perf: there are few algorithms, so that a list takes 60 instructions less than a hash table.
struct KeysByAlgorithm<K>(Vec<(&'static str, KeysByKid<K>)>);

impl<K> Default for KeysByAlgorithm<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K> KeysByAlgorithm<K> {
    fn get(&self, algorithm: &str) -> Option<&KeysByKid<K>> {
        let mut algorithms = self.0.iter();
        let (_, keys) = algorithms.find(|(name, _)| *name == algorithm)?;
        Some(keys)
    }

    fn has_kid(&self, kid: &str) -> bool {
        let mut algorithms = self.0.iter();
        algorithms.any(|(_, keys)| keys.by_kid.contains_key(kid))
    }

    fn add(&mut self, algorithm: &'static str, key: K, kid: Option<&str>) {
        let mut algorithms = self.0.iter_mut();
        if let Some((_, keys)) = algorithms.find(|(name, _)| *name == algorithm) {
            return keys.add(key, kid);
        }
        let mut keys = KeysByKid::default();
        keys.add(key, kid);
        self.0.push((algorithm, keys));
    }
}

/// The keys of one set for one algorithm, in the order of the set.
struct KeysByKid<K> {
    all: Vec<K>,
    /// Positions in `all`.
    // perf: foldhash takes 120 instructions less for a look-up than the default hash, which is made
    // for untrusted keys: whoever writes a key set is trusted, and clients only choose what is
    // looked up.
    by_kid: HashMap<String, Vec<usize>, foldhash::fast::RandomState>,
    /// Positions in `all`.
    without_kid: Vec<usize>,
}

impl<K> Default for KeysByKid<K> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            by_kid: HashMap::default(),
            without_kid: Vec::new(),
        }
    }
}

impl<K> KeysByKid<K> {
    fn add(&mut self, key: K, kid: Option<&str>) {
        let positions = match kid {
            Some(kid) => self.by_kid.entry(kid.to_owned()).or_default(),
            None => &mut self.without_kid,
        };
        positions.push(self.all.len());
        self.all.push(key);
    }

    fn with_kid(&self, kid: &str) -> impl Iterator<Item = &K> {
        let positions = self.by_kid.get(kid).map(Vec::as_slice);
        self.at(positions.unwrap_or_default())
    }

    fn without_kid(&self) -> impl Iterator<Item = &K> {
        self.at(&self.without_kid)
    }

    fn at(&self, positions: &[usize]) -> impl Iterator<Item = &K> {
        positions
            .iter()
            .filter_map(|&position| self.all.get(position))
    }
}

/// The keys of all tables for an algorithm, in the order in which they are tried for a token with
/// this `kid`.
fn candidates<'a, K: 'a>(
    tables: impl Iterator<Item = &'a KeysByAlgorithm<K>> + Clone,
    algorithm: &str,
    kid: Option<&str>,
) -> impl Iterator<Item = &'a K> {
    let keys = tables.filter_map(move |table| table.get(algorithm));
    let with_this_kid =
        move |keys: &'a KeysByKid<K>| kid.into_iter().flat_map(|kid| keys.with_kid(kid));
    let named = keys.clone().flat_map(with_this_kid);
    let has_kid = kid.is_some();
    let unnamed = keys.clone().filter(move |_| has_kid);
    let unnamed = unnamed.flat_map(KeysByKid::without_kid);
    let all = keys.filter(move |_| !has_kid).flat_map(|keys| &keys.all);
    named.chain(unnamed).chain(all)
}
