//! Where subrequests go.

use super::Failure;
use super::pool::own;
use super::request::Request;
use super::template::Template;
use super::text::Text;
use crate::uri;

/// Where a subrequest goes.
#[derive(Clone, Copy)]
pub struct Target<'r> {
    pub(super) path: Text<'r>,
    pub(super) args: Text<'r>,
}

impl<'r> Target<'r> {
    /// The URI, without and with its arguments: two parts that tell it from others.
    pub fn uri(&self) -> [Text<'r>; 2] {
        [self.path, self.args]
    }
}

/// A URI that no subrequest is made to.
#[derive(Clone, Copy)]
pub struct Unfit<'r> {
    pub uri: Text<'r>,
    /// What is wrong with it: words that follow it.
    pub reason: &'static str,
}

impl<'r> Target<'r> {
    /// Where a text leads, with arguments behind a `?`; `fixed` if no variable had a part in it.
    fn of(text: Text<'r>, fixed: bool) -> Result<Self, Unfit<'r>> {
        let no_args = Text::from_static(b"");
        let (path, args) = text.split_once(b'?').unwrap_or((text, no_args));
        match uri::fault(&path, fixed) {
            Some(reason) => Err(Unfit { uri: path, reason }),
            None => Ok(Self { path, args }),
        }
    }

    /// Where a text without variables leads, if nothing about it depends on a request.
    fn fixed(text: Text<'r>) -> Option<Self> {
        let target = Self::of(text, true).ok()?;
        uri::encode_args(&target.args).is_none().then_some(target)
    }
}

/// The URI of subrequests, which may hold variables.
#[derive(Clone)]
pub struct Uri {
    template: Template,
    fixed: Option<Target<'static>>,
}

impl From<Template> for Uri {
    fn from(template: Template) -> Self {
        let fixed = template.constant().and_then(Target::fixed);
        Self { template, fixed }
    }
}

impl Uri {
    /// The text where it holds no variables.
    pub fn constant(&self) -> Option<Text<'static>> {
        self.template.constant()
    }

    /// Whether it leads to the same place for all requests.
    pub fn is_fixed(&self) -> bool {
        self.fixed.is_some()
    }

    /// The text with the variables' values of a request.
    pub fn evaluate<'r>(&self, request: Request<'r>) -> Result<Text<'r>, Failure> {
        self.template.evaluate(request)
    }

    /// Where it leads for a request. As in error_page, what comes out of variables is split at the `?`, but not
    /// decoded.
    pub fn target<'t, 'r: 't>(
        &'t self,
        request: Request<'r>,
    ) -> Result<Result<&'t Target<'r>, Unfit<'r>>, Failure> {
        match &self.fixed {
            Some(fixed) => Ok(Ok(fixed)),
            None => self.evaluate_target(request),
        }
    }

    #[inline(never)]
    fn evaluate_target<'r>(
        &self,
        request: Request<'r>,
    ) -> Result<Result<&'r Target<'r>, Unfit<'r>>, Failure> {
        let target = match Target::of(self.evaluate(request)?, self.constant().is_some()) {
            Ok(target) => target,
            Err(unfit) => return Ok(Err(unfit)),
        };
        let args = match uri::encode_args(&target.args) {
            Some(encoded) => request.copy(&encoded)?,
            None => target.args,
        };
        // SAFETY: the pool lives as long as the request.
        let target = unsafe { own((*request.raw()).pool, Target { args, ..target })? };
        // SAFETY: as above.
        Ok(Ok(unsafe { target.as_ref() }))
    }
}
