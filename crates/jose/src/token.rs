//! Tokens, by how far they have been verified: an [`UnverifiedToken`] has the right form, an
//! [`AuthenticToken`] was signed by a key of the key set or encrypted to one (or is believed to be,
//! with [`SignatureCheck::Believe`]), and a [`VerifiedToken`] was also valid at the time of the
//! check. [`UnverifiedToken::verify`] makes all checks in one call. A caller that caches tokens
//! calls [`UnverifiedToken::authenticate`] once and [`AuthenticToken::valid_at`] for each use.
//! Tokens own their data, and clones share it.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use text::Quoted;

use crate::claims::{Claims, ValidityPeriod};
use crate::compact;
use crate::error::{Error, InputPart};
use crate::header::JoseHeader;
use crate::jwe::{self, JweParts};
use crate::jwks::KeySet;
use crate::jws;
use crate::limits::Limits;
use crate::no_key::KeyPurpose;
use crate::step_counter;
use crate::summary::Summary;
use crate::token_type::{SignatureCheck, TokenType};

/// A token that has the right form. Nothing in it can be trusted.
#[derive(Clone)]
pub struct UnverifiedToken(TokenForm);

/// A token that was signed by a key of the key set or encrypted to one; with
/// [`SignatureCheck::Believe`] one that is taken for such a token. This remains true while the keys
/// are the same, so that such a token may be cached. Whether it is valid at a given time must be
/// asked for each use, by [`valid_at`](Self::valid_at).
#[derive(Clone)]
pub struct AuthenticToken(TokenContent);

/// An authentic token that was valid at the time of the check.
#[derive(Clone)]
pub struct VerifiedToken(AuthenticToken);

// perf: Rc instead of Arc, because a worker of nginx is one thread: about 20 cycles less for each
// clone.
#[derive(Clone)]
enum TokenForm {
    Signed(Rc<SignedToken>),
    Encrypted(Rc<EncryptedToken>),
    Nested(Rc<EncryptedToken>),
    /// A nested token that was decrypted. The signature inside is not verified yet.
    Opened(Rc<NestedToken>),
}

#[derive(Clone)]
enum TokenContent {
    Signed(Rc<SignedToken>),
    Encrypted(Rc<DecryptedToken>),
    Nested(Rc<NestedToken>),
}

/// A JWS (RFC 7515 section 7.1) with claims as its payload.
struct SignedToken {
    /// The token as received, followed by the decoded signature.
    // perf: one allocation for both, 180 instructions less.
    bytes: Vec<u8>,
    /// Length of the token.
    token_length: usize,
    /// Length of the bytes that are signed: header, dot and payload.
    message_length: usize,
    header: JoseHeader,
    claims: Claims,
    /// `None` if `exp` or `nbf` is malformed.
    // perf: parsed once, 1,090 instructions less for each use of a cached token.
    validity_period: Option<ValidityPeriod>,
}

/// A JWE (RFC 7516 section 7.1).
struct EncryptedToken {
    text: Box<[u8]>,
    header: JoseHeader,
    parts: JweParts,
    limits: Limits,
}

/// A JWE with the claims that were encrypted.
struct DecryptedToken {
    outer: Rc<EncryptedToken>,
    claims: Claims,
    validity_period: ValidityPeriod,
}

/// A JWE with the JWS that was encrypted.
struct NestedToken {
    outer: Rc<EncryptedToken>,
    inner: Rc<SignedToken>,
}

impl UnverifiedToken {
    /// Parses a token: its parts, base64url, the header, and the claims if they are not encrypted.
    /// The bytes are copied.
    ///
    /// # Errors
    /// If the token has not the form of this kind of token, or exceeds one of the limits.
    pub fn parse(token: &[u8], kind: TokenType, limits: &Limits) -> Result<Self, Error> {
        check_length(token, limits)?;
        Ok(Self(match kind {
            TokenType::Signed => TokenForm::Signed(SignedToken::parse(token, limits)?),
            TokenType::Encrypted => TokenForm::Encrypted(EncryptedToken::parse(token, limits)?),
            TokenType::Nested => TokenForm::Nested(EncryptedToken::parse(token, limits)?),
        }))
    }

    /// The token as received.
    pub fn text(&self) -> &[u8] {
        match &self.0 {
            TokenForm::Signed(jws) => jws.text(),
            TokenForm::Encrypted(jwe) | TokenForm::Nested(jwe) => &jwe.text,
            TokenForm::Opened(nested) => &nested.outer.text,
        }
    }

