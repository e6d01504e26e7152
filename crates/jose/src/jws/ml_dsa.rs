//! ML-DSA (RFC 9964, FIPS 204), with an empty context and without a hash before it. A build with
//! ring has none: there the table is empty, so that keys for ML-DSA are unsupported like those of
//! any other unknown algorithm.

use super::algorithm::SignatureAlgorithm;
use crate::crypto::{self, HAS_ML_DSA, Prepared, Verifier};
use crate::jwk::{KeyMaterial, MlDsa};

pub(super) static ALGORITHMS: &[SignatureAlgorithm] = match HAS_ML_DSA {
    true => &ROWS,
    false => &[],
};

static ROWS: [SignatureAlgorithm; 3] = [
    SignatureAlgorithm {
        name: MlDsa::MlDsa44.name(),
        verifier: |key| verifier(key, MlDsa::MlDsa44),
    },
    SignatureAlgorithm {
        name: MlDsa::MlDsa65.name(),
        verifier: |key| verifier(key, MlDsa::MlDsa65),
    },
    SignatureAlgorithm {
        name: MlDsa::MlDsa87.name(),
        verifier: |key| verifier(key, MlDsa::MlDsa87),
    },
];

fn verifier(key: &KeyMaterial, parameters: MlDsa) -> Prepared<dyn Verifier> {
    match key {
        KeyMaterial::MlDsa {
            parameters: own,
            public_key,
        } if *own == parameters => crypto::ml_dsa(parameters, public_key).map(Some),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_used_with_other_parameters() {
        let key = KeyMaterial::MlDsa {
            parameters: MlDsa::MlDsa44,
            public_key: vec![1; 1312],
        };
        for parameters in [MlDsa::MlDsa65, MlDsa::MlDsa87] {
            assert!(matches!(verifier(&key, parameters), Ok(None)));
        }
    }
}
