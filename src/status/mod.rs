//! `auth_status*`: counters of what the module does, and the page that shows them.
//!
//! The counters are in shared memory, for all workers. `auth_jwt` and `auth_request` count by what
//! [`Counted`] gives them; here is the page.

mod conf;
mod counted;
mod directives;
mod main_conf;
mod page;

pub use counted::ZoneCounters;

use crate::nginx::{
    Config, ConfigError, ContentHandler, ContentResponse, Directive, Failure, Module, Request,
};

/// The nginx module.
pub struct AuthStatus;

impl AuthStatus {
    /// The counters of the level that nginx is merging. To be used in
    /// [`Inherit::inherit`](crate::nginx::Inherit::inherit).
    pub fn counters(cf: &Config<'_>) -> ZoneCounters {
        cf.merged_conf_of_earlier::<Self>().counters.clone()
    }
}

impl Module for AuthStatus {
    type MainConf = main_conf::MainConf;
    type LocationConf = conf::LocationConf;
    type RequestContext = ();
    type ClientContext = ();

    const DIRECTIVES: &'static [Directive<Self>] = directives::DIRECTIVES;

    fn preconfiguration(_: &mut Config<'_>) -> Result<(), ConfigError> {
        Ok(())
    }

    fn postconfiguration(cf: &mut Config<'_>) -> Result<(), ConfigError> {
        match cf.main_conf::<Self>().has_page.get() {
            true => cf.define_counter_zone::<Self>(main_conf::ZONE, |main| &main.counters),
            false => Ok(()),
        }
    }

    fn start_worker(conf: &Self::MainConf) {
        conf.counters.start_worker();
    }
}

impl ContentHandler for AuthStatus {
    fn content<'r>(
        request: Request<'r>,
        conf: &conf::LocationConf,
    ) -> Result<ContentResponse<'r>, Failure> {
        match conf.page {
            Some(format) => page::respond(request, format),
            None => Err(Failure::Inconsistent),
        }
    }
}