    /// The kind of token that it was parsed as.
    pub fn kind(&self) -> TokenType {
        match &self.0 {
            TokenForm::Signed(_) => TokenType::Signed,
            TokenForm::Encrypted(_) => TokenType::Encrypted,
            TokenForm::Nested(_) | TokenForm::Opened(_) => TokenType::Nested,
        }
    }

    /// The header. For a nested token this is the header of the JWE.
    pub fn header(&self) -> &JoseHeader {
        match &self.0 {
            TokenForm::Signed(jws) => &jws.header,
            TokenForm::Encrypted(jwe) | TokenForm::Nested(jwe) => &jwe.header,
            TokenForm::Opened(nested) => &nested.outer.header,
        }
    }

    /// The claims. `None` if they are encrypted.
    pub fn claims(&self) -> Option<&Claims> {
        match &self.0 {
            TokenForm::Signed(jws) => Some(&jws.claims),
            TokenForm::Encrypted(_) | TokenForm::Nested(_) => None,
            TokenForm::Opened(nested) => Some(&nested.inner.claims),
        }
    }

    /// The header of the JWS inside a nested token that was decrypted by [`open`](Self::open).
    /// `None` for other tokens.
    pub fn inner_header(&self) -> Option<&JoseHeader> {
        match &self.0 {
            TokenForm::Opened(nested) => Some(&nested.inner.header),
            TokenForm::Signed(_) | TokenForm::Encrypted(_) | TokenForm::Nested(_) => None,
        }
    }

    /// A nested token with the JWS inside decrypted, so that its claims can be read and it can be
    /// verified with keys that do not decrypt. Nothing in it can be trusted before that. A token of
    /// another kind as it is.
    ///
    /// # Errors
    /// As for [`authenticate`](Self::authenticate).
    pub fn open(&self, keys: &KeySet) -> Result<Self, Error> {
        Ok(Self(match &self.0 {
            TokenForm::Nested(jwe) => TokenForm::Opened(Rc::new(NestedToken {
                outer: jwe.clone(),
                inner: jwe.decrypt_nested(keys)?,
            })),
            form => form.clone(),
        }))
    }

    /// Makes the checks that need no keys, before the keys are fetched: extensions, algorithms, and
    /// `exp` and `nbf` if the claims are not encrypted. A token that passes is still not trusted.
    /// `now` is in seconds since 1970 in UTC. `leeway` is for both `exp` and `nbf`.
    ///
    /// # Errors
    /// If the token would be refused with any keys.
    pub fn check_without_keys(&self, now: i64, leeway: Duration) -> Result<(), Error> {
        match &self.0 {
            TokenForm::Signed(jws) => {
                jws::check_header(&jws.header)?;
                jws.validity_period()?.check(now, leeway)
            }
            TokenForm::Encrypted(jwe) | TokenForm::Nested(jwe) => {
                jwe::check_header(&jwe.header).map(drop)
            }
            TokenForm::Opened(nested) => jwe::check_header(&nested.outer.header).map(drop),
        }
    }

    /// Checks that one of the keys made the signature, or decrypts the token. Only `alg` and `kid`
    /// have an influence on which keys are tried.
    ///
    /// # Errors
    /// If an extension or algorithm is not supported, if none of the keys made the signature or
    /// decrypts the token, or if the decrypted content or `exp` or `nbf` is malformed.
    pub fn authenticate(
        &self,
        keys: &KeySet,
        check: SignatureCheck,
    ) -> Result<AuthenticToken, Error> {
        Ok(AuthenticToken(match &self.0 {
            TokenForm::Signed(jws) => {
                jws.check_signature(keys, check)?;
                jws.validity_period()?;
                TokenContent::Signed(jws.clone())
            }
            TokenForm::Encrypted(jwe) => {
                let claims = jwe.decrypt_claims(keys)?;
                TokenContent::Encrypted(Rc::new(DecryptedToken {
                    outer: jwe.clone(),
                    validity_period: claims.validity_period()?,
                    claims,
                }))
            }
            TokenForm::Nested(_) => return self.open(keys)?.authenticate(keys, check),
            TokenForm::Opened(nested) => {
                nested.inner.check_signature(keys, check)?;
                nested.inner.validity_period()?;
                TokenContent::Nested(nested.clone())
            }
        }))
    }

