//! `auth_jwt_binding`: a token that is bound to a client's certificate or key is accepted from that
//! client only.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use openssl::sha::sha256;

use super::AuthJwt;
use super::proof_url::ProofUrl;
use crate::nginx::{
    Config, ConfigError, Request, Setting, SharedZone, Template, Text, Variable, ZoneEntry,
};
use crate::status::ZoneCounters;
use jose::{DpopProof, VerifiedToken};
use policy::auth_jwt::bearer::AuthScheme;
use policy::auth_jwt::binding::{BindingError, BindingKind, BindingRule};
use policy::auth_jwt::client_certificate::CertificateError;
use policy::auth_jwt::dpop::{
    ProofError, ProofId, ProvedRequest, check_accepted_proof, check_host, check_proof,
};
use policy::auth_jwt::rejection::Rejection;
use policy::counters::ZoneCounter;
use text::Quoted;

/// Where nginx has the certificate of a client that it speaks TLS with.
const OWN_CERTIFICATE: &[u8] = b"$ssl_client_raw_cert";

/// The address that a client without a proxy has asked for.
const OWN_URL: &[u8] = b"$scheme://$http_host$request_uri";

/// The zone of the proofs that were used. Its name has a colon, so that no directive can have it.
const ZONE: &[u8] = b"auth_jwt:dpop";

/// The size of that zone without `auth_jwt_dpop_zone`.
const ZONE_BYTES: usize = 1 << 20;

/// nginx's slab allocator needs eight pages.
const MIN_ZONE_BYTES: usize = 64 << 10;

/// What a level says.
#[derive(Default)]
pub(super) struct Binding {
    setting: Setting<Option<Rc<BindingSetting>>>,
    url: Setting<Rc<ProofUrl>>,
}

/// The arguments of `auth_jwt_binding`, unless that is `off`.
struct BindingSetting {
    rule: BindingRule,
    certificate: Option<Variable>,
    /// The name behind `$http_`, if that is where the certificate is.
    certificate_line: Option<Box<[u8]>>,
    proofs: Option<ProofSetting>,
    /// The file and line of the directive.
    position: Rc<str>,
}

/// What DPoP proofs are compared with.
struct ProofSetting {
    method: Variable,
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

/// The SHA-256 of the DPoP proof that a request has had accepted. It is accepted again in a later
/// location of the same request, after an internal redirect.
#[derive(Default)]
pub(super) struct AcceptedProof(OnceCell<[u8; 32]>);

impl AcceptedProof {
    fn has(&self, digest: &[u8; 32]) -> bool {
        self.0.get().is_some_and(|own| *own == *digest)
    }

