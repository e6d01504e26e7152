//! What an algorithm for key management consists of.

use zeroize::Zeroizing;

use super::content::ContentEncryption;
use crate::crypto::Prepared;
use crate::header::JoseHeader;
use crate::jwk::Jwk;

/// The key that the content of a token is encrypted with (CEK in the RFCs).
pub(crate) type ContentKey = Zeroizing<Vec<u8>>;

/// Unwraps content keys with one key under one algorithm.
pub(crate) trait Decrypter {
    /// Whether the key can be used with this content encryption and what the header says of the
    /// receiver's key.
    fn fits(&self, _header: &JoseHeader, _encryption: &ContentEncryption) -> bool {
        true
    }

    /// The content key. `None` if `encrypted_key` is not encrypted to this key.
    fn unwrap_key(
        &self,
        header: &JoseHeader,
        encrypted_key: &[u8],
        encryption: &ContentEncryption,
    ) -> Option<ContentKey>;
}

/// An algorithm for key management.
pub(crate) struct KeyManagementAlgorithm {
    /// The value of `alg`.
    pub(crate) name: &'static str,
    /// Prepares a key for this algorithm. `None` if its type, size or `alg` is wrong.
    pub(super) decrypter: fn(&Jwk) -> Prepared<dyn Decrypter>,
}

impl KeyManagementAlgorithm {
    /// Prepares a key for this algorithm. `None` if the key's type, size, `use`, `key_ops` or `alg`
    /// does not allow that.
    pub(crate) fn prepare(&self, key: &Jwk) -> Prepared<dyn Decrypter> {
        match key.may_decrypt() {
            true => (self.decrypter)(key),
            false => Ok(None),
        }
    }
}
