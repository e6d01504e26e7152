//! Where a subrequest goes.

use super::text::Text;

/// The URI of a subrequest. nginx sends both parts to the upstream as they are, so whoever builds
/// one out of what a client has sent must check it first.
#[derive(Clone, Copy)]
pub struct Target<'r> {
    /// The path, which begins with a slash.
    pub path: Text<'r>,
    /// The arguments, without the `?`.
    pub args: Text<'r>,
}
