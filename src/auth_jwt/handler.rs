//! Finds the token of a request, and judges it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::AuthJwt;
use super::conf::{KeySource, LocationConf, Protection, TokenSource};
use super::keys::{KeyFile, unfit_name};
use super::rejection::{Challenge, Fault, Rejection, is_realm};
use super::token::{Presented, bearer};
use crate::jose::{self, KeySet, Limits, Summary, TokenType, UnverifiedToken};
use crate::nginx::{Access, AccessHandler, Escaped, Failure, Request, Status, Template, Text};

/// What is kept with a request: the token that was last found in it, parsed once.
#[derive(Default)]
pub struct Context {
    parsed: RefCell<Option<Parsed>>,
}

struct Parsed {
    text: Box<[u8]>,
    token: Result<UnverifiedToken, jose::Error>,
}

impl AccessHandler for AuthJwt {
    fn access(request: Request<'_>, conf: &LocationConf) -> Result<Access, Failure> {
        let Some(Protection {
            realm: Some(realm),
            token,
            ..
        }) = conf.protection.get()
        else {
            return Ok(Access::Decline);
        };
        match judge(request, conf, *token)? {
            Ok(()) => Ok(Access::Allow),
            Err(rejection) => refuse(request, realm, &rejection),
        }
    }
}

/// The token of a request as the location that it is in finds it; nothing in it was verified.
pub(super) fn unverified(request: Request<'_>) -> Result<Option<UnverifiedToken>, Failure> {
    let conf = request.location_conf::<AuthJwt>();
    let source = conf
        .protection
        .get()
        .map_or(TokenSource::Bearer, |protection| protection.token);
    match find(request, source) {
        Presented::Token(text) => Ok(parse(request, text)?.ok()),
        Presented::Nothing | Presented::Several => Ok(None),
    }
}

fn judge(
    request: Request<'_>,
    conf: &LocationConf,
    source: TokenSource,
) -> Result<Result<(), Rejection>, Failure> {
    if conf.key_sources.is_empty() {
        return Ok(Err(Rejection::NoKeySource));
    }
    let text = match find(request, source) {
        Presented::Token(text) => text,
        Presented::Nothing => return Ok(Err(Rejection::Missing)),
        Presented::Several => return Ok(Err(Rejection::SeveralTokens)),
    };
    let token = match parse(request, text)? {
        Ok(token) => token,
        Err(error) => {
            let token = Summary::of(text, &Limits::default());
            return Ok(Err(Rejection::Token { error, token }));
        }
    };
    let keys = match keys(request, conf)? {
        Ok(keys) => keys,
        Err(rejection) => return Ok(Err(rejection)),
    };
    let verified = token.verify(&keys, request.now(), Duration::ZERO);
    Ok(verified.map(drop).map_err(|error| Rejection::Token {
        error,
        token: token.summary(),
    }))
}

fn find(request: Request<'_>, source: TokenSource) -> Presented<'_> {
    match source {
        TokenSource::Bearer => {
            let is_authorization = |name: Text<'_>| name.eq_ignore_ascii_case(b"authorization");
            let lines = request
                .headers()
                .filter(|(name, _)| is_authorization(*name));
            bearer(lines.map(|(_, value)| value.bytes()))
        }
        TokenSource::Variable(variable) => match request.variable(variable).map(Text::bytes) {
            None | Some(b"") => Presented::Nothing,
            Some(token) => Presented::Token(token),
        },
    }
}

/// Parses a token, unless it is the one that was parsed for this request before.
fn parse(
    request: Request<'_>,
    text: &[u8],
) -> Result<Result<UnverifiedToken, jose::Error>, Failure> {
    let context = request.context_or_new::<AuthJwt>(Context::default)?;
    let mut parsed = context.parsed.borrow_mut();
    if let Some(parsed) = &*parsed
        && *parsed.text == *text
    {
        return Ok(parsed.token.clone());
    }
    let token = UnverifiedToken::parse(text, TokenType::Signed, &Limits::default());
    *parsed = Some(Parsed {
        text: text.into(),
        token: token.clone(),
    });
    Ok(token)
}

/// All keys in force. One source that cannot be loaded takes them all away: the key that would decide may be there.
fn keys(request: Request<'_>, conf: &LocationConf) -> Result<Result<KeySet, Rejection>, Failure> {
    let mut sets = Vec::with_capacity(conf.key_sources.len());
    for source in conf.key_sources.iter() {
        let file = match source {
            KeySource::File(file) => Rc::clone(file),
            KeySource::FileNamed(name) => match named_file(request, name)? {
                Ok(file) => file,
                Err(rejection) => return Ok(Err(rejection)),
            },
        };
        let path = file.path();
        let warned = |warning: &_| {
            request
                .log()
                .warn(format_args!("auth_jwt: key file {path:?}: {warning}"));
        };
        match file.keys(warned) {
            Ok(keys) => {
                if matches!(source, KeySource::FileNamed(_)) {
                    request.main_conf::<AuthJwt>().keep(&file);
                }
                sets.push(keys);
            }
            Err(error) => {
                let path = path.to_owned();
                return Ok(Err(Rejection::KeyFile { path, error }));
            }
        }
    }
    Ok(Ok(match sets.as_slice() {
        [keys] => keys.clone(),
        sets => KeySet::merge(sets),
    }))
}

fn named_file(
    request: Request<'_>,
    name: &Template,
) -> Result<Result<Rc<KeyFile>, Rejection>, Failure> {
    let name = name.evaluate(request)?;
    if let Some(reason) = unfit_name(&name) {
        return Ok(Err(Rejection::KeyFileName(reason)));
    }
    let path = request.conf_path(&name);
    Ok(Ok(request.main_conf::<AuthJwt>().key_file_of_request(path)))
}

fn refuse(
    request: Request<'_>,
    realm: &Template,
    rejection: &Rejection,
) -> Result<Access, Failure> {
    let consequence = rejection.consequence();
    match consequence.fault {
        Fault::Client => request.log().info(format_args!("auth_jwt: {rejection}")),
        Fault::Server => request.log().error(format_args!("auth_jwt: {rejection}")),
    }
    if consequence.challenge != Challenge::None {
        let realm = realm.evaluate(request)?;
        if !is_realm(&realm) {
            request.log().warn(format_args!(
                "auth_jwt: control character in realm {}: the challenge has none",
                Escaped(&realm)
            ));
        }
        if let Some(value) = consequence.challenge.value(&realm) {
            request.add_challenge(request.copy(&value)?)?;
        }
    }
    Ok(Access::Refuse(Status(consequence.status)))
}
