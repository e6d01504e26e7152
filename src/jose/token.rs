//! From bytes to claims that count: a token whose form was checked, and one that was verified. Both own what they
//! hold and share it when cloned, so they can be kept for a request or in a cache.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::claims::{Claims, Times};
use super::compact::{self, Limits};
use super::error::{Error, Part, Quoted};
use super::header::Header;
use super::jwe::{self, Encrypted};
use super::jwks::KeySet;
use super::jws;

/// What kind of token is expected (`auth_jwt_type`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum TokenType {
    /// A JWS whose payload is claims.
    #[default]
    Signed,
    /// A JWE whose plaintext is claims.
    Encrypted,
    /// A JWE whose plaintext is a JWS whose payload is claims (RFC 7519 section 11.2).
    Nested,
}

/// Whether the signature of a JWS is checked (`auth_jwt_verify_signature`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignatureCheck {
    /// It has to be one of our keys'.
    Verify,
    /// Whoever wrote a JWS is believed: its signature is not looked at. All else is checked, and a JWE still has to
    /// decrypt.
    Believe,
}

/// A token of which only the form was checked: nothing in it can be trusted.
#[derive(Clone)]
pub struct UnverifiedToken(Arc<Parts>);

struct Parts {
    text: Arc<[u8]>,
    kind: TokenType,
    header: Arc<Header>,
    body: Body,
    limits: Limits,
}

enum Body {
    Signed(Signed),
    Encrypted(Encrypted),
}

/// What is in a JWS besides its header (RFC 7515 section 7.1).
struct Signed {
    /// How much of the text is header, dot and payload.
    message: usize,
    claims: Arc<Claims>,
    times: Result<Times, Error>,
    signature: Vec<u8>,
}

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
        let (header, body) = match kind {
            TokenType::Signed => {
                let (header, signed) = Signed::parse(token, limits)?;
                (header, Body::Signed(signed))
            }
            TokenType::Encrypted | TokenType::Nested => {
                let (header, encrypted) = Encrypted::parse(token, limits)?;
                (header, Body::Encrypted(encrypted))
            }
        };
        Ok(Self(Arc::new(Parts {
            text: token.into(),
            kind,
            header: Arc::new(header),
            body,
            limits: *limits,
        })))
    }

    /// The token as it came.
    pub fn text(&self) -> &Arc<[u8]> {
        &self.0.text
    }

    /// What kind of token it was parsed as.
    pub fn kind(&self) -> TokenType {
        self.0.kind
    }

    /// The header; of a nested token, the outer one.
    pub fn header(&self) -> &Header {
        &self.0.header
    }

    /// The claims of a signed token; none where they are still encrypted.
    pub fn claims(&self) -> Option<&Claims> {
        match &self.0.body {
            Body::Signed(signed) => Some(&signed.claims),
            Body::Encrypted(_) => None,
        }
    }

    /// Refuses what can be refused before any key is known: unknown extensions and algorithms, and claims that can be
    /// read and whose time it is not. What passes is no more trusted than before.
    pub fn check_without_keys(&self, now: i64, leeway: Duration) -> Result<(), Error> {
        match &self.0.body {
            Body::Signed(signed) => {
                jws::check_header(&self.0.header)?;
                signed.times.clone()?.check(now, leeway)
            }
            Body::Encrypted(_) => jwe::check_header(&self.0.header).map(drop),
        }
    }

    /// Checks who wrote the token: no unknown extensions, an algorithm that we have, a key in the set that fits the
    /// algorithm and whose signature this is, or that decrypts it. Nothing in the token but `alg` and `kid` has a say in
    /// which key is tried.
    pub fn authenticate(
        &self,
        keys: &KeySet,
        check: SignatureCheck,
    ) -> Result<AuthenticToken, Error> {
        let parts = &*self.0;
        let authentic = match &parts.body {
            Body::Signed(signed) => {
                let message = parts.text.get(..signed.message).unwrap_or_default();
                match check {
                    SignatureCheck::Verify => {
                        jws::verify(&parts.header, message, &signed.signature, keys)?;
                    }
                    SignatureCheck::Believe => {
                        jws::check_header(&parts.header)?;
                    }
                }
                Authentic {
                    header: parts.header.clone(),
                    claims: signed.claims.clone(),
                    times: signed.times.clone()?,
                    inner: None,
                }
            }
            Body::Encrypted(encrypted) => {
                let limit = parts.limits.inflated_bytes;
                let plaintext = encrypted.decrypt(&parts.header, keys, limit)?;
                self.authenticate_inside(plaintext, keys, check)?
            }
        };
        Ok(AuthenticToken(Arc::new(authentic)))
    }

    fn authenticate_inside(
        &self,
        plaintext: Vec<u8>,
        keys: &KeySet,
        check: SignatureCheck,
    ) -> Result<Authentic, Error> {
        let Parts {
            kind,
            header,
            limits,
            ..
        } = &*self.0;
        match kind {
            TokenType::Nested => {
                let token = Self::parse(&plaintext, TokenType::Signed, limits)?;
                let inner = token.authenticate(keys, check)?;
                let inside = Inner::Token(token.text().clone(), inner.0.header.clone());
                Ok(Authentic {
                    header: header.clone(),
                    claims: inner.0.claims.clone(),
                    times: inner.0.times,
                    inner: Some(inside),
                })
            }
            TokenType::Encrypted | TokenType::Signed => {
                let claims = Claims::parse(plaintext, limits)?;
                Ok(Authentic {
                    header: header.clone(),
                    times: claims.times()?,
                    claims: Arc::new(claims),
                    inner: Some(Inner::Claims),
                })
            }
        }
    }

    /// Judges the token: [`authenticate`](Self::authenticate) and [`AuthenticToken::at`]. `now` is in seconds since 1970
    /// in UTC; `leeway` is for both `exp` and `nbf`.
    pub fn verify(
        &self,
        keys: &KeySet,
        now: i64,
        leeway: Duration,
    ) -> Result<VerifiedToken, Error> {
        let authentic = self.authenticate(keys, SignatureCheck::Verify)?;
        authentic.at(now, leeway)
    }

    /// What a log line says about the token.
    pub fn summary(&self) -> Summary {
        Summary::new(Some(self.header()), self.claims())
    }
}

