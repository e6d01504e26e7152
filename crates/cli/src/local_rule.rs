//! Rules of `auth_jwt_require_claim` and `auth_jwt_require_header` without nginx: variables have
//! values that are known beforehand, and regular expressions are searched by PCRE2 under the limits
//! that the module sets.

use std::collections::BTreeMap;

use pcre2::bytes::{Regex, RegexBuilder};
use policy::auth_jwt::rules::{Rule, RuleConfig, RuleError, RuleRequest};
use text::Quoted;

/// A rule of a location.
pub type LocalRule = Rule<KnownVariable, Pattern>;

/// What the module writes in front of each expression, see src/nginx/shim.c.
const LIMITS: &str = "(*LIMIT_MATCH=10000)(*LIMIT_DEPTH=10000)(*LIMIT_HEAP=4096)";

/// The name of a variable in a rule, without the `$`. Its value is known.
#[derive(Debug, Clone)]
pub struct KnownVariable(String);

/// A compiled regular expression.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

/// Why a rule cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LocalRuleError {
    /// It is not written as a rule is.
    #[error("invalid {} {}, {}", .0.part, Quoted::new(&.0.text), .0.must)]
    Syntax(RuleError),
    /// The rule has a variable whose value is not known.
    #[error("the value of {0} is not known")]
    UnknownVariable(Quoted),
}

impl From<RuleError> for LocalRuleError {
    fn from(error: RuleError) -> Self {
        Self::Syntax(error)
    }
}

/// The values of the variables that rules may have, by their names without the `$`.
#[derive(Debug, Clone, Default)]
pub struct KnownVariables(pub BTreeMap<String, Vec<u8>>);

/// Reads rules.
#[derive(Debug)]
pub struct RuleReader<'a> {
    variables: &'a KnownVariables,
    /// What the module would warn of.
    pub warnings: Vec<String>,
}

impl<'a> RuleReader<'a> {
    /// Reads rules that may have these variables.
    pub fn new(variables: &'a KnownVariables) -> Self {
        Self {
            variables,
            warnings: Vec::new(),
        }
    }

    /// Reads the arguments of a directive: `name operator value ...`
    ///
    /// # Errors
    /// [`LocalRuleError`]
    pub fn read(&mut self, args: &[impl AsRef<[u8]>]) -> Result<LocalRule, LocalRuleError> {
        Rule::parse(args, self)
    }
}

impl RuleConfig for RuleReader<'_> {
    type Variable = KnownVariable;
    type Regex = Pattern;
    type Error = LocalRuleError;

    fn variable(&mut self, name: &[u8]) -> Result<KnownVariable, LocalRuleError> {
        let plain = str::from_utf8(name).ok();
        let plain = plain.and_then(|name| name.strip_prefix('$'));
        match plain.filter(|name| self.variables.0.contains_key(*name)) {
            Some(name) => Ok(KnownVariable(name.to_owned())),
            None => Err(LocalRuleError::UnknownVariable(Quoted::new(name))),
        }
    }

    fn regex(&mut self, pattern: &[u8]) -> Result<Pattern, String> {
        compile(pattern)
    }

    fn warn(&mut self, message: String) {
        self.warnings.push(message);
    }
}

impl RuleRequest for KnownVariables {
    type Variable = KnownVariable;
    type Regex = Pattern;

    fn value(&self, variable: &KnownVariable) -> &[u8] {
        self.0.get(&variable.0).map_or(b"", Vec::as_slice)
    }

    fn matches(&self, regex: &Pattern, text: &str) -> Result<bool, &'static str> {
        search(regex, text)
    }

    fn matches_pattern(
        &self,
        pattern: &[u8],
        text: &str,
    ) -> Result<Result<bool, &'static str>, String> {
        Ok(search(&compile(pattern)?, text))
    }
}

fn compile(pattern: &[u8]) -> Result<Pattern, String> {
    if pattern.contains(&0) {
        return Err("it contains NUL".into());
    }
    let pattern = str::from_utf8(pattern).map_err(|_| "it is not UTF-8".to_owned())?;
    let regex = RegexBuilder::new().build(&format!("{LIMITS}{pattern}"));
    regex.map(Pattern).map_err(|error| error.to_string())
}

fn search(regex: &Pattern, text: &str) -> Result<bool, &'static str> {
    let found = regex.0.is_match(text.as_bytes());
    found.map_err(|_| "the search took too many steps or too much memory")
}
