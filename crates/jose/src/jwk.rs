//! One JSON Web Key (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2): its material, and what it may be
//! used for. Keys of kinds, curves, algorithms and uses that we don't know are skipped, as RFC 7517 section 5 says; a
//! key that we know and whose own members are malformed is an error.

use text::Quoted;
use zeroize::{Zeroize, Zeroizing};

use super::compact;
use super::error::{Error, Part};
use super::json::{Kind, Value};
use super::{jwe, jwks::Warning, jws};

/// A key whose form was checked.
pub(super) struct Jwk {
    pub(super) kid: Option<String>,
    alg: Option<String>,
    usage: Option<String>,
    operations: Option<Vec<String>>,
    pub(super) material: Material,
}

/// What a key consists of. Numbers are big-endian.
pub(super) enum Material {
    /// kty "oct".
    Octets(Zeroizing<Vec<u8>>),
    /// kty "RSA", without leading zeros.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
        private: Option<PrivateExponents>,
    },
    /// kty "EC", coordinates as long as the curve's field.
    Ec { crv: Curve, x: Vec<u8>, y: Vec<u8> },
    /// kty "OKP" for signatures.
    Okp { crv: Edwards, x: Vec<u8> },
}

/// The private members of an RSA key (RFC 7518 section 6.3.2).
pub(super) struct PrivateExponents {
    pub(super) d: Zeroizing<Vec<u8>>,
    /// p, q, dp, dq, qi: all of them or none.
    pub(super) crt: Option<[Zeroizing<Vec<u8>>; 5]>,
}

/// A curve for ECDSA (RFC 7518 section 6.2.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

/// A curve for EdDSA (RFC 8037 section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edwards {
    Ed25519,
    Ed448,
}

impl Jwk {
    /// Parses the key with the number `index` in its set. A warning takes the place of a key that is not used.
    pub(super) fn parse(key: Value<'_>, index: usize) -> Result<Result<Self, Warning>, Error> {
        let members = Members::new(key, index)?;
        let kty = members.required_text("kty")?;
        let (alg, usage) = (members.text("alg")?, members.text("use")?);
        let operations = members.operations()?;
        if let Some(alg) = &alg
            && !is_known(alg)
        {
            return Ok(Err(members.skipped("alg", alg)));
        }
        if let Some(usage) = &usage
            && usage != "sig"
            && usage != "enc"
        {
            return Ok(Err(members.skipped("use", usage)));
        }
        let material = match kty.as_str() {
            "oct" => members.octets()?,
            "RSA" if members.key.get(b"oth").is_some() => {
                return Ok(Err(members.skipped("oth", "[...]")));
            }
            "RSA" => match members.rsa()? {
                Ok(material) => material,
                Err(warning) => return Ok(Err(warning)),
            },
            "EC" | "OKP" => {
                let crv = members.required_text("crv")?;
                match (kty.as_str(), crv.as_str()) {
                    ("EC", "P-256") => members.ec(Curve::P256, 32)?,
                    ("EC", "P-384") => members.ec(Curve::P384, 48)?,
                    ("EC", "P-521") => members.ec(Curve::P521, 66)?,
                    ("OKP", "Ed25519") => members.okp(Edwards::Ed25519, 32)?,
                    ("OKP", "Ed448") => members.okp(Edwards::Ed448, 57)?,
                    _ => return Ok(Err(members.skipped("crv", &crv))),
                }
            }
            _ => return Ok(Err(members.skipped("kty", &kty))),
        };
        // These say no more than the curve does.
        let implied = |alg: &String| match &material {
            Material::Okp {
                crv: Edwards::Ed25519,
                ..
            } => alg == "EdDSA" || alg == "Ed25519",
            Material::Okp {
                crv: Edwards::Ed448,
                ..
            } => alg == "EdDSA" || alg == "Ed448",
            _ => false,
        };
        let alg = alg.filter(|alg| !implied(alg));
        Ok(Ok(Self {
            kid: members.kid,
            alg,
            usage,
            operations,
            material,
        }))
    }

    /// The key's own `alg`, if it has one.
    pub(super) fn alg(&self) -> Option<&str> {
        self.alg.as_deref()
    }

    /// The key's kind.
    pub(super) fn kty(&self) -> &'static str {
        match self.material {
            Material::Octets(_) => "oct",
            Material::Rsa { .. } => "RSA",
            Material::Ec { .. } => "EC",
            Material::Okp { .. } => "OKP",
        }
    }

    /// Whether `use` and `key_ops` let the key verify signatures.
    pub(super) fn verifies(&self) -> bool {
        self.usage.as_deref().is_none_or(|usage| usage == "sig") && self.allows(&["verify"])
    }

    /// Whether `use` and `key_ops` let the key decrypt.
    pub(super) fn decrypts(&self) -> bool {
        self.usage.as_deref().is_none_or(|usage| usage == "enc")
            && self.allows(&["decrypt", "unwrapKey"])
    }

    /// The key's secret if it is of this length and its `alg`, if any, is this one.
    pub(super) fn secret_for(&self, alg: &str, length: usize) -> Option<Zeroizing<Vec<u8>>> {
        match &self.material {
            Material::Octets(secret)
                if self.alg().is_none_or(|own| own == alg) && secret.len() == length =>
            {
                Some(secret.clone())
            }
            _ => None,
        }
    }

    /// Whether `key_ops` is absent or has one of these.
    fn allows(&self, wanted: &[&str]) -> bool {
        let has = |operations: &Vec<String>| {
            let mut operations = operations.iter();
            operations.any(|operation| wanted.contains(&operation.as_str()))
        };
        self.operations.as_ref().is_none_or(has)
    }
}

