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
use crate::step_counter;

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
    // perf: the four algorithms share one key, which is checked once.
    let key = match private.prepared.get() {
        Some(key) => key.clone(),
        None => {
            let key = private_key(n, e, private)?;
            private.prepared.get_or_init(|| key).clone()
        }
    };
    Ok(Some(Box::new(OaepKey { key, digest })))
}

/// Makes OpenSSL's key, which wipes the numbers when it is dropped.
fn private_key(
    n: &[u8],
    e: &[u8],
    private: &RsaPrivateMembers,
) -> Result<PKey<Private>, InvalidKey> {
    step_counter::add(step_counter::KEY_CHECK);
    let build = || {
        let number = BigNum::from_slice;
        let (n, e, d) = (number(n)?, number(e)?, number(&private.d)?);
        let [p, q, dp, dq, qi] = private.crt.each_ref().map(|member| number(member));
        let crt = [p?, q?, dp?, dq?, qi?];
        // OpenSSL accepts primes that are wrong and then does without them.
        if !are_consistent(&n, &e, &d, crt.each_ref())? {
            return Ok(None);
        }
        let [p, q, dp, dq, qi] = crt;
        let builder = RsaPrivateKeyBuilder::new(n, e, d)?.set_factors(p, q)?;
        let builder = builder.set_crt_params(dp, dq, qi)?;
        PKey::from_rsa(builder.build()).map(Some)
    };
    build()
        .map_err(|_: ErrorStack| InvalidKey)?
        .ok_or(InvalidKey)
}

/// Whether the numbers of a private key belong to each other as RFC 8017 section 3.2 says. Whether
/// p and q are primes is not tested.
fn are_consistent(
    n: &BigNumRef,
    e: &BigNumRef,
    d: &BigNumRef,
    [p, q, dp, dq, qi]: [&BigNum; 5],
) -> Result<bool, ErrorStack> {
    let mut context = BigNumContext::new()?;
    let one = BigNum::from_u32(1)?;
    let mut product = BigNum::new()?;
    product.checked_mul(p, q, &mut context)?;
    if &*product != n {
        return Ok(false);
    }
    let mut is_consistent = true;
    let mut are_inverse = |a: &BigNumRef, b: &BigNumRef, modulus: &BigNumRef| {
        product.mod_mul(a, b, modulus, &mut context)?;
        Ok(product == one)
    };
    for (prime, exponent) in [(p, dp), (q, dq)] {
        let mut order = BigNumRef::to_owned(prime)?;
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
