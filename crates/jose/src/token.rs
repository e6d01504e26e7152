//! From bytes to claims that count: a token whose form was checked, and one that was verified. Both own what they
//! hold and share it when cloned, so they can be kept for a request or in a cache.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;
use text::Quoted;

use super::claims::{Claims, Times};
use super::compact::{self, Limits};
use super::error::{Error, Part};
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
pub struct UnverifiedToken(Form);

#[derive(Clone)]
enum Form {
    Signed(Rc<Jws>),
    Encrypted(Rc<Jwe>),
    Nested(Rc<Jwe>),
}

/// A JWS (RFC 7515 section 7.1) whose payload is claims.
struct Jws {
    /// The token as it came, and behind it the signature, decoded.
    bytes: Vec<u8>,
    length: usize,
    /// How much of it is header, dot and payload.
    message: usize,
    header: Header,
    claims: Claims,
    /// Not there where something is wrong with them.
    times: Option<Times>,
}

/// A JWE (RFC 7516 section 7.1).
struct Jwe {
    text: Box<[u8]>,
    header: Header,
    encrypted: Encrypted,
    limits: Limits,
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
        Ok(Self(match kind {
            TokenType::Signed => Form::Signed(Jws::parse(token, limits)?),
            TokenType::Encrypted => Form::Encrypted(Rc::new(Jwe::parse(token, limits)?)),
            TokenType::Nested => Form::Nested(Rc::new(Jwe::parse(token, limits)?)),
        }))
    }

    /// The token as it came.
    pub fn text(&self) -> &[u8] {
        match &self.0 {
            Form::Signed(jws) => jws.text(),
            Form::Encrypted(jwe) | Form::Nested(jwe) => &jwe.text,
        }
    }

    /// What kind of token it was parsed as.
    pub fn kind(&self) -> TokenType {
        match &self.0 {
            Form::Signed(_) => TokenType::Signed,
            Form::Encrypted(_) => TokenType::Encrypted,
            Form::Nested(_) => TokenType::Nested,
        }
    }

    /// The header; of a nested token, the outer one.
    pub fn header(&self) -> &Header {
        match &self.0 {
            Form::Signed(jws) => &jws.header,
            Form::Encrypted(jwe) | Form::Nested(jwe) => &jwe.header,
        }
    }

    /// The claims of a signed token; none where they are still encrypted.
    pub fn claims(&self) -> Option<&Claims> {
        match &self.0 {
            Form::Signed(jws) => Some(&jws.claims),
            Form::Encrypted(_) | Form::Nested(_) => None,
        }
    }

    /// Refuses what can be refused before any key is known: unknown extensions and algorithms, and claims that can be
    /// read and whose time it is not. What passes is no more trusted than before.
    pub fn check_without_keys(&self, now: i64, leeway: Duration) -> Result<(), Error> {
        match &self.0 {
            Form::Signed(jws) => {
                jws::check_header(&jws.header)?;
                jws.times()?.check(now, leeway)
            }
            Form::Encrypted(jwe) | Form::Nested(jwe) => jwe::check_header(&jwe.header).map(drop),
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
        Ok(AuthenticToken(match &self.0 {
            Form::Signed(jws) => {
                jws.check_signature(keys, check)?;
                jws.times()?;
                Content::Signed(jws.clone())
            }
            Form::Encrypted(jwe) => {
                let claims = Claims::parse(jwe.decrypt(keys)?, &jwe.limits)?;
                Content::Encrypted(Rc::new(Decrypted {
                    jwe: jwe.clone(),
                    times: claims.times()?,
                    claims,
                }))
            }
            Form::Nested(jwe) => {
                let jws = Jws::parse_within(&jwe.decrypt(keys)?, &jwe.limits)?;
                jws.check_signature(keys, check)?;
                jws.times()?;
                Content::Nested(Rc::new((jwe.clone(), jws)))
            }
        }))
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

impl Jws {
    fn parse(token: &[u8], limits: &Limits) -> Result<Rc<Self>, Error> {
        let [header, payload, signature] = compact::split(token)?;
        let message = token
            .len()
            .saturating_sub(signature.len())
            .saturating_sub(1);
        let header = Header::parse(header, limits)?;
        let claims = Claims::parse(compact::decode(payload, Part::Claims)?, limits)?;
        let decoded = base64::decoded_len_estimate(signature.len());
        let mut bytes = Vec::with_capacity(token.len().saturating_add(decoded));
        bytes.extend_from_slice(token);
        compact::append(&mut bytes, signature, Part::Signature)?;
        Ok(Rc::new(Self {
            bytes,
            length: token.len(),
            message,
            header,
            times: claims.times().ok(),
            claims,
        }))
    }

    /// The JWS that a JWE has for its plaintext.
    fn parse_within(plaintext: &[u8], limits: &Limits) -> Result<Rc<Self>, Error> {
        match plaintext.len() > limits.token_bytes {
            true => Err(Error::TokenTooLarge {
                length: plaintext.len(),
                limit: limits.token_bytes,
            }),
            false => Self::parse(plaintext, limits),
        }
    }

    fn text(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn times(&self) -> Result<Times, Error> {
        self.times.map_or_else(|| self.claims.times(), Ok)
    }

    fn check_signature(&self, keys: &KeySet, check: SignatureCheck) -> Result<(), Error> {
        match check {
            SignatureCheck::Verify => {
                let message = self.bytes.get(..self.message).unwrap_or_default();
                let signature = self.bytes.get(self.length..).unwrap_or_default();
                jws::verify(&self.header, message, signature, keys)
            }
            SignatureCheck::Believe => jws::check_header(&self.header).map(drop),
        }
    }

    /// In bytes, with itself.
    fn memory(&self) -> usize {
        [
            self.bytes.capacity(),
            self.header.memory(),
            self.claims.memory(),
        ]
        .into_iter()
        .fold(size_of::<Self>(), usize::saturating_add)
    }
}

impl Jwe {
    fn parse(token: &[u8], limits: &Limits) -> Result<Self, Error> {
        let (header, encrypted) = Encrypted::parse(token, limits)?;
        Ok(Self {
            text: token.into(),
            header,
            encrypted,
            limits: *limits,
        })
    }

    fn decrypt(&self, keys: &KeySet) -> Result<Vec<u8>, Error> {
        let limit = self.limits.inflated_bytes;
        self.encrypted.decrypt(&self.header, keys, limit)
    }

    /// In bytes, with itself. What was decoded of the token is not longer than it.
    fn memory(&self) -> usize {
        [self.text.len(), self.text.len(), self.header.memory()]
            .into_iter()
            .fold(size_of::<Self>(), usize::saturating_add)
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
pub struct AuthenticToken(Content);

#[derive(Clone)]
enum Content {
    Signed(Rc<Jws>),
    Encrypted(Rc<Decrypted>),
    Nested(Rc<(Rc<Jwe>, Rc<Jws>)>),
}

/// A JWE with the claims that were in it.
struct Decrypted {
    jwe: Rc<Jwe>,
    claims: Claims,
    times: Times,
}

impl AuthenticToken {
    /// The token as one that counts at this time. See [`Claims::check_times`].
    pub fn at(self, now: i64, leeway: Duration) -> Result<VerifiedToken, Error> {
        self.times()?.check(now, leeway)?;
        Ok(VerifiedToken(self))
    }

    /// [`UnverifiedToken::check_without_keys`] for who does not know whether the keys are the same: not a word about
    /// the claims of an encrypted token, which are for those who have its key.
    pub fn check_without_keys(&self, now: i64, leeway: Duration) -> Result<(), Error> {
        match &self.0 {
            Content::Signed(jws) => jws.times()?.check(now, leeway),
            Content::Encrypted(_) | Content::Nested(_) => Ok(()),
        }
    }

    /// The token as it came.
    pub fn text(&self) -> &[u8] {
        match &self.0 {
            Content::Signed(jws) => jws.text(),
            Content::Encrypted(it) => &it.jwe.text,
            Content::Nested(it) => &it.0.text,
        }
    }

    /// How many bytes of memory it takes up, for whoever keeps it.
    pub fn memory(&self) -> usize {
        let memory = match &self.0 {
            Content::Signed(jws) => jws.memory(),
            Content::Encrypted(it) => [it.jwe.memory(), it.claims.memory()]
                .into_iter()
                .fold(size_of::<Decrypted>(), usize::saturating_add),
            Content::Nested(it) => it.0.memory().saturating_add(it.1.memory()),
        };
        memory.saturating_add(Self::ALLOCATIONS)
    }

    /// What the allocator adds to each of 16 allocations at most.
    const ALLOCATIONS: usize = 16 * 16;

    fn header(&self) -> &Header {
        match &self.0 {
            Content::Signed(jws) => &jws.header,
            Content::Encrypted(it) => &it.jwe.header,
            Content::Nested(it) => &it.0.header,
        }
    }

    fn claims(&self) -> &Claims {
        match &self.0 {
            Content::Signed(jws) => &jws.claims,
            Content::Encrypted(it) => &it.claims,
            Content::Nested(it) => &it.1.claims,
        }
    }

    fn times(&self) -> Result<Times, Error> {
        match &self.0 {
            Content::Signed(jws) => jws.times(),
            Content::Encrypted(it) => Ok(it.times),
            Content::Nested(it) => it.1.times(),
        }
    }

    fn summary(&self) -> Summary {
        Summary::new(Some(self.header()), Some(self.claims()))
    }
}

impl fmt::Debug for AuthenticToken {
    /// What a log line may say; never the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthenticToken({})", self.summary())
    }
}

/// A token that a key of ours signed or that was encrypted to us, and whose time it was when it was verified.
#[derive(Clone)]
pub struct VerifiedToken(AuthenticToken);

impl VerifiedToken {
    /// The header; of a nested token, the outer one.
    pub fn header(&self) -> &Header {
        self.0.header()
    }

    /// The header of the JWS inside a nested token.
    pub fn inner_header(&self) -> Option<&Header> {
        match &self.0.0 {
            Content::Nested(it) => Some(&it.1.header),
            Content::Signed(_) | Content::Encrypted(_) => None,
        }
    }

    /// The claims.
    pub fn claims(&self) -> &Claims {
        self.0.claims()
    }

    /// What `$jwt_payload` holds: of a nested token, the JWS inside; of an encrypted one, the JSON of the claims; of a
    /// signed one nothing.
    pub fn payload(&self) -> Option<&[u8]> {
        match &self.0.0 {
            Content::Signed(_) => None,
            Content::Encrypted(it) => Some(it.claims.json().as_bytes()),
            Content::Nested(it) => Some(it.1.text()),
        }
    }

    /// Checks `exp` and `nbf` again, at another time; see [`Claims::check_times`].
    pub fn check_times(&self, now: i64, leeway: Duration) -> Result<(), Error> {
        self.0.times()?.check(now, leeway)
    }

    /// What a log line says about the token.
    pub fn summary(&self) -> Summary {
        self.0.summary()
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
            iss: iss.map(|iss| Quoted::new(&*iss)),
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
