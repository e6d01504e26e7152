//! The thumbprint of a key (RFC 7638, RFC 8037 section 2, RFC 9964 section 4).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::sha::Sha256;

use super::KeyMaterial;

impl KeyMaterial {
    /// The SHA-256 of the key in its canonical form (RFC 7638 section 3). `None` for a secret, which
    /// its thumbprint would help to guess (RFC 7638 section 7).
    pub(crate) fn thumbprint(&self) -> Option<[u8; 32]> {
        let canonical = canonical(self)?;
        // perf: `openssl::sha::sha256` looks up the algorithm each time, which costs more than the
        // hash itself of so short a text.
        let mut sha256 = Sha256::new();
        sha256.update(canonical.as_bytes());
        Some(sha256.finish())
    }
}

/// The members that a key consists of, in the order of their names and without white space.
fn canonical(key: &KeyMaterial) -> Option<String> {
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    Some(match key {
        KeyMaterial::Octets(_) => return None,
        KeyMaterial::Rsa { n, e, .. } => {
            format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, text(e), text(n))
        }
        KeyMaterial::Ec { crv, x, y, .. } => format!(
            r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#,
            crv.name(),
            text(x),
            text(y)
        ),
        KeyMaterial::Okp { crv, x } => okp(crv.name(), &text(x)),
        KeyMaterial::Montgomery { crv, x, .. } => okp(crv.name(), &text(x)),
        KeyMaterial::MlDsa {
            parameters,
            public_key,
        } => format!(
            r#"{{"alg":"{}","kty":"AKP","pub":"{}"}}"#,
            parameters.name(),
            text(public_key)
        ),
    })
}

fn okp(crv: &str, x: &str) -> String {
    format!(r#"{{"crv":"{crv}","kty":"OKP","x":"{x}"}}"#)
}
