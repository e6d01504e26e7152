//! A rule, and how it judges.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::rc::Rc;
use std::slice;

use jose::{Document, JsonKind, JsonValue, Limits};

use super::failure::RuleFailure;
use super::operand::{Operand, elements_of};
use crate::auth_jwt::value_path::ValuePath;

/// The most comparisons of two values that one rule makes. With more, one request could hold up a
/// worker.
const MAX_COMPARISONS: usize = 100_000;

/// The longest string that a regular expression of the configuration is applied to. The limits that
/// PCRE has are for the search from one character on, and do not count all that it does. So a
/// search never takes exponential time, but there are expressions that take cubic time: 0.1 s for
/// this length.
const MAX_SUBJECT: usize = 1024;

/// The longest regular expression that a variable may give, since it is compiled for one request.
const MAX_REQUEST_PATTERN: usize = 1024;

/// The longest string that such an expression is applied to. Whoever writes the expression makes it
/// as slow as the length allows: 0.05 s for this one.
const MAX_REQUEST_SUBJECT: usize = 256;

/// What rules need of the request that they are judged for.
pub trait RuleRequest {
    /// A variable.
    type Variable;
    /// A compiled regular expression.
    type Regex;

    /// The value of a variable, empty if it has none.
    fn value(&self, variable: &Self::Variable) -> &[u8];

    /// Whether a regular expression is found in the text.
    ///
    /// # Errors
    /// Why it was not searched to the end.
    fn matches(&self, regex: &Self::Regex, text: &str) -> Result<bool, &'static str>;

    /// Compiles a regular expression for this request only, and searches for it.
    ///
    /// # Errors
    /// What is wrong with the expression; inside, why it was not searched to the end.
    fn matches_pattern(
        &self,
        pattern: &[u8],
        text: &str,
    ) -> Result<Result<bool, &'static str>, String>;
}

/// A rule on one value of a token. `V` is a variable, `R` a compiled regular expression.
#[derive(Debug, Clone)]
pub struct Rule<V, R> {
    pub(super) path: ValuePath,
    pub(super) test: Test<V, R>,
    pub(super) is_contrary: bool,
    /// The rule as the configuration has it, for the log.
    pub(super) text: Rc<str>,
    /// The status of a refusal.
    pub(super) status: u16,
}

/// An operator with what it compares with.
#[derive(Debug, Clone)]
pub(super) enum Test<V, R> {
    Exists,
    Eq(RuleValue<V>),
    Order(Order, RuleValue<V>),
    In(Box<[RuleValue<V>]>),
    Any(Box<[RuleValue<V>]>),
    All(Box<[RuleValue<V>]>),
    Match(RulePattern<V, R>),
}

/// A comparison by order.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    Gt,
    Ge,
    Lt,
    Le,
}

/// A value in the configuration.
#[derive(Debug, Clone)]
pub(super) enum RuleValue<V> {
    Text(Box<[u8]>),
    Json(Document),
    Variable(RuleVariable<V>),
}

/// A regular expression in the configuration.
#[derive(Debug, Clone)]
pub(super) enum RulePattern<V, R> {
    Compiled(R),
    Variable(RuleVariable<V>),
}

/// A variable in the configuration.
#[derive(Debug, Clone)]
pub(super) struct RuleVariable<V> {
    pub(super) variable: V,
    /// As the configuration has it.
    pub(super) name: Box<str>,
    /// Whether its value has to be JSON: `json=$variable`.
    pub(super) must_be_json: bool,
}

/// A value for one request.
enum CurrentValue<'a> {
    Borrowed(Operand<'a>),
    Parsed(Document),
}

impl<V, R> Rule<V, R> {
    /// The rule as the configuration has it: `"aud" any "api web"`.
    pub fn text(&self) -> &Rc<str> {
        &self.text
    }

