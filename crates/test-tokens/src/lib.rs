//! Makes keys and tokens for tests, with josekit and ml-dsa, which share no code with the crate
//! that verifies them. Header and payload are raw text, and the key's own `alg`, `use` and
//! `key_ops` are ignored, so that wrong tokens can be made, too.

mod ml_dsa;

use anyhow::{Result, anyhow, bail};
use josekit::jwe::{self, JweContext, JweEncrypter, JweHeader};
use josekit::jwk::Jwk;
use josekit::jwk::alg::{ec::EcCurve, ecx::EcxCurve, ed::EdCurve};
use josekit::jws::{self, JwsSigner};
use josekit::{Map, Value};
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;

/// The members of a JWK, or of another JSON object.
pub type JwkObject = Map<String, Value>;

/// Content encryptions, with the lengths of their keys in bytes.
const ENCRYPTIONS: [(&str, usize); 6] = [
    ("A128CBC-HS256", 32),
    ("A192CBC-HS384", 48),
    ("A256CBC-HS512", 64),
    ("A128GCM", 16),
    ("A192GCM", 24),
    ("A256GCM", 32),
];

/// A new private key with its `alg`. `alg` may also be a curve or a content encryption. Keys for
/// ECDH-ES are on P-256 unless `alg` is another curve. `size` is the length of an RSA modulus in
/// bits, or of a secret in bytes. By default it is 2048, or as long as the algorithm demands.
///
/// # Errors
/// If the algorithm is unknown, or the size is impossible.
pub fn key(alg: &str, size: Option<usize>) -> Result<JwkObject> {
    if ml_dsa::has(alg) {
        return ml_dsa::key(alg);
    }
    let octets = |default: usize| -> Result<Jwk> {
        let mut jwk = Jwk::new("oct");
        jwk.set_key_value(random(size.unwrap_or(default))?);
        Ok(jwk)
    };
    let encryption = ENCRYPTIONS.iter().find(|(name, _)| *name == alg);
    let jwk = match alg {
        _ if let Some((_, length)) = encryption => octets(*length)?,
        "A128KW" | "A128GCMKW" => octets(16)?,
        "A192KW" | "A192GCMKW" => octets(24)?,
        "HS256" | "A256KW" | "A256GCMKW" | "dir" => octets(32)?,
        "HS384" => octets(48)?,
        "HS512" => octets(64)?,
        "ES256" | "P-256" => Jwk::generate_ec_key(EcCurve::P256)?,
        "ES384" | "P-384" => Jwk::generate_ec_key(EcCurve::P384)?,
        "ES512" | "P-521" => Jwk::generate_ec_key(EcCurve::P521)?,
        "ES256K" => Jwk::generate_ec_key(EcCurve::Secp256k1)?,
        "X25519" => Jwk::generate_ecx_key(EcxCurve::X25519)?,
        "X448" => Jwk::generate_ecx_key(EcxCurve::X448)?,
        "EdDSA" | "Ed25519" => Jwk::generate_ed_key(EdCurve::Ed25519)?,
        "Ed448" => Jwk::generate_ed_key(EdCurve::Ed448)?,
        _ if alg.starts_with("ECDH-ES") => Jwk::generate_ec_key(EcCurve::P256)?,
        _ if alg.starts_with("RS") || alg.starts_with("PS") => {
            Jwk::generate_rsa_key(u32::try_from(size.unwrap_or(2048))?)?
        }
        _ => bail!("unknown algorithm \"{alg}\""),
    };
    let mut jwk: JwkObject = jwk.into();
    // josekit restricts keys on X25519 and X448, and no others.
    jwk.remove("use");
    let alg = match alg {
        _ if encryption.is_some() => "dir",
        "P-256" | "P-384" | "P-521" | "X25519" | "X448" => "ECDH-ES",
        _ => alg,
    };
    jwk.insert("alg".into(), alg.into());
    Ok(jwk)
}

