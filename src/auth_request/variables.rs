//! `$auth_request_status`, `$auth_request_cache_status`, `$post_arg_<name>`.

use std::ffi::CStr;

use super::AuthRequest;
use super::fields::Fields;
use super::handler::CacheStatus;
use super::headers::is_value;
use crate::nginx::{Config, ConfigError, Escaped, Failure, PrefixVariable, Request, Text};

pub(super) fn add(cf: &mut Config<'_>) -> Result<(), ConfigError> {
    cf.define_variable::<AuthRequest, ()>(b"auth_request_status", (), |request, ()| {
        status(request)
    })?;
    let name = b"auth_request_cache_status";
    cf.define_variable::<AuthRequest, ()>(name, (), |request, ()| cache_status(request))?;
    cf.add_prefix_variable::<PostArgument>()
}

/// The code of the last answer.
fn status(request: Request<'_>) -> Result<Option<Text<'_>>, Failure> {
    let client = request.client_context::<AuthRequest>()?;
    let status = client.status.get();
    let text = status.map(|status| request.copy(format!("{:03}", status.0).as_bytes()));
    text.transpose()
}

/// What the cache had for the last check that could use it.
fn cache_status(request: Request<'_>) -> Result<Option<Text<'_>>, Failure> {
    let client = request.client_context::<AuthRequest>()?;
    Ok(client.cache_status.get().map(|status| {
        Text::from_static(match status {
            CacheStatus::Hit => b"HIT",
            CacheStatus::Miss => b"MISS",
            CacheStatus::Expired => b"EXPIRED",
            CacheStatus::Bypass => b"BYPASS",
        })
    }))
}

/// `$post_arg_<name>`: a field of the body that `auth_request_body` has had read.
struct PostArgument;

impl PrefixVariable for PostArgument {
    type Module = AuthRequest;

    const PREFIX: &'static CStr = c"post_arg_";

    fn get<'r>(request: Request<'r>, name: &[u8]) -> Result<Option<Text<'r>>, Failure> {
        let client = request.client_context::<AuthRequest>()?;
        if !client.has_body.get() {
            return Ok(None);
        }
        let fields = client.fields.get_or_init(|| fields(request.main()));
        let Some(value) = fields.get(name) else {
            return Ok(None);
        };
        if !is_value(value) {
            request.log().warn(format_args!(
                "control character in the field {} of the request's body: its variable is empty",
                Escaped(name)
            ));
            return Ok(None);
        }
        request.copy(value).map(Some)
    }
}

fn fields(request: Request<'_>) -> Fields {
    let mut lines = request.headers();
    let content_type = lines.find(|(name, _)| name.eq_ignore_ascii_case(b"content-type"));
    match (content_type, request.body()) {
        (Some((_, content_type)), Some(body)) => Fields::parse(&content_type, &body),
        _ => Fields::default(),
    }
}
