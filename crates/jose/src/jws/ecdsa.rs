//! ECDSA with SHA-2 on the curve of the same strength (RFC 7518 section 3.4). A signature is R and S one after the
//! other, each as long as the curve's order: never DER.

use super::{Algorithm, Prepared};
use crate::backend::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED};
use crate::backend::{self, PublicKey, VerificationAlgorithm};
use crate::jwk::{Curve, Material};

pub(super) static ALGORITHMS: [Algorithm; 3] = [
    Algorithm {
        name: "ES256",
        verifier: |key| verifier(key, Curve::P256, &ECDSA_P256_SHA256_FIXED),
    },
    Algorithm {
        name: "ES384",
        verifier: |key| verifier(key, Curve::P384, &ECDSA_P384_SHA384_FIXED),
    },
    Algorithm {
        name: "ES512",
        verifier: |key| match key {
            Material::Ec {
                crv: Curve::P521,
                x,
                y,
            } => backend::p521(&point(x, y)).map(Some),
            _ => Ok(None),
        },
    },
];

fn verifier(
    key: &Material,
    curve: Curve,
    algorithm: &'static dyn VerificationAlgorithm,
) -> Prepared {
    match key {
        Material::Ec { crv, x, y } if *crv == curve => {
            Ok(Some(Box::new(PublicKey::new(algorithm, &point(x, y))?)))
        }
        _ => Ok(None),
    }
}

/// An uncompressed point (SEC 1 section 2.3.3).
fn point(x: &[u8], y: &[u8]) -> Vec<u8> {
    [&[4], x, y].concat()
}
