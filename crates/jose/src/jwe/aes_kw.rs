//! AES Key Wrap (RFC 7518 section 4.4, RFC 3394).

use openssl::cipher::{Cipher, CipherRef};
use openssl::cipher_ctx::{CipherCtx, CipherCtxFlags};
use openssl::error::ErrorStack;
use zeroize::Zeroizing;

use super::{Algorithm, Cek, Decrypter, Encryption, Prepared};
use crate::header::Header;
use crate::jwk::Jwk;

pub(super) static ALGORITHMS: [Algorithm; 3] = [
    Algorithm {
        name: "A128KW",
        decrypter: |key| decrypter(key, "A128KW", 16, Cipher::aes_128_wrap),
    },
    Algorithm {
        name: "A192KW",
        decrypter: |key| decrypter(key, "A192KW", 24, Cipher::aes_192_wrap),
    },
    Algorithm {
        name: "A256KW",
        decrypter: |key| decrypter(key, "A256KW", 32, Cipher::aes_256_wrap),
    },
];

fn decrypter(key: &Jwk, name: &str, length: usize, cipher: fn() -> &'static CipherRef) -> Prepared {
    let secret = key.secret_for(name, length);
    Ok(secret.map(|secret| Box::new(Wrapping { secret, cipher }) as Box<dyn Decrypter>))
}

struct Wrapping {
    secret: Zeroizing<Vec<u8>>,
    cipher: fn() -> &'static CipherRef,
}

impl Wrapping {
    fn unwrap(&self, encrypted_key: &[u8]) -> Result<Cek, ErrorStack> {
        let mut context = CipherCtx::new()?;
        context.set_flags(CipherCtxFlags::FLAG_WRAP_ALLOW);
        context.decrypt_init(Some((self.cipher)()), Some(&self.secret), None)?;
        let mut key = Zeroizing::new(Vec::with_capacity(
            encrypted_key.len().saturating_add(BLOCK),
        ));
        context.cipher_update_vec(encrypted_key, &mut key)?;
        Ok(key)
    }
}

impl Decrypter for Wrapping {
    fn unwrap(&self, _: &Header, encrypted_key: &[u8], encryption: &Encryption) -> Option<Cek> {
        let wrapped_length = encryption.key_length.saturating_add(BLOCK);
        if encrypted_key.len() != wrapped_length {
            return None;
        }
        self.unwrap(encrypted_key).ok()
    }
}

/// By how much a wrapped key is longer.
const BLOCK: usize = 8;
