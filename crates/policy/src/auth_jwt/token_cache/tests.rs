use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jose::{Error, Limits, UnverifiedToken};
use std::time::Duration;

const VERIFY: VerifyOptions = VerifyOptions {
    kind: TokenType::Signed,
    check: SignatureCheck::Verify,
    compression: true,
    has_issuer: false,
};
const BELIEVE: VerifyOptions = VerifyOptions {
    check: SignatureCheck::Believe,
    ..VERIFY
};
/// `{"alg":"HS256"}.{"exp":2000}`, with a signature that no test here verifies.
const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjIwMDB9.AAAA";
const ZEROS: &str = r#"{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;

fn keys() -> KeySet {
    KeySet::parse(ZEROS.as_bytes()).unwrap()
}

fn authentic(text: &str, options: VerifyOptions) -> AuthenticToken {
    let unverified = UnverifiedToken::parse(text.as_bytes(), options.kind, &Limits::default());
    let believe = SignatureCheck::Believe;
    unverified.unwrap().authenticate(&keys(), believe).unwrap()
}

fn keep(cache: &mut TokenCache, options: VerifyOptions, keys: &KeySet) {
    cache.insert(options, None, keys, &authentic(TOKEN, options));
}

fn finds(cache: &mut TokenCache, text: &str, options: VerifyOptions, keys: &KeySet) -> bool {
    let found = cache.find_verified_with(text.as_bytes(), options, None, keys);
    let cached = cache.find(text.as_bytes(), options);
    let last = cached.and_then(|cached| cached.verified_with(keys));
    assert!(last.is_none() || found.is_some());
    found.is_some()
}

#[test]
fn an_entry_is_bound_to_the_keys_and_to_the_options() {
    let (mut cache, keys, same_text) = (TokenCache::new(1 << 16, false), keys(), keys());
    assert_eq!((cache.len(), cache.is_empty()), (0, true));
    keep(&mut cache, VERIFY, &keys);
    assert_eq!((cache.len(), cache.is_empty()), (1, false));
    let mut finds = |options, keys: &KeySet| finds(&mut cache, TOKEN, options, keys);
    assert!(!finds(VERIFY, &same_text));
    assert!(!finds(VERIFY, &KeySet::default()));
    assert!(!finds(VERIFY, &KeySet::merge([&keys, &same_text])));
    assert!(!finds(BELIEVE, &keys));
    for kind in [TokenType::Encrypted, TokenType::Nested] {
        assert!(!finds(VerifyOptions { kind, ..VERIFY }, &keys));
    }
    assert!(finds(VERIFY, &keys));
    assert!(finds(VERIFY, &KeySet::merge([&keys])));
}

#[test]
fn an_entry_is_bound_to_the_issuer() {
    let (mut cache, keys) = (TokenCache::new(1 << 16, false), keys());
    let options = VerifyOptions {
        has_issuer: true,
        ..VERIFY
    };
    let (own, other) = (Some(IssuerIndex(1)), Some(IssuerIndex(0)));
    cache.insert(options, own, &keys, &authentic(TOKEN, options));
    let mut finds = |options, issuer| {
        let found = cache.find_verified_with(TOKEN.as_bytes(), options, issuer, &keys);
        found.is_some()
    };
    assert!(!finds(options, other));
    assert!(!finds(options, None));
    assert!(!finds(VERIFY, None));
    assert!(!finds(VERIFY, own));
    assert!(finds(options, own));
    assert_eq!(cache.find(TOKEN.as_bytes(), options).unwrap().issuer(), own);
    assert!(cache.find(TOKEN.as_bytes(), VERIFY).is_none());
}

#[test]
fn the_newest_set_of_keys_is_found_first() {
    let (mut cache, keys, other) = (TokenCache::new(1 << 16, false), keys(), keys());
    keep(&mut cache, VERIFY, &other);
    keep(&mut cache, VERIFY, &keys);
    let cached = cache.find(TOKEN.as_bytes(), VERIFY).unwrap();
    assert!(cached.verified_with(&keys).is_some());
    assert!(cached.verified_with(&other).is_none());
    assert!(finds(&mut cache, TOKEN, VERIFY, &other));
}

#[test]
fn a_token_that_was_believed_is_not_a_verified_one() {
    let (mut cache, keys) = (TokenCache::new(1 << 16, false), keys());
    keep(&mut cache, BELIEVE, &keys);
    assert!(!finds(&mut cache, TOKEN, VERIFY, &keys));
    assert!(finds(&mut cache, TOKEN, BELIEVE, &keys));
}

#[test]
fn all_of_the_text_is_compared() {
    let token = authentic(TOKEN, VERIFY);
    let cached = CachedToken {
        options: VERIFY,
        issuer: None,
        generations: keys().generations().collect(),
        token,
        memo: None,
    };
    // Whatever the hash is.
    assert!(cached.matches(TOKEN.as_bytes(), VERIFY));
    for at in 0..TOKEN.len() {
        let mut other = TOKEN.as_bytes().to_vec();
        other[at] ^= 1;
        assert!(!cached.matches(&other, VERIFY), "{at}");
    }
    assert!(!cached.matches(&TOKEN.as_bytes()[..TOKEN.len() - 1], VERIFY));
    assert!(!cached.matches(b"", VERIFY));
}