/// The key without its private members. A secret has no public half and is returned as it is.
pub fn public(jwk: &JwkObject) -> JwkObject {
    let private = ["d", "p", "q", "dp", "dq", "qi", "oth", "priv"];
    let keep = |(name, _): &(&String, &Value)| !private.contains(&name.as_str());
    let members = jwk.iter().filter(keep);
    members
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// A JWS in compact form with this header and payload, signed with the algorithm `alg`, whatever
/// the header says. With "none" the signature is empty.
///
/// # Errors
/// If the algorithm is unknown, or the key does not fit it.
pub fn sign(alg: &str, key: &JwkObject, header: &str, payload: &[u8]) -> Result<String> {
    let message = format!("{}.{}", base64url(header.as_bytes()), base64url(payload));
    let signature = match signer(alg, key)? {
        Some(signer) => signer.sign(message.as_bytes())?,
        None if alg == "none" => Vec::new(),
        None if ml_dsa::has(alg) => ml_dsa::sign(alg, key, message.as_bytes())?,
        None => mac(alg, key, message.as_bytes())?,
    };
    Ok(format!("{message}.{}", base64url(&signature)))
}

/// josekit's signer. `None` if josekit does not make these signatures.
fn signer(alg: &str, key: &JwkObject) -> Result<Option<Box<dyn JwsSigner>>> {
    let key = unrestricted(key)?;
    Ok(Some(match alg {
        "RS256" => Box::new(jws::RS256.signer_from_jwk(&key)?),
        "RS384" => Box::new(jws::RS384.signer_from_jwk(&key)?),
        "RS512" => Box::new(jws::RS512.signer_from_jwk(&key)?),
        "PS256" => Box::new(jws::PS256.signer_from_jwk(&key)?),
        "PS384" => Box::new(jws::PS384.signer_from_jwk(&key)?),
        "PS512" => Box::new(jws::PS512.signer_from_jwk(&key)?),
        "ES256" => Box::new(jws::ES256.signer_from_jwk(&key)?),
        "ES384" => Box::new(jws::ES384.signer_from_jwk(&key)?),
        "ES512" => Box::new(jws::ES512.signer_from_jwk(&key)?),
        "ES256K" => Box::new(jws::ES256K.signer_from_jwk(&key)?),
        "EdDSA" | "Ed25519" | "Ed448" => Box::new(jws::EdDSA.signer_from_jwk(&key)?),
        "none" | "HS256" | "HS384" | "HS512" => return Ok(None),
        _ if ml_dsa::has(alg) => return Ok(None),
        _ => bail!("unknown algorithm \"{alg}\""),
    }))
}

/// HMAC by OpenSSL, because josekit refuses secrets that are shorter than the hash.
fn mac(alg: &str, key: &JwkObject, message: &[u8]) -> Result<Vec<u8>> {
    let digest = match alg {
        "HS256" => MessageDigest::sha256(),
        "HS384" => MessageDigest::sha384(),
        _ => MessageDigest::sha512(),
    };
    let secret = unrestricted(key)?
        .key_value()
        .ok_or_else(|| anyhow!("the key has no member \"k\""))?;
    let key = PKey::hmac(&secret)?;
    Ok(Signer::new(digest, &key)?.sign_oneshot_to_vec(message)?)
}

/// A JWE in compact form. Its header has `alg`, `enc`, the parameters of `header`, which may
/// replace these two, and what the algorithm adds (`iv`, `tag`, `epk`). The content is compressed
/// if `header` has the `zip` "DEF".
///
/// # Errors
/// If an algorithm is unknown, or the key does not fit it.
pub fn encrypt(
    alg: &str,
    enc: &str,
    key: &JwkObject,
    header: &JwkObject,
    content: &[u8],
) -> Result<String> {
    let encrypter = encrypter(alg, key)?;
    let mut parameters = Map::new();
    parameters.insert("alg".into(), alg.into());
    parameters.insert("enc".into(), enc.into());
    parameters.extend(header.clone());
    let context = JweContext::new();
    let encryption = context.get_content_encryption(enc);
    let encryption = encryption.ok_or_else(|| anyhow!("unknown content encryption \"{enc}\""))?;
    let mut content = content.to_vec();
    if header.get("zip").is_some_and(|zip| zip == "DEF") {
        let deflate = context.get_compression("DEF");
        content = deflate
            .ok_or_else(|| anyhow!("josekit has no compression \"DEF\""))?
            .compress(&content)?;
    }

    // josekit reads parameters from one header, of which it needs none, and adds them to another.
    let empty = JweHeader::new();
    let mut added = JweHeader::new();
    // The key depends on these two.
    for name in ["apu", "apv"] {
        if let Some(value) = header.get(name)
            && alg.starts_with("ECDH-ES")
        {
            added.set_claim(name, Some(value.clone()))?;
        }
    }
    let cek = match encrypter.compute_content_encryption_key(encryption, &empty, &mut added)? {
        Some(cek) => cek.into_owned(),
        None => random(encryption.key_len())?,
    };
    let encrypted_key = encrypter.encrypt(&cek, &empty, &mut added)?;
    parameters.extend(added.into_map());
    let header = base64url(Value::Object(parameters).to_string().as_bytes());
    let iv = random(encryption.iv_len())?;
    let (ciphertext, tag) = encryption.encrypt(&cek, Some(&iv), &content, header.as_bytes())?;
    let parts = [
        &encrypted_key.unwrap_or_default(),
        &iv,
        &ciphertext,
        &tag.unwrap_or_default(),
    ];
    let parts = parts.map(|part| base64url(part));
    Ok(format!("{header}.{}", parts.join(".")))
}

fn encrypter(alg: &str, key: &JwkObject) -> Result<Box<dyn JweEncrypter>> {
    let key = unrestricted(key)?;
    Ok(match alg {
        "dir" => Box::new(jwe::Dir.encrypter_from_jwk(&key)?),
        "A128KW" => Box::new(jwe::A128KW.encrypter_from_jwk(&key)?),
        "A192KW" => Box::new(jwe::A192KW.encrypter_from_jwk(&key)?),
        "A256KW" => Box::new(jwe::A256KW.encrypter_from_jwk(&key)?),
        "A128GCMKW" => Box::new(jwe::A128GCMKW.encrypter_from_jwk(&key)?),
        "A192GCMKW" => Box::new(jwe::A192GCMKW.encrypter_from_jwk(&key)?),
        "A256GCMKW" => Box::new(jwe::A256GCMKW.encrypter_from_jwk(&key)?),
        "ECDH-ES" => Box::new(jwe::ECDH_ES.encrypter_from_jwk(&key)?),
        "ECDH-ES+A128KW" => Box::new(jwe::ECDH_ES_A128KW.encrypter_from_jwk(&key)?),
        "ECDH-ES+A192KW" => Box::new(jwe::ECDH_ES_A192KW.encrypter_from_jwk(&key)?),
        "ECDH-ES+A256KW" => Box::new(jwe::ECDH_ES_A256KW.encrypter_from_jwk(&key)?),
        "RSA-OAEP" => Box::new(jwe::RSA_OAEP.encrypter_from_jwk(&key)?),
        "RSA-OAEP-256" => Box::new(jwe::RSA_OAEP_256.encrypter_from_jwk(&key)?),
        "RSA-OAEP-384" => Box::new(jwe::RSA_OAEP_384.encrypter_from_jwk(&key)?),
        "RSA-OAEP-512" => Box::new(jwe::RSA_OAEP_512.encrypter_from_jwk(&key)?),
        _ => bail!("unknown algorithm \"{alg}\""),
    })
}

/// The key without the members that restrict its use. An empty object becomes a key of type "oct"
/// without a secret, so that a token without a signature needs no key.
fn unrestricted(key: &JwkObject) -> Result<Jwk> {
    let mut key = key.clone();
    for name in ["alg", "use", "key_ops", "kid"] {
        key.remove(name);
    }
    if key.is_empty() {
        key.insert("kty".into(), "oct".into());
    }
    Ok(Jwk::from_map(key)?)
}

fn random(length: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    openssl::rand::rand_bytes(&mut bytes)?;
    Ok(bytes)
}

fn from_base64url(text: &str) -> Result<Vec<u8>> {
    use base64::Engine as _;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text)?)
}

/// Base64url without padding.
pub fn base64url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}
