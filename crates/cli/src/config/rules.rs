//! `auth_jwt_require_claim` and its siblings, with the variables that they have.

use nginx_conf_reader::error::ConfError;
use nginx_conf_reader::tree::ConfDirective;
use text::Quoted;

use super::constants::{Constants, UnknownVariable};
use super::line::Names;
use crate::demands::Demands;
use crate::local_rule::{KnownVariables, LocalRule, LocalRuleError, RuleReader};

/// Reads rules. Those with a variable whose value depends on the request go to `not_judged`.
pub(super) fn read_rules(
    directives: &[&ConfDirective],
    constants: &Constants<'_>,
    names: &Names<'_>,
    demands: &mut Demands,
) -> Result<Vec<LocalRule>, ConfError> {
    let mut rules = Vec::new();
    for directive in directives {
        let own = directive
            .args()
            .iter()
            .filter_map(|arg| arg.strip_prefix(b"$"));
        let mut unknown = None;
        let mut known = KnownVariables::default();
        for name in own.filter_map(|name| str::from_utf8(name).ok()) {
            let plain = name
                .strip_prefix('{')
                .and_then(|name| name.strip_suffix('}'));
            match constants.value(plain.unwrap_or(name)) {
                Ok(value) => _ = known.0.insert(name.to_owned(), value),
                Err(variable) => unknown = Some(variable),
            }
        }
        match (RuleReader::new(&known).read(directive.args()), unknown) {
            (Ok(rule), _) => rules.push(rule),
            (Err(LocalRuleError::UnknownVariable(_)), Some(variable)) => {
                demands
                    .not_judged
                    .push(unknown_variable(names, directive, &variable));
            }
            (Err(error), _) => {
                let name = String::from_utf8_lossy(directive.name()).into_owned();
                let message = match error {
                    LocalRuleError::Syntax(error) => format!(
                        "invalid {} {} in \"{name}\" directive, {}",
                        error.part,
                        Quoted::whole(&error.text),
                        error.must
                    ),
                    LocalRuleError::UnknownVariable(variable) => {
                        format!("invalid variable {variable} in \"{name}\" directive")
                    }
                };
                return Err(ConfError::at(directive.place(), message));
            }
        }
        demands.variables.0.extend(known.0);
    }
    Ok(rules)
}

/// That a directive cannot be judged for its variable.
pub(super) fn unknown_variable(
    names: &Names<'_>,
    directive: &ConfDirective,
    UnknownVariable(variable): &UnknownVariable,
) -> String {
    format!(
        "{}: ${variable} depends on the request",
        names.directive(directive)
    )
}
