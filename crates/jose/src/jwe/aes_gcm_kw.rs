//! Key encryption with AES-GCM (RFC 7518 section 4.7): initialization vector and tag are in the header.

use openssl::symm::Cipher;
use zeroize::Zeroizing;

use super::content::open_gcm;
use super::{Algorithm, Cek, Decrypter, Encryption, Prepared};
use crate::compact;
use crate::error::Part;
use crate::header::Header;
use crate::jwk::Jwk;

pub(super) static ALGORITHMS: [Algorithm; 3] = [
    Algorithm {
        name: "A128GCMKW",
        decrypter: |key| decrypter(key, "A128GCMKW", 16, Cipher::aes_128_gcm),
    },
    Algorithm {
        name: "A192GCMKW",
        decrypter: |key| decrypter(key, "A192GCMKW", 24, Cipher::aes_192_gcm),
    },
    Algorithm {
        name: "A256GCMKW",
        decrypter: |key| decrypter(key, "A256GCMKW", 32, Cipher::aes_256_gcm),
    },
];

fn decrypter(key: &Jwk, name: &str, length: usize, cipher: fn() -> Cipher) -> Prepared {
    let secret = key.secret_for(name, length);
    Ok(secret.map(|secret| Box::new(Wrapping { secret, cipher }) as Box<dyn Decrypter>))
}

struct Wrapping {
    secret: Zeroizing<Vec<u8>>,
    cipher: fn() -> Cipher,
}

impl Decrypter for Wrapping {
    fn unwrap(&self, header: &Header, encrypted_key: &[u8], _: &Encryption) -> Option<Cek> {
        let parameter = |name: &[u8], part| {
            let text = header.object().get(name)?.as_str()?;
            compact::decode(text.as_bytes(), part).ok()
        };
        let (iv, tag) = (parameter(b"iv", Part::Iv)?, parameter(b"tag", Part::Tag)?);
        let cipher = (self.cipher)();
        open_gcm(cipher, &self.secret, &iv, &[], encrypted_key, &tag).map(Zeroizing::new)
    }
}
