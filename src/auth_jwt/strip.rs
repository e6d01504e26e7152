//! `auth_jwt_strip`: what carried the token does not go upstream.

use std::rc::Rc;

use crate::nginx::{Config, ConfigError, Failure, LineChange, Request, Setting, Text};
use policy::auth_jwt::token_carrier::TokenCarrier;
use policy::header_names::HeaderNames;
use text::Quoted;

/// Where the token of a level is, and whether upstreams get it.
#[derive(Default)]
pub(super) struct Strip {
    setting: Setting<StripSetting>,
    /// `None` if the token is in a variable that may be made of anything.
    carrier: Option<Rc<TokenCarrier>>,
    /// Whether upstreams do not get the token.
    is_in_force: bool,
}

#[derive(Clone)]
struct StripSetting {
    is_on: bool,
    /// The file and line of the directive.
    position: Rc<str>,
}

/// Where `auth_jwt` has a level look for the token.
#[derive(Default)]
pub(super) struct TokenPlace<'a> {
    /// The variable of `token=`, as it is configured.
    pub(super) variable: Option<&'a [u8]>,
    /// The file and line of the directive, if requests are judged on this level.
    pub(super) judged_by: Option<&'a str>,
}

impl Strip {
    /// Takes over what the outer level says.
    pub(super) fn inherit(
        &mut self,
        outer: &Self,
        TokenPlace {
            variable,
            judged_by,
        }: TokenPlace<'_>,
        cf: &Config<'_>,
    ) -> Result<(), ConfigError> {
        let Self {
            setting,
            carrier,
            is_in_force,
        } = self;
        setting.inherit(&outer.setting);
        *carrier = match variable {
            None => Some(Rc::new(TokenCarrier::authorization())),
            Some(variable) => variable
                .strip_prefix(b"$")
                .filter(|name| cf.is_variable_of_nginx(name))
                .and_then(TokenCarrier::of_variable)
                .map(Rc::new),
        };
        let setting = setting.get().filter(|setting| setting.is_on);
        let (Some(setting), Some(judged_by)) = (setting, judged_by) else {
            return Ok(());
        };
        *is_in_force = true;
        match (variable, &carrier) {
            (Some(variable), None) => Err(ConfigError::message(format_args!(
                "\"auth_jwt_strip on\" in {} cannot keep the token of \"auth_jwt\" in {judged_by} from \
                 upstreams: {} may be made of anything; it must be $http_<name>, $cookie_<name> or \
                 $arg_<name>, or write \"auth_jwt_strip off\"",
                setting.position,
                Quoted::whole(variable)
            ))),
            _ => Ok(()),
        }
    }

    /// `auth_jwt_strip on | off`
    pub(super) fn read(&mut self, cf: &Config<'_>) -> Result<(), ConfigError> {
        let is_on = cf.flag()?;
        if is_on {
            cf.main_conf::<super::AuthJwt>().changes_headers.set(true);
        }
        self.setting.set(StripSetting {
            is_on,
            position: cf.position().into(),
        })
    }

    /// What carries the token, if it must not go upstream.
    pub(super) fn stripped(&self) -> Option<&Rc<TokenCarrier>> {
        self.carrier.as_ref().filter(|_| self.is_in_force)
    }

    /// Whether the token is in a header line that could have this name.
    pub(super) fn reads_line(&self, name: &[u8]) -> bool {
        let carrier = self.carrier.as_ref();
        carrier.is_some_and(|carrier| carrier.is_line(name))
    }

    /// Whether the token is in a header line that could have one of these names.
    pub(super) fn reads_line_of(&self, names: &HeaderNames) -> bool {
        match self.carrier.as_deref() {
            Some(TokenCarrier::Header(name)) => names.could_impersonate(name),
            _ => false,
        }
    }

    /// The token in arguments that were removed in an earlier location.
    pub(super) fn removed_token<'r>(&self, request: Request<'r>) -> Option<&'r [u8]> {
        let carrier = self.carrier.as_ref()?;
        carrier.value_in_arguments(request.removed_args()?.bytes())
    }
}

/// What becomes of a line of the client.
pub(super) fn change(carriers: &[Rc<TokenCarrier>], name: &[u8], value: &[u8]) -> LineChange {
    if carriers.iter().any(|carrier| carrier.is_line(name)) {
        return LineChange::Hide;
    }
    if !name.eq_ignore_ascii_case(b"cookie") {
        return LineChange::Keep;
    }
    let mut left: Option<Vec<u8>> = None;
    for carrier in carriers {
        if let Some(cookies) = carrier.without_cookies(left.as_deref().unwrap_or(value)) {
            left = Some(cookies);
        }
    }
    match left {
        None => LineChange::Keep,
        Some(cookies) if cookies.is_empty() => LineChange::Hide,
        Some(cookies) => LineChange::Replace(cookies),
    }
}

/// Takes the token out of the arguments, for upstreams and for variables.
pub(super) fn remove_from_arguments(
    request: Request<'_>,
    carriers: &[Rc<TokenCarrier>],
) -> Result<(), Failure> {
    for carrier in carriers {
        if let Some(args) = carrier.without_arguments(&request.args()) {
            request.replace_args(request.copy(&args)?)?;
        }
        let uri: Text<'_> = request.original_uri();
        if let Some(uri) = carrier.uri_without_arguments(&uri) {
            request.replace_original_uri(request.copy(&uri)?);
        }
    }
    Ok(())
}
