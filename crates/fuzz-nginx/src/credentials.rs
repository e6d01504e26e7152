//! The keys and tokens of all runs, and who may come in with what.

use anyhow::{Context as _, Result};
use openssl::sha::sha256;
use serde_json::Value;
use test_tokens::{JwkObject, base64url, sign};

/// What the authorization service lets in.
pub const KEY: &str = "open-sesame";
/// What it lets in from a form. No letter of it is a hexadecimal digit, so that no chunk of it
/// looks like the length of one.
pub const PASSWORD: &str = "mypillow";

pub struct Credentials {
    pub signed: Vec<String>,
    pub encrypted: Vec<String>,
    pub nested: Vec<String>,
    /// Tokens that look good and that no location may accept.
    pub forged: Vec<String>,
    /// A key that nobody trusts.
    pub stranger: JwkObject,
    /// A token that only the owner of `client` can use.
    pub bound: String,
    pub client: JwkObject,
}

impl Credentials {
    pub fn load() -> Result<Self> {
        let tokens: Value = serde_json::from_str(include_str!("../data/tokens.json"))?;
        let list = |name: &str| -> Result<Vec<String>> {
            Ok(serde_json::from_value(tokens[name].clone())?)
        };
        let mut client = signing_key("ES256")?;
        client.remove("alg");
        client.remove("kid");
        let thumbprint = thumbprint(&client);
        let claims = format!("{{\"sub\":\"user\",\"cnf\":{{\"jkt\":\"{thumbprint}\"}}}}");
        Ok(Self {
            signed: list("signed")?,
            encrypted: list("encrypted")?,
            nested: list("nested")?,
            forged: forged()?,
            stranger: test_tokens::key("EdDSA", None)?,
            bound: sign(
                "EdDSA",
                &signing_key("EdDSA")?,
                HEADER_EDDSA,
                claims.as_bytes(),
            )?,
            client,
        })
    }

    /// A DPoP proof for this request with this token.
    pub fn proof(&self, method: &str, url: &str, jti: u64, now: u64) -> Result<String> {
        let public = Value::Object(test_tokens::public(&self.client));
        let header = format!("{{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\",\"jwk\":{public}}}");
        let ath = base64url(&sha256(self.bound.as_bytes()));
        let claims = format!(
            "{{\"htm\":\"{method}\",\"htu\":\"{url}\",\"iat\":{now},\"jti\":\"{jti:x}\",\"ath\":\"{ath}\"}}"
        );
        sign("ES256", &self.client, &header, claims.as_bytes())
    }
}

pub const HEADER_EDDSA: &str = r#"{"alg":"EdDSA","kid":"EdDSA"}"#;
const CLAIMS: &[u8] = br#"{"sub":"user","exp":4102444800,"iat":1700000000}"#;

/// The keys of which nginx has the public halves.
pub fn signing_keys() -> Result<Vec<JwkObject>> {
    let set: Value = serde_json::from_str(include_str!("../data/signing.json"))?;
    Ok(serde_json::from_value(set["keys"].clone())?)
}

pub fn signing_key(kid: &str) -> Result<JwkObject> {
    let mut keys = signing_keys()?.into_iter();
    keys.find(|key| key["kid"] == kid)
        .with_context(|| format!("no key {kid:?} in signing.json"))
}

/// The SHA-256 of a key on a curve with two coordinates (RFC 7638).
fn thumbprint(key: &JwkObject) -> String {
    let members = ["crv", "kty", "x", "y"].map(|name| format!("\"{name}\":{}", key[name]));
    base64url(&sha256(format!("{{{}}}", members.join(",")).as_bytes()))
}

/// Signed by strangers, by public keys as secrets, by nothing, and expired ones.
fn forged() -> Result<Vec<String>> {
    let mut forged = Vec::new();
    let rsa = test_tokens::public(&signing_key("RS256")?);
    let text = Value::Object(rsa.clone()).to_string();
    let modulus = rsa["n"].as_str().unwrap_or_default();
    for secret in ["", "YQ", &base64url(text.as_bytes()), modulus] {
        let key: JwkObject =
            serde_json::from_value(serde_json::json!({"kty": "oct", "k": secret}))?;
        for kid in ["HS256", "RS256", "ES256"] {
            let header = format!("{{\"alg\":\"HS256\",\"kid\":\"{kid}\"}}");
            // OpenSSL has no empty secret.
            if let Ok(token) = sign("HS256", &key, &header, CLAIMS) {
                forged.push(token);
            }
        }
    }
    for alg in ["HS256", "ES256", "EdDSA", "HS512"] {
        let header = format!("{{\"alg\":\"{alg}\",\"kid\":\"{alg}\"}}");
        forged.push(sign(alg, &test_tokens::key(alg, None)?, &header, CLAIMS)?);
    }
    for alg in ["none", "None", "HS256"] {
        let header = format!("{{\"alg\":\"{alg}\"}}");
        forged.push(sign("none", &JwkObject::new(), &header, CLAIMS)?);
    }
    for claims in [
        r#"{"sub":"user","exp":1}"#,
        r#"{"sub":"user","nbf":4102444800}"#,
        r#"{"sub":"user","exp":null}"#,
    ] {
        forged.push(sign(
            "EdDSA",
            &signing_key("EdDSA")?,
            HEADER_EDDSA,
            claims.as_bytes(),
        )?);
    }
    Ok(forged)
}
