//! The token of a client's request, for the handler and for variables.

use std::cell::{Cell, RefCell};

use super::AuthJwt;
use super::conf::TokenSource;
use crate::nginx::{Failure, Request, Text};
use jose::{Claims, Error, JoseHeader, Limits, Summary, TokenType, UnverifiedToken, VerifiedToken};
use policy::auth_jwt::bearer::{Presented, find_bearer_token};

/// What is known of the token of a client's request, whatever location the request is in.
#[derive(Default)]
pub struct ClientToken {
    /// The token that was parsed last, so that it is parsed once.
    parsed: RefCell<Option<UnverifiedToken>>,
    /// The text that was parsed last without success, and the type it was to be of. Many variables
    /// may ask for it.
    malformed: RefCell<Option<(Box<[u8]>, TokenType)>>,
    verified: RefCell<Option<VerifiedToken>>,
    verdict: Cell<Option<TokenVerdict>>,
}

/// What the handler decided last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenVerdict {
    Accepted,
    /// Refused, with this value of `$jwt_status`.
    Refused(&'static str),
}

/// A token in either state, for variables that have a value in both.
pub(super) enum AnyToken {
    Unverified(UnverifiedToken),
    Verified(VerifiedToken),
}

impl AnyToken {
    pub(super) fn header(&self) -> &JoseHeader {
        match self {
            Self::Unverified(token) => token.header(),
            Self::Verified(token) => token.header(),
        }
    }

    /// The claims, unless they are encrypted.
    pub(super) fn claims(&self) -> Option<&Claims> {
        match self {
            Self::Unverified(token) => token.claims(),
            Self::Verified(token) => Some(token.claims()),
        }
    }
}

impl ClientToken {
    /// Forgets what was found out in another location, where other rules hold.
    pub(super) fn reset(&self) {
        self.verified.replace(None);
        self.verdict.set(None);
    }

    pub(super) fn verdict(&self) -> Option<TokenVerdict> {
        self.verdict.get()
    }

    pub(super) fn set_verdict(&self, verdict: TokenVerdict) {
        self.verdict.set(Some(verdict));
    }

    pub(super) fn verified(&self) -> Option<VerifiedToken> {
        self.verified.borrow().clone()
    }

    pub(super) fn set_verified(&self, token: VerifiedToken) {
        self.verified.replace(Some(token));
    }

    /// Parses a token, unless it is the one that was parsed last.
    pub(super) fn parse(&self, text: &[u8], kind: TokenType) -> Result<UnverifiedToken, Error> {
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
    pub(super) fn summary(&self, presented: Presented<'_>) -> Summary {
        match (&*self.verified.borrow(), presented) {
            (Some(token), _) => token.summary(),
            (None, Presented::Token(text)) => Summary::of(text, &Limits::default()),
            (None, Presented::Nothing | Presented::Several) => Summary::default(),
        }
    }

    /// The parsed token, if it can be parsed. A text that cannot is parsed once, too.
    fn parse_for_variable(&self, text: &[u8], kind: TokenType) -> Option<UnverifiedToken> {
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

/// The token of a client's request: the verified one, or the one that the request has where its
/// location looks for it.
pub(super) fn token(request: Request<'_>) -> Result<Option<AnyToken>, Failure> {
    let client = request.client_context::<AuthJwt>()?;
    if let Some(token) = client.verified() {
        return Ok(Some(AnyToken::Verified(token)));
    }
    let request = request.main();
    let conf = request.location_conf::<AuthJwt>();
    let source = conf
        .auth_jwt
        .get()
        .map_or(TokenSource::Bearer, |setting| setting.token);
    Ok(match find_token(request, source) {
        Presented::Token(text) => client
            .parse_for_variable(text, conf.token_type())
            .map(AnyToken::Unverified),
        Presented::Nothing | Presented::Several => None,
    })
}

/// The text of the token that the request presents.
pub(super) fn find_token(request: Request<'_>, source: TokenSource) -> Presented<'_> {
    match source {
        TokenSource::Bearer => {
            let lines = request.headers().named(b"authorization");
            find_bearer_token(lines.map(Text::bytes))
        }
        TokenSource::Variable(variable) => match request.variable(variable).map(Text::bytes) {
            None | Some(b"") => Presented::Nothing,
            Some(token) => Presented::Token(token),
        },
    }
}
