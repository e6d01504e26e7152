//! `auth_jwt*` and `$jwt_*`: a request is served if it carries a JSON Web Token that the configured keys vouch for.

mod conf;
mod fetch;
mod handler;
mod key_file;
mod shared;
mod variables;

use crate::nginx::{Config, ConfigError, Directive, Module};

/// The nginx module.
pub struct AuthJwt;

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
