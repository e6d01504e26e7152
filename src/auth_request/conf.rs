//! The directives.

mod cache;

use crate::subrequest_uri::Uri;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashSet;
use std::ffi::CStr;
use std::rc::Rc;
use text::Quoted;

use openssl::sha::sha256;

use super::AuthRequest;
use super::cache::Flights;
use super::variables::Outcome;
use crate::nginx::{
    AssignableVariable, Config, ConfigError, Directive, Inherit, List, ResponseBody, Set, Setting,
    Status, Template, Text, args, context,
};
use crate::require::Requirement;
use policy::auth_request::header_names::Names;
use policy::auth_request::statuses::Statuses;
use policy::auth_request::worker_cache::Near;

const LEVELS: u32 = context::HTTP | context::SERVER | context::LOCATION;

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

pub(super) const DIRECTIVES: &[Directive<AuthRequest>] = &[
    directive(c"auth_request", args::ONE, auth_request),
    directive(c"auth_request_set", args::TWO, auth_request_set),
    directive(c"auth_request_body", args::ONE, auth_request_body),
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
    directive(c"auth_request_on_error", args::ONE, on_error),
    directive(c"auth_request_require", args::ONE_OR_MORE, require),
    directive(c"auth_request_cache", args::ONE, cache::zone),
    directive(c"auth_request_cache_key", args::ONE_OR_MORE, cache::key),
    directive(c"auth_request_cache_valid", args::ONE_OR_MORE, cache::valid),
    Directive {
        name: c"auth_request_cache_zone",
        contexts: context::HTTP,
        args: args::ONE,
        set: Set::Main(|_, cf| cf.define_shared_zone(&cf.argument()).map(|_| ())),
    },
];

/// What counts for all of the configuration.
#[derive(Default)]
pub struct MainConf {
    pub(super) flights: Flights,
    pub(super) near: Near,
    pub(super) outcome: OnceCell<Outcome>,
    /// Whether any location changes what upstreams get of a client's header.
    pub(super) changes_headers: Cell<bool>,
    /// Those that locations have.
    scopes: RefCell<HashSet<[u8; 32]>>,
}

impl MainConf {
    /// A scope that no other location has, even where nothing that we know of tells the two apart.
    fn own_scope(&self, mut digest: [u8; 32]) -> Scope {
        let mut scopes = self.scopes.borrow_mut();
        while !scopes.insert(digest) {
            digest = sha256(&digest);
        }
        Scope {
            digest,
            number: scopes.len(),
        }
    }
}

#[derive(Default)]
pub struct LocationConf {
    pub(super) service: Setting<Service>,
    pub(super) assignments: List<Assignment>,
    pub(super) body: Setting<Option<u64>>,
    pub(super) upstream_names: Setting<Rc<Names>>,
    pub(super) client_lines: List<Client>,
    pub(super) deny_status: Setting<Rc<Statuses>>,
    pub(super) deny_body: Setting<Option<usize>>,
    pub(super) on_error: Setting<OnError>,
    pub(super) requirements: List<Requirement>,
    cache: Setting<Option<cache::Cache>>,
    cache_key: Setting<Rc<[Template]>>,
    pub(super) cache_valid: List<cache::Validity>,
    fingerprint: ConfigFingerprint,
    scope: Scope,
}

/// Tells the verdicts of a location from those of others.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Scope {
    /// Of what the directives say, so that it is the same after a reload that changes nothing of it.
    pub(super) digest: [u8; 32],
    /// In this configuration.
    pub(super) number: usize,
}

/// What the directives of a level say, in their order, so that a verdict that was kept before a reload does not count
/// for a location that is another now.
#[derive(Default)]
struct ConfigFingerprint(Vec<u8>);

impl ConfigFingerprint {
    fn push(&mut self, part: &[u8]) {
        self.0.extend(part.len().to_le_bytes());
        self.0.extend(part);
    }
}

/// Who is asked.
#[derive(Clone)]
pub(super) enum Service {
    Nobody,
    /// The location with this URI, which may have arguments behind a `?`.
    At {
        uri: Uri,
        /// What it was compiled from.
        text: Rc<[u8]>,
    },
}

/// One `auth_request_set`.
#[derive(Clone)]
pub(super) struct Assignment {
    pub(super) variable: AssignableVariable,
    pub(super) value: Template,
}

/// One `auth_request_client_headers`.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) names: Names,
    pub(super) on: On,
}

/// With which answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    Deny,
    Allow,
    Any,
}

/// `auth_request_on_error`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnError {
    Refuse(Status),
    /// Only where the service fails, see [`Fault::consequence`](super::answer::Fault::consequence).
    Allow,
}

