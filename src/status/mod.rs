//! `auth_status*`: counters of what the module does, and the page that shows them.
//!
//! The counters are in shared memory, for all workers. `auth_jwt` and `auth_request` count with the
//! handles in `counted`, which each level of the configuration has; here is the page.

mod conf;
mod counted;
mod directives;
mod main_conf;
mod page;

pub use counted::{SourceCounters, ZoneCounters};

use std::path::Path;

use self::main_conf::Subject;
use crate::nginx::{
    Config, ConfigError, ContentHandler, ContentResponse, Directive, Failure, Module, Request,
};

/// The nginx module.
pub struct AuthStatus;

impl AuthStatus {
    /// The counters of an issuer whose keys are fetched.
    pub fn issuer(cf: &Config<'_>, name: &str) -> SourceCounters {
        Self::source(cf, Subject::Issuer, name)
    }

    /// The counters of a key file.
    pub fn key_file(cf: &Config<'_>, path: &Path) -> SourceCounters {
        Self::source(cf, Subject::KeyFile, &path.to_string_lossy())
    }

    /// The counters of a key request, whose URI may have variables.
    pub fn key_request(cf: &Config<'_>, uri: &[u8]) -> SourceCounters {
        Self::source(cf, Subject::KeyRequest, &String::from_utf8_lossy(uri))
    }

    fn source(cf: &Config<'_>, subject: Subject, name: &str) -> SourceCounters {
        SourceCounters(cf.main_conf::<Self>().group(subject, name))
    }

    /// Notes how many tokens the token cache of this worker has.
    pub fn note_token_cache(request: Request<'_>, entries: usize) {
        let entries = u64::try_from(entries).unwrap_or(u64::MAX);
        let counters = &request.main_conf::<Self>().counters;
        counters.set_gauge(main_conf::TOKEN_CACHE_ENTRIES, entries);
    }

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
