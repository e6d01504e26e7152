//! `$auth_request_status`, `$auth_request_cache_status`, `$escaped_request_uri`,
//! `$escaped_<variable>`, `$post_arg_<name>`.

use std::ffi::CStr;

use super::AuthRequest;
use crate::nginx::{
    Config, ConfigError, Failure, ModuleVariable, PrefixVariable, Request, Status, Text, Variable,
};
use policy::auth_request::cache_status::CacheStatus;
use policy::auth_request::post_args::{BodyFormat, PostArgs};
use policy::uri::encode_value;
use text::{Quoted, is_field_value};

/// What is in front of the name of a variable whose value is percent-encoded.
const ESCAPED_PREFIX: &[u8] = b"escaped_";

/// The variables that a check sets, without those that the configuration itself has defined.
pub(super) struct CheckVariables {
    status: Option<ModuleVariable>,
    cache_status: Option<ModuleVariable>,
}

/// Adds the variables that a check sets, when all of the configuration has been read.
pub(super) fn add_check_variables(cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let variables = CheckVariables {
        status: cf.add_module_variable(b"auth_request_status")?,
        cache_status: cf.add_module_variable(b"auth_request_cache_status")?,
    };
    cf.main_conf::<AuthRequest>()
        .variables
        .get_or_init(|| variables);
    Ok(())
}

pub(super) fn add(cf: &mut Config<'_>) -> Result<(), ConfigError> {
    cf.define_changeable_variable::<AuthRequest, _>(
        b"escaped_request_uri",
        (),
        escaped_request_uri,
    )?;
    cf.add_prefix_variable::<PostArgument>()
}

/// Defines `$escaped_<variable>` for each variable that the configuration names so, when all of it has
/// been read. nginx itself complains of a variable that does not exist.
pub(super) fn add_escaped_variables(cf: &mut Config<'_>) -> Result<(), ConfigError> {
    for name in cf.referenced_variables(ESCAPED_PREFIX) {
        let escaped_name = [ESCAPED_PREFIX, &name].concat();
        if !cf.defines_variable(&escaped_name) {
            let variable = cf.variable(&name)?;
            cf.define_changeable_variable::<AuthRequest, _>(&escaped_name, variable, escaped)?;
        }
    }
    Ok(())
}

/// `$escaped_<variable>`: the value of a variable, as a value in a form or in the query of a URI.
fn escaped<'r>(request: Request<'r>, variable: &Variable) -> Result<Option<Text<'r>>, Failure> {
    let value = request.variable(*variable);
    let value = value.map(|value| request.copy(&encode_value(&value)));
    value.transpose()
}

/// `$escaped_request_uri`: the URI that the client has sent, as a value in the query of another.
fn escaped_request_uri<'r>(request: Request<'r>, (): &()) -> Result<Option<Text<'r>>, Failure> {
    let uri = encode_value(&request.original_uri());
    request.copy(&uri).map(Some)
}

/// Sets `$auth_request_status`, the status of the last response of the service.
pub(super) fn set_status(request: Request<'_>, status: Status) -> Result<(), Failure> {
    let variables = request.main_conf::<AuthRequest>().variables.get();
    let Some(variable) = variables.and_then(|variables| variables.status) else {
        return Ok(());
    };
    let text = match status.0 {
        200 => Text::from_static(b"200"),
        204 => Text::from_static(b"204"),
        code => request.copy(format!("{code:03}").as_bytes())?,
    };
    request.set_module_variable(variable, text);
    Ok(())
}

/// Sets `$auth_request_cache_status`, what the cache had for the last check in a location with
/// `auth_request_cache`.
pub(super) fn set_cache_status(request: Request<'_>, status: CacheStatus) {
    let text = Text::from_static(status.name().as_bytes());
    let variables = request.main_conf::<AuthRequest>().variables.get();
    if let Some(variable) = variables.and_then(|variables| variables.cache_status) {
        request.set_module_variable(variable, text);
    }
}

/// `$post_arg_<name>`: an argument in the body that `auth_request_body` has read.
struct PostArgument;

impl PrefixVariable for PostArgument {
    type Module = AuthRequest;

    const PREFIX: &'static CStr = c"post_arg_";

    fn get<'r>(request: Request<'r>, name: &[u8]) -> Result<Option<Text<'r>>, Failure> {
        let body = request.client_context::<AuthRequest>()?;
        if !body.is_read.get() {
            return Ok(None);
        }
        let args = body.args.get_or_init(|| post_args(request.main()));
        let Some(value) = args.get(name) else {
            return Ok(None);
        };
        if !is_field_value(value) {
            request.log().warn(format_args!(
                "control character in field {} of the request body: its variable is empty",
                Quoted::new(name)
            ));
            return Ok(None);
        }
        request.copy(value).map(Some)
    }
}

fn post_args(request: Request<'_>) -> PostArgs {
    let lines = request.headers();
    let lines = lines.map(|(name, value)| (name.bytes(), value.bytes()));
    match (BodyFormat::of_header(lines), request.body()) {
        (Some(format), Some(body)) => PostArgs::parse(format, &body),
        _ => PostArgs::default(),
    }
}
