//! A mark on requests for which a callback has failed that cannot refuse them, such as that of a
//! variable: the access handlers do that for it.

use super::failure::Failure;
use super::filter_state::SubrequestFilter;
use super::request::Request;
use super::shim::{is_marked, mark_entry};
use super::variable::Variable;
use nginx_sys::{ngx_http_variable_value_t, ngx_uint_t};

impl Request<'_> {
    /// Makes the next access handler refuse the client's request with 500, for a callback that
    /// cannot refuse it, such as that of a variable. It does not matter in which subrequest of the
    /// client's request the callback failed, nor which module judges by it.
    pub(super) fn poison(self) {
        self.set_poisoned(1);
    }

    /// The request is refused, and its error page begins anew.
    pub(super) fn take_poison_away(self) {
        self.set_poisoned(0);
    }

    fn set_poisoned(self, mark: ngx_uint_t) {
        if let Some(entry) = self.poison_entry() {
            // SAFETY: the entry of a variable that has no value.
            unsafe { mark_entry(entry, mark) };
        }
    }

    /// Whether a callback has failed that cannot refuse the request.
    pub(super) fn is_poisoned(self) -> bool {
        // SAFETY: the entry of a variable that has no value.
        self.poison_entry()
            .is_none_or(|entry| unsafe { is_marked(entry) != 0 })
    }

    /// Fails if a callback has failed that cannot refuse the request: to be asked before anything
    /// is kept for others.
    ///
    /// # Errors
    /// [`Failure::Panic`]
    pub fn fail_if_poisoned(self) -> Result<(), Failure> {
        match self.is_poisoned() {
            true => Err(Failure::Panic),
            false => Ok(()),
        }
    }

    /// A place for a mark that takes no memory, which may be what the callback has failed for: the
    /// entry that the client context of the filters is in. A request shares it with its
    /// subrequests.
    fn poison_entry(self) -> Option<*mut ngx_http_variable_value_t> {
        let Variable { index } = self
            .main_state::<SubrequestFilter>()
            .client_context
            .get()
            .copied()?;
        // SAFETY: r->variables has an entry for each index that ngx_http_get_variable_index returned.
        Some(unsafe { (*self.raw()).variables.add(index) })
    }
}
