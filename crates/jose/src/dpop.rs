//! DPoP proofs (RFC 9449 section 4.2): a JWT that brings its public key, signed with the private
//! one. Nothing else of this crate uses a key that a token brings. A proof says only that its sender
//! has the private key; whose key that is, its thumbprint (RFC 7638) tells.

mod nonce;

use text::Quoted;

pub use nonce::DpopNonceKey;

use crate::claims::Claims;
use crate::compact;
use crate::error::{Error, InputPart};
use crate::header::JoseHeader;
use crate::json::{JsonKind, JsonValue};
use crate::jwk::{Jwk, JwkEntry, KeyMaterial, bits};
use crate::jws::{self, SignatureAlgorithm};
use crate::limits::Limits;
use crate::load_budget::LoadBudget;
use crate::warning::{KeyFault, KeyFlaw};

/// The longest proof. Header lines of clients are not longer.
const LIMITS: Limits = Limits {
    token_bytes: 16 << 10,
    json_bytes: 8 << 10,
    json_depth: 8,
    inflated_bytes: 0,
};

/// The longest RSA modulus: a client chooses it, and a signature takes the longer.
const MAX_MODULUS_BITS: usize = 4096;

/// Members of private and symmetric keys (RFC 7518 section 6, RFC 9964 section 3).
const SECRET_MEMBERS: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/// A proof of the right form. Nothing in it can be trusted before [`verify`](Self::verify).
pub struct DpopProof {
    message: Vec<u8>,
    signature: Vec<u8>,
    algorithm: &'static SignatureAlgorithm,
    key: Jwk,
    claims: Claims,
}

/// Why a proof is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DpopError {
    /// It has not the form of a JWS with claims, or an extension or algorithm is not supported.
    #[error("{0}")]
    Token(#[from] Error),
    /// It is another kind of token.
    #[error("header parameter \"typ\" is not \"dpop+jwt\"")]
    Type,
    /// There is no key.
    #[error("header parameter \"jwk\" is not a JSON object")]
    NoKey,
    /// The key is no secret any more, or everybody who checks a proof could make one.
    #[error("header parameter \"jwk\" has \"{0}\", a member of a private or symmetric key")]
    SecretKey(&'static str),
    /// The key has an error.
    #[error("header parameter \"jwk\": {0}")]
    Key(KeyFault),
    /// The key is written in another way than its standard demands, so that its thumbprint is in
    /// doubt.
    #[error("header parameter \"jwk\": {0}")]
    SloppyKey(KeyFlaw),
    /// A signature with the key would take too long.
    #[error("header parameter \"jwk\" has {bits} bits, more than {MAX_MODULUS_BITS}")]
    LongKey {
        /// The length of the modulus.
        bits: usize,
    },
    /// The key is not meant for the algorithm.
    #[error("header parameter \"jwk\" is no key for algorithm {alg}")]
    Algorithm {
        /// The value of `alg`.
        alg: Quoted,
    },
    /// The private key did not make the signature.
    #[error("bad signature")]
    BadSignature,
}

impl DpopProof {
    /// The names of the algorithms that a proof may have: all that are supported and asymmetric.
    pub fn algorithms() -> impl Iterator<Item = &'static str> {
        jws::algorithms()
            .map(|algorithm| algorithm.name)
            .filter(|name| !name.starts_with("HS"))
    }

    /// Parses a proof: its form, its key and its claims. The signature is not checked.
    ///
    /// # Errors
    /// [`DpopError`]
    pub fn parse(text: &[u8]) -> Result<Self, DpopError> {
        if text.len() > LIMITS.token_bytes {
            let (length, limit) = (text.len(), LIMITS.token_bytes);
            return Err(Error::TokenTooLarge { length, limit }.into());
        }
        let [header_part, claims_part, signature_part] = compact::split::<3>(text)?;
        let header = JoseHeader::parse(header_part, &LIMITS)?;
        let typ = header.object().get(b"typ").and_then(JsonValue::as_str);
        if typ.as_deref() != Some("dpop+jwt") {
            return Err(DpopError::Type);
        }
        let algorithm = jws::check_header(&header)?;
        let key = read_key(&header)?;
        let claims = compact::decode(claims_part, InputPart::Claims)?;
        let message_length = header_part
            .len()
            .saturating_add(1)
            .saturating_add(claims_part.len());
        Ok(Self {
            message: text.get(..message_length).unwrap_or_default().to_vec(),
            signature: compact::decode(signature_part, InputPart::Signature)?,
            algorithm,
            key,
            claims: Claims::parse(claims, &LIMITS)?,
        })
    }

    /// The SHA-256 of the key in its canonical form (RFC 7638 section 3), which an access token has
    /// as `jkt` (RFC 9449 section 6.1).
    pub fn thumbprint(&self) -> [u8; 32] {
        // `None` is a secret, which `read_key` refuses.
        self.key.material.thumbprint().unwrap_or_default()
    }

    /// The value of `alg`.
    pub fn algorithm(&self) -> &'static str {
        self.algorithm.name
    }

    /// The name of RFC 9864 for the algorithm: that of the key's curve where `alg` is `EdDSA`.
    pub fn precise_algorithm(&self) -> &'static str {
        match &self.key.material {
            KeyMaterial::Okp { crv, .. } if self.algorithm.name == "EdDSA" => crv.name(),
            _ => self.algorithm.name,
        }
    }

    /// The claims.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Checks the signature. It costs as much as the key makes it cost, so that a caller compares
    /// the thumbprint first.
    ///
    /// # Errors
    /// [`DpopError::Algorithm`], [`DpopError::BadSignature`]
    pub fn verify(&self) -> Result<(), DpopError> {
        let other = || DpopError::Algorithm {
            alg: Quoted::new(self.algorithm.name),
        };
        let prepared = self.algorithm.prepare(&self.key).map_err(|_| other())?;
        let verifier = prepared.ok_or_else(other)?;
        match verifier.verify(&self.message, &self.signature) {
            true => Ok(()),
            false => Err(DpopError::BadSignature),
        }
    }
}

/// The key in the header.
fn read_key(header: &JoseHeader) -> Result<Jwk, DpopError> {
    let jwk = header.object().get(b"jwk").ok_or(DpopError::NoKey)?;
    if jwk.kind() != JsonKind::Object {
        return Err(DpopError::NoKey);
    }
    let has = |name: &&&str| jwk.get(name.as_bytes()).is_some();
    if let Some(secret) = SECRET_MEMBERS.iter().find(has) {
        return Err(DpopError::SecretKey(secret));
    }
    let is_supported = |alg: &str| jws::find(alg).is_some();
    let JwkEntry { key, flaws, .. } =
        JwkEntry::parse(jwk, is_supported, &mut LoadBudget::without_primes());
    let key = key.map_err(DpopError::Key)?;
    if let Some(flaw) = flaws.into_iter().next() {
        return Err(DpopError::SloppyKey(flaw));
    }
    match &key.material {
        KeyMaterial::Rsa { n, .. } if bits(n) > MAX_MODULUS_BITS => {
            Err(DpopError::LongKey { bits: bits(n) })
        }
        _ => Ok(key),
    }
}

#[cfg(test)]
mod tests;
