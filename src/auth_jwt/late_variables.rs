//! Variables that tell the verdict, where it is not known yet.

use std::cell::RefCell;

use super::AuthJwt;
use crate::nginx::Config;

/// What has no other value than an empty one or `0` before the verdict.
const NAMES: [&str; 2] = ["jwt_verified", "jwt_status"];

/// Where `auth_jwt_require` requires one of them, which no token can meet: the name, and file and
/// line.
#[derive(Default)]
pub(super) struct LateVariables(RefCell<Vec<(&'static str, String)>>);

impl LateVariables {
    /// Notes those that the directive requires.
    pub(super) fn note(&self, cf: &Config<'_>) {
        for value in cf.args() {
            let Some(name) = value.strip_prefix(b"$") else {
                continue;
            };
            let inside = name
                .strip_prefix(b"{")
                .and_then(|name| name.strip_suffix(b"}"));
            let name = inside.unwrap_or(name);
            let is_it = |late: &&&str| late.as_bytes().eq_ignore_ascii_case(name);
            if let Some(late) = NAMES.iter().find(is_it) {
                self.0.borrow_mut().push((late, cf.position()));
            }
        }
    }

    /// Warns of them, unless the configuration has defined variables of these names.
    pub(super) fn warn(&self, cf: &Config<'_>) {
        for (name, position) in &*self.0.borrow() {
            if cf.is_changeable_variable::<AuthJwt>(name.as_bytes()) {
                cf.warn(format_args!(
                    "\"auth_jwt_require\" in {position} is met by no token: ${name} has its value \
                     only after this check; remove it, \"auth_jwt\" alone refuses whoever has no \
                     valid token"
                ));
            }
        }
    }
}
