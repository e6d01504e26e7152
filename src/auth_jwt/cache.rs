//! Tokens whose authenticity is known already. Of a token it keeps what no later request can change: that a key of one
//! of our sets, which still is what it was, signed or encrypted it. What depends on the time, the request or the
//! location is not for it to know: that is why it holds an [`AuthenticToken`], from which only a judgement at a given
//! time makes one that counts.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::jose::{AuthenticToken, Error, KeySet, SignatureCheck, TokenType};
use crate::lru::Lru;

/// What a token was asked, besides its keys: all that the configuration has a say in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Terms {
    pub(super) kind: TokenType,
    pub(super) check: SignatureCheck,
}

/// The tokens that one worker knows.
pub(super) struct TokenCache {
    tokens: Lru<Rc<Known>>,
}

/// A token to look for.
#[derive(Clone, Copy)]
struct Sought<'a> {
    text: &'a [u8],
    terms: Terms,
    hash: u64,
}

/// A token that was found authentic with a set of keys.
pub(super) struct Known {
    terms: Terms,
    generations: Box<[u64]>,
    token: AuthenticToken,
}

impl TokenCache {
    pub(super) const DEFAULT_BYTES: usize = 4 << 20;

    /// What a token with what was parsed of it takes, about.
    const USUAL_BYTES: usize = 2048;

    /// With how many sets of keys a token is kept: more than a few only come from sets that were replaced.
    const MOST_SETS: usize = 8;

    /// One that takes up so many bytes at most.
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            tokens: Lru::new(bytes, Self::USUAL_BYTES),
        }
    }

    fn sought<'a>(&self, text: &'a [u8], terms: Terms) -> Sought<'a> {
        let hash = self.tokens.hash((text, terms));
        Sought { text, terms, hash }
    }

    /// The token, if it was authentic with any set of keys.
    fn find(&mut self, sought: Sought<'_>) -> Option<Rc<Known>> {
        let is_it = |known: &Rc<Known>| sought.is(known);
        self.tokens.find(sought.hash, is_it).map(Rc::clone)
    }

    /// The token, if it was authentic with this very set.
    fn find_with(&mut self, sought: Sought<'_>, keys: &KeySet) -> Option<Rc<Known>> {
        let is_it = |known: &Rc<Known>| sought.is(known) && known.is_with(keys);
        self.tokens.find(sought.hash, is_it).map(Rc::clone)
    }

    fn insert(&mut self, sought: Sought<'_>, known: Known) {
        let is_alike = |known: &Rc<Known>| sought.is(known);
        let others = Self::MOST_SETS - 1;
        self.tokens.keep_last(others, sought.hash, is_alike);
        self.tokens
            .insert(sought.hash, known.memory(), Rc::new(known));
    }
}

/// A token that a request presents, and what the cache has of it.
pub(super) struct Lookup<'a> {
    cache: &'a RefCell<TokenCache>,
    sought: Sought<'a>,
    known: Option<Rc<Known>>,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(cache: &'a RefCell<TokenCache>, text: &'a [u8], terms: Terms) -> Self {
        let sought = cache.borrow().sought(text, terms);
        let known = cache.borrow_mut().find(sought);
        Self {
            cache,
            sought,
            known,
        }
    }

    /// The token, if it was authentic with some set of keys: with which one remains to be asked.
    pub(super) fn known(&self) -> Option<&Known> {
        self.known.as_deref()
    }

    /// The token, if it was authentic with these keys.
    pub(super) fn authentic(&self, keys: &KeySet) -> Option<AuthenticToken> {
        let known = self.known.as_ref()?;
        if known.is_with(keys) {
            return Some(known.token.clone());
        }
        let known = self.cache.borrow_mut().find_with(self.sought, keys)?;
        Some(known.token.clone())
    }

    /// Keeps what was found out about it with these keys.
    pub(super) fn keep(&self, keys: &KeySet, token: &AuthenticToken) {
        let known = Known {
            terms: self.sought.terms,
            generations: keys.generations().collect(),
            token: token.clone(),
        };
        self.cache.borrow_mut().insert(self.sought, known);
    }
}

impl Sought<'_> {
    fn is(&self, known: &Known) -> bool {
        self.terms == known.terms && *self.text == *known.token.text()
    }
}

impl Known {
    /// Refuses what can be refused whatever the keys are: of a signed token anybody can read the claims. Those of an
    /// encrypted one are not to be told to who may have other keys.
    pub(super) fn check_without_keys(&self, now: i64, leeway: Duration) -> Result<(), Error> {
        match self.terms.kind {
            TokenType::Signed => self.token.at(now, leeway).map(drop),
            TokenType::Encrypted | TokenType::Nested => Ok(()),
        }
    }

    /// Whether these are the keys that it was authentic with.
    fn is_with(&self, keys: &KeySet) -> bool {
        self.generations.iter().copied().eq(keys.generations())
    }

