//! The directives: their table, and the function that sets each of them.

use std::ffi::CStr;
use std::rc::Rc;

use super::AuthRequest;
use super::conf::{
    Assignment, CacheKey, ClientHeaders, LocationConf, On, Service, Validity, VerdictZone,
};
use crate::nginx::{Config, ConfigError, Directive, Set, Text, args, context};
use crate::require::Requirement;
use crate::subrequest_uri::Uri;
use policy::auth_request::decision::OnError;
use policy::auth_request::key_sources::KeySources;
use policy::auth_request::statuses::{Statuses, parse_code};
use policy::auth_request::variable_names::{shows_set_cookie, variable_names};
use policy::header_names::HeaderNames;
use text::Quoted;

const LEVELS: u32 = context::HTTP | context::SERVER | context::LOCATION;

pub(super) const DIRECTIVES: &[Directive<AuthRequest>] = &[
    directive(c"auth_request", args::ONE, auth_request),
    directive(c"auth_request_set", args::TWO, set),
    directive(c"auth_request_body", args::ONE, body),
    directive(c"auth_request_answer", args::ONE, answer),
    directive(
        c"auth_request_upstream_headers",
        args::ONE_OR_MORE,
        upstream_headers,
    ),
    directive(
        c"auth_request_client_headers",
        args::ONE_OR_MORE,
        client_headers,
    ),
    directive(c"auth_request_deny_status", args::ONE_OR_MORE, deny_status),
    directive(c"auth_request_deny_body", args::ONE, deny_body),
    directive(c"auth_request_on_error", args::ONE_OR_TWO, on_error),
    directive(c"auth_request_require", args::ONE_OR_MORE, require),
    directive(c"auth_request_cache", args::ONE, cache),
    directive(c"auth_request_cache_key", args::ONE_OR_MORE, cache_key),
    directive(c"auth_request_cache_valid", args::ONE_OR_MORE, cache_valid),
    Directive {
        name: c"auth_request_cache_zone",
        contexts: context::HTTP,
        args: args::ONE,
        set: Set::Main(|_, cf| cf.define_shared_zone(&cf.argument()).map(|_| ())),
    },
];

