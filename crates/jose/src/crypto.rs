//! Checking signatures and MACs, with the library that does most of them: aws-lc-rs with the cargo
//! feature of that name, ring without it or with the feature `ring`. This file hides in what they
//! differ: ring cannot parse a public key in advance, and has neither P-521 nor secp256k1, which
//! OpenSSL does in its place, nor ML-DSA.

#[cfg(all(feature = "aws-lc-rs", not(feature = "ring")))]
use self::aws_lc as library;
#[cfg(not(all(feature = "aws-lc-rs", not(feature = "ring"))))]
use self::on_ring as library;
pub(crate) use library::{
    HAS_ML_DSA, VerificationAlgorithm, hmac, ml_dsa, p521, secp256k1, signature,
};

/// Checks signatures or MACs with one key under one algorithm.
pub(crate) trait Verifier {
    /// Whether this key made `signature` for `message`.
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool;
}

/// The parts of a key do not make a key of the algorithm.
pub(crate) struct InvalidKey;

/// A key that was prepared for an algorithm. `None` if the key is not meant for the algorithm.
pub(crate) type Prepared<T> = Result<Option<Box<T>>, InvalidKey>;

/// A public key for one algorithm of the library.
pub(crate) struct PublicKey(library::ParsedKey);

impl PublicKey {
    /// `key` is the PKCS #1 DER of an RSA key, the uncompressed point of an EC key, or the encoded
    /// point of an Ed25519 key.
    pub(crate) fn new(
        algorithm: &'static dyn VerificationAlgorithm,
        key: &[u8],
    ) -> Result<Self, InvalidKey> {
        library::parse(algorithm, key).map(Self)
    }
}

impl Verifier for PublicKey {
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        library::verify(&self.0, message, signature)
    }
}

#[cfg(all(feature = "aws-lc-rs", not(feature = "ring")))]
mod aws_lc {
    pub(crate) use aws_lc_rs::hmac;
    pub(crate) use aws_lc_rs::signature::{self, VerificationAlgorithm};

    use super::{InvalidKey, PublicKey, Verifier};
    use crate::jwk::MlDsa;

    /// Whether the library has ML-DSA.
    pub(crate) const HAS_ML_DSA: bool = true;

    pub(super) type ParsedKey = signature::ParsedPublicKey;

    pub(super) fn parse(
        algorithm: &'static dyn VerificationAlgorithm,
        key: &[u8],
    ) -> Result<ParsedKey, InvalidKey> {
        ParsedKey::new(algorithm, key).map_err(|_| InvalidKey)
    }

    pub(super) fn verify(key: &ParsedKey, message: &[u8], signature: &[u8]) -> bool {
        key.verify_sig(message, signature).is_ok()
    }

    /// ES512 with the key that has this uncompressed point.
    pub(crate) fn p521(point: &[u8]) -> Result<Box<dyn Verifier>, InvalidKey> {
        let key = PublicKey::new(&signature::ECDSA_P521_SHA512_FIXED, point)?;
        Ok(Box::new(key))
    }

    /// ES256K with the key that has this uncompressed point.
    pub(crate) fn secp256k1(point: &[u8]) -> Result<Box<dyn Verifier>, InvalidKey> {
        let key = PublicKey::new(&signature::ECDSA_P256K1_SHA256_FIXED, point)?;
        Ok(Box::new(key))
    }

    /// ML-DSA with an empty context and this encoded public key.
    pub(crate) fn ml_dsa(
        parameters: MlDsa,
        public_key: &[u8],
    ) -> Result<Box<dyn Verifier>, InvalidKey> {
        let algorithm = match parameters {
            MlDsa::MlDsa44 => &signature::ML_DSA_44,
            MlDsa::MlDsa65 => &signature::ML_DSA_65,
            MlDsa::MlDsa87 => &signature::ML_DSA_87,
        };
        Ok(Box::new(PublicKey::new(algorithm, public_key)?))
    }
}

