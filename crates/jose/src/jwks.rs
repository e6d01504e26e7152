//! JWK Sets (RFC 7517 section 5), ready to choose from: for each algorithm the prepared keys, found by kid at a price
//! that does not grow with the set.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use text::Quoted;

use super::error::{Error, Part};
use super::json::{Index, Kind, Value};
use super::jwe::{self, Decrypter, Encryption};
use super::jwk::{Jwk, Material};
use super::jws::{self, Verifier};
use super::work;

/// The keys of one source, or of several. Cloning and merging share them.
#[derive(Clone)]
pub struct KeySet {
    sources: Sources,
}

/// One source is by far the most frequent case, and takes no memory of its own.
#[derive(Clone)]
enum Sources {
    One(Rc<Source>),
    Several(Rc<[Rc<Source>]>),
}

/// The keys that were parsed from one text.
#[derive(Default)]
struct Source {
    /// No other one of the process has or had the same.
    generation: u64,
    keys: usize,
    kids: HashSet<String>,
    verifiers: Table<Box<dyn Verifier>>,
    decrypters: Table<Box<dyn Decrypter>>,
    warnings: Vec<Warning>,
}

impl KeySet {
    /// Length of a JWK Set in bytes at most.
    pub const MAX_BYTES: usize = 8 << 20;
    /// How many keys are tried for one token at most.
    pub const MAX_CANDIDATES: usize = 16;

    /// Parses a JWK Set, or one bare JWK. Keys that we have no use for are skipped with a [`Warning`]; a key that is
    /// malformed is an error.
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        let part = Part::KeySet;
        if text.len() > Self::MAX_BYTES {
            let limit = Self::MAX_BYTES;
            return Err(Error::TooLarge { part, limit });
        }
        let text = std::str::from_utf8(text).map_err(|_| Error::NotUtf8 { part })?;
        let index = Index::of_object(text, part, MAX_DEPTH)?;
        let object = index.root(text);
        static GENERATION: AtomicU64 = AtomicU64::new(0);
        let mut source = Source {
            generation: GENERATION.fetch_add(1, Ordering::Relaxed),
            ..Source::default()
        };
        match object.get(b"keys") {
            Some(keys) if keys.kind() == Kind::Array => {
                for (index, key) in keys.elements().enumerate() {
                    source.add(key, index)?;
                }
            }
            None if object.get(b"kty").is_some() => source.add(object, 0)?,
            _ => return Err(Error::NotKeySet),
        }
        Ok(Self {
            sources: Sources::One(Rc::new(source)),
        })
    }

    /// One set of all keys of several ones.
    pub fn merge<'a>(sets: impl IntoIterator<Item = &'a Self>) -> Self {
        let sources = sets
            .into_iter()
            .flat_map(|set| set.sources().iter().cloned());
        Self {
            sources: Sources::Several(sources.collect()),
        }
    }

    fn sources(&self) -> &[Rc<Source>] {
        match &self.sources {
            Sources::One(source) => std::slice::from_ref(source),
            Sources::Several(sources) => sources,
        }
    }

    /// Tells sets apart: for each text that the keys were parsed from a number, which no other text that this process
    /// parses has, were it the same. What was found out with a set holds for another one only if all numbers are equal.
    pub fn generations(&self) -> impl Iterator<Item = u64> {
        self.sources().iter().map(|source| source.generation)
    }

    /// Whether these are its [`generations`](Self::generations).
    pub fn has_generations(&self, generations: &[u64]) -> bool {
        let sources = self.sources();
        let mut pairs = sources.iter().zip(generations);
        sources.len() == generations.len()
            && pairs.all(|(source, generation)| source.generation == *generation)
    }

    /// How many keys there are that fit some algorithm.
    pub fn len(&self) -> usize {
        let lengths = self.sources().iter().map(|source| source.keys);
        lengths.fold(0, usize::saturating_add)
    }

    /// Whether no key fits any algorithm: no token will be accepted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a key has this kid: if not, a fresher set may have one.
    pub fn contains_kid(&self, kid: &str) -> bool {
        self.sources()
            .iter()
            .any(|source| source.kids.contains(kid))
    }

    /// What the operator should know about the keys, in the order of the sets.
    pub fn warnings(&self) -> impl Iterator<Item = &Warning> {
        self.sources().iter().flat_map(|source| &source.warnings)
    }

    /// The keys to try for a token: those with its kid, then those without any; all that fit if it has none.
    pub(super) fn verifiers(
        &self,
        algorithm: &jws::Algorithm,
        kid: Option<&str>,
    ) -> impl Iterator<Item = &dyn Verifier> {
        let tables = self.sources().iter().map(|source| &source.verifiers);
        let keys = candidates(tables, algorithm.name, kid);
        keys.map(|key| &**key).take(Self::MAX_CANDIDATES)
    }

    /// Likewise for an encrypted token.
    pub(super) fn decrypters(
        &self,
        algorithm: &jwe::Algorithm,
        encryption: &Encryption,
        kid: Option<&str>,
    ) -> impl Iterator<Item = &dyn Decrypter> {
        let tables = self.sources().iter().map(|source| &source.decrypters);
        let keys = candidates(tables, algorithm.name, kid).map(|key| &**key);
        keys.filter(|key| key.fits(encryption))
            .take(Self::MAX_CANDIDATES)
    }
}

impl Default for KeySet {
    /// No keys.
    fn default() -> Self {
        let sources = Sources::Several(Rc::default());
        Self { sources }
    }
}

impl fmt::Debug for KeySet {
    /// How many keys; never the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySet({} keys)", self.len())
    }
}

