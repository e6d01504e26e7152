//! Decryption (RFC 7516 section 5.2), and two registries: of algorithms for key management, which
//! are values of `alg` (RFC 7518 section 4), and of content encryptions, which are values of `enc`
//! (section 5). An algorithm is one row in the file of its family, and a key gets a [`Decrypter`]
//! for it only if it is meant for such keys. A content encryption is one row of `ENCRYPTIONS` in
//! content.rs, and goes with every algorithm. There are no rows for RSA1_5 and PBES2.

mod aes_key_wrap;
mod agreement;
mod algorithm;
mod content;
mod dir;
mod ecdh_es;
mod rsa_oaep;

use text::Quoted;

use crate::compact;
use crate::error::{Error, InputPart};
use crate::header::JoseHeader;
use crate::limits::Limits;
pub(crate) use algorithm::{Decrypter, KeyManagementAlgorithm};
pub(crate) use content::{ContentEncryption, encryptions, find_encryption};

static FAMILIES: [&[KeyManagementAlgorithm]; 4] = [
    &aes_key_wrap::ALGORITHMS,
    &dir::ALGORITHMS,
    &ecdh_es::ALGORITHMS,
    &rsa_oaep::ALGORITHMS,
];

/// All algorithms.
pub(crate) fn algorithms() -> impl Iterator<Item = &'static KeyManagementAlgorithm> {
    FAMILIES.into_iter().flatten()
}

/// The algorithm with this name.
pub(crate) fn find(name: &str) -> Option<&'static KeyManagementAlgorithm> {
    algorithms().find(|algorithm| algorithm.name == name)
}

/// The algorithms of a token with this header.
///
/// # Errors
/// If one of the algorithms, the compression or an extension is not supported.
pub(crate) fn check_header(
    header: &JoseHeader,
) -> Result<(&'static KeyManagementAlgorithm, &'static ContentEncryption), Error> {
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

/// The parts of a JWE besides the header (RFC 7516 section 7.1), decoded.
pub(crate) struct JweParts {
    /// The header as it is in the token, which is authenticated together with the ciphertext.
    aad: Vec<u8>,
    encrypted_key: Vec<u8>,
    iv: Vec<u8>,
    ciphertext: Vec<u8>,
    tag: Vec<u8>,
}

impl JweParts {
    /// Parses a token into its header and the other parts.
    pub(crate) fn parse(token: &[u8], limits: &Limits) -> Result<(JoseHeader, Self), Error> {
        let [header, encrypted_key, iv, ciphertext, tag] = compact::split(token)?;
        let parts = Self {
            aad: header.to_vec(),
            encrypted_key: compact::decode(encrypted_key, InputPart::EncryptedKey)?,
            iv: compact::decode(iv, InputPart::Iv)?,
            ciphertext: compact::decode(ciphertext, InputPart::Ciphertext)?,
            tag: compact::decode(tag, InputPart::Tag)?,
        };
        let header = JoseHeader::parse(header, limits)?;
        match header.enc() {
            Some(_) => Ok((header, parts)),
            None => Err(Error::HeaderParameter { name: "enc" }),
        }
    }

    /// The number of bytes that are decrypted or authenticated.
    pub(crate) fn length(&self) -> usize {
        self.aad.len().saturating_add(self.ciphertext.len())
    }

    /// The plaintext, still compressed. `None` whatever is wrong with the encrypted key,
    /// initialization vector, ciphertext or tag. A content key that cannot be unwrapped is replaced
    /// by a random key, so that the time does not tell either (RFC 7516 section 11.5).
    ///
    /// # Errors
    /// [`Error::NoRandomness`]
    pub(crate) fn decrypt_with(
        &self,
        key: &dyn Decrypter,
        header: &JoseHeader,
        encryption: &ContentEncryption,
    ) -> Result<Option<Vec<u8>>, Error> {
        let unwrapped = key.unwrap_key(header, &self.encrypted_key, encryption);
        let random = encryption.random_key()?;
        let content_key = unwrapped
            .filter(|unwrapped| unwrapped.len() == random.len())
            .unwrap_or(random);
        let Self {
            aad,
            iv,
            ciphertext,
            tag,
            ..
        } = self;
        Ok(encryption.open(&content_key, iv, aad, ciphertext, tag))
    }
}

/// Inflates (RFC 1951) decrypted content to at most `limit` bytes.
///
/// # Errors
/// [`Error::TooLarge`], [`Error::Inflate`]
pub(crate) fn inflate(compressed: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
    use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_with_limit};
    decompress_to_vec_with_limit(compressed, limit).map_err(|error| match error.status {
        TINFLStatus::HasMoreOutput => Error::TooLarge {
            part: InputPart::Claims,
            limit,
        },
        _ => Error::Inflate,
    })
}
