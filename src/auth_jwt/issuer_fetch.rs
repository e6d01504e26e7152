//! Gets the keys of a token's issuer: from a file, or as the workers have fetched them. A request may
//! have to wait for a fetch; then nginx runs the handler again.

use std::rc::Rc;

use super::AuthJwt;
use super::fetch::{self, KeyFetchState};
use super::issuer::{Issuer, IssuerKeySource};
use super::issuer_keys::{FetchedKeys, KeysOrWait};
use crate::nginx::Request;
use jose::{Error, ErrorKind, KeySet, SignatureCheck, TokenType, UnverifiedToken};
use policy::auth_jwt::fetch_state::Need;
use policy::auth_jwt::key_cache::{KeyCache, KeyError};
use policy::auth_jwt::rejection::Rejection;

/// The keys of an issuer. A token of another issuer is not affected when they cannot be had.
/// `None`: the request has to wait.
pub(super) fn issuer_keys(
    request: Request<'_>,
    issuer: &Issuer,
) -> Result<Option<KeySet>, Rejection> {
    let set = match &issuer.keys {
        IssuerKeySource::File(file) => fetch::load_issuer_file(request, file)?,
        IssuerKeySource::Fetched(keys) => match fetched_keys(request, issuer, keys)? {
            Some(set) => set,
            None => return Ok(None),
        },
    };
    if set.mark_used() {
        for warning in set.warnings_for(TokenType::Signed, SignatureCheck::Verify) {
            let source = issuer.describe_keys();
            request
                .log()
                .warn(format_args!("auth_jwt: {source}: {warning}"));
        }
    }
    Ok(Some(set))
}

/// The keys of an issuer, if nothing has to be read, fetched or logged.
#[inline]
pub(super) fn cached_issuer_keys(request: Request<'_>, issuer: &Issuer) -> Option<KeySet> {
    let now = request.uptime();
    match &issuer.keys {
        IssuerKeySource::File(file) => {
            let iteration = || request.event_loop_iteration();
            file.cached(now, &KeyCache::NONE, iteration)
        }
        IssuerKeySource::Fetched(keys) => keys.cached(now),
    }
}

/// Has the issuer asked again, once for a request, if its token is refused with these keys and may
/// have been signed with a newer one. Then [`issuer_keys`] may give others.
pub(super) fn refresh(
    request: Request<'_>,
    issuer: &Issuer,
    token: &UnverifiedToken,
    keys: &KeySet,
    error: &Error,
) -> Result<bool, Rejection> {
    let IssuerKeySource::Fetched(fetched) = &issuer.keys else {
        return Ok(false);
    };
    let may_be_of_newer_key = match error.kind() {
        ErrorKind::UnknownKey => true,
        // Keys without a kid may have been tried for a kid that the set does not have, or all keys
        // for a token without a kid.
        ErrorKind::BadSignature => token.may_need_other_keys(keys),
        _ => false,
    };
    if !may_be_of_newer_key {
        return Ok(false);
    }
    let state = request.context_or_new::<AuthJwt>(KeyFetchState::default)?;
    if state.issuer.has_refreshed.replace(true) {
        return Ok(false);
    }
    match fetched.look_up(request, Need::NewerKeys)? {
        KeysOrWait::Wait(wait) => {
            state.issuer.wait.replace(Some(wait));
            Ok(true)
        }
        // The last fetch was a moment ago.
        KeysOrWait::Ready(_) | KeysOrWait::Failed(_) => Ok(false),
    }
}

fn fetched_keys(
    request: Request<'_>,
    issuer: &Issuer,
    keys: &Rc<FetchedKeys>,
) -> Result<Option<KeySet>, Rejection> {
    let failed = |error: KeyError| Rejection::IssuerKeys {
        issuer: Rc::clone(&issuer.terms.name),
        error,
    };
    if let Some(state) = request.context::<AuthJwt>()
        && let Some(mut wait) = state.issuer.wait.take()
    {
        if state.issuer.is_client_watched.take() {
            request.stop_watching_client();
        }
        return match keys.after_wait(request, &mut wait)? {
            Some(waited) => waited.map(Some).map_err(failed),
            None => {
                state.issuer.wait.replace(Some(wait));
                watch_client(request, state);
                Ok(None)
            }
        };
    }
    if let Some(keys) = keys.cached(request.uptime()) {
        return Ok(Some(keys));
    }
    match keys.look_up(request, Need::Keys)? {
        KeysOrWait::Ready(keys) => Ok(Some(keys)),
        KeysOrWait::Failed(error) => Err(failed(error)),
        KeysOrWait::Wait(wait) => {
            let state = request.context_or_new::<AuthJwt>(KeyFetchState::default)?;
            state.issuer.wait.replace(Some(wait));
            watch_client(request, state);
            Ok(None)
        }
    }
}

fn watch_client(request: Request<'_>, state: &KeyFetchState) {
    request.watch_client();
    state.issuer.is_client_watched.set(true);
}
