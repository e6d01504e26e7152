//! Content encryption (RFC 7518 section 5). Key, initialization vector and tag must have the exact
//! length, and nothing is decrypted before it is authenticated.

use openssl::memcmp;
use openssl::symm::{self, Cipher};
use zeroize::Zeroizing;

use crate::crypto::hmac;
use crate::error::Error;

const CBC_IV_LENGTH: usize = 16;
const AEAD_IV_LENGTH: usize = 12;
const AEAD_TAG_LENGTH: usize = 16;

static ENCRYPTIONS: [ContentEncryption; 6] = [
    cbc_hmac("A128CBC-HS256", 32, Cipher::aes_128_cbc, || {
        hmac::HMAC_SHA256
    }),
    cbc_hmac("A192CBC-HS384", 48, Cipher::aes_192_cbc, || {
        hmac::HMAC_SHA384
    }),
    cbc_hmac("A256CBC-HS512", 64, Cipher::aes_256_cbc, || {
        hmac::HMAC_SHA512
    }),
    aead("A128GCM", 16, Cipher::aes_128_gcm),
    aead("A192GCM", 24, Cipher::aes_192_gcm),
    aead("A256GCM", 32, Cipher::aes_256_gcm),
];

/// An algorithm for content encryption.
pub(crate) struct ContentEncryption {
    /// The value of `enc`.
    pub(crate) name: &'static str,
    /// Length of the content key in bytes.
    pub(super) key_length: usize,
    mode: CipherMode,
}

enum CipherMode {
    /// RFC 7518 section 5.3: a cipher that authenticates by itself, with an initialization vector of
    /// 96 bits and a tag of 128.
    Aead { cipher: fn() -> Cipher },
    /// RFC 7518 section 5.2: the first half of the key is for HMAC, the second half for AES. The
    /// tag is the first half of the MAC.
    CbcHmac {
        cipher: fn() -> Cipher,
        mac: fn() -> hmac::Algorithm,
    },
}

/// All content encryptions.
pub(crate) fn encryptions() -> impl Iterator<Item = &'static ContentEncryption> {
    ENCRYPTIONS.iter()
}

/// The content encryption with this name.
pub(crate) fn find_encryption(name: &str) -> Option<&'static ContentEncryption> {
    encryptions().find(|encryption| encryption.name == name)
}

impl ContentEncryption {
    /// A key that decrypts nothing.
    pub(super) fn random_key(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut key = Zeroizing::new(vec![0; self.key_length]);
        openssl::rand::rand_bytes(&mut key).map_err(|_| Error::NoRandomness)?;
        Ok(key)
    }

    /// The plaintext. `None` if anything is wrong. The key has to have the right length.
    pub(crate) fn open(
        &self,
        key: &[u8],
        iv: &[u8],
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8],
    ) -> Option<Vec<u8>> {
        match &self.mode {
            CipherMode::Aead { cipher } => open_aead(cipher(), key, iv, aad, ciphertext, tag),
            CipherMode::CbcHmac { cipher, mac } => {
                let (mac_key, key) = key.split_at_checked(key.len() >> 1)?;
                let mut context = hmac::Context::with_key(&hmac::Key::new(mac(), mac_key));
                for part in [aad, iv, ciphertext, &length_in_bits(aad)] {
                    context.update(part);
                }
                let mac = context.sign();
                let expected = mac.as_ref().get(..mac_key.len())?;
                let is_authentic = tag.len() == expected.len() && memcmp::eq(tag, expected);
                if !is_authentic || iv.len() != CBC_IV_LENGTH {
                    return None;
                }
                symm::decrypt(cipher(), key, Some(iv), ciphertext).ok()
            }
        }
    }
}

/// The plaintext of an AEAD, which is AES-GCM. `None` if anything is wrong. OpenSSL would also accept initialization
/// vectors and tags of other lengths.
pub(super) fn open_aead(
    cipher: Cipher,
    key: &[u8],
    iv: &[u8],
    aad: &[u8],
    ciphertext: &[u8],
    tag: &[u8],
) -> Option<Vec<u8>> {
    if key.len() != cipher.key_len() || iv.len() != AEAD_IV_LENGTH || tag.len() != AEAD_TAG_LENGTH {
        return None;
    }
    symm::decrypt_aead(cipher, key, Some(iv), aad, ciphertext, tag).ok()
}

/// AL of RFC 7518 section 5.2.2.1.
fn length_in_bits(aad: &[u8]) -> [u8; 8] {
    let bytes = u64::try_from(aad.len()).unwrap_or(u64::MAX);
    bytes.saturating_mul(8).to_be_bytes()
}

const fn aead(name: &'static str, key_length: usize, cipher: fn() -> Cipher) -> ContentEncryption {
    ContentEncryption {
        name,
        key_length,
        mode: CipherMode::Aead { cipher },
    }
}

const fn cbc_hmac(
    name: &'static str,
    key_length: usize,
    cipher: fn() -> Cipher,
    mac: fn() -> hmac::Algorithm,
) -> ContentEncryption {
    ContentEncryption {
        name,
        key_length,
        mode: CipherMode::CbcHmac { cipher, mac },
    }
}
