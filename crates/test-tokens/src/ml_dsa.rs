//! ML-DSA (RFC 9964), which josekit does not have.

use anyhow::{Result, anyhow, bail};
use josekit::{Map, Value};
use ml_dsa::{MlDsa44, MlDsa65, MlDsa87, MlDsaParams, SigningKey};

use crate::{JwkObject, base64url, from_base64url};

/// Whether the algorithm is one of this family.
pub(crate) fn has(alg: &str) -> bool {
    alg.starts_with("ML-DSA-")
}

/// A new private key with its `alg`.
pub(crate) fn key(alg: &str) -> Result<JwkObject> {
    let seed = crate::random(32)?;
    let mut key = Map::new();
    let members = [
        ("kty", "AKP".to_owned()),
        ("alg", alg.to_owned()),
        ("pub", base64url(&public_key(alg, &seed)?)),
        ("priv", base64url(&seed)),
    ];
    key.extend(members.map(|(name, value)| (name.to_owned(), value.into())));
    Ok(key)
}

/// The signature with an empty context.
pub(crate) fn sign(alg: &str, key: &JwkObject, message: &[u8]) -> Result<Vec<u8>> {
    let seed = key.get("priv").and_then(Value::as_str);
    let seed = from_base64url(seed.ok_or_else(|| anyhow!("the key has no member \"priv\""))?)?;
    match alg {
        "ML-DSA-44" => sign_with::<MlDsa44>(&seed, message),
        "ML-DSA-65" => sign_with::<MlDsa65>(&seed, message),
        "ML-DSA-87" => sign_with::<MlDsa87>(&seed, message),
        _ => bail!("unknown algorithm \"{alg}\""),
    }
}

fn public_key(alg: &str, seed: &[u8]) -> Result<Vec<u8>> {
    match alg {
        "ML-DSA-44" => public_key_with::<MlDsa44>(seed),
        "ML-DSA-65" => public_key_with::<MlDsa65>(seed),
        "ML-DSA-87" => public_key_with::<MlDsa87>(seed),
        _ => bail!("unknown algorithm \"{alg}\""),
    }
}

fn public_key_with<P: MlDsaParams>(seed: &[u8]) -> Result<Vec<u8>> {
    let key = signing_key::<P>(seed)?;
    Ok(key.expanded_key().verifying_key().encode().to_vec())
}

fn sign_with<P: MlDsaParams>(seed: &[u8], message: &[u8]) -> Result<Vec<u8>> {
    let key = signing_key::<P>(seed)?;
    let signature = key.expanded_key().sign_deterministic(message, b"");
    let signature = signature.map_err(|error| anyhow!("{error}"))?;
    Ok(signature.encode().to_vec())
}

fn signing_key<P: MlDsaParams>(seed: &[u8]) -> Result<SigningKey<P>> {
    let seed = seed
        .try_into()
        .map_err(|_| anyhow!("\"priv\" has not 32 bytes"))?;
    Ok(SigningKey::from_seed(&seed))
}
