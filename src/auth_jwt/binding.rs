//! `auth_jwt_binding`: a token that is bound to a client's certificate or key is accepted from that
//! client only.

use std::rc::Rc;

use super::proof_rules::{ProofRules, RequestValues, SentToken};
use super::proof_url::ProofUrl;
use crate::nginx::{Config, ConfigError, Failure, Request, Setting, Text, Variable};
use jose::VerifiedToken;
use policy::auth_jwt::bearer::AuthScheme;
use policy::auth_jwt::binding::{BindingError, BindingKind, BindingRule};
use policy::auth_jwt::client_certificate::CertificateError;
use policy::auth_jwt::dpop::ProofError;
use policy::auth_jwt::mode::Outcome;
use policy::auth_jwt::rejection::Rejection;
use text::Quoted;

/// Where nginx has the certificate of a client that it speaks TLS with.
const OWN_CERTIFICATE: &[u8] = b"$ssl_client_raw_cert";

/// What a level says.
#[derive(Default)]
pub(super) struct Binding {
    setting: Setting<Option<Rc<BindingSetting>>>,
    pub(super) proofs: ProofRules,
}

/// The arguments of `auth_jwt_binding`, unless that is `off`.
struct BindingSetting {
    rule: BindingRule,
    certificate: Option<Variable>,
    /// The name behind `$http_`, if that is where the certificate is.
    certificate_line: Option<Box<[u8]>>,
    /// What proofs are compared with, if there may be any.
    values: Option<RequestValues>,
    /// The file and line of the directive.
    position: Rc<str>,
}

impl Binding {
    /// Takes over what the outer level says, if this level says nothing.
    pub(super) fn inherit(&mut self, outer: &Self) {
        let Self { setting, proofs } = self;
        setting.inherit(&outer.setting);
        proofs.inherit(&outer.proofs);
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
        self.proofs.url()
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
            &setting.values,
        ) {
            (None, _) => Ok(()),
            (Some(jkt), Some(values)) => self.proofs.check(request, &jkt, values, sent),
            (Some(_), None) => Err(BindingError::from(ProofError::Missing).into()),
        }
    }

    /// Gives a client that is refused a nonce, if its proofs need one.
    pub(super) fn give_nonce(
        &self,
        request: Request<'_>,
        outcome: Outcome,
        rejection: &Rejection,
    ) -> Result<(), Failure> {
        match self.has_proofs() {
            true => self.proofs.give_nonce(request, outcome, rejection),
            false => Ok(()),
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
        let values = match kind.has_proofs() {
            true => Some(RequestValues::new(cf)?),
            false => None,
        };
        Ok(Self {
            rule: BindingRule {
                kind,
                variable: String::from_utf8_lossy(variable).into(),
                is_required,
            },
            certificate,
            certificate_line,
            values,
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
