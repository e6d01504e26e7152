//! One JSON Web Key (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2, RFC 9964 section
//! 3): its key material, and what the key may be used for. An entry that makes no key, or one of an
//! unknown type, curve, algorithm or use, is left out with a [`KeyFault`], as RFC 7517 section 5
//! demands. Key material that is written sloppily but denotes one key without doubt is taken with a
//! [`KeyFlaw`].

mod certificate;
mod members;
mod rsa_primes;
mod thumbprint;

use std::cell::OnceCell;

use openssl::pkey::{PKey, Private};
use zeroize::Zeroizing;

use self::members::JwkMembers;
use crate::json::JsonValue;
use crate::load_budget::LoadBudget;
use crate::no_key::KeyPurpose;
use crate::warning::{KeyFault, KeyFlaw};

/// The longest exponent in bits. No usual exponent is longer, and the time for a signature grows
/// with the length.
const MAX_EXPONENT_BITS: usize = 32;

/// Members of an RSA private key of which either all or none are present (RFC 7518 section 6.3.2).
const CRT_MEMBERS: [&str; 5] = ["p", "q", "dp", "dq", "qi"];

/// A well-formed key.
pub(crate) struct Jwk {
    alg: Option<String>,
    usage: Option<String>,
    operations: Option<Vec<String>>,
    pub(crate) material: KeyMaterial,
    /// Whether the key has private members.
    pub(crate) is_private: bool,
}

/// What an entry of a set holds.
pub(crate) struct JwkEntry {
    pub(crate) kid: Option<String>,
    /// The key, or why the entry is left out.
    pub(crate) key: Result<Jwk, KeyFault>,
    /// What is wrong with a key that is used nevertheless.
    pub(crate) flaws: Vec<KeyFlaw>,
}

/// The numbers or octets of a key. Numbers are big-endian.
pub(crate) enum KeyMaterial {
    /// `kty` "oct".
    Octets(Zeroizing<Vec<u8>>),
    /// `kty` "RSA". Numbers have no leading zeros.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
        /// `None` if the key has no private members, or may not decrypt.
        private: Option<RsaPrivateMembers>,
    },
    /// `kty` "EC". Coordinates are as long as the field of the curve.
    Ec {
        crv: EcCurve,
        x: Vec<u8>,
        y: Vec<u8>,
        /// `None` if the key has no private member, or may not be used for key agreement.
        d: Option<PrivateNumber>,
    },
    /// `kty` "OKP" with a curve for signatures.
    Okp { crv: EdwardsCurve, x: Vec<u8> },
    /// `kty` "OKP" with a curve for key agreement.
    Montgomery {
        crv: MontgomeryCurve,
        x: Vec<u8>,
        /// `None` if the key has no private member, or may not be used for key agreement.
        d: Option<PrivateNumber>,
    },
    /// `kty` "AKP" with an `alg` of ML-DSA.
    MlDsa {
        parameters: MlDsa,
        public_key: Vec<u8>,
    },
}

/// The private members of an RSA key (RFC 7518 section 6.3.2).
pub(crate) struct RsaPrivateMembers {
    pub(crate) d: Zeroizing<Vec<u8>>,
    /// p, q, dp, dq and qi.
    pub(crate) crt: [Zeroizing<Vec<u8>>; 5],
    /// The key that all algorithms share, made and checked for the first of them.
    pub(crate) prepared: OnceCell<PKey<Private>>,
}

/// The private member of a key on a curve.
pub(crate) struct PrivateNumber {
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    /// The key that all algorithms share, made and checked for the first of them.
    pub(crate) prepared: OnceCell<PKey<Private>>,
}

/// A curve for ECDSA, and for key agreement (RFC 7518 section 6.2.1.1, RFC 8812 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EcCurve {
    P256,
    P384,
    P521,
    Secp256k1,
}

/// A curve for EdDSA (RFC 8037 section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EdwardsCurve {
    Ed25519,
    Ed448,
}

/// A curve for key agreement only (RFC 8037 section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MontgomeryCurve {
    X25519,
    X448,
}

/// A parameter set of ML-DSA (FIPS 204 section 4), which is what `alg` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MlDsa {
    MlDsa44,
    MlDsa65,
    MlDsa87,
}

