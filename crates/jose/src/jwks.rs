//! JWK Sets (RFC 7517 section 5), prepared for verification: for each algorithm the keys that can
//! be used with it, indexed by `kid`, so that the time to find a key does not depend on the size of
//! the set. An entry that makes no key takes no other key down.

mod candidates;
mod entries;
mod listing;

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use text::Quoted;

use self::candidates::{Candidate, KeySearch, KeysByAlgorithm};
use self::entries::{EntrySummary, KeyEntries};
pub use self::listing::{KeySize, ListedKey, ListedMaterial, list_keys};
use crate::crypto::Verifier;
use crate::error::{Error, InputPart};
use crate::header::JoseHeader;
use crate::json::{Index, JsonKind, JsonValue};
use crate::jwe::{self, ContentEncryption, Decrypter, KeyManagementAlgorithm};
use crate::jwk::{Jwk, JwkEntry, KeyMaterial};
use crate::jws::{self, SignatureAlgorithm};
use crate::load_budget::LoadBudget;
use crate::no_key::{KeyPurpose, NoKeyReason, SetWarning};
use crate::not_key_set::{NotKeySet, PemLabel};
use crate::step_counter;
use crate::token_type::{SignatureCheck, TokenType};
use crate::warning::{KeyFault, KeyFlaw, KeyProblem, Warning};

/// How deep a JWK Set may be nested, counting members that are ignored.
const MAX_DEPTH: usize = 32;

/// How many keys of each kind are tried for a signed token whatever they cost.
const MIN_VERIFIERS: usize = 1;

/// The same for an encrypted token: a key and its successor. Private operations are so expensive
/// that the bound alone would leave out one of them.
const MIN_DECRYPTERS: usize = 2;

/// How many warnings about a set are listed.
const MAX_WARNINGS: usize = 100;

/// What some editors write in front of UTF-8 (RFC 8259 section 8.1).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

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
    entries: KeyEntries,
    warnings: Vec<Warning>,
    /// What is said last: which entries were left out because there are too many keys.
    excess: Option<Warning>,
    /// What the keys take, in bytes, approximately.
    memory: usize,
    /// Whether [`KeySet::mark_used`] was called.
    is_used: Cell<bool>,
}

impl KeySet {
    /// Maximum length of a JWK Set in bytes.
    pub const MAX_BYTES: usize = 8 << 20;

