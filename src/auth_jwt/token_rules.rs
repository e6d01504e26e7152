//! What a location requires of a token beyond NGINX Plus: `auth_jwt_algorithms`,
//! `auth_jwt_max_age`, `auth_jwt_binding`, lists of revoked names, `auth_jwt_require_claim`,
//! `auth_jwt_require_header` and `auth_jwt_require_scope`.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::AuthJwt;
use super::binding::Binding;
use super::issuer::Issuer;
use super::proof_rules::SentToken;
use super::revocation::RevocationLists;
use crate::nginx::{Config, ConfigError, List, Regex, Request, Setting, Text, Variable};
use jose::{Claims, JoseHeader, TokenType, VerifiedToken};
use policy::auth_jwt::allowed_algorithms::AllowedAlgorithms;
use policy::auth_jwt::rejection::Rejection;
use policy::auth_jwt::rules::{Rule, RuleConfig, RuleError, RuleRequest};
use policy::auth_jwt::scopes::RequiredScopes;
use policy::auth_jwt::token_memo::{SetId, SetIds, TokenMemo};
use policy::auth_jwt::token_requirements::TokenRequirements;
use text::Quoted;

/// What the directives of a level say.
#[derive(Default)]
pub(super) struct TokenRules {
    algorithms: Setting<Rc<AlgorithmsSetting>>,
    max_age: Setting<Duration>,
    pub(super) binding: Binding,
    pub(super) revocation_lists: RevocationLists,
    claims: List<Rule<Variable, Regex>>,
    header: List<Rule<Variable, Regex>>,
    scopes: Setting<Rc<RequiredScopes>>,
    /// Whether any of them is set.
    // perf: one test instead of nine for a request without them.
    is_any: bool,
    /// A number for what the rules, the scopes and the algorithms say, if they say the same of a
    /// token for each request.
    constant_set: Option<SetId>,
}

/// The arguments of `auth_jwt_algorithms`.
struct AlgorithmsSetting {
    allowed: AllowedAlgorithms,
    /// The file and line of the directive, until there was a warning about it.
    position: Cell<Option<Box<str>>>,
}

impl TokenRules {
    /// Takes over the values that this level does not set.
    pub(super) fn inherit(&mut self, outer: &Self, sets: &SetIds) {
        let Self {
            algorithms,
            max_age,
            binding,
            revocation_lists,
            claims,
            header,
            scopes,
            is_any,
            constant_set,
        } = self;
        // What `check` leaves out for a token that has met the set: a token that has met the rules of
        // the outer level has not met those that this level adds.
        let has_own = algorithms.get().is_some()
            || !claims.is_empty()
            || !header.is_empty()
            || scopes.get().is_some();
        algorithms.inherit(&outer.algorithms);
        max_age.inherit(&outer.max_age);
        binding.inherit(&outer.binding);
        revocation_lists.inherit(&outer.revocation_lists);
        claims.inherit(&outer.claims);
        header.inherit(&outer.header);
        scopes.inherit(&outer.scopes);
        *is_any = algorithms.get().is_some()
            || max_age.get().is_some()
            || binding.is_on()
            || revocation_lists.is_any()
            || !claims.is_empty()
            || !header.is_empty()
            || scopes.get().is_some();
        let is_constant = claims.iter().chain(header.iter()).all(Rule::is_constant);
        *constant_set = match outer.constant_set {
            Some(set) if !has_own => Some(set),
            _ => sets.next().filter(|_| is_constant && *is_any),
        };
    }

    /// Whether there is anything to check.
    #[inline]
    pub(super) fn is_any(&self) -> bool {
        self.is_any
    }

    /// Warns if no token of the expected type can have algorithms that are allowed.
    pub(super) fn warn_of_algorithms(&self, kind: TokenType, cf: &Config<'_>) {
        if let Some(algorithms) = self.algorithms.get()
            && !algorithms.allowed.allow_type(kind)
            && let Some(position) = algorithms.position.take()
        {
            cf.warn(format_args!(
                "\"auth_jwt_algorithms\" in {position} allows no token of the type in \
                 \"auth_jwt_type\", every request is refused"
            ));
        }
    }

