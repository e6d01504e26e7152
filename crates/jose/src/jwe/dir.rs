//! Direct use of a shared key as the content key (RFC 7518 section 4.5).

use zeroize::Zeroizing;

use super::algorithm::{ContentKey, Decrypter, KeyManagementAlgorithm};
use super::content::{ContentEncryption, find_encryption};
use crate::crypto::Prepared;
use crate::header::JoseHeader;
use crate::jwk::{Jwk, KeyMaterial};

pub(super) static ALGORITHMS: [KeyManagementAlgorithm; 1] = [KeyManagementAlgorithm {
    name: "dir",
    decrypter,
}];

/// The `alg` of such a key is `dir` or, as in RFC 7520 section 5.6, a content encryption.
fn decrypter(key: &Jwk) -> Prepared<dyn Decrypter> {
    let only_encryption = match key.alg() {
        None | Some("dir") => None,
        Some(alg) => match find_encryption(alg) {
            None => return Ok(None),
            found => found,
        },
    };
    match &key.material {
        KeyMaterial::Octets(secret) => Ok(Some(Box::new(SharedKey {
            secret: secret.clone(),
            only_encryption,
        }))),
        _ => Ok(None),
    }
}

struct SharedKey {
    secret: Zeroizing<Vec<u8>>,
    /// The content encryption that the key is restricted to.
    only_encryption: Option<&'static ContentEncryption>,
}

impl Decrypter for SharedKey {
    fn fits(&self, _: &JoseHeader, encryption: &ContentEncryption) -> bool {
        self.secret.len() == encryption.key_length
            && self
                .only_encryption
                .is_none_or(|only| only.name == encryption.name)
    }

    fn unwrap_key(
        &self,
        _: &JoseHeader,
        encrypted_key: &[u8],
        _: &ContentEncryption,
    ) -> Option<ContentKey> {
        encrypted_key.is_empty().then(|| self.secret.clone())
    }
}
