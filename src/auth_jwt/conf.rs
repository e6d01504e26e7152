//! The directives.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;

use super::AuthJwt;
use super::keys::KeyFile;
use super::rejection::is_realm;
use crate::nginx::{
    Config, ConfigError, Directive, Escaped, Inherit, List, Set, Setting, Template, Text, Variable,
    args, context,
};

const EVERYWHERE: u32 = context::HTTP | context::SERVER | context::LOCATION | context::LIMIT_EXCEPT;

pub(super) const DIRECTIVES: &[Directive<AuthJwt>] = &[
    Directive {
        name: c"auth_jwt",
        contexts: EVERYWHERE,
        args: args::ONE_OR_TWO,
        set: Set::Location(auth_jwt),
    },
    Directive {
        name: c"auth_jwt_key_file",
        contexts: EVERYWHERE,
        args: args::ONE,
        set: Set::Location(auth_jwt_key_file),
    },
];

/// The key files of the whole configuration: one that many locations name is read and watched once.
#[derive(Default)]
pub struct MainConf {
    key_files: RefCell<HashMap<PathBuf, Rc<KeyFile>>>,
}

impl MainConf {
    /// How many files whose names hold variables are kept at a time. A name that comes from a request must not be
    /// able to fill the memory.
    const MOST_NAMED_BY_REQUESTS: usize = 1024;

    /// The file with a name that is written in the configuration.
    fn key_file(&self, path: PathBuf) -> Rc<KeyFile> {
        let mut files = self.key_files.borrow_mut();
        let file = files
            .entry(path)
            .or_insert_with_key(|path| Rc::new(KeyFile::new(path.clone())));
        Rc::clone(file)
    }

    /// The file with a name that a request had a part in.
    pub(super) fn key_file_of_request(&self, path: PathBuf) -> Rc<KeyFile> {
        let kept = self.key_files.borrow().get(&path).map(Rc::clone);
        kept.unwrap_or_else(|| Rc::new(KeyFile::new(path)))
    }

    /// Keeps such a file for the next request. It must have been possible to read it.
    pub(super) fn keep(&self, file: &Rc<KeyFile>) {
        let mut files = self.key_files.borrow_mut();
        if files.len() < Self::MOST_NAMED_BY_REQUESTS && !files.contains_key(file.path()) {
            files.insert(file.path().to_owned(), Rc::clone(file));
        }
    }
}

#[derive(Default)]
pub struct LocationConf {
    pub(super) protection: Setting<Protection>,
    pub(super) key_sources: List<KeySource>,
}

/// What `auth_jwt` says.
#[derive(Clone)]
pub(super) struct Protection {
    /// The realm, or none for `off`.
    pub(super) realm: Option<Template>,
    pub(super) token: TokenSource,
    /// File and line, for a complaint about it that comes up later.
    position: Rc<str>,
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
}

impl Inherit for LocationConf {
    fn inherit(&mut self, outer: &Self, cf: &mut Config<'_>) -> Result<(), ConfigError> {
        let Self {
            protection,
            key_sources,
        } = self;
        protection.inherit(&outer.protection);
        key_sources.inherit(&outer.key_sources);
        if let Some(Protection {
            realm: Some(_),
            position,
            ..
        }) = protection.get()
            && key_sources.is_empty()
        {
            cf.warn(format_args!(
                "no auth_jwt_key_file for the \"auth_jwt\" of {position}: every request is answered with 500;"
            ));
        }
        Ok(())
    }
}

/// `auth_jwt string [token=$variable] | off [token=$variable]`
fn auth_jwt(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let args = cf.args();
    let [realm, parameters @ ..] = args.as_slice() else {
        return Err(ConfigError::Directive(c"takes one or two arguments"));
    };
    let token = match parameters.first() {
        None => TokenSource::Bearer,
        Some(parameter) => token_source(*parameter, cf)?,
    };
    let realm = match &**realm {
        b"off" => None,
        realm => Some(realm_template(realm, cf)?),
    };
    conf.protection.set(Protection {
        realm,
        token,
        position: cf.position().into(),
    })
}

fn token_source(parameter: Text<'_>, cf: &mut Config<'_>) -> Result<TokenSource, ConfigError> {
    match parameter.strip_prefix(b"token=") {
        Some(variable) => Ok(TokenSource::Variable(cf.variable_reference(variable)?)),
        None => Err(ConfigError::message(format_args!(
            "invalid parameter {}",
            Escaped(&parameter)
        ))),
    }
}

fn realm_template(realm: &[u8], cf: &mut Config<'_>) -> Result<Template, ConfigError> {
    match is_realm(realm) {
        true => cf.template(realm),
        false => Err(ConfigError::message(format_args!(
            "control character in realm {} of \"auth_jwt\"",
            Escaped(realm)
        ))),
    }
}

/// `auth_jwt_key_file file`
fn auth_jwt_key_file(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let args = cf.args();
    let [name] = args.as_slice() else {
        return Err(ConfigError::Directive(c"takes one argument"));
    };
    let template = cf.template(name)?;
    if template.constant().is_none() {
        conf.key_sources.push(KeySource::FileNamed(template));
        return Ok(());
    }
    let file = cf.main_conf::<AuthJwt>().key_file(cf.path(name));
    let path = file.path();
    let warned = |warning: &_| cf.warn(format_args!("key file {path:?}: {warning}"));
    if let Err(error) = file.keys(warned) {
        cf.warn(format_args!("key file {path:?}: {error}"));
    }
    conf.key_sources.push(KeySource::File(file));
    Ok(())
}