    /// The status of a refusal.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The value in an object that the rule is about.
    pub fn value<'a>(&self, object: JsonValue<'a>) -> Option<JsonValue<'a>> {
        self.path.find(object)
    }

    /// Whether the rule says the same of an object for each request.
    pub fn is_constant(&self) -> bool {
        let are_constant = |values: &[RuleValue<V>]| {
            !values
                .iter()
                .any(|own| matches!(own, RuleValue::Variable(_)))
        };
        match &self.test {
            Test::Exists => true,
            Test::Eq(own) | Test::Order(_, own) => are_constant(slice::from_ref(own)),
            Test::In(list) | Test::Any(list) | Test::All(list) => are_constant(list),
            Test::Match(pattern) => matches!(pattern, RulePattern::Compiled(_)),
        }
    }

    /// Judges an object: the claims, or the JOSE header.
    ///
    /// # Errors
    /// If the rule or, with `!`, its contrary is not met, or nobody can say.
    pub fn judge(
        &self,
        object: JsonValue<'_>,
        request: &impl RuleRequest<Variable = V, Regex = R>,
    ) -> Result<(), RuleFailure> {
        let Some(value) = self.path.find(object) else {
            return match (&self.test, self.is_contrary) {
                (Test::Exists, true) => Ok(()),
                _ => Err(RuleFailure::Missing),
            };
        };
        // What cannot be judged fails here, so that `!` never makes a yes of it.
        match self.test.judge(value, request)? == self.is_contrary {
            true => {
                let compares_whole = matches!(self.test, Test::Eq(_) | Test::In(_));
                Err(RuleFailure::unmet(
                    value,
                    compares_whole && !self.is_contrary,
                ))
            }
            false => Ok(()),
        }
    }
}

impl<V, R> Test<V, R> {
    fn judge(
        &self,
        value: JsonValue<'_>,
        request: &impl RuleRequest<Variable = V, Regex = R>,
    ) -> Result<bool, RuleFailure> {
        match self {
            Self::Exists => Ok(true),
            Self::Eq(own) => Ok(own.current(request)?.operand().equals(value)),
            Self::Order(order, own) => order.judge(value, own, request),
            Self::In(list) => is_in(value, list, request),
            Self::Any(list) => has_one(value, list, true, request),
            Self::All(list) => Ok(!has_one(value, list, false, request)?),
            Self::Match(pattern) => pattern.judge(value, request),
        }
    }
}

impl Order {
    fn judge<V>(
        self,
        value: JsonValue<'_>,
        own: &RuleValue<V>,
        request: &impl RuleRequest<Variable = V>,
    ) -> Result<bool, RuleFailure> {
        let current = own.current(request)?;
        let operand = current.operand();
        if !operand.has_order() {
            return Err(own.unusable("neither a number nor a string"));
        }
        match operand.compare(value) {
            Ok(ordering) => Ok(self.holds(ordering)),
            Err(needed) => Err(wrong_type(value, needed)),
        }
    }

    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Gt => ordering.is_gt(),
            Self::Ge => ordering.is_ge(),
            Self::Lt => ordering.is_lt(),
            Self::Le => ordering.is_le(),
        }
    }
}

/// Whether the value is one of the list, or a name in the only object of the list. All of the list
/// is looked at, so that the order of values does not decide whether one that is of no use counts.
fn is_in<V>(
    value: JsonValue<'_>,
    list: &[RuleValue<V>],
    request: &impl RuleRequest<Variable = V>,
) -> Result<bool, RuleFailure> {
    let is_alone = list.len() == 1;
    let mut is_found = false;
    for own in list {
        let current = own.current(request)?;
        if let Operand::Json(object) = current.operand()
            && is_alone
            && object.kind() == JsonKind::Object
        {
            return match value.as_str() {
                Some(name) => Ok(object.get(name.as_bytes()).is_some()),
                None => Err(wrong_type(value, "a string")),
            };
        }
        let mut elements = current.operand().elements(is_alone);
        is_found = is_found || elements.any(|element| element.equals(value));
    }
    Ok(is_found)
}

/// Whether there is one in the list that is among the elements of the value or, unless `expected`,
/// one that is not. All of the list is looked at, as in [`is_in`].
fn has_one<V>(
    value: JsonValue<'_>,
    list: &[RuleValue<V>],
    expected: bool,
    request: &impl RuleRequest<Variable = V>,
) -> Result<bool, RuleFailure> {
    let (mut comparisons, mut is_found) = (0, false);
    for own in list {
        let current = own.current(request)?;
        let mut elements = current.operand().elements(list.len() == 1);
        while !is_found && let Some(element) = elements.next() {
            is_found = is_among(element, value, &mut comparisons)? == expected;
        }
    }
    Ok(is_found)
}

fn is_among(
    wanted: Operand<'_>,
    value: JsonValue<'_>,
    comparisons: &mut usize,
) -> Result<bool, RuleFailure> {
    for element in elements_of(value) {
        *comparisons = comparisons.saturating_add(1);
        if *comparisons > MAX_COMPARISONS {
            return Err(RuleFailure::TooMany);
        }
        if wanted.equals(element) {
            return Ok(true);
        }
    }
    Ok(false)
}

