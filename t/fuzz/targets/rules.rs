//! A rule of auth_jwt_require_claim, the value of a variable and claims, apart by zero bytes: first
//! the claims, then the variable, then name, operator and values. A rule and its contrary are never
//! both met.
#![no_main]

use jose::{Document, Limits};
use policy::auth_jwt::rules::{Rule, RuleConfig, RuleError, RuleRequest};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nginx_auth_fuzz::in_time(|| check(bytes)));

/// Stands in for nginx: each variable has this value, and an expression is a text to be found.
struct FakeNginx<'a>(&'a [u8]);

impl RuleConfig for FakeNginx<'_> {
    type Variable = ();
    type Regex = Vec<u8>;
    type Error = RuleError;

    fn variable(&mut self, _: &[u8]) -> Result<(), RuleError> {
        Ok(())
    }

    fn regex(&mut self, pattern: &[u8]) -> Result<Vec<u8>, String> {
        match pattern.contains(&b'(') {
            true => Err("missing closing parenthesis".into()),
            false => Ok(pattern.into()),
        }
    }

    fn warn(&mut self, _: String) {}
}

impl RuleRequest for FakeNginx<'_> {
    type Variable = ();
    type Regex = Vec<u8>;

    fn value(&self, (): &()) -> &[u8] {
        self.0
    }

    fn matches(&self, regex: &Vec<u8>, text: &str) -> Result<bool, &'static str> {
        assert!(!regex.is_empty() && text.len() <= 1024);
        let mut windows = text.as_bytes().windows(regex.len());
        Ok(windows.any(|window| window == regex.as_slice()))
    }

    fn matches_pattern(
        &self,
        pattern: &[u8],
        text: &str,
    ) -> Result<Result<bool, &'static str>, String> {
        assert!(pattern.len() <= 1024);
        let regex = FakeNginx(b"").regex(pattern)?;
        Ok(self.matches(&regex, text))
    }
}

fn check(bytes: &[u8]) {
    let mut parts = bytes.split(|&byte| byte == 0);
    let (claims, variable) = (parts.next().unwrap_or(b""), parts.next().unwrap_or(b""));
    let args: Vec<&[u8]> = parts.collect();
    let Ok(claims) = Document::parse_value(claims, &Limits::default()) else {
        return;
    };
    let mut nginx = FakeNginx(variable);
    let Ok(rule) = Rule::parse(&args, &mut nginx) else {
        return;
    };
    let is_met = rule.judge(claims.root(), &nginx).is_ok();
    let mut contrary: Vec<Vec<u8>> = args.iter().map(|arg| arg.to_vec()).collect();
    match contrary[1].strip_prefix(b"!") {
        Some(operator) => contrary[1] = operator.into(),
        None => contrary[1].insert(0, b'!'),
    }
    let contrary = Rule::parse(&contrary, &mut nginx).expect("a rule has a contrary");
    let failure = contrary.judge(claims.root(), &nginx);
    assert!(!is_met || failure.is_err());
    if let Err(failure) = failure {
        assert!(failure.to_string().len() < 4096);
    }
}
