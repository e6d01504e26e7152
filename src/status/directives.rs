//! The directives: their table, and what takes the arguments of each.

use super::AuthStatus;
use super::conf::LocationConf;
use super::page::PageFormat;
use crate::nginx::{Config, ConfigError, Directive, Set, args, context};

pub(super) const DIRECTIVES: &[Directive<AuthStatus>] = &[
    Directive {
        name: c"auth_status",
        contexts: context::SERVER | context::LOCATION,
        args: args::NONE_OR_ONE,
        set: Set::Location(auth_status),
    },
    Directive {
        name: c"auth_status_zone",
        contexts: context::HTTP | context::SERVER | context::LOCATION,
        args: args::ONE,
        set: Set::Location(auth_status_zone),
    },
];

/// `auth_status [json]`
fn auth_status(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    if conf.page.is_some() {
        return Err(ConfigError::Directive(c"is duplicate"));
    }
    let format = match cf.args().first() {
        None => PageFormat::Text,
        Some(word) if **word == *b"json" => PageFormat::Json,
        Some(word) => return Err(cf.invalid_parameter(word, "it must be \"json\"")),
    };
    cf.set_content_handler::<AuthStatus>()?;
    cf.main_conf::<AuthStatus>().has_page.set(true);
    conf.page = Some(format);
    Ok(())
}

/// `auth_status_zone name`
fn auth_status_zone(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let argument = cf.argument();
    let must = match str::from_utf8(&argument) {
        Ok("") => "it must not be empty",
        Ok(name) if name.contains('$') => "it must not have variables",
        Ok(name) if name.contains(char::is_control) => "it must not have control characters",
        Ok(name) => return conf.zone.set(name.into()),
        Err(_) => "it must be in UTF-8",
    };
    Err(cf.invalid_value(&argument, must))
}
