//! One JSON Web Key (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2, RFC 9964 section 3):
//! its key material, and what the key may be used for. A key whose type, curve, algorithm or use is unknown is
//! skipped, as RFC 7517 section 5 demands. A known key with malformed members is an error.

use std::cell::Cell;

use text::Quoted;
use zeroize::{Zeroize, Zeroizing};

use crate::compact;
use crate::error::{Error, InputPart};
use crate::json::{JsonKind, JsonValue};
use crate::warning::Warning;

/// OpenSSL refuses longer exponents if the modulus has more than 3,072 bits. In practice no
/// exponent is longer.
const MAX_EXPONENT_BYTES: usize = 8;

/// Members of an RSA private key of which either all or none are present (RFC 7518 section 6.3.2).
const CRT_MEMBERS: [&str; 5] = ["p", "q", "dp", "dq", "qi"];

/// A well-formed key.
pub(crate) struct Jwk {
    pub(crate) kid: Option<String>,
    alg: Option<String>,
    usage: Option<String>,
    operations: Option<Vec<String>>,
    pub(crate) material: KeyMaterial,
}

/// The numbers or octets of a key. Numbers are big-endian.
pub(crate) enum KeyMaterial {
    /// `kty` "oct".
    Octets(Zeroizing<Vec<u8>>),
    /// `kty` "RSA". Numbers have no leading zeros.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
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
    pub(crate) crt: Option<[Zeroizing<Vec<u8>>; 5]>,
}

/// The private member of a key on a curve.
pub(crate) struct PrivateNumber {
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    /// Whether the number is known to belong to the public members. Key agreement finds out.
    pub(crate) is_checked: Cell<bool>,
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

/// Why there is no [`Jwk`].
pub(crate) enum UnusableKey {
    /// The key is skipped.
    Skipped(Warning),
    /// The whole set is refused.
    Malformed(Error),
}

impl From<Error> for UnusableKey {
    fn from(error: Error) -> Self {
        Self::Malformed(error)
    }
}

impl Jwk {
    /// Parses the key at position `index` of a set. `is_supported` tells whether there is an
    /// algorithm with this name.
    pub(crate) fn parse(
        key: JsonValue<'_>,
        index: usize,
        is_supported: impl Fn(&str) -> bool,
    ) -> Result<Self, UnusableKey> {
        let members = JwkMembers::new(key, index)?;
        let kty = members.required_text("kty")?;
        let alg = members.text("alg")?;
        let usage = members.text("use")?;
        let operations = members.operations()?;
        if let Some(alg) = &alg
            && !is_supported(alg)
        {
            return Err(members.unsupported("alg", alg));
        }
        if let Some(usage) = &usage
            && usage != "sig"
            && usage != "enc"
        {
            return Err(members.unsupported("use", usage));
        }
        let material = members.material(&kty)?;
        let mut key = Self {
            kid: members.kid.clone(),
            alg: alg.filter(|alg| !is_implied(alg, &material)),
            usage,
            operations,
            material,
        };
        if key.may_agree() {
            key.read_agreement_member(&members)?;
        }
        Ok(key)
    }

    /// Adds the private member of a key for key agreement. It is not read unless it is used.
    fn read_agreement_member(&mut self, members: &JwkMembers<'_>) -> Result<(), Error> {
        let (d, length) = match &mut self.material {
            KeyMaterial::Ec { crv, d, .. } => (d, crv.coordinate_length()),
            KeyMaterial::Montgomery { crv, d, .. } => (d, crv.point_length()),
            _ => return Ok(()),
        };
        if members.key.get(b"d").is_some() {
            *d = Some(PrivateNumber {
                bytes: Zeroizing::new(members.bytes_of_length("d", length)?),
                is_checked: Cell::new(false),
            });
        }
        Ok(())
    }

    /// The algorithm that the key is restricted to.
    pub(crate) fn alg(&self) -> Option<&str> {
        self.alg.as_deref()
    }

    /// The type of the key.
    pub(crate) fn kty(&self) -> &'static str {
        match self.material {
            KeyMaterial::Octets(_) => "oct",
            KeyMaterial::Rsa { .. } => "RSA",
            KeyMaterial::Ec { .. } => "EC",
            KeyMaterial::Okp { .. } | KeyMaterial::Montgomery { .. } => "OKP",
            KeyMaterial::MlDsa { .. } => "AKP",
        }
    }

    /// Whether `use` and `key_ops` allow the key to verify signatures.
    pub(crate) fn may_verify(&self) -> bool {
        self.usage.as_deref().is_none_or(|usage| usage == "sig") && self.allows_any_of(&["verify"])
    }

