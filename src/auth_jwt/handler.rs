//! Finds the token of a request, and judges it.

use std::cell::{Cell, RefCell};

use super::AuthJwt;
use super::conf::{LocationConf, Protection, TokenSource};
use super::fetch::Gathering;
use super::rejection::{Challenge, Fault, Rejection, is_realm};
use super::token::{Presented, bearer};
use crate::jose::{
    Claims, Error, ErrorKind, Header, KeySet, Limits, Summary, TokenType, UnverifiedToken,
    VerifiedToken,
};
use crate::nginx::{Access, AccessHandler, Escaped, Failure, Request, Status, Template, Text};

/// What is known of the token of a client's request, for its variables.
#[derive(Default)]
pub struct Client {
    parsed: RefCell<Option<Parsed>>,
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

/// The token that was last found in the request, so that it is parsed once.
struct Parsed {
    text: Box<[u8]>,
    kind: TokenType,
    token: Result<UnverifiedToken, Error>,
}

/// The token of a request as far as it is known.
pub(super) enum Token {
    Unverified(UnverifiedToken),
    Verified(VerifiedToken),
}

impl Token {
    pub(super) fn header(&self) -> &Header {
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
        if let Some(parsed) = &*parsed
            && *parsed.text == *text
            && parsed.kind == kind
        {
            return parsed.token.clone();
        }
        let token = UnverifiedToken::parse(text, kind, &Limits::default());
        *parsed = Some(Parsed {
            text: text.into(),
            kind,
            token: token.clone(),
        });
        token
    }
}

impl AccessHandler for AuthJwt {
    fn access<'r>(request: Request<'r>, conf: &LocationConf) -> Result<Access<'r>, Failure> {
        let Some(Protection {
            realm: Some(realm),
            token,
            ..
        }) = conf.protection.get()
        else {
            return Ok(Access::Decline);
        };
        let client = request.client_context::<Self>()?;
        match judge(request, conf, *token, client) {
            Ok(None) => Ok(Access::Wait),
            Ok(Some(())) => {
                client.verdict.set(Some(Verdict::Accepted));
                Ok(Access::Allow)
            }
            Err(rejection) => {
                client
                    .verdict
                    .set(Some(Verdict::Refused(rejection.status_text())));
                refuse(request, realm, &rejection)
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
        Presented::Token(text) => client
            .parse(text, conf.token_type())
            .ok()
            .map(Token::Unverified),
        Presented::Nothing | Presented::Several => None,
    })
}

/// None: the request has to wait for keys.
fn judge(
    request: Request<'_>,
    conf: &LocationConf,
    source: TokenSource,
    client: &Client,
) -> Result<Option<()>, Rejection> {
    // What was found out in another location does not count here.
    client.verified.replace(None);
    client.verdict.set(None);
    if conf.key_sources.is_empty() && !conf.needs_no_keys() {
        return Err(Rejection::NoKeySource);
    }
    let text = match find(request, source) {
        Presented::Token(text) => text,
        Presented::Nothing => return Err(Rejection::Missing),
        Presented::Several => return Err(Rejection::SeveralTokens),
    };
    let token = client
        .parse(text, conf.token_type())
        .map_err(|error| Rejection::Token {
            error,
            token: Box::new(Summary::of(text, &Limits::default())),
        })?;
    let Some(verified) = verify(request, conf, &token)? else {
        return Ok(None);
    };
    client.verified.replace(Some(verified.clone()));
    conf.requirements
        .iter()
        .try_for_each(|requirement| requirement.check(request, &verified))?;
    Ok(Some(()))
}

fn verify(
    request: Request<'_>,
    conf: &LocationConf,
    token: &UnverifiedToken,
) -> Result<Option<VerifiedToken>, Rejection> {
    let leeway = conf.leeway.get().copied().unwrap_or_default();
    let now = request.now();
    let refused = |error| Rejection::Token {
        error,
        token: Box::new(token.summary()),
    };
    if conf.needs_no_keys() {
        let no_keys = KeySet::merge([]);
        return token
            .believe(&no_keys, now, leeway)
            .map(Some)
            .map_err(refused);
    }
    let gathering = request.context_or_new::<AuthJwt>(Gathering::default)?;
    loop {
        let Some(keys) = gathering.keys(request, conf)? else {
            return Ok(None);
        };
        let verified = match conf.verifies_signature() {
            true => token.verify(&keys, now, leeway),
            false => token.believe(&keys, now, leeway),
        };
        match verified {
            Ok(verified) => return Ok(Some(verified)),
            Err(error)
                if error.kind() == ErrorKind::UnknownKey && gathering.refresh(request, conf) => {}
            Err(error) => return Err(refused(error)),
        }
    }
}

fn find(request: Request<'_>, source: TokenSource) -> Presented<'_> {
    match source {
        TokenSource::Bearer => {
            let is_authorization = |name: Text<'_>| name.eq_ignore_ascii_case(b"authorization");
            let lines = request
                .headers()
                .filter(|(name, _)| is_authorization(*name));
            bearer(lines.map(|(_, value)| value.bytes()))
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
) -> Result<Access<'r>, Failure> {
    let consequence = rejection.consequence();
    match consequence.fault {
        Fault::Client => request.log().info(format_args!("auth_jwt: {rejection}")),
        Fault::Server => request.log().error(format_args!("auth_jwt: {rejection}")),
    }
    if consequence.challenge != Challenge::None {
        let realm = realm.evaluate(request)?;
        if !is_realm(&realm) {
            request.log().warn(format_args!(
                "auth_jwt: control character in realm {}: the challenge has none",
                Escaped(&realm)
            ));
        }
        if let Some(value) = consequence.challenge.value(&realm) {
            request.add_challenge(request.copy(&value)?)?;
        }
    }
    Ok(Access::Refuse(Status(consequence.status)))
}
