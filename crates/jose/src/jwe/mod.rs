//! Decryption (RFC 7516 section 5.2). The registry of key-management algorithms (RFC 7518 section 4) is like that of
//! signatures: one row for each in its family's file, and a key becomes a [`Decrypter`] only where it fits. Whatever
//! is wrong with an encrypted key, initialization vector, ciphertext or tag, the answer is the same, and a key that
//! does not unwrap is replaced by a random one, so that the time is the same, too (RFC 7516 section 11.5). There are
//! no rows for RSA1_5 and PBES2.

mod aes_gcm_kw;
mod aes_kw;
mod content;
mod dir;
mod rsa_oaep;

use text::Quoted;
use zeroize::Zeroizing;

use super::backend::Invalid;
use super::compact::{self, Limits};
use super::error::{Error, Part};
use super::header::Header;
use super::jwk::Jwk;
use super::jwks::KeySet;
pub(super) use content::Encryption;

/// One key-management algorithm.
pub(super) struct Algorithm {
    /// Its `alg`.
    pub(super) name: &'static str,
    /// What decrypts with this key; none if the key is not for this algorithm.
    decrypter: fn(&Jwk) -> Prepared,
}

/// A key made ready for an algorithm; none if it is not for that algorithm.
pub(super) type Prepared = Result<Option<Box<dyn Decrypter>>, Invalid>;

/// A content-encryption key.
type Cek = Zeroizing<Vec<u8>>;

/// A key prepared for one algorithm.
pub(super) trait Decrypter {
    /// Whether the key can be used with this content encryption.
    fn fits(&self, _encryption: &Encryption) -> bool {
        true
    }

    /// The content-encryption key, if the encrypted key is one of this key's.
    fn unwrap(&self, header: &Header, encrypted_key: &[u8], encryption: &Encryption)
    -> Option<Cek>;
}

static FAMILIES: [&[Algorithm]; 4] = [
    &aes_kw::ALGORITHMS,
    &aes_gcm_kw::ALGORITHMS,
    &dir::ALGORITHMS,
    &rsa_oaep::ALGORITHMS,
];

/// All algorithms.
pub(super) fn algorithms() -> impl Iterator<Item = &'static Algorithm> {
    FAMILIES.into_iter().flatten()
}

/// The algorithm with this name.
pub(super) fn find(name: &str) -> Option<&'static Algorithm> {
    algorithms().find(|algorithm| algorithm.name == name)
}

/// All content encryptions.
pub(super) fn encryptions() -> impl Iterator<Item = &'static Encryption> {
    content::ENCRYPTIONS.iter()
}

/// The content encryption with this name.
pub(super) fn find_encryption(name: &str) -> Option<&'static Encryption> {
    encryptions().find(|encryption| encryption.name == name)
}

impl Algorithm {
    /// What decrypts with this key under this algorithm; none if the key does not fit by its kind, size, `use`,
    /// `key_ops` or `alg`.
    pub(super) fn prepare(&self, key: &Jwk) -> Prepared {
        match key.decrypts() {
            true => (self.decrypter)(key),
            false => Ok(None),
        }
    }
}

/// The algorithms of a header that asks for nothing that we don't know.
pub(super) fn check_header(
    header: &Header,
) -> Result<(&'static Algorithm, &'static Encryption), Error> {
    header.refuse_extensions()?;
    let algorithm = find(header.alg()).ok_or_else(|| Error::UnsupportedAlgorithm {
        alg: Quoted::new(header.alg()),
    })?;
    let enc = header.enc().unwrap_or_default();
    let encryption = find_encryption(enc).ok_or_else(|| Error::UnsupportedEncryption {
        enc: Quoted::new(enc),
    })?;
    match header.zip() {
        None | Some("DEF") => Ok((algorithm, encryption)),
        Some(zip) => Err(Error::UnsupportedCompression {
            zip: Quoted::new(zip),
        }),
    }
}

/// What is in a JWE besides its header (RFC 7516 section 7.1), decoded.
pub(super) struct Encrypted {
    /// The header as it came, which is authenticated with the ciphertext.
    aad: Vec<u8>,
    encrypted_key: Vec<u8>,
    iv: Vec<u8>,
    ciphertext: Vec<u8>,
    tag: Vec<u8>,
}

impl Encrypted {
    /// Checks the form of a token.
    pub(super) fn parse(token: &[u8], limits: &Limits) -> Result<(Header, Self), Error> {
        let [header, encrypted_key, iv, ciphertext, tag] = compact::split(token)?;
        let encrypted = Self {
            aad: header.to_vec(),
            encrypted_key: compact::decode(encrypted_key, Part::EncryptedKey)?,
            iv: compact::decode(iv, Part::Iv)?,
            ciphertext: compact::decode(ciphertext, Part::Ciphertext)?,
            tag: compact::decode(tag, Part::Tag)?,
        };
        let header = Header::parse(header, limits)?;
        match header.enc() {
            Some(_) => Ok((header, encrypted)),
            None => Err(Error::HeaderParameter { name: "enc" }),
        }
    }

    /// The plaintext, inflated to `inflated_bytes` at most where the header says `zip`.
    pub(super) fn decrypt(
        &self,
        header: &Header,
        keys: &KeySet,
        inflated_bytes: usize,
    ) -> Result<Vec<u8>, Error> {
        let (algorithm, encryption) = check_header(header)?;
        let plaintext = self.open(header, algorithm, encryption, keys)?;
        match header.zip() {
            None => Ok(plaintext),
            Some(_) => inflate(&plaintext, inflated_bytes),
        }
    }

    fn open(
        &self,
        header: &Header,
        algorithm: &'static Algorithm,
        encryption: &Encryption,
        keys: &KeySet,
    ) -> Result<Vec<u8>, Error> {
        let mut tried = 0usize;
        for key in keys.decrypters(algorithm, encryption, header.kid()) {
            tried = tried.saturating_add(1);
            let cek = key.unwrap(header, &self.encrypted_key, encryption);
            let random = encryption.random_key()?;
            let cek = cek
                .filter(|cek| cek.len() == random.len())
                .unwrap_or(random);
            let opened = encryption.open(&cek, &self.iv, &self.aad, &self.ciphertext, &self.tag);
            if let Some(plaintext) = opened {
                return Ok(plaintext);
            }
        }
        let (alg, kid) = (algorithm.name, header.kid().map(Quoted::new));
        Err(match tried {
            0 => Error::UnknownKey {
                alg: Quoted::new(alg),
                kid,
            },
            _ => Error::DecryptionFailed { alg, kid, tried },
        })
    }
}

/// Inflates (RFC 1951) to `limit` bytes at most. The content is authentic by now, but its author may still be careless.
fn inflate(compressed: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
    use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_with_limit};
    decompress_to_vec_with_limit(compressed, limit).map_err(|error| match error.status {
        TINFLStatus::HasMoreOutput => Error::TooLarge {
            part: Part::Claims,
            limit,
        },
        _ => Error::Inflate,
    })
}
