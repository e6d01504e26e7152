//! `auth_jwt_dpop_url`, `auth_jwt_dpop_algorithms` and `auth_jwt_dpop_nonce`: what a location requires
//! of the DPoP proof beside a token, and checking it.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use super::AuthJwt;
use super::proof_url::ProofUrl;
use crate::nginx::{Config, ConfigError, Failure, Request, Setting, Template, Text, Variable};
use crate::status::ZoneCounters;
use jose::DpopProof;
use policy::auth_jwt::bearer::AuthScheme;
use policy::auth_jwt::binding::BindingError;
use policy::auth_jwt::dpop::{
    ProofError, ProofTerms, ProvedRequest, check_accepted_proof, check_host, check_proof,
};
use policy::auth_jwt::mode::Outcome;
use policy::auth_jwt::proof_algorithms::ProofAlgorithms;
use policy::auth_jwt::rejection::{Challenge, Rejection};
use policy::counters::ZoneCounter;

/// The address that a client without a proxy has asked for.
const OWN_URL: &[u8] = b"$scheme://$http_host$request_uri";

/// What a level says.
#[derive(Default)]
pub(super) struct ProofRules {
    url: Setting<Rc<ProofUrl>>,
    algorithms: Setting<Rc<ProofAlgorithms>>,
    /// Whether proofs must have a nonce.
    nonce: Setting<bool>,
}

/// What a proof is compared with in each request.
pub(super) struct RequestValues {
    host: Variable,
    host_line: Variable,
    own_url: Template,
}

/// The token that a request presents.
#[derive(Clone, Copy)]
pub(super) struct SentToken<'a> {
    pub(super) text: &'a [u8],
    /// `None` if it is in a variable.
    pub(super) scheme: Option<AuthScheme>,
    pub(super) accepted_proof: &'a AcceptedProof,
    pub(super) counters: &'a ZoneCounters,
}

/// The DPoP proof that a request has had accepted. It is accepted again in a later location of the
/// same request, after an internal redirect.
#[derive(Default)]
pub(super) struct AcceptedProof {
    // perf: comparing the line is cheaper than hashing it, which each request would pay for.
    line: OnceCell<Box<[u8]>>,
    /// Whether a location that requires a nonce has accepted it.
    has_nonce: Cell<bool>,
}

impl RequestValues {
    /// Looks up the variables.
    pub(super) fn new(cf: &mut Config<'_>) -> Result<Self, ConfigError> {
        cf.main_conf::<AuthJwt>().dpop.set_used();
        Ok(Self {
            host: cf.variable(b"host")?,
            host_line: cf.variable(b"http_host")?,
            own_url: cf.template(OWN_URL)?,
        })
    }
}

impl ProofRules {
    /// Takes over the values that this level does not set.
    pub(super) fn inherit(&mut self, outer: &Self) {
        let Self {
            url,
            algorithms,
            nonce,
        } = self;
        url.inherit(&outer.url);
        algorithms.inherit(&outer.algorithms);
        nonce.inherit(&outer.nonce);
    }

    /// The argument of `auth_jwt_dpop_url`.
    pub(super) fn url(&self) -> Option<&ProofUrl> {
        self.url.get().map(|url| &**url)
    }

    /// The algorithms that proofs may have.
    pub(super) fn algorithms(&self) -> Rc<ProofAlgorithms> {
        self.algorithms.get().map(Rc::clone).unwrap_or_default()
    }

