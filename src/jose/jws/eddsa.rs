//! EdDSA with Ed25519 and Ed448 (RFC 8037 section 3.1), under that name and under those of RFC 9864.

use openssl::pkey::{Id, PKey, Public};
use openssl::sign;

use super::{Algorithm, Prepared, Verifier};
use crate::jose::backend::signature::ED25519;
use crate::jose::backend::{Invalid, PublicKey};
use crate::jose::jwk::{Edwards, Material};

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
    if has_small_order(*crv, x) {
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

/// Whether the point is among the few for which signatures can be had without a private key. Such a y is 0, 1 or -1
/// modulo p, or for Ed25519 one of two more (points of order 8); the sign of x does not matter.
fn has_small_order(curve: Edwards, point: &[u8]) -> bool {
    let mut y = point.to_vec();
    if let Some(last) = y.last_mut() {
        *last &= 0x7f;
    }
    match curve {
        Edwards::Ed25519 => SMALL_25519.iter().any(|small| y == small) || is_trivial(&y, &P_25519),
        Edwards::Ed448 => is_trivial(&y, &P_448),
    }
}

/// Whether a little-endian number is 0, 1 or -1 modulo `p`.
fn is_trivial(y: &[u8], p: &[u8]) -> bool {
    let (Some((&low, high)), Some((&p_low, p_high))) = (y.split_first(), p.split_first()) else {
        return false;
    };
    let small = low <= 1 && high.iter().all(|&byte| byte == 0);
    let around_p = low.abs_diff(p_low) <= 1 && high == p_high;
    small || around_p
}

/// 2^255 - 19, little-endian.
const P_25519: [u8; 32] = {
    let mut p = [0xff; 32];
    p[0] = 0xed;
    p[31] = 0x7f;
    p
};

/// 2^448 - 2^224 - 1, little-endian, as long as a point.
const P_448: [u8; 57] = {
    let mut p = [0xff; 57];
    p[28] = 0xfe;
    p[56] = 0;
    p
};

/// The y coordinates of the points of order 8.
const SMALL_25519: [[u8; 32]; 2] = [
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];