    /// Whether `use` and `key_ops` allow the key to decrypt.
    pub(crate) fn may_decrypt(&self) -> bool {
        let operations = match self.material {
            KeyMaterial::Ec { .. } | KeyMaterial::Montgomery { .. } => ["deriveKey", "deriveBits"],
            _ => ["decrypt", "unwrapKey"],
        };
        self.usage.as_deref().is_none_or(|usage| usage == "enc") && self.allows_any_of(&operations)
    }

    fn may_agree(&self) -> bool {
        self.may_decrypt() && self.alg().is_none_or(|alg| alg.starts_with("ECDH-ES"))
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

    /// Whether `key_ops` is absent or contains one of these.
    fn allows_any_of(&self, wanted: &[&str]) -> bool {
        let contains_one = |operations: &Vec<String>| {
            let mut operations = operations.iter();
            operations.any(|operation| wanted.contains(&operation.as_str()))
        };
        self.operations.as_ref().is_none_or(contains_one)
    }
}

impl EcCurve {
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

impl MontgomeryCurve {
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
        KeyMaterial::Okp {
            crv: EdwardsCurve::Ed25519,
            ..
        } => alg == "EdDSA" || alg == "Ed25519",
        KeyMaterial::Okp {
            crv: EdwardsCurve::Ed448,
            ..
        } => alg == "EdDSA" || alg == "Ed448",
        _ => false,
    }
}

/// Reads the members of a JWK.
struct JwkMembers<'a> {
    key: JsonValue<'a>,
    index: usize,
    kid: Option<String>,
}

impl<'a> JwkMembers<'a> {
    fn new(key: JsonValue<'a>, index: usize) -> Result<Self, Error> {
        if key.kind() != JsonKind::Object {
            return Err(Error::KeyNotObject { index });
        }
        let mut members = Self {
            key,
            index,
            kid: None,
        };
        members.kid = members.text("kid")?;
        Ok(members)
    }

    fn text(&self, member: &'static str) -> Result<Option<String>, Error> {
        let Some(value) = self.key.get(member.as_bytes()) else {
            return Ok(None);
        };
        let text = value.as_str().ok_or_else(|| self.malformed(member))?;
        Ok(Some(text.into_owned()))
    }

    fn required_text(&self, member: &'static str) -> Result<String, Error> {
        self.text(member)?.ok_or_else(|| self.malformed(member))
    }

    /// `key_ops` (RFC 7517 section 4.3).
    fn operations(&self) -> Result<Option<Vec<String>>, Error> {
        let Some(value) = self.key.get(b"key_ops") else {
            return Ok(None);
        };
        let operations = value
            .elements()
            .map(|element| element.as_str().map(String::from));
        match (value.kind(), operations.collect::<Option<Vec<_>>>()) {
            (JsonKind::Array, Some(operations)) => Ok(Some(operations)),
            _ => Err(self.malformed("key_ops")),
        }
    }

    fn material(&self, kty: &str) -> Result<KeyMaterial, UnusableKey> {
        match kty {
            "oct" => Ok(self.octets()?),
            "AKP" => self.akp(),
            "RSA" => self.rsa(),
            "EC" | "OKP" => {
                let crv = self.required_text("crv")?;
                match (kty, crv.as_str()) {
                    ("EC", "P-256") => Ok(self.ec(EcCurve::P256)?),
                    ("EC", "P-384") => Ok(self.ec(EcCurve::P384)?),
                    ("EC", "P-521") => Ok(self.ec(EcCurve::P521)?),
                    ("EC", "secp256k1") => Ok(self.ec(EcCurve::Secp256k1)?),
                    ("OKP", "Ed25519") => Ok(self.okp(EdwardsCurve::Ed25519, 32)?),
                    ("OKP", "Ed448") => Ok(self.okp(EdwardsCurve::Ed448, 57)?),
                    ("OKP", "X25519") => Ok(self.montgomery(MontgomeryCurve::X25519)?),
                    ("OKP", "X448") => Ok(self.montgomery(MontgomeryCurve::X448)?),
                    _ => Err(self.unsupported("crv", &crv)),
                }
            }
            _ => Err(self.unsupported("kty", kty)),
        }
    }

    /// An Algorithm Key Pair. Its `alg` is required, and says what its other members are.
    fn akp(&self) -> Result<KeyMaterial, UnusableKey> {
        let alg = self.required_text("alg")?;
        let mut sets = MlDsa::ALL.into_iter();
        let Some(parameters) = sets.find(|parameters| parameters.name() == alg) else {
            return Err(self.unsupported("alg", &alg));
        };
        let length = parameters.public_key_length();
        Ok(KeyMaterial::MlDsa {
            parameters,
            public_key: self.bytes_of_length("pub", length)?,
        })
    }

