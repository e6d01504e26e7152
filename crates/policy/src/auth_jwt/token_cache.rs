//! A worker's cache of authentic tokens. What it keeps of a token does not depend on the request,
//! the location or the time: that a key of one of the configured sets signed or encrypted it, or
//! that the configuration has its signature believed (a part of [`VerifyOptions`]). So an entry is
//! an [`AuthenticToken`], which each request turns into a verified token at its own time.

use std::rc::Rc;

use super::issuer::IssuerIndex;
use super::token_memo::TokenMemo;
use crate::lru::Lru;
use jose::{AuthenticToken, KeySet, SignatureCheck, TokenType};

/// The options under which a token is found authentic: all of the configuration, besides the keys,
/// that has a part in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VerifyOptions {
    /// `auth_jwt_type`
    pub kind: TokenType,
    /// `auth_jwt_verify_signature`
    pub check: SignatureCheck,
    /// `auth_jwt_compression`
    pub compression: bool,
    /// `auth_jwt_trust`: one of the issuers that it names has issued the token.
    pub has_issuer: bool,
}

impl VerifyOptions {
    /// The part of a token that is hashed: the last 16 characters, which are the end of the
    /// signature or of the authentication tag. Once verified, these are as good as random. Where
    /// nobody verifies them the client chooses them, so the whole token is hashed.
    #[inline]
    fn hashed_part(self, text: &[u8]) -> &[u8] {
        const ENOUGH: usize = 16;
        match (self.check, text.last_chunk::<ENOUGH>()) {
            (SignatureCheck::Verify, Some(end)) => end,
            _ => text,
        }
    }
}

/// The authentic tokens that one worker has seen.
pub struct TokenCache {
    bytes: usize,
    /// Whether there is memory for what is remembered of tokens.
    keeps_memos: bool,
    tokens: Lru<CachedToken>,
}

/// A token that was found authentic with a set of keys.
pub struct CachedToken {
    options: VerifyOptions,
    /// The issuer whose keys and terms the token was judged by.
    issuer: Option<IssuerIndex>,
    /// The generations of the set of keys.
    generations: Box<[u64]>,
    token: AuthenticToken,
    memo: Option<Rc<TokenMemo>>,
}

impl TokenCache {
    /// The size without `auth_jwt_token_cache`.
    pub const DEFAULT_BYTES: usize = 4 << 20;

    /// The memory of a typical token with all that was parsed of it.
    const TYPICAL_BYTES: usize = 2048;

    /// The most entries for each hash. More would be one token with sets of keys that have been
    /// replaced, or tokens of an attacker who encrypts with our public key and has found out how to
    /// make equal tags.
    const MAX_PER_HASH: usize = 8;

    /// A cache that takes up this many bytes at most. `keeps_memos`: tokens have a [`TokenMemo`].
    pub fn new(bytes: usize, keeps_memos: bool) -> Self {
        Self {
            bytes,
            keeps_memos,
            tokens: Lru::new(bytes, Self::TYPICAL_BYTES),
        }
    }

    /// Forgets all tokens.
    pub fn clear(&mut self) {
        *self = Self::new(self.bytes, self.keeps_memos);
    }

    /// How many tokens there are.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The newest entry for a token, whatever its keys are.
    #[inline]
    pub fn find(&mut self, text: &[u8], options: VerifyOptions) -> Option<&CachedToken> {
        let hash = self.hash(text, options);
        self.tokens
            .find(hash, |cached| cached.matches(text, options))
    }

    /// The token, if it was found authentic with these keys, which are those of the issuer if there
    /// is one.
    #[inline]
    pub fn find_verified_with(
        &mut self,
        text: &[u8],
        options: VerifyOptions,
        issuer: Option<IssuerIndex>,
        keys: &KeySet,
    ) -> Option<AuthenticToken> {
        let hash = self.hash(text, options);
        let matches = |cached: &CachedToken| {
            cached.matches(text, options)
                && cached.issuer == issuer
                && cached.was_verified_with(keys)
        };
        self.tokens.find(hash, matches).map(CachedToken::token)
    }

    /// Adds a token that was found authentic with these keys. If it has an issuer, it meets the
    /// issuer's terms, as far as they depend on neither the request nor the time.
    pub fn insert(
        &mut self,
        options: VerifyOptions,
        issuer: Option<IssuerIndex>,
        keys: &KeySet,
        token: &AuthenticToken,
    ) {
        let cached = CachedToken {
            options,
            issuer,
            generations: keys.generations().collect(),
            token: token.clone(),
            memo: self.keeps_memos.then(Rc::default),
        };
        let hash = self.hash(token.text(), options);
        self.tokens
            .keep_newest(Self::MAX_PER_HASH - 1, hash, |_| true);
        self.tokens.insert(hash, cached.memory(), cached);
    }

    #[inline]
    fn hash(&self, text: &[u8], options: VerifyOptions) -> u64 {
        self.tokens.hash(options.hashed_part(text))
    }
}

impl CachedToken {
    /// The token, if it was found authentic with these keys.
    #[inline]
    pub fn verified_with(&self, keys: &KeySet) -> Option<AuthenticToken> {
        self.was_verified_with(keys).then(|| self.token())
    }

    /// The issuer whose keys and terms the token was judged by.
    #[inline]
    pub fn issuer(&self) -> Option<IssuerIndex> {
        self.issuer
    }

    /// The token, whatever its keys are.
    #[inline]
    pub fn token(&self) -> AuthenticToken {
        self.token.clone()
    }

    /// What is remembered of the token. `None` if the cache has no memory for that.
    #[inline]
    pub fn memo(&self) -> Option<Rc<TokenMemo>> {
        self.memo.clone()
    }

    #[inline]
    fn matches(&self, text: &[u8], options: VerifyOptions) -> bool {
        self.options == options && *self.token.text() == *text
    }

    #[inline]
    fn was_verified_with(&self, keys: &KeySet) -> bool {
        keys.has_generations(&self.generations)
    }

    /// The bytes outside of the table, with what the allocator adds.
    fn memory(&self) -> usize {
        const ALLOCATION: usize = 16;
        let generations = size_of_val(&*self.generations).saturating_add(ALLOCATION);
        let memo = self.memo.as_ref().map_or(0, |_| TokenMemo::BYTES);
        generations
            .saturating_add(memo)
            .saturating_add(self.token.memory())
    }
}

#[cfg(test)]
mod tests;
