//! The URI argument of `auth_request` and `auth_jwt_key_request`. It may contain variables, whose
//! values a client may have chosen: [`policy::uri`] decides what they may be.

use std::rc::Rc;

use policy::uri::{self, UnsafePath};

use crate::nginx::{Config, ConfigError, Failure, Request, Target, Template, Text};
use text::Quoted;

/// The URI of a subrequest, which may contain variables.
#[derive(Clone)]
pub(crate) struct Uri {
    template: Template,
    /// The length of the path, if the target is the same for all requests.
    // perf: such a target is not split and checked for each request.
    fixed_path: Option<usize>,
    /// The URI as it is configured.
    text: Rc<[u8]>,
    /// File and line of the directive.
    position: Rc<str>,
}

impl Uri {
    fn new(template: Template, text: Rc<[u8]>, position: Rc<str>) -> Self {
        let fixed_path = template.constant().and_then(|text| {
            let Target { path, args } = split(text, true).ok()?;
            uri::encode_args(&args).is_none().then_some(path.len())
        });
        Self {
            template,
            fixed_path,
            text,
            position,
        }
    }

    /// Reads the argument of a directive. `or_else` is what else helps whose argument is no path,
    /// in words that follow "name a location that has proxy_pass".
    ///
    /// # Errors
    /// nginx logs what is wrong with a variable's name.
    pub(crate) fn read(cf: &mut Config<'_>, or_else: &str) -> Result<Self, ConfigError> {
        let uri = cf.argument();
        let template = cf.template(&uri)?;
        let constant = template.constant();
        if constant.is_some_and(|uri| !uri.starts_with(b"/")) {
            cf.warn(format_args!(
                "the URI {} in \"{}\" directive does not begin with \"/\", \
                 every request is refused: name a location that has proxy_pass{or_else}",
                Quoted::whole(uri),
                String::from_utf8_lossy(&cf.directive())
            ));
        }
        let position = cf.position().into();
        Ok(Self::new(template, uri[..].into(), position))
    }

    /// The path, if it is the same for all requests.
    pub(crate) fn constant_path(&self) -> Option<&[u8]> {
        let text = self.template.constant()?.bytes();
        text.get(..self.fixed_path?)
    }

    /// The URI as it is configured.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// File and line of the directive.
    pub(crate) fn position(&self) -> &str {
        &self.position
    }

    /// The text, if it contains no variables.
    pub(crate) fn constant(&self) -> Option<Text<'_>> {
        self.template.constant()
    }

    /// Whether the target is the same for all requests.
    pub(crate) fn is_fixed(&self) -> bool {
        self.fixed_path.is_some()
    }

    /// The text after variable expansion.
    pub(crate) fn evaluate<'r>(&self, request: Request<'r>) -> Result<Text<'r>, Failure> {
        self.template.evaluate(request)
    }

    /// The target for a request. As in nginx's error_page, the text is split at the first `?` after
    /// variable expansion, and is not decoded.
    pub(crate) fn target<'r>(
        &self,
        request: Request<'r>,
    ) -> Result<Result<Target<'r>, UnsafePath>, Failure> {
        self.split_target(request, self.evaluate(request)?)
    }

    /// The target in a text that [`evaluate`](Self::evaluate) has given.
    pub(crate) fn split_target<'r>(
        &self,
        request: Request<'r>,
        text: Text<'r>,
    ) -> Result<Result<Target<'r>, UnsafePath>, Failure> {
        if let Some(length) = self.fixed_path {
            let (path, args) = (text.take(length), text.skip(length + 1));
            return Ok(Ok(Target { path, args }));
        }
        let target = match split(text, self.constant().is_some()) {
            Ok(target) => target,
            Err(reason) => return Ok(Err(reason)),
        };
        let args = match uri::encode_args(&target.args) {
            Some(encoded) => request.copy(&encoded)?,
            None => target.args,
        };
        Ok(Ok(Target { args, ..target }))
    }
}

/// Splits a URI into path and arguments. `is_fixed` says that it contains no variables.
fn split(text: Text<'_>, is_fixed: bool) -> Result<Target<'_>, UnsafePath> {
    let no_args = Text::from_static(b"");
    let (path, args) = text.split_once(b'?').unwrap_or((text, no_args));
    match uri::unsafe_path(&path, is_fixed) {
        Some(reason) => Err(reason),
        None => Ok(Target { path, args }),
    }
}
