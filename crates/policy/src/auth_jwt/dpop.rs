//! What a DPoP proof has to say of the request that it comes with (RFC 9449 section 4.3).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jose::{DpopError, DpopNonceKey, DpopProof, JsonValue};
use openssl::sha::Sha256;
use text::Quoted;

use super::dpop_nonce::{NonceError, check_nonce};
use super::dpop_url::DpopUrl;
use super::proof_algorithms::ProofAlgorithms;

/// How many seconds a proof may be older or newer than the request.
pub const WINDOW: i64 = 60;

/// What a location requires of a proof.
#[derive(Debug, Clone, Copy)]
pub struct ProofTerms<'a> {
    /// The access token.
    pub token: &'a [u8],
    /// The algorithms that the proof may have, if not all.
    pub algorithms: Option<&'a ProofAlgorithms>,
    /// What makes nonces, if the proof must have one.
    pub nonces: Option<&'a DpopNonceKey>,
    /// The time, in seconds since 1970 in UTC.
    pub now: i64,
}

/// The request that a proof is for.
#[derive(Debug, Clone, Copy)]
pub struct ProvedRequest<'a> {
    /// What its location requires.
    pub terms: ProofTerms<'a>,
    /// The method.
    pub method: &'a [u8],
    /// The address, as the client has it.
    pub url: &'a [u8],
}

/// What tells one proof from another: a digest of its key and its `jti`.
pub type ProofId = [u8; 32];

/// A proof that fits the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FittingProof {
    /// What tells it from others.
    pub id: ProofId,
    /// When it was made, by its client's clock, in seconds since 1970.
    pub made_at: i64,
    /// Whether the client needs another nonce soon.
    pub needs_nonce: bool,
}

/// Why a proof does not prove that a token may be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// There is none.
    #[error("the token is bound to a key, and there is no \"DPoP\" header line")]
    Missing,
    /// There are several.
    #[error("more than one \"DPoP\" header line")]
    Several,
    /// It has not the form of a proof.
    #[error("DPoP proof: {0}")]
    Form(#[from] DpopError),
    /// The algorithm is supported, but not one of `auth_jwt_dpop_algorithms`.
    #[error("DPoP proof: algorithm {alg} is not one of auth_jwt_dpop_algorithms")]
    Algorithm {
        /// The value of `alg`.
        alg: Quoted,
    },
    /// A claim is missing or has another type.
    #[error("DPoP proof: claim \"{claim}\" is not {expected}")]
    Claim {
        /// The name of the claim.
        claim: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// It is for another method.
    #[error("DPoP proof: htm is {0}, which is not the method of the request")]
    Method(Quoted),
    /// It is for another address.
    #[error("DPoP proof: htu is {htu}, and the request is for {url}")]
    Url {
        /// The address that it is for.
        htu: Quoted,
        /// The address of the request.
        url: Quoted,
    },
    /// The address of the request is none, so that nothing can be compared with it.
    #[error("DPoP proof: the address {0} of the request is no URL, see auth_jwt_dpop_url")]
    RequestUrl(Quoted),
    /// The request names two hosts: by one of them nginx has chosen the server, the other one may be
    /// in the address that proofs are compared with.
    #[error(
        "DPoP proof: the \"Host\" header line is {line}, and the request is for the host {host}"
    )]
    Host {
        /// The header line.
        line: Quoted,
        /// What nginx goes by.
        host: Quoted,
    },
    /// It is too old, or of the future.
    #[error("DPoP proof: iat {iat}, now {now}, more than {WINDOW} seconds apart")]
    Time {
        /// When it was made.
        iat: Quoted,
        /// The time of the request.
        now: i64,
    },
    /// It is for another token.
    #[error("DPoP proof: ath is not the SHA-256 of the token")]
    Token,
    /// It has no nonce, or one that does not count any more.
    #[error("DPoP proof: {0}")]
    Nonce(#[from] NonceError),
    /// It was used before.
    #[error("DPoP proof: it was used before")]
    Replayed,
    /// It is not newer than the loss of what was known of used proofs.
    #[error(
        "DPoP proof: it may have been used before, the memory of used proofs was lost since it was made"
    )]
    Lost,
}

/// Checks that a proof fits the request, and that the key with the thumbprint `jkt` made it. The
/// signature is checked last, since it costs the most. The nonce comes right before it, so that a
/// client that is asked for another nonce knows everything else in its proof to be right. Whether
/// the proof was used before is the caller's question.
///
/// # Errors
/// [`ProofError`], or `None` if another key made it.
pub fn check_proof(
    proof: &DpopProof,
    jkt: &[u8; 32],
    request: &ProvedRequest<'_>,
) -> Result<FittingProof, Option<ProofError>> {
    let thumbprint = proof.thumbprint();
    if thumbprint != *jkt {
        return Err(None);
    }
    let terms = &request.terms;
    check_algorithm(proof, terms)?;
    let claims = proof.claims().object();
    let (jti, made_at) = check_claims(claims, request)?;
    let needs_nonce = check_nonce_if_required(claims, terms)?;
    proof.verify().map_err(ProofError::from)?;
    let mut id = Sha256::new();
    id.update(&thumbprint);
    id.update(jti.as_bytes());
    Ok(FittingProof {
        id: id.finish(),
        made_at,
        needs_nonce,
    })
}

