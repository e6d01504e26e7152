//! `auth_jwt_binding`: a token that is bound to a client's certificate or key is accepted from that
//! client only.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use openssl::sha::sha256;

use super::AuthJwt;
use super::used_proofs::Nonces;
use crate::nginx::{Config, ConfigError, Failure, Request, Setting, Template, Text, Variable};
use jose::{DpopProof, VerifiedToken};
use policy::auth_jwt::bearer::AuthScheme;
use policy::auth_jwt::binding::{BindingError, BindingKind, BindingRule};
use policy::auth_jwt::dpop::{
    FittingProof, ProofError, ProvedRequest, check_accepted_proof, check_proof,
};
use policy::auth_jwt::dpop_nonce::check_nonce;
use policy::auth_jwt::mode::Outcome;
use policy::auth_jwt::rejection::{Challenge, Rejection};
use text::Quoted;

/// Where nginx has the certificate of a client that it speaks TLS with.
const OWN_CERTIFICATE: &[u8] = b"$ssl_client_raw_cert";

/// The address that a client without a proxy has asked for.
const OWN_URL: &[u8] = b"$scheme://$http_host$request_uri";

/// What a level says.
#[derive(Default)]
pub(super) struct Binding {
    setting: Setting<Option<Rc<BindingSetting>>>,
    url: Setting<Rc<Template>>,
    /// Whether proofs must have a nonce.
    nonce: Setting<bool>,
}

/// The arguments of `auth_jwt_binding`, unless that is `off`.
struct BindingSetting {
    rule: BindingRule,
    certificate: Option<Variable>,
    proofs: Option<ProofSetting>,
}

/// What DPoP proofs are compared with.
struct ProofSetting {
    method: Variable,
    own_url: Template,
}

/// The token that a request presents.
#[derive(Clone, Copy)]
pub(super) struct SentToken<'a> {
    pub(super) text: &'a [u8],
    /// `None` if it is in a variable.
    pub(super) scheme: Option<AuthScheme>,
    pub(super) accepted_proof: &'a AcceptedProof,
}

/// The DPoP proof that a request has had accepted. It is accepted again in a later location of the
/// same request, after an internal redirect.
#[derive(Default)]
pub(super) struct AcceptedProof {
    sha256: OnceCell<[u8; 32]>,
    /// Whether a location that requires a nonce has accepted it.
    has_nonce: Cell<bool>,
}

impl AcceptedProof {
    fn is(&self, sha256: &[u8; 32]) -> bool {
        self.sha256.get().is_some_and(|own| *own == *sha256)
    }

    /// Only the first one counts.
    fn note(&self, sha256: [u8; 32]) {
        _ = self.sha256.set(sha256);
    }

    /// Its nonce was accepted as well. The client gets another one, if it needs one soon.
    fn note_nonce(
        &self,
        needs_nonce: bool,
        nonces: &Nonces,
        request: Request<'_>,
    ) -> Result<(), Failure> {
        self.has_nonce.set(true);
        match needs_nonce {
            true => nonces.give_one(request),
            false => Ok(()),
        }
    }
}

impl Binding {
    /// Takes over what the outer level says, if this level says nothing.
    pub(super) fn inherit(&mut self, outer: &Self) {
        let Self {
            setting,
            url,
            nonce,
        } = self;
        setting.inherit(&outer.setting);
        url.inherit(&outer.url);
        nonce.inherit(&outer.nonce);
    }

    /// Whether tokens are checked.
    pub(super) fn is_on(&self) -> bool {
        self.setting().is_some()
    }

    /// Whether a token may have the scheme DPoP.
    pub(super) fn has_proofs(&self) -> bool {
        self.setting()
            .is_some_and(|setting| setting.rule.kind.has_proofs())
    }

