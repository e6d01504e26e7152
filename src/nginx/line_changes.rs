//! What one module has changed of the header lines that upstreams get.

use super::failure::Failure;
use super::filter_state::{ClientState, LineChanges};
use super::header::LineList;
use super::line_list::{elements, named};
use super::module::Exported;
use super::request::Request;
use nginx_sys::ngx_table_elt_t;

impl ClientState {
    /// The changes of a module.
    pub(super) fn changes_of<M: Exported>(&self) -> Result<&LineChanges, Failure> {
        let owner = M::descriptor().ctx_index();
        let is_free =
            |changes: &&LineChanges| changes.owner.get().is_none_or(|other| other == owner);
        let changes = self.changes.iter().find(is_free);
        let changes = changes.ok_or(Failure::Inconsistent)?;
        changes.owner.set(Some(owner));
        Ok(changes)
    }
}

impl LineChanges {
    /// Forgets all, and says whether there was anything.
    pub(super) fn clear(&self) -> bool {
        self.hidden.take().is_some() | self.added.take().is_some()
    }

    pub(super) fn is_any(&self) -> bool {
        self.hidden.get().is_some() || self.added.get().is_some()
    }

    pub(super) fn hidden(&self) -> impl Iterator<Item = *mut ngx_table_elt_t> {
        lines_of(&self.hidden)
    }

    pub(super) fn added(&self) -> impl Iterator<Item = *mut ngx_table_elt_t> {
        lines_of(&self.added)
    }

    /// Hides these lines of the client as well.
    pub(super) fn hide(
        &self,
        lines: impl Iterator<Item = *mut ngx_table_elt_t>,
        request: Request<'_>,
    ) -> Result<(), Failure> {
        extend(&self.hidden, lines, request)
    }

    /// Adds these lines as well.
    pub(super) fn add(
        &self,
        lines: impl Iterator<Item = *mut ngx_table_elt_t>,
        request: Request<'_>,
    ) -> Result<(), Failure> {
        extend(&self.added, lines, request)
    }
}

/// Adds lines to a list of [`LineChanges`].
fn extend(
    list: &LineList,
    lines: impl Iterator<Item = *mut ngx_table_elt_t>,
    request: Request<'_>,
) -> Result<(), Failure> {
    let mut lines = lines.peekable();
    if lines.peek().is_some() {
        let all = lines_of(list).chain(lines);
        list.set(Some(request.new_list(named(all), 0)?));
    }
    Ok(())
}

/// The lines of a list of [`LineChanges`].
fn lines_of(list: &LineList) -> impl Iterator<Item = *mut ngx_table_elt_t> {
    elements(list.get())
}
