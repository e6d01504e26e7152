//! From bytes to claims that count: a token whose form was checked, and one that was verified. Both own what they
//! hold and share it when cloned, so they can be kept for a request or in a cache.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::claims::Claims;
use super::compact::{self, Limits};
use super::error::{Error, Part, Quoted};
use super::header::Header;
use super::jwe::Encrypted;
use super::jwks::KeySet;
use super::jws;

/// What kind of token is expected (`auth_jwt_type`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TokenType {
    /// A JWS whose payload is claims.
    #[default]
    Signed,
    /// A JWE whose plaintext is claims.
    Encrypted,
    /// A JWE whose plaintext is a JWS whose payload is claims (RFC 7519 section 11.2).
    Nested,
}

/// A token of which only the form was checked: nothing in it can be trusted.
#[derive(Clone)]
pub struct UnverifiedToken {
    body: Body,
    limits: Limits,
}

#[derive(Clone)]
enum Body {
    Signed(Signed),
    Encrypted(Arc<(Header, Encrypted)>),
    Nested(Arc<(Header, Encrypted)>),
}

/// A JWS (RFC 7515 section 7.1).
#[derive(Clone)]
struct Signed {
    /// Header, dot and payload as they came, and behind them the signature, decoded.
    bytes: Vec<u8>,
    message_length: usize,
    content: Arc<Content>,
}

/// What a token says.
struct Content {
    header: Header,
    claims: Claims,
}

/// [`jws::verify`], or what stands in for it.
type SignatureCheck = fn(&Header, &[u8], &[u8], &KeySet) -> Result<(), Error>;

impl UnverifiedToken {
    /// Checks the form of a token: parts, base64url, header, and the claims where they are readable. Never looks at
    /// more than the limits allow. The bytes are copied.
    pub fn parse(token: &[u8], kind: TokenType, limits: &Limits) -> Result<Self, Error> {
        if token.len() > limits.token_bytes {
            return Err(Error::TokenTooLarge {
                length: token.len(),
                limit: limits.token_bytes,
            });
        }
        match kind {
            TokenType::Signed => Self::parse_signed(token, limits),
            TokenType::Encrypted => Self::parse_encrypted(token, Body::Encrypted, limits),
            TokenType::Nested => Self::parse_encrypted(token, Body::Nested, limits),
        }
    }

    fn parse_encrypted(
        token: &[u8],
        body: fn(Arc<(Header, Encrypted)>) -> Body,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let encrypted = Encrypted::parse(token, limits)?;
        Ok(Self {
            body: body(Arc::new(encrypted)),
            limits: *limits,
        })
    }

    fn parse_signed(token: &[u8], limits: &Limits) -> Result<Self, Error> {
        let [header, payload, signature] = compact::split(token)?;
        let length = token
            .len()
            .saturating_sub(signature.len())
            .saturating_sub(1);
        let header = Header::parse(header, limits)?;
        let claims = compact::decode(payload, Part::Claims)?;
        let claims = Claims::parse(claims, limits)?;
        let decoded = base64::decoded_len_estimate(signature.len());
        let mut bytes = Vec::with_capacity(length.saturating_add(decoded));
        bytes.extend_from_slice(token.get(..length).unwrap_or_default());
        let message_length = bytes.len();
        compact::append(&mut bytes, signature, Part::Signature)?;
        let signed = Signed {
            bytes,
            message_length,
            content: Arc::new(Content { header, claims }),
        };
        Ok(Self {
            body: Body::Signed(signed),
            limits: *limits,
        })
    }

    /// The header; of a nested token, the outer one.
    pub fn header(&self) -> &Header {
        match &self.body {
            Body::Signed(signed) => &signed.content.header,
            Body::Encrypted(encrypted) | Body::Nested(encrypted) => &encrypted.0,
        }
    }

    /// The claims of a signed token; none where they are still encrypted.
    pub fn claims(&self) -> Option<&Claims> {
        match &self.body {
            Body::Signed(signed) => Some(&signed.content.claims),
            Body::Encrypted(_) | Body::Nested(_) => None,
        }
    }

    /// As [`verify`](Self::verify), but whoever wrote a JWS is believed: its signature is not looked at. All else is
    /// checked, and a JWE still has to decrypt.
    pub fn believe(
        &self,
        keys: &KeySet,
        now: i64,
        leeway: Duration,
    ) -> Result<VerifiedToken, Error> {
        self.judge(keys, now, leeway, |header, _, _, _| {
            jws::check_header(header).map(drop)
        })
    }

    /// Judges the token: no unknown extensions, an algorithm that we have, a key in the set that fits the algorithm
    /// and whose signature this is, and times. `now` is in seconds since 1970 in UTC; `leeway` is for both `exp` and
    /// `nbf`. Nothing in the token but `alg` and `kid` has a say in which key is tried.
    pub fn verify(
        &self,
        keys: &KeySet,
        now: i64,
        leeway: Duration,
    ) -> Result<VerifiedToken, Error> {
        self.judge(keys, now, leeway, jws::verify)
    }

