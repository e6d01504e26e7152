//! PEM: one or more keys and certificates in a text.

use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::x509::X509;
use test_tokens::JwkObject;

use super::from_openssl::{private_jwk, public_jwk};

/// The keys in a text, with a private key only once if its public half is there as well. Parameters
/// of a curve, which openssl writes in front of a key, are skipped.
///
/// # Errors
/// Which block is of no use, and why.
pub fn read(text: &[u8]) -> Result<Vec<JwkObject>, String> {
    let text = String::from_utf8_lossy(text);
    let mut keys: Vec<JwkObject> = Vec::new();
    for block in blocks(&text) {
        let block = block?;
        if block.label.ends_with("PARAMETERS") {
            continue;
        }
        let key = block.key()?;
        let public = test_tokens::public(&key);
        match keys
            .iter_mut()
            .find(|known| test_tokens::public(known) == public)
        {
            // The one with more members is the private key.
            Some(known) if known.len() < key.len() => *known = key,
            Some(_) => {}
            None => keys.push(key),
        }
    }
    match keys.is_empty() {
        true => Err("PEM without a key".into()),
        false => Ok(keys),
    }
}

/// What is between BEGIN and END.
struct PemBlock<'a> {
    label: &'a str,
    text: &'a str,
}

impl PemBlock<'_> {
    fn key(&self) -> Result<JwkObject, String> {
        let bytes = self.text.as_bytes();
        if self.label.contains("ENCRYPTED") || self.text.contains("Proc-Type: 4,ENCRYPTED") {
            let message = "the private key is encrypted: \"openssl pkey -in FILE -out NEW\" decrypts \
                           it, or \"-pubout\" takes the public half";
            return Err(message.into());
        }
        // OpenSSL's own texts say nothing that helps.
        let unreadable = |_| format!("cannot read the PEM block {}", self.label);
        match self.label {
            "CERTIFICATE" | "TRUSTED CERTIFICATE" | "X509 CERTIFICATE" => {
                let certificate = X509::from_pem(bytes).map_err(unreadable)?;
                public_jwk(&*certificate.public_key().map_err(unreadable)?)
            }
            "PUBLIC KEY" => public_jwk(&*PKey::public_key_from_pem(bytes).map_err(unreadable)?),
            "RSA PUBLIC KEY" => {
                let rsa = Rsa::public_key_from_pem_pkcs1(bytes).map_err(unreadable)?;
                public_jwk(&*PKey::from_rsa(rsa).map_err(unreadable)?)
            }
            "OPENSSH PRIVATE KEY" => Err("an OpenSSH key: \"ssh-keygen -p -m PKCS8 -f FILE\" \
                                          turns it into PEM"
                .into()),
            label if label.ends_with("PRIVATE KEY") => {
                private_jwk(&*PKey::private_key_from_pem(bytes).map_err(unreadable)?)
            }
            label => Err(format!("the PEM block {label} holds no key")),
        }
    }
}

fn blocks(text: &str) -> impl Iterator<Item = Result<PemBlock<'_>, String>> {
    const BEGIN: &str = "-----BEGIN ";
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, from_begin) = rest.split_at_checked(rest.find(BEGIN)?)?;
        let (label, _) = from_begin.get(BEGIN.len()..)?.split_once("-----")?;
        let end = format!("-----END {label}-----");
        let Some(length) = from_begin.find(&end).map(|at| at.saturating_add(end.len())) else {
            rest = "";
            return Some(Err(format!("the PEM block {label} has no end")));
        };
        let (text, behind) = from_begin.split_at_checked(length)?;
        rest = behind;
        Some(Ok(PemBlock { label, text }))
    })
}
