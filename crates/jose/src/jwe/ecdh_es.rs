//! ECDH-ES (RFC 7518 section 4.6, RFC 8037 section 3.2): the sender makes a key pair for each token
//! and agrees on a key with the receiver's public key. The agreed key is the content key, or the
//! key of AES Key Wrap.

use openssl::sha::Sha256;
use zeroize::Zeroizing;

use super::aes_key_wrap::KeyWrap;
use super::agreement::AgreementKey;
use super::algorithm::{ContentKey, Decrypter, KeyManagementAlgorithm};
use super::content::ContentEncryption;
use crate::compact;
use crate::crypto::Prepared;
use crate::error::InputPart;
use crate::header::JoseHeader;
use crate::jwk::Jwk;

/// Maximum length in bytes of `apu` and of `apv`. Usual ones are names, nonces or hashes.
const MAX_PARTY_INFO: usize = 512;

/// Length of a SHA-256 hash in bytes.
const HASH_LENGTH: usize = 32;

pub(super) static ALGORITHMS: [KeyManagementAlgorithm; 4] = [
    KeyManagementAlgorithm {
        name: "ECDH-ES",
        decrypter: |key| decrypter(key, "ECDH-ES", None),
    },
    KeyManagementAlgorithm {
        name: "ECDH-ES+A128KW",
        decrypter: |key| decrypter(key, "ECDH-ES+A128KW", Some(&KeyWrap::A128)),
    },
    KeyManagementAlgorithm {
        name: "ECDH-ES+A192KW",
        decrypter: |key| decrypter(key, "ECDH-ES+A192KW", Some(&KeyWrap::A192)),
    },
    KeyManagementAlgorithm {
        name: "ECDH-ES+A256KW",
        decrypter: |key| decrypter(key, "ECDH-ES+A256KW", Some(&KeyWrap::A256)),
    },
];

fn decrypter(
    key: &Jwk,
    name: &'static str,
    wrapping: Option<&'static KeyWrap>,
) -> Prepared<dyn Decrypter> {
    if key.alg().is_some_and(|alg| alg != name) {
        return Ok(None);
    }
    let Some(key) = AgreementKey::new(&key.material)? else {
        return Ok(None);
    };
    Ok(Some(Box::new(Receiver {
        key,
        name,
        wrapping,
    })))
}

struct Receiver {
    key: AgreementKey,
    name: &'static str,
    /// `None` if the agreed key is the content key.
    wrapping: Option<&'static KeyWrap>,
}

impl Receiver {
    /// A key of this length that sender and receiver have agreed on.
    fn agreed_key(
        &self,
        header: &JoseHeader,
        purpose: &str,
        length: usize,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let sender = party_info(header, b"apu")?;
        let receiver = party_info(header, b"apv")?;
        let secret = self.key.shared_secret(header.object().get(b"epk")?)?;
        concat_kdf(&secret, &[purpose.as_bytes(), &sender, &receiver], length)
    }
}

impl Decrypter for Receiver {
    /// A token names the curve of the key that it is encrypted to. A key on another curve is not
    /// tried.
    fn fits(&self, header: &JoseHeader, _: &ContentEncryption) -> bool {
        let crv = header.object().path(&["epk", "crv"]);
        crv.and_then(|crv| crv.as_str())
            .is_none_or(|crv| crv == self.key.crv())
    }

    fn unwrap_key(
        &self,
        header: &JoseHeader,
        encrypted_key: &[u8],
        encryption: &ContentEncryption,
    ) -> Option<ContentKey> {
        match self.wrapping {
            None if encrypted_key.is_empty() => {
                self.agreed_key(header, encryption.name, encryption.key_length)
            }
            None => None,
            Some(wrapping) => {
                let key = self.agreed_key(header, self.name, wrapping.key_length)?;
                wrapping.unwrap(&key, encrypted_key, encryption)
            }
        }
    }
}

/// `apu` or `apv`, which is empty if the header has no such parameter. `None` if it is malformed or
/// too long.
fn party_info(header: &JoseHeader, name: &[u8]) -> Option<Vec<u8>> {
    let Some(value) = header.object().get(name) else {
        return Some(Vec::new());
    };
    let info = compact::decode(value.as_str()?.as_bytes(), InputPart::Header).ok()?;
    (info.len() <= MAX_PARTY_INFO).then_some(info)
}

/// The Concat KDF with SHA-256 (NIST SP 800-56A section 5.8.1, as RFC 7518 section 4.6.2 uses it).
/// `other_info` has AlgorithmID, PartyUInfo and PartyVInfo, before which their lengths are hashed.
/// `length` is that of the key in bytes.
fn concat_kdf(secret: &[u8], other_info: &[&[u8]; 3], length: usize) -> Option<Zeroizing<Vec<u8>>> {
    let number = |number: usize| u32::try_from(number).ok().map(u32::to_be_bytes);
    let key_bits = number(length.checked_mul(8)?)?;
    // With this capacity the vector does not grow, which would leave a copy of the key in freed
    // memory.
    let mut key = Zeroizing::new(Vec::with_capacity(length.next_multiple_of(HASH_LENGTH)));
    for round in 1..=length.div_ceil(HASH_LENGTH) {
        let mut hash = Sha256::new();
        hash.update(&number(round)?);
        hash.update(secret);
        for info in other_info {
            hash.update(&number(info.len())?);
            hash.update(info);
        }
        hash.update(&key_bits);
        key.extend_from_slice(&*Zeroizing::new(hash.finish()));
    }
    key.truncate(length);
    Some(key)
}
