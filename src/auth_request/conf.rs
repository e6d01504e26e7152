//! The directives.

use std::cell::Cell;
use std::ffi::CStr;
use std::rc::Rc;

use super::AuthRequest;
use super::headers::Names;
use crate::nginx::{
    AnswerBody, AssignableVariable, Config, ConfigError, Directive, Escaped, Inherit, List, Set,
    Setting, Status, Template, Text, args, context,
};
use crate::require::Requirement;

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
];

/// What counts for all of the configuration.
#[derive(Default)]
pub struct MainConf {
    /// Whether any location changes what upstreams get of a client's header.
    pub(super) changes_headers: Cell<bool>,
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
}

/// Who is asked.
#[derive(Clone)]
pub(super) enum Service {
    Nobody,
    /// The location with this URI, which may have arguments behind a `?`.
    At {
        uri: Template,
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

/// Codes of answers, alone or by their first digit.
#[derive(Debug, Clone, Default)]
pub(super) struct Statuses {
    codes: Vec<u16>,
    classes: Vec<u16>,
}

impl Statuses {
    pub(super) fn contain(&self, status: Status) -> bool {
        self.codes.contains(&status.0) || self.classes.contains(&(status.0 / 100))
    }

    /// Takes one more, such as `404` or `4xx`.
    pub(super) fn push(&mut self, text: &[u8]) -> Option<()> {
        let digits = text.strip_suffix(b"xx").unwrap_or(text);
        let number = match digits.iter().all(u8::is_ascii_digit) {
            true => std::str::from_utf8(digits).ok()?.parse().ok()?,
            false => return None,
        };
        match (digits.len(), text.len()) {
            (1, 3) => self.classes.push(number),
            (3, 3) => self.codes.push(number),
            _ => return None,
        }
        Some(())
    }
}

impl LocationConf {
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

    pub(super) fn answer_body(&self) -> AnswerBody {
        self.deny_body()
            .map_or(AnswerBody::Drop, AnswerBody::KeepShort)
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
                .is_some_and(|statuses| statuses.contain(status))
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
    fn inherit(&mut self, outer: &Self, _: &mut Config<'_>) -> Result<(), ConfigError> {
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
        Ok(())
    }
}

/// `auth_request uri | off`
fn auth_request(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let uri = one(cf)?;
    // The built-in module, too, takes an empty URI for none.
    if matches!(&*uri, b"off" | b"") {
        return conf.service.set(Service::Nobody);
    }
    let template = cf.template(&uri)?;
    if template
        .constant()
        .is_some_and(|uri| !uri.starts_with(b"/"))
    {
        cf.warn(format_args!(
            "auth_request {}: the URI does not begin with \"/\", so every request is refused",
            Escaped(&uri)
        ));
    }
    conf.service.set(Service::At {
        uri: template,
        text: uri.bytes().into(),
    })
}

/// `auth_request_set $variable value`
fn auth_request_set(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let args = cf.args();
    let [variable, value] = args.as_slice() else {
        return Err(ConfigError::Directive(c"takes two arguments"));
    };
    let variable = cf.assignable_variable(variable)?;
    conf.assignments.push(Assignment {
        variable,
        value: cf.template(value)?,
    });
    Ok(())
}

/// `auth_request_body size | off`
fn auth_request_body(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let limit = size_or_off(cf)?;
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
                return Err(invalid_value(
                    cf,
                    value,
                    "it must be \"deny\", \"allow\" or \"any\"",
                ));
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
            return Err(invalid_value(cf, &text, must));
        }
    }
    conf.deny_status.set(Rc::new(statuses))
}

/// `auth_request_deny_body size | off`
fn deny_body(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let size = size_or_off(cf)?;
    conf.deny_body.set(size)
}

/// `auth_request_on_error code | allow`
fn on_error(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let text = one(cf)?;
    let mut statuses = Statuses::default();
    let on_error = match (&*text, statuses.push(&text), statuses.codes.as_slice()) {
        (b"allow", ..) => OnError::Allow,
        // With the others nginx closes the connection, or says something else.
        (_, Some(()), [code @ (400..=407 | 409..=443 | 445..=493 | 500..=599)]) => {
            OnError::Refuse(Status(*code))
        }
        _ => {
            let must = "it must be \"allow\" or a code from 400 to 599 that nginx can answer with";
            return Err(invalid_value(cf, &text, must));
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
                Escaped(text),
                cf.directive()
            ))
        })?;
    }
    Ok(names)
}

fn size_or_off(cf: &Config<'_>) -> Result<Option<usize>, ConfigError> {
    match one(cf)? {
        off if &*off == b"off" => Ok(None),
        size => match cf.size(&size) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(_) => Err(invalid_value(cf, &size, "it must be a size or \"off\"")),
        },
    }
}

fn invalid_value(cf: &Config<'_>, value: &[u8], must: &str) -> ConfigError {
    ConfigError::message(format_args!(
        "invalid value {} in \"{}\" directive, {must}",
        Escaped(value),
        cf.directive()
    ))
}

/// The one argument that nginx has counted.
fn one<'cf>(cf: &Config<'cf>) -> Result<Text<'cf>, ConfigError> {
    match cf.args().as_slice() {
        [argument] => Ok(*argument),
        _ => Err(ConfigError::Directive(c"takes one argument")),
    }
}
