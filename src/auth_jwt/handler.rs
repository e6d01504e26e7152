//! Finds the token of a request, and judges it.

use std::cell::{Cell, RefCell};
use text::{Quoted, is_quotable};

use super::AuthJwt;
use super::conf::{LocationConf, TokenSource};
use super::fetch::{self, Keys};
use crate::nginx::{Access, AccessHandler, Failure, Request, Status, Template, Text};
use crate::require::Unmet;
use jose::{
    AuthenticToken, Claims, Error, ErrorKind, JoseHeader, KeySet, Limits, Summary, TokenType,
    UnverifiedToken, VerifiedToken,
};
use policy::auth_jwt::bearer::{Presented, bearer};
use policy::auth_jwt::rejection::{Challenge, Fault, LogLine, Rejection};

/// What is known of the token of a client's request, for its variables.
#[derive(Default)]
pub struct Client {
    /// The token that was last found in the request, so that it is parsed once.
    parsed: RefCell<Option<UnverifiedToken>>,
    /// Likewise what was last found in its place and is no token.
    malformed: RefCell<Option<(Box<[u8]>, TokenType)>>,
    verified: RefCell<Option<VerifiedToken>>,
    verdict: Cell<Option<Verdict>>,
}

/// How a request was judged last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Accepted,
    /// The text of `$jwt_status`.
    Refused(&'static str),
}

/// The token of a request as far as it is known.
pub(super) enum Token {
    Unverified(UnverifiedToken),
    Verified(VerifiedToken),
}

impl Token {
    pub(super) fn header(&self) -> &JoseHeader {
        match self {
            Self::Unverified(token) => token.header(),
            Self::Verified(token) => token.header(),
        }
    }

    pub(super) fn claims(&self) -> Option<&Claims> {
        match self {
            Self::Unverified(token) => token.claims(),
            Self::Verified(token) => Some(token.claims()),
        }
    }
}

impl Client {
    pub(super) fn verdict(&self) -> Option<Verdict> {
        self.verdict.get()
    }

    pub(super) fn verified(&self) -> Option<VerifiedToken> {
        self.verified.borrow().clone()
    }

    /// Parses a token, unless it is the one that was parsed before.
    fn parse(&self, text: &[u8], kind: TokenType) -> Result<UnverifiedToken, Error> {
        let mut parsed = self.parsed.borrow_mut();
        if let Some(token) = &*parsed
            && *token.text() == *text
            && token.kind() == kind
        {
            return Ok(token.clone());
        }
        let token = UnverifiedToken::parse(text, kind, &Limits::default())?;
        Ok(parsed.insert(token).clone())
    }

    /// What a log line says about the token.
    fn summary(&self, presented: Presented<'_>) -> Summary {
        match (&*self.verified.borrow(), presented) {
            (Some(token), _) => token.summary(),
            (None, Presented::Token(text)) => Summary::of(text, &Limits::default()),
            (None, Presented::Nothing | Presented::Several) => Summary::default(),
        }
    }

    /// The token for variables: of those there may be many.
    fn peek(&self, text: &[u8], kind: TokenType) -> Option<UnverifiedToken> {
        let mut malformed = self.malformed.borrow_mut();
        if let Some((last, last_kind)) = &*malformed
            && **last == *text
            && *last_kind == kind
        {
            return None;
        }
        let token = self.parse(text, kind);
        if token.is_err() {
            *malformed = Some((text.into(), kind));
        }
        token.ok()
    }
}

impl AccessHandler for AuthJwt {
    fn access<'r>(request: Request<'r>, conf: &LocationConf) -> Result<Access<'r>, Failure> {
        let Some(protection) = conf.protection.get() else {
            return Ok(Access::Decline);
        };
        let Some(realm) = &protection.realm else {
            return Ok(Access::Decline);
        };
        let client = request.client_context::<Self>()?;
        // What was found out in another location does not count here.
        client.verified.replace(None);
        client.verdict.set(None);
        let presented = find(request, protection.token);
        match judge(request, conf, presented, client) {
            Ok(None) => Ok(Access::Wait),
            Ok(Some(())) => {
                client.verdict.set(Some(Verdict::Accepted));
                Ok(Access::Allow)
            }
            Err(rejection) => {
                let verdict = Verdict::Refused(rejection.status_text());
                client.verdict.set(Some(verdict));
                refuse(request, realm, &rejection, || client.summary(presented))
            }
        }
    }
}

/// The token of a client's request: verified, or as the location that the request is in finds it.
pub(super) fn token(request: Request<'_>) -> Result<Option<Token>, Failure> {
    let client = request.client_context::<AuthJwt>()?;
    if let Some(token) = client.verified() {
        return Ok(Some(Token::Verified(token)));
    }
    let request = request.main();
    let conf = request.location_conf::<AuthJwt>();
    let source = conf
        .protection
        .get()
        .map_or(TokenSource::Bearer, |protection| protection.token);
    Ok(match find(request, source) {
        Presented::Token(text) => client.peek(text, conf.token_type()).map(Token::Unverified),
        Presented::Nothing | Presented::Several => None,
    })
}

