//! `auth_request`, `auth_request_set`: a subrequest to an authorization service decides whether a request is served.
//! A drop-in for nginx's ngx_http_auth_request_module, whose directives it takes over where that is built in.

mod conf;
mod handler;

use crate::nginx::{Config, ConfigError, Directive, Module};

/// The nginx module.
pub struct AuthRequest;

impl Module for AuthRequest {
    type MainConf = ();
    type LocationConf = conf::LocationConf;
    type RequestContext = handler::Check;
    type ClientContext = ();

    const DIRECTIVES: &'static [Directive<Self>] = conf::DIRECTIVES;

    fn preconfiguration(_: &mut Config<'_>) -> Result<(), ConfigError> {
        Ok(())
    }

    fn postconfiguration(cf: &mut Config<'_>) -> Result<(), ConfigError> {
        cf.add_access_handler::<Self>()
    }
}
