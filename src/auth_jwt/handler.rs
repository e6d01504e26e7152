//! Decides whether a request is served.

use std::fmt::Display;
use std::rc::Rc;

use text::{Quoted, is_quotable};

use super::AuthJwt;
use super::authenticate::{authenticate, lookup_cached};
use super::client::{ClientToken, TokenVerdict, find_token, no_token, remembered_token, scheme};
use super::conf::{ChallengeSetting, LocationConf, ModeSetting};
use super::fetch;
use super::issued_token;
use super::issuer::Issuer;
use super::main_conf::MainConf;
use super::proof_rules::SentToken;
use crate::nginx::{
    Access, AccessHandler, Failure, PreaccessHandler, Request, Severity, Status, Template,
};
use crate::require::Unmet;
use jose::AuthenticToken;
use policy::auth_jwt::bearer::Presented;
use policy::auth_jwt::jwt_status::JwtStatus;
use policy::auth_jwt::mode::{Mode, Outcome};
use policy::auth_jwt::rejection::{Challenge, LogLine, RefusalResponse, Rejection, push_attribute};
use policy::auth_jwt::token_memo::TokenMemo;
use policy::counters::{TokenResult, ZoneCounter};
use policy::log_level::LogLevel;

impl AccessHandler for AuthJwt {
    fn access<'r>(request: Request<'r>, conf: &LocationConf) -> Result<Access<'r>, Failure> {
        // A location that judges in the preaccess phase has done so by now. If another module kept
        // nginx from calling the handler there, the request is judged here.
        if conf.is_preaccess() && request.client_context::<Self>()?.is_judged_by(conf) {
            return Ok(Access::Decline);
        }
        if !conf.upstream_headers.reserve_any() {
            return judge(request, conf);
        }
        let access = judge(request, conf)?;
        if !matches!(access, Access::Wait) {
            let token = remembered_token(request)?;
            conf.upstream_headers
                .update(request, token.as_ref(), &conf.strip)?;
        }
        Ok(access)
    }

    fn forget_caches(conf: &MainConf) {
        conf.forget_caches();
    }

    fn give_up(request: Request<'_>) {
        fetch::give_up(request);
    }
}

impl PreaccessHandler for AuthJwt {
    fn preaccess<'r>(request: Request<'r>, conf: &LocationConf) -> Result<Access<'r>, Failure> {
        match conf.is_preaccess() {
            true => {
                // What an earlier location has hidden from upstreams may carry the token.
                request.take_back_upstream_lines::<Self>()?;
                judge(request, conf)
            }
            false => Ok(Access::Decline),
        }
    }
}

/// Decides whether the request is served, and says why not.
fn judge<'r>(request: Request<'r>, conf: &LocationConf) -> Result<Access<'r>, Failure> {
    let Some(setting) = conf.auth_jwt.get() else {
        return Ok(Access::Decline);
    };
    let Some(realm) = &setting.realm else {
        return Ok(Access::Decline);
    };
    let client = request.client_context::<AuthJwt>()?;
    client.reset(conf);
    let presented = find_token(request, conf);
    let judged = match mode(request, conf) {
        Ok(Mode::Off) => {
            client.set_verdict(TokenVerdict::Disabled);
            conf.counters
                .count(ZoneCounter::token(JwtStatus::Disabled, TokenResult::Passed));
            return Ok(Access::Decline);
        }
        Ok(mode) => (mode, decide(request, conf, presented, client)),
        Err(rejection) => (Mode::Required, Err(rejection)),
    };
    let (mode, rejection) = match judged {
        (_, Ok(None)) => return Ok(Access::Wait),
        (mode, Ok(Some(()))) => (mode, None),
        (mode, Err(rejection)) => (mode, Some(rejection)),
    };
    let verdict = match &rejection {
        None => TokenVerdict::Accepted,
        Some(rejection) => TokenVerdict::Refused(rejection.response().jwt_status),
    };
    client.set_verdict(verdict);
    let outcome = mode.outcome(rejection.as_ref());
    let result = match (&rejection, outcome) {
        (None, _) => TokenResult::Accepted,
        (Some(_), Outcome::Refuse) => TokenResult::Refused,
        (Some(_), Outcome::Allow | Outcome::Decline | Outcome::DeclineAndLog) => {
            TokenResult::Passed
        }
    };
    conf.counters
        .count(ZoneCounter::token(verdict.jwt_status(), result));
    if let Some(rejection) = &rejection {
        let line = LogLine {
            rejection,
            presented,
            summarize: || client.summary(presented),
            no_token: || no_token(request, setting),
        };
        log(request, conf, outcome, rejection, line);
        conf.token_rules
            .binding
            .give_nonce(request, outcome, rejection)?;
    }
    match (outcome, rejection) {
        (Outcome::Allow, None) => Ok(Access::Allow),
        (Outcome::Decline | Outcome::DeclineAndLog, _) => Ok(Access::Decline),
        (_, Some(rejection)) => refuse(request, conf, realm, rejection.response()),
        (Outcome::Refuse, None) => Err(Failure::Inconsistent),
    }
}

/// The mode that holds for this request.
fn mode(request: Request<'_>, conf: &LocationConf) -> Result<Mode, Rejection> {
    match conf.mode.get() {
        None => Ok(Mode::default()),
        Some(ModeSetting::Constant(mode)) => Ok(*mode),
        Some(ModeSetting::PerRequest(template)) => {
            let name = template.evaluate(request)?;
            Mode::parse(&name).ok_or_else(|| Rejection::Mode(Quoted::new(name)))
        }
    }
}

