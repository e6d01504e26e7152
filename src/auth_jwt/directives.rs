//! The directives: their table, and what takes the arguments of each.

use std::cell::Cell;
use std::rc::Rc;

use super::AuthJwt;
use super::conf::{
    AuthJwtSetting, ChallengeSetting, KeyRequestSource, KeySource, LocationConf, ModeSetting,
    PhaseSetting, TokenSource,
};
use super::configured_key_file::configured_key_file;
use super::issuer_block::auth_jwt_issuer;
use super::main_conf::MainConf;
use super::resource_metadata::ResourceMetadataSetting;
use super::token_rules::read_leeway;
use super::trust::TrustSetting;
use super::variables::{self, PathRoot};
use crate::nginx::{Config, ConfigError, Directive, Set, Severity, Template, Text, args, context};
use crate::require::Requirement;
use crate::status::AuthStatus;
use crate::subrequest_uri::Uri;
use jose::TokenType;
use policy::auth_jwt::key_cache::KeyCache;
use policy::auth_jwt::mode::Mode;
use policy::auth_jwt::pass_header::refused_name_reason;
use policy::auth_jwt::realm;
use policy::auth_jwt::revocation::RevocationSubject;
use policy::auth_jwt::value_path::ValuePath;
use text::{Quoted, is_quotable, is_token};

const LEVELS: u32 = context::HTTP | context::SERVER | context::LOCATION;
const EVERYWHERE: u32 = LEVELS | context::LIMIT_EXCEPT;