    fn judge(
        &self,
        keys: &KeySet,
        now: i64,
        leeway: Duration,
        check_signature: SignatureCheck,
    ) -> Result<VerifiedToken, Error> {
        let verified = match &self.body {
            Body::Signed(signed) => {
                let (message, signature) = signed
                    .bytes
                    .split_at_checked(signed.message_length)
                    .unwrap_or_default();
                check_signature(&signed.content.header, message, signature, keys)?;
                VerifiedToken {
                    content: signed.content.clone(),
                    envelope: Envelope::None,
                }
            }
            Body::Encrypted(token) => {
                let (header, encrypted) = &**token;
                let plaintext = encrypted.decrypt(header, keys, self.limits.inflated_bytes)?;
                let claims = Claims::parse(plaintext, &self.limits)?;
                let header = header.clone();
                VerifiedToken {
                    content: Arc::new(Content { header, claims }),
                    envelope: Envelope::OfClaims,
                }
            }
            Body::Nested(token) => {
                let (header, encrypted) = &**token;
                let inner = encrypted.decrypt(header, keys, self.limits.inflated_bytes)?;
                let token = Self::parse(&inner, TokenType::Signed, &self.limits)?;
                let verified = token.judge(keys, now, leeway, check_signature)?;
                VerifiedToken {
                    content: verified.content,
                    envelope: Envelope::OfToken(Arc::new((header.clone(), inner))),
                }
            }
        };
        verified.check_times(now, leeway)?;
        Ok(verified)
    }

    /// What a log line says about the token.
    pub fn summary(&self) -> Summary {
        Summary::new(Some(self.header()), self.claims())
    }
}

impl fmt::Debug for UnverifiedToken {
    /// What a log line may say; never the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnverifiedToken({})", self.summary())
    }
}

/// A token that a key of ours signed or that was encrypted to us, and whose time it was when it was verified.
#[derive(Clone)]
pub struct VerifiedToken {
    content: Arc<Content>,
    envelope: Envelope,
}

/// What was encrypted.
#[derive(Clone)]
enum Envelope {
    None,
    /// The claims, and the content's header is that of the JWE.
    OfClaims,
    /// A JWS: the header around it, and the JWS as it came.
    OfToken(Arc<(Header, Vec<u8>)>),
}

impl VerifiedToken {
    /// The header; of a nested token, the outer one.
    pub fn header(&self) -> &Header {
        match &self.envelope {
            Envelope::None | Envelope::OfClaims => &self.content.header,
            Envelope::OfToken(token) => &token.0,
        }
    }

    /// The header of the JWS inside a nested token.
    pub fn inner_header(&self) -> Option<&Header> {
        match &self.envelope {
            Envelope::None | Envelope::OfClaims => None,
            Envelope::OfToken(_) => Some(&self.content.header),
        }
    }

    /// The claims.
    pub fn claims(&self) -> &Claims {
        &self.content.claims
    }

    /// What `$jwt_payload` holds: of a nested token, the JWS inside; of an encrypted one, the JSON of the claims; of a
    /// signed one nothing.
    pub fn payload(&self) -> Option<&[u8]> {
        match &self.envelope {
            Envelope::None => None,
            Envelope::OfClaims => Some(self.claims().json().as_bytes()),
            Envelope::OfToken(token) => Some(&token.1),
        }
    }

    /// Checks `exp` and `nbf` again, at another time; see [`Claims::check_times`].
    pub fn check_times(&self, now: i64, leeway: Duration) -> Result<(), Error> {
        self.claims().check_times(now, leeway)
    }

    /// What a log line says about the token.
    pub fn summary(&self) -> Summary {
        Summary::new(Some(self.header()), Some(self.claims()))
    }
}

impl fmt::Debug for VerifiedToken {
    /// What a log line may say; never the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifiedToken({})", self.summary())
    }
}

/// What a log line says about a token, quoted and bounded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// `alg` of the header.
    pub alg: Option<Quoted>,
    /// `kid` of the header.
    pub kid: Option<Quoted>,
    /// The claim `iss`, where it can be read and is a string.
    pub iss: Option<Quoted>,
}

impl Summary {
    fn new(header: Option<&Header>, claims: Option<&Claims>) -> Self {
        let iss = claims.and_then(|claims| claims.object().get(b"iss")?.as_str());
        Self {
            alg: header.map(|header| Quoted::new(header.alg())),
            kid: header.and_then(|header| header.kid().map(Quoted::new)),
            iss: iss.map(|iss| Quoted::new(&iss)),
        }
    }

    /// What can be said about bytes that are no token: whatever of it has the right form.
    pub fn of(token: &[u8], limits: &Limits) -> Self {
        if token.len() > limits.token_bytes {
            return Self::default();
        }
        let mut parts = token.splitn(4, |&byte| byte == b'.');
        let (header, payload) = (parts.next(), parts.next());
        let header = header.and_then(|part| Header::parse(part, limits).ok());
        let claims = payload.and_then(|part| {
            let text = compact::decode(part, Part::Claims).ok()?;
            Claims::parse(text, limits).ok()
        });
        Self::new(header.as_ref(), claims.as_ref())
    }
}

impl fmt::Display for Summary {
    /// `alg "RS256", kid "k1", iss "https://issuer"`, without what is missing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [("alg", &self.alg), ("kid", &self.kid), ("iss", &self.iss)];
        let mut separator = "";
        for (name, value) in all {
            if let Some(value) = value {
                write!(f, "{separator}{name} {value}")?;
                separator = ", ";
            }
        }
        Ok(())
    }
}
