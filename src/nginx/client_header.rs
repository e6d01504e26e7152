//! Which header lines of the client reach upstreams, and which lines of the modules do so in their
//! place.
//!
//! nginx passes on every line of the list of a request, whatever marks a line has, so a line is
//! removed by making a new list without it. The client's own lines are remembered. What judges the
//! request after an internal redirect judges them, and not the lines that a module has put in their
//! place.
//!
//! Each module has changes of its own ([`LineChanges`]): lines of the client that it hides from
//! upstreams, and lines that it adds. It takes them back without those of the other module.

use super::failure::Failure;
use super::filter_state::{ClientState, LineChanges, SubrequestFilter};
use super::header::HeaderLines;
use super::line_list::{
    LineId, LineSet, NamedLine, elements, named, named_lines, push_copy, value,
};
use super::module::Exported;
use super::request::Request;
use super::shim::{forget_line, link_lines};
use super::upstream_line::UpstreamLines;
use nginx_sys::{NGX_OK, ngx_int_t, ngx_list_t, ngx_table_elt_t};
use std::cell::LazyCell;
use std::collections::HashMap;
use std::iter;
use std::ptr::{self, NonNull};

/// The names of lines that announce a body.
const ANNOUNCING: [&[u8]; 3] = [b"Content-Length", b"Transfer-Encoding", b"Expect"];

/// The variables that show them, besides `$content_length`.
const ANNOUNCING_VARIABLES: [&[u8]; 3] = [
    b"http_content_length",
    b"http_transfer_encoding",
    b"http_expect",
];

/// What becomes of a line of the client on the way to upstreams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineChange {
    Keep,
    Hide,
    /// The line has this value.
    Replace(Vec<u8>),
}

