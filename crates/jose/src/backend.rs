//! The library behind HMAC and most signatures: aws-lc-rs with the cargo feature of that name, ring without it or with
//! the feature `ring`. Their APIs agree but for two things, which are here: ring cannot parse a public key ahead, and
//! has no P-521.

#[cfg(all(feature = "aws-lc-rs", not(feature = "ring")))]
pub(super) use on_aws_lc::{PublicKey, VerificationAlgorithm, hmac, p521, signature};
#[cfg(not(all(feature = "aws-lc-rs", not(feature = "ring"))))]
pub(super) use on_ring::{PublicKey, VerificationAlgorithm, hmac, p521, signature};

/// The bytes are no key of the algorithm.
pub(super) struct Invalid;

#[cfg(all(feature = "aws-lc-rs", not(feature = "ring")))]
mod on_aws_lc {
    pub(crate) use aws_lc_rs::hmac;
    pub(crate) use aws_lc_rs::signature::{self, VerificationAlgorithm};

    use super::Invalid;
    use crate::jws::Verifier;

    /// A public key bound to one algorithm, ready to verify.
    pub(crate) struct PublicKey(signature::ParsedPublicKey);

    impl PublicKey {
        /// `key`: the PKCS #1 DER of an RSA key, the uncompressed point of an EC key, an encoded Ed25519 point.
        pub(crate) fn new(
            algorithm: &'static dyn VerificationAlgorithm,
            key: &[u8],
        ) -> Result<Self, Invalid> {
            let parsed = signature::ParsedPublicKey::new(algorithm, key);
            parsed.map(Self).map_err(|_| Invalid)
        }
    }

    impl Verifier for PublicKey {
        fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
            self.0.verify_sig(message, signature).is_ok()
        }
    }

    /// ES512 with this uncompressed point.
    pub(crate) fn p521(point: &[u8]) -> Result<Box<dyn Verifier>, Invalid> {
        let key = PublicKey::new(&signature::ECDSA_P521_SHA512_FIXED, point)?;
        Ok(Box::new(key))
    }
}

#[cfg(not(all(feature = "aws-lc-rs", not(feature = "ring"))))]
mod on_ring {
    use openssl::bn::{BigNum, BigNumContext};
    use openssl::ec::{EcGroup, EcKey, EcPoint};
    use openssl::ecdsa::EcdsaSig;
    use openssl::error::ErrorStack;
    use openssl::nid::Nid;
    use openssl::pkey::Public;
    pub(crate) use ring::hmac;
    pub(crate) use ring::signature::{self, VerificationAlgorithm};

    use super::Invalid;
    use crate::jws::Verifier;

    /// A public key bound to one algorithm; ring looks at it anew for each signature.
    pub(crate) struct PublicKey(signature::UnparsedPublicKey<Vec<u8>>);

    impl PublicKey {
        pub(crate) fn new(
            algorithm: &'static dyn VerificationAlgorithm,
            key: &[u8],
        ) -> Result<Self, Invalid> {
            // So that a point off its curve is refused when the set is loaded.
            match key.len() {
                65 => drop(ec_key(Nid::X9_62_PRIME256V1, key).map_err(|_| Invalid)?),
                97 => drop(ec_key(Nid::SECP384R1, key).map_err(|_| Invalid)?),
                _ => {}
            }
            let key = key.to_vec();
            Ok(Self(signature::UnparsedPublicKey::new(algorithm, key)))
        }
    }

    impl Verifier for PublicKey {
        fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
            self.0.verify(message, signature).is_ok()
        }
    }

    /// ES512 with this uncompressed point.
    pub(crate) fn p521(point: &[u8]) -> Result<Box<dyn Verifier>, Invalid> {
        let key = ec_key(Nid::SECP521R1, point).map_err(|_| Invalid)?;
        Ok(Box::new(P521(key)))
    }

    fn ec_key(curve: Nid, point: &[u8]) -> Result<EcKey<Public>, ErrorStack> {
        let group = EcGroup::from_curve_name(curve)?;
        let mut context = BigNumContext::new()?;
        let point = EcPoint::from_bytes(&group, point, &mut context)?;
        EcKey::from_public_key(&group, &point)
    }

    struct P521(EcKey<Public>);

    impl P521 {
        fn check(&self, message: &[u8], r: &[u8], s: &[u8]) -> Result<bool, ErrorStack> {
            let (r, s) = (BigNum::from_slice(r)?, BigNum::from_slice(s)?);
            let signature = EcdsaSig::from_private_components(r, s)?;
            signature.verify(&openssl::sha::sha512(message), &self.0)
        }
    }

    impl Verifier for P521 {
        fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
            match signature.split_at_checked(66) {
                Some((r, s)) if s.len() == 66 => self.check(message, r, s).unwrap_or(false),
                _ => false,
            }
        }
    }
}
