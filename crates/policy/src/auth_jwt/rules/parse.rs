//! Reads rules from the configuration.

use std::rc::Rc;

use jose::{Document, JsonKind, Limits};
use text::Quoted;

use super::operand::Operand;
use super::operator::Operator;
use super::rule::{Order, Rule, RulePattern, RuleValue, RuleVariable, Test};
use crate::auth_jwt::value_path::ValuePath;
use crate::auth_jwt::variable_name::variable_name;

/// What reading a rule needs of the configuration.
pub trait RuleConfig {
    /// A variable.
    type Variable;
    /// A compiled regular expression.
    type Regex;
    /// Why the configuration is refused.
    type Error: From<RuleError>;

    /// The variable with this name, `$` included.
    ///
    /// # Errors
    /// There is no such variable.
    fn variable(&mut self, name: &[u8]) -> Result<Self::Variable, Self::Error>;

    /// Compiles a regular expression.
    ///
    /// # Errors
    /// What is wrong with it.
    fn regex(&mut self, pattern: &[u8]) -> Result<Self::Regex, String>;

    /// Warns of something that is allowed, but hardly what was meant.
    fn warn(&mut self, message: String);
}

/// What is wrong with a rule, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// The part of the rule: "name", "operator" or "value".
    pub part: &'static str,
    /// The part as it was written.
    pub text: Vec<u8>,
    /// What it must be, as in `it must be a number`.
    pub must: String,
}

impl RuleError {
    fn new(part: &'static str, text: &[u8], must: impl Into<String>) -> Self {
        Self {
            part,
            text: text.into(),
            must: must.into(),
        }
    }

    fn value(text: &[u8], must: impl Into<String>) -> Self {
        Self::new("value", text, must)
    }
}

/// A value as it is written.
enum Written<'a> {
    /// `$variable`, or `json=$variable`.
    Variable {
        name: &'a [u8],
        must_be_json: bool,
    },
    /// `json=...`
    Json(&'a [u8]),
    Text(&'a [u8]),
}

impl<V, R> Rule<V, R> {
    /// Reads `name operator value ... [error=401 | error=403]`.
    ///
    /// # Errors
    /// Any part of it is wrong.
    pub fn parse<C>(args: &[impl AsRef<[u8]>], config: &mut C) -> Result<Self, C::Error>
    where
        C: RuleConfig<Variable = V, Regex = R>,
    {
        let args: Vec<&[u8]> = args.iter().map(AsRef::as_ref).collect();
        let (status, args) = split_status(&args)?;
        let [name, operator, values @ ..] = args else {
            let name = args.first().copied().unwrap_or_default();
            return Err(RuleError::new("name", name, "an operator must follow it").into());
        };
        let path = ValuePath::parse(name).map_err(|must| RuleError::new("name", name, must))?;
        if let Some(doubt) = ValuePath::doubt(name) {
            config.warn(doubt);
        }
        let Some((kind, is_contrary)) = Operator::parse(operator) else {
            return Err(RuleError::new("operator", operator, Operator::NAMES).into());
        };
        check_number(kind, operator, values)?;
        Ok(Self {
            path,
            test: test(kind, values, config)?,
            is_contrary,
            text: describe(name, operator, values),
            status,
        })
    }
}

/// The status, and the arguments without it.
fn split_status<'a, 'b>(args: &'a [&'b [u8]]) -> Result<(u16, &'a [&'b [u8]]), RuleError> {
    let Some((last, others)) = args.split_last() else {
        return Ok((401, args));
    };
    match last.strip_prefix(b"error=") {
        None => Ok((401, args)),
        Some(b"401") => Ok((401, others)),
        Some(b"403") => Ok((403, others)),
        Some(_) => Err(RuleError::value(last, "it must be error=401 or error=403")),
    }
}

fn check_number(kind: Operator, operator: &[u8], values: &[&[u8]]) -> Result<(), RuleError> {
    let wrong = |must| Err(RuleError::new("operator", operator, must));
    match (kind, values) {
        (Operator::Exists, []) => Ok(()),
        (Operator::Exists, _) => wrong("no value must follow it"),
        (_, []) => wrong("a value must follow it"),
        (_, [_]) => Ok(()),
        (kind, _) if kind.takes_several() => Ok(()),
        _ => wrong("one value must follow it; \"in\", \"any\" and \"all\" take several"),
    }
}

fn test<C: RuleConfig>(
    kind: Operator,
    values: &[&[u8]],
    config: &mut C,
) -> Result<Test<C::Variable, C::Regex>, C::Error> {
    let first = values.first().copied().unwrap_or_default();
    let order = |order, config: &mut C| Ok(Test::Order(order, value(kind, first, config)?));
    match kind {
        Operator::Exists => Ok(Test::Exists),
        Operator::Eq => Ok(Test::Eq(value(kind, first, config)?)),
        Operator::Gt => order(Order::Gt, config),
        Operator::Ge => order(Order::Ge, config),
        Operator::Lt => order(Order::Lt, config),
        Operator::Le => order(Order::Le, config),
        Operator::Match => Ok(Test::Match(pattern(first, config)?)),
        Operator::In | Operator::Any | Operator::All => {
            let list = values.iter().map(|text| value(kind, text, config));
            let list = list.collect::<Result<_, _>>()?;
            Ok(match kind {
                Operator::In => Test::In(list),
                Operator::Any => Test::Any(list),
                _ => Test::All(list),
            })
        }
    }
}

