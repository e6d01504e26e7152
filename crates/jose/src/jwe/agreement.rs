//! Diffie-Hellman on the curves of RFC 7518 section 6.2.1.1 and RFC 7748: the receiver's private
//! key, the sender's public key in the header, and the secret that only these two can compute.
//! OpenSSL does it in both builds, because ring agrees only with keys that it has generated itself.

use std::cmp::Ordering;

use openssl::bn::{BigNum, BigNumContext};
use openssl::derive::Deriver;
use openssl::ec::{EcGroup, EcGroupRef, EcKey, EcPoint, EcPointRef};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use zeroize::Zeroizing;

use crate::compact;
use crate::crypto::InvalidKey;
use crate::error::InputPart;
use crate::json::JsonValue;
use crate::jwk::{EcCurve, KeyMaterial, MontgomeryCurve, PrivateNumber};
use crate::step_counter;

/// What both parties compute: the first coordinate of a point.
pub(super) type SharedSecret = Zeroizing<Vec<u8>>;

/// The receiver's private key. OpenSSL wipes it when it is dropped.
pub(super) enum AgreementKey {
    Ec {
        crv: EcCurve,
        key: EcKey<Private>,
    },
    Montgomery {
        crv: MontgomeryCurve,
        key: PKey<Private>,
    },
}

impl AgreementKey {
    /// `None` if the key's type or curve is not for key agreement, or if it has no private member
    /// that may be used for that.
    pub(super) fn new(key: &KeyMaterial) -> Result<Option<Self>, InvalidKey> {
        match key {
            KeyMaterial::Ec {
                crv,
                x,
                y,
                d: Some(d),
            } => match nid(*crv) {
                Some(nid) => {
                    let key = shared(d, || ec_private_key(nid, x, y, d))?;
                    let key = key.ec_key().map_err(|_| InvalidKey)?;
                    Ok(Some(Self::Ec { crv: *crv, key }))
                }
                None => Ok(None),
            },
            KeyMaterial::Montgomery { crv, x, d: Some(d) } => {
                let key = shared(d, || montgomery_private_key(*crv, x, d))?;
                Ok(Some(Self::Montgomery { crv: *crv, key }))
            }
            _ => Ok(None),
        }
    }

    /// The name of the curve.
    pub(super) fn crv(&self) -> &'static str {
        match self {
            Self::Ec { crv, .. } => crv.name(),
            Self::Montgomery { crv, .. } => crv.name(),
        }
    }

    /// The secret that is shared with the owner of `epk`, the JWK in a header (RFC 7518 section
    /// 4.6.1.1). `None` if `epk` is not a public key on this key's curve, is written with other
    /// lengths or characters than the RFCs demand, or if everybody knows the secret.
    pub(super) fn shared_secret(&self, epk: JsonValue<'_>) -> Option<SharedSecret> {
        let text = |member: &str| epk.get(member.as_bytes())?.as_str();
        let coordinate = |member: &str, length: usize| {
            let bytes = compact::decode(text(member)?.as_bytes(), InputPart::Header).ok()?;
            (bytes.len() == length).then_some(bytes)
        };
        // A private member would make the secret known to everybody.
        if text("crv")? != self.crv() || epk.get(b"d").is_some() {
            return None;
        }
        match (self, &*text("kty")?) {
            (Self::Ec { crv, key }, "EC") => {
                let x = coordinate("x", crv.coordinate_length())?;
                let y = coordinate("y", crv.coordinate_length())?;
                ec_secret(key, &x, &y).ok()
            }
            (Self::Montgomery { crv, key }, "OKP") => {
                let x = coordinate("x", crv.point_length())?;
                let secret = montgomery_secret(key, &x, id(*crv)).ok()?;
                // With a point of small order the secret is zero for every private key (RFC 8037
                // section 3.2). OpenSSL refuses that, too, but does not document it.
                let bits = secret.iter().fold(0, |bits, byte| bits | byte);
                (bits != 0).then_some(secret)
            }
            _ => None,
        }
    }
}

/// OpenSSL's number of a curve. `None` for a curve that is not for key agreement in JOSE.
fn nid(crv: EcCurve) -> Option<Nid> {
    match crv {
        EcCurve::P256 => Some(Nid::X9_62_PRIME256V1),
        EcCurve::P384 => Some(Nid::SECP384R1),
        EcCurve::P521 => Some(Nid::SECP521R1),
        EcCurve::Secp256k1 => None,
    }
}