/// Checks that a request names one host. `host` is that by which nginx has chosen the server
/// (`$host`), and `line` the `Host` line (`$http_host`), which counts for nothing when the request
/// line has a host, and may have anything behind a colon.
///
/// # Errors
/// [`ProofError::Host`]
pub fn check_host(host: &[u8], line: &[u8]) -> Result<(), ProofError> {
    let colon = line.iter().rposition(|&byte| byte == b':');
    let (name, port) = colon
        .and_then(|colon| line.split_at_checked(colon))
        .filter(|(name, _)| !name.contains(&b':') || name.ends_with(b"]"))
        .unwrap_or((line, b""));
    let is_port = port.iter().skip(1).all(u8::is_ascii_digit);
    let name = name.strip_suffix(b".").unwrap_or(name);
    match line.is_empty() || (is_port && name.eq_ignore_ascii_case(host)) {
        true => Ok(()),
        false => Err(ProofError::Host {
            line: Quoted::new(line),
            host: Quoted::new(host),
        }),
    }
}

/// Checks a proof that was accepted in an earlier location of the same request, which may have
/// another method there. It must be for this token, and by the key with this thumbprint. The result
/// is whether the client needs another nonce soon.
///
/// # Errors
/// As for [`check_proof`].
pub fn check_accepted_proof(
    proof: &DpopProof,
    jkt: &[u8; 32],
    terms: &ProofTerms<'_>,
) -> Result<bool, Option<ProofError>> {
    if proof.thumbprint() != *jkt {
        return Err(None);
    }
    check_algorithm(proof, terms)?;
    let claims = proof.claims().object();
    let ath = claims.get(b"ath").and_then(JsonValue::as_str);
    if ath.is_none_or(|ath| ath != token_digest(terms.token)) {
        return Err(Some(ProofError::Token));
    }
    Ok(check_nonce_if_required(claims, terms)?)
}

fn check_algorithm(proof: &DpopProof, terms: &ProofTerms<'_>) -> Result<(), ProofError> {
    match terms.algorithms {
        Some(algorithms) if !algorithms.allow(proof) => Err(ProofError::Algorithm {
            alg: Quoted::new(proof.algorithm()),
        }),
        _ => Ok(()),
    }
}

/// Whether the client needs another nonce soon.
fn check_nonce_if_required(
    claims: JsonValue<'_>,
    terms: &ProofTerms<'_>,
) -> Result<bool, ProofError> {
    match terms.nonces {
        Some(key) => Ok(check_nonce(claims, key, terms.now)?),
        None => Ok(false),
    }
}

/// What a proof has as `ath` (RFC 9449 section 4.2).
fn token_digest(token: &[u8]) -> String {
    // perf: as for the thumbprint of a key in jose.
    let mut sha256 = Sha256::new();
    sha256.update(token);
    URL_SAFE_NO_PAD.encode(sha256.finish())
}

/// The `jti` of claims that fit the request, and when the proof was made.
fn check_claims(
    claims: JsonValue<'_>,
    request: &ProvedRequest<'_>,
) -> Result<(String, i64), ProofError> {
    let text = |claim: &'static str| {
        let value = claims.get(claim.as_bytes()).and_then(JsonValue::as_str);
        let value = value.filter(|text| !text.is_empty());
        value.ok_or(ProofError::Claim {
            claim,
            expected: "a string that is not empty",
        })
    };
    let (htm, htu, ath, jti) = (text("htm")?, text("htu")?, text("ath")?, text("jti")?);
    if htm.as_bytes() != request.method {
        return Err(ProofError::Method(Quoted::new(htm.as_bytes())));
    }
    let no_url = || ProofError::RequestUrl(Quoted::new(request.url));
    let url = str::from_utf8(request.url).map_err(|_| no_url())?;
    let url = DpopUrl::parse_request(url).map_err(|_| no_url())?;
    if DpopUrl::parse(&htu).ok().as_ref() != Some(&url) {
        return Err(ProofError::Url {
            htu: Quoted::new(htu.as_bytes()),
            url: Quoted::new(request.url),
        });
    }
    let made_at = check_time(claims, request.terms.now)?;
    if ath != token_digest(request.terms.token) {
        return Err(ProofError::Token);
    }
    Ok((jti.into_owned(), made_at))
}

/// When the proof was made, which is near `now`.
fn check_time(claims: JsonValue<'_>, now: i64) -> Result<i64, ProofError> {
    let number = claims.get(b"iat").and_then(JsonValue::as_number);
    let number = number.ok_or(ProofError::Claim {
        claim: "iat",
        expected: "a number",
    })?;
    // Times near now are exact.
    let iat = number.parse::<f64>().map(|iat| iat.floor() as i64).ok();
    iat.filter(|iat| {
        let apart = i128::from(*iat).abs_diff(i128::from(now));
        apart <= u128::from(WINDOW.unsigned_abs())
    })
    .ok_or_else(|| ProofError::Time {
        iat: Quoted::new(number.as_bytes()),
        now,
    })
}

#[cfg(test)]
mod tests;
