//! Where subrequests go.

use super::text::Text;

/// The URI of a subrequest. nginx sends both parts as they are: whoever makes one out of what a
/// client has sent checks it first.
#[derive(Clone, Copy)]
pub struct Target<'r> {
    /// The path, which begins with a slash.
    pub path: Text<'r>,
    /// The arguments, without the `?`.
    pub args: Text<'r>,
}