    /// Refuses a request without a proof that the client has the key with this thumbprint.
    pub(super) fn check(
        &self,
        request: Request<'_>,
        jkt: &[u8; 32],
        values: &RequestValues,
        sent: SentToken<'_>,
    ) -> Result<(), Rejection> {
        let refuse = |error: Option<ProofError>| match error {
            Some(error) => BindingError::from(error),
            None => BindingError::OtherKey,
        };
        let mut lines = request.headers().named(b"dpop");
        let line = match (lines.next(), lines.next()) {
            (None, _) => return Err(refuse(Some(ProofError::Missing)).into()),
            (Some(line), None) => line,
            (Some(_), Some(_)) => return Err(refuse(Some(ProofError::Several)).into()),
        };
        let proof = DpopProof::parse(&line).map_err(|error| refuse(Some(error.into())))?;
        let accepted = sent.accepted_proof;
        let is_accepted = accepted.line.get().is_some_and(|own| **own == *line);
        let used = &request.main_conf::<AuthJwt>().dpop;
        // A nonce may become too old while the request goes from one location to another.
        let nonces = match self.requires_nonce() && !(is_accepted && accepted.has_nonce.get()) {
            true => Some(used.nonces(request)?),
            false => None,
        };
        let terms = ProofTerms {
            token: sent.text,
            algorithms: self.algorithms.get().map(|algorithms| &**algorithms),
            nonces: nonces.as_deref().map(|nonces| &nonces.key),
            now: request.now(),
        };
        let needs_nonce = if is_accepted {
            check_accepted_proof(&proof, jkt, &terms).map_err(refuse)?
        } else {
            let url = match self.url.get() {
                Some(url) => url.evaluate(request)?,
                None => values.own_url.evaluate(request)?,
            };
            let variable = |name| request.variable(name).map_or(&[][..], Text::bytes);
            check_host(variable(values.host), variable(values.host_line))
                .map_err(BindingError::from)?;
            let proved = ProvedRequest {
                terms,
                method: request.original_method(),
                url: &url,
            };
            let fitting = check_proof(&proof, jkt, &proved).map_err(refuse)?;
            let noted = used.note_use(request, &fitting, nonces.as_deref());
            if noted == Err(ProofError::Replayed) {
                sent.counters.count(ZoneCounter::DPOP_REPLAY);
            }
            noted.map_err(BindingError::from)?;
            _ = accepted.line.set(line.bytes().into());
            fitting.needs_nonce
        };
        if let Some(nonces) = nonces {
            accepted.has_nonce.set(true);
            if needs_nonce {
                nonces.give_one(request)?;
            }
        }
        Ok(())
    }

    /// Gives a client that is refused the nonce that its next proof has to have. A client that would
    /// be refused in another mode gets it as well, if that is what it lacks: otherwise none could ever
    /// have one before the mode is changed.
    pub(super) fn give_nonce(
        &self,
        request: Request<'_>,
        outcome: Outcome,
        rejection: &Rejection,
    ) -> Result<(), Failure> {
        let response = rejection.response();
        let is_asked = match outcome {
            Outcome::Refuse => response.status == 401,
            Outcome::DeclineAndLog => response.challenge == Challenge::UseNonce,
            Outcome::Allow | Outcome::Decline => false,
        };
        if !is_asked || !self.requires_nonce() {
            return Ok(());
        }
        match request.main_conf::<AuthJwt>().dpop.nonces(request) {
            Ok(nonces) => nonces.give_one(request),
            Err(error) => {
                request.log().error(format_args!("auth_jwt: {error}"));
                Ok(())
            }
        }
    }

    /// `auth_jwt_dpop_url string`
    pub(super) fn read_url(&mut self, cf: &mut Config<'_>) -> Result<(), ConfigError> {
        self.url.set(Rc::new(ProofUrl::read(cf)?))
    }

    /// `auth_jwt_dpop_algorithms alg ...`
    pub(super) fn read_algorithms(&mut self, cf: &mut Config<'_>) -> Result<(), ConfigError> {
        let names = cf.args();
        let algorithms = ProofAlgorithms::parse(names.iter().map(|name| name.bytes()));
        let algorithms = algorithms.map_err(|(name, must)| cf.invalid_value(name, &must))?;
        self.algorithms.set(Rc::new(algorithms))
    }

    /// `auth_jwt_dpop_nonce on | off`
    pub(super) fn read_nonce(&mut self, cf: &mut Config<'_>) -> Result<(), ConfigError> {
        let is_on = cf.flag()?;
        if is_on {
            cf.main_conf::<AuthJwt>().dpop.set_nonces();
        }
        self.nonce.set(is_on)
    }

    fn requires_nonce(&self) -> bool {
        self.nonce.get().copied().unwrap_or(false)
    }
}