    fn octets(&self) -> Result<KeyMaterial, Error> {
        let secret = self.bytes("k")?;
        Ok(KeyMaterial::Octets(Zeroizing::new(secret)))
    }

    fn rsa(&self) -> Result<KeyMaterial, UnusableKey> {
        if self.key.get(b"oth").is_some() {
            return Err(self.unsupported("oth", "[...]"));
        }
        let (n, e) = (self.number("n")?, self.number("e")?);
        let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
        if !is_odd(&n) || !is_odd(&e) || e == [1] || e.len() > MAX_EXPONENT_BYTES {
            return Err(UnusableKey::Malformed(Error::KeyInvalid {
                index: self.index,
                kid: self.quoted_kid(),
                kty: "RSA",
            }));
        }
        let bits = bits(&n);
        if !(2048..=16384).contains(&bits) {
            return Err(UnusableKey::Skipped(Warning::ModulusLength {
                index: self.index,
                kid: self.quoted_kid(),
                bits,
            }));
        }
        let private = self.rsa_private_members()?;
        Ok(KeyMaterial::Rsa { n, e, private })
    }

    fn rsa_private_members(&self) -> Result<Option<RsaPrivateMembers>, Error> {
        let is_present = |name: &&str| self.key.get(name.as_bytes()).is_some();
        if !is_present(&"d") {
            return Ok(None);
        }
        let secret = |name| self.number(name).map(Zeroizing::new);
        let crt = match CRT_MEMBERS.iter().any(is_present) {
            true => Some([
                secret("p")?,
                secret("q")?,
                secret("dp")?,
                secret("dq")?,
                secret("qi")?,
            ]),
            false => None,
        };
        Ok(Some(RsaPrivateMembers {
            d: secret("d")?,
            crt,
        }))
    }

    fn ec(&self, crv: EcCurve) -> Result<KeyMaterial, Error> {
        Ok(KeyMaterial::Ec {
            crv,
            x: self.bytes_of_length("x", crv.coordinate_length())?,
            y: self.bytes_of_length("y", crv.coordinate_length())?,
            d: None,
        })
    }

    fn montgomery(&self, crv: MontgomeryCurve) -> Result<KeyMaterial, Error> {
        Ok(KeyMaterial::Montgomery {
            crv,
            x: self.bytes_of_length("x", crv.point_length())?,
            d: None,
        })
    }

    fn okp(&self, crv: EdwardsCurve, length: usize) -> Result<KeyMaterial, Error> {
        Ok(KeyMaterial::Okp {
            crv,
            x: self.bytes_of_length("x", length)?,
        })
    }

    /// The bytes of a member, which are at least one.
    fn bytes(&self, member: &'static str) -> Result<Vec<u8>, Error> {
        let mut text = self.required_text(member)?;
        let bytes = compact::decode(text.as_bytes(), InputPart::KeySet);
        text.zeroize();
        match bytes {
            Ok(bytes) if !bytes.is_empty() => Ok(bytes),
            _ => Err(self.malformed(member)),
        }
    }

    fn bytes_of_length(&self, member: &'static str, length: usize) -> Result<Vec<u8>, Error> {
        let bytes = self.bytes(member)?;
        match bytes.len() == length {
            true => Ok(bytes),
            false => Err(self.malformed(member)),
        }
    }

    /// A positive number. Leading zeros are dropped: RFC 7518 section 2 forbids them, but some
    /// libraries write them.
    fn number(&self, member: &'static str) -> Result<Vec<u8>, Error> {
        let bytes = Zeroizing::new(self.bytes(member)?);
        let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
        match bytes.get(zeros..) {
            Some(number) if !number.is_empty() => Ok(number.to_vec()),
            _ => Err(self.malformed(member)),
        }
    }

    fn malformed(&self, member: &'static str) -> Error {
        Error::KeyMember {
            index: self.index,
            kid: self.quoted_kid(),
            member,
        }
    }

    fn unsupported(&self, member: &'static str, value: &str) -> UnusableKey {
        UnusableKey::Skipped(Warning::Skipped {
            index: self.index,
            kid: self.quoted_kid(),
            member,
            value: Quoted::new(value),
        })
    }

    fn quoted_kid(&self) -> Option<Quoted> {
        self.kid.as_deref().map(Quoted::new)
    }
}
