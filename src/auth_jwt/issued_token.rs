//! Tokens under `auth_jwt_trust`: the claim `iss` chooses an issuer, and only that issuer's keys may
//! have signed the token (RFC 8725 section 3.8). Keys of the location decrypt nested tokens, and
//! verify nothing.

use std::rc::Rc;

use super::AuthJwt;
use super::authenticate::{ask_again, count_hit, count_miss, parse};
use super::client::ClientToken;
use super::conf::LocationConf;
use super::fetch::{self, VerificationKeys};
use super::issuer::{Issuer, TrustedIssuers};
use super::issuer_fetch::{self, cached_issuer_keys};
use crate::nginx::{Failure, Request};
use crate::status::AuthStatus;
use jose::{AuthenticToken, KeySet, SignatureCheck, TokenType, UnverifiedToken};
use policy::auth_jwt::rejection::Rejection;
use policy::auth_jwt::token_cache::{CachedToken, TokenCache};
use policy::auth_jwt::token_memo::TokenMemo;

/// A token that one of its issuer's keys has signed. It meets the issuer's terms, as far as they
/// depend on neither the request nor the time.
pub(super) type IssuedToken<'c> = (AuthenticToken, &'c Issuer);

/// The token that [`authenticate`] would give, if both the token and the keys are cached, as they
/// are for most requests. With it comes what is remembered of the token.
pub(super) fn lookup_cached<'c>(
    request: Request<'_>,
    conf: &LocationConf,
    trusted: &'c TrustedIssuers,
    text: &[u8],
) -> Option<(IssuedToken<'c>, Option<Rc<TokenMemo>>)> {
    let mut cache = request.main_conf::<AuthJwt>().token_cache()?.borrow_mut();
    let (cached, issuer) = find_cached(request, conf, trusted, &mut cache, text)?;
    let keys = cached_issuer_keys(request, issuer)?;
    let token = match conf.token_type() {
        TokenType::Signed => cached.verified_with(&keys)?,
        TokenType::Encrypted | TokenType::Nested => {
            let own = fetch::cached_keys(request, conf)?;
            cached.verified_with(&KeySet::merge([&own, &keys]))?
        }
    };
    let memo = cached.memo();
    count_hit(request, conf);
    Some(((token, issuer), memo))
}

/// Establishes that a token is of a trusted issuer, by the token cache or by its signature. `None`:
/// the request has to wait for keys.
#[inline(never)]
pub(super) fn authenticate<'c>(
    request: Request<'_>,
    conf: &LocationConf,
    trusted: &'c TrustedIssuers,
    text: &[u8],
    client: &ClientToken,
) -> Result<Option<IssuedToken<'c>>, Rejection> {
    let unverified = parse(client, text, conf.verify_options())?;
    match conf.token_type() {
        TokenType::Signed => {
            let issuer = judge_without_keys(request, conf, trusted, &unverified)?;
            verify(request, conf, issuer, &unverified, None)
        }
        TokenType::Nested => authenticate_nested(request, conf, trusted, &unverified),
        // The configuration is refused: nobody has signed such a token.
        TokenType::Encrypted => Err(Failure::Inconsistent.into()),
    }
}

/// The issuer of a signed token whose signature is not verified yet. A token that is refused
/// whatever the keys are causes no fetch.
fn judge_without_keys<'c>(
    request: Request<'_>,
    conf: &LocationConf,
    trusted: &'c TrustedIssuers,
    token: &UnverifiedToken,
) -> Result<&'c Issuer, Rejection> {
    let (header, now) = (token.header(), request.now());
    let claims = token.claims().ok_or(Failure::Inconsistent)?;
    let issuer = trusted.choose(claims.object())?;
    let leeway = issuer.leeway(conf.leeway());
    token.check_without_keys(now, leeway)?;
    issuer.terms.check(header.object(), claims.object())?;
    issuer.check_age(claims.object(), now, leeway)?;
    let rules = &conf.token_rules;
    rules.check_without_keys(request, header, Some(claims), leeway)?;
    Ok(issuer)
}

