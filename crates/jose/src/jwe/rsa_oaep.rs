//! RSAES-OAEP (RFC 7518 section 4.3). The W3C has registered the variants with SHA-384 and SHA-512.

use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::error::ErrorStack;
use openssl::md::{Md, MdRef};
use openssl::pkey::{PKey, Private};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::{Padding, RsaPrivateKeyBuilder};
use zeroize::Zeroizing;

use super::algorithm::{ContentKey, Decrypter, KeyManagementAlgorithm};
use super::content::ContentEncryption;
use crate::crypto::{InvalidKey, Prepared};
use crate::header::JoseHeader;
use crate::jwk::{Jwk, KeyMaterial, RsaPrivateMembers};

pub(super) static ALGORITHMS: [KeyManagementAlgorithm; 4] = [
    KeyManagementAlgorithm {
        name: "RSA-OAEP",
        decrypter: |key| decrypter(key, "RSA-OAEP", Md::sha1),
    },
    KeyManagementAlgorithm {
        name: "RSA-OAEP-256",
        decrypter: |key| decrypter(key, "RSA-OAEP-256", Md::sha256),
    },
    KeyManagementAlgorithm {
        name: "RSA-OAEP-384",
        decrypter: |key| decrypter(key, "RSA-OAEP-384", Md::sha384),
    },
    KeyManagementAlgorithm {
        name: "RSA-OAEP-512",
        decrypter: |key| decrypter(key, "RSA-OAEP-512", Md::sha512),
    },
];

fn decrypter(key: &Jwk, name: &str, digest: fn() -> &'static MdRef) -> Prepared<dyn Decrypter> {
    let KeyMaterial::Rsa {
        n,
        e,
        private: Some(private),
    } = &key.material
    else {
        return Ok(None);
    };
    if key.alg().is_some_and(|alg| alg != name) {
        return Ok(None);
    }
    let key = private_key(n, e, private)?;
    let decrypter = OaepKey { key, digest };
    // private_key has checked the numbers only if there are primes.
    match private.crt.is_some() || decrypter.is_consistent().unwrap_or(false) {
        true => Ok(Some(Box::new(decrypter))),
        false => Err(InvalidKey),
    }
}

/// Makes OpenSSL's key, which wipes the numbers when it is dropped.
fn private_key(
    n: &[u8],
    e: &[u8],
    private: &RsaPrivateMembers,
) -> Result<PKey<Private>, InvalidKey> {
    let number = |bytes: &[u8]| BigNum::from_slice(bytes).map_err(|_| InvalidKey);
    let (n, e, d) = (number(n)?, number(e)?, number(&private.d)?);
    let crt = private
        .crt
        .as_ref()
        .map(|crt| crt.each_ref().map(|value| number(value)));
    // OpenSSL accepts primes that are wrong and then does without them.
    if let Some([Ok(p), Ok(q), Ok(dp), Ok(dq), Ok(qi)]) = &crt
        && !are_consistent(&n, &e, &d, [p, q, dp, dq, qi]).map_err(|_| InvalidKey)?
    {
        return Err(InvalidKey);
    }
    let build = || {
        let builder = RsaPrivateKeyBuilder::new(n, e, d)?;
        let Some([Ok(p), Ok(q), Ok(dp), Ok(dq), Ok(qi)]) = crt else {
            return PKey::from_rsa(builder.build());
        };
        let builder = builder.set_factors(p, q)?.set_crt_params(dp, dq, qi)?;
        PKey::from_rsa(builder.build())
    };
    build().map_err(|_: ErrorStack| InvalidKey)
}

/// Whether the numbers of a private key belong to each other as RFC 8017 section 3.2 says. Whether
/// p and q are primes is not tested.
fn are_consistent(
    n: &BigNumRef,
    e: &BigNumRef,
    d: &BigNumRef,
    [p, q, dp, dq, qi]: [&BigNumRef; 5],
) -> Result<bool, ErrorStack> {
    let mut context = BigNumContext::new()?;
    let one = BigNum::from_u32(1)?;
    let mut product = BigNum::new()?;
    product.checked_mul(p, q, &mut context)?;
    let mut is_consistent = &*product == n;
    let mut are_inverse = |a: &BigNumRef, b: &BigNumRef, modulus: &BigNumRef| {
        product.mod_mul(a, b, modulus, &mut context)?;
        Ok(product == one)
    };
    for (prime, exponent) in [(p, dp), (q, dq)] {
        let mut order = prime.to_owned()?;
        order.sub_word(1)?;
        is_consistent &= are_inverse(e, exponent, &order)? && are_inverse(e, d, &order)?;
    }
    Ok(is_consistent && are_inverse(q, qi, p)?)
}

struct OaepKey {
    key: PKey<Private>,
    digest: fn() -> &'static MdRef,
}

impl OaepKey {
    /// Whether the private exponent belongs to the public one: it decrypts what the other encrypts.
    fn is_consistent(&self) -> Result<bool, ErrorStack> {
        let message = [0x5a; 32];
        let mut context = PkeyCtx::new(&self.key)?;
        context.encrypt_init()?;
        self.set_padding(&mut context)?;
        let mut encrypted = Vec::new();
        context.encrypt_to_vec(&message, &mut encrypted)?;
        Ok(self.decrypt(&encrypted)?.as_slice() == message)
    }

    fn decrypt(&self, encrypted: &[u8]) -> Result<ContentKey, ErrorStack> {
        let mut context = PkeyCtx::new(&self.key)?;
        context.decrypt_init()?;
        self.set_padding(&mut context)?;
        let mut decrypted = Zeroizing::new(Vec::new());
        context.decrypt_to_vec(encrypted, &mut decrypted)?;
        Ok(decrypted)
    }

    fn set_padding(&self, context: &mut PkeyCtx<Private>) -> Result<(), ErrorStack> {
        context.set_rsa_padding(Padding::PKCS1_OAEP)?;
        context.set_rsa_oaep_md((self.digest)())?;
        context.set_rsa_mgf1_md((self.digest)())
    }
}

impl Decrypter for OaepKey {
    fn unwrap_key(
        &self,
        _: &JoseHeader,
        encrypted_key: &[u8],
        _: &ContentEncryption,
    ) -> Option<ContentKey> {
        if encrypted_key.len() != self.key.size() {
            return None;
        }
        self.decrypt(encrypted_key).ok()
    }
}
