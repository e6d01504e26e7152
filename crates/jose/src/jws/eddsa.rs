//! EdDSA with Ed25519 and Ed448 (RFC 8037 section 3.1), as "EdDSA" and under the names of RFC 9864.

use openssl::pkey::{Id, PKey, Public};
use openssl::sign;

use super::algorithm::SignatureAlgorithm;
use crate::crypto::signature::ED25519;
use crate::crypto::{InvalidKey, Prepared, PublicKey, Verifier};
use crate::jwk::{EdwardsCurve, KeyMaterial};

pub(super) static ALGORITHMS: [SignatureAlgorithm; 3] = [
    SignatureAlgorithm {
        name: "EdDSA",
        verifier: |key| verifier(key, &[EdwardsCurve::Ed25519, EdwardsCurve::Ed448]),
    },
    SignatureAlgorithm {
        name: "Ed25519",
        verifier: |key| verifier(key, &[EdwardsCurve::Ed25519]),
    },
    SignatureAlgorithm {
        name: "Ed448",
        verifier: |key| verifier(key, &[EdwardsCurve::Ed448]),
    },
];

/// p - 1 = 2^255 - 20, big-endian like all numbers here.
const P_MINUS_1_25519: [u8; 32] = {
    let mut number = [0xff; 32];
    number[0] = 0x7f;
    number[31] = 0xec;
    number
};

/// p - 1 = 2^448 - 2^224 - 2, padded to the length of an encoded point.
const P_MINUS_1_448: [u8; 57] = {
    let mut number = [0xff; 57];
    number[0] = 0;
    number[28] = 0xfe;
    number[56] = 0xfe;
    number
};

/// The y coordinates of the points of order 8.
const ORDER_8_25519: [[u8; 32]; 2] = [
    [
        0x05, 0xfc, 0x53, 0x6d, 0x88, 0x02, 0x38, 0xb1, 0x39, 0x33, 0xc6, 0xd3, 0x05, 0xac, 0xdf,
        0xd5, 0xf0, 0x98, 0xef, 0xf2, 0x89, 0xf4, 0xc3, 0x45, 0xb0, 0x27, 0xb2, 0xc2, 0x8f, 0x95,
        0xe8, 0x26,
    ],
    [
        0x7a, 0x03, 0xac, 0x92, 0x77, 0xfd, 0xc7, 0x4e, 0xc6, 0xcc, 0x39, 0x2c, 0xfa, 0x53, 0x20,
        0x2a, 0x0f, 0x67, 0x10, 0x0d, 0x76, 0x0b, 0x3c, 0xba, 0x4f, 0xd8, 0x4d, 0x3d, 0x70, 0x6a,
        0x17, 0xc7,
    ],
];

struct Ed448(PKey<Public>);

impl Verifier for Ed448 {
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let verifier = sign::Verifier::new_without_digest(&self.0);
        let valid = verifier.and_then(|mut verifier| verifier.verify_oneshot(signature, message));
        valid.unwrap_or(false)
    }
}

fn verifier(key: &KeyMaterial, curves: &[EdwardsCurve]) -> Prepared<dyn Verifier> {
    let KeyMaterial::Okp { crv, x } = key else {
        return Ok(None);
    };
    if !curves.contains(crv) {
        return Ok(None);
    }
    if is_weak(*crv, x) {
        return Err(InvalidKey);
    }
    match crv {
        EdwardsCurve::Ed25519 => Ok(Some(Box::new(PublicKey::new(&ED25519, x)?))),
        EdwardsCurve::Ed448 => {
            let key = PKey::public_key_from_raw_bytes(x, Id::ED448).map_err(|_| InvalidKey)?;
            Ok(Some(Box::new(Ed448(key))))
        }
    }
}

/// Whether the point has small order, so that there are signatures which verify without a private
/// key, or is not encoded as RFC 8032 sections 5.1.3 and 5.2.3 demand.
///
/// A point of small order has a y of 0, 1 or -1, or for Ed25519 one of two other values (points of
/// order 8). A y that is p or more is not encoded as demanded. The sign of x does not matter.
fn is_weak(curve: EdwardsCurve, point: &[u8]) -> bool {
    let mut y = point.to_vec();
    y.reverse();
    if let Some(first) = y.first_mut() {
        *first &= 0x7f;
    }
    let is_small_or_large = |p_minus_1: &[u8]| {
        let mut upper_bytes = y.iter().take(y.len().saturating_sub(1));
        let is_0_or_1 =
            upper_bytes.all(|&byte| byte == 0) && y.last().is_some_and(|&lowest| lowest <= 1);
        is_0_or_1 || y.as_slice() >= p_minus_1
    };
    match curve {
        EdwardsCurve::Ed25519 => {
            is_small_or_large(&P_MINUS_1_25519) || ORDER_8_25519.iter().any(|order_8| y == order_8)
        }
        EdwardsCurve::Ed448 => is_small_or_large(&P_MINUS_1_448),
    }
}
