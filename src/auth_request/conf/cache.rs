//! The directives of the cache of verdicts.

use std::rc::Rc;
use std::time::Duration;
use text::Quoted;

use super::{LocationConf, Service};
use crate::nginx::{Config, ConfigError, SharedZone, Template};
use policy::auth_request::statuses::Statuses;

/// `auth_request_cache`
#[derive(Clone)]
pub(super) struct Cache {
    zone: SharedZone,
    /// File and line of the directive.
    position: Rc<str>,
}

/// One `auth_request_cache_valid`.
#[derive(Debug, Clone)]
pub(in crate::auth_request) struct Validity {
    pub(in crate::auth_request) statuses: Statuses,
    pub(in crate::auth_request) time: Duration,
}

impl LocationConf {
    pub(in crate::auth_request) fn cache_zone(&self) -> Option<SharedZone> {
        Some(self.cache.get()?.as_ref()?.zone)
    }

    pub(in crate::auth_request) fn cache_key(&self) -> &[Template] {
        self.cache_key.get().map_or(&[], |key| key)
    }

    /// Whether the URI that is asked for is a matter of configuration, whatever the request.
    pub(in crate::auth_request) fn asks_one_uri(&self) -> bool {
        matches!(self.service.get(), Some(Service::At { uri, .. }) if uri.is_fixed())
    }

    /// What only shows when all of the configuration has been read.
    pub(super) fn check_cache(&self) -> Result<(), ConfigError> {
        let Some(Some(Cache { zone, position })) = self.cache.get() else {
            return Ok(());
        };
        if !zone.is_defined() {
            return Err(ConfigError::message(format_args!(
                "zone {} of \"auth_request_cache\" in {position} is unknown",
                Quoted::new(zone.name())
            )));
        }
        let asks = matches!(self.service.get(), Some(Service::At { .. }));
        if asks && self.cache_key.get().is_none() {
            return Err(ConfigError::message(format_args!(
                "\"auth_request_cache\" in {position} without \"auth_request_cache_key\": what tells one user's \
                 verdict from another's?"
            )));
        }
        Ok(())
    }
}

/// `auth_request_cache zone | off`
pub(super) fn zone(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let name = cf.argument();
    let zone = match &*name {
        b"off" => None,
        name => Some(Cache {
            zone: cf.shared_zone(name)?,
            position: cf.position().into(),
        }),
    };
    conf.cache.set(zone)
}

/// `auth_request_cache_key string ...`: several are kept apart, whatever is in them.
pub(super) fn key(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let texts = cf.args();
    let parts = texts.iter().map(|text| cf.template(text));
    let parts = parts.collect::<Result<_, _>>()?;
    conf.cache_key.set(parts)
}

/// `auth_request_cache_valid [code ...] time`
pub(super) fn valid(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let mut args = cf.args();
    let time = match args.pop() {
        Some(time) => cf.seconds(&time)?,
        None => return Err(ConfigError::Directive(c"takes a time")),
    };
    let mut statuses = Statuses::default();
    if args.is_empty() {
        statuses.push_classes(2..=2);
    }
    for text in args {
        match &*text {
            b"any" => statuses.push_classes(2..=5),
            code if statuses.push(code).is_some() && matches!(code.first(), Some(b'2'..=b'5')) => {}
            code => {
                let must = "it must be a code from 200 to 599, 2xx, 3xx, 4xx, 5xx or any";
                return Err(cf.invalid_value(code, must));
            }
        }
    }
    conf.cache_valid.push(Validity { statuses, time });
    Ok(())
}
