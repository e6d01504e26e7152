//! RSASSA-PKCS1-v1_5 and RSASSA-PSS with SHA-2 (RFC 7518 sections 3.3 and 3.5), with moduli of
//! 2,048 to 16,384 bits.

use openssl::bn::BigNum;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Public};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{self, RsaPssSaltlen};

use super::algorithm::SignatureAlgorithm;
use crate::crypto::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
};
use crate::crypto::{InvalidKey, Prepared, PublicKey, VerificationAlgorithm, Verifier};
use crate::jwk::{KeyMaterial, bits};

const PKCS1: Padding = Padding::PKCS1;
const PSS: Padding = Padding::PKCS1_PSS;

/// The longest modulus of aws-lc-rs and ring in bits. OpenSSL accepts longer ones, but is slower.
const MAX_LIBRARY_MODULUS: usize = 8192;

pub(super) static ALGORITHMS: [SignatureAlgorithm; 6] = [
    SignatureAlgorithm {
        name: "RS256",
        verifier: |key| {
            verifier(
                key,
                &RSA_PKCS1_2048_8192_SHA256,
                PKCS1,
                MessageDigest::sha256,
            )
        },
    },
    SignatureAlgorithm {
        name: "RS384",
        verifier: |key| {
            verifier(
                key,
                &RSA_PKCS1_2048_8192_SHA384,
                PKCS1,
                MessageDigest::sha384,
            )
        },
    },
    SignatureAlgorithm {
        name: "RS512",
        verifier: |key| {
            verifier(
                key,
                &RSA_PKCS1_2048_8192_SHA512,
                PKCS1,
                MessageDigest::sha512,
            )
        },
    },
    SignatureAlgorithm {
        name: "PS256",
        verifier: |key| verifier(key, &RSA_PSS_2048_8192_SHA256, PSS, MessageDigest::sha256),
    },
    SignatureAlgorithm {
        name: "PS384",
        verifier: |key| verifier(key, &RSA_PSS_2048_8192_SHA384, PSS, MessageDigest::sha384),
    },
    SignatureAlgorithm {
        name: "PS512",
        verifier: |key| verifier(key, &RSA_PSS_2048_8192_SHA512, PSS, MessageDigest::sha512),
    },
];

fn verifier(
    key: &KeyMaterial,
    algorithm: &'static dyn VerificationAlgorithm,
    padding: Padding,
    digest: fn() -> MessageDigest,
) -> Prepared<dyn Verifier> {
    let KeyMaterial::Rsa { n, e, .. } = key else {
        return Ok(None);
    };
    let rsa = public_key(n, e).map_err(|_| InvalidKey)?;
    if bits(n) <= MAX_LIBRARY_MODULUS {
        let der = rsa.public_key_to_der_pkcs1().map_err(|_| InvalidKey)?;
        return Ok(Some(Box::new(PublicKey::new(algorithm, &der)?)));
    }
    let key = PKey::from_rsa(rsa).map_err(|_| InvalidKey)?;
    Ok(Some(Box::new(LargeRsaKey {
        key,
        padding,
        digest: digest(),
    })))
}

fn public_key(n: &[u8], e: &[u8]) -> Result<Rsa<Public>, ErrorStack> {
    Rsa::from_public_components(BigNum::from_slice(n)?, BigNum::from_slice(e)?)
}

/// A key that only OpenSSL accepts.
struct LargeRsaKey {
    key: PKey<Public>,
    padding: Padding,
    digest: MessageDigest,
}

impl LargeRsaKey {
    fn check(&self, message: &[u8], signature: &[u8]) -> Result<bool, ErrorStack> {
        let mut verifier = sign::Verifier::new(self.digest, &self.key)?;
        verifier.set_rsa_padding(self.padding)?;
        if self.padding == PSS {
            verifier.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
            verifier.set_rsa_mgf1_md(self.digest)?;
        }
        verifier.verify_oneshot(signature, message)
    }
}

impl Verifier for LargeRsaKey {
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        signature.len() == self.key.size() && self.check(message, signature).unwrap_or(false)
    }
}
