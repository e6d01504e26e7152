//! `$jwt_*`, and the variables of auth_jwt_claim_set and auth_jwt_header_set. [`token`] says when
//! they have values of a token that was not verified.

use std::ffi::CStr;

use super::AuthJwt;
use super::client::{AnyToken, TokenVerdict, token, verified_token};
use crate::nginx::{Config, ConfigError, Failure, PrefixVariable, Request, Text};
use jose::{JsonValue, VariableText};
use policy::auth_jwt::jwt_status::JwtStatus;
use text::is_quotable;

pub(super) fn add(cf: &mut Config<'_>) -> Result<(), ConfigError> {
    // Those of an auth_jwt that nginx itself may have one day.
    cf.release_variables(&[
        b"jwt_claim_",
        b"jwt_header_",
        b"jwt_outer_header_",
        b"jwt_payload",
        b"jwt_claims",
        b"jwt_verified",
        b"jwt_status",
    ]);
    cf.add_prefix_variable::<JwtClaim>()?;
    cf.add_prefix_variable::<JwtHeader>()?;
    cf.add_prefix_variable::<JwtOuterHeader>()?;
    cf.define_variable::<AuthJwt, _>(b"jwt_payload", (), |request, ()| payload(request))?;
    cf.define_changeable_variable::<AuthJwt, _>(b"jwt_claims", (), |request, ()| claims(request))?;
    cf.define_changeable_variable::<AuthJwt, _>(b"jwt_verified", (), |request, ()| {
        verified(request)
    })?;
    cf.define_changeable_variable::<AuthJwt, _>(b"jwt_status", (), |request, ()| status(request))
}

/// The part of a token where a path of names begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum PathRoot {
    Header,
    /// The header of the JWE around a nested token.
    OuterHeader,
    Claims,
}

/// Defines a variable for the value at the end of a path of names.
pub(super) fn define_path(
    cf: &mut Config<'_>,
    name: &[u8],
    root: PathRoot,
    names: Vec<Vec<u8>>,
) -> Result<(), ConfigError> {
    cf.define_variable::<AuthJwt, _>(name, (root, names), |request, (root, names)| {
        value(request, |token| root.of(token)?.path(names))
    })
}

impl PathRoot {
    fn of(self, token: &AnyToken) -> Option<JsonValue<'_>> {
        match self {
            Self::Header => Some(token.header()?.object()),
            Self::OuterHeader => Some(token.outer_header()?.object()),
            Self::Claims => Some(token.claims()?.object()),
        }
    }
}

/// `$jwt_claim_*`
struct JwtClaim;

impl PrefixVariable for JwtClaim {
    type Module = AuthJwt;
    const PREFIX: &'static CStr = c"jwt_claim_";

    fn get<'r>(request: Request<'r>, name: &[u8]) -> Result<Option<Text<'r>>, Failure> {
        value(request, |token| PathRoot::Claims.of(token)?.get(name))
    }
}

/// `$jwt_header_*`
struct JwtHeader;

impl PrefixVariable for JwtHeader {
    type Module = AuthJwt;
    const PREFIX: &'static CStr = c"jwt_header_";

    fn get<'r>(request: Request<'r>, name: &[u8]) -> Result<Option<Text<'r>>, Failure> {
        value(request, |token| PathRoot::Header.of(token)?.get(name))
    }
}

/// `$jwt_outer_header_*`
struct JwtOuterHeader;

impl PrefixVariable for JwtOuterHeader {
    type Module = AuthJwt;
    const PREFIX: &'static CStr = c"jwt_outer_header_";

    fn get<'r>(request: Request<'r>, name: &[u8]) -> Result<Option<Text<'r>>, Failure> {
        value(request, |token| PathRoot::OuterHeader.of(token)?.get(name))
    }
}

fn value<'r>(
    request: Request<'r>,
    select: impl Fn(&AnyToken) -> Option<JsonValue<'_>>,
) -> Result<Option<Text<'r>>, Failure> {
    let Some(token) = token(request)? else {
        return Ok(None);
    };
    match select(&token) {
        Some(value) => checked_text(request, value.text()),
        None => Ok(None),
    }
}

/// A text from the token as the value of a variable.
fn checked_text<'r>(
    request: Request<'r>,
    text: VariableText<'_>,
) -> Result<Option<Text<'r>>, Failure> {
    match text {
        VariableText::Absent => Ok(None),
        VariableText::Plain(text) => request.copy(text.as_bytes()).map(Some),
        VariableText::Unsafe => {
            request.log().warn(format_args!(
                "auth_jwt: a value in the token contains a control character, \
                 the variable is empty"
            ));
            Ok(Some(Text::from_static(b"")))
        }
    }
}

/// `$jwt_payload`
fn payload<'r>(request: Request<'r>) -> Result<Option<Text<'r>>, Failure> {
    let Some(token) = verified_token(request)? else {
        return Ok(None);
    };
    match token.payload() {
        None => Ok(None),
        // White space between the tokens of JSON is no part of the claims.
        Some(payload) if !is_quotable(payload) => {
            checked_text(request, token.claims().object().text())
        }
        Some(payload) => request.copy(payload).map(Some),
    }
}

/// `$jwt_claims`
fn claims<'r>(request: Request<'r>) -> Result<Option<Text<'r>>, Failure> {
    value(request, |token| PathRoot::Claims.of(token))
}

/// `$jwt_verified`
fn verified<'r>(request: Request<'r>) -> Result<Option<Text<'r>>, Failure> {
    let verdict = request.client_context::<AuthJwt>()?.verdict();
    let text: &[u8] = match verdict == Some(TokenVerdict::Accepted) {
        true => b"1",
        false => b"0",
    };
    Ok(Some(Text::from_static(text)))
}

/// `$jwt_status`
fn status<'r>(request: Request<'r>) -> Result<Option<Text<'r>>, Failure> {
    let status = match request.client_context::<AuthJwt>()?.verdict() {
        Some(verdict) => verdict.jwt_status(),
        None => match request.main().location_conf::<AuthJwt>().is_on() {
            true => return Ok(None),
            false => JwtStatus::Disabled,
        },
    };
    Ok(Some(Text::from_static(status.name().as_bytes())))
}