    /// Whether the key of a token that was refused may be one that the set does not have. Then the
    /// token names such a key, and keys without a `kid` were tried at best; or it names none, and all
    /// were. Of a nested token this can be so for either header; to see the header inside, the token
    /// is decrypted.
    pub fn may_need_other_keys(&self, keys: &KeySet) -> bool {
        let names_unknown =
            |header: &JoseHeader| header.kid().is_some_and(|kid| !keys.has_kid(kid));
        let is_unknown = |header: &JoseHeader| header.kid().is_none() || names_unknown(header);
        match &self.0 {
            TokenForm::Signed(jws) => is_unknown(&jws.header),
            TokenForm::Encrypted(jwe) => is_unknown(&jwe.header),
            TokenForm::Nested(jwe) => {
                names_unknown(&jwe.header)
                    || match jwe.decrypt_nested(keys) {
                        Ok(jws) => is_unknown(&jws.header),
                        Err(_) => is_unknown(&jwe.header),
                    }
            }
            TokenForm::Opened(nested) => is_unknown(&nested.inner.header),
        }
    }

    /// Makes all checks: [`authenticate`](Self::authenticate) with [`SignatureCheck::Verify`],
    /// followed by [`AuthenticToken::valid_at`].
    ///
    /// # Errors
    /// If any check fails.
    pub fn verify(
        &self,
        keys: &KeySet,
        now: i64,
        leeway: Duration,
    ) -> Result<VerifiedToken, Error> {
        let authentic = self.authenticate(keys, SignatureCheck::Verify)?;
        authentic.valid_at(now, leeway)
    }

    /// What a log line tells about the token.
    pub fn summary(&self) -> Summary {
        Summary::new(Some(self.header()), self.claims())
    }
}

impl fmt::Debug for UnverifiedToken {
    /// Shows the summary, but not the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnverifiedToken({})", self.summary())
    }
}

impl AuthenticToken {
    /// Checks `exp` and `nbf` (RFC 7519 sections 4.1.4 and 4.1.5). `now` is in seconds since 1970
    /// in UTC. Only whole seconds of `leeway` count. A fraction in a claim is rounded up.
    ///
    /// # Errors
    /// [`Error::Expired`], [`Error::NotYetValid`]
    pub fn valid_at(self, now: i64, leeway: Duration) -> Result<VerifiedToken, Error> {
        self.validity_period()?.check(now, leeway)?;
        Ok(VerifiedToken(self))
    }

    /// Makes the checks of [`UnverifiedToken::check_without_keys`], for a caller that does not know
    /// whether the keys are still the same. The claims of an encrypted token are not checked: the
    /// result would tell something about them to a client that has no key for the token.
    ///
    /// # Errors
    /// If the token would be refused with any keys.
    pub fn check_without_keys(&self, now: i64, leeway: Duration) -> Result<(), Error> {
        match &self.0 {
            TokenContent::Signed(jws) => jws.validity_period()?.check(now, leeway),
            TokenContent::Encrypted(_) | TokenContent::Nested(_) => Ok(()),
        }
    }

    /// The token as received.
    pub fn text(&self) -> &[u8] {
        match &self.0 {
            TokenContent::Signed(jws) => jws.text(),
            TokenContent::Encrypted(token) => &token.outer.text,
            TokenContent::Nested(token) => &token.outer.text,
        }
    }

    /// How many bytes of memory the token occupies, approximately.
    pub fn memory(&self) -> usize {
        let memory = match &self.0 {
            TokenContent::Signed(jws) => jws.memory(),
            TokenContent::Encrypted(token) => [token.outer.memory(), token.claims.memory()]
                .into_iter()
                .fold(size_of::<DecryptedToken>(), usize::saturating_add),
            TokenContent::Nested(token) => {
                token.outer.memory().saturating_add(token.inner.memory())
            }
        };
        memory.saturating_add(Self::ALLOCATOR_OVERHEAD)
    }

    /// There are at most 16 allocations, to each of which the allocator adds up to 16 bytes.
    const ALLOCATOR_OVERHEAD: usize = 16 * 16;

    /// The header. For a nested token this is the header of the JWE.
    pub fn header(&self) -> &JoseHeader {
        match &self.0 {
            TokenContent::Signed(jws) => &jws.header,
            TokenContent::Encrypted(token) => &token.outer.header,
            TokenContent::Nested(token) => &token.outer.header,
        }
    }

    /// The claims, if everybody who has the token can read them.
    pub fn readable_claims(&self) -> Option<&Claims> {
        match &self.0 {
            TokenContent::Signed(jws) => Some(&jws.claims),
            TokenContent::Encrypted(_) | TokenContent::Nested(_) => None,
        }
    }

