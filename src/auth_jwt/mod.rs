//! `auth_jwt*` and `$jwt_*`: a request is served if it has a JSON Web Token that was made with one
//! of the configured keys.

mod around_access;
mod authenticate;
mod binding;
mod binding_checks;
mod client;
mod conf;
mod configured_key_file;
mod directives;
mod fetch;
mod file_path;
mod handler;
mod issued_token;
mod issuer;
mod issuer_block;
mod issuer_fetch;
mod issuer_keys;
mod key_request;
mod late_variables;
mod main_conf;
mod proof_rules;
mod proof_url;
mod remembered_token;
mod resource_metadata;
mod revocation;
mod strip;
mod token_rules;
mod trust;
mod upstream_headers;
mod used_proofs;
mod variables;

use crate::nginx::net::unix_time;
use crate::nginx::{
    Config, ConfigError, ContentHandler, ContentResponse, Directive, Failure, MergedConfig, Module,
    Request,
};

/// The nginx module.
pub struct AuthJwt;

impl Module for AuthJwt {
    type MainConf = main_conf::MainConf;
    type LocationConf = conf::LocationConf;
    type RequestContext = fetch::KeyFetchState;
    type ClientContext = client::ClientToken;

    const DIRECTIVES: &'static [Directive<Self>] = directives::DIRECTIVES;

    fn preconfiguration(cf: &mut Config<'_>) -> Result<(), ConfigError> {
        cf.preconfigure_late(variables::add);
        Ok(())
    }

    fn postconfiguration(cf: &mut Config<'_>) -> Result<(), ConfigError> {
        cf.main_conf::<Self>().check_trusts()?;
        cf.main_conf::<Self>().late_variables.warn(cf);
        cf.main_conf::<Self>().dpop.define_zone(cf)?;
        cf.add_access_handler::<Self>()?;
        // perf: 100 instructions for each request, of other locations as well.
        if cf.main_conf::<Self>().uses_preaccess.get() {
            cf.add_preaccess_handler::<Self>();
        }
        if cf.main_conf::<Self>().changes_headers.get() {
            cf.add_handlers_around_access::<Self>()?;
            cf.prepare_uri_changes()?;
        }
        cf.add_handler_before_log::<Self>()
    }

    fn start_worker(conf: &Self::MainConf) {
        conf.count_key_files(unix_time());
        issuer_keys::watch_issuers(conf.issuers.fetched_keys());
    }

    fn check(cf: &MergedConfig<'_, '_>) {
        conf::warn_of_key_locations(cf);
        binding_checks::warn_of_bindings(cf);
        conf::warn_of_refused_pages(cf);
    }
}

impl ContentHandler for AuthJwt {
    fn content<'r>(
        request: Request<'r>,
        conf: &conf::LocationConf,
    ) -> Result<ContentResponse<'r>, Failure> {
        match &conf.resource_metadata {
            Some(metadata) => metadata.respond(request),
            None => Err(Failure::Inconsistent),
        }
    }
}