    /// Checks what can be checked before there are keys: the age if the claims are not encrypted,
    /// and the algorithm of the header. That of the token inside a nested one is not known yet.
    pub(super) fn check_without_keys(
        &self,
        request: Request<'_>,
        header: &JoseHeader,
        claims: Option<&Claims>,
        leeway: Duration,
    ) -> Result<(), Rejection> {
        let requirements = self.requirements();
        requirements.check_without_keys(header, claims, request.now(), leeway)
    }

    /// Checks a verified token, also for the rules of its issuer. It may come from the cache, and a
    /// location with other rules may have put it there, so that everything is checked, in the order
    /// in which it is checked without the cache.
    #[inline(never)]
    pub(super) fn check<'a>(
        &self,
        request: Request<'_>,
        token: &VerifiedToken,
        issuer: Option<&Issuer>,
        memo: Option<&TokenMemo>,
        leeway: Duration,
        sent: impl FnOnce() -> SentToken<'a>,
    ) -> Result<(), Rejection> {
        let requirements = self.requirements();
        if let Some(issuer) = issuer {
            issuer.check_age(token.claims().object(), request.now(), leeway)?;
        }
        requirements.check_age(token.claims(), request.now(), leeway)?;
        let memo = memo.zip(self.constant_set);
        let has_met = memo.is_some_and(|(memo, set)| memo.has_met(set));
        if !has_met {
            requirements.check_algorithms(token)?;
        }
        if let Some(issuer) = issuer {
            issuer.check_rules(request, token)?;
        }
        // Never remembered: it depends on the client.
        if self.binding.is_on() {
            self.binding.check(request, token, sent())?;
        }
        // Never remembered: the lists change.
        self.revocation_lists.check(request, token)?;
        // perf: 4,000 instructions less for a cached token with three rules and one scope.
        if has_met {
            return Ok(());
        }
        requirements.check_values(token, &request)?;
        if let Some((memo, set)) = memo {
            memo.note_met(set);
        }
        Ok(())
    }

    #[inline]
    fn requirements(&self) -> TokenRequirements<'_, Variable, Regex> {
        let algorithms = self.algorithms.get();
        TokenRequirements {
            algorithms: algorithms.map(|algorithms| &algorithms.allowed),
            max_age: self.max_age.get().copied(),
            claim_rules: &self.claims,
            header_rules: &self.header,
            scopes: self.scopes.get().map(|scopes| &**scopes),
        }
    }

    /// `auth_jwt_algorithms alg ...`
    pub(super) fn set_algorithms(&mut self, cf: &mut Config<'_>) -> Result<(), ConfigError> {
        let mut allowed = AllowedAlgorithms::default();
        for name in cf.args() {
            let added = allowed.add(&name);
            added.map_err(|must| cf.invalid_value(&name, &must))?;
        }
        cf.main_conf::<AuthJwt>().keeps_memos.set(true);
        self.algorithms.set(Rc::new(AlgorithmsSetting {
            allowed,
            position: Cell::new(Some(cf.position().into())),
        }))
    }

    /// `auth_jwt_max_age time`
    pub(super) fn set_max_age(&mut self, cf: &mut Config<'_>) -> Result<(), ConfigError> {
        self.max_age.set(read_max_age(cf)?)
    }

    /// `auth_jwt_require_claim name operator value ... [error=401 | error=403]`
    pub(super) fn add_claim_rule(&mut self, cf: &mut Config<'_>) -> Result<(), ConfigError> {
        cf.main_conf::<AuthJwt>().keeps_memos.set(true);
        self.claims.push(read_rule(cf)?);
        Ok(())
    }

    /// `auth_jwt_require_header name operator value ... [error=401 | error=403]`
    pub(super) fn add_header_rule(&mut self, cf: &mut Config<'_>) -> Result<(), ConfigError> {
        cf.main_conf::<AuthJwt>().keeps_memos.set(true);
        self.header.push(read_rule(cf)?);
        Ok(())
    }

    /// `auth_jwt_require_scope scope ...`
    pub(super) fn add_scopes(&mut self, cf: &mut Config<'_>) -> Result<(), ConfigError> {
        cf.main_conf::<AuthJwt>().keeps_memos.set(true);
        let mut scopes = match self.scopes.get() {
            Some(scopes) => RequiredScopes::clone(scopes),
            None => RequiredScopes::default(),
        };
        for name in cf.args() {
            let added = scopes.add(&name);
            added.map_err(|must| cf.invalid_value(&name, must))?;
            if name.contains(&b',') {
                let scope = Quoted::whole(name);
                Config::warn(
                    cf,
                    format_args!(
                        "the scope {scope} in \"auth_jwt_require_scope\" directive has a comma in it; \
                         several scopes have spaces between them"
                    ),
                );
            }
        }
        self.scopes = Setting::Set(Rc::new(scopes));
        Ok(())
    }
}

