//! Reads the members of a JWK. A member that is null counts as absent.

use std::cell::OnceCell;

use text::Quoted;
use zeroize::{Zeroize, Zeroizing};

use super::{
    CRT_MEMBERS, EcCurve, EdwardsCurve, KeyMaterial, MAX_EXPONENT_BITS, MlDsa, MontgomeryCurve,
    PrivateNumber, RsaPrivateMembers, bits, certificate, rsa_primes,
};
use crate::compact;
use crate::json::{JsonKind, JsonValue};
use crate::load_budget::LoadBudget;
use crate::warning::{KeyFault, KeyFlaw};

/// How many zeros on the left a coordinate may lack. That one lacks more by chance is less likely
/// than that it was cut off.
const MAX_MISSING_ZEROS: usize = 4;

/// The members of one entry of a set.
pub(super) struct JwkMembers<'a> {
    entry: JsonValue<'a>,
    flaws: Vec<KeyFlaw>,
    /// The key in the certificate, if `kty` was read from there.
    certified: Option<KeyMaterial>,
}

/// A member whose value is not supported.
pub(super) fn unsupported(member: &'static str, value: &str) -> KeyFault {
    KeyFault::Unsupported {
        member,
        value: Quoted::new(value),
    }
}

impl<'a> JwkMembers<'a> {
    pub(super) fn new(entry: JsonValue<'a>) -> Self {
        Self {
            entry,
            flaws: Vec::new(),
            certified: None,
        }
    }

    pub(super) fn check_object(&self) -> Result<(), KeyFault> {
        if self.entry.kind() != JsonKind::Object {
            return Err(KeyFault::NotObject);
        }
        match self.entry.repeated_name() {
            None => Ok(()),
            Some(name) => Err(KeyFault::RepeatedName {
                name: Quoted::new(&*name),
            }),
        }
    }

    /// What is wrong with the members that were read.
    pub(super) fn into_flaws(self) -> Vec<KeyFlaw> {
        self.flaws
    }

    pub(super) fn has(&self, member: &str) -> bool {
        self.get(member).is_some()
    }

