//! What happens to a request's header before it is judged, and after it: `auth_jwt_upstream_header`
//! and `auth_jwt_strip`.

use std::rc::Rc;
use std::slice;

use super::AuthJwt;
use super::client::{self, ClientToken, remembered_token};
use super::conf::LocationConf;
use super::strip::{self, remove_from_arguments};
use crate::nginx::{AroundAccess, Failure, LineChange, Request};
use policy::auth_jwt::token_carrier::TokenCarrier;

impl AroundAccess for AuthJwt {
    fn before_access(request: Request<'_>, conf: &LocationConf) -> Result<(), Failure> {
        let (headers, strip) = (&conf.upstream_headers, &conf.strip);
        if let Some(carrier) = strip.stripped() {
            request.client_context::<Self>()?.note_carrier(carrier);
        }
        match (headers.reserve_any(), conf.is_on()) {
            (true, _) => {
                headers.remove_early(request, strip)?;
                // The token may have been verified in the preaccess phase, or in an earlier
                // location.
                headers.update(request, remembered_token(request)?.as_ref(), strip)
            }
            (false, true) => request.take_back_upstream_lines::<Self>(),
            // As with variables, an upstream of another location gets what the token says.
            (false, false) => Ok(()),
        }
    }

    fn before_subrequest(request: Request<'_>, conf: &LocationConf) -> Result<(), Failure> {
        let headers = &conf.upstream_headers;
        let carriers = conf.strip.stripped().map_or(&[][..], slice::from_ref);
        if !headers.reserve_any() && carriers.is_empty() {
            request.forget_values_of_subrequests();
            return Ok(());
        }
        remove_from_arguments(request, carriers)?;
        request.change_inherited_lines(|name, value| change(conf, carriers, name, value))
    }

    fn after_access(request: Request<'_>, conf: &LocationConf) -> Result<(), Failure> {
        let headers = &conf.upstream_headers;
        // Those of earlier locations as well: an error page must not give away a token that was
        // refused.
        let client = request.client_context_if_any::<Self>();
        let carriers = client.map_or_else(Vec::new, ClientToken::carriers);
        if !headers.remove_late() && carriers.is_empty() {
            return Ok(());
        }
        if !carriers.is_empty() && request.uses_variables_of::<Self>() {
            client::parse_for_log(request)?;
        }
        let lines =
            headers.late_lines(request, remembered_token(request)?.as_ref(), &conf.strip)?;
        request.extend_upstream_lines::<Self>(
            |name, value| change(conf, &carriers, name, value),
            &lines,
        )?;
        remove_from_arguments(request, &carriers)
    }
}

/// What becomes of a line of the client that upstreams could take for one of ours, or that carries
/// the token.
fn change(
    conf: &LocationConf,
    carriers: &[Rc<TokenCarrier>],
    name: &[u8],
    value: &[u8],
) -> LineChange {
    match conf.upstream_headers.change(name) {
        LineChange::Keep => strip::change(carriers, name, value),
        change => change,
    }
}