/// The argument of `auth_jwt_max_age`, or of `max_age` in a block.
pub(super) fn read_max_age(cf: &Config<'_>) -> Result<Duration, ConfigError> {
    let argument = cf.argument();
    match cf.seconds(&argument)? {
        Duration::ZERO => Err(cf.invalid_value(&argument, "it must be more than 0")),
        time => Ok(time),
    }
}

/// The argument of `auth_jwt_leeway`, or of `leeway` in a block.
pub(super) fn read_leeway(cf: &Config<'_>) -> Result<Duration, ConfigError> {
    // Times in claims are compared in seconds, so nginx's form for seconds is the usual one. It has
    // months and years, but no milliseconds.
    let argument = cf.argument();
    match cf.seconds(&argument).or_else(|_| cf.time(&argument)) {
        Ok(time) if time.subsec_nanos() == 0 => Ok(time),
        _ => Err(cf.invalid_value(&argument, Config::SECONDS)),
    }
}

/// The arguments of `auth_jwt_require_claim`, `auth_jwt_require_header`, or of `require_claim` in a
/// block.
pub(super) fn read_rule(cf: &mut Config<'_>) -> Result<Rule<Variable, Regex>, ConfigError> {
    match Rule::parse(&cf.args(), cf) {
        Ok(rule) => Ok(rule),
        Err(NotARule::Syntax(RuleError { part, text, must })) => {
            Err(cf.invalid(part, &text, &must))
        }
        Err(NotARule::Nginx(error)) => Err(error),
    }
}

/// Why a rule cannot be read.
pub enum NotARule {
    Syntax(RuleError),
    /// nginx does not know a variable, for example.
    Nginx(ConfigError),
}

impl From<RuleError> for NotARule {
    fn from(error: RuleError) -> Self {
        Self::Syntax(error)
    }
}

impl RuleConfig for Config<'_> {
    type Variable = Variable;
    type Regex = Regex;
    type Error = NotARule;

    fn variable(&mut self, name: &[u8]) -> Result<Variable, NotARule> {
        self.variable_reference(name).map_err(NotARule::Nginx)
    }

    fn regex(&mut self, pattern: &[u8]) -> Result<Regex, String> {
        self.regex(pattern)
    }

    fn warn(&mut self, message: String) {
        Config::warn(self, format_args!("{message}"));
    }
}

impl RuleRequest for Request<'_> {
    type Variable = Variable;
    type Regex = Regex;

    fn value(&self, variable: &Variable) -> &[u8] {
        self.variable(*variable).map_or(b"", Text::bytes)
    }

    fn matches(&self, regex: &Regex, text: &str) -> Result<bool, &'static str> {
        regex.matches(*self, text)
    }

    fn matches_pattern(
        &self,
        pattern: &[u8],
        text: &str,
    ) -> Result<Result<bool, &'static str>, String> {
        Request::matches_pattern(*self, pattern, text)
    }
}
