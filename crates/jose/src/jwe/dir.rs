//! Direct use of a shared key (RFC 7518 section 4.5).

use zeroize::Zeroizing;

use super::{Algorithm, Cek, Decrypter, Encryption, Prepared, find_encryption};
use crate::header::Header;
use crate::jwk::{Jwk, Material};

pub(super) static ALGORITHMS: [Algorithm; 1] = [Algorithm {
    name: "dir",
    decrypter,
}];

/// Such a key's `alg` is `dir` or, as in RFC 7520 section 5.6, the content encryption.
fn decrypter(key: &Jwk) -> Prepared {
    let encryption = key.alg().filter(|&alg| alg != "dir");
    let encryption = match encryption {
        None => None,
        Some(alg) => match find_encryption(alg) {
            None => return Ok(None),
            found => found,
        },
    };
    match &key.material {
        Material::Octets(secret) => Ok(Some(Box::new(Shared {
            secret: secret.clone(),
            encryption,
        }))),
        _ => Ok(None),
    }
}

struct Shared {
    secret: Zeroizing<Vec<u8>>,
    /// The only one that the key is for.
    encryption: Option<&'static Encryption>,
}

impl Decrypter for Shared {
    fn fits(&self, encryption: &Encryption) -> bool {
        let only = self.encryption.map(|only| only.name);
        self.secret.len() == encryption.key_length
            && only.is_none_or(|only| only == encryption.name)
    }

    fn unwrap(&self, _: &Header, encrypted_key: &[u8], _: &Encryption) -> Option<Cek> {
        encrypted_key.is_empty().then(|| self.secret.clone())
    }
}
