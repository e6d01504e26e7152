//! `$jwt_*`, and the variables of auth_jwt_claim_set and auth_jwt_header_set. Of a signed token they have values before
//! it is verified, as for limit_req and for logs.

use std::ffi::CStr;

use super::AuthJwt;
use super::handler::{Token, Verdict, token};
use crate::nginx::{Config, ConfigError, Failure, PrefixVariable, Request, Text};
use jose::{JsonValue, VariableText};

pub(super) fn add(cf: &mut Config<'_>) -> Result<(), ConfigError> {
    cf.add_prefix_variable::<Claim>()?;
    cf.add_prefix_variable::<Header>()?;
    cf.define_variable::<AuthJwt, _>(b"jwt_payload", (), |request, ()| payload(request))?;
    cf.define_variable::<AuthJwt, _>(b"jwt_claims", (), |request, ()| claims(request))?;
    cf.define_variable::<AuthJwt, _>(b"jwt_verified", (), |request, ()| verified(request))?;
    cf.define_variable::<AuthJwt, _>(b"jwt_status", (), |request, ()| status(request))
}

/// The part of a token that a path begins in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Header,
    Claims,
}

/// Defines a variable for the value at the end of a path of names.
pub(super) fn define_path(
    cf: &mut Config<'_>,
    name: &[u8],
    part: Part,
    names: Vec<Vec<u8>>,
) -> Result<(), ConfigError> {
    cf.define_variable::<AuthJwt, _>(name, (part, names), |request, (part, names)| {
        value(request, |token| part.of(token)?.path(names))
    })
}

impl Part {
    fn of(self, token: &Token) -> Option<JsonValue<'_>> {
        match self {
            Self::Header => Some(token.header().object()),
            Self::Claims => Some(token.claims()?.object()),
        }
    }
}

struct Claim;

impl PrefixVariable for Claim {
    type Module = AuthJwt;
    const PREFIX: &'static CStr = c"jwt_claim_";

    fn get<'r>(request: Request<'r>, name: &[u8]) -> Result<Option<Text<'r>>, Failure> {
        value(request, |token| Part::Claims.of(token)?.get(name))
    }
}

struct Header;

impl PrefixVariable for Header {
    type Module = AuthJwt;
    const PREFIX: &'static CStr = c"jwt_header_";

    fn get<'r>(request: Request<'r>, name: &[u8]) -> Result<Option<Text<'r>>, Failure> {
        value(request, |token| Part::Header.of(token)?.get(name))
    }
}

fn value<'r>(
    request: Request<'r>,
    select: impl Fn(&Token) -> Option<JsonValue<'_>>,
) -> Result<Option<Text<'r>>, Failure> {
    let Some(token) = token(request)? else {
        return Ok(None);
    };
    match select(&token).map(JsonValue::text) {
        None | Some(VariableText::Absent) => Ok(None),
        Some(VariableText::Plain(text)) => request.copy(text.as_bytes()).map(Some),
        Some(VariableText::Unsafe) => {
            request.log().warn(format_args!(
                "auth_jwt: a value with NUL, CR or LF in the token: the variable is empty"
            ));
            Ok(Some(Text::from_static(b"")))
        }
    }
}

/// `$jwt_payload`
fn payload<'r>(request: Request<'r>) -> Result<Option<Text<'r>>, Failure> {
    let verified = request.client_context::<AuthJwt>()?.verified();
    let Some((token, payload)) = verified.as_ref().and_then(|it| Some((it, it.payload()?))) else {
        return Ok(None);
    };
    // JSON on several lines would end a header line that it is put in.
    match payload.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        true => request.copy(token.claims().object().compact().as_bytes()),
        false => request.copy(payload),
    }
    .map(Some)
}

/// `$jwt_claims`
fn claims<'r>(request: Request<'r>) -> Result<Option<Text<'r>>, Failure> {
    match token(request)?.as_ref().and_then(Token::claims) {
        Some(claims) => request.copy(claims.object().compact().as_bytes()).map(Some),
        None => Ok(None),
    }
}

/// `$jwt_verified`
fn verified<'r>(request: Request<'r>) -> Result<Option<Text<'r>>, Failure> {
    let verdict = request.client_context::<AuthJwt>()?.verdict();
    let accepted = verdict == Some(Verdict::Accepted);
    Ok(Some(Text::from_static(if accepted { b"1" } else { b"0" })))
}

/// `$jwt_status`
fn status<'r>(request: Request<'r>) -> Result<Option<Text<'r>>, Failure> {
    let text = match request.client_context::<AuthJwt>()?.verdict() {
        Some(Verdict::Accepted) => "ok",
        Some(Verdict::Refused(reason)) => reason,
        None => {
            let conf = request.main().location_conf::<AuthJwt>();
            let protection = conf.protection.get();
            match protection.is_some_and(|protection| protection.realm.is_some()) {
                true => return Ok(None),
                false => "disabled",
            }
        }
    };
    Ok(Some(Text::from_static(text.as_bytes())))
}
