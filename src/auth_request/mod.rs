//! `auth_request*`: a subrequest to an authorization service decides whether a request is served. A drop-in for nginx's
//! ngx_http_auth_request_module, whose directives it takes over where that is built in, with what gateways for forward
//! authentication have beyond it.

mod answer;
mod cache;
mod conf;
mod handler;
mod variables;

use crate::nginx::{Config, ConfigError, Directive, Module};

/// The nginx module.
pub struct AuthRequest;

impl Module for AuthRequest {
    type MainConf = conf::MainConf;
    type LocationConf = conf::LocationConf;
    type RequestContext = handler::Check;
    type ClientContext = handler::Client;

    const DIRECTIVES: &'static [Directive<Self>] = conf::DIRECTIVES;

    fn preconfiguration(cf: &mut Config<'_>) -> Result<(), ConfigError> {
        variables::add(cf)
    }

    fn postconfiguration(cf: &mut Config<'_>) -> Result<(), ConfigError> {
        cf.add_access_handler::<Self>()?;
        if cf.main_conf::<Self>().changes_headers.get() {
            cf.add_handlers_around_access::<Self>()?;
        }
        Ok(())
    }
}