/// OpenSSL's number of a type of key.
fn id(crv: MontgomeryCurve) -> Id {
    match crv {
        MontgomeryCurve::X25519 => Id::X25519,
        MontgomeryCurve::X448 => Id::X448,
    }
}

/// The point with these coordinates. OpenSSL refuses one that is not on the curve.
fn point(
    group: &EcGroupRef,
    x: &[u8],
    y: &[u8],
    context: &mut BigNumContext,
) -> Result<EcPoint, ErrorStack> {
    EcPoint::from_bytes(group, &[&[4], x, y].concat(), context)
}

/// The key with this private number, which is made and checked for the first algorithm.
// perf: there are four algorithms, and the check takes as long as a decryption.
fn shared(
    d: &PrivateNumber,
    make: impl FnOnce() -> Result<Option<PKey<Private>>, ErrorStack>,
) -> Result<PKey<Private>, InvalidKey> {
    if let Some(key) = d.prepared.get() {
        return Ok(key.clone());
    }
    step_counter::add(step_counter::KEY_CHECK);
    let key = make().map_err(|_| InvalidKey)?.ok_or(InvalidKey)?;
    Ok(d.prepared.get_or_init(|| key).clone())
}

/// `None` if the private number is not that of the point.
fn ec_private_key(
    nid: Nid,
    x: &[u8],
    y: &[u8],
    d: &PrivateNumber,
) -> Result<Option<PKey<Private>>, ErrorStack> {
    let mut context = BigNumContext::new()?;
    let group = EcGroup::from_curve_name(nid)?;
    let point = point(&group, x, y, &mut context)?;
    let mut number = BigNum::from_slice(&d.bytes)?;
    let key = EcKey::from_private_components(&group, &number, &point);
    number.clear();
    let key = key?;
    match is_consistent(&key, &point, &mut context)? {
        true => PKey::from_ec_key(key).map(Some),
        false => Ok(None),
    }
}

/// `None` if the private number is not that of the point.
fn montgomery_private_key(
    crv: MontgomeryCurve,
    x: &[u8],
    d: &PrivateNumber,
) -> Result<Option<PKey<Private>>, ErrorStack> {
    let key = PKey::private_key_from_raw_bytes(&d.bytes, id(crv))?;
    let public = key.raw_public_key()?;
    Ok((public == x).then_some(key))
}

/// Whether the private number is from 1 to n - 1, and its multiple of the generator is this point.
fn is_consistent(
    key: &EcKey<Private>,
    point: &EcPointRef,
    context: &mut BigNumContext,
) -> Result<bool, ErrorStack> {
    let (group, d) = (key.group(), key.private_key());
    let mut order = BigNum::new()?;
    group.order(&mut order, context)?;
    if d.num_bits() == 0 || d.ucmp(&order) != Ordering::Less {
        return Ok(false);
    }
    let mut multiple = EcPoint::new(group)?;
    multiple.mul_generator2(group, d, context)?;
    multiple.eq(group, point, context)
}

/// The first coordinate of a multiple of the sender's point. The cofactor of these curves is 1, so
/// that no other point than the one at infinity, which cannot be written in a JWK, has small order.
// perf: OpenSSL's interface for any kind of key checks the order of the point as well, which
// doubles the time.
fn ec_secret(key: &EcKey<Private>, x: &[u8], y: &[u8]) -> Result<SharedSecret, ErrorStack> {
    let mut context = BigNumContext::new()?;
    let group = key.group();
    let sender = point(group, x, y, &mut context)?;
    let mut multiple = EcPoint::new(group)?;
    multiple.mul2(group, &sender, key.private_key(), &mut context)?;
    let (mut x, mut y) = (BigNum::new()?, BigNum::new()?);
    multiple.affine_coordinates(group, &mut x, &mut y, &mut context)?;
    let field_bytes = group.degree().div_ceil(8);
    let secret = x.to_vec_padded(i32::try_from(field_bytes).unwrap_or_default());
    x.clear();
    y.clear();
    secret.map(Zeroizing::new)
}

fn montgomery_secret(key: &PKey<Private>, x: &[u8], id: Id) -> Result<SharedSecret, ErrorStack> {
    let sender = PKey::public_key_from_raw_bytes(x, id)?;
    let mut deriver = Deriver::new(key)?;
    deriver.set_peer(&sender)?;
    deriver.derive_to_vec().map(Zeroizing::new)
}