    fn claims(&self) -> &Claims {
        match &self.0 {
            TokenContent::Signed(jws) => &jws.claims,
            TokenContent::Encrypted(token) => &token.claims,
            TokenContent::Nested(token) => &token.inner.claims,
        }
    }

    fn validity_period(&self) -> Result<ValidityPeriod, Error> {
        match &self.0 {
            TokenContent::Signed(jws) => jws.validity_period(),
            TokenContent::Encrypted(token) => Ok(token.validity_period),
            TokenContent::Nested(token) => token.inner.validity_period(),
        }
    }

    fn summary(&self) -> Summary {
        Summary::new(Some(self.header()), Some(self.claims()))
    }
}

impl fmt::Debug for AuthenticToken {
    /// Shows the summary, but not the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthenticToken({})", self.summary())
    }
}

impl VerifiedToken {
    /// The header. For a nested token this is the header of the JWS inside, which the issuer has
    /// signed.
    pub fn header(&self) -> &JoseHeader {
        match &self.0.0 {
            TokenContent::Nested(token) => &token.inner.header,
            TokenContent::Signed(_) | TokenContent::Encrypted(_) => self.0.header(),
        }
    }

    /// The header of the JWE around a nested token. Everybody who has the key for encryption can
    /// write it. `None` for other tokens.
    pub fn outer_header(&self) -> Option<&JoseHeader> {
        match &self.0.0 {
            TokenContent::Nested(token) => Some(&token.outer.header),
            TokenContent::Signed(_) | TokenContent::Encrypted(_) => None,
        }
    }

    /// The claims.
    pub fn claims(&self) -> &Claims {
        self.0.claims()
    }

    /// The plaintext: the JSON of the claims of an encrypted token, and the JWS in a nested token.
    /// `None` for a signed token.
    pub fn payload(&self) -> Option<&[u8]> {
        match &self.0.0 {
            TokenContent::Signed(_) => None,
            TokenContent::Encrypted(token) => Some(token.claims.json().as_bytes()),
            TokenContent::Nested(token) => Some(token.inner.text()),
        }
    }

    /// What a log line tells about the token.
    pub fn summary(&self) -> Summary {
        self.0.summary()
    }
}

impl fmt::Debug for VerifiedToken {
    /// Shows the summary, but not the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifiedToken({})", self.summary())
    }
}

impl SignedToken {
    fn parse(token: &[u8], limits: &Limits) -> Result<Rc<Self>, Error> {
        let [header, payload, signature] = compact::split(token)?;
        let message_length = token
            .len()
            .saturating_sub(signature.len())
            .saturating_sub(1);
        let header = JoseHeader::parse(header, limits)?;
        let claims = Claims::parse(compact::decode(payload, InputPart::Claims)?, limits)?;
        let signature_length = base64::decoded_len_estimate(signature.len());
        let mut bytes = Vec::with_capacity(token.len().saturating_add(signature_length));
        bytes.extend_from_slice(token);
        compact::append(&mut bytes, signature, InputPart::Signature)?;
        Ok(Rc::new(Self {
            bytes,
            token_length: token.len(),
            message_length,
            header,
            validity_period: claims.validity_period().ok(),
            claims,
        }))
    }

    fn text(&self) -> &[u8] {
        self.bytes.get(..self.token_length).unwrap_or_default()
    }

    fn validity_period(&self) -> Result<ValidityPeriod, Error> {
        self.validity_period
            .map_or_else(|| self.claims.validity_period(), Ok)
    }

    fn check_signature(&self, keys: &KeySet, check: SignatureCheck) -> Result<(), Error> {
        match check {
            SignatureCheck::Verify => {
                let message = self.bytes.get(..self.message_length).unwrap_or_default();
                let signature = self.bytes.get(self.token_length..).unwrap_or_default();
                verify_signature(&self.header, message, signature, keys)
            }
            SignatureCheck::Believe => jws::check_header(&self.header).map(drop),
        }
    }

    /// Bytes of memory, including this struct.
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

impl EncryptedToken {
    fn parse(token: &[u8], limits: &Limits) -> Result<Rc<Self>, Error> {
        let (header, parts) = JweParts::parse(token, limits)?;
        Ok(Rc::new(Self {
            text: token.into(),
            header,
            parts,
            limits: *limits,
        }))
    }

