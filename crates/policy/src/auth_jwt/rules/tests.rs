mod config;
mod judge;
mod properties;
mod table;

use std::collections::HashMap;

use jose::{Document, Limits};

use super::*;

/// Stands in for nginx: variables by name, and expressions that are texts to be found. One that has
/// a parenthesis cannot be compiled, and "slow" is given up.
#[derive(Default)]
struct FakeNginx {
    variables: HashMap<Vec<u8>, Vec<u8>>,
    warnings: Vec<String>,
}

type FakeRule = Rule<Vec<u8>, Vec<u8>>;

impl FakeNginx {
    fn with(variable: &str, value: &[u8]) -> Self {
        Self {
            variables: [(variable.into(), value.into())].into(),
            warnings: Vec::new(),
        }
    }
}

impl RuleConfig for FakeNginx {
    type Variable = Vec<u8>;
    type Regex = Vec<u8>;
    type Error = RuleError;

    fn variable(&mut self, name: &[u8]) -> Result<Vec<u8>, RuleError> {
        Ok(name.strip_prefix(b"$").unwrap().into())
    }

    fn regex(&mut self, pattern: &[u8]) -> Result<Vec<u8>, String> {
        match pattern.contains(&b'(') {
            true => Err("missing closing parenthesis".into()),
            false => Ok(pattern.into()),
        }
    }

    fn warn(&mut self, message: String) {
        self.warnings.push(message);
    }
}

impl RuleRequest for FakeNginx {
    type Variable = Vec<u8>;
    type Regex = Vec<u8>;

    fn value(&self, variable: &Vec<u8>) -> &[u8] {
        self.variables.get(variable).map_or(b"", Vec::as_slice)
    }

    fn matches(&self, regex: &Vec<u8>, text: &str) -> Result<bool, &'static str> {
        let windows = &mut text.as_bytes().windows(regex.len());
        match regex.as_slice() {
            b"slow" => Err("too many steps"),
            regex => Ok(windows.any(|window| window == regex)),
        }
    }

    fn matches_pattern(
        &self,
        pattern: &[u8],
        text: &str,
    ) -> Result<Result<bool, &'static str>, String> {
        let regex = FakeNginx::default().regex(pattern)?;
        Ok(self.matches(&regex, text))
    }
}

fn document(json: &str) -> Document {
    Document::parse_value(json.as_bytes(), &Limits::default()).unwrap()
}

fn parse(args: &[&str]) -> Result<FakeRule, RuleError> {
    Rule::parse(args, &mut FakeNginx::default())
}

/// Whether claims meet a rule, or why not.
fn judge(claims: &str, args: &[&str], nginx: &FakeNginx) -> String {
    let rule = parse(args).unwrap();
    match rule.judge(document(claims).root(), nginx) {
        Ok(()) => "met".into(),
        Err(failure) => failure.to_string(),
    }
}