/// Access to the members of the key with the number `index`.
struct Members<'a> {
    key: Value<'a>,
    index: usize,
    kid: Option<String>,
}

impl<'a> Members<'a> {
    fn new(key: Value<'a>, index: usize) -> Result<Self, Error> {
        if key.kind() != Kind::Object {
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
        let texts = value
            .elements()
            .map(|element| element.as_str().map(String::from));
        match (value.kind(), texts.collect::<Option<Vec<_>>>()) {
            (Kind::Array, Some(operations)) => Ok(Some(operations)),
            _ => Err(self.malformed("key_ops")),
        }
    }

    /// The octets of a member, at least one.
    fn bytes(&self, member: &'static str) -> Result<Vec<u8>, Error> {
        let mut text = self.required_text(member)?;
        let bytes = compact::decode(text.as_bytes(), Part::KeySet);
        text.zeroize();
        match bytes {
            Ok(bytes) if !bytes.is_empty() => Ok(bytes),
            _ => Err(self.malformed(member)),
        }
    }

    /// A number; leading zeros, which RFC 7518 section 2 forbids and some libraries write, are dropped.
    fn number(&self, member: &'static str) -> Result<Vec<u8>, Error> {
        let bytes = Zeroizing::new(self.bytes(member)?);
        let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
        match bytes.get(zeros..) {
            Some(number) if !number.is_empty() => Ok(number.to_vec()),
            _ => Err(self.malformed(member)),
        }
    }

    fn octets(&self) -> Result<Material, Error> {
        self.bytes("k").map(|k| Material::Octets(Zeroizing::new(k)))
    }

    fn rsa(&self) -> Result<Result<Material, Warning>, Error> {
        let (n, e) = (self.number("n")?, self.number("e")?);
        let odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
        if !odd(&n) || !odd(&e) || e == [1] || e.len() > MAX_EXPONENT_BYTES {
            return Err(Error::KeyInvalid {
                index: self.index,
                kid: self.quoted_kid(),
                kty: "RSA",
            });
        }
        let bits = bits(&n);
        if !(2048..=16384).contains(&bits) {
            return Ok(Err(Warning::ModulusLength {
                index: self.index,
                kid: self.quoted_kid(),
                bits,
            }));
        }
        let private = self.private_exponents()?;
        Ok(Ok(Material::Rsa { n, e, private }))
    }

    fn private_exponents(&self) -> Result<Option<PrivateExponents>, Error> {
        let present = |name: &&str| self.key.get(name.as_bytes()).is_some();
        if !present(&"d") {
            return Ok(None);
        }
        let secret = |name| self.number(name).map(Zeroizing::new);
        let crt = match CRT.iter().any(present) {
            true => Some([
                secret("p")?,
                secret("q")?,
                secret("dp")?,
                secret("dq")?,
                secret("qi")?,
            ]),
            false => None,
        };
        Ok(Some(PrivateExponents {
            d: secret("d")?,
            crt,
        }))
    }

    fn ec(&self, crv: Curve, length: usize) -> Result<Material, Error> {
        Ok(Material::Ec {
            crv,
            x: self.fixed("x", length)?,
            y: self.fixed("y", length)?,
        })
    }

    fn okp(&self, crv: Edwards, length: usize) -> Result<Material, Error> {
        Ok(Material::Okp {
            crv,
            x: self.fixed("x", length)?,
        })
    }

    fn fixed(&self, member: &'static str, length: usize) -> Result<Vec<u8>, Error> {
        let bytes = self.bytes(member)?;
        match bytes.len() == length {
            true => Ok(bytes),
            false => Err(self.malformed(member)),
        }
    }

    fn malformed(&self, member: &'static str) -> Error {
        Error::KeyMember {
            index: self.index,
            kid: self.quoted_kid(),
            member,
        }
    }

    fn skipped(&self, member: &'static str, value: &str) -> Warning {
        Warning::Skipped {
            index: self.index,
            kid: self.quoted_kid(),
            member,
            value: Quoted::new(value),
        }
    }

    fn quoted_kid(&self) -> Option<Quoted> {
        self.kid.as_deref().map(Quoted::new)
    }
}

/// OpenSSL takes no longer exponent together with a modulus of more than 3,072 bits, and nobody has one.
const MAX_EXPONENT_BYTES: usize = 8;

/// Present together or not at all (RFC 7518 section 6.3.2).
const CRT: [&str; 5] = ["p", "q", "dp", "dq", "qi"];

/// Whether `alg` is for tokens that we can judge. A content encryption is one for keys of `dir`.
fn is_known(alg: &str) -> bool {
    jws::find(alg).is_some() || jwe::find(alg).is_some() || jwe::find_encryption(alg).is_some()
}

/// The length of a number without leading zeros.
pub(super) fn bits(number: &[u8]) -> usize {
    let zeros = number.first().map_or(0, |first| first.leading_zeros());
    let zeros = usize::try_from(zeros).unwrap_or_default();
    number.len().saturating_mul(8).saturating_sub(zeros)
}