impl JwkEntry {
    /// Reads an entry of a set. `is_supported` tells whether there is an algorithm with this name.
    pub(crate) fn parse(
        entry: JsonValue<'_>,
        is_supported: impl Fn(&str) -> bool,
        budget: &mut LoadBudget,
    ) -> Self {
        let mut members = JwkMembers::new(entry);
        // Read first, so that a warning about any other member can name the key.
        let kid = members.text("kid");
        let key = members.check_object().and_then(|()| {
            kid.clone()?;
            if budget.is_full() {
                return Err(KeyFault::Excess);
            }
            Jwk::read(&mut members, is_supported, budget)
        });
        Self {
            kid: kid.unwrap_or_default(),
            key,
            flaws: members.into_flaws(),
        }
    }
}

impl Jwk {
    fn read(
        members: &mut JwkMembers<'_>,
        is_supported: impl Fn(&str) -> bool,
        budget: &mut LoadBudget,
    ) -> Result<Self, KeyFault> {
        let kty = members.kty(budget)?;
        let alg = members.text("alg")?;
        let usage = members.text("use")?;
        let operations = members.operations()?;
        if let Some(alg) = &alg
            && !is_supported(alg)
        {
            return Err(members::unsupported("alg", alg));
        }
        if let Some(usage) = &usage
            && usage != "sig"
            && usage != "enc"
        {
            return Err(members::unsupported("use", usage));
        }
        if operations.as_ref().is_some_and(Vec::is_empty) {
            return Err(KeyFault::NoOperation);
        }
        let material = members.material(&kty, budget)?;
        let mut key = Self {
            alg: alg.filter(|alg| !is_implied(alg, &material)),
            usage,
            operations,
            material,
            is_private: match &*kty {
                "oct" => false,
                "AKP" => members.has("priv"),
                _ => members.has("d"),
            },
        };
        if key.is_private && key.may_decrypt() && key.decryption_family().is_some() {
            key.read_private_members(members, budget)?;
        }
        Ok(key)
    }

    /// Adds the private members. They are not read unless they are used, because to complete those
    /// of RSA takes time.
    fn read_private_members(
        &mut self,
        members: &mut JwkMembers<'_>,
        budget: &mut LoadBudget,
    ) -> Result<(), KeyFault> {
        match &mut self.material {
            KeyMaterial::Rsa { n, e, private } => {
                *private = Some(members.rsa_private_members(n, e, budget)?);
            }
            KeyMaterial::Ec { crv, d, .. } => {
                *d = Some(members.private_number(crv.coordinate_length())?);
            }
            KeyMaterial::Montgomery { crv, d, .. } => {
                *d = Some(members.private_number(crv.point_length())?);
            }
            _ => {}
        }
        Ok(())
    }

    /// The algorithm that the key is restricted to.
    pub(crate) fn alg(&self) -> Option<&str> {
        self.alg.as_deref()
    }

    /// The type of the key.
    pub(crate) fn kty(&self) -> &'static str {
        self.material.kty()
    }

    /// Whether `use` and `key_ops` allow the key to verify signatures.
    pub(crate) fn may_verify(&self) -> bool {
        self.forbidden_by(KeyPurpose::Verify).is_none()
    }

    /// Whether `use` and `key_ops` allow the key to decrypt.
    pub(crate) fn may_decrypt(&self) -> bool {
        self.forbidden_by(KeyPurpose::Decrypt).is_none()
    }

    /// The member that does not allow the key to be used for this.
    pub(crate) fn forbidden_by(&self, purpose: KeyPurpose) -> Option<&'static str> {
        let (allowed_use, allowed_operations) = match (purpose, &self.material) {
            (KeyPurpose::Verify, _) => ("sig", &["verify"][..]),
            (
                KeyPurpose::Decrypt,
                KeyMaterial::Ec { .. } | KeyMaterial::Okp { .. } | KeyMaterial::Montgomery { .. },
            ) => ("enc", &["deriveKey", "deriveBits"][..]),
            (KeyPurpose::Decrypt, _) => ("enc", &["decrypt", "unwrapKey"][..]),
        };
        let is_allowed = |operation: &String| allowed_operations.contains(&operation.as_str());
        if self.usage.as_deref().is_some_and(|own| own != allowed_use) {
            return Some("use");
        }
        match &self.operations {
            Some(operations) if !operations.iter().any(is_allowed) => Some("key_ops"),
            _ => None,
        }
    }

    /// The secret, if it has this length and the key is not restricted to another algorithm.
    pub(crate) fn secret_for(&self, alg: &str, length: usize) -> Option<Zeroizing<Vec<u8>>> {
        match &self.material {
            KeyMaterial::Octets(secret)
                if self.alg().is_none_or(|own| own == alg) && secret.len() == length =>
            {
                Some(secret.clone())
            }
            _ => None,
        }
    }

    /// Whether the key would decrypt if it had private members.
    pub(crate) fn lacks_private_members(&self) -> bool {
        !self.is_private && self.decryption_family().is_some()
    }

    /// The beginning of the names of the algorithms that a key pair of this type and curve decrypts
    /// with. `None` if there is no such algorithm, or the key's own `alg` is another one.
    pub(crate) fn decryption_family(&self) -> Option<&'static str> {
        let family = match &self.material {
            KeyMaterial::Rsa { .. } => "RSA-OAEP",
            KeyMaterial::Ec {
                crv: EcCurve::P256 | EcCurve::P384 | EcCurve::P521,
                ..
            }
            | KeyMaterial::Montgomery { .. } => "ECDH-ES",
            _ => return None,
        };
        self.alg()
            .is_none_or(|alg| alg.starts_with(family))
            .then_some(family)
    }
}