    /// Parses a JWK Set, or a single JWK. A byte order mark in front of it is skipped. Entries that
    /// make no usable key are left out with a [`Warning`].
    ///
    /// # Errors
    /// If the text is not a JWK Set.
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        let part = InputPart::KeySet;
        if text.len() > Self::MAX_BYTES {
            let limit = Self::MAX_BYTES;
            return Err(Error::TooLarge { part, limit });
        }
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        Self::parse_json(text).map_err(|error| match NotKeySet::recognize(text) {
            Some(found) => Error::NotKeySet { found },
            None => error,
        })
    }

    fn parse_json(text: &[u8]) -> Result<Self, Error> {
        let part = InputPart::KeySet;
        let text = std::str::from_utf8(text).map_err(|_| Error::NotUtf8 { part })?;
        let index = Index::of_object(text, part, MAX_DEPTH)?;
        let object = index.root(text);
        static NEXT_GENERATION: AtomicU64 = AtomicU64::new(0);
        let mut set = ParsedSet {
            generation: NEXT_GENERATION.fetch_add(1, Ordering::Relaxed),
            ..ParsedSet::default()
        };
        let mut budget = LoadBudget::default();
        match object.get(b"keys") {
            Some(keys) if keys.kind() == JsonKind::Array => {
                let keys = keys.elements().enumerate();
                keys.for_each(|(index, key)| set.add(key, index, &mut budget));
            }
            None if object.get(b"kty").is_some() => set.add(object, 0, &mut budget),
            _ => {
                let found = other_object(object);
                return Err(Error::NotKeySet { found });
            }
        }
        // The text stands for what is remembered of entries that were left out.
        set.memory = set.memory.saturating_add(text.len());
        set.warnings.extend(set.excess.take());
        set.verifiers.sort();
        set.decrypters.sort();
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

    /// Notes that the keys are used, and says whether some of them were not used before.
    pub fn mark_used(&self) -> bool {
        let was_used = self.sets.iter().map(|set| set.is_used.replace(true));
        was_used.fold(false, |is_new, was_used| is_new | !was_used)
    }

    /// What the operator should know about the set where such tokens are expected.
    pub fn warnings_for(&self, kind: TokenType, check: SignatureCheck) -> Vec<SetWarning> {
        let sets = self.sets.iter().map(|set| &set.entries);
        entries::warnings(sets, kind, check)
    }

    /// How many bytes of memory the keys take, approximately.
    pub fn memory(&self) -> usize {
        let memory = self.sets.iter().map(|set| set.memory);
        memory.fold(0, usize::saturating_add)
    }

    /// How many keys can be used with an algorithm.
    pub fn usable_keys(&self) -> usize {
        let counts = self.sets.iter().map(|set| set.usable);
        counts.fold(0, usize::saturating_add)
    }

    /// The keys to try for a signed token with a message of this length: first those with its
    /// `kid`, then those without a `kid`. All keys if the token has no `kid`. In each case no more
    /// than are within a certain cost.
    pub(crate) fn verifiers(
        &self,
        algorithm: &SignatureAlgorithm,
        kid: Option<&str>,
        message_length: usize,
    ) -> impl Iterator<Item = &dyn Verifier> {
        let search = KeySearch {
            algorithm: algorithm.name,
            kid,
            message_length,
            at_least: MIN_VERIFIERS,
        };
        let tables = self.sets.iter().map(|set| &set.verifiers);
        candidates::candidates(tables, search, |_| true).map(|key| &**key)
    }

    /// How many keys fit such a token, whether they are tried or not.
    pub(crate) fn count_verifiers(
        &self,
        algorithm: &SignatureAlgorithm,
        kid: Option<&str>,
    ) -> usize {
        let tables = self.sets.iter().map(|set| &set.verifiers);
        candidates::count(tables, algorithm.name, kid, |_| true)
    }

    /// The keys to try for an encrypted token, in the same order.
    pub(crate) fn decrypters(
        &self,
        algorithm: &KeyManagementAlgorithm,
        encryption: &ContentEncryption,
        header: &JoseHeader,
        ciphertext_length: usize,
    ) -> impl Iterator<Item = &dyn Decrypter> {
        let search = KeySearch {
            algorithm: algorithm.name,
            kid: header.kid(),
            message_length: ciphertext_length,
            at_least: MIN_DECRYPTERS,
        };
        let tables = self.sets.iter().map(|set| &set.decrypters);
        let keys = candidates::candidates(tables, search, |key| key.fits(header, encryption));
        keys.map(|key| &**key)
    }

    /// How many keys fit such a token, whether they are tried or not.
    pub(crate) fn count_decrypters(
        &self,
        algorithm: &KeyManagementAlgorithm,
        encryption: &ContentEncryption,
        header: &JoseHeader,
    ) -> usize {
        let tables = self.sets.iter().map(|set| &set.decrypters);
        candidates::count(tables, algorithm.name, header.kid(), |key| {
            key.fits(header, encryption)
        })
    }

    /// Why the set has no key for a token with this algorithm and `kid`.
    pub(crate) fn no_key_reason(
        &self,
        algorithm: &'static str,
        kid: Option<&str>,
        purpose: KeyPurpose,
    ) -> NoKeyReason {
        let entries = self.sets.iter().map(|set| &set.entries);
        let algorithms = self.sets.iter().flat_map(|set| set.algorithms(purpose));
        entries::no_key_reason(entries, algorithms, algorithm, kid, purpose)
    }
}

impl fmt::Debug for KeySet {
    /// Shows how many keys there are, but not the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySet({} keys)", self.usable_keys())
    }
}

impl ParsedSet {
    /// Adds an entry. Its key is prepared for each algorithm that it can be used with.
    fn add(&mut self, entry: JsonValue<'_>, index: usize, budget: &mut LoadBudget) {
        step_counter::add(1);
        let JwkEntry {
            kid,
            key,
            mut flaws,
        } = JwkEntry::parse(entry, is_supported, budget);
        let kid = kid.as_deref();
        let prepared = key.and_then(|key| {
            let prepared = PreparedKey::new(&key, budget)?;
            Ok((key, prepared))
        });
        let (problem, summary) = match prepared {
            Err(fault) => {
                let summary = EntrySummary::LeftOut(fault.clone());
                (Some(KeyProblem::LeftOut(fault)), summary)
            }
            Ok((key, prepared)) => {
                flaws.extend(short_secret(&key));
                let summary = EntrySummary::new(&key, &prepared);
                if !prepared.is_useless() {
                    budget.note_key();
                }
                self.add_prepared(&key.material, prepared, kid);
                let problem = (!flaws.is_empty()).then_some(KeyProblem::Used(flaws));
                (problem, summary)
            }
        };
        self.entries.add(index, kid, summary);
        if let Some(problem) = problem {
            self.warn(index, kid, problem);
        }
    }

    fn warn(&mut self, index: usize, kid: Option<&str>, problem: KeyProblem) {
        if problem == KeyProblem::LeftOut(KeyFault::Excess) {
            return self.warn_of_excess(index, kid);
        }
        let problem = match (self.warnings.len() < MAX_WARNINGS, self.warnings.last_mut()) {
            (
                false,
                Some(Warning {
                    problem: KeyProblem::NotListed(more),
                    ..
                }),
            ) => {
                *more = more.saturating_add(1);
                return;
            }
            (false, _) => KeyProblem::NotListed(0),
            (true, _) => problem,
        };
        self.warnings.push(Warning {
            index,
            kid: kid.map(Quoted::new),
            problem,
        });
    }

