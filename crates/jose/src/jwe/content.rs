//! Content encryption (RFC 7518 section 5). Lengths of key, initialization vector and tag are exact, and nothing is
//! decrypted before it is authenticated.

use openssl::memcmp;
use openssl::symm::{self, Cipher};
use zeroize::Zeroizing;

use super::Cek;
use crate::backend::hmac;
use crate::error::Error;

/// One content encryption.
pub(crate) struct Encryption {
    /// Its `enc`.
    pub(crate) name: &'static str,
    /// Length of its key in bytes.
    pub(super) key_length: usize,
    mode: Mode,
}

enum Mode {
    /// RFC 7518 section 5.3.
    Gcm { cipher: fn() -> Cipher },
    /// RFC 7518 section 5.2: the first half of the key is for HMAC, the second for the cipher; half the MAC is the tag.
    CbcHmac {
        cipher: fn() -> Cipher,
        mac: fn() -> hmac::Algorithm,
    },
}

pub(super) static ENCRYPTIONS: [Encryption; 6] = [
    cbc_hmac("A128CBC-HS256", 32, Cipher::aes_128_cbc, || {
        hmac::HMAC_SHA256
    }),
    cbc_hmac("A192CBC-HS384", 48, Cipher::aes_192_cbc, || {
        hmac::HMAC_SHA384
    }),
    cbc_hmac("A256CBC-HS512", 64, Cipher::aes_256_cbc, || {
        hmac::HMAC_SHA512
    }),
    gcm("A128GCM", 16, Cipher::aes_128_gcm),
    gcm("A192GCM", 24, Cipher::aes_192_gcm),
    gcm("A256GCM", 32, Cipher::aes_256_gcm),
];

const fn gcm(name: &'static str, key_length: usize, cipher: fn() -> Cipher) -> Encryption {
    Encryption {
        name,
        key_length,
        mode: Mode::Gcm { cipher },
    }
}

const fn cbc_hmac(
    name: &'static str,
    key_length: usize,
    cipher: fn() -> Cipher,
    mac: fn() -> hmac::Algorithm,
) -> Encryption {
    Encryption {
        name,
        key_length,
        mode: Mode::CbcHmac { cipher, mac },
    }
}

impl Encryption {
    /// A key that opens nothing.
    pub(super) fn random_key(&self) -> Result<Cek, Error> {
        let mut key = Zeroizing::new(vec![0; self.key_length]);
        openssl::rand::rand_bytes(&mut key).map_err(|_| Error::NoRandomness)?;
        Ok(key)
    }

    /// The plaintext; none if anything is wrong. The key has to be of the right length.
    pub(crate) fn open(
        &self,
        key: &[u8],
        iv: &[u8],
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8],
    ) -> Option<Vec<u8>> {
        match &self.mode {
            Mode::Gcm { cipher } => open_gcm(cipher(), key, iv, aad, ciphertext, tag),
            Mode::CbcHmac { cipher, mac } => {
                let (mac_key, key) = key.split_at_checked(key.len() >> 1)?;
                let mut context = hmac::Context::with_key(&hmac::Key::new(mac(), mac_key));
                for part in [aad, iv, ciphertext, &aad_bits(aad)] {
                    context.update(part);
                }
                let mac = context.sign();
                let expected = mac.as_ref().get(..mac_key.len())?;
                let authentic = tag.len() == expected.len() && memcmp::eq(tag, expected);
                if !authentic || iv.len() != CBC_IV_LENGTH {
                    return None;
                }
                symm::decrypt(cipher(), key, Some(iv), ciphertext).ok()
            }
        }
    }
}

/// AES-GCM with a tag of 128 and an initialization vector of 96 bits. OpenSSL would take others.
pub(super) fn open_gcm(
    cipher: Cipher,
    key: &[u8],
    iv: &[u8],
    aad: &[u8],
    ciphertext: &[u8],
    tag: &[u8],
) -> Option<Vec<u8>> {
    if key.len() != cipher.key_len() || iv.len() != GCM_IV_LENGTH || tag.len() != GCM_TAG_LENGTH {
        return None;
    }
    symm::decrypt_aead(cipher, key, Some(iv), aad, ciphertext, tag).ok()
}

/// AL of RFC 7518 section 5.2.2.1: the length of the additional data in bits.
fn aad_bits(aad: &[u8]) -> [u8; 8] {
    let bytes = u64::try_from(aad.len()).unwrap_or(u64::MAX);
    bytes.saturating_mul(8).to_be_bytes()
}

const CBC_IV_LENGTH: usize = 16;
const GCM_IV_LENGTH: usize = 12;
const GCM_TAG_LENGTH: usize = 16;