pub(super) const DIRECTIVES: &[Directive<AuthJwt>] = &[
    Directive {
        name: c"auth_jwt",
        contexts: EVERYWHERE,
        args: args::ONE_OR_TWO,
        set: Set::Location(auth_jwt),
    },
    Directive {
        name: c"auth_jwt_mode",
        contexts: EVERYWHERE,
        args: args::ONE,
        set: Set::Location(auth_jwt_mode),
    },
    Directive {
        name: c"auth_jwt_phase",
        contexts: LEVELS,
        args: args::ONE,
        set: Set::Location(auth_jwt_phase),
    },
    Directive {
        name: c"auth_jwt_type",
        contexts: EVERYWHERE,
        args: args::ONE,
        set: Set::Location(auth_jwt_type),
    },
    Directive {
        name: c"auth_jwt_key_file",
        contexts: EVERYWHERE,
        args: args::ONE,
        set: Set::Location(auth_jwt_key_file),
    },
    Directive {
        name: c"auth_jwt_key_request",
        contexts: EVERYWHERE,
        args: args::ONE_OR_MORE,
        set: Set::Location(auth_jwt_key_request),
    },
    Directive {
        name: c"auth_jwt_key_cache",
        contexts: EVERYWHERE,
        args: args::ONE_OR_MORE,
        set: Set::Location(auth_jwt_key_cache),
    },
    Directive {
        name: c"auth_jwt_issuer",
        contexts: context::HTTP,
        args: args::ONE,
        set: Set::Block(auth_jwt_issuer),
    },
    Directive {
        name: c"auth_jwt_trust",
        contexts: EVERYWHERE,
        args: args::ONE_OR_MORE,
        set: Set::Location(auth_jwt_trust),
    },
    Directive {
        name: c"auth_jwt_leeway",
        contexts: EVERYWHERE,
        args: args::ONE,
        set: Set::Location(auth_jwt_leeway),
    },
    Directive {
        name: c"auth_jwt_require",
        contexts: EVERYWHERE,
        args: args::ONE_OR_MORE,
        set: Set::Location(auth_jwt_require),
    },
    Directive {
        name: c"auth_jwt_algorithms",
        contexts: EVERYWHERE,
        args: args::ONE_OR_MORE,
        set: Set::Location(|conf: &mut LocationConf, cf| conf.token_rules.set_algorithms(cf)),
    },
    Directive {
        name: c"auth_jwt_max_age",
        contexts: EVERYWHERE,
        args: args::ONE,
        set: Set::Location(|conf: &mut LocationConf, cf| conf.token_rules.set_max_age(cf)),
    },
    Directive {
        name: c"auth_jwt_binding",
        contexts: EVERYWHERE,
        args: args::ONE_TO_THREE,
        set: Set::Location(|conf: &mut LocationConf, cf| conf.token_rules.binding.read(cf)),
    },
    Directive {
        name: c"auth_jwt_dpop_url",
        contexts: EVERYWHERE,
        args: args::ONE,
        set: Set::Location(|conf: &mut LocationConf, cf| {
            conf.token_rules.binding.proofs.read_url(cf)
        }),
    },
    Directive {
        name: c"auth_jwt_dpop_algorithms",
        contexts: EVERYWHERE,
        args: args::ONE_OR_MORE,
        set: Set::Location(|conf: &mut LocationConf, cf| {
            conf.token_rules.binding.proofs.read_algorithms(cf)
        }),
    },
    Directive {
        name: c"auth_jwt_dpop_nonce",
        contexts: EVERYWHERE,
        args: args::FLAG,
        set: Set::Location(|conf: &mut LocationConf, cf| {
            conf.token_rules.binding.proofs.read_nonce(cf)
        }),
    },
    Directive {
        name: c"auth_jwt_dpop_zone",
        contexts: context::HTTP,
        args: args::ONE,
        set: Set::Main(|main: &MainConf, cf| main.dpop.read_size(cf)),
    },
    Directive {
        name: c"auth_jwt_revocation_list_sub",
        contexts: EVERYWHERE,
        args: args::ONE,
        set: Set::Location(|conf: &mut LocationConf, cf| {
            let lists = &mut conf.token_rules.revocation_lists;
            lists.set(RevocationSubject::Sub, cf)
        }),
    },
    Directive {
        name: c"auth_jwt_revocation_list_kid",
        contexts: EVERYWHERE,
        args: args::ONE,
        set: Set::Location(|conf: &mut LocationConf, cf| {
            let lists = &mut conf.token_rules.revocation_lists;
            lists.set(RevocationSubject::Kid, cf)
        }),
    },
    Directive {
        name: c"auth_jwt_revocation_list_jti",
        contexts: EVERYWHERE,
        args: args::ONE,
        set: Set::Location(|conf: &mut LocationConf, cf| {
            let lists = &mut conf.token_rules.revocation_lists;
            lists.set(RevocationSubject::Jti, cf)
        }),
    },
    Directive {
        name: c"auth_jwt_require_claim",
        contexts: EVERYWHERE,
        args: args::TWO_OR_MORE,
        set: Set::Location(|conf: &mut LocationConf, cf| conf.token_rules.add_claim_rule(cf)),
    },
    Directive {
        name: c"auth_jwt_require_header",
        contexts: EVERYWHERE,
        args: args::TWO_OR_MORE,
        set: Set::Location(|conf: &mut LocationConf, cf| conf.token_rules.add_header_rule(cf)),
    },
    Directive {
        name: c"auth_jwt_require_scope",
        contexts: EVERYWHERE,
        args: args::ONE_OR_MORE,
        set: Set::Location(|conf: &mut LocationConf, cf| conf.token_rules.add_scopes(cf)),
    },
    Directive {
        name: c"auth_jwt_upstream_header",
        contexts: LEVELS,
        args: args::ONE_TO_THREE,
        set: Set::Location(|conf: &mut LocationConf, cf| conf.upstream_headers.read(cf)),
    },
    Directive {
        name: c"auth_jwt_strip",
        contexts: LEVELS,
        args: args::FLAG,
        set: Set::Location(|conf: &mut LocationConf, cf| conf.strip.read(cf)),
    },
    Directive {
        name: c"auth_jwt_verify_signature",
        contexts: EVERYWHERE,
        args: args::FLAG,
        set: Set::Location(auth_jwt_verify_signature),
    },
    Directive {
        name: c"auth_jwt_compression",
        contexts: LEVELS,
        args: args::FLAG,
        set: Set::Location(|conf: &mut LocationConf, cf| conf.compression.set(cf.flag()?)),
    },
    Directive {
        name: c"auth_jwt_challenge",
        contexts: EVERYWHERE,
        args: args::ONE_OR_MORE,
        set: Set::Location(auth_jwt_challenge),
    },
    Directive {
        name: c"auth_jwt_resource_metadata",
        contexts: context::LOCATION,
        args: args::ONE_OR_MORE,
        set: Set::Location(auth_jwt_resource_metadata),
    },
    Directive {
        name: c"auth_jwt_log_level",
        contexts: LEVELS,
        args: args::ONE,
        set: Set::Location(auth_jwt_log_level),
    },
    Directive {
        name: c"auth_jwt_token_cache",
        contexts: context::HTTP,
        args: args::ONE,
        set: Set::Main(auth_jwt_token_cache),
    },
    Directive {
        name: c"auth_jwt_claim_set",
        contexts: context::HTTP,
        args: args::TWO_OR_MORE,
        set: Set::Main(|_, cf| define_path(PathRoot::Claims, cf)),
    },
    Directive {
        name: c"auth_jwt_header_set",
        contexts: context::HTTP,
        args: args::TWO_OR_MORE,
        set: Set::Main(|_, cf| define_path(PathRoot::Header, cf)),
    },
];

