//! Tokens whose authenticity is known already. Of a token it keeps what no later request can change: that a key of one
//! of our sets, which still is what it was, signed or encrypted it. What depends on the time, the request or the
//! location is not for it to know: that is why it holds an [`AuthenticToken`], from which only a judgement at a given
//! time makes one that counts.

use crate::lru::Lru;
use jose::{AuthenticToken, KeySet, SignatureCheck, TokenType};

/// What a token was asked, besides its keys: all that the configuration has a say in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Terms {
    pub kind: TokenType,
    pub check: SignatureCheck,
}

impl Terms {
    /// What of a token tells it from others: the end of its signature, or of its authentication tag. Where nobody looks
    /// at that, all of it.
    fn telling(self, text: &[u8]) -> &[u8] {
        const ENOUGH: usize = 16;
        match (self.check, text.last_chunk::<ENOUGH>()) {
            (SignatureCheck::Verify, Some(end)) => end,
            _ => text,
        }
    }
}

/// The tokens that one worker knows.
pub struct TokenCache {
    tokens: Lru<Known>,
}

/// A token that was found authentic with a set of keys.
pub struct Known {
    terms: Terms,
    generations: Box<[u64]>,
    token: AuthenticToken,
}

impl TokenCache {
    pub const DEFAULT_BYTES: usize = 4 << 20;

    /// What a token with what was parsed of it takes, about.
    const USUAL_BYTES: usize = 2048;

    /// How many tokens of one hash are kept. More than a few are one and the same, with sets of keys that were replaced,
    /// or come from somebody who encrypts to us and has found out how to make the same tag again and again.
    const MOST_OF_A_HASH: usize = 8;

    /// One that takes up so many bytes at most.
    pub fn new(bytes: usize) -> Self {
        Self {
            tokens: Lru::new(bytes, Self::USUAL_BYTES),
        }
    }

    /// The token, if it was authentic with some set of keys: with which one remains to be asked.
    pub fn find(&mut self, text: &[u8], terms: Terms) -> Option<&Known> {
        let hash = self.hash(text, terms);
        self.tokens.find(hash, |known| known.is(text, terms))
    }

    /// The token, if it was authentic with these keys.
    pub fn find_with(
        &mut self,
        text: &[u8],
        terms: Terms,
        keys: &KeySet,
    ) -> Option<AuthenticToken> {
        let hash = self.hash(text, terms);
        let is_it = |known: &Known| known.is(text, terms) && known.is_with(keys);
        self.tokens.find(hash, is_it).map(Known::token)
    }

    /// Keeps a token that was found authentic with these keys.
    pub fn keep(&mut self, terms: Terms, keys: &KeySet, token: &AuthenticToken) {
        let known = Known {
            terms,
            generations: keys.generations().collect(),
            token: token.clone(),
        };
        let hash = self.hash(token.text(), terms);
        let others = Self::MOST_OF_A_HASH - 1;
        self.tokens.keep_last(others, hash, |_| true);
        self.tokens.insert(hash, known.memory(), known);
    }

    fn hash(&self, text: &[u8], terms: Terms) -> u64 {
        self.tokens.hash(terms.telling(text))
    }
}

impl Known {
    /// The token, if these are the keys that it was authentic with.
    pub fn authentic(&self, keys: &KeySet) -> Option<AuthenticToken> {
        self.is_with(keys).then(|| self.token())
    }

    /// The token, whatever the keys are.
    pub fn token(&self) -> AuthenticToken {
        self.token.clone()
    }

    fn is(&self, text: &[u8], terms: Terms) -> bool {
        self.terms == terms && *self.token.text() == *text
    }

    fn is_with(&self, keys: &KeySet) -> bool {
        keys.has_generations(&self.generations)
    }