impl LocationConf {
    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }

    pub(super) fn body(&self) -> Option<u64> {
        self.body.get().copied().flatten()
    }

    pub(super) fn upstream_names(&self) -> &Names {
        const NONE: &Names = &Names::none();
        self.upstream_names.get().map_or(NONE, |names| names)
    }

    pub(super) fn deny_body(&self) -> Option<usize> {
        self.deny_body.get().copied().flatten()
    }

    pub(super) fn answer_body(&self) -> ResponseBody {
        self.deny_body()
            .map_or(ResponseBody::Discard, ResponseBody::KeepUpTo)
    }

    pub(super) fn on_error(&self) -> OnError {
        let default = OnError::Refuse(Status::INTERNAL_SERVER_ERROR);
        self.on_error.get().copied().unwrap_or(default)
    }

    /// Whether an answer with this status is a denial. 304 never is: it would tell the client that what it has is good.
    pub(super) fn denies(&self, status: Status) -> bool {
        let further = || {
            self.deny_status
                .get()
                .is_some_and(|statuses| statuses.contain(status.0))
        };
        matches!(status.0, 401 | 403) || (status.0 != 304 && further())
    }

    /// Whether an answer that allows may have lines that go somewhere.
    pub(super) fn takes_lines(&self) -> bool {
        !self.upstream_names().is_empty()
            || !self.client_lines.is_empty()
            || !self.requirements.is_empty()
    }
}

impl Inherit for LocationConf {
    fn record(&mut self, directive: Text<'_>, args: &[Text<'_>]) {
        self.fingerprint.push(&directive);
        args.iter().for_each(|arg| self.fingerprint.push(arg));
    }

    fn inherit(&mut self, outer: &Self, cf: &mut Config<'_>) -> Result<(), ConfigError> {
        let Self {
            service,
            assignments,
            body,
            upstream_names,
            client_lines,
            deny_status,
            deny_body,
            on_error,
            requirements,
            cache,
            cache_key,
            cache_valid,
            fingerprint,
            scope,
        } = self;
        service.inherit(&outer.service);
        assignments.inherit(&outer.assignments);
        body.inherit(&outer.body);
        upstream_names.inherit(&outer.upstream_names);
        client_lines.inherit(&outer.client_lines);
        deny_status.inherit(&outer.deny_status);
        deny_body.inherit(&outer.deny_body);
        on_error.inherit(&outer.on_error);
        requirements.inherit(&outer.requirements);
        cache.inherit(&outer.cache);
        cache_key.inherit(&outer.cache_key);
        cache_valid.inherit(&outer.cache_valid);
        // For the level of http, which nobody merges, there is no scope.
        fingerprint.push(&sha256(&outer.fingerprint.0));
        fingerprint.push(&cf.location_name());
        *scope = cf
            .main_conf::<AuthRequest>()
            .own_scope(sha256(&fingerprint.0));
        self.check_cache()
    }
}

/// `auth_request uri | off`
fn auth_request(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let text = cf.argument();
    // The built-in module, too, takes an empty URI for none.
    if matches!(&*text, b"off" | b"") {
        return conf.service.set(Service::Nobody);
    }
    conf.service.set(Service::At {
        uri: Uri::read(cf)?,
        text: text.bytes().into(),
    })
}

/// `auth_request_set $variable value`
fn auth_request_set(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let (variable, values) = cf.first_argument();
    let variable = cf.assignable_variable(&variable)?;
    for value in values {
        let value = cf.template(&value)?;
        conf.assignments.push(Assignment { variable, value });
    }
    Ok(())
}

/// `auth_request_body size | off`
fn auth_request_body(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let limit = cf.size_or_off()?;
    conf.body.set(limit.map(|size| size as u64))
}

/// `auth_request_upstream_headers name ... | off`
fn upstream_headers(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let args = cf.args();
    let names = match args.as_slice() {
        [off] if &**off == b"off" => Names::default(),
        args => names(cf, args)?,
    };
    cf.main_conf::<AuthRequest>().changes_headers.set(true);
    conf.upstream_names.set(Rc::new(names))
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
        return Err(ConfigError::Directive(c"has no name of a header line"));
    }
    conf.client_lines.push(Client {
        names: names(cf, &args)?,
        on,
    });
    Ok(())
}

/// `auth_request_deny_status code ...`
fn deny_status(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let mut statuses = Statuses::default();
    for text in cf.args() {
        let is_denial = statuses.push(&text).is_some()
            && matches!(text.first(), Some(b'3'..=b'5'))
            && &*text != b"304";
        if !is_denial {
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

/// `auth_request_on_error code | allow`
fn on_error(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let text = cf.argument();
    let mut statuses = Statuses::default();
    let on_error = match (&*text, statuses.push(&text), statuses.as_code()) {
        (b"allow", ..) => OnError::Allow,
        // With the others nginx closes the connection, or says something else.
        (_, Some(()), Some(code @ (400..=407 | 409..=443 | 445..=493 | 500..=599))) => {
            OnError::Refuse(Status(code))
        }
        _ => {
            let must = "it must be \"allow\" or a code from 400 to 599 that nginx can answer with";
            return Err(cf.invalid_value(&text, must));
        }
    };
    if on_error == OnError::Allow {
        cf.warn(format_args!(
            "auth_request_on_error allow: while the service fails, every request is let in;"
        ));
    }
    conf.on_error.set(on_error)
}

/// `auth_request_require $value ... [error=401 | error=403]`
fn require(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    conf.requirements.push(Requirement::read(cf)?);
    Ok(())
}

fn names(cf: &Config<'_>, texts: &[Text<'_>]) -> Result<Names, ConfigError> {
    let mut names = Names::default();
    for text in texts {
        names.push(text).map_err(|unfit| {
            ConfigError::message(format_args!(
                "invalid name {} in \"{}\" directive, it {unfit}",
                Quoted::new(text),
                String::from_utf8_lossy(&cf.directive())
            ))
        })?;
    }
    Ok(names)
}
