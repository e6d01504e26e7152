//! `auth_jwt_binding`: a token that is bound to a client's certificate is accepted from that client
//! only.

use std::rc::Rc;

use crate::nginx::{Config, ConfigError, Request, Setting, Text, Variable};
use jose::VerifiedToken;
use policy::auth_jwt::binding::TlsBinding;
use policy::auth_jwt::rejection::Rejection;
use text::Quoted;

/// Where nginx has the certificate of a client that it speaks TLS with.
const OWN_CERTIFICATE: &[u8] = b"$ssl_client_raw_cert";

/// What a level says.
#[derive(Default)]
pub(super) struct Binding(Setting<Option<Rc<TlsSetting>>>);

/// The arguments of `auth_jwt_binding tls`.
struct TlsSetting {
    binding: TlsBinding,
    certificate: Variable,
}

impl Binding {
    /// Takes over what the outer level says, if this level says nothing.
    pub(super) fn inherit(&mut self, outer: &Self) {
        self.0.inherit(&outer.0);
    }

    /// Whether tokens are checked.
    pub(super) fn is_on(&self) -> bool {
        self.setting().is_some()
    }

    /// Refuses a verified token that is bound to another client.
    pub(super) fn check(
        &self,
        request: Request<'_>,
        token: &VerifiedToken,
    ) -> Result<(), Rejection> {
        let Some(setting) = self.setting() else {
            return Ok(());
        };
        let certificate = || {
            let value = request.variable(setting.certificate);
            value.map_or(&[][..], Text::bytes)
        };
        let claims = token.claims().object();
        Ok(setting.binding.check(claims, certificate)?)
    }

    /// `auth_jwt_binding off | tls [cert=$variable] [required]`
    pub(super) fn read(&mut self, cf: &mut Config<'_>) -> Result<(), ConfigError> {
        let (kind, parameters) = cf.first_argument();
        let setting = match (&*kind, parameters.first()) {
            (b"off", None) => None,
            (b"off", Some(parameter)) => {
                let must = "\"off\" has no parameters";
                return Err(cf.invalid_parameter(parameter, must));
            }
            (b"tls", _) => Some(Rc::new(TlsSetting::read(&parameters, cf)?)),
            _ => return Err(cf.invalid_value(&kind, "it must be \"tls\" or \"off\"")),
        };
        self.0.set(setting)
    }

    fn setting(&self) -> Option<&TlsSetting> {
        self.0.get()?.as_deref()
    }
}

impl TlsSetting {
    fn read(parameters: &[Text<'_>], cf: &mut Config<'_>) -> Result<Self, ConfigError> {
        let (mut variable, mut is_required) = (None, false);
        for parameter in parameters {
            let is_duplicate = if let Some(name) = parameter.strip_prefix(b"cert=") {
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
        let certificate = cf.variable_reference(variable)?;
        warn_of_clients_choice(variable, cf);
        Ok(Self {
            binding: TlsBinding {
                variable: String::from_utf8_lossy(variable).into(),
                is_required,
            },
            certificate,
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