/// The value of any operator but `match`.
fn value<C: RuleConfig>(
    kind: Operator,
    text: &[u8],
    config: &mut C,
) -> Result<RuleValue<C::Variable>, C::Error> {
    match written(text) {
        Written::Variable { name, must_be_json } => {
            variable(text, name, must_be_json, config).map(RuleValue::Variable)
        }
        Written::Json(json) => {
            let document = json_value(text, json)?;
            let is_usable = !kind.is_order() || Operand::Json(document.root()).has_order();
            match is_usable {
                true => Ok(RuleValue::Json(document)),
                false => Err(RuleError::value(text, "it must be a number or a string").into()),
            }
        }
        Written::Text(plain) => {
            if has_variable(plain, false) {
                let must = "a variable must stand alone; \
                            json=\"...\" is for text with the character \"$\"";
                return Err(RuleError::value(text, must).into());
            }
            warn_of_json(plain, config);
            Ok(RuleValue::Text(plain.into()))
        }
    }
}

/// The value of `match`.
fn pattern<C: RuleConfig>(
    text: &[u8],
    config: &mut C,
) -> Result<RulePattern<C::Variable, C::Regex>, C::Error> {
    let pattern = match written(text) {
        Written::Variable { name, must_be_json } => {
            return variable(text, name, must_be_json, config).map(RulePattern::Variable);
        }
        Written::Json(json) => match json_value(text, json)?.root().as_str() {
            Some(pattern) => pattern.into_owned().into_bytes(),
            None => return Err(RuleError::value(text, "it must be a string").into()),
        },
        Written::Text(pattern) if has_variable(pattern, true) => {
            let must = "a variable must stand alone; \\$ is for the character \"$\"";
            return Err(RuleError::value(text, must).into());
        }
        Written::Text(pattern) => pattern.to_vec(),
    };
    if pattern.is_empty() {
        let must = "it must be a regular expression; an empty one would match everything";
        return Err(RuleError::value(text, must).into());
    }
    match config.regex(&pattern) {
        Ok(regex) => Ok(RulePattern::Compiled(regex)),
        Err(reason) => {
            let must = format!("it must be a regular expression: {reason}");
            Err(RuleError::value(text, must).into())
        }
    }
}

fn written(text: &[u8]) -> Written<'_> {
    let (value, is_json) = match text.strip_prefix(b"json=") {
        Some(json) => (json, true),
        None => (text, false),
    };
    match variable_name(value) {
        Some(name) => Written::Variable {
            name,
            must_be_json: is_json,
        },
        None if is_json => Written::Json(value),
        None => Written::Text(value),
    }
}

fn variable<C: RuleConfig>(
    text: &[u8],
    name: &[u8],
    must_be_json: bool,
    config: &mut C,
) -> Result<RuleVariable<C::Variable>, C::Error> {
    Ok(RuleVariable {
        variable: config.variable(&[b"$", name].concat())?,
        name: String::from_utf8_lossy(text).into(),
        must_be_json,
    })
}

fn json_value(text: &[u8], json: &[u8]) -> Result<Document, RuleError> {
    Document::parse_value(json, &Limits::default())
        .map_err(|error| RuleError::value(text, format!("it must be JSON: {error}")))
}

/// Whether the text looks as if it had a variable in it. In a regular expression `\$` is the
/// character, so it counts as none.
fn has_variable(text: &[u8], is_pattern: bool) -> bool {
    let mut is_escaped = false;
    text.iter().enumerate().any(|(at, &byte)| {
        let next = text.get(at.saturating_add(1));
        let begins_name =
            next.is_some_and(|next| next.is_ascii_alphanumeric() || b"_{".contains(next));
        let is_variable = byte == b'$' && begins_name && !(is_pattern && is_escaped);
        is_escaped = byte == b'\\' && !is_escaped;
        is_variable
    })
}

/// Text is never the same as a JSON value that is no string and no number.
fn warn_of_json(text: &[u8], config: &mut impl RuleConfig) {
    let Ok(document) = Document::parse_value(text, &Limits::default()) else {
        return;
    };
    if document.root().kind() != JsonKind::Number {
        let shown = Quoted::new(text);
        config.warn(format!(
            "{shown} is a text, and never the same as the JSON value; write json=... for that"
        ));
    }
}

/// The rule as the log has it: `"aud" any "api web"`.
fn describe(name: &[u8], operator: &[u8], values: &[&[u8]]) -> Rc<str> {
    let (name, operator) = (Quoted::new(name), String::from_utf8_lossy(operator));
    match values {
        [] => format!("{name} {operator}").into(),
        values => format!("{name} {operator} {}", Quoted::new(values.join(&b' '))).into(),
    }
}