    /// Only the first one counts.
    fn note(&self, digest: [u8; 32]) {
        _ = self.0.set(digest);
    }
}

impl Binding {
    /// Takes over what the outer level says, if this level says nothing.
    pub(super) fn inherit(&mut self, outer: &Self) {
        let Self { setting, url } = self;
        setting.inherit(&outer.setting);
        url.inherit(&outer.url);
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

    /// The variable that has the client's certificate, as the configuration names it.
    pub(super) fn certificate_variable(&self) -> Option<&str> {
        let setting = self.setting()?;
        setting.certificate.map(|_| &*setting.rule.variable)
    }

    /// The argument of `auth_jwt_dpop_url`.
    pub(super) fn url(&self) -> Option<&ProofUrl> {
        self.url.get().map(|url| &**url)
    }

    /// The file and line of the directive, unless it is `off`.
    pub(super) fn position(&self) -> Option<&str> {
        self.setting().map(|setting| &*setting.position)
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
            match setting.has_several_lines(request) {
                true => Err(CertificateError::SeveralLines),
                false => Ok(value.map_or(&[][..], Text::bytes)),
            }
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
        let digest = sha256(&line);
        if sent.accepted_proof.has(&digest) {
            return Ok(check_accepted_proof(&proof, jkt, sent.text).map_err(refuse)?);
        }
        let url = match self.url.get() {
            Some(url) => url.evaluate(request)?,
            None => proofs.own_url.evaluate(request)?,
        };
        let variable = |name| request.variable(name).map_or(&[][..], Text::bytes);
        check_host(variable(proofs.host), variable(proofs.host_line))
            .map_err(|error| refuse(Some(error)))?;
        let proved = ProvedRequest {
            token: sent.text,
            method: variable(proofs.method),
            url: &url,
            now: request.now(),
        };
        let id = check_proof(&proof, jkt, &proved).map_err(refuse)?;
        if !note_first_use(request, id) {
            sent.counters.count(ZoneCounter::DPOP_REPLAY);
            return Err(refuse(Some(ProofError::Replayed)).into());
        }
        sent.accepted_proof.note(digest);
        Ok(())
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
        self.url.set(Rc::new(ProofUrl::read(cf)?))
    }

    fn setting(&self) -> Option<&BindingSetting> {
        self.setting.get()?.as_deref()
    }
}

impl BindingSetting {
    /// Whether there is more than one header line for the variable with the certificate. Before 1.23
    /// nginx shows only the first of them, which a client may have sent.
    fn has_several_lines(&self, request: Request<'_>) -> bool {
        let Some(variable) = &self.certificate_line else {
            return false;
        };
        let is_shown = |name: &[u8]| {
            let name = name.iter().map(|byte| match byte {
                b'-' => b'_',
                byte => byte.to_ascii_lowercase(),
            });
            name.eq(variable.iter().copied())
        };
        let lines = request.headers().filter(|(name, _)| is_shown(name));
        lines.take(2).count() == 2
    }

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
        let lower = variable.to_ascii_lowercase();
        let certificate_line = lower.strip_prefix(b"$http_").map(Box::from);
        warn_of_clients_choice(variable, cf);
        let proofs = match kind.has_proofs() {
            false => None,
            true => {
                cf.main_conf::<AuthJwt>().dpop.is_used.set(true);
                Some(ProofSetting {
                    method: cf.variable(b"request_method")?,
                    host: cf.variable(b"host")?,
                    host_line: cf.variable(b"http_host")?,
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
            certificate_line,
            proofs,
            position: cf.position().into(),
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

/// The proofs that were used, for all levels.
#[derive(Default)]
pub(super) struct UsedProofs {
    is_used: Cell<bool>,
    size: RefCell<Setting<usize>>,
    zone: OnceCell<SharedZone>,
}

impl UsedProofs {
    /// `auth_jwt_dpop_zone size`
    pub(super) fn read_size(&self, cf: &mut Config<'_>) -> Result<(), ConfigError> {
        let argument = cf.argument();
        let size = cf
            .size(&argument)
            .ok()
            .filter(|size| *size >= MIN_ZONE_BYTES);
        let must = "it must be a size of at least 64k, as in 1m";
        let size = size.ok_or_else(|| cf.invalid_value(&argument, must))?;
        self.size.borrow_mut().set(size)
    }

    /// Defines the zone, if a level has proofs.
    pub(super) fn define_zone(&self, cf: &mut Config<'_>) -> Result<(), ConfigError> {
        if self.is_used.get() {
            let size = self.size.borrow().get().copied().unwrap_or(ZONE_BYTES);
            _ = self.zone.set(cf.define_zone(ZONE, size)?);
        }
        Ok(())
    }
}

/// Notes that a proof was used. False if it was used before, or nobody can tell. Of several workers
/// that ask at once, one gets true.
fn note_first_use(request: Request<'_>, id: ProofId) -> bool {
    let Some(zone) = request.main_conf::<AuthJwt>().dpop.zone.get() else {
        return false;
    };
    let entry = ZoneEntry::new(id, b"");
    let noted = zone.update(request.log(), |entries| {
        entries.read::<0>(&id).is_none() && entries.write(&entry)
    });
    noted.unwrap_or(false)
}
