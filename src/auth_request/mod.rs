//! `auth_request`, `auth_request_set`: a subrequest to an authorization service decides whether a request is served.
//! A drop-in for nginx's ngx_http_auth_request_module, whose directives it takes over where that is built in.
//!
//! What needs no nginx ([`uri`]) is built and tested without it.
#![cfg_attr(not(feature = "module"), allow(dead_code))]

#[cfg(feature = "module")]
mod conf;
#[cfg(feature = "module")]
mod handler;
mod uri;

#[cfg(feature = "module")]
use crate::nginx::{Config, ConfigError, Directive, Module};

/// The nginx module.
#[cfg(feature = "module")]
pub struct AuthRequest;

#[cfg(feature = "module")]
impl Module for AuthRequest {
    type MainConf = conf::MainConf;
    type LocationConf = conf::LocationConf;
    type RequestContext = handler::Check;

    const DIRECTIVES: &'static [Directive<Self>] = conf::DIRECTIVES;

    fn preconfiguration(_: &mut Config<'_>) -> Result<(), ConfigError> {
        Ok(())
    }

    fn postconfiguration(cf: &mut Config<'_>) -> Result<(), ConfigError> {
        conf::MainConf::find_body_variables(cf)?;
        cf.add_access_handler::<Self>()
    }
}