impl Source {
    fn add(&mut self, key: Value<'_>, index: usize) -> Result<(), Error> {
        let key = match Jwk::parse(key, index)? {
            Ok(key) => key,
            Err(warning) => {
                self.warnings.push(warning);
                return Ok(());
            }
        };
        let invalid = |_| Error::KeyInvalid {
            index,
            kid: key.kid.as_deref().map(Quoted::new),
            kty: key.kty(),
        };
        let mut fits = false;
        work::count(1);
        for algorithm in jws::algorithms() {
            if let Some(verifier) = algorithm.prepare(&key).map_err(invalid)? {
                fits = true;
                let kid = key.kid.as_deref();
                self.verifiers.add(algorithm.name, verifier, kid);
            }
        }
        for algorithm in jwe::algorithms() {
            if let Some(decrypter) = algorithm.prepare(&key).map_err(invalid)? {
                fits = true;
                let kid = key.kid.as_deref();
                self.decrypters.add(algorithm.name, decrypter, kid);
            }
        }
        self.keys = self.keys.saturating_add(usize::from(fits));
        self.warn_of_short_secret(&key, index);
        self.kids.extend(key.kid);
        Ok(())
    }

    fn warn_of_short_secret(&mut self, key: &Jwk, index: usize) {
        if let Material::Octets(secret) = &key.material
            && key.verifies()
            && let Some(recommended) = jws::hmac::recommended_length(key.alg())
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

/// The keys of one source by algorithm. There are too few algorithms for a hash to pay.
struct Table<K>(Vec<(&'static str, Keys<K>)>);

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K> Table<K> {
    fn get(&self, algorithm: &str) -> Option<&Keys<K>> {
        let mut algorithms = self.0.iter();
        let (_, keys) = algorithms.find(|(name, _)| *name == algorithm)?;
        Some(keys)
    }

    fn add(&mut self, algorithm: &'static str, key: K, kid: Option<&str>) {
        let mut algorithms = self.0.iter_mut();
        if let Some((_, keys)) = algorithms.find(|(name, _)| *name == algorithm) {
            return keys.add(key, kid);
        }
        let mut keys = Keys::default();
        keys.add(key, kid);
        self.0.push((algorithm, keys));
    }
}

/// The keys of one source that fit one algorithm, in the order of the set.
struct Keys<K> {
    all: Vec<K>,
    /// The names are ours: nobody can choose them to have equal hashes.
    by_kid: HashMap<String, Vec<usize>, foldhash::fast::RandomState>,
    without_kid: Vec<usize>,
}

impl<K> Default for Keys<K> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            by_kid: HashMap::default(),
            without_kid: Vec::new(),
        }
    }
}

impl<K> Keys<K> {
    fn add(&mut self, key: K, kid: Option<&str>) {
        let places = match kid {
            Some(kid) => self.by_kid.entry(kid.to_owned()).or_default(),
            None => &mut self.without_kid,
        };
        places.push(self.all.len());
        self.all.push(key);
    }

    fn with_kid(&self, kid: &str) -> impl Iterator<Item = &K> {
        let places = self.by_kid.get(kid).map(Vec::as_slice);
        self.at(places.unwrap_or_default())
    }

    fn at(&self, places: &[usize]) -> impl Iterator<Item = &K> {
        places.iter().filter_map(|&place| self.all.get(place))
    }
}

/// The keys of all sources that fit an algorithm and a kid, in the order in which to try them.
fn candidates<'a, K: 'a>(
    tables: impl Iterator<Item = &'a Table<K>> + Clone,
    algorithm: &str,
    kid: Option<&str>,
) -> impl Iterator<Item = &'a K> {
    let keys = tables.filter_map(move |table| table.get(algorithm));
    let by_kid = move |keys: &'a Keys<K>| kid.into_iter().flat_map(|kid| keys.with_kid(kid));
    let named = keys.clone().flat_map(by_kid);
    let has_kid = kid.is_some();
    let without = keys.clone().filter(move |_| has_kid);
    let without = without.flat_map(|keys| keys.at(&keys.without_kid));
    let all = keys.filter(move |_| !has_kid).flat_map(|keys| &keys.all);
    named.chain(without).chain(all)
}

/// Levels of nesting in a JWK Set, members that we ignore included.
const MAX_DEPTH: usize = 32;

/// What the operator should know about a key set that was loaded. `index` counts keys from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// An HMAC secret is shorter than the hash (RFC 7518 section 3.2); it is used nevertheless.
    ShortSecret {
        index: usize,
        kid: Option<Quoted>,
        bytes: usize,
        recommended: usize,
    },
    /// An RSA modulus is not of 2,048 to 16,384 bits; the key is not used.
    ModulusLength {
        index: usize,
        kid: Option<Quoted>,
        bits: usize,
    },
    /// A key is of a kind, curve, algorithm or use that we don't have; it is not used (RFC 7517 section 5).
    Skipped {
        index: usize,
        kid: Option<Quoted>,
        member: &'static str,
        value: Quoted,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::ShortSecret { index, kid, .. }
        | Self::ModulusLength { index, kid, .. }
        | Self::Skipped { index, kid, .. }) = self;
        write!(f, "key {index}")?;
        if let Some(kid) = kid {
            write!(f, ", kid {kid}")?;
        }
        match self {
            Self::ShortSecret {
                bytes, recommended, ..
            } => {
                write!(f, ": secret of {bytes} bytes is shorter than {recommended}")
            }
            Self::ModulusLength { bits, .. } => {
                write!(
                    f,
                    ": refused, modulus of {bits} bits instead of 2048 to 16384"
                )
            }
            Self::Skipped { member, value, .. } => {
                write!(f, ": skipped, unknown {member} {value}")
            }
        }
    }
}