impl KeyMaterial {
    /// The type of the key.
    pub(crate) fn kty(&self) -> &'static str {
        match self {
            Self::Octets(_) => "oct",
            Self::Rsa { .. } => "RSA",
            Self::Ec { .. } => "EC",
            Self::Okp { .. } | Self::Montgomery { .. } => "OKP",
            Self::MlDsa { .. } => "AKP",
        }
    }

    /// The curve of the key.
    fn crv(&self) -> Option<&'static str> {
        match self {
            Self::Octets(_) | Self::Rsa { .. } | Self::MlDsa { .. } => None,
            Self::Ec { crv, .. } => Some(crv.name()),
            Self::Okp { crv, .. } => Some(crv.name()),
            Self::Montgomery { crv, .. } => Some(crv.name()),
        }
    }
}

impl EcCurve {
    const ALL: [Self; 4] = [Self::P256, Self::P384, Self::P521, Self::Secp256k1];

    /// The value of `crv`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
            Self::Secp256k1 => "secp256k1",
        }
    }

    /// Length of a coordinate in bytes.
    pub(crate) fn coordinate_length(self) -> usize {
        match self {
            Self::P256 | Self::Secp256k1 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

impl EdwardsCurve {
    const ALL: [Self; 2] = [Self::Ed25519, Self::Ed448];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "Ed25519",
            Self::Ed448 => "Ed448",
        }
    }

    /// Length of an encoded point in bytes.
    fn point_length(self) -> usize {
        match self {
            Self::Ed25519 => 32,
            Self::Ed448 => 57,
        }
    }
}

impl MontgomeryCurve {
    const ALL: [Self; 2] = [Self::X25519, Self::X448];

    /// The value of `crv`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::X25519 => "X25519",
            Self::X448 => "X448",
        }
    }

    /// Length of an encoded point, and of a private key, in bytes.
    pub(crate) fn point_length(self) -> usize {
        match self {
            Self::X25519 => 32,
            Self::X448 => 56,
        }
    }
}

impl MlDsa {
    const ALL: [Self; 3] = [Self::MlDsa44, Self::MlDsa65, Self::MlDsa87];

    /// The value of `alg`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::MlDsa44 => "ML-DSA-44",
            Self::MlDsa65 => "ML-DSA-65",
            Self::MlDsa87 => "ML-DSA-87",
        }
    }

    /// Length of an encoded public key in bytes.
    fn public_key_length(self) -> usize {
        match self {
            Self::MlDsa44 => 1312,
            Self::MlDsa65 => 1952,
            Self::MlDsa87 => 2592,
        }
    }
}

/// Number of bits of a number without leading zero bytes.
pub(crate) fn bits(number: &[u8]) -> usize {
    let zeros = number.first().map_or(0, |first| first.leading_zeros());
    let zeros = usize::try_from(zeros).unwrap_or_default();
    number.len().saturating_mul(8).saturating_sub(zeros)
}

/// Whether the curve allows only this algorithm. Such an `alg` is no restriction: a key with `alg`
/// "Ed25519" verifies tokens with `alg` "EdDSA", and the other way round.
fn is_implied(alg: &str, material: &KeyMaterial) -> bool {
    match material {
        KeyMaterial::Okp { crv, .. } => alg == "EdDSA" || alg == crv.name(),
        _ => false,
    }
}