impl Signed {
    fn parse(token: &[u8], limits: &Limits) -> Result<(Header, Self), Error> {
        let [header, payload, signature] = compact::split(token)?;
        let message = token
            .len()
            .saturating_sub(signature.len())
            .saturating_sub(1);
        let header = Header::parse(header, limits)?;
        let claims = Claims::parse(compact::decode(payload, Part::Claims)?, limits)?;
        let signed = Self {
            message,
            times: claims.times(),
            claims: Arc::new(claims),
            signature: compact::decode(signature, Part::Signature)?,
        };
        Ok((header, signed))
    }
}

impl fmt::Debug for UnverifiedToken {
    /// What a log line may say; never the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnverifiedToken({})", self.summary())
    }
}

/// A token that a key of ours signed or that was encrypted to us. That stays true as long as the keys are the same, so
/// it may be kept; whether its time is now does not, so it counts for nothing until [`at`](Self::at) was asked.
#[derive(Clone)]
pub struct AuthenticToken(Arc<Authentic>);

struct Authentic {
    header: Arc<Header>,
    claims: Arc<Claims>,
    times: Times,
    inner: Option<Inner>,
}

/// What was encrypted.
enum Inner {
    Claims,
    /// A JWS as it came, and its header.
    Token(Arc<[u8]>, Arc<Header>),
}

impl AuthenticToken {
    /// The token as one that counts at this time. See [`Claims::check_times`].
    pub fn at(&self, now: i64, leeway: Duration) -> Result<VerifiedToken, Error> {
        self.0.times.check(now, leeway)?;
        Ok(VerifiedToken(self.0.clone()))
    }

    /// How many bytes of memory it takes up, for whoever keeps it.
    pub fn memory(&self) -> usize {
        let Authentic {
            header,
            claims,
            times: _,
            inner,
        } = &*self.0;
        let inside = match inner {
            Some(Inner::Token(text, header)) => text.len().saturating_add(header.memory()),
            Some(Inner::Claims) | None => 0,
        };
        [header.memory(), claims.memory(), inside]
            .into_iter()
            .fold(Self::FIXED_MEMORY, usize::saturating_add)
    }

    /// The structs themselves, two headers at most, and what the allocator adds to each of 16 allocations at most.
    const FIXED_MEMORY: usize =
        size_of::<Authentic>() + size_of::<Claims>() + 2 * size_of::<Header>() + 16 * 16;
}

impl fmt::Debug for AuthenticToken {
    /// What a log line may say; never the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let summary = Summary::new(Some(&self.0.header), Some(&self.0.claims));
        write!(f, "AuthenticToken({summary})")
    }
}

/// A token that a key of ours signed or that was encrypted to us, and whose time it was when it was verified.
#[derive(Clone)]
pub struct VerifiedToken(Arc<Authentic>);

impl VerifiedToken {
    /// The header; of a nested token, the outer one.
    pub fn header(&self) -> &Header {
        &self.0.header
    }

    /// The header of the JWS inside a nested token.
    pub fn inner_header(&self) -> Option<&Header> {
        match &self.0.inner {
            Some(Inner::Token(_, header)) => Some(header),
            _ => None,
        }
    }

    /// The claims.
    pub fn claims(&self) -> &Claims {
        &self.0.claims
    }

    /// What `$jwt_payload` holds: of a nested token, the JWS inside; of an encrypted one, the JSON of the claims; of a
    /// signed one nothing.
    pub fn payload(&self) -> Option<&[u8]> {
        match self.0.inner.as_ref()? {
            Inner::Claims => Some(self.0.claims.json().as_bytes()),
            Inner::Token(token, _) => Some(token),
        }
    }

    /// Checks `exp` and `nbf` again, at another time; see [`Claims::check_times`].
    pub fn check_times(&self, now: i64, leeway: Duration) -> Result<(), Error> {
        self.0.times.check(now, leeway)
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