fn authenticate_nested<'c>(
    request: Request<'_>,
    conf: &LocationConf,
    trusted: &'c TrustedIssuers,
    token: &UnverifiedToken,
) -> Result<Option<IssuedToken<'c>>, Rejection> {
    if request.context::<AuthJwt>().is_none() {
        let (header, leeway) = (token.header(), conf.leeway());
        token.check_without_keys(request.now(), leeway)?;
        let rules = &conf.token_rules;
        rules.check_without_keys(request, header, None, leeway)?;
    }
    loop {
        let Some(own) = fetch::keys(request, conf)? else {
            return Ok(None);
        };
        let known = request
            .main_conf::<AuthJwt>()
            .token_cache()
            .and_then(|cache| {
                let mut cache = cache.borrow_mut();
                let (_, issuer) = find_cached(request, conf, trusted, &mut cache, token.text())?;
                Some(issuer)
            });
        // This saves the decryption where there are several sources of keys.
        if let Some(issuer) = known {
            let Some(keys) = issuer_fetch::issuer_keys(request, issuer)? else {
                return Ok(None);
            };
            let keys = KeySet::merge([&own.set, &keys]);
            if let Some(token) = find_verified_with(request, conf, issuer, token.text(), &keys) {
                return Ok(Some((token, issuer)));
            }
        }
        match token.open(&own.set) {
            Ok(opened) => {
                let claims = opened.claims().ok_or(Failure::Inconsistent)?;
                let issuer = trusted.choose(claims.object())?;
                return verify(request, conf, issuer, &opened, Some(&own));
            }
            Err(error) => ask_again(request, conf, token, &own.set, error)
                .inspect_err(|_| count_miss(request, conf))?,
        }
    }
}

/// Verifies the signature of a token with the keys of its issuer, and checks the issuer's terms.
/// `own` are the keys of the location, which have decrypted a nested token. `None`: the request has
/// to wait for keys.
fn verify<'c>(
    request: Request<'_>,
    conf: &LocationConf,
    issuer: &'c Issuer,
    unverified: &UnverifiedToken,
    own: Option<&VerificationKeys>,
) -> Result<Option<IssuedToken<'c>>, Rejection> {
    let Some(keys) = issuer_fetch::issuer_keys(request, issuer)? else {
        return Ok(None);
    };
    let all_keys = match own {
        None => keys.clone(),
        Some(own) => KeySet::merge([&own.set, &keys]),
    };
    if let Some(token) = find_verified_with(request, conf, issuer, unverified.text(), &all_keys) {
        return Ok(Some((token, issuer)));
    }
    let token = match unverified.authenticate(&keys, SignatureCheck::Verify) {
        Ok(token) => token,
        Err(error) => {
            return match issuer_fetch::refresh(request, issuer, unverified, &keys, &error)? {
                true => verify(request, conf, issuer, unverified, own),
                false => {
                    count_miss(request, conf);
                    Err(error.into())
                }
            };
        }
    };
    count_miss(request, conf);
    let leeway = issuer.leeway(conf.leeway());
    issuer.check_terms(&token.clone().valid_at(request.now(), leeway)?)?;
    if own.is_none_or(|own| own.are_shared)
        && let Some(cache) = request.main_conf::<AuthJwt>().token_cache()
    {
        let (options, index) = (conf.verify_options(), Some(issuer.index));
        let mut cache = cache.borrow_mut();
        cache.insert(options, index, &all_keys, &token);
        AuthStatus::note_token_cache(request, cache.len());
    }
    Ok(Some((token, issuer)))
}

/// The newest entry of the token cache for a token, whatever its keys are, if its issuer is the one
/// that this location would choose.
#[inline]
fn find_cached<'t, 'c>(
    request: Request<'_>,
    conf: &LocationConf,
    trusted: &'c TrustedIssuers,
    cache: &'t mut TokenCache,
    text: &[u8],
) -> Option<(&'t CachedToken, &'c Issuer)> {
    let cached = cache.find(text, conf.verify_options())?;
    let issuer = trusted.find(cached.issuer()?)?;
    let is_chosen = || {
        let leeway = issuer.leeway(conf.leeway());
        let token = cached.token().valid_at(request.now(), leeway).ok()?;
        let chosen = trusted.choose(token.claims().object()).ok()?;
        Some(chosen.index == issuer.index)
    };
    // An entry of another location may be of an issuer that comes behind another one here.
    match !trusted.share_iss() || is_chosen() == Some(true) {
        true => Some((cached, issuer)),
        false => None,
    }
}

fn find_verified_with(
    request: Request<'_>,
    conf: &LocationConf,
    issuer: &Issuer,
    text: &[u8],
    keys: &KeySet,
) -> Option<AuthenticToken> {
    let mut cache = request.main_conf::<AuthJwt>().token_cache()?.borrow_mut();
    let (options, index) = (conf.verify_options(), Some(issuer.index));
    let token = cache.find_verified_with(text, options, index, keys)?;
    count_hit(request, conf);
    Some(token)
}