    /// In bytes, with what the allocator adds.
    fn memory(&self) -> usize {
        const ALLOCATIONS: usize = 3 * 16;
        let generations = size_of_val(&*self.generations);
        let own = size_of::<Self>() + ALLOCATIONS + generations;
        own.saturating_add(self.token.memory())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::{Limits, UnverifiedToken};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

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

    fn new(bytes: usize) -> RefCell<TokenCache> {
        RefCell::new(TokenCache::new(bytes))
    }

    fn keep(cache: &RefCell<TokenCache>, terms: Terms, keys: &KeySet) {
        let text = TOKEN.as_bytes();
        let unverified = UnverifiedToken::parse(text, terms.kind, &Limits::default()).unwrap();
        let token = unverified
            .authenticate(keys, SignatureCheck::Believe)
            .unwrap();
        Lookup::new(cache, text, terms).keep(keys, &token);
    }

    fn finds(cache: &RefCell<TokenCache>, text: &str, terms: Terms, keys: &KeySet) -> bool {
        let lookup = Lookup::new(cache, text.as_bytes(), terms);
        lookup.authentic(keys).is_some()
    }

    #[test]
    fn it_is_bound_to_the_keys_and_to_the_terms() {
        let (cache, keys, same_text) = (new(1 << 16), keys(), keys());
        keep(&cache, VERIFY, &keys);
        assert!(!finds(&cache, TOKEN, VERIFY, &same_text));
        assert!(!finds(&cache, TOKEN, VERIFY, &KeySet::default()));
        assert!(!finds(
            &cache,
            TOKEN,
            VERIFY,
            &KeySet::merge([&keys, &same_text])
        ));
        assert!(!finds(&cache, TOKEN, BELIEVE, &keys));
        for kind in [TokenType::Encrypted, TokenType::Nested] {
            assert!(!finds(&cache, TOKEN, Terms { kind, ..VERIFY }, &keys));
        }
        assert!(finds(&cache, TOKEN, VERIFY, &keys));
        assert!(finds(&cache, TOKEN, VERIFY, &KeySet::merge([&keys])));
    }

    #[test]
    fn what_was_believed_is_not_verified() {
        let (cache, keys) = (new(1 << 16), keys());
        keep(&cache, BELIEVE, &keys);
        assert!(!finds(&cache, TOKEN, VERIFY, &keys));
        assert!(finds(&cache, TOKEN, BELIEVE, &keys));
    }

    #[test]
    fn all_of_the_text_counts() {
        let (cache, keys) = (new(1 << 16), keys());
        keep(&cache, VERIFY, &keys);
        for at in 0..TOKEN.len() {
            let mut other = TOKEN.as_bytes().to_vec();
            other[at] ^= 1;
            // Even where the hash is the same.
            let mut cache = cache.borrow_mut();
            let sought = Sought {
                text: &other,
                ..cache.sought(TOKEN.as_bytes(), VERIFY)
            };
            assert!(cache.find(sought).is_none(), "{at}");
        }
        assert!(!finds(&cache, &TOKEN[..TOKEN.len() - 1], VERIFY, &keys));
        assert!(!finds(&cache, "", VERIFY, &keys));
    }

    #[test]
    fn a_known_token_is_judged_at_the_time_that_it_is() {
        let (cache, keys) = (new(1 << 16), keys());
        keep(&cache, VERIFY, &keys);
        let lookup = Lookup::new(&cache, TOKEN.as_bytes(), VERIFY);
        let known = lookup.known().unwrap();
        let expired = Err(Error::Expired {
            exp: 2000,
            now: 2000,
            leeway: 0,
        });
        assert_eq!(known.check_without_keys(1999, Duration::ZERO), Ok(()));
        assert_eq!(known.check_without_keys(2000, Duration::ZERO), expired);
        let token = lookup.authentic(&keys).unwrap();
        assert!(token.at(1999, Duration::ZERO).is_ok());
        assert_eq!(token.at(2000, Duration::ZERO).map(drop), expired);
    }

    #[test]
    fn a_token_is_kept_with_the_last_few_sets() {
        let cache = new(1 << 20);
        let sets: Vec<_> = (0..TokenCache::MOST_SETS + 3).map(|_| keys()).collect();
        for keys in &sets {
            keep(&cache, VERIFY, keys);
        }
        let found = sets.iter().map(|keys| finds(&cache, TOKEN, VERIFY, keys));
        let expected = (0..sets.len()).map(|set| set >= 3);
        assert!(found.eq(expected));
    }

    #[test]
    fn nobody_can_foresee_a_hash() {
        let [one, two] = [(); 2].map(|()| TokenCache::new(1 << 16));
        let hash = |cache: &TokenCache| cache.sought(TOKEN.as_bytes(), VERIFY).hash;
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
            let cache = new(1 << 20);
            let unverified =
                UnverifiedToken::parse(text.as_bytes(), VERIFY.kind, &Limits::default());
            let unverified = unverified.unwrap();
            let token = unverified
                .authenticate(&keys(), SignatureCheck::Believe)
                .unwrap();
            Lookup::new(&cache, text.as_bytes(), VERIFY).keep(&keys(), &token);
            let memory = Lookup::new(&cache, text.as_bytes(), VERIFY)
                .known()
                .unwrap()
                .memory();
            assert!(memory > 2 * text.len() && memory < 3 * text.len() + 1500);
        }
    }
}
