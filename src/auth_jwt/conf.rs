//! The directives.

use crate::subrequest_uri::Uri;
use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::time::Duration;
use text::{Quoted, is_quotable};

use super::AuthJwt;
use super::fetch::Remote;
use super::key_file::KeyFile;
use super::shared::MainConf;
use super::variables::{self, Part};
use crate::nginx::{
    Config, ConfigError, Directive, Inherit, List, Set, Setting, Template, Text, Variable, args,
    context,
};
use crate::require::Requirement;
use jose::{SignatureCheck, TokenType};
use policy::auth_jwt::key_cache::KeyCache;
use policy::auth_jwt::token_cache::Terms;

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
        args: args::ONE,
        set: Set::Location(auth_jwt_key_request),
    },
    Directive {
        name: c"auth_jwt_key_cache",
        contexts: LEVELS,
        args: args::ONE_OR_MORE,
        set: Set::Location(auth_jwt_key_cache),
    },
    Directive {
        name: c"auth_jwt_leeway",
        contexts: LEVELS,
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
        name: c"auth_jwt_verify_signature",
        contexts: EVERYWHERE,
        args: args::FLAG,
        set: Set::Location(auth_jwt_verify_signature),
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
        set: Set::Main(|_, cf| define_path(Part::Claims, cf)),
    },
    Directive {
        name: c"auth_jwt_header_set",
        contexts: context::HTTP,
        args: args::TWO_OR_MORE,
        set: Set::Main(|_, cf| define_path(Part::Header, cf)),
    },
];

#[derive(Default)]
pub struct LocationConf {
    pub(super) protection: Setting<Rc<Protection>>,
    pub(super) token_type: Setting<TokenType>,
    pub(super) key_sources: List<KeySource>,
    key_cache: Setting<KeyCache>,
    pub(super) leeway: Setting<Duration>,
    pub(super) requirements: List<Requirement>,
    pub(super) verify_signature: Setting<bool>,
    /// What has the keys, if the only source is the location with a constant URI: found once.
    pub(super) remote: OnceCell<Option<Rc<Remote>>>,
}

impl LocationConf {
    pub(super) fn token_type(&self) -> TokenType {
        self.token_type.get().copied().unwrap_or_default()
    }

    /// What tokens are asked.
    pub(super) fn terms(&self) -> Terms {
        let check = match self.verify_signature.get() {
            Some(false) => SignatureCheck::Believe,
            Some(true) | None => SignatureCheck::Verify,
        };
        Terms {
            kind: self.token_type(),
            check,
        }
    }

    pub(super) fn key_cache(&self) -> &KeyCache {
        self.key_cache.get().unwrap_or(&KeyCache::NONE)
    }

    pub(super) fn leeway(&self) -> Duration {
        self.leeway.get().copied().unwrap_or_default()
    }

    /// Whether tokens are judged without keys. Only a signed one can be.
    pub(super) fn needs_no_keys(&self) -> bool {
        const WITHOUT_KEYS: Terms = Terms {
            kind: TokenType::Signed,
            check: SignatureCheck::Believe,
        };
        self.terms() == WITHOUT_KEYS
    }
}

/// What `auth_jwt` says.
pub(super) struct Protection {
    /// The realm, or none for `off`.
    pub(super) realm: Option<Template>,
    pub(super) token: TokenSource,
    /// File and line, for a complaint about it that comes up later. It is made once: then there is none any more.
    position: Cell<Option<Box<str>>>,
}

/// Where the token is.
#[derive(Clone, Copy)]
pub(super) enum TokenSource {
    /// The header line `Authorization`, scheme Bearer.
    Bearer,
    Variable(Variable),
}

/// Where keys are.
#[derive(Clone)]
pub(super) enum KeySource {
    File(Rc<KeyFile>),
    /// A file whose name holds variables.
    FileNamed(Template),
    /// The location with this URI.
    Request(Uri),
}

impl Inherit for LocationConf {
    fn inherit(&mut self, outer: &Self, cf: &mut Config<'_>) -> Result<(), ConfigError> {
        let Self {
            protection,
            token_type,
            key_sources,
            key_cache,
            leeway,
            requirements,
            verify_signature,
            remote: _,
        } = self;
        protection.inherit(&outer.protection);
        token_type.inherit(&outer.token_type);
        key_sources.inherit(&outer.key_sources);
        key_cache.inherit(&outer.key_cache);
        leeway.inherit(&outer.leeway);
        requirements.inherit(&outer.requirements);
        verify_signature.inherit(&outer.verify_signature);
        self.warn_of_missing_keys(cf);
        Ok(())
    }
}

