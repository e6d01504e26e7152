//! The token of a client's request, for the handler and for variables.

use std::cell::{Cell, OnceCell, RefCell};
use std::ptr;
use std::rc::Rc;

use super::AuthJwt;
use super::conf::{AuthJwtSetting, LocationConf, TokenSource};
use super::proof_rules::AcceptedProof;
use super::remembered_token::RememberedToken;
use crate::nginx::{AccessProgress, BeforeLog, Failure, Request, Text};
use jose::{Claims, Error, JoseHeader, Limits, Summary, TokenType, UnverifiedToken, VerifiedToken};
use policy::auth_jwt::bearer::{self, AuthScheme, NoToken, Presented, find_token_in_value};
use policy::auth_jwt::jwt_status::JwtStatus;
use policy::auth_jwt::token_carrier::TokenCarrier;
use policy::auth_jwt::token_memo::TokenMemo;
use text::Quoted;

/// What is known of the token of a client's request, whatever location the request is in.
#[derive(Default)]
pub struct ClientToken {
    /// The token that was parsed last, so that it is parsed once.
    parsed: RefCell<Option<UnverifiedToken>>,
    /// The text that was parsed last without success, and the type it was to be of. Many variables
    /// may ask for it.
    // perf: boxed, as is what few requests have below, so that this structure is not larger than
    // what the compiler copies without a call: 30 instructions less for each request.
    malformed: RefCell<Option<Box<MalformedText>>>,
    verified: RefCell<Option<RememberedToken>>,
    verdict: Cell<Option<TokenVerdict>>,
    /// The address of the configuration of the location that has judged the request last.
    judged_by: Cell<Option<usize>>,
    /// Whether the request has ended, and nginx logs it.
    is_logged: Cell<bool>,
    seldom: OnceCell<Box<SeldomNeeded>>,
}

/// What few configurations need of a request.
#[derive(Default)]
struct SeldomNeeded {
    accepted_proof: AcceptedProof,
    /// What carries a token that must not go upstream, in all locations so far.
    carriers: RefCell<Vec<Rc<TokenCarrier>>>,
}

/// A text that is no token of this type.
type MalformedText = (Box<[u8]>, TokenType);

/// What the handler decided last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenVerdict {
    Accepted,
    /// Nobody has looked at the token, by `auth_jwt_mode`.
    Disabled,
    /// Refused, or let in without being accepted, with this value of `$jwt_status`.
    Refused(JwtStatus),
}

impl TokenVerdict {
    /// The value of `$jwt_status`.
    pub(super) fn jwt_status(self) -> JwtStatus {
        match self {
            Self::Accepted => JwtStatus::Ok,
            Self::Disabled => JwtStatus::Disabled,
            Self::Refused(status) => status,
        }
    }
}

/// A token in either state, for variables that have a value in both.
pub(super) enum AnyToken {
    Unverified(UnverifiedToken),
    Verified(VerifiedToken),
}

impl AnyToken {
    /// The header, of a nested token that of the JWS inside: `None` as long as it is encrypted.
    pub(super) fn header(&self) -> Option<&JoseHeader> {
        match self {
            Self::Unverified(token) if token.kind() == TokenType::Nested => None,
            Self::Unverified(token) => Some(token.header()),
            Self::Verified(token) => Some(token.header()),
        }
    }