/// `auth_jwt string [token=$variable] | off [token=$variable]`
fn auth_jwt(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let (text, parameters) = cf.first_argument();
    let token = match parameters.first() {
        None => TokenSource::Bearer,
        Some(parameter) => token_source(*parameter, cf)?,
    };
    let realm = match &*text {
        b"off" => None,
        realm => Some(realm_template(realm, cf)?),
    };
    if let Some(doubt) = realm::doubt(&text).filter(|_| parameters.is_empty()) {
        let text = Quoted::whole(text);
        cf.warn(format_args!("\"auth_jwt\" has the realm {text}: {doubt}"));
    }
    conf.auth_jwt.set(Rc::new(AuthJwtSetting {
        token_variable: parameters.first().and_then(|parameter| {
            let variable = parameter.strip_prefix(b"token=")?;
            Some(variable.into())
        }),
        shows_unverified: realm.is_none() && !parameters.is_empty(),
        realm,
        token,
        position: cf.position().into(),
        has_warned: Cell::new(false),
    }))
}

fn token_source(parameter: Text<'_>, cf: &mut Config<'_>) -> Result<TokenSource, ConfigError> {
    match parameter.strip_prefix(b"token=") {
        Some(variable) => Ok(TokenSource::Variable(cf.variable_reference(variable)?)),
        None => Err(cf.invalid_parameter(&parameter, "it must be token=$variable")),
    }
}

fn realm_template(realm: &[u8], cf: &mut Config<'_>) -> Result<Template, ConfigError> {
    match is_quotable(realm) {
        true => cf.template(realm),
        false => Err(ConfigError::message(format_args!(
            "control character in realm {} of \"auth_jwt\"",
            Quoted::new(realm)
        ))),
    }
}

/// `auth_jwt_mode required | optional | report | off | $variable`
fn auth_jwt_mode(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let argument = cf.argument();
    let template = cf.template(&argument)?;
    let setting = match (template.constant(), Mode::parse(&argument)) {
        (None, _) => ModeSetting::PerRequest(template),
        (Some(_), Some(mode)) => ModeSetting::Constant(mode),
        (Some(_), None) => {
            let must = "it must be \"required\", \"optional\", \"report\", \"off\" or a variable";
            return Err(cf.invalid_value(&argument, must));
        }
    };
    conf.mode.set(setting)
}

/// `auth_jwt_phase access | preaccess`
fn auth_jwt_phase(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let argument = cf.argument();
    let is_preaccess = match &*argument {
        b"access" => false,
        b"preaccess" => true,
        _ => {
            let must = "it must be \"access\" or \"preaccess\"";
            return Err(cf.invalid_value(&argument, must));
        }
    };
    if is_preaccess {
        cf.main_conf::<AuthJwt>().uses_preaccess.set(true);
    }
    conf.phase.set(Rc::new(PhaseSetting {
        is_preaccess,
        position: Cell::new(Some(cf.position().into())),
    }))
}

