//! `auth_jwt*` and `$jwt_*`: a request is served if it carries a JSON Web Token that the configured keys vouch for.
//!
//! What needs no nginx (`cache`, `key_file`, `key_request`, `keys`, `rejection`, `token`) is built and tested without
//! it.
#![cfg_attr(not(feature = "module"), allow(dead_code, unused_imports))]

mod cache;
#[cfg(feature = "module")]
mod conf;
#[cfg(feature = "module")]
mod fetch;
#[cfg(feature = "module")]
mod handler;
mod key_file;
mod key_request;
mod keys;
mod rejection;
#[cfg(feature = "module")]
mod shared;
mod token;
#[cfg(feature = "module")]
mod variables;

#[cfg(feature = "module")]
use crate::nginx::{Config, ConfigError, Directive, Module};

/// The nginx module.
#[cfg(feature = "module")]
pub struct AuthJwt;

#[cfg(feature = "module")]
impl Module for AuthJwt {
    type MainConf = shared::MainConf;
    type LocationConf = conf::LocationConf;
    type RequestContext = fetch::Gathering;
    type ClientContext = handler::Client;

    const DIRECTIVES: &'static [Directive<Self>] = conf::DIRECTIVES;

    fn preconfiguration(cf: &mut Config<'_>) -> Result<(), ConfigError> {
        variables::add(cf)
    }

    fn postconfiguration(cf: &mut Config<'_>) -> Result<(), ConfigError> {
        cf.add_access_handler::<Self>()
    }
}
