//! The arguments of directives, which are refused in the words of the module.

use std::time::Duration;

use nginx_conf_reader::error::ConfError;
use nginx_conf_reader::tree::ConfDirective;
use nginx_conf_reader::units::{Unit, flag, time};
use policy::auth_jwt::allowed_algorithms::AllowedAlgorithms;
use text::Quoted;

/// What a directive with a time in whole seconds takes.
const SECONDS: &str = "it must be a time in whole seconds, as in 30s or 1h";

/// The only argument of a directive.
pub(super) fn argument(directive: &ConfDirective) -> Result<&[u8], ConfError> {
    match directive.args() {
        [argument] => Ok(argument),
        _ => Err(wrong_number(directive)),
    }
}

/// The first argument, and the others.
pub(super) fn first(directive: &ConfDirective) -> Result<(&[u8], &[Vec<u8>]), ConfError> {
    match directive.args() {
        [first, others @ ..] => Ok((first, others)),
        [] => Err(wrong_number(directive)),
    }
}

pub(super) fn wrong_number(directive: &ConfDirective) -> ConfError {
    let name = String::from_utf8_lossy(directive.name());
    let message = format!("invalid number of arguments in \"{name}\" directive");
    ConfError::at(directive.place(), message)
}

/// The error of the module for an argument.
pub(super) fn invalid(
    part: &str,
    directive: &ConfDirective,
    value: &[u8],
    must: &str,
) -> ConfError {
    let message = format!(
        "invalid {part} {} in \"{}\" directive, {must}",
        Quoted::whole(value),
        String::from_utf8_lossy(directive.name())
    );
    ConfError::at(directive.place(), message)
}

pub(super) fn read_flag(directive: &ConfDirective) -> Result<bool, ConfError> {
    let value = argument(directive)?;
    flag(value).ok_or_else(|| invalid("value", directive, value, "it must be \"on\" or \"off\""))
}

pub(super) fn read_algorithms<E: AsRef<str>>(
    directive: &ConfDirective,
    add: impl Fn(&mut AllowedAlgorithms, &[u8]) -> Result<(), E>,
) -> Result<AllowedAlgorithms, ConfError> {
    first(directive)?;
    let mut allowed = AllowedAlgorithms::default();
    for name in directive.args() {
        let added = add(&mut allowed, name);
        added.map_err(|must| invalid("value", directive, name, must.as_ref()))?;
    }
    Ok(allowed)
}

pub(super) fn read_leeway(directive: &ConfDirective) -> Result<Duration, ConfError> {
    let value = argument(directive)?;
    let leeway = time(value, Unit::Seconds).or_else(|| time(value, Unit::Milliseconds));
    let leeway = leeway.filter(|leeway| leeway.subsec_nanos() == 0);
    leeway.ok_or_else(|| invalid("value", directive, value, SECONDS))
}

pub(super) fn read_max_age(directive: &ConfDirective) -> Result<Duration, ConfError> {
    let value = argument(directive)?;
    match time(value, Unit::Seconds) {
        None => Err(invalid("value", directive, value, SECONDS)),
        Some(Duration::ZERO) => Err(invalid("value", directive, value, "it must be more than 0")),
        Some(age) => Ok(age),
    }
}