/// `auth_jwt_type signed | encrypted | nested`
fn auth_jwt_type(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let kind = cf.argument();
    let token_type = match &*kind {
        b"signed" => TokenType::Signed,
        b"encrypted" => TokenType::Encrypted,
        b"nested" => TokenType::Nested,
        _ => {
            let must = "it must be \"signed\", \"encrypted\" or \"nested\"";
            return Err(cf.invalid_value(&kind, must));
        }
    };
    conf.token_type.set(token_type)
}

/// `auth_jwt_key_file file`
fn auth_jwt_key_file(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let name = cf.argument();
    let template = cf.template(&name)?;
    if template.constant().is_none() {
        conf.key_sources.push(KeySource::FileNamed(template));
        return Ok(());
    }
    let file = configured_key_file(&name, cf);
    conf.key_sources.push(KeySource::File(file));
    Ok(())
}

/// `auth_jwt_key_request uri [pass_header=name] ...`
fn auth_jwt_key_request(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let (uri, parameters) = cf.first_argument();
    let pass_header = |parameter: &Text<'_>| {
        let name = parameter.strip_prefix(b"pass_header=");
        let must = "it must be pass_header=name";
        let name = name.ok_or_else(|| cf.invalid_parameter(parameter, must))?;
        match refused_name_reason(name) {
            Some(reason) => Err(cf.invalid_value(parameter, reason)),
            None => Ok(name.into()),
        }
    };
    let pass_headers = parameters
        .iter()
        .map(pass_header)
        .collect::<Result<Vec<Box<[u8]>>, _>>()?;
    conf.key_sources.push(KeySource::Request(KeyRequestSource {
        uri: Uri::read(cf, ", or fetch the keys by auth_jwt_issuer with jwks_uri")?,
        pass_headers: pass_headers.into(),
        counters: AuthStatus::key_request(cf, &uri),
    }));
    Ok(())
}

/// `auth_jwt_key_cache time [stale=time] [refresh=time | refresh=off]`
fn auth_jwt_key_cache(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let (time, parameters) = cf.first_argument();
    let time = cf.time(&time)?;
    let (mut stale, mut refresh) = (None, None);
    for parameter in parameters {
        let is_duplicate = if let Some(value) = parameter.strip_prefix(b"stale=") {
            let stale_time = cf.time(value);
            let stale_time = stale_time.map_err(|_| cf.invalid_value(&parameter, Config::TIME))?;
            stale.replace(stale_time).is_some()
        } else if let Some(value) = parameter.strip_prefix(b"refresh=") {
            let value = match value {
                b"off" => None,
                time => Some(cf.time(time).map_err(|_| {
                    let must = format!("{}, or \"off\"", Config::TIME);
                    cf.invalid_value(&parameter, &must)
                })?),
            };
            refresh.replace(value).is_some()
        } else {
            let must = "it must be stale=time or refresh=time";
            return Err(cf.invalid_parameter(&parameter, must));
        };
        if is_duplicate {
            return Err(ConfigError::message(format_args!(
                "duplicate parameter {}",
                Quoted::whole(parameter)
            )));
        }
    }
    conf.key_cache.set(KeyCache {
        time,
        stale: stale.unwrap_or_default(),
        refresh: refresh.unwrap_or(Some(KeyCache::REFRESH)),
    })
}

/// `auth_jwt_leeway time`
fn auth_jwt_leeway(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    conf.leeway.set(read_leeway(cf)?)
}

/// `auth_jwt_trust name ... | off`
fn auth_jwt_trust(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let setting = Rc::new(TrustSetting::read(cf)?);
    let main = cf.main_conf::<AuthJwt>();
    main.trusts.borrow_mut().push(Rc::clone(&setting));
    conf.trust.set(setting)
}

/// `auth_jwt_require $value ... [error=401 | error=403]`
fn auth_jwt_require(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    cf.main_conf::<AuthJwt>().late_variables.note(cf);
    conf.requirements
        .push(Requirement::read(cf, "auth_jwt_require_claim")?);
    Ok(())
}