const fn directive(
    name: &'static CStr,
    args: u32,
    set: fn(&mut LocationConf, &mut Config<'_>) -> Result<(), ConfigError>,
) -> Directive<AuthRequest> {
    Directive {
        name,
        contexts: LEVELS,
        args,
        set: Set::Location(set),
    }
}

/// `auth_request uri | off`
fn auth_request(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let text = cf.argument();
    // For the built-in module, too, an empty URI means "off".
    if matches!(&*text, b"off" | b"") {
        return conf.service.set(Service::Off);
    }
    conf.service.set(Service::At(Uri::read(cf, "")?))
}

/// `auth_request_set $variable value`
fn set(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let [variable, value] = cf.args()[..] else {
        return Err(ConfigError::Directive(c"takes a variable and a value"));
    };
    let mut names = variable_names(&value);
    conf.assignments.push(Assignment {
        variable: cf.assignable_variable(&variable)?,
        value: cf.template(&value)?,
        shows_set_cookie: names.any(|name| shows_set_cookie(&name)),
    });
    Ok(())
}

/// `auth_request_body size | off`
fn body(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let limit = cf.size_or_off()?;
    conf.body.set(limit.map(|size| size as u64))
}

/// `auth_request_answer size | off`
fn answer(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let size = cf.size_or_off()?;
    conf.answer.set(size)
}

/// `auth_request_upstream_headers name ... | off`
fn upstream_headers(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let names = match cf.args().as_slice() {
        [off] if &**off == b"off" => HeaderNames::none(),
        names => header_names(cf, names)?,
    };
    cf.main_conf::<AuthRequest>().changes_headers.set(true);
    conf.reserved_headers.extend(&names);
    conf.upstream_headers.set(Rc::new(names))
}

/// `auth_request_client_headers name ... [on=deny | on=allow | on=any]`
fn client_headers(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let mut args = cf.args();
    let mut on = On::Deny;
    if let Some(value) = args.last().and_then(|last| last.strip_prefix(b"on=")) {
        on = match value {
            b"deny" => On::Deny,
            b"allow" => On::Allow,
            b"any" => On::Any,
            _ => {
                let must = "it must be \"deny\", \"allow\" or \"any\"";
                return Err(cf.invalid_value(value, must));
            }
        };
        args.pop();
    }
    if args.is_empty() {
        return Err(ConfigError::Directive(c"has no header name"));
    }
    conf.client_headers.push(ClientHeaders {
        names: header_names(cf, &args)?,
        on,
    });
    Ok(())
}

/// `auth_request_deny_status code ...`
fn deny_status(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let mut statuses = Statuses::default();
    for text in cf.args() {
        let is_denial = matches!(text.first(), Some(b'3'..=b'5')) && &*text != b"304";
        if !is_denial || statuses.push(&text).is_none() {
            let must = "it must be a code from 300 to 599 other than 304, or 3xx, 4xx or 5xx";
            return Err(cf.invalid_value(&text, must));
        }
    }
    conf.deny_status.set(Rc::new(statuses))
}

/// `auth_request_deny_body size | off`
fn deny_body(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let size = cf.size_or_off()?;
    conf.deny_body.set(size)
}

/// `auth_request_on_error code | allow [5xx]`
fn on_error(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let (value, words) = cf.first_argument();
    if &*value == b"allow" {
        let on_server_error = !words.is_empty();
        if let Some(word) = words.iter().find(|word| &***word != b"5xx") {
            return Err(cf.invalid_value(word, "only \"5xx\" may follow \"allow\""));
        }
        let when = match on_server_error {
            true => "cannot be reached, or responds with a 5xx",
            false => "cannot be reached",
        };
        cf.warn(format_args!(
            "auth_request_on_error allow: every request is let in while the service {when}"
        ));
        return conf.on_error.set(OnError::Allow { on_server_error });
    }
    if let Some(word) = words.first() {
        return Err(cf.invalid_value(word, "nothing may follow a code"));
    }
    match parse_code(&value) {
        // For 408, 444 and 494 to 499 nginx closes the connection, or responds with another status.
        Some(code @ (400..=407 | 409..=443 | 445..=493 | 500..=599)) => {
            conf.on_error.set(OnError::Refuse(code))
        }
        _ => {
            let must = "it must be \"allow\" or a code from 400 to 599 that nginx can respond with";
            Err(cf.invalid_value(&value, must))
        }
    }
}

/// `auth_request_require $value ... [error=401 | error=403]`
fn require(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    conf.requirements.push(Requirement::read(cf, "a \"map\"")?);
    let actives = [&b"$auth_answer_active"[..], b"${auth_answer_active}"];
    if cf.args().iter().any(|arg| actives.contains(&arg.bytes())) {
        cf.warn(format_args!(
            "$auth_answer_active in \"auth_request_require\" lets in whoever has a token that is \
             not active: the text \"false\" is neither empty nor \"0\"; require a \"map\" of \
             $auth_json_active in which only true has a value"
        ));
    }
    Ok(())
}

/// `auth_request_cache zone | off`
fn cache(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let name = cf.argument();
    let zone = match &*name {
        b"off" => None,
        name => Some(VerdictZone {
            zone: cf.shared_zone(name)?,
            position: cf.position().into(),
        }),
    };
    conf.cache.set(zone)
}

/// `auth_request_cache_key string ...`: the strings are separate parts of the key, so that their
/// values cannot run into each other.
fn cache_key(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let texts = cf.args();
    let parts = texts.iter().map(|text| cf.template(text));
    conf.cache_key.set(Rc::new(CacheKey {
        parts: parts.collect::<Result<_, _>>()?,
        sources: KeySources::of_key(texts.iter().map(|text| text.bytes())),
    }))
}

/// `auth_request_cache_valid [code ...] time [until=$variable]`
fn cache_valid(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let mut args = cf.args();
    let mut until = None;
    if let Some(value) = args.last().and_then(|last| last.strip_prefix(b"until=")) {
        until = Some(cf.variable_reference(value)?);
        args.pop();
    }
    let Some((time, codes)) = args.split_last() else {
        return Err(ConfigError::Directive(c"has no time"));
    };
    let time = cf.seconds(time)?;
    let mut statuses = Statuses::default();
    if codes.is_empty() {
        statuses.push_classes([2]);
    }
    for code in codes {
        let is_known = match &**code {
            b"any" => {
                statuses.push_classes(2..=5);
                true
            }
            code => matches!(code.first(), Some(b'2'..=b'5')) && statuses.push(code).is_some(),
        };
        if !is_known {
            let must = "it must be a code from 200 to 599, 2xx, 3xx, 4xx, 5xx or any";
            return Err(cf.invalid_value(code, must));
        }
    }
    conf.cache_valid.push(Validity {
        statuses,
        time,
        until,
    });
    Ok(())
}

fn header_names(cf: &Config<'_>, texts: &[Text<'_>]) -> Result<HeaderNames, ConfigError> {
    let mut names = HeaderNames::default();
    for text in texts {
        names.push(text).map_err(|reason| {
            ConfigError::message(format_args!(
                "invalid header name {} in \"{}\" directive, {reason}",
                Quoted::whole(text),
                String::from_utf8_lossy(&cf.directive())
            ))
        })?;
    }
    Ok(names)
}