    fn get(&self, member: &str) -> Option<JsonValue<'a>> {
        let value = self.entry.get(member.as_bytes())?;
        (value.kind() != JsonKind::Null).then_some(value)
    }

    pub(super) fn text(&self, member: &'static str) -> Result<Option<String>, KeyFault> {
        let Some(value) = self.get(member) else {
            return Ok(None);
        };
        match value.as_str() {
            Some(text) => Ok(Some(text.into_owned())),
            None => Err(KeyFault::WrongType {
                member,
                expected: "a string",
            }),
        }
    }

    fn required_text(&self, member: &'static str) -> Result<String, KeyFault> {
        self.text(member)?.ok_or(KeyFault::Missing { member })
    }

    /// `kty`. An entry that has nothing but a certificate needs none.
    pub(super) fn kty(&mut self, budget: &mut LoadBudget) -> Result<String, KeyFault> {
        const BARE_MEMBERS: [&str; 6] = ["crv", "e", "k", "n", "x", "y"];
        match self.text("kty")? {
            Some(kty) => Ok(kty),
            None if self.has("x5c") && !BARE_MEMBERS.iter().any(|member| self.has(member)) => {
                let material = self.certified_key(budget)?;
                let kty = material.kty();
                self.certified = Some(material);
                Ok(kty.to_owned())
            }
            None => Err(KeyFault::Missing { member: "kty" }),
        }
    }

    /// `key_ops` (RFC 7517 section 4.3).
    pub(super) fn operations(&self) -> Result<Option<Vec<String>>, KeyFault> {
        let Some(value) = self.get("key_ops") else {
            return Ok(None);
        };
        let operations = value
            .elements()
            .map(|element| element.as_str().map(String::from));
        match (value.kind(), operations.collect::<Option<Vec<_>>>()) {
            (JsonKind::Array, Some(operations)) => Ok(Some(operations)),
            _ => Err(KeyFault::WrongType {
                member: "key_ops",
                expected: "an array of strings",
            }),
        }
    }

    /// The public members, or the secret.
    pub(super) fn material(
        &mut self,
        kty: &str,
        budget: &mut LoadBudget,
    ) -> Result<KeyMaterial, KeyFault> {
        match kty {
            "oct" => self.octets(),
            "RSA" => self.rsa(budget),
            "EC" => self.ec(budget),
            "OKP" => self.okp(budget),
            "AKP" => self.akp(),
            _ => Err(unsupported("kty", kty)),
        }
    }

    fn octets(&mut self) -> Result<KeyMaterial, KeyFault> {
        let secret = self.bytes("k")?;
        Ok(KeyMaterial::Octets(Zeroizing::new(secret)))
    }

    fn rsa(&mut self, budget: &mut LoadBudget) -> Result<KeyMaterial, KeyFault> {
        if self.has("oth") {
            return Err(unsupported("oth", "[...]"));
        }
        let material = match self.certificate_instead_of(&["n", "e"], "RSA", budget)? {
            Some(certified) => certified,
            None => KeyMaterial::Rsa {
                n: self.number("n")?,
                e: self.number("e")?,
                private: None,
            },
        };
        if let KeyMaterial::Rsa { n, e, .. } = &material {
            check_rsa_numbers(n, e)?;
        }
        Ok(material)
    }

    /// The private members of an RSA key with these numbers. Those that speed up decryption are
    /// computed if they are missing.
    pub(super) fn rsa_private_members(
        &mut self,
        n: &[u8],
        e: &[u8],
        budget: &mut LoadBudget,
    ) -> Result<RsaPrivateMembers, KeyFault> {
        let d = Zeroizing::new(self.number("d")?);
        let [p, q, dp, dq, qi] = CRT_MEMBERS.map(|name| match self.has(name) {
            true => self.number(name).map(Zeroizing::new).map(Some),
            false => Ok(None),
        });
        let crt = [p?, q?, dp?, dq?, qi?];
        // A longer number is none of this modulus, and would take longer to check.
        let lengths = crt.iter().flatten().chain([&d]).map(|number| number.len());
        if lengths.max() > Some(n.len()) {
            return Err(KeyFault::Invalid { kty: "RSA" });
        }
        let crt = match crt {
            [Some(p), Some(q), Some(dp), Some(dq), Some(qi)] => Some([p, q, dp, dq, qi]),
            _ => {
                if !budget.affords_primes(n.len()) {
                    return Err(KeyFault::NoPrimes);
                }
                rsa_primes::crt_members(n, e, &d)
            }
        };
        match crt {
            Some(crt) => Ok(RsaPrivateMembers {
                d,
                crt,
                prepared: OnceCell::new(),
            }),
            None => Err(KeyFault::Invalid { kty: "RSA" }),
        }
    }

    fn ec(&mut self, budget: &mut LoadBudget) -> Result<KeyMaterial, KeyFault> {
        if let Some(certified) = self.certificate_instead_of(&["x", "y"], "EC", budget)? {
            return Ok(certified);
        }
        let crv = self.curve(EcCurve::ALL, EcCurve::name)?;
        Ok(KeyMaterial::Ec {
            crv,
            x: self.coordinate("x", crv.coordinate_length())?,
            y: self.coordinate("y", crv.coordinate_length())?,
            d: None,
        })
    }

    fn okp(&mut self, budget: &mut LoadBudget) -> Result<KeyMaterial, KeyFault> {
        if let Some(certified) = self.certificate_instead_of(&["x"], "OKP", budget)? {
            return Ok(certified);
        }
        let crv = self.required_text("crv")?;
        let mut edwards = EdwardsCurve::ALL.into_iter();
        if let Some(crv) = edwards.find(|curve| curve.name() == crv) {
            let x = self.coordinate("x", crv.point_length())?;
            return Ok(KeyMaterial::Okp { crv, x });
        }
        let crv = self.curve(MontgomeryCurve::ALL, MontgomeryCurve::name)?;
        let x = self.coordinate("x", crv.point_length())?;
        Ok(KeyMaterial::Montgomery { crv, x, d: None })
    }

    /// An Algorithm Key Pair. Its `alg` is required, and says what its other members are.
    fn akp(&mut self) -> Result<KeyMaterial, KeyFault> {
        let alg = self.required_text("alg")?;
        let mut sets = MlDsa::ALL.into_iter();
        let found = sets.find(|parameters| parameters.name() == alg);
        let parameters = found.ok_or_else(|| unsupported("alg", &alg))?;
        let public_key = self.bytes("pub")?;
        match (public_key.len(), parameters.public_key_length()) {
            (bytes, expected) if bytes != expected => Err(KeyFault::Length {
                member: "pub",
                bytes,
                expected,
            }),
            _ => Ok(KeyMaterial::MlDsa {
                parameters,
                public_key,
            }),
        }
    }

    /// The private member of a key on a curve, which has this length.
    pub(super) fn private_number(&mut self, length: usize) -> Result<PrivateNumber, KeyFault> {
        Ok(PrivateNumber {
            bytes: Zeroizing::new(self.coordinate("d", length)?),
            prepared: OnceCell::new(),
        })
    }

    fn curve<C: Copy, const N: usize>(
        &self,
        curves: [C; N],
        name: fn(C) -> &'static str,
    ) -> Result<C, KeyFault> {
        let crv = self.required_text("crv")?;
        let mut curves = curves.into_iter();
        let found = curves.find(|curve| name(*curve) == crv);
        found.ok_or_else(|| unsupported("crv", &crv))
    }

    /// The key in the first certificate of `x5c` (RFC 7517 section 4.7), if the entry has none of
    /// these members.
    fn certificate_instead_of(
        &mut self,
        members: &[&str],
        kty: &str,
        budget: &mut LoadBudget,
    ) -> Result<Option<KeyMaterial>, KeyFault> {
        if !self.has("x5c") || members.iter().any(|member| self.has(member)) {
            return Ok(None);
        }
        let material = match self.certified.take() {
            Some(material) => material,
            None => self.certified_key(budget)?,
        };
        let crv = self.text("crv")?;
        let is_same_curve = crv.is_none_or(|crv| material.crv() == Some(&crv));
        if material.kty() != kty || !is_same_curve {
            return Err(KeyFault::Certificate);
        }
        self.flaws.push(KeyFlaw::Certificate);
        Ok(Some(material))
    }

    fn certified_key(&self, budget: &mut LoadBudget) -> Result<KeyMaterial, KeyFault> {
        if !budget.affords_certificate() {
            return Err(KeyFault::Costly);
        }
        let certificate = self
            .get("x5c")
            .and_then(|certificates| certificates.elements().next()?.as_str());
        certificate
            .and_then(|text| certificate::public_key(&compact::decode_leniently(&text).ok()?.bytes))
            .ok_or(KeyFault::Certificate)
    }

    /// The bytes of a member, which are at least one.
    fn bytes(&mut self, member: &'static str) -> Result<Vec<u8>, KeyFault> {
        let mut text = self.required_text(member)?;
        let decoded = compact::decode_leniently(&text);
        text.zeroize();
        let decoded = decoded.map_err(|_| KeyFault::NotBase64 { member })?;
        if decoded.bytes.is_empty() {
            return Err(KeyFault::Empty { member });
        }
        if decoded.has_padding {
            self.flaws.push(KeyFlaw::Padding { member });
        }
        if decoded.has_standard_alphabet {
            self.flaws.push(KeyFlaw::StandardAlphabet { member });
        }
        Ok(decoded.bytes)
    }

    /// A positive number, without leading zeros.
    fn number(&mut self, member: &'static str) -> Result<Vec<u8>, KeyFault> {
        let bytes = Zeroizing::new(self.bytes(member)?);
        let number = without_leading_zeros(&bytes);
        if number.is_empty() {
            return Err(KeyFault::Empty { member });
        }
        if number.len() < bytes.len() {
            self.flaws.push(KeyFlaw::LeadingZeros { member });
        }
        Ok(number.to_vec())
    }

    /// A coordinate or an encoded point of this length.
    fn coordinate(&mut self, member: &'static str, length: usize) -> Result<Vec<u8>, KeyFault> {
        let bytes = self.bytes(member)?;
        let significant = without_leading_zeros(&bytes);
        let missing = length.saturating_sub(bytes.len());
        if significant.len() > length || missing > MAX_MISSING_ZEROS {
            return Err(KeyFault::Length {
                member,
                bytes: bytes.len(),
                expected: length,
            });
        }
        match bytes.len().cmp(&length) {
            std::cmp::Ordering::Less => self.flaws.push(KeyFlaw::MissingZeros { member }),
            std::cmp::Ordering::Equal => return Ok(bytes),
            std::cmp::Ordering::Greater => self.flaws.push(KeyFlaw::LeadingZeros { member }),
        }
        let mut padded = vec![0; length.saturating_sub(significant.len())];
        padded.extend_from_slice(significant);
        Ok(padded)
    }
}

fn without_leading_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

fn check_rsa_numbers(n: &[u8], e: &[u8]) -> Result<(), KeyFault> {
    let is_even = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 0);
    if is_even(n) {
        return Err(KeyFault::Even { member: "n" });
    }
    if is_even(e) {
        return Err(KeyFault::Even { member: "e" });
    }
    if e == [1] {
        return Err(KeyFault::ExponentOne);
    }
    if bits(e) > MAX_EXPONENT_BITS {
        return Err(KeyFault::ExponentLength { bits: bits(e) });
    }
    match bits(n) {
        bits @ ..2048 => Err(KeyFault::Weak { bits }),
        bits @ 16385.. => Err(KeyFault::TooLarge { bits }),
        _ => Ok(()),
    }
}
