//! EdDSA with Ed25519 and Ed448 (RFC 8037 section 3.1), under that name and under those of RFC 9864.

use openssl::pkey::{Id, PKey, Public};
use openssl::sign;

use super::{Algorithm, Prepared, Verifier};
use crate::backend::signature::ED25519;
use crate::backend::{Invalid, PublicKey};
use crate::jwk::{Edwards, Material};

pub(super) static ALGORITHMS: [Algorithm; 3] = [
    Algorithm {
        name: "EdDSA",
        verifier: |key| verifier(key, &[Edwards::Ed25519, Edwards::Ed448]),
    },
    Algorithm {
        name: "Ed25519",
        verifier: |key| verifier(key, &[Edwards::Ed25519]),
    },
    Algorithm {
        name: "Ed448",
        verifier: |key| verifier(key, &[Edwards::Ed448]),
    },
];

fn verifier(key: &Material, curves: &[Edwards]) -> Prepared {
    let Material::Okp { crv, x } = key else {
        return Ok(None);
    };
    if !curves.contains(crv) {
        return Ok(None);
    }
    if is_weak(*crv, x) {
        return Err(Invalid);
    }
    match crv {
        Edwards::Ed25519 => Ok(Some(Box::new(PublicKey::new(&ED25519, x)?))),
        Edwards::Ed448 => {
            let key = PKey::public_key_from_raw_bytes(x, Id::ED448).map_err(|_| Invalid)?;
            Ok(Some(Box::new(Ed448(key))))
        }
    }
}

struct Ed448(PKey<Public>);

impl Verifier for Ed448 {
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let verifier = sign::Verifier::new_without_digest(&self.0);
        let valid = verifier.and_then(|mut verifier| verifier.verify_oneshot(signature, message));
        valid.unwrap_or(false)
    }
}

/// Whether the point is among the few for which signatures can be had without a private key, or not written as RFC 8032
/// sections 5.1.3 and 5.2.3 demand. The y of such a point is 0, 1 or -1, or for Ed25519 one of two more (those of order
/// 8), and the y of the other ones is p or more. The sign of x does not matter.
fn is_weak(curve: Edwards, point: &[u8]) -> bool {
    let mut y = point.to_vec();
    y.reverse();
    if let Some(first) = y.first_mut() {
        *first &= 0x7f;
    }
    let small = |order_8: &[[u8; 32]], p_minus_1: &[u8]| {
        let mut high = y.iter().take(y.len().saturating_sub(1));
        let at_most_1 = high.all(|&byte| byte == 0) && y.last().is_some_and(|&low| low <= 1);
        at_most_1 || y.as_slice() >= p_minus_1 || order_8.iter().any(|order_8| y == order_8)
    };
    match curve {
        Edwards::Ed25519 => small(&ORDER_8_25519, &P_MINUS_1_25519),
        Edwards::Ed448 => small(&[], &P_MINUS_1_448),
    }
}

/// 2^255 - 20, big-endian like all numbers here.
const P_MINUS_1_25519: [u8; 32] = {
    let mut number = [0xff; 32];
    number[0] = 0x7f;
    number[31] = 0xec;
    number
};

/// 2^448 - 2^224 - 2, as long as a point.
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
