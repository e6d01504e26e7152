//! The directives.

use super::AuthRequest;
use crate::nginx::{
    AssignableVariable, Config, ConfigError, Directive, Escaped, Inherit, List, Set, Setting,
    Template, args, context,
};

pub(super) const DIRECTIVES: &[Directive<AuthRequest>] = &[
    Directive {
        name: c"auth_request",
        contexts: context::HTTP | context::SERVER | context::LOCATION,
        args: args::ONE,
        set: Set::Location(auth_request),
    },
    Directive {
        name: c"auth_request_set",
        contexts: context::HTTP | context::SERVER | context::LOCATION,
        args: args::TWO,
        set: Set::Location(auth_request_set),
    },
];

#[derive(Default)]
pub struct LocationConf {
    pub(super) service: Setting<Service>,
    pub(super) assignments: List<Assignment>,
}

/// Who is asked.
#[derive(Clone)]
pub(super) enum Service {
    Nobody,
    /// The location with this URI, which may have arguments behind a `?`.
    At(Template),
}

/// One `auth_request_set`.
#[derive(Clone)]
pub(super) struct Assignment {
    pub(super) variable: AssignableVariable,
    pub(super) value: Template,
}

impl Inherit for LocationConf {
    fn inherit(&mut self, outer: &Self, _: &mut Config<'_>) -> Result<(), ConfigError> {
        let Self {
            service,
            assignments,
        } = self;
        service.inherit(&outer.service);
        assignments.inherit(&outer.assignments);
        Ok(())
    }
}

/// `auth_request uri | off`
fn auth_request(conf: &mut LocationConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let args = cf.args();
    let [uri] = args.as_slice() else {
        return Err(ConfigError::Directive(c"takes one argument"));
    };
    // The built-in module, too, takes an empty URI for none.
    if matches!(&**uri, b"off" | b"") {
        return conf.service.set(Service::Nobody);
    }
    let template = cf.template(uri)?;
    if template
        .constant()
        .is_some_and(|uri| !uri.starts_with(b"/"))
    {
        cf.warn(format_args!(
            "auth_request {}: the URI does not begin with \"/\", so every request is refused",
            Escaped(uri)
        ));
    }
    conf.service.set(Service::At(template))
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