#[cfg(not(all(feature = "aws-lc-rs", not(feature = "ring"))))]
mod on_ring {
    use openssl::bn::{BigNum, BigNumContext};
    use openssl::ec::{EcGroup, EcKey, EcPoint};
    use openssl::ecdsa::EcdsaSig;
    use openssl::error::ErrorStack;
    use openssl::hash::{MessageDigest, hash};
    use openssl::nid::Nid;
    use openssl::pkey::Public;
    pub(crate) use ring::hmac;
    pub(crate) use ring::signature::{self, VerificationAlgorithm};

    use super::{InvalidKey, Verifier};
    use crate::jwk::MlDsa;

    /// Whether the library has ML-DSA.
    pub(crate) const HAS_ML_DSA: bool = false;

    /// ring parses the key for each signature.
    pub(super) type ParsedKey = signature::UnparsedPublicKey<Vec<u8>>;

    pub(super) fn parse(
        algorithm: &'static dyn VerificationAlgorithm,
        key: &[u8],
    ) -> Result<ParsedKey, InvalidKey> {
        // A point that is not on its curve has to be refused when the set is loaded. Only points of
        // P-256 and P-384 have these lengths.
        match key.len() {
            65 => drop(ec_key(Nid::X9_62_PRIME256V1, key).map_err(|_| InvalidKey)?),
            97 => drop(ec_key(Nid::SECP384R1, key).map_err(|_| InvalidKey)?),
            _ => {}
        }
        Ok(ParsedKey::new(algorithm, key.to_vec()))
    }

    pub(super) fn verify(key: &ParsedKey, message: &[u8], signature: &[u8]) -> bool {
        key.verify(message, signature).is_ok()
    }

    /// ES512 with the key that has this uncompressed point, by OpenSSL.
    pub(crate) fn p521(point: &[u8]) -> Result<Box<dyn Verifier>, InvalidKey> {
        ecdsa_key(Nid::SECP521R1, point, 66, MessageDigest::sha512())
    }

    /// ES256K with the key that has this uncompressed point, by OpenSSL.
    pub(crate) fn secp256k1(point: &[u8]) -> Result<Box<dyn Verifier>, InvalidKey> {
        ecdsa_key(Nid::SECP256K1, point, 32, MessageDigest::sha256())
    }

    /// There is no algorithm for such keys, so that this is never called.
    pub(crate) fn ml_dsa(_: MlDsa, _: &[u8]) -> Result<Box<dyn Verifier>, InvalidKey> {
        Err(InvalidKey)
    }

    fn ecdsa_key(
        curve: Nid,
        point: &[u8],
        number_length: usize,
        digest: MessageDigest,
    ) -> Result<Box<dyn Verifier>, InvalidKey> {
        let key = ec_key(curve, point).map_err(|_| InvalidKey)?;
        Ok(Box::new(EcdsaKey {
            key,
            number_length,
            digest,
        }))
    }

    fn ec_key(curve: Nid, point: &[u8]) -> Result<EcKey<Public>, ErrorStack> {
        let group = EcGroup::from_curve_name(curve)?;
        let mut context = BigNumContext::new()?;
        let point = EcPoint::from_bytes(&group, point, &mut context)?;
        EcKey::from_public_key(&group, &point)
    }

    /// A key for ECDSA by OpenSSL.
    struct EcdsaKey {
        key: EcKey<Public>,
        /// Length of R, and of S, in bytes.
        number_length: usize,
        digest: MessageDigest,
    }

    impl EcdsaKey {
        fn check(&self, message: &[u8], r: &[u8], s: &[u8]) -> Result<bool, ErrorStack> {
            let (r, s) = (BigNum::from_slice(r)?, BigNum::from_slice(s)?);
            let signature = EcdsaSig::from_private_components(r, s)?;
            let is_valid = signature.verify(&hash(self.digest, message)?, &self.key)?;
            // OpenSSL has an error for an invalid signature, for which nginx would log an [alert].
            drop(ErrorStack::get());
            Ok(is_valid)
        }
    }

    impl Verifier for EcdsaKey {
        fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
            match signature.split_at_checked(self.number_length) {
                Some((r, s)) if s.len() == self.number_length => {
                    self.check(message, r, s).unwrap_or(false)
                }
                _ => false,
            }
        }
    }
}