#[test]
fn all_of_the_text_is_compared_where_hashes_are_equal() {
    let (mut cache, keys) = (TokenCache::new(1 << 16, false), keys());
    keep(&mut cache, VERIFY, &keys);
    for at in 0..TOKEN.len() - 16 {
        let mut other = TOKEN.as_bytes().to_vec();
        other[at] ^= 1;
        assert_eq!(
            cache.hash(&other, VERIFY),
            cache.hash(TOKEN.as_bytes(), VERIFY)
        );
        assert!(cache.find(&other, VERIFY).is_none(), "{at}");
        assert!(
            cache
                .find_verified_with(&other, VERIFY, None, &keys)
                .is_none(),
            "{at}"
        );
    }
}

#[test]
fn a_cached_token_expires_at_its_time() {
    let (mut cache, keys) = (TokenCache::new(1 << 16, false), keys());
    keep(&mut cache, VERIFY, &keys);
    let token = cache
        .find_verified_with(TOKEN.as_bytes(), VERIFY, None, &keys)
        .unwrap();
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
fn the_whole_token_is_hashed_where_its_end_is_not_verified() {
    let text = [b"a".repeat(36), b"b".repeat(16)].concat();
    let end = &text[36..];
    for kind in [TokenType::Signed, TokenType::Encrypted, TokenType::Nested] {
        assert_eq!(VerifyOptions { kind, ..VERIFY }.hashed_part(&text), end);
        assert_eq!(
            VerifyOptions { kind, ..VERIFY }.hashed_part(&end[1..]),
            &end[1..]
        );
        assert_eq!(VerifyOptions { kind, ..BELIEVE }.hashed_part(&text), text);
    }
}

#[test]
fn a_token_is_kept_with_its_newest_key_sets() {
    let mut cache = TokenCache::new(1 << 20, false);
    let sets: Vec<_> = (0..TokenCache::MAX_PER_HASH + 3).map(|_| keys()).collect();
    for keys in &sets {
        keep(&mut cache, VERIFY, keys);
    }
    let mut finds = |keys| finds(&mut cache, TOKEN, VERIFY, keys);
    for (set, keys) in sets.iter().enumerate() {
        assert_eq!(finds(keys), set >= 3, "{set}");
    }
}

#[test]
fn the_newest_of_tokens_with_equal_ends_are_kept() {
    let (mut cache, keys) = (TokenCache::new(1 << 20, false), keys());
    let claims = |n: usize| URL_SAFE_NO_PAD.encode(format!(r#"{{"n":{},"end":"end"}}"#, 100 + n));
    let text = |n| format!("eyJhbGciOiJIUzI1NiJ9.{}.{}", claims(n), "A".repeat(43));
    let texts: Vec<_> = (0..TokenCache::MAX_PER_HASH + 3).map(text).collect();
    for text in &texts {
        cache.insert(VERIFY, None, &keys, &authentic(text, VERIFY));
    }
    for (n, text) in texts.iter().enumerate() {
        assert_eq!(finds(&mut cache, text, VERIFY, &keys), n >= 3, "{n}");
    }
}

#[test]
fn hashes_differ_between_tables() {
    let [one, two] = [(); 2].map(|()| TokenCache::new(1 << 16, false));
    let hash = |cache: &TokenCache| cache.hash(TOKEN.as_bytes(), VERIFY);
    assert_ne!(hash(&one), hash(&two));
}

#[test]
fn an_entry_accounts_for_its_memory() {
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
        let mut cache = TokenCache::new(1 << 20, false);
        cache.insert(VERIFY, None, &keys(), &authentic(&text, VERIFY));
        let cached = cache.find(text.as_bytes(), VERIFY).unwrap();
        let memory = cached.memory();
        assert!(memory > 2 * text.len() && memory < 3 * text.len() + 1500);
    }
}

#[test]
fn a_cleared_cache_has_no_token_and_takes_new_ones() {
    let (mut cache, keys) = (TokenCache::new(1 << 16, false), keys());
    keep(&mut cache, VERIFY, &keys);
    cache.clear();
    assert!(!finds(&mut cache, TOKEN, VERIFY, &keys));
    keep(&mut cache, VERIFY, &keys);
    assert!(finds(&mut cache, TOKEN, VERIFY, &keys));
}

#[test]
fn what_is_remembered_belongs_to_one_entry_and_counts_as_memory() {
    let set = crate::auth_jwt::token_memo::SetIds::default()
        .next()
        .unwrap();
    let (mut with, mut without) = (
        TokenCache::new(1 << 16, true),
        TokenCache::new(1 << 16, false),
    );
    let (keys, others) = (keys(), keys());
    for cache in [&mut with, &mut without] {
        keep(cache, VERIFY, &keys);
    }
    let memory = |cache: &mut TokenCache| cache.find(TOKEN.as_bytes(), VERIFY).unwrap().memory();
    assert_eq!(memory(&mut with), memory(&mut without) + TokenMemo::BYTES);
    let memo = |cache: &mut TokenCache| cache.find(TOKEN.as_bytes(), VERIFY).unwrap().memo();
    assert!(memo(&mut without).is_none());
    memo(&mut with).unwrap().note_met(set);
    assert!(memo(&mut with).unwrap().has_met(set));
    // Found authentic with other keys: what an encrypted token says may be something else.
    keep(&mut with, VERIFY, &others);
    assert!(!memo(&mut with).unwrap().has_met(set));
    with.clear();
    keep(&mut with, VERIFY, &keys);
    assert!(!memo(&mut with).unwrap().has_met(set));
}
