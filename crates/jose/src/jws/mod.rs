//! The registry of signature and MAC algorithms (RFC 7518 section 3, RFC 8037, RFC 9864). An algorithm is one row in
//! its family's file. A key becomes a [`Verifier`] under an algorithm only if that algorithm is for such a key: what
//! does not fit cannot be asked. There is no row for `none`.

mod ecdsa;
mod eddsa;
pub(super) mod hmac;
mod rsa;

use super::backend::Invalid;
use super::error::Error;
use super::header::Header;
use super::jwk::{Jwk, Material};
use super::jwks::KeySet;
use super::work;
use text::Quoted;

/// One algorithm.
pub(super) struct Algorithm {
    /// Its `alg`.
    pub(super) name: &'static str,
    /// What verifies with this key; none if the key is not for this algorithm.
    verifier: fn(&Material) -> Prepared,
}

/// A key made ready for an algorithm; none if it is not for that algorithm.
pub(super) type Prepared = Result<Option<Box<dyn Verifier>>, Invalid>;

/// A key prepared for one algorithm.
pub(super) trait Verifier {
    /// Whether `signature` is this key's for `message`.
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool;
}

static FAMILIES: [&[Algorithm]; 4] = [
    &hmac::ALGORITHMS,
    &rsa::ALGORITHMS,
    &ecdsa::ALGORITHMS,
    &eddsa::ALGORITHMS,
];

/// All algorithms.
pub(super) fn algorithms() -> impl Iterator<Item = &'static Algorithm> {
    FAMILIES.into_iter().flatten()
}

/// The algorithm with this name.
pub(super) fn find(name: &str) -> Option<&'static Algorithm> {
    algorithms().find(|algorithm| algorithm.name == name)
}

impl Algorithm {
    /// What verifies with this key under this algorithm; none if the key does not fit by its kind, curve, `use`,
    /// `key_ops` or `alg`.
    pub(super) fn prepare(&self, key: &Jwk) -> Prepared {
        let fits = key.verifies() && key.alg().is_none_or(|alg| alg == self.name);
        match fits {
            true => (self.verifier)(&key.material),
            false => Ok(None),
        }
    }
}

/// The algorithm of a header that asks for nothing that we don't know.
pub(super) fn check_header(header: &Header) -> Result<&'static Algorithm, Error> {
    header.refuse_extensions()?;
    find(header.alg()).ok_or_else(|| Error::UnsupportedAlgorithm {
        alg: Quoted::new(header.alg()),
    })
}

/// Checks that `signature` is one of our keys' for `message`, under the algorithm and by the rules of the header (RFC
/// 7515 section 5.2).
pub(super) fn verify(
    header: &Header,
    message: &[u8],
    signature: &[u8],
    keys: &KeySet,
) -> Result<(), Error> {
    let algorithm = check_header(header)?;
    let mut tried = 0usize;
    for key in keys.verifiers(algorithm, header.kid()) {
        tried = tried.saturating_add(1);
        work::count(message.len());
        if key.verify(message, signature) {
            return Ok(());
        }
    }
    let (alg, kid) = (algorithm.name, header.kid().map(Quoted::new));
    Err(match tried {
        0 => Error::UnknownKey {
            alg: Quoted::new(alg),
            kid,
        },
        _ => Error::BadSignature { alg, kid, tried },
    })
}
