//! `auth_jwt_require` and `auth_request_require`: values that must not be empty or `0`.

use std::rc::Rc;

use policy::requirement::is_always_met;
use text::Quoted;

use crate::nginx::{Config, ConfigError, Failure, Request, Status, Template};

/// The arguments of one such directive.
#[derive(Clone)]
pub(crate) struct Requirement {
    /// Each with its text in the configuration.
    values: Rc<[(Template, Rc<str>)]>,
    status: Status,
}

/// A condition that is not met.
pub(crate) struct Unmet {
    /// The value, as the configuration has it.
    pub(crate) value: Rc<str>,
    /// The configured status.
    pub(crate) status: Status,
}

impl Requirement {
    /// Reads `$value ... [error=401 | error=403]`. `instead` is what compares values.
    pub(crate) fn read(cf: &mut Config<'_>, instead: &str) -> Result<Self, ConfigError> {
        let mut args = cf.args();
        let mut status = Status::UNAUTHORIZED;
        if let Some(last) = args.last()
            && let Some(code) = last.strip_prefix(b"error=")
        {
            status = match code {
                b"401" => Status::UNAUTHORIZED,
                b"403" => Status::FORBIDDEN,
                _ => return Err(cf.invalid_value(last, "it must be error=401 or error=403")),
            };
            args.pop();
        }
        if args.is_empty() {
            return Err(ConfigError::Directive(c"has no value to check"));
        }
        let are_values = args.iter().filter(|value| value.starts_with(b"$"));
        for value in are_values.filter(|value| is_always_met(value)) {
            cf.warn(format_args!(
                "the value {} in \"{}\" holds text, so that it is never empty or \"0\" and the \
                 condition is always met; nothing is compared here, use {instead}",
                Quoted::whole(value),
                String::from_utf8_lossy(&cf.directive())
            ));
        }
        let values = args.iter().map(|value| match value.starts_with(b"$") {
            true => Ok((cf.template(value)?, String::from_utf8_lossy(value).into())),
            false => Err(cf.invalid_value(value, &must_be_variable(value, instead))),
        });
        let values = values.collect::<Result<_, _>>()?;
        Ok(Self { values, status })
    }

    /// The status of a refusal.
    pub(crate) fn status(&self) -> Status {
        self.status
    }

    /// The first value that is empty or `0`, if any.
    pub(crate) fn unmet(&self, request: Request<'_>) -> Result<Option<Unmet>, Failure> {
        for (value, text) in self.values.iter() {
            if matches!(&*value.evaluate(request)?, b"" | b"0") {
                return Ok(Some(Unmet {
                    value: Rc::clone(text),
                    status: self.status,
                }));
            }
        }
        Ok(None)
    }
}

/// What is wrong with a value that does not begin with a variable.
fn must_be_variable(value: &[u8], instead: &str) -> String {
    const MUST: &str = "it must start with a variable";
    let is_operator = matches!(
        value,
        b"=" | b"==" | b"!=" | b"~" | b"!~" | b"~*" | b"<" | b">" | b"eq" | b"ne" | b"in"
    );
    match is_operator {
        true => format!("{MUST}; nothing is compared here, use {instead}"),
        false => MUST.to_owned(),
    }
}