    /// The header of the JWE around a nested token.
    pub(super) fn outer_header(&self) -> Option<&JoseHeader> {
        match self {
            Self::Unverified(token) if token.kind() == TokenType::Nested => Some(token.header()),
            Self::Unverified(_) => None,
            Self::Verified(token) => token.outer_header(),
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
    /// Forgets what was found out in another location, where other rules hold, and notes in which
    /// one the request is judged now.
    pub(super) fn reset(&self, conf: &LocationConf) {
        self.verified.replace(None);
        self.verdict.set(None);
        self.judged_by.set(Some(ptr::from_ref(conf).addr()));
    }

    /// Notes what carries a token that must not go upstream.
    pub(super) fn note_carrier(&self, carrier: &Rc<TokenCarrier>) {
        let mut carriers = self.seldom().carriers.borrow_mut();
        if !carriers.contains(carrier) {
            carriers.push(Rc::clone(carrier));
        }
    }

    pub(super) fn accepted_proof(&self) -> &AcceptedProof {
        &self.seldom().accepted_proof
    }

    pub(super) fn carriers(&self) -> Vec<Rc<TokenCarrier>> {
        let seldom = self.seldom.get();
        seldom.map_or_else(Vec::new, |seldom| seldom.carriers.borrow().clone())
    }

    fn seldom(&self) -> &SeldomNeeded {
        self.seldom.get_or_init(Box::default)
    }

    /// Whether the verdict is that of this location.
    pub(super) fn is_judged_by(&self, conf: &LocationConf) -> bool {
        self.verdict.get().is_some() && self.judged_by.get() == Some(ptr::from_ref(conf).addr())
    }

    /// Whether the handler waits for keys, maybe in the preaccess phase.
    fn is_being_judged(&self) -> bool {
        self.verdict.get().is_none() && self.judged_by.get().is_some()
    }

    pub(super) fn verdict(&self) -> Option<TokenVerdict> {
        self.verdict.get()
    }

    pub(super) fn set_verdict(&self, verdict: TokenVerdict) {
        self.verdict.set(Some(verdict));
    }

    /// Whether variables may speak of the verified token.
    fn may_speak(&self) -> bool {
        !self.is_not_accepted() || self.is_logged.get()
    }

    /// Whether the request was judged, and the token not accepted.
    fn is_not_accepted(&self) -> bool {
        matches!(
            self.verdict.get(),
            Some(TokenVerdict::Refused(_) | TokenVerdict::Disabled)
        )
    }

    pub(super) fn set_verified(&self, token: VerifiedToken, memo: Option<Rc<TokenMemo>>) {
        self.verified.replace(Some((token, memo)));
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
            (Some((token, _)), _) => token.summary(),
            (None, Presented::Token(text)) => Summary::of(text, &Limits::default()),
            (None, Presented::Nothing | Presented::Several) => Summary::default(),
        }
    }

    /// The parsed token, if it can be parsed. A text that cannot is parsed once, too.
    fn parse_for_variable(&self, text: &[u8], kind: TokenType) -> Option<UnverifiedToken> {
        let mut malformed = self.malformed.borrow_mut();
        if let Some((last, last_kind)) = malformed.as_deref()
            && **last == *text
            && *last_kind == kind
        {
            return None;
        }
        let token = self.parse(text, kind);
        if token.is_err() {
            *malformed = Some(Box::new((text.into(), kind)));
        }
        token.ok()
    }
}

impl BeforeLog for AuthJwt {
    fn before_log(request: Request<'_>) -> Result<(), Failure> {
        // The log of a subrequest comes before the end of the client's request, which shares the
        // cached values of variables with it.
        if request.main_conf::<Self>().changes_headers.get() {
            request.forget_values_of_subrequests();
        }
        if request.is_main() && request.uses_variables_of::<Self>() {
            request.client_context::<Self>()?.is_logged.set(true);
            // Those that were evaluated for an upstream may have been empty.
            request.forget_variables_of::<Self>();
        }
        Ok(())
    }
}

/// The token of a client's request that was verified, unless the request was refused for another
/// reason, such as auth_jwt_require. The log tells of it even then.
pub(super) fn verified_token(request: Request<'_>) -> Result<Option<VerifiedToken>, Failure> {
    let client = request.client_context::<AuthJwt>()?;
    let verified = client.verified.borrow();
    let verified = verified.as_ref().filter(|_| client.may_speak());
    Ok(verified.map(|(token, _)| token.clone()))
}

/// The same, with what is remembered of it.
pub(super) fn remembered_token(request: Request<'_>) -> Result<Option<RememberedToken>, Failure> {
    let client = request.client_context::<AuthJwt>()?;
    let verified = client.verified.borrow();
    Ok(verified.as_ref().filter(|_| client.may_speak()).cloned())
}

/// The token that variables speak of: the verified one, or where [`may_be_unverified`] allows it
/// the one that the request presents where its location looks for it.
pub(super) fn token(request: Request<'_>) -> Result<Option<AnyToken>, Failure> {
    if let Some(token) = verified_token(request)? {
        return Ok(Some(AnyToken::Verified(token)));
    }
    let client = request.client_context::<AuthJwt>()?;
    if !may_be_unverified(request, client) {
        return Ok(None);
    }
    let conf = match request.location_conf::<AuthJwt>() {
        conf if conf.shows_unverified() => conf,
        _ => request.main().location_conf::<AuthJwt>(),
    };
    Ok(match find_token(request.main(), conf) {
        Presented::Token(text) => client
            .parse_for_variable(text, conf.token_type())
            .map(AnyToken::Unverified),
        // It was taken out of the request on the way upstream.
        Presented::Nothing if client.is_logged.get() && !client.carriers().is_empty() => {
            client.parsed.borrow().clone().map(AnyToken::Unverified)
        }
        Presented::Nothing | Presented::Several => None,
    })
}

/// Whether variables may speak of a token that nobody has verified: in the log, where the
/// configuration says so, and as long as the request is still to be judged. After that they would
/// tell an upstream an identity that anybody can write. While the handler waits for keys, the only
/// subrequests are those that fetch them, and their location may depend on the token.
fn may_be_unverified(request: Request<'_>, client: &ClientToken) -> bool {
    if client.is_logged.get() || request.location_conf::<AuthJwt>().shows_unverified() {
        return true;
    }
    !client.is_not_accepted()
        && match request.access_progress::<AuthJwt>() {
            AccessProgress::Before => request.is_main() || client.is_being_judged(),
            AccessProgress::During => true,
            AccessProgress::Over => false,
        }
}

/// Parses the token before it is taken out of the request on the way upstream, for the log.
pub(super) fn parse_for_log(request: Request<'_>) -> Result<(), Failure> {
    let client = request.client_context::<AuthJwt>()?;
    let conf = request.location_conf::<AuthJwt>();
    if client.verified.borrow().is_none()
        && let Presented::Token(text) = find_token(request, conf)
    {
        client.parse_for_variable(text, conf.token_type());
    }
    Ok(())
}

/// The text of the token that the request presents.
pub(super) fn find_token<'r>(request: Request<'r>, conf: &LocationConf) -> Presented<'r> {
    match conf.token_source() {
        TokenSource::Bearer => {
            let lines = request.headers().named(b"authorization");
            let lines = lines.map(Text::bytes);
            bearer::find_token(lines, conf.token_rules.binding.has_proofs())
        }
        TokenSource::Variable(variable) => match request.variable(variable) {
            Some(value) if !value.is_empty() => find_token_in_value(value.bytes()),
            _ => match conf.strip.removed_token(request) {
                Some(value) => find_token_in_value(value),
                None => Presented::Nothing,
            },
        },
    }
}

/// The scheme of the token that [`find_token`] finds. `None` if it is in a variable.
pub(super) fn scheme(request: Request<'_>, conf: &LocationConf) -> Option<AuthScheme> {
    match conf.token_source() {
        TokenSource::Variable(_) => None,
        TokenSource::Bearer => {
            let mut lines = request.headers().named(b"authorization");
            lines.next().and_then(|line| AuthScheme::of(&line))
        }
    }
}

/// What there is in a request where [`find_token`] finds none.
pub(super) fn no_token(request: Request<'_>, setting: &AuthJwtSetting) -> NoToken {
    if let Some(name) = &setting.token_variable {
        return NoToken::EmptyVariable(Quoted::whole(&**name));
    }
    let authorization = request.headers().named(b"authorization").next();
    let lines = request
        .headers()
        .map(|(name, value)| (name.bytes(), value.bytes()));
    let others = lines.filter(|(name, _)| !name.eq_ignore_ascii_case(b"cookie"));
    NoToken::in_header(authorization.map(Text::bytes), others)
}