    /// However many entries are left out, one warning counts them.
    fn warn_of_excess(&mut self, index: usize, kid: Option<&str>) {
        match &mut self.excess {
            Some(Warning {
                problem: KeyProblem::Excess(more),
                ..
            }) => *more = more.saturating_add(1),
            _ => {
                self.excess = Some(Warning {
                    index,
                    kid: kid.map(Quoted::new),
                    problem: KeyProblem::Excess(0),
                });
            }
        }
    }

    fn add_prepared(&mut self, material: &KeyMaterial, key: PreparedKey, kid: Option<&str>) {
        let kind = material.kind();
        self.usable = self.usable.saturating_add(usize::from(!key.is_useless()));
        let (verifiers, decrypters) = (key.verifiers.len(), key.decrypters.len());
        let memory = material.memory(verifiers, decrypters, kid);
        self.memory = self.memory.saturating_add(memory);
        let cost = material.verification_cost();
        for (name, key) in key.verifiers {
            self.verifiers.add(name, Candidate { key, kind, cost }, kid);
        }
        let cost = material.decryption_cost();
        for (name, key) in key.decrypters {
            self.decrypters
                .add(name, Candidate { key, kind, cost }, kid);
        }
    }

    /// The algorithms that there are keys for.
    fn algorithms(&self, purpose: KeyPurpose) -> Vec<&'static str> {
        match purpose {
            KeyPurpose::Verify => self.verifiers.algorithms().collect(),
            KeyPurpose::Decrypt => self.decrypters.algorithms().collect(),
        }
    }
}

/// A key, prepared for each algorithm that it can be used with.
struct PreparedKey {
    verifiers: Vec<(&'static str, Box<dyn Verifier>)>,
    decrypters: Vec<(&'static str, Box<dyn Decrypter>)>,
}

impl PreparedKey {
    fn new(key: &Jwk, budget: &mut LoadBudget) -> Result<Self, KeyFault> {
        if !budget.affords(key.material.private_check_cost()) {
            return Err(KeyFault::Costly);
        }
        let invalid = |_| KeyFault::Invalid { kty: key.kty() };
        let mut prepared = Self {
            verifiers: Vec::new(),
            decrypters: Vec::new(),
        };
        for algorithm in jws::algorithms() {
            let verifier = algorithm.prepare(key).map_err(invalid)?;
            let named = verifier.map(|verifier| (algorithm.name, verifier));
            prepared.verifiers.extend(named);
        }
        let invalid = |error| match &key.material {
            KeyMaterial::Ec { .. } | KeyMaterial::Montgomery { .. } => KeyFault::NotKeyPair,
            _ => invalid(error),
        };
        for algorithm in jwe::algorithms() {
            let decrypter = algorithm.prepare(key).map_err(invalid)?;
            let named = decrypter.map(|decrypter| (algorithm.name, decrypter));
            prepared.decrypters.extend(named);
        }
        match key.alg() {
            Some(alg) if prepared.is_useless() && !may_have(key, alg) => {
                Err(KeyFault::AlgorithmMismatch {
                    alg: Quoted::new(alg),
                })
            }
            _ => Ok(prepared),
        }
    }

    fn is_useless(&self) -> bool {
        self.verifiers.is_empty() && self.decrypters.is_empty()
    }
}

/// Whether a key that can be used with no algorithm may have this `alg` nevertheless: it is not
/// meant for that use, or is a public key for encryption.
fn may_have(key: &Jwk, alg: &str) -> bool {
    match jws::find(alg) {
        Some(_) => !key.may_verify(),
        None => !key.may_decrypt() || key.lacks_private_members(),
    }
}

fn short_secret(key: &Jwk) -> Option<KeyFlaw> {
    let KeyMaterial::Octets(secret) = &key.material else {
        return None;
    };
    let recommended = jws::recommended_secret_length(key.alg()).filter(|_| key.may_verify())?;
    (secret.len() < recommended).then_some(KeyFlaw::ShortSecret {
        bytes: secret.len(),
        recommended,
    })
}

/// What a JSON object is that has neither an array `keys` nor a `kty`.
fn other_object(object: JsonValue<'_>) -> NotKeySet {
    if object.get(b"keys").is_some() {
        return NotKeySet::KeysNotArray;
    }
    if let Some(uri) = object.get(b"jwks_uri").and_then(JsonValue::as_str) {
        return NotKeySet::OpenIdConfiguration {
            jwks_uri: Quoted::new(&*uri),
        };
    }
    let is_certificate = |value: JsonValue<'_>| {
        let text = value.as_str();
        text.and_then(|text| PemLabel::find(&text)) == Some(PemLabel::Certificate)
    };
    let mut members = object.members().map(|(_, value)| value);
    match members.next().is_some_and(is_certificate) && members.all(is_certificate) {
        true => NotKeySet::CertificatesByKid,
        false => NotKeySet::Object,
    }
}

/// Whether a key may have this `alg`. The `alg` of a key for direct use is a content encryption.
fn is_supported(alg: &str) -> bool {
    jws::find(alg).is_some() || jwe::find(alg).is_some() || jwe::find_encryption(alg).is_some()
}
