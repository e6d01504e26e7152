//! What a key set has, key by key, for tools that show it to people. A server needs none of this.

use super::entries::EntrySummary;
use super::{BYTE_ORDER_MARK, KeySet, MAX_DEPTH, PreparedKey, is_supported, short_secret};
use crate::error::{Error, InputPart};
use crate::json::{Index, JsonKind, JsonValue};
use crate::jwk::{Jwk, JwkEntry, KeyMaterial, bits};
use crate::load_budget::LoadBudget;
use crate::no_key::{KeyPurpose, NoKeyReason};
use crate::warning::{KeyFault, KeyFlaw};

/// One entry of a key set, used or not.
#[derive(Debug)]
pub struct ListedKey {
    /// Position in the set, counted from 0.
    pub index: usize,
    /// `kid`, if it is a string.
    pub kid: Option<String>,
    /// `kty`, if it is a string.
    pub kty: Option<String>,
    /// `alg`, if it is a string.
    pub alg: Option<String>,
    /// `use`, if it is a string.
    pub usage: Option<String>,
    /// The strings in `key_ops`, if it is an array.
    pub operations: Option<Vec<String>>,
    /// The key, or why the entry is left out.
    pub key: Result<ListedMaterial, KeyFault>,
    /// What is wrong with a key that is used nevertheless.
    pub flaws: Vec<KeyFlaw>,
    /// A set that has this entry only.
    pub alone: KeySet,
}

/// The key of an entry.
#[derive(Debug)]
pub struct ListedMaterial {
    /// Its size or curve.
    pub size: KeySize,
    /// Whether it has private members. A secret is not called private.
    pub is_private: bool,
    /// The SHA-256 of the key (RFC 7638). `None` for a secret, which it would help to guess.
    pub thumbprint: Option<[u8; 32]>,
    /// The algorithms that it verifies signatures with, or why there is none.
    pub verifies: Result<Vec<&'static str>, NoKeyReason>,
    /// The algorithms that it decrypts with, or why there is none.
    pub decrypts: Result<Vec<&'static str>, NoKeyReason>,
}

/// How large a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySize {
    /// A secret of so many bytes.
    Bytes(usize),
    /// An RSA modulus of so many bits.
    Bits(usize),
    /// A key on this curve, or for this parameter set.
    Named(&'static str),
}

/// Lists the entries of a text that [`KeySet::parse`] accepts, in their order. Each entry is judged
/// on its own, so that more keys may be usable than in the whole set, which bounds what they take to
/// load.
///
/// # Errors
/// Those of [`KeySet::parse`].
pub fn list_keys(text: &[u8]) -> Result<Vec<ListedKey>, Error> {
    let whole = KeySet::parse(text)?;
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let part = InputPart::KeySet;
    let text = std::str::from_utf8(text).map_err(|_| Error::NotUtf8 { part })?;
    let index = Index::of_object(text, part, MAX_DEPTH)?;
    let object = index.root(text);
    match object.get(b"keys") {
        Some(keys) if keys.kind() == JsonKind::Array => {
            let keys = keys.elements().enumerate();
            let listed = keys.map(|(index, entry)| {
                let alone = format!("{{\"keys\":[{}]}}", entry.raw());
                Ok(ListedKey::new(
                    index,
                    entry,
                    KeySet::parse(alone.as_bytes())?,
                ))
            });
            listed.collect()
        }
        _ => Ok(vec![ListedKey::new(0, object, whole)]),
    }
}

impl ListedKey {
    fn new(index: usize, entry: JsonValue<'_>, alone: KeySet) -> Self {
        let text = |name: &str| Some(entry.get(name.as_bytes())?.as_str()?.into_owned());
        let operations = entry.get(b"key_ops");
        let operations = operations.filter(|operations| operations.kind() == JsonKind::Array);
        let mut budget = LoadBudget::default();
        let JwkEntry { key, mut flaws, .. } = JwkEntry::parse(entry, is_supported, &mut budget);
        let prepared = key.and_then(|key| {
            let prepared = PreparedKey::new(&key, &mut budget)?;
            Ok((key, prepared))
        });
        if let Ok((key, _)) = &prepared {
            flaws.extend(short_secret(key));
        }
        Self {
            index,
            kid: text("kid"),
            kty: text("kty"),
            alg: text("alg"),
            usage: text("use"),
            operations: operations.map(|operations| {
                let names = operations.elements().filter_map(JsonValue::as_str);
                names.map(|name| name.into_owned()).collect()
            }),
            key: prepared.map(|(key, prepared)| ListedMaterial::new(&key, &prepared)),
            flaws,
            alone,
        }
    }
}

impl ListedMaterial {
    fn new(key: &Jwk, prepared: &PreparedKey) -> Self {
        let summary = EntrySummary::new(key, prepared);
        let ability = |purpose| summary.ability(purpose).map(<[_]>::to_vec);
        Self {
            size: key.material.size(),
            is_private: key.is_private,
            thumbprint: key.material.thumbprint(),
            verifies: ability(KeyPurpose::Verify),
            decrypts: ability(KeyPurpose::Decrypt),
        }
    }
}

impl KeyMaterial {
    fn size(&self) -> KeySize {
        match self {
            Self::Octets(secret) => KeySize::Bytes(secret.len()),
            Self::Rsa { n, .. } => KeySize::Bits(bits(n)),
            Self::Ec { crv, .. } => KeySize::Named(crv.name()),
            Self::Okp { crv, .. } => KeySize::Named(crv.name()),
            Self::Montgomery { crv, .. } => KeySize::Named(crv.name()),
            Self::MlDsa { parameters, .. } => KeySize::Named(parameters.name()),
        }
    }
}
