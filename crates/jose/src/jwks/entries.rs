//! What is known about the entries of a set besides their keys, to say why a token or all tokens
//! find no key.

use std::collections::HashMap;

use text::Quoted;

use super::PreparedKey;
use crate::jwk::Jwk;
use crate::no_key::{KeyPurpose, NoKeyReason, SetWarning, UselessKey};
use crate::token_type::{SignatureCheck, TokenType};
use crate::warning::KeyFault;
use crate::{jwe, jws};

/// How many entries are looked at for one token.
const MAX_EXAMINED: usize = 16;
/// How many entries there may be for one that was left out to be remembered: an entry of a few
/// bytes takes some hundred bytes of memory.
const MAX_LEFT_OUT: usize = 1024;
/// How many keys a warning about a set names.
const MAX_NAMED: usize = 8;

/// The entries of one set, in its order.
#[derive(Default)]
pub(super) struct KeyEntries {
    all: Vec<KeyEntry>,
    /// Positions in `all`.
    by_kid: HashMap<String, Vec<usize>, foldhash::fast::RandomState>,
    /// How many entries were left out that are not in `all`.
    forgotten: usize,
}

/// One entry of a set.
pub(super) struct KeyEntry {
    index: usize,
    kid: Option<Quoted>,
    summary: EntrySummary,
}

/// What became of an entry.
pub(super) enum EntrySummary {
    LeftOut(KeyFault),
    Key {
        verify: Ability,
        decrypt: Ability,
        is_private: bool,
    },
}

/// Whether a key can be used for one of the purposes.
pub(super) enum Ability {
    /// With these algorithms.
    Usable(Vec<&'static str>),
    /// With none.
    Useless(NoKeyReason),
}

impl EntrySummary {
    pub(super) fn new(key: &Jwk, prepared: &PreparedKey) -> Self {
        let ability = |purpose| Ability::new(key, prepared, purpose);
        Self::Key {
            verify: ability(KeyPurpose::Verify),
            decrypt: ability(KeyPurpose::Decrypt),
            is_private: key.is_private,
        }
    }

    /// Why the entry cannot be used for this purpose, or else with which algorithms it can.
    pub(super) fn ability(&self, purpose: KeyPurpose) -> Result<&[&'static str], NoKeyReason> {
        let ability = match (self, purpose) {
            (Self::LeftOut(fault), _) => return Err(NoKeyReason::LeftOut(fault.clone())),
            (Self::Key { verify, .. }, KeyPurpose::Verify) => verify,
            (Self::Key { decrypt, .. }, KeyPurpose::Decrypt) => decrypt,
        };
        match ability {
            Ability::Usable(names) => Ok(names),
            Ability::Useless(reason) => Err(reason.clone()),
        }
    }

    /// Whether the key is private, but only verifies signatures. `decrypts` tells whether tokens
    /// are decrypted as well.
    fn is_needlessly_private(&self, decrypts: bool) -> bool {
        let is_usable = |purpose| self.ability(purpose).is_ok();
        let is_decrypting = decrypts && is_usable(KeyPurpose::Decrypt);
        let is_private = matches!(
            self,
            Self::Key {
                is_private: true,
                ..
            }
        );
        is_private && is_usable(KeyPurpose::Verify) && !is_decrypting
    }
}

impl Ability {
    fn new(key: &Jwk, prepared: &PreparedKey, purpose: KeyPurpose) -> Self {
        let names = |purpose| match purpose {
            KeyPurpose::Verify => prepared.verifiers.iter().map(|(name, _)| *name).collect(),
            KeyPurpose::Decrypt => {
                let decrypters = prepared.decrypters.iter();
                decrypters.map(|(name, _)| *name).collect::<Vec<_>>()
            }
        };
        let usable = names(purpose);
        if !usable.is_empty() {
            return Self::Usable(usable);
        }
        if let Some(member) = key.forbidden_by(purpose) {
            return Self::Useless(NoKeyReason::OtherPurpose {
                needed: purpose,
                member,
            });
        }
        let own = key.alg().and_then(|alg| {
            let verifies = jws::find(alg).map(|algorithm| algorithm.name);
            verifies.or_else(|| jwe::find(alg).map(|algorithm| algorithm.name))
        });
        Self::Useless(match (own, purpose) {
            (_, KeyPurpose::Decrypt) if key.lacks_private_members() => NoKeyReason::PublicKey,
            (Some(own), _) => NoKeyReason::OtherAlgorithms(vec![own]),
            (None, KeyPurpose::Verify) => {
                NoKeyReason::OtherAlgorithms(match prepared.decrypters[..] {
                    [] => decryption_algorithms(key),
                    _ => names(KeyPurpose::Decrypt),
                })
            }
            (None, KeyPurpose::Decrypt) => NoKeyReason::OtherAlgorithms(names(KeyPurpose::Verify)),
        })
    }
}

/// The algorithms that the key decrypts with if it has private members.
fn decryption_algorithms(key: &Jwk) -> Vec<&'static str> {
    let names = jwe::algorithms().map(|algorithm| algorithm.name);
    let family = key.decryption_family();
    names
        .filter(|name| family.is_some_and(|family| name.starts_with(family)))
        .collect()
}

