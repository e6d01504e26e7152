//! `auth_jwt_require`: more conditions on a token that was verified.

use std::rc::Rc;

use super::rejection::Rejection;
use crate::nginx::{Request, Status, Template};

/// One `auth_jwt_require`.
#[derive(Clone)]
pub(super) struct Requirement {
    /// Each with the text that it was compiled from.
    pub(super) values: Rc<[(Template, Rc<str>)]>,
    pub(super) status: Status,
}

impl Requirement {
    /// Whether all values are there and none is `0`.
    pub(super) fn check(&self, request: Request<'_>) -> Result<(), Rejection> {
        for (value, text) in self.values.iter() {
            if matches!(&*value.evaluate(request)?, b"" | b"0") {
                return Err(Rejection::Requirement {
                    value: Rc::clone(text),
                    status: self.status.0,
                });
            }
        }
        Ok(())
    }
}
