//! The registry of algorithms for signatures and MACs (RFC 7518 section 3, RFC 8037, 8812, 9864 and
//! 9964). An algorithm is one row in the file of its family. A key gets a verifier for an algorithm
//! only if the algorithm is meant for such keys, so that it is impossible to use an RSA public key
//! as an HMAC secret. There is no row for `none`.

mod algorithm;
mod ecdsa;
mod eddsa;
mod hmac;
mod ml_dsa;
mod rsa;

use text::Quoted;

use crate::error::Error;
use crate::header::JoseHeader;
pub(crate) use algorithm::SignatureAlgorithm;
pub(crate) use hmac::recommended_secret_length;

static FAMILIES: [&[SignatureAlgorithm]; 5] = [
    &hmac::ALGORITHMS,
    &rsa::ALGORITHMS,
    &ecdsa::ALGORITHMS,
    &eddsa::ALGORITHMS,
    ml_dsa::ALGORITHMS,
];

/// All algorithms.
pub(crate) fn algorithms() -> impl Iterator<Item = &'static SignatureAlgorithm> {
    FAMILIES.into_iter().flatten()
}

/// The algorithm with this name.
pub(crate) fn find(name: &str) -> Option<&'static SignatureAlgorithm> {
    algorithms().find(|algorithm| algorithm.name == name)
}

/// The algorithm of a token with this header.
///
/// # Errors
/// If the algorithm or an extension is not supported.
pub(crate) fn check_header(header: &JoseHeader) -> Result<&'static SignatureAlgorithm, Error> {
    header.refuse_extensions()?;
    find(header.alg()).ok_or_else(|| Error::UnsupportedAlgorithm {
        alg: Quoted::new(header.alg()),
    })
}