impl LocationConf {
    fn warn_of_missing_keys(&self, cf: &Config<'_>) {
        let Some(protection) = self.protection.get() else {
            return;
        };
        if protection.realm.is_none() || !self.key_sources.is_empty() || self.needs_no_keys() {
            return;
        }
        if let Some(position) = protection.position.take() {
            cf.warn(format_args!(
                "no auth_jwt_key_file or auth_jwt_key_request for the \"auth_jwt\" of {position}: every request is \
                 answered with 500;"
            ));
        }
    }
}

/// `auth_jwt string [token=$variable] | off [token=$variable]`
fn auth_jwt(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let (realm, parameters) = cf.first_argument();
    let token = match parameters.first() {
        None => TokenSource::Bearer,
        Some(parameter) => token_source(*parameter, cf)?,
    };
    let realm = match &*realm {
        b"off" => None,
        realm => Some(realm_template(realm, cf)?),
    };
    conf.protection.set(Rc::new(Protection {
        realm,
        token,
        position: Cell::new(Some(cf.position().into())),
    }))
}

fn token_source(parameter: Text<'_>, cf: &mut Config<'_>) -> Result<TokenSource, ConfigError> {
    match parameter.strip_prefix(b"token=") {
        Some(variable) => Ok(TokenSource::Variable(cf.variable_reference(variable)?)),
        None => Err(cf.invalid_parameter(&parameter)),
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
    let main = cf.main_conf::<AuthJwt>();
    let file = main.key_file(cf.path(&name), |file| try_key_file(file, cf));
    conf.key_sources.push(KeySource::File(file));
    Ok(())
}

/// Reads a key file, so that the workers have it, and so that its owner is told early what is wrong with it.
fn try_key_file(file: &KeyFile, cf: &Config<'_>) {
    let path = &file.access().0;
    let warned = |warning: &_| cf.warn(format_args!("key file {path:?}: {warning}"));
    if let Err(error) = file.keys(None, warned) {
        cf.warn(format_args!("key file {path:?}: {error}"));
    }
    if cf
        .worker_user()
        .is_some_and(|user| file.access().is_closed_to(user))
    {
        cf.warn(format_args!(
            "key file {path:?}: the workers' user cannot read it, which they have to as soon as it changes;"
        ));
    }
}

/// `auth_jwt_key_request uri`
fn auth_jwt_key_request(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    conf.key_sources.push(KeySource::Request(Uri::read(cf)?));
    Ok(())
}

/// `auth_jwt_key_cache time [stale=time] [refresh=time | refresh=off]`
fn auth_jwt_key_cache(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let (time, parameters) = cf.first_argument();
    let time = cf.time(&time)?;
    let (mut stale, mut refresh) = (None, None);
    for parameter in parameters {
        let again = if let Some(value) = parameter.strip_prefix(b"stale=") {
            stale.replace(cf.time(value)?).is_some()
        } else if let Some(value) = parameter.strip_prefix(b"refresh=") {
            let value = match value {
                b"off" => None,
                time => Some(cf.time(time)?),
            };
            refresh.replace(value).is_some()
        } else {
            return Err(cf.invalid_parameter(&parameter));
        };
        if again {
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
    let time = cf.time(&cf.argument())?;
    // The claims are compared in seconds.
    match time.subsec_nanos() {
        0 => conf.leeway.set(time),
        _ => Err(ConfigError::Directive(c"invalid value")),
    }
}

/// `auth_jwt_require $value ... [error=401 | error=403]`
fn auth_jwt_require(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    conf.requirements.push(Requirement::read(cf)?);
    Ok(())
}

/// `auth_jwt_verify_signature on | off`
fn auth_jwt_verify_signature(
    conf: &mut LocationConf,
    cf: &mut Config<'_>,
) -> Result<(), ConfigError> {
    let on = cf.flag()?;
    if !on {
        cf.warn(format_args!(
            "auth_jwt_verify_signature off: whoever writes a token is believed;"
        ));
    }
    conf.verify_signature.set(on)
}

/// `auth_jwt_token_cache size | off`
fn auth_jwt_token_cache(main: &MainConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    match cf.size_or_off()? {
        Some(0) => Err(cf.invalid_value(b"0", "it must be a size or \"off\"")),
        size => main.set_token_cache(size),
    }
}

/// `auth_jwt_claim_set $variable name ...`, `auth_jwt_header_set $variable name ...`
fn define_path(part: Part, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let (variable, names) = cf.first_argument();
    let name = cf.variable_name(&variable)?;
    let names = names.iter().map(|name| name.to_vec()).collect();
    variables::define_path(cf, name, part, names)
}