    fn decrypt(&self, keys: &KeySet) -> Result<Vec<u8>, Error> {
        decrypt(&self.header, &self.parts, keys, self.limits.inflated_bytes)
    }

    /// The claims inside.
    fn decrypt_claims(&self, keys: &KeySet) -> Result<Claims, Error> {
        let plaintext = self.decrypt(keys)?;
        // The header of a JWS begins so, and JSON does not.
        if plaintext.starts_with(b"e") && compact::split::<3>(&plaintext).is_ok() {
            return Err(Error::Content { is_token: true });
        }
        Claims::parse(plaintext, &self.limits)
    }

    /// The token inside.
    fn decrypt_nested(&self, keys: &KeySet) -> Result<Rc<SignedToken>, Error> {
        let plaintext = self.decrypt(keys)?;
        if plaintext.starts_with(b"{") {
            return Err(Error::Content { is_token: false });
        }
        check_length(&plaintext, &self.limits)?;
        SignedToken::parse(&plaintext, &self.limits)
    }

    /// Bytes of memory, including this struct. The decoded parts are not longer than the token.
    fn memory(&self) -> usize {
        [self.text.len(), self.text.len(), self.header.memory()]
            .into_iter()
            .fold(size_of::<Self>(), usize::saturating_add)
    }
}

/// Checks that one of the keys made `signature` for `message`, under the algorithm of the header
/// (RFC 7515 section 5.2).
pub(crate) fn verify_signature(
    header: &JoseHeader,
    message: &[u8],
    signature: &[u8],
    keys: &KeySet,
) -> Result<(), Error> {
    let algorithm = jws::check_header(header)?;
    try_keys(
        header,
        keys.verifiers(algorithm, header.kid(), message.len()),
        |key| {
            step_counter::add(message.len());
            Ok(key.verify(message, signature).then_some(()))
        },
        |kid, tried| match tried {
            0 => no_key(keys, algorithm.name, header, KeyPurpose::Verify),
            _ => Error::BadSignature {
                alg: algorithm.name,
                kid,
                tried,
                fitting: keys.count_verifiers(algorithm, header.kid()),
            },
        },
    )
}

/// Decrypts the parts of a JWE with one of the keys, under the algorithms of the header (RFC 7516
/// section 5.2), and inflates the plaintext to at most `inflated_bytes` if it is compressed.
pub(crate) fn decrypt(
    header: &JoseHeader,
    parts: &JweParts,
    keys: &KeySet,
    inflated_bytes: usize,
) -> Result<Vec<u8>, Error> {
    let (algorithm, encryption) = jwe::check_header(header)?;
    let plaintext = try_keys(
        header,
        keys.decrypters(algorithm, encryption, header, parts.length()),
        |key| parts.decrypt_with(key, header, encryption),
        |kid, tried| match tried {
            0 => no_key(keys, algorithm.name, header, KeyPurpose::Decrypt),
            _ => Error::DecryptionFailed {
                alg: algorithm.name,
                kid,
                tried,
                fitting: keys.count_decrypters(algorithm, encryption, header),
            },
        },
    )?;
    match header.zip() {
        None => Ok(plaintext),
        Some(_) => jwe::inflate(&plaintext, inflated_bytes),
    }
}

/// Tries one key after the other until one succeeds. `all_failed` gets the token's `kid` and how
/// many keys were tried.
fn try_keys<K, T>(
    header: &JoseHeader,
    keys: impl Iterator<Item = K>,
    try_key: impl Fn(K) -> Result<Option<T>, Error>,
    all_failed: impl Fn(Option<Quoted>, usize) -> Error,
) -> Result<T, Error> {
    let mut tried = 0usize;
    for key in keys {
        tried = tried.saturating_add(1);
        if let Some(success) = try_key(key)? {
            return Ok(success);
        }
    }
    Err(all_failed(header.kid().map(Quoted::new), tried))
}

/// The set has no key for a token with this header.
#[cold]
fn no_key(keys: &KeySet, alg: &'static str, header: &JoseHeader, purpose: KeyPurpose) -> Error {
    Error::UnknownKey {
        alg,
        kid: header.kid().map(Quoted::new),
        reason: keys.no_key_reason(alg, header.kid(), purpose),
    }
}

fn check_length(token: &[u8], limits: &Limits) -> Result<(), Error> {
    match token.len() > limits.token_bytes {
        true => Err(Error::TokenTooLarge {
            length: token.len(),
            limit: limits.token_bytes,
        }),
        false => Ok(()),
    }
}
