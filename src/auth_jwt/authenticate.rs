//! Finds out whether a token is authentic: out of the token cache, or by its signature or decryption
//! with the keys of the location.

use std::rc::Rc;

use super::AuthJwt;
use super::client::ClientToken;
use super::conf::LocationConf;
use super::fetch::{self, VerificationKeys};
use crate::nginx::Request;
use crate::status::AuthStatus;
use jose::{AuthenticToken, ErrorKind, KeySet, UnverifiedToken};
use policy::auth_jwt::rejection::Rejection;
use policy::auth_jwt::token_cache::VerifyOptions;
use policy::auth_jwt::token_memo::TokenMemo;
use policy::counters::ZoneCounter;

/// The token that [`authenticate`] would give, if both the token and the keys are cached, as they
/// are for most requests. With it comes what is remembered of the token.
pub(super) fn lookup_cached(
    request: Request<'_>,
    conf: &LocationConf,
    text: &[u8],
) -> Option<(AuthenticToken, Option<Rc<TokenMemo>>)> {
    if conf.needs_no_keys() {
        return None;
    }
    let mut cache = request.main_conf::<AuthJwt>().token_cache()?.borrow_mut();
    let cached = cache.find(text, conf.verify_options())?;
    let token = cached.verified_with(&fetch::cached_keys(request, conf)?)?;
    let memo = cached.memo();
    count_hit(request, conf);
    Some((token, memo))
}

/// Establishes only that the token is authentic, by the token cache or by its signature or
/// decryption. The result depends on the keys and the [`VerifyOptions`], hence it may be cached;
/// all that depends on the request or the time is for the handler. `None`: the request has to wait
/// for keys.
///
/// [`VerifyOptions`]: policy::auth_jwt::token_cache::VerifyOptions
// perf: keeps this code out of the path of a cache hit. Together with `lookup_cached` and cheaper
// reference counts that took a repeated HS256 token from 0.94 us more than no auth to 0.43 us.
#[inline(never)]
pub(super) fn authenticate(
    request: Request<'_>,
    conf: &LocationConf,
    text: &[u8],
    client: &ClientToken,
) -> Result<Option<AuthenticToken>, Rejection> {
    let (options, leeway) = (conf.verify_options(), conf.leeway());
    let cache = request.main_conf::<AuthJwt>().token_cache();
    let cached = cache.and_then(|cache| Some(cache.borrow_mut().find(text, options)?.token()));
    // A token that is refused whatever the keys are causes no fetch. This was checked before the
    // request began to wait, and what may have changed since is checked again by the handler.
    if request.context::<AuthJwt>().is_none() {
        match &cached {
            Some(token) => check_without_keys(request, conf, token)?,
            None => {
                let token = parse(client, text, options)?;
                token.check_without_keys(request.now(), leeway)?;
                let rules = &conf.token_rules;
                rules.check_without_keys(request, token.header(), token.claims(), leeway)?;
            }
        }
    }
    let is_cached = cached.is_some();
    loop {
        let Some(keys) = keys(request, conf)? else {
            return Ok(None);
        };
        if is_cached
            && let Some(cache) = cache
            && let Some(token) = cache
                .borrow_mut()
                .find_verified_with(text, options, None, &keys.set)
        {
            count_hit(request, conf);
            return Ok(Some(token));
        }
        let unverified = parse(client, text, options)?;
        match unverified.authenticate(&keys.set, options.check) {
            Ok(token) => {
                count_miss(request, conf);
                if let Some(cache) = cache.filter(|_| keys.are_shared) {
                    let mut cache = cache.borrow_mut();
                    cache.insert(options, None, &keys.set, &token);
                    AuthStatus::note_token_cache(request, cache.len());
                }
                return Ok(Some(token));
            }
            Err(error) => ask_again(request, conf, &unverified, &keys.set, error)
                .inspect_err(|_| count_miss(request, conf))?,
        }
    }
}

/// Notes that a token came out of the token cache.
pub(super) fn count_hit(request: Request<'_>, conf: &LocationConf) {
    conf.counters.count(ZoneCounter::TOKEN_CACHE_HIT);
    request
        .log()
        .debug(format_args!("auth_jwt: token cache hit"));
}

/// Notes that a token did not come out of the token cache, if there is one.
pub(super) fn count_miss(request: Request<'_>, conf: &LocationConf) {
    if request.main_conf::<AuthJwt>().token_cache().is_some() {
        conf.counters.count(ZoneCounter::TOKEN_CACHE_MISS);
    }
}

/// Has sources asked again for a token that is refused with these keys, if others may be there.
pub(super) fn ask_again(
    request: Request<'_>,
    conf: &LocationConf,
    token: &UnverifiedToken,
    keys: &KeySet,
    error: jose::Error,
) -> Result<(), Rejection> {
    match may_be_of_newer_key(request, conf, token, keys, &error) && fetch::refresh(request, conf)?
    {
        true => Ok(()),
        false => Err(error.into()),
    }
}

/// Whether the key of a token that is refused may be one that its issuer has begun to use since the
/// keys were fetched.
fn may_be_of_newer_key(
    request: Request<'_>,
    conf: &LocationConf,
    token: &UnverifiedToken,
    keys: &KeySet,
    error: &jose::Error,
) -> bool {
    match error.kind() {
        ErrorKind::UnknownKey => true,
        // Keys without a kid may have been tried for a kid that the set does not have, or all keys
        // for a token without a kid.
        ErrorKind::BadSignature | ErrorKind::DecryptionFailed => {
            fetch::may_refresh(request, conf) && token.may_need_other_keys(keys)
        }
        _ => false,
    }
}

/// Parses the token, and refuses a compressed one where `auth_jwt_compression` is off.
pub(super) fn parse(
    client: &ClientToken,
    text: &[u8],
    options: VerifyOptions,
) -> Result<UnverifiedToken, Rejection> {
    let token = client.parse(text, options.kind)?;
    match token.header().zip() {
        Some(_) if !options.compression => Err(Rejection::Compressed),
        _ => Ok(token),
    }
}

/// Checks of a token out of the cache what can be checked before there are keys.
fn check_without_keys(
    request: Request<'_>,
    conf: &LocationConf,
    token: &AuthenticToken,
) -> Result<(), Rejection> {
    let (header, claims) = (token.header(), token.readable_claims());
    token.check_without_keys(request.now(), conf.leeway())?;
    let rules = &conf.token_rules;
    rules.check_without_keys(request, header, claims, conf.leeway())
}

fn keys(request: Request<'_>, conf: &LocationConf) -> Result<Option<VerificationKeys>, Rejection> {
    match conf.needs_no_keys() {
        true => Ok(Some(VerificationKeys {
            set: KeySet::default(),
            are_shared: true,
        })),
        false => fetch::keys(request, conf),
    }
}
