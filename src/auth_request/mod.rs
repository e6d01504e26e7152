//! `auth_request*`: a subrequest to an authorization service decides whether a request is served.
//!
//! This is a drop-in for nginx's ngx_http_auth_request_module, with the additional features of
//! forward-auth gateways. If nginx has that module built in, this one handles its directives.

mod answer;
mod cache;
mod conf;
mod directives;
mod flight;
mod handler;
mod variables;
mod verdict;

use crate::nginx::{Config, ConfigError, Directive, MergedConfig, Module};
use policy::auth_request::key_sources::KeySources;

/// The nginx module.
pub struct AuthRequest;

impl Module for AuthRequest {
    type MainConf = conf::MainConf;
    type LocationConf = conf::LocationConf;
    type RequestContext = handler::CheckState;
    type ClientContext = handler::ClientBody;

    const DIRECTIVES: &'static [Directive<Self>] = directives::DIRECTIVES;

    fn preconfiguration(cf: &mut Config<'_>) -> Result<(), ConfigError> {
        variables::add(cf)?;
        answer::add_variables(cf)
    }

    fn postconfiguration(cf: &mut Config<'_>) -> Result<(), ConfigError> {
        variables::add_check_variables(cf)?;
        variables::add_escaped_variables(cf)?;
        let used = KeySources::of_variables(cf.referenced_variables(b"").into_iter());
        cf.main_conf::<Self>().used_sources.get_or_init(|| used);
        cf.add_access_handler::<Self>()?;
        if cf.main_conf::<Self>().changes_headers.get() {
            cf.add_handlers_around_access::<Self>()?;
            cf.add_handler_before_log::<Self>()?;
        }
        Ok(())
    }

    fn check(cf: &MergedConfig<'_, '_>) {
        conf::warn_of_services(cf);
        conf::warn_of_refused_pages(cf);
    }
}
