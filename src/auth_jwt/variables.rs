//! `$jwt_claim_<name>` and `$jwt_header_<name>`. Of a signed token they have values before it is verified, as for
//! limit_req and for logs.

use std::ffi::CStr;

use super::AuthJwt;
use super::handler::unverified;
use crate::jose::{self, UnverifiedToken, Value};
use crate::nginx::{Config, ConfigError, Failure, PrefixVariable, Request, Text};

pub(super) fn add(cf: &mut Config<'_>) -> Result<(), ConfigError> {
    cf.add_prefix_variable::<Claim>()?;
    cf.add_prefix_variable::<Header>()
}

struct Claim;

impl PrefixVariable for Claim {
    type Module = AuthJwt;
    const PREFIX: &'static CStr = c"jwt_claim_";

    fn get<'r>(request: Request<'r>, name: &[u8]) -> Result<Option<Text<'r>>, Failure> {
        value(request, |token| token.claims()?.object().get(name))
    }
}

struct Header;

impl PrefixVariable for Header {
    type Module = AuthJwt;
    const PREFIX: &'static CStr = c"jwt_header_";

    fn get<'r>(request: Request<'r>, name: &[u8]) -> Result<Option<Text<'r>>, Failure> {
        value(request, |token| token.header().object().get(name))
    }
}

fn value<'r>(
    request: Request<'r>,
    select: impl Fn(&UnverifiedToken) -> Option<Value<'_>>,
) -> Result<Option<Text<'r>>, Failure> {
    let Some(token) = unverified(request)? else {
        return Ok(None);
    };
    match select(&token).map(Value::text) {
        None | Some(jose::Text::Absent) => Ok(None),
        Some(jose::Text::Plain(text)) => request.copy(text.as_bytes()).map(Some),
        Some(jose::Text::Unsafe) => {
            request.log().warn(format_args!(
                "auth_jwt: a value with NUL, CR or LF in the token: the variable is empty"
            ));
            Ok(Some(Text::from_static(b"")))
        }
    }
}