    /// In bytes, with what the allocator adds, outside of the table.
    fn memory(&self) -> usize {
        const ALLOCATION: usize = 16;
        let generations = size_of_val(&*self.generations).saturating_add(ALLOCATION);
        generations.saturating_add(self.token.memory())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jose::{Error, Limits, UnverifiedToken};
    use std::time::Duration;

    const VERIFY: Terms = Terms {
        kind: TokenType::Signed,
        check: SignatureCheck::Verify,
    };
    const BELIEVE: Terms = Terms {
        check: SignatureCheck::Believe,
        ..VERIFY
    };
    /// `{"alg":"HS256"}.{"exp":2000}`, with a signature that nobody looks at here.
    const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjIwMDB9.AAAA";
    const ZEROS: &str = r#"{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;

    fn keys() -> KeySet {
        KeySet::parse(ZEROS.as_bytes()).unwrap()
    }

    fn authentic(text: &str, terms: Terms) -> AuthenticToken {
        let unverified = UnverifiedToken::parse(text.as_bytes(), terms.kind, &Limits::default());
        let believe = SignatureCheck::Believe;
        unverified.unwrap().authenticate(&keys(), believe).unwrap()
    }

    fn keep(cache: &mut TokenCache, terms: Terms, keys: &KeySet) {
        cache.keep(terms, keys, &authentic(TOKEN, terms));
    }

    fn finds(cache: &mut TokenCache, text: &str, terms: Terms, keys: &KeySet) -> bool {
        let found = cache.find_with(text.as_bytes(), terms, keys);
        let known = cache.find(text.as_bytes(), terms);
        let last = known.and_then(|known| known.authentic(keys));
        assert!(last.is_none() || found.is_some());
        found.is_some()
    }

    #[test]
    fn it_is_bound_to_the_keys_and_to_the_terms() {
        let (mut cache, keys, same_text) = (TokenCache::new(1 << 16), keys(), keys());
        keep(&mut cache, VERIFY, &keys);
        let mut finds = |terms, keys: &KeySet| finds(&mut cache, TOKEN, terms, keys);
        assert!(!finds(VERIFY, &same_text));
        assert!(!finds(VERIFY, &KeySet::default()));
        assert!(!finds(VERIFY, &KeySet::merge([&keys, &same_text])));
        assert!(!finds(BELIEVE, &keys));
        for kind in [TokenType::Encrypted, TokenType::Nested] {
            assert!(!finds(Terms { kind, ..VERIFY }, &keys));
        }
        assert!(finds(VERIFY, &keys));
        assert!(finds(VERIFY, &KeySet::merge([&keys])));
    }

    #[test]
    fn the_last_set_of_keys_is_the_one_that_needs_no_second_look() {
        let (mut cache, keys, other) = (TokenCache::new(1 << 16), keys(), keys());
        keep(&mut cache, VERIFY, &other);
        keep(&mut cache, VERIFY, &keys);
        let known = cache.find(TOKEN.as_bytes(), VERIFY).unwrap();
        assert!(known.authentic(&keys).is_some());
        assert!(known.authentic(&other).is_none());
        assert!(finds(&mut cache, TOKEN, VERIFY, &other));
    }

    #[test]
    fn what_was_believed_is_not_verified() {
        let (mut cache, keys) = (TokenCache::new(1 << 16), keys());
        keep(&mut cache, BELIEVE, &keys);
        assert!(!finds(&mut cache, TOKEN, VERIFY, &keys));
        assert!(finds(&mut cache, TOKEN, BELIEVE, &keys));
    }

    #[test]
    fn all_of_the_text_counts() {
        let token = authentic(TOKEN, VERIFY);
        let known = Known {
            terms: VERIFY,
            generations: keys().generations().collect(),
            token,
        };
        // Whatever the hash is.
        assert!(known.is(TOKEN.as_bytes(), VERIFY));
        for at in 0..TOKEN.len() {
            let mut other = TOKEN.as_bytes().to_vec();
            other[at] ^= 1;
            assert!(!known.is(&other, VERIFY), "{at}");
        }
        assert!(!known.is(&TOKEN.as_bytes()[..TOKEN.len() - 1], VERIFY));
        assert!(!known.is(b"", VERIFY));
    }

    #[test]
    fn all_of_the_text_counts_where_the_hash_is_the_same() {
        let (mut cache, keys) = (TokenCache::new(1 << 16), keys());
        keep(&mut cache, VERIFY, &keys);
        for at in 0..TOKEN.len() - 16 {
            let mut other = TOKEN.as_bytes().to_vec();
            other[at] ^= 1;
            assert_eq!(
                cache.hash(&other, VERIFY),
                cache.hash(TOKEN.as_bytes(), VERIFY)
            );
            assert!(cache.find(&other, VERIFY).is_none(), "{at}");
            assert!(cache.find_with(&other, VERIFY, &keys).is_none(), "{at}");
        }
    }

    #[test]
    fn a_known_token_is_judged_at_the_time_that_it_is() {
        let (mut cache, keys) = (TokenCache::new(1 << 16), keys());
        keep(&mut cache, VERIFY, &keys);
        let token = cache.find_with(TOKEN.as_bytes(), VERIFY, &keys).unwrap();
        let expired = Err(Error::Expired {
            exp: 2000,
            now: 2000,
            leeway: 0,
        });
        assert_eq!(token.check_without_keys(1999, Duration::ZERO), Ok(()));
        assert_eq!(token.check_without_keys(2000, Duration::ZERO), expired);
        assert!(token.clone().valid_at(1999, Duration::ZERO).is_ok());
        assert_eq!(token.valid_at(2000, Duration::ZERO).map(drop), expired);
    }

    #[test]
    fn where_nobody_looks_at_the_end_all_is_hashed() {
        let text = [b"a".repeat(36), b"b".repeat(16)].concat();
        let end = &text[36..];
        for kind in [TokenType::Signed, TokenType::Encrypted, TokenType::Nested] {
            assert_eq!(Terms { kind, ..VERIFY }.telling(&text), end);
            assert_eq!(Terms { kind, ..VERIFY }.telling(&end[1..]), &end[1..]);
            assert_eq!(Terms { kind, ..BELIEVE }.telling(&text), text);
        }
    }

    #[test]
    fn a_token_is_kept_with_the_last_few_sets() {
        let mut cache = TokenCache::new(1 << 20);
        let sets: Vec<_> = (0..TokenCache::MOST_OF_A_HASH + 3)
            .map(|_| keys())
            .collect();
        for keys in &sets {
            keep(&mut cache, VERIFY, keys);
        }
        let mut finds = |keys| finds(&mut cache, TOKEN, VERIFY, keys);
        for (set, keys) in sets.iter().enumerate() {
            assert_eq!(finds(keys), set >= 3, "{set}");
        }
    }

    #[test]
    fn of_tokens_that_end_alike_the_last_few_are_kept() {
        let (mut cache, keys) = (TokenCache::new(1 << 20), keys());
        let claims =
            |n: usize| URL_SAFE_NO_PAD.encode(format!(r#"{{"n":{},"end":"end"}}"#, 100 + n));
        let text = |n| format!("eyJhbGciOiJIUzI1NiJ9.{}.{}", claims(n), "A".repeat(43));
        let texts: Vec<_> = (0..TokenCache::MOST_OF_A_HASH + 3).map(text).collect();
        for text in &texts {
            cache.keep(VERIFY, &keys, &authentic(text, VERIFY));
        }
        for (n, text) in texts.iter().enumerate() {
            assert_eq!(finds(&mut cache, text, VERIFY, &keys), n >= 3, "{n}");
        }
    }

    #[test]
    fn nobody_can_foresee_a_hash() {
        let [one, two] = [(); 2].map(|()| TokenCache::new(1 << 16));
        let hash = |cache: &TokenCache| cache.hash(TOKEN.as_bytes(), VERIFY);
        assert_ne!(hash(&one), hash(&two));
    }

    #[test]
    fn an_entry_takes_what_it_is_said_to_take() {
        let text = |claims: usize| {
            let claims = format!(
                r#"{{"iss":"https://id.example.com","exp":2000,"x":"{}"}}"#,
                "x".repeat(claims)
            );
            let claims = URL_SAFE_NO_PAD.encode(claims);
            format!("eyJhbGciOiJIUzI1NiJ9.{claims}.{}", "A".repeat(43))
        };
        for claims in [0, 600, 6000] {
            let text = text(claims);
            let mut cache = TokenCache::new(1 << 20);
            cache.keep(VERIFY, &keys(), &authentic(&text, VERIFY));
            let known = cache.find(text.as_bytes(), VERIFY).unwrap();
            let memory = known.memory();
            assert!(memory > 2 * text.len() && memory < 3 * text.len() + 1500);
        }
    }
}
