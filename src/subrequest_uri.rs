//! The URI that `auth_request` and `auth_jwt_key_request` name. It may hold variables, whose values
//! a client may have chosen: [`policy::uri`] decides what they may be.

use policy::uri;

use crate::nginx::{Config, ConfigError, Failure, Request, Target, Template, Text};
use text::Quoted;

/// The URI of subrequests, which may hold variables.
#[derive(Clone)]
pub(crate) struct Uri {
    template: Template,
    /// Where it leads if nothing of it depends on a request.
    fixed: Option<Target<'static>>,
}

/// A URI that no subrequest is made to.
#[derive(Clone, Copy)]
pub(crate) struct UnsafeUri<'r> {
    pub(crate) uri: Text<'r>,
    /// What is wrong with it: words that follow it.
    pub(crate) reason: &'static str,
}

impl From<Template> for Uri {
    fn from(template: Template) -> Self {
        let fixed = template.constant().and_then(|text| {
            let target = split(text, true).ok()?;
            uri::encode_args(&target.args).is_none().then_some(target)
        });
        Self { template, fixed }
    }
}

impl Uri {
    /// Reads the argument of a directive.
    ///
    /// # Errors
    /// nginx logs what is wrong with a variable's name.
    pub(crate) fn read(cf: &mut Config<'_>) -> Result<Self, ConfigError> {
        let uri = cf.argument();
        let template = cf.template(&uri)?;
        let constant = template.constant();
        if constant.is_some_and(|uri| !uri.starts_with(b"/")) {
            cf.warn(format_args!(
                "the URI {} in \"{}\" directive does not begin with \"/\", every request is refused",
                Quoted::whole(uri),
                String::from_utf8_lossy(&cf.directive())
            ));
        }
        Ok(template.into())
    }

    /// The text where it holds no variables.
    pub(crate) fn constant(&self) -> Option<Text<'static>> {
        self.template.constant()
    }

    /// Whether it leads to the same place for all requests.
    pub(crate) fn is_fixed(&self) -> bool {
        self.fixed.is_some()
    }

    /// The text with the variables' values of a request.
    pub(crate) fn evaluate<'r>(&self, request: Request<'r>) -> Result<Text<'r>, Failure> {
        self.template.evaluate(request)
    }

    /// Where it leads for a request. As in error_page, what comes out of variables is split at the
    /// `?`, but not decoded.
    pub(crate) fn target<'t, 'r: 't>(
        &'t self,
        request: Request<'r>,
    ) -> Result<Result<&'t Target<'r>, UnsafeUri<'r>>, Failure> {
        match &self.fixed {
            Some(fixed) => Ok(Ok(fixed)),
            None => self.evaluate_target(request),
        }
    }

    #[inline(never)]
    fn evaluate_target<'r>(
        &self,
        request: Request<'r>,
    ) -> Result<Result<&'r Target<'r>, UnsafeUri<'r>>, Failure> {
        let target = match split(self.evaluate(request)?, self.constant().is_some()) {
            Ok(target) => target,
            Err(refused) => return Ok(Err(refused)),
        };
        let args = match uri::encode_args(&target.args) {
            Some(encoded) => request.copy(&encoded)?,
            None => target.args,
        };
        request.keep(Target { args, ..target }).map(Ok)
    }
}

/// Where a text leads, with arguments behind a `?`; `fixed` if no variable had a part in it.
fn split(text: Text<'_>, fixed: bool) -> Result<Target<'_>, UnsafeUri<'_>> {
    let no_args = Text::from_static(b"");
    let (path, args) = text.split_once(b'?').unwrap_or((text, no_args));
    match uri::unsafe_path_reason(&path, fixed) {
        Some(reason) => Err(UnsafeUri { uri: path, reason }),
        None => Ok(Target { path, args }),
    }
}