impl<'r> Request<'r> {
    /// The client's header lines, without those that were removed.
    pub fn headers(self) -> HeaderLines<'r> {
        // SAFETY: the list is the request's. nginx has completed it before it calls us, and we add
        // nothing to a list once it is the list of the client's lines.
        unsafe { HeaderLines::of_request(self.client_lines()) }
    }

    /// Removes the client's lines whose names `is_reserved` selects, for good. What the module has
    /// changed in an earlier location is taken back, and lines of these names that the other one
    /// has added there go, too.
    pub fn remove_client_lines<M: Exported>(
        self,
        is_reserved: impl Fn(&[u8]) -> bool,
    ) -> Result<(), Failure> {
        let removes_any = self.named_lines().any(|(_, name)| is_reserved(name));
        if !removes_any && !self.has_changed_lines() {
            return Ok(());
        }
        let state = self.client_context::<SubrequestFilter>()?;
        if removes_any {
            let left = self.named_lines().filter(|(_, name)| !is_reserved(name));
            let left = self.new_list(left, 0)?;
            for (line, _) in self.named_lines().filter(|(_, name)| is_reserved(name)) {
                // SAFETY: the request is live, and the line one of its own.
                unsafe { forget_line(self.raw(), line) };
            }
            state.client_lines.set(Some(left));
            state.has_other_links.set(true);
        }
        state.changes_of::<M>()?.clear();
        self.drop_added_lines::<M>(state, is_reserved)?;
        self.apply_changes(state)
    }

    /// Changes the client's lines in the header that a subrequest has inherited. Lines that a
    /// module has added stay: they are meant for whoever serves the request, and the subrequest is
    /// a part of it.
    pub fn change_inherited_lines(
        self,
        change: impl Fn(&[u8], &[u8]) -> LineChange,
    ) -> Result<(), Failure> {
        self.forget_values_of_subrequests();
        // SAFETY: the request is live, and nothing is added to its list.
        let inherited = unsafe { &raw const (*self.raw()).headers_in.headers };
        let has_added_lines = inherited != self.client_lines();
        let clients = LazyCell::new(|| self.headers().elements().collect::<LineSet>());
        // SAFETY: as above.
        let lines: Vec<_> = named_lines(unsafe { HeaderLines::of_request(inherited) }).collect();
        let change_of = |line, name| match change(name, value(line).bytes()) {
            change if !has_added_lines || clients.contains(line) => change,
            _ => LineChange::Keep,
        };
        let changes: Vec<_> = lines
            .iter()
            .map(|(line, name)| change_of(*line, name))
            .collect();
        if changes.iter().all(|change| *change == LineChange::Keep) {
            return Ok(());
        }
        let list = self.new_list(iter::empty(), lines.len())?;
        for ((line, _), change) in lines.iter().zip(changes) {
            let line = *line;
            match change {
                // SAFETY: the line is one of the request, and the list is complete with it.
                LineChange::Keep => unsafe { push_copy(list, line)? },
                LineChange::Hide => {
                    // SAFETY: the request is live, and the line one of its own.
                    unsafe { forget_line(self.raw(), line) };
                }
                LineChange::Replace(value) => {
                    let replaced = self.with_value(line, &value)?;
                    // SAFETY: as for a line that is kept.
                    unsafe { push_copy(list, &raw const replaced)? };
                }
            }
        }
        let state = self.client_context::<SubrequestFilter>()?;
        state.subrequest_lines_differ.set(true);
        self.use_list(list)
    }

    /// Drops nginx's cached values of variables about header lines, if a subrequest with other
    /// lines may have left them: nginx keeps one value for a request and its subrequests.
    pub fn forget_values_of_subrequests(self) {
        let state = self.client_context_if_any::<SubrequestFilter>();
        if state.is_some_and(|state| state.subrequest_lines_differ.get()) {
            self.forget_header_variables();
        }
    }

    /// Takes back what the module has changed for upstreams.
    pub fn take_back_upstream_lines<M: Exported>(self) -> Result<(), Failure> {
        if !self.has_changed_lines() {
            return Ok(());
        }
        let state = self.client_context::<SubrequestFilter>()?;
        match state.changes_of::<M>()?.clear() {
            true => self.apply_changes(state),
            false => Ok(()),
        }
    }

    /// Gives upstreams these lines instead of all others whose names `is_reserved` selects: those of
    /// the client and those that the other module has added. What the module has changed before is
    /// taken back.
    pub fn replace_upstream_lines<M: Exported>(
        self,
        is_reserved: impl Fn(&[u8]) -> bool,
        lines: &UpstreamLines<'r>,
    ) -> Result<(), Failure> {
        let state = self.client_context::<SubrequestFilter>()?;
        let changes = state.changes_of::<M>()?;
        changes.clear();
        let hidden = self.named_lines().filter(|(_, name)| is_reserved(name));
        changes.hide(hidden.map(|(line, _)| line), self)?;
        changes.added.set(lines.list());
        if lines.are_linked() {
            state.has_other_links.set(true);
        }
        self.drop_added_lines::<M>(state, is_reserved)?;
        self.apply_changes(state)
    }

    /// Changes the client's lines for upstreams, besides what the module has changed before, and
    /// gives them these lines.
    pub fn extend_upstream_lines<M: Exported>(
        self,
        change: impl Fn(&[u8], &[u8]) -> LineChange,
        lines: &UpstreamLines<'r>,
    ) -> Result<(), Failure> {
        let state = self.client_context::<SubrequestFilter>()?;
        let changes = state.changes_of::<M>()?;
        let (mut hidden, mut replaced) = (Vec::new(), Vec::new());
        let hidden_before: LineSet = changes.hidden().collect();
        for (line, name) in self.named_lines() {
            if hidden_before.contains(line) {
                continue;
            }
            match change(name, value(line).bytes()) {
                LineChange::Keep => continue,
                LineChange::Hide => {}
                LineChange::Replace(value) => replaced.push(self.with_value(line, &value)?),
            }
            hidden.push(line);
        }
        if hidden.is_empty() && lines.is_empty() {
            return Ok(());
        }
        changes.hide(hidden.into_iter(), self)?;
        let replaced = replaced.iter_mut().map(ptr::from_mut);
        let added = replaced.chain(elements(lines.list()));
        changes.add(added, self)?;
        state.has_other_links.set(true);
        self.apply_changes(state)
    }

    /// Whether a module has added a line that upstreams get, with a name that `is_named` selects.
    pub fn has_added_line(self, is_named: impl Fn(&[u8]) -> bool) -> bool {
        let state = self.client_context_if_any::<SubrequestFilter>();
        state.is_some_and(|state| {
            let added = state.changes.iter().flat_map(LineChanges::added);
            named(added).any(|(_, name)| is_named(name))
        })
    }

    /// Whether upstreams get other lines than nginx has read.
    fn has_changed_lines(self) -> bool {
        let state = self.client_context_if_any::<SubrequestFilter>();
        state.is_some_and(|state| state.client_lines.get().is_some())
    }

    /// Drops the lines that other modules than `M` have added.
    fn drop_added_lines<M: Exported>(
        self,
        state: &ClientState,
        is_dropped: impl Fn(&[u8]) -> bool,
    ) -> Result<(), Failure> {
        let own = state.changes_of::<M>()?;
        for changes in state.changes.iter().filter(|other| !ptr::eq(*other, own)) {
            if named(changes.added()).any(|(_, name)| is_dropped(name)) {
                let mut left = named(changes.added())
                    .filter(|(_, name)| !is_dropped(name))
                    .peekable();
                let left = match left.peek() {
                    Some(_) => Some(self.new_list(left, 0)?),
                    None => None,
                };
                changes.added.set(left);
            }
        }
        Ok(())
    }

    /// Gives upstreams the client's lines with the changes of all modules.
    fn apply_changes(self, state: &ClientState) -> Result<(), Failure> {
        let client_lines = match state.client_lines.get() {
            Some(client_lines) => client_lines,
            None => {
                let client_lines = self.copy_of_list()?;
                state.client_lines.set(Some(client_lines));
                client_lines
            }
        };
        let hides_any = state
            .changes
            .iter()
            .any(|changes| changes.hidden.get().is_some());
        let mut lists = state
            .changes
            .iter()
            .filter_map(|changes| changes.added.get());
        match (hides_any, lists.next(), lists.next()) {
            (false, None, _) => {
                // SAFETY: a list of the request, all of it.
                unsafe { self.set_list(client_lines) };
                return self.link(state);
            }
            // SAFETY: both are lists of the request.
            (false, Some(added), None) if unsafe { self.set_joined_list(client_lines, added) } => {
                return self.link(state);
            }
            _ => {}
        }
        let hidden = state.changes.iter().flat_map(LineChanges::hidden);
        let hidden: LineSet = hidden.collect();
        // Lines of the client with another value stay at their places.
        let added = state.changes.iter().flat_map(LineChanges::added);
        let (replaced, added): (Vec<_>, Vec<_>) = added.partition(|line| hidden.contains(*line));
        let count = self.named_lines().count() + replaced.len() + added.len();
        let list = self.new_list(iter::empty(), count)?;
        let mut replacements = HashMap::<_, Vec<_>>::new();
        for line in replaced {
            replacements.entry(LineId::of(line)).or_default().push(line);
        }
        // SAFETY: a line of a list of the request; the list is not in use yet.
        let push = |line: *mut ngx_table_elt_t| unsafe { push_copy(list, line) };
        for (line, _) in self.named_lines() {
            match hidden.contains(line) {
                false => push(line)?,
                true => replacements
                    .remove(&LineId::of(line))
                    .into_iter()
                    .flatten()
                    .try_for_each(push)?,
            }
        }
        added.into_iter().try_for_each(push)?;
        state.has_other_links.set(true);
        self.use_list(list)
    }

    /// Has nginx find the lines of a list where it looks for them, unless these are those that it
    /// has read.
    fn link(self, state: &ClientState) -> Result<(), Failure> {
        // perf: 400 instructions less for lines whose names nginx does not know.
        if state.has_other_links.get() {
            // SAFETY: the request is live.
            if unsafe { link_lines(self.raw()) } != NGX_OK as ngx_int_t {
                return Err(Failure::OutOfMemory);
            }
            let is_changed = state.changes.iter().any(LineChanges::is_any);
            state.has_other_links.set(is_changed);
        }
        self.forget_header_variables();
        Ok(())
    }

    /// A line of the request with another value.
    fn with_value(
        self,
        line: *const ngx_table_elt_t,
        value: &[u8],
    ) -> Result<ngx_table_elt_t, Failure> {
        // SAFETY: an element of a list of the request.
        let mut line = unsafe { line.read() };
        line.value = self.copy_with_nul(value)?.raw();
        Ok(line)
    }

    /// A list of the client's lines with these names. Before, the variables that show the client's
    /// lines are evaluated: nginx keeps their values for a request and its subrequests together,
    /// and one that has fewer lines must not decide what they are.
    pub(super) fn named_client_lines(
        self,
        names: &[Box<[u8]>],
    ) -> Result<NonNull<ngx_list_t>, Failure> {
        let variables = &self.main_conf::<SubrequestFilter>().header_variables;
        for variable in variables.get_or_init(|| self.header_variables()) {
            let _ = self.variable(*variable);
        }
        let is_named = |name: &[u8]| names.iter().any(|other| other.eq_ignore_ascii_case(name));
        let lines = self.named_lines().filter(|(_, name)| is_named(name));
        self.new_list(lines, 0)
    }

    /// A list without the lines that announce a body, which FastCGI, uwsgi and SCGI would hand over
    /// like any other. The variables that show these lines are evaluated before, as for
    /// [`named_client_lines`](Self::named_client_lines). The list itself if it has no such line.
    ///
    /// # Safety
    /// `list` is one of the request, to which nothing is added.
    pub(super) unsafe fn without_body_lines(
        self,
        list: *const ngx_list_t,
    ) -> Result<*const ngx_list_t, Failure> {
        let announces = |name: &[u8]| ANNOUNCING.iter().any(|a| a.eq_ignore_ascii_case(name));
        // SAFETY: the caller's.
        let lines = named_lines(unsafe { HeaderLines::of_request(list) });
        let lines: Vec<_> = lines.collect();
        if !lines.iter().any(|(_, name)| announces(name)) {
            return Ok(list);
        }
        let variables = &self.main_conf::<SubrequestFilter>().header_variables;
        for variable in variables.get_or_init(|| self.header_variables()) {
            let name = self.name_of(*variable);
            if ANNOUNCING_VARIABLES.contains(&name.bytes()) {
                let _ = self.variable(*variable);
            }
        }
        let left = lines.into_iter().filter(|(_, name)| !announces(name));
        Ok(self.new_list(left, 0)?.as_ptr())
    }

    /// The list of the client's lines, which may not be the one that upstreams get.
    pub(super) fn client_lines(self) -> *const ngx_list_t {
        let state = self.client_context_if_any::<SubrequestFilter>();
        match state.and_then(|state| state.client_lines.get()) {
            Some(client_lines) => client_lines.as_ptr(),
            // SAFETY: the request is live.
            None => unsafe { &raw const (*self.raw()).headers_in.headers },
        }
    }

    /// The client's lines, those that are hidden from upstreams among them, and the lines that
    /// other modules than `M` have added.
    pub(super) fn client_lines_and_added<M: Exported>(self) -> Result<*const ngx_list_t, Failure> {
        let Some(state) = self.client_context_if_any::<SubrequestFilter>() else {
            return Ok(self.client_lines());
        };
        let own = state.changes_of::<M>()?;
        let others = || state.changes.iter().filter(|other| !ptr::eq(*other, own));
        let added = || others().flat_map(LineChanges::added);
        if added().next().is_none() {
            return Ok(self.client_lines());
        }
        let list = self.new_list(self.named_lines(), added().count())?;
        for line in added() {
            // SAFETY: the line is one of a list of the request; the list is not in use yet.
            unsafe { push_copy(list, line)? };
        }
        Ok(list.as_ptr())
    }

    /// The client's lines with their names.
    fn named_lines(self) -> impl Iterator<Item = NamedLine<'r>> {
        named_lines(self.headers())
    }

    /// Makes a list of [`new_list`](Self::new_list) the one that upstreams get and variables show.
    fn use_list(self, list: NonNull<ngx_list_t>) -> Result<(), Failure> {
        // SAFETY: the request is live, and so is the list.
        unsafe {
            self.set_list(list);
            if link_lines(self.raw()) != NGX_OK as ngx_int_t {
                return Err(Failure::OutOfMemory);
            }
        }
        self.forget_header_variables();
        Ok(())
    }
}