    /// The schemes that a client is asked for.
    pub(super) fn challenges(&self) -> &'static [AuthScheme] {
        use AuthScheme::{Bearer, Dpop};
        match self.setting() {
            Some(setting) if setting.rule.kind.has_proofs() => {
                match setting.rule.is_required && setting.rule.kind == BindingKind::Dpop {
                    true => &[Dpop],
                    false => &[Dpop, Bearer],
                }
            }
            _ => &[Bearer],
        }
    }

    /// Refuses a verified token that is bound to another client.
    pub(super) fn check(
        &self,
        request: Request<'_>,
        token: &VerifiedToken,
        sent: SentToken<'_>,
    ) -> Result<(), Rejection> {
        let Some(setting) = self.setting() else {
            return Ok(());
        };
        let certificate = || {
            let value = setting.certificate.and_then(|name| request.variable(name));
            value.map_or(&[][..], Text::bytes)
        };
        let claims = token.claims().object();
        match (
            setting.rule.check(claims, sent.scheme, certificate)?,
            &setting.proofs,
        ) {
            (None, _) => Ok(()),
            (Some(jkt), Some(proofs)) => self.check_proof(request, &jkt, proofs, sent),
            (Some(_), None) => Err(BindingError::from(ProofError::Missing).into()),
        }
    }

    /// Refuses a request without a proof that the client has the key with this thumbprint.
    fn check_proof(
        &self,
        request: Request<'_>,
        jkt: &[u8; 32],
        proofs: &ProofSetting,
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
        let used = &request.main_conf::<AuthJwt>().dpop;
        let nonces = match self.requires_nonce() {
            true => Some(used.nonces(request)?),
            false => None,
        };
        let sha256 = sha256(&line);
        if sent.accepted_proof.is(&sha256) {
            check_accepted_proof(&proof, jkt, sent.text).map_err(refuse)?;
            if let Some(nonces) = nonces
                && !sent.accepted_proof.has_nonce.get()
            {
                let claims = proof.claims().object();
                let checked = check_nonce(claims, &nonces.key, request.now());
                let needs_nonce = checked.map_err(|error| refuse(Some(error.into())))?;
                return Ok(sent
                    .accepted_proof
                    .note_nonce(needs_nonce, &nonces, request)?);
            }
            return Ok(());
        }
        let url = match self.url.get() {
            Some(url) => url.evaluate(request)?,
            None => proofs.own_url.evaluate(request)?,
        };
        let method = request.variable(proofs.method);
        let proved = ProvedRequest {
            token: sent.text,
            method: method.map_or(&[][..], Text::bytes),
            url: &url,
            now: request.now(),
            nonces: nonces.as_deref().map(|nonces| &nonces.key),
        };
        let FittingProof { id, needs_nonce } = check_proof(&proof, jkt, &proved).map_err(refuse)?;
        used.note_use(request, id, nonces.as_deref())
            .map_err(BindingError::from)?;
        sent.accepted_proof.note(sha256);
        if let Some(nonces) = nonces {
            sent.accepted_proof
                .note_nonce(needs_nonce, &nonces, request)?;
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
        if !is_asked || !self.has_proofs() || !self.requires_nonce() {
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

    /// `auth_jwt_binding off | tls | dpop | any [cert=$variable] [required]`
    pub(super) fn read(&mut self, cf: &mut Config<'_>) -> Result<(), ConfigError> {
        let (kind, parameters) = cf.first_argument();
        let kind = match (&*kind, parameters.first()) {
            (b"off", None) => return self.setting.set(None),
            (b"off", Some(parameter)) => {
                let must = "\"off\" has no parameters";
                return Err(cf.invalid_parameter(parameter, must));
            }
            (b"tls", _) => BindingKind::Tls,
            (b"dpop", _) => BindingKind::Dpop,
            (b"any", _) => BindingKind::Any,
            _ => {
                let must = "it must be \"tls\", \"dpop\", \"any\" or \"off\"";
                return Err(cf.invalid_value(&kind, must));
            }
        };
        let setting = BindingSetting::read(kind, &parameters, cf)?;
        self.setting.set(Some(Rc::new(setting)))
    }

    /// `auth_jwt_dpop_url string`
    pub(super) fn read_url(&mut self, cf: &mut Config<'_>) -> Result<(), ConfigError> {
        let url = cf.argument();
        if !url.starts_with(b"$") && !url.starts_with(b"https://") && !url.starts_with(b"http://") {
            let must = "it must be a URL, as in https://$host$request_uri";
            return Err(cf.invalid_value(&url, must));
        }
        let url = cf.template(&url)?;
        self.url.set(Rc::new(url))
    }

    /// `auth_jwt_dpop_nonce on | off`
    pub(super) fn read_nonce(&mut self, cf: &mut Config<'_>) -> Result<(), ConfigError> {
        let is_on = cf.flag()?;
        if is_on {
            cf.main_conf::<AuthJwt>().dpop.set_nonces();
        }
        self.nonce.set(is_on)
    }

    fn setting(&self) -> Option<&BindingSetting> {
        self.setting.get()?.as_deref()
    }

    fn requires_nonce(&self) -> bool {
        self.nonce.get().copied().unwrap_or(false)
    }
}

impl BindingSetting {
    fn read(
        kind: BindingKind,
        parameters: &[Text<'_>],
        cf: &mut Config<'_>,
    ) -> Result<Self, ConfigError> {
        let (mut variable, mut is_required) = (None, false);
        for parameter in parameters {
            let is_duplicate = if let Some(name) = parameter.strip_prefix(b"cert=") {
                if kind == BindingKind::Dpop {
                    let must = "\"dpop\" asks for no certificate";
                    return Err(cf.invalid_parameter(parameter, must));
                }
                variable.replace(name).is_some()
            } else if **parameter == *b"required" {
                std::mem::replace(&mut is_required, true)
            } else {
                let must = "it must be cert=$variable or required";
                return Err(cf.invalid_parameter(parameter, must));
            };
            if is_duplicate {
                return Err(ConfigError::message(format_args!(
                    "duplicate parameter {} in \"auth_jwt_binding\" directive",
                    Quoted::whole(parameter)
                )));
            }
        }
        let variable = variable.unwrap_or(OWN_CERTIFICATE);
        let certificate = match kind {
            BindingKind::Dpop => None,
            BindingKind::Tls | BindingKind::Any => Some(cf.variable_reference(variable)?),
        };
        warn_of_clients_choice(variable, cf);
        let proofs = match kind.has_proofs() {
            false => None,
            true => {
                cf.main_conf::<AuthJwt>().dpop.set_used();
                Some(ProofSetting {
                    method: cf.variable(b"request_method")?,
                    own_url: cf.template(OWN_URL)?,
                })
            }
        };
        Ok(Self {
            rule: BindingRule {
                kind,
                variable: String::from_utf8_lossy(variable).into(),
                is_required,
            },
            certificate,
            proofs,
        })
    }
}

/// Warns of a certificate in an argument or a cookie, which no proxy overwrites. A certificate is
/// public, so that a thief has it as well as the token.
fn warn_of_clients_choice(variable: &[u8], cf: &Config<'_>) {
    let name = variable.strip_prefix(b"$").unwrap_or(variable);
    let lower = name.to_ascii_lowercase();
    let is_clients = lower.starts_with(b"arg_") || lower.starts_with(b"cookie_");
    if is_clients && cf.is_variable_of_nginx(name) {
        cf.warn(format_args!(
            "any client can choose {} in \"auth_jwt_binding\" directive, so that a stolen token is \
             accepted; it must be a variable that a proxy in front or nginx itself sets",
            Quoted::whole(variable)
        ));
    }
}
