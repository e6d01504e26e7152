//! The public key of an X.509 certificate (RFC 7517 section 4.7). Nothing else in the certificate
//! counts: whoever wrote the key set vouches for the key.

use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::EcKey;
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use openssl::x509::X509;

use super::{EcCurve, EdwardsCurve, KeyMaterial};

/// The public key of this certificate in DER. `None` if it is no certificate, or its key is of a
/// type that is not supported.
pub(super) fn public_key(der: &[u8]) -> Option<KeyMaterial> {
    let key = X509::from_der(der).ok()?.public_key().ok()?;
    let edwards = |crv| {
        Some(KeyMaterial::Okp {
            crv,
            x: key.raw_public_key().ok()?,
        })
    };
    match key.id() {
        Id::RSA => rsa(&key).ok(),
        Id::EC => ec(&key.ec_key().ok()?),
        Id::ED25519 => edwards(EdwardsCurve::Ed25519),
        Id::ED448 => edwards(EdwardsCurve::Ed448),
        _ => None,
    }
}

fn rsa(key: &PKey<Public>) -> Result<KeyMaterial, ErrorStack> {
    let key = key.rsa()?;
    Ok(KeyMaterial::Rsa {
        n: key.n().to_vec(),
        e: key.e().to_vec(),
        private: None,
    })
}

fn ec(key: &EcKey<Public>) -> Option<KeyMaterial> {
    let crv = match key.group().curve_name()? {
        Nid::X9_62_PRIME256V1 => EcCurve::P256,
        Nid::SECP384R1 => EcCurve::P384,
        Nid::SECP521R1 => EcCurve::P521,
        Nid::SECP256K1 => EcCurve::Secp256k1,
        _ => return None,
    };
    let coordinates = || {
        let (mut x, mut y) = (BigNum::new()?, BigNum::new()?);
        let mut context = BigNumContext::new()?;
        key.public_key()
            .affine_coordinates(key.group(), &mut x, &mut y, &mut context)?;
        let length = i32::try_from(crv.coordinate_length()).unwrap_or_default();
        Ok((x.to_vec_padded(length)?, y.to_vec_padded(length)?))
    };
    let (x, y) = coordinates().map_err(|_: ErrorStack| ()).ok()?;
    Some(KeyMaterial::Ec { crv, x, y, d: None })
}
