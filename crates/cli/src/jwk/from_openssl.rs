//! A JWK of a key that OpenSSL has read (RFC 7518 section 6, RFC 8037 section 2).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::ec::{EcGroupRef, EcPointRef};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, Id, PKey, PKeyRef, Private};
use openssl::x509::X509;
use serde_json::Value;
use test_tokens::JwkObject;

const UNSUPPORTED: &str = "the key is neither RSA nor on one of the curves P-256, P-384, P-521, \
                           secp256k1, Ed25519, Ed448, X25519 and X448";

/// A certificate or a key in DER.
///
/// # Errors
/// What is wrong.
pub fn read_der(bytes: &[u8]) -> Result<JwkObject, String> {
    if let Ok(certificate) = X509::from_der(bytes) {
        return public_jwk(&*certificate.public_key().map_err(failed)?);
    }
    if let Ok(key) = PKey::public_key_from_der(bytes) {
        return public_jwk(&key);
    }
    match PKey::private_key_from_der(bytes) {
        Ok(key) => private_jwk(&key),
        Err(_) => Err(
            "neither PEM nor DER of a key or certificate, nor a JWK Set; a secret needs \
                       --secret"
                .into(),
        ),
    }
}

/// The JWK of a public key.
///
/// # Errors
/// What is wrong.
pub fn public_jwk<T: HasPublic>(key: &PKeyRef<T>) -> Result<JwkObject, String> {
    let raw = |kty: &str, crv: &str| {
        let x = key.raw_public_key().map_err(failed)?;
        Ok(members([
            ("kty", kty.into()),
            ("crv", crv.into()),
            ("x", bytes(&x)),
        ]))
    };
    match key.id() {
        Id::RSA | Id::RSA_PSS => {
            let rsa = key.rsa().map_err(failed)?;
            Ok(members([
                ("kty", "RSA".into()),
                ("n", number(rsa.n())),
                ("e", number(rsa.e())),
            ]))
        }
        Id::EC => {
            let ec = key.ec_key().map_err(failed)?;
            let (crv, length) = curve(ec.group())?;
            let (x, y) = coordinates(ec.group(), ec.public_key()).map_err(failed)?;
            Ok(members([
                ("kty", "EC".into()),
                ("crv", crv.into()),
                ("x", padded(&x, length)?),
                ("y", padded(&y, length)?),
            ]))
        }
        Id::ED25519 => raw("OKP", "Ed25519"),
        Id::ED448 => raw("OKP", "Ed448"),
        Id::X25519 => raw("OKP", "X25519"),
        Id::X448 => raw("OKP", "X448"),
        _ => Err(UNSUPPORTED.into()),
    }
}

/// The JWK of a private key, with its public members.
///
/// # Errors
/// What is wrong.
pub fn private_jwk(key: &PKeyRef<Private>) -> Result<JwkObject, String> {
    let mut jwk = public_jwk(key)?;
    match key.id() {
        Id::RSA | Id::RSA_PSS => {
            let rsa = key.rsa().map_err(failed)?;
            let primes = [
                ("p", rsa.p()),
                ("q", rsa.q()),
                ("dp", rsa.dmp1()),
                ("dq", rsa.dmq1()),
                ("qi", rsa.iqmp()),
            ];
            jwk.insert("d".into(), number(rsa.d()));
            for (name, value) in primes {
                jwk.extend(value.map(|value| (name.to_owned(), number(value))));
            }
        }
        Id::EC => {
            let ec = key.ec_key().map_err(failed)?;
            let (_, length) = curve(ec.group())?;
            jwk.insert("d".into(), padded(ec.private_key(), length)?);
        }
        _ => {
            let d = key.raw_private_key().map_err(failed)?;
            jwk.insert("d".into(), bytes(&d));
        }
    }
    Ok(jwk)
}

/// The value of `crv`, and the length of a coordinate in bytes.
fn curve(group: &EcGroupRef) -> Result<(&'static str, i32), String> {
    match group.curve_name() {
        Some(Nid::X9_62_PRIME256V1) => Ok(("P-256", 32)),
        Some(Nid::SECP384R1) => Ok(("P-384", 48)),
        Some(Nid::SECP521R1) => Ok(("P-521", 66)),
        Some(Nid::SECP256K1) => Ok(("secp256k1", 32)),
        _ => Err(UNSUPPORTED.into()),
    }
}

fn coordinates(group: &EcGroupRef, point: &EcPointRef) -> Result<(BigNum, BigNum), ErrorStack> {
    let (mut x, mut y) = (BigNum::new()?, BigNum::new()?);
    let mut context = BigNumContext::new()?;
    point.affine_coordinates(group, &mut x, &mut y, &mut context)?;
    Ok((x, y))
}

fn members<const N: usize>(members: [(&str, Value); N]) -> JwkObject {
    let members = members.into_iter();
    members
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn number(number: &BigNumRef) -> Value {
    bytes(&number.to_vec())
}

/// A number of exactly this length in bytes.
fn padded(number: &BigNumRef, length: i32) -> Result<Value, String> {
    Ok(bytes(&number.to_vec_padded(length).map_err(failed)?))
}

fn bytes(bytes: &[u8]) -> Value {
    URL_SAFE_NO_PAD.encode(bytes).into()
}

fn failed(error: ErrorStack) -> String {
    format!("OpenSSL cannot read the key: {error}")
}
