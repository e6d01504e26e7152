//! `$auth_request_status`, `$auth_request_cache_status`, `$post_arg_<name>`.

use std::ffi::CStr;
use text::Quoted;

use super::AuthRequest;
use crate::nginx::{
    Config, ConfigError, Failure, ModuleVariable, PrefixVariable, Request, Status, Text,
};
use policy::auth_request::post_args::Fields;
use text::is_field_value;

/// `$auth_request_cache_status`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CacheStatus {
    Hit,
    Miss,
    Expired,
    /// The request has no key.
    Bypass,
}

/// The variables that a check sets.
pub(super) struct Outcome {
    status: ModuleVariable,
    cache_status: ModuleVariable,
}

pub(super) fn add(cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let outcome = Outcome {
        status: cf.add_module_variable(b"auth_request_status")?,
        cache_status: cf.add_module_variable(b"auth_request_cache_status")?,
    };
    cf.main_conf::<AuthRequest>()
        .outcome
        .get_or_init(|| outcome);
    cf.add_prefix_variable::<PostArgument>()
}

/// Sets `$auth_request_status`, the code of the last answer.
pub(super) fn set_status(request: Request<'_>, status: Status) -> Result<(), Failure> {
    let text = match status.0 {
        200 => Text::from_static(b"200"),
        204 => Text::from_static(b"204"),
        code => digits(request, code)?,
    };
    if let Some(outcome) = request.main_conf::<AuthRequest>().outcome.get() {
        request.set_module_variable(outcome.status, text);
    }
    Ok(())
}

#[inline(never)]
fn digits(request: Request<'_>, code: u16) -> Result<Text<'_>, Failure> {
    request.copy(format!("{code:03}").as_bytes())
}

/// Sets `$auth_request_cache_status`, what the cache had for the last check that could use it.
pub(super) fn set_cache_status(request: Request<'_>, status: CacheStatus) {
    let text = Text::from_static(match status {
        CacheStatus::Hit => b"HIT",
        CacheStatus::Miss => b"MISS",
        CacheStatus::Expired => b"EXPIRED",
        CacheStatus::Bypass => b"BYPASS",
    });
    if let Some(outcome) = request.main_conf::<AuthRequest>().outcome.get() {
        request.set_module_variable(outcome.cache_status, text);
    }
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
        if !is_field_value(value) {
            request.log().warn(format_args!(
                "control character in the field {} of the request's body: its variable is empty",
                Quoted::new(name)
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