/// None: the request has to wait for keys.
fn judge(
    request: Request<'_>,
    conf: &LocationConf,
    presented: Presented<'_>,
    client: &Client,
) -> Result<Option<()>, Rejection> {
    if conf.key_sources.is_empty() && !conf.needs_no_keys() {
        return Err(Rejection::NoKeySource);
    }
    let text = match presented {
        Presented::Token(text) => text,
        Presented::Nothing => return Err(Rejection::Missing),
        Presented::Several => return Err(Rejection::SeveralTokens),
    };
    let token = match recall(request, conf, text) {
        None => authenticate(request, conf, text, client)?,
        token => token,
    };
    match token {
        Some(token) => admit(request, conf, token, client).map(Some),
        None => Ok(None),
    }
}

/// What [`authenticate`] would say, for a token that is known and keys that are at hand: that is most requests.
fn recall(request: Request<'_>, conf: &LocationConf, text: &[u8]) -> Option<AuthenticToken> {
    if conf.needs_no_keys() {
        return None;
    }
    let mut cache = request.main_conf::<AuthJwt>().token_cache()?.borrow_mut();
    let known = cache.find(text, conf.terms())?;
    let token = known.authentic(&fetch::at_hand(request, conf)?)?;
    request.log().debug(format_args!("auth_jwt: known token"));
    Some(token)
}

/// Whose token it is, as far as the keys in force can tell, by what is known of it or by its signature. What the answer
/// depends on is in [`Terms`](super::cache::Terms) and in the keys. All other questions are for [`admit`].
#[inline(never)]
fn authenticate(
    request: Request<'_>,
    conf: &LocationConf,
    text: &[u8],
    client: &Client,
) -> Result<Option<AuthenticToken>, Rejection> {
    let (terms, leeway) = (conf.terms(), conf.leeway());
    let cache = request.main_conf::<AuthJwt>().token_cache();
    let known = cache.and_then(|cache| Some(cache.borrow_mut().find(text, terms)?.token()));
    // Nobody is asked for keys for a token that is refused without. Once somebody was, others may wait for the answer.
    if request.context::<AuthJwt>().is_none() {
        match &known {
            Some(token) => token.check_without_keys(request.now(), leeway)?,
            None => {
                let token = client.parse(text, terms.kind)?;
                token.check_without_keys(request.now(), leeway)?;
            }
        }
    }
    loop {
        let Some(keys) = keys(request, conf)? else {
            return Ok(None);
        };
        let known = known.as_ref().and(cache);
        let known = known.and_then(|it| it.borrow_mut().find_with(text, terms, &keys.set));
        if known.is_some() {
            request.log().debug(format_args!("auth_jwt: known token"));
            return Ok(known);
        }
        let unverified = client.parse(text, terms.kind)?;
        match unverified.authenticate(&keys.set, terms.check) {
            Ok(token) => {
                if let Some(cache) = cache.filter(|_| keys.are_shared) {
                    cache.borrow_mut().keep(terms, &keys.set, &token);
                }
                return Ok(Some(token));
            }
            Err(error)
                if error.kind() == ErrorKind::UnknownKey && fetch::refresh(request, conf)? => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn keys(request: Request<'_>, conf: &LocationConf) -> Result<Option<Keys>, Rejection> {
    match conf.needs_no_keys() {
        true => Ok(Some(Keys {
            set: KeySet::default(),
            are_shared: true,
        })),
        false => fetch::keys(request, conf),
    }
}

/// What every token has to pass for every request, however it is known whose it is.
fn admit(
    request: Request<'_>,
    conf: &LocationConf,
    token: AuthenticToken,
    client: &Client,
) -> Result<(), Rejection> {
    let verified = token.valid_at(request.now(), conf.leeway())?;
    client.verified.replace(Some(verified));
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

fn find(request: Request<'_>, source: TokenSource) -> Presented<'_> {
    match source {
        TokenSource::Bearer => {
            let lines = request.headers().named(b"authorization");
            bearer(lines.map(Text::bytes))
        }
        TokenSource::Variable(variable) => match request.variable(variable).map(Text::bytes) {
            None | Some(b"") => Presented::Nothing,
            Some(token) => Presented::Token(token),
        },
    }
}

fn refuse<'r>(
    request: Request<'r>,
    realm: &Template,
    rejection: &Rejection,
    token: impl Fn() -> Summary,
) -> Result<Access<'r>, Failure> {
    let consequence = rejection.consequence();
    let line = LogLine { rejection, token };
    match consequence.fault {
        Fault::Client => request.log().info(format_args!("auth_jwt: {line}")),
        Fault::Server => request.log().error(format_args!("auth_jwt: {line}")),
    }
    if consequence.challenge != Challenge::None {
        let realm = realm.evaluate(request)?;
        if !is_quotable(&realm) {
            request.log().warn(format_args!(
                "auth_jwt: control character in realm {}: the challenge has none",
                Quoted::new(&realm)
            ));
        }
        if let Some(value) = consequence.challenge.value(&realm) {
            request.add_challenge(request.copy(&value)?)?;
        }
    }
    Ok(Access::Refuse(Status(consequence.status)))
}