impl<V, R> RulePattern<V, R> {
    fn judge(
        &self,
        value: JsonValue<'_>,
        request: &impl RuleRequest<Variable = V, Regex = R>,
    ) -> Result<bool, RuleFailure> {
        let Some(text) = value.as_str() else {
            return Err(wrong_type(value, "a string"));
        };
        let matches = match self {
            Self::Compiled(regex) => {
                check_length(&text, MAX_SUBJECT)?;
                request.matches(regex, &text)
            }
            Self::Variable(variable) => {
                check_length(&text, MAX_REQUEST_SUBJECT)?;
                let pattern = variable.pattern(request)?;
                request
                    .matches_pattern(&pattern, &text)
                    .map_err(|reason| variable.unusable(reason))?
            }
        };
        matches.map_err(RuleFailure::Regex)
    }
}

impl<V> RuleValue<V> {
    fn current<'a>(
        &'a self,
        request: &'a impl RuleRequest<Variable = V>,
    ) -> Result<CurrentValue<'a>, RuleFailure> {
        match self {
            Self::Text(text) => Ok(CurrentValue::Borrowed(Operand::Text(text))),
            Self::Json(document) => Ok(CurrentValue::Borrowed(Operand::Json(document.root()))),
            Self::Variable(variable) => variable.current(request),
        }
    }

    /// The failure of a rule whose value has a type that the operator does not take. For a constant
    /// that is a configuration error already.
    fn unusable(&self, reason: &str) -> RuleFailure {
        RuleFailure::Variable {
            name: match self {
                Self::Variable(variable) => variable.name.clone(),
                Self::Text(_) | Self::Json(_) => "value".into(),
            },
            reason: reason.into(),
        }
    }
}

impl<V> RuleVariable<V> {
    /// The value as JSON where it is JSON, else as text. A text that begins as JSON arrays, objects
    /// and strings do, but is not JSON, was meant to be: as a text, it would be the contrary of
    /// almost everything.
    fn current<'a>(
        &self,
        request: &'a impl RuleRequest<Variable = V>,
    ) -> Result<CurrentValue<'a>, RuleFailure> {
        let value = request.value(&self.variable);
        let start = value.trim_ascii_start().first();
        let is_text = start.is_none_or(|start| !b"[{\"-0123456789tfn".contains(start));
        if is_text && !self.must_be_json {
            return Ok(CurrentValue::Borrowed(Operand::Text(value)));
        }
        match Document::parse_value(value, &Limits::default()) {
            Ok(document) => Ok(CurrentValue::Parsed(document)),
            Err(error) if self.must_be_json || matches!(start, Some(b'[' | b'{' | b'"')) => {
                Err(self.unusable(error.to_string()))
            }
            Err(_) => Ok(CurrentValue::Borrowed(Operand::Text(value))),
        }
    }

    /// The value as a regular expression: the text of a JSON string, or the value as it is. An
    /// empty expression would be found in each text.
    fn pattern<'a>(
        &self,
        request: &'a impl RuleRequest<Variable = V>,
    ) -> Result<Cow<'a, [u8]>, RuleFailure> {
        let value = request.value(&self.variable);
        let document = Document::parse_value(value, &Limits::default());
        let pattern = match document.as_ref().map(|document| document.root().as_str()) {
            Ok(Some(string)) => Cow::Owned(string.into_owned().into_bytes()),
            Err(error) if self.must_be_json => return Err(self.unusable(error.to_string())),
            Ok(None) if self.must_be_json => return Err(self.unusable("not a string".into())),
            Ok(None) | Err(_) => Cow::Borrowed(value),
        };
        match pattern.len() {
            0 => Err(self.unusable("empty regular expression".into())),
            length if length > MAX_REQUEST_PATTERN => Err(self.unusable(format!(
                "regular expression of {length} bytes is longer than {MAX_REQUEST_PATTERN} bytes"
            ))),
            _ => Ok(pattern),
        }
    }

    fn unusable(&self, reason: String) -> RuleFailure {
        RuleFailure::Variable {
            name: self.name.clone(),
            reason,
        }
    }
}

impl CurrentValue<'_> {
    fn operand(&self) -> Operand<'_> {
        match self {
            Self::Borrowed(operand) => *operand,
            Self::Parsed(document) => Operand::Json(document.root()),
        }
    }
}

fn check_length(text: &str, limit: usize) -> Result<(), RuleFailure> {
    match text.len() {
        length if length > limit => Err(RuleFailure::TooLong { length, limit }),
        _ => Ok(()),
    }
}

fn wrong_type(value: JsonValue<'_>, needed: &'static str) -> RuleFailure {
    RuleFailure::Type {
        kind: value.kind(),
        needed,
    }
}