/// Writes why a request is refused, or would be in another mode.
fn log(
    request: Request<'_>,
    conf: &LocationConf,
    outcome: Outcome,
    rejection: &Rejection,
    line: impl Display,
) {
    let prefix = match outcome {
        Outcome::Allow | Outcome::Decline => return,
        Outcome::DeclineAndLog => "would refuse: ",
        Outcome::Refuse => "",
    };
    let severity = match rejection.response().log_level {
        LogLevel::Info => conf.log_level(),
        LogLevel::Error => Severity::Error,
    };
    request
        .log()
        .at(severity, format_args!("auth_jwt: {prefix}{line}"));
}

/// Accepts the request, or gives `None` if it has to wait for keys.
fn decide(
    request: Request<'_>,
    conf: &LocationConf,
    presented: Presented<'_>,
    client: &ClientToken,
) -> Result<Option<()>, Rejection> {
    if conf.lacks_key_sources() {
        return Err(Rejection::NoKeySource);
    }
    let text = match presented {
        Presented::Token(text) => text,
        Presented::Nothing => return Err(Rejection::Missing),
        Presented::Several => return Err(Rejection::SeveralTokens),
    };
    let (token, issuer, memo) = match &conf.trusted {
        None => match lookup_cached(request, conf, text) {
            Some((token, memo)) => (Some(token), None, memo),
            None => (authenticate(request, conf, text, client)?, None, None),
        },
        Some(trusted) => match issued_token::lookup_cached(request, conf, trusted, text) {
            Some(((token, issuer), memo)) => (Some(token), Some(issuer), memo),
            None => {
                let issued = issued_token::authenticate(request, conf, trusted, text, client)?;
                let (token, issuer) = issued.unzip();
                (token, issuer, None)
            }
        },
    };
    match token {
        Some(token) => check_policy(request, conf, text, token, issuer, memo, client).map(Some),
        None => Ok(None),
    }
}

/// Checks what holds for each request anew: the times in the claims, what the issuer's block and
/// the location require, and `auth_jwt_require`.
fn check_policy(
    request: Request<'_>,
    conf: &LocationConf,
    text: &[u8],
    token: AuthenticToken,
    issuer: Option<&Issuer>,
    memo: Option<Rc<TokenMemo>>,
    client: &ClientToken,
) -> Result<(), Rejection> {
    let rules = &conf.token_rules;
    let (leeway, issuer_has_checks) = match issuer {
        None => (conf.leeway(), false),
        Some(issuer) => (issuer.leeway(conf.leeway()), issuer.has_checks()),
    };
    if rules.is_any() || issuer_has_checks {
        if token.readable_claims().is_none() {
            // The algorithm of an encrypted token is checked before its times, as it is before
            // there are keys: a token out of the cache is refused for the same reason as any other.
            rules.check_without_keys(request, token.header(), None, leeway)?;
        }
        let token = token.valid_at(request.now(), leeway)?;
        // The variables in rules and the log line are about this token.
        client.set_verified(token.clone(), memo.clone());
        let sent = || SentToken {
            text,
            scheme: scheme(request, conf),
            accepted_proof: client.accepted_proof(),
            counters: &conf.counters,
        };
        rules.check(request, &token, issuer, memo.as_deref(), leeway, sent)?;
    } else {
        client.set_verified(token.valid_at(request.now(), leeway)?, memo);
    }
    for requirement in conf.requirements.iter() {
        if let Some(Unmet { value, status }) = requirement.unmet(request)? {
            return Err(Rejection::Requirement {
                value,
                status: status.0,
            });
        }
    }
    Ok(())
}

fn refuse<'r>(
    request: Request<'r>,
    conf: &LocationConf,
    realm: &Template,
    response: RefusalResponse<'_>,
) -> Result<Access<'r>, Failure> {
    let attributes = match conf.challenge.get() {
        None => Some(&[] as &[_]),
        Some(ChallengeSetting::Attributes(attributes)) => Some(&**attributes),
        Some(ChallengeSetting::Off) => None,
    };
    if response.challenge != Challenge::None
        && let Some(attributes) = attributes
    {
        let realm = realm.evaluate(request)?;
        if !is_quotable(&realm) {
            request.log().warn(format_args!(
                "auth_jwt: control character in realm {}; sending an empty realm",
                Quoted::new(realm)
            ));
        }
        let binding = &conf.token_rules.binding;
        let algorithms = || binding.proofs.algorithms().names();
        for scheme in binding.challenges() {
            let Some(mut value) = response.challenge.value(*scheme, &realm, algorithms) else {
                continue;
            };
            for (name, template) in attributes {
                if response.challenge.has(*scheme, name) {
                    continue;
                }
                add_attribute(request, &mut value, name, template)?;
            }
            request.add_challenge(request.copy(&value)?)?;
        }
    }
    Ok(Access::Refuse(Status(response.status)))
}

/// Adds an attribute of `auth_jwt_challenge`, unless its value is empty or cannot be quoted.
fn add_attribute(
    request: Request<'_>,
    challenge: &mut Vec<u8>,
    name: &[u8],
    template: &Template,
) -> Result<(), Failure> {
    let value = template.evaluate(request)?;
    if !is_quotable(&value) {
        request.log().warn(format_args!(
            "auth_jwt: control character in the value {} of {} of the challenge; leaving it out",
            Quoted::new(value),
            Quoted::new(name)
        ));
    } else if !value.is_empty() {
        push_attribute(challenge, name, &value);
    }
    Ok(())
}
