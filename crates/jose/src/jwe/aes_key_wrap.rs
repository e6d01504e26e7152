//! Key wrapping with AES: AES Key Wrap (RFC 7518 section 4.4, RFC 3394), and AES-GCM (RFC 7518
//! section 4.7) with initialization vector and tag in the header.

use openssl::cipher::{Cipher, CipherRef};
use openssl::cipher_ctx::{CipherCtx, CipherCtxFlags};
use openssl::error::ErrorStack;
use openssl::symm;
use zeroize::Zeroizing;

use super::algorithm::{ContentKey, Decrypter, KeyManagementAlgorithm};
use super::content::{ContentEncryption, open_aead};
use crate::compact;
use crate::crypto::Prepared;
use crate::error::InputPart;
use crate::header::JoseHeader;
use crate::jwk::Jwk;

/// By how many bytes AES Key Wrap makes a key longer.
const WRAPPING_OVERHEAD: usize = 8;

pub(super) static ALGORITHMS: [KeyManagementAlgorithm; 6] = [
    KeyManagementAlgorithm {
        name: "A128KW",
        decrypter: |key| decrypter(key, "A128KW", 16, WrapCipher::KeyWrap(&KeyWrap::A128)),
    },
    KeyManagementAlgorithm {
        name: "A192KW",
        decrypter: |key| decrypter(key, "A192KW", 24, WrapCipher::KeyWrap(&KeyWrap::A192)),
    },
    KeyManagementAlgorithm {
        name: "A256KW",
        decrypter: |key| decrypter(key, "A256KW", 32, WrapCipher::KeyWrap(&KeyWrap::A256)),
    },
    KeyManagementAlgorithm {
        name: "A128GCMKW",
        decrypter: |key| {
            let cipher = WrapCipher::Gcm(symm::Cipher::aes_128_gcm);
            decrypter(key, "A128GCMKW", 16, cipher)
        },
    },
    KeyManagementAlgorithm {
        name: "A192GCMKW",
        decrypter: |key| {
            let cipher = WrapCipher::Gcm(symm::Cipher::aes_192_gcm);
            decrypter(key, "A192GCMKW", 24, cipher)
        },
    },
    KeyManagementAlgorithm {
        name: "A256GCMKW",
        decrypter: |key| {
            let cipher = WrapCipher::Gcm(symm::Cipher::aes_256_gcm);
            decrypter(key, "A256GCMKW", 32, cipher)
        },
    },
];

fn decrypter(key: &Jwk, name: &str, length: usize, cipher: WrapCipher) -> Prepared<dyn Decrypter> {
    match key.secret_for(name, length) {
        Some(secret) => Ok(Some(Box::new(WrappingKey { secret, cipher }))),
        None => Ok(None),
    }
}

/// AES Key Wrap with keys of one length.
pub(super) struct KeyWrap {
    /// Length of the wrapping key in bytes.
    pub(super) key_length: usize,
    cipher: fn() -> &'static CipherRef,
}

impl KeyWrap {
    pub(super) const A128: Self = Self {
        key_length: 16,
        cipher: Cipher::aes_128_wrap,
    };
    pub(super) const A192: Self = Self {
        key_length: 24,
        cipher: Cipher::aes_192_wrap,
    };
    pub(super) const A256: Self = Self {
        key_length: 32,
        cipher: Cipher::aes_256_wrap,
    };

    /// The content key. `None` if this key did not wrap it, or it has the wrong length.
    pub(super) fn unwrap(
        &self,
        key: &[u8],
        encrypted_key: &[u8],
        encryption: &ContentEncryption,
    ) -> Option<ContentKey> {
        let length = encryption.key_length.saturating_add(WRAPPING_OVERHEAD);
        if encrypted_key.len() != length {
            return None;
        }
        unwrap((self.cipher)(), key, encrypted_key).ok()
    }
}

enum WrapCipher {
    KeyWrap(&'static KeyWrap),
    Gcm(fn() -> symm::Cipher),
}

struct WrappingKey {
    secret: Zeroizing<Vec<u8>>,
    cipher: WrapCipher,
}

impl Decrypter for WrappingKey {
    fn unwrap_key(
        &self,
        header: &JoseHeader,
        encrypted_key: &[u8],
        encryption: &ContentEncryption,
    ) -> Option<ContentKey> {
        match self.cipher {
            WrapCipher::KeyWrap(cipher) => cipher.unwrap(&self.secret, encrypted_key, encryption),
            WrapCipher::Gcm(cipher) => {
                let parameter = |name: &[u8], part| {
                    let text = header.object().get(name)?.as_str()?;
                    compact::decode(text.as_bytes(), part).ok()
                };
                let iv = parameter(b"iv", InputPart::Iv)?;
                let tag = parameter(b"tag", InputPart::Tag)?;
                let key = open_aead(cipher(), &self.secret, &iv, &[], encrypted_key, &tag)?;
                Some(Zeroizing::new(key))
            }
        }
    }
}

fn unwrap(
    cipher: &CipherRef,
    secret: &[u8],
    encrypted_key: &[u8],
) -> Result<ContentKey, ErrorStack> {
    let mut context = CipherCtx::new()?;
    context.set_flags(CipherCtxFlags::FLAG_WRAP_ALLOW);
    context.decrypt_init(Some(cipher), Some(secret), None)?;
    // With this capacity the vector does not grow, which would leave a copy of the key in freed
    // memory.
    let capacity = encrypted_key.len().saturating_add(WRAPPING_OVERHEAD);
    let mut key = Zeroizing::new(Vec::with_capacity(capacity));
    context.cipher_update_vec(encrypted_key, &mut key)?;
    Ok(key)
}