impl KeyEntries {
    pub(super) fn add(&mut self, index: usize, kid: Option<&str>, summary: EntrySummary) {
        if matches!(summary, EntrySummary::LeftOut(_)) && self.all.len() >= MAX_LEFT_OUT {
            self.forgotten = self.forgotten.saturating_add(1);
            return;
        }
        if let Some(kid) = kid {
            let positions = self.by_kid.entry(kid.to_owned()).or_default();
            positions.push(self.all.len());
        }
        self.all.push(KeyEntry {
            index,
            kid: kid.map(Quoted::new),
            summary,
        });
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &KeyEntry> {
        self.all.iter()
    }

    fn with_kid(&self, kid: &str) -> impl Iterator<Item = &KeyEntry> {
        let positions = self.by_kid.get(kid).into_iter().flatten();
        positions.filter_map(|&position| self.all.get(position))
    }
}

/// Why none of these entries is a key for a token with this algorithm and `kid`. `usable` are the
/// algorithms that there are keys for.
pub(super) fn no_key_reason<'a>(
    sets: impl Iterator<Item = &'a KeyEntries> + Clone,
    usable: impl Iterator<Item = &'static str>,
    algorithm: &'static str,
    kid: Option<&str>,
    purpose: KeyPurpose,
) -> NoKeyReason {
    let examined: Vec<_> = match kid {
        Some(kid) => {
            let named = sets.clone().flat_map(|set| set.with_kid(kid));
            named.take(MAX_EXAMINED).collect()
        }
        None => sets
            .clone()
            .flat_map(KeyEntries::iter)
            .take(MAX_EXAMINED)
            .collect(),
    };
    if examined.is_empty() {
        let is_empty = sets.flat_map(KeyEntries::iter).next().is_none();
        return match is_empty {
            true => NoKeyReason::EmptySet,
            false => NoKeyReason::NoSuchKid,
        };
    }
    let (mut names, mut reasons) = (Vec::new(), Vec::new());
    for entry in examined {
        match entry.summary.ability(purpose) {
            Ok(algorithms) => names.extend_from_slice(algorithms),
            Err(reason) => reasons.push(reason),
        }
    }
    if kid.is_none() {
        names.extend(usable);
    }
    names.sort_unstable();
    names.dedup();
    if names.contains(&algorithm) {
        return match algorithm.starts_with("ECDH-ES") {
            true => NoKeyReason::OtherCurve,
            false => NoKeyReason::OtherEncryption,
        };
    }
    match (names.is_empty(), reasons.into_iter().next()) {
        (true, Some(reason)) => reason,
        _ => NoKeyReason::OtherAlgorithms(names),
    }
}

/// What the operator should know about these entries where such tokens are expected.
pub(super) fn warnings<'a>(
    sets: impl Iterator<Item = &'a KeyEntries> + Clone,
    kind: TokenType,
    check: SignatureCheck,
) -> Vec<SetWarning> {
    let verifies = kind != TokenType::Encrypted && check == SignatureCheck::Verify;
    let decrypts = kind != TokenType::Signed;
    let purposes = [
        decrypts.then_some(KeyPurpose::Decrypt),
        verifies.then_some(KeyPurpose::Verify),
    ];
    let useless = purposes
        .into_iter()
        .flatten()
        .filter_map(|purpose| useless_for(sets.clone(), purpose));
    let private = verifies.then(|| needlessly_private(sets.clone(), decrypts));
    useless.chain(private.flatten()).collect()
}

/// That no entry can be used for this purpose, if so.
fn useless_for<'a>(
    sets: impl Iterator<Item = &'a KeyEntries> + Clone,
    purpose: KeyPurpose,
) -> Option<SetWarning> {
    let forgotten = sets.clone().map(|set| set.forgotten);
    let forgotten = forgotten.fold(0, usize::saturating_add);
    let (mut keys, mut more) = (Vec::new(), forgotten);
    for entry in sets.flat_map(KeyEntries::iter) {
        let reason = entry.summary.ability(purpose).err()?;
        match keys.len() < MAX_NAMED {
            true => keys.push(UselessKey {
                index: entry.index,
                kid: entry.kid.clone(),
                reason,
            }),
            false => more = more.saturating_add(1),
        }
    }
    Some(SetWarning::Useless {
        purpose,
        keys,
        more,
    })
}

/// The private keys that only verify signatures, if there are any.
fn needlessly_private<'a>(
    sets: impl Iterator<Item = &'a KeyEntries>,
    decrypts: bool,
) -> Option<SetWarning> {
    let entries = sets.flat_map(KeyEntries::iter);
    let mut private = entries.filter(|entry| entry.summary.is_needlessly_private(decrypts));
    let named = private.by_ref().take(MAX_NAMED);
    let keys: Vec<_> = named
        .map(|entry| (entry.index, entry.kid.clone()))
        .collect();
    (!keys.is_empty()).then(|| SetWarning::PrivateKeys {
        keys,
        more: private.count(),
    })
}