/// `auth_jwt_verify_signature on | off`
fn auth_jwt_verify_signature(
    conf: &mut LocationConf,
    cf: &mut Config<'_>,
) -> Result<(), ConfigError> {
    let is_on = cf.flag()?;
    if !is_on {
        cf.warn(format_args!(
            "signatures of tokens are not verified with \"auth_jwt_verify_signature off\""
        ));
    }
    conf.verify_signature.set(is_on)
}

/// `auth_jwt_challenge name=value ... | on | off`
fn auth_jwt_challenge(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let (first, others) = cf.first_argument();
    let setting = match (&*first, others.is_empty()) {
        (b"off", true) => ChallengeSetting::Off,
        (b"on", true) => ChallengeSetting::Attributes(Rc::default()),
        _ => {
            let mut attributes = Vec::new();
            for argument in cf.args() {
                let (name, value) = challenge_attribute(&argument, cf)?;
                if attributes.iter().any(|(other, _)| *other == name) {
                    return Err(ConfigError::message(format_args!(
                        "duplicate attribute {} in \"auth_jwt_challenge\"",
                        Quoted::whole(name)
                    )));
                }
                attributes.push((name, value));
            }
            ChallengeSetting::Attributes(attributes.into())
        }
    };
    conf.challenge.set(setting)
}

/// An attribute of the challenge: its name in lower case, and its value.
fn challenge_attribute(
    argument: &[u8],
    cf: &mut Config<'_>,
) -> Result<(Box<[u8]>, Template), ConfigError> {
    const OUR_OWN: [&[u8]; 2] = [b"realm", b"error"];
    let mut parts = argument.splitn(2, |&byte| byte == b'=');
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let Some(value) = parts.next().filter(|_| is_token(&name)) else {
        return Err(cf.invalid_value(argument, "it must be name=value, \"on\" or \"off\""));
    };
    if OUR_OWN.contains(&&*name) {
        let why = "the module itself sends this attribute";
        return Err(cf.invalid_value(argument, why));
    }
    if !is_quotable(value) {
        return Err(cf.invalid_value(argument, "the value has a control character"));
    }
    Ok((name.into(), cf.template(value)?))
}

/// `auth_jwt_resource_metadata resource=url [scopes="scope ..."] [name=text] [documentation=url]`
fn auth_jwt_resource_metadata(
    conf: &mut LocationConf,
    cf: &mut Config<'_>,
) -> Result<(), ConfigError> {
    if conf.resource_metadata.is_some() {
        return Err(ConfigError::Directive(c"is duplicate"));
    }
    conf.resource_metadata = Some(ResourceMetadataSetting::read(cf)?);
    Ok(())
}

/// `auth_jwt_log_level error | warn | notice | info`
fn auth_jwt_log_level(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let level = cf.argument();
    let severity = match &*level {
        b"error" => Severity::Error,
        b"warn" => Severity::Warn,
        b"notice" => Severity::Notice,
        b"info" => Severity::Info,
        _ => {
            let must = "it must be \"error\", \"warn\", \"notice\" or \"info\"";
            return Err(cf.invalid_value(&level, must));
        }
    };
    conf.log_level.set(severity)
}

/// `auth_jwt_token_cache size | off`
fn auth_jwt_token_cache(main: &MainConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    match cf.size_or_off()? {
        Some(0) => Err(cf.invalid_value(b"0", "it must be a size or \"off\"")),
        size => main.set_token_cache(size),
    }
}

/// `auth_jwt_claim_set $variable name ...`, `auth_jwt_header_set $variable name ...`
fn define_path(root: PathRoot, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let (variable, names) = cf.first_argument();
    let name = cf.variable_name(&variable)?;
    if let [path] = &names[..]
        && let Some(apart) = ValuePath::names_apart(path)
    {
        cf.warn(format_args!(
            "{} in \"{}\" is one name; the names of a path stand apart, as in: {apart}",
            Quoted::whole(path),
            String::from_utf8_lossy(&cf.directive())
        ));
    }
    let names = names.iter().map(|name| name.to_vec()).collect();
    variables::define_path(cf, name, root, names)
}
