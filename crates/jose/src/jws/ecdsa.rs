//! ECDSA with SHA-2 on the curve of the same strength (RFC 7518 section 3.4, RFC 8812 section 3.2).
//! A signature is R followed by S, each as long as the order of the curve. DER is refused. Each
//! signature has a twin with n - S in the place of S, and no RFC says that only one of them is
//! good.

use super::algorithm::SignatureAlgorithm;
use crate::crypto::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED};
use crate::crypto::{self, Prepared, PublicKey, VerificationAlgorithm, Verifier};
use crate::jwk::{EcCurve, KeyMaterial};

pub(super) static ALGORITHMS: [SignatureAlgorithm; 4] = [
    SignatureAlgorithm {
        name: "ES256",
        verifier: |key| verifier(key, EcCurve::P256, &ECDSA_P256_SHA256_FIXED),
    },
    SignatureAlgorithm {
        name: "ES384",
        verifier: |key| verifier(key, EcCurve::P384, &ECDSA_P384_SHA384_FIXED),
    },
    SignatureAlgorithm {
        name: "ES512",
        verifier: |key| match key {
            KeyMaterial::Ec {
                crv: EcCurve::P521,
                x,
                y,
                ..
            } => crypto::p521(&uncompressed_point(x, y)).map(Some),
            _ => Ok(None),
        },
    },
    SignatureAlgorithm {
        name: "ES256K",
        verifier: |key| match key {
            KeyMaterial::Ec {
                crv: EcCurve::Secp256k1,
                x,
                y,
                ..
            } => crypto::secp256k1(&uncompressed_point(x, y)).map(Some),
            _ => Ok(None),
        },
    },
];

fn verifier(
    key: &KeyMaterial,
    curve: EcCurve,
    algorithm: &'static dyn VerificationAlgorithm,
) -> Prepared<dyn Verifier> {
    match key {
        KeyMaterial::Ec { crv, x, y, .. } if *crv == curve => {
            let key = PublicKey::new(algorithm, &uncompressed_point(x, y))?;
            Ok(Some(Box::new(key)))
        }
        _ => Ok(None),
    }
}

/// An uncompressed point (SEC 1 section 2.3.3).
fn uncompressed_point(x: &[u8], y: &[u8]) -> Vec<u8> {
    [&[4], x, y].concat()
}
