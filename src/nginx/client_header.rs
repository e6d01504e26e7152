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

use super::directive::Config;
use super::failure::Failure;
use super::filter_state::{ClientState, LineChanges, SubrequestFilter};
use super::header::{HeaderLines, LineList};
use super::module::Exported;
use super::pool::own;
use super::request::Request;
use super::shim::{forget_line, link_lines};
use super::text::Text;
use super::upstream_line::UpstreamLines;
use super::variable::Variable;
use nginx_sys::{
    NGX_HTTP_VAR_CHANGEABLE, NGX_OK, ngx_hash_key_t, ngx_http_variable_t, ngx_int_t,
    ngx_list_create, ngx_list_push, ngx_list_t, ngx_table_elt_t, ngx_uint_t,
};
use std::iter;
use std::ptr::{self, NonNull};
use std::slice;

/// Variables that show header lines and have getters of their own, and not that of their family.
const VARIABLES_WITH_GETTERS: [&[u8]; 6] = [
    b"http_cookie",
    b"http_referer",
    b"http_user_agent",
    b"http_via",
    b"http_x_forwarded_for",
    b"proxy_add_x_forwarded_for",
];

/// A header line, and its name.
type NamedLine<'r> = (*mut ngx_table_elt_t, &'r [u8]);

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
        unsafe { HeaderLines::from_raw(self.client_lines()) }
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
        let is_clients = |line: *mut ngx_table_elt_t| {
            !has_added_lines || self.named_lines().any(|(other, _)| is_same(line, other))
        };
        // SAFETY: as above.
        let lines: Vec<_> = named_lines(unsafe { HeaderLines::from_raw(inherited) }).collect();
        let change_of = |line, name| match is_clients(line) {
            true => change(name, value(line).bytes()),
            false => LineChange::Keep,
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
        for (line, name) in self.named_lines() {
            if changes.hides(line) {
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
        let is_hidden = |line| state.changes.iter().any(|changes| changes.hides(line));
        let added = state.changes.iter().flat_map(LineChanges::added);
        let mut added: Vec<_> = added.collect();
        let list = self.new_list(iter::empty(), self.named_lines().count() + added.len())?;
        // SAFETY: a line of a list of the request; the list is not in use yet.
        let push = |line: *mut ngx_table_elt_t| unsafe { push_copy(list, line) };
        for (line, _) in self.named_lines() {
            if !is_hidden(line) {
                push(line)?;
                continue;
            }
            // One with another value stays at its place.
            added
                .extract_if(.., |other| is_same(*other, line))
                .try_for_each(push)?;
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

    /// A new list of these lines, with room for more.
    fn new_list<'l>(
        self,
        lines: impl Iterator<Item = NamedLine<'l>>,
        more: usize,
    ) -> Result<NonNull<ngx_list_t>, Failure> {
        let lines: Vec<_> = lines.map(|(line, _)| line).collect();
        // All in the first part, so that a copy of the ngx_list_t is a list.
        let room = (lines.len() + more).max(1);
        // SAFETY: the pool lives as long as the request; NULL is checked.
        unsafe {
            let list = ngx_list_create((*self.raw()).pool, room, size_of::<ngx_table_elt_t>());
            let list = NonNull::new(list).ok_or(Failure::OutOfMemory)?;
            for line in lines {
                push_copy(list, line)?;
            }
            Ok(list)
        }
    }

    /// Another list of the lines that nginx has read, with the same elements.
    fn copy_of_list(self) -> Result<NonNull<ngx_list_t>, Failure> {
        // SAFETY: the request is live; an ngx_list_t has no destructor.
        unsafe {
            let headers = &raw mut (*self.raw()).headers_in.headers;
            let list = own((*self.raw()).pool, *headers)?;
            if ptr::eq((*headers).last, &raw const (*headers).part) {
                (*list.as_ptr()).last = &raw mut (*list.as_ptr()).part;
            }
            Ok(list)
        }
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

    /// Makes a list the one that upstreams get.
    ///
    /// # Safety
    /// It is a list of this request.
    unsafe fn set_list(self, list: NonNull<ngx_list_t>) {
        // SAFETY: the request is live. ngx_list_push looks at `last`, which has to be the part
        // inside the copy if there is no other.
        unsafe {
            let headers = &raw mut (*self.raw()).headers_in.headers;
            *headers = *list.as_ptr();
            if (*headers).part.next.is_null() {
                (*headers).last = &raw mut (*headers).part;
            }
        }
    }

    /// Makes two lists the one that upstreams get, without copies of their elements. `false` if that
    /// cannot be done without a change of the first list, or without a part of the list that has no
    /// element: nginx expects one in each part but the first.
    ///
    /// # Safety
    /// They are lists of this request.
    // perf: 1,100 instructions less than a list of copies, for two lines.
    unsafe fn set_joined_list(
        self,
        first: NonNull<ngx_list_t>,
        second: NonNull<ngx_list_t>,
    ) -> bool {
        // SAFETY: the request is live. The first part is inside an ngx_list_t, so that each copy has
        // its own `next`. The parts of the second list live as long as the request.
        unsafe {
            if !(*first.as_ptr()).part.next.is_null() || (*second.as_ptr()).part.nelts == 0 {
                return false;
            }
            let headers = &raw mut (*self.raw()).headers_in.headers;
            *headers = *first.as_ptr();
            (*headers).part.next = &raw mut (*second.as_ptr()).part;
            (*headers).last = (*second.as_ptr()).last;
        }
        true
    }

    /// Drops nginx's cached values of `$http_<name>` and `$cookie_<name>`, because the header lines
    /// have changed.
    fn forget_header_variables(self) {
        let variables = &self.main_conf::<SubrequestFilter>().header_variables;
        for variable in variables.get_or_init(|| self.header_variables()) {
            self.forget(*variable);
        }
    }

    /// The variables `$http_<name>` and `$cookie_<name>`, and others that show header lines, to
    /// which the configuration refers, without those that a directive may set.
    fn header_variables(self) -> Vec<Variable> {
        // SAFETY: once a configuration is in force, these are arrays of ngx_http_variable_t.
        let [indexed, prefixed] = unsafe {
            let conf = &*self.core_main_conf();
            [conf.variables, conf.prefix_variables].map(|variables| match variables.nelts {
                0 => &[][..],
                count => slice::from_raw_parts(variables.elts.cast::<ngx_http_variable_t>(), count),
            })
        };
        // SAFETY: names of variables live as long as the configuration.
        let name = |variable: &ngx_http_variable_t| unsafe { Text::from_raw(variable.name) };
        let getters: Vec<_> = prefixed
            .iter()
            .filter(|family| matches!(&*name(family), b"http_" | b"cookie_"))
            .filter_map(|family| family.get_handler)
            .collect();
        let has_own_getter = |variable: &ngx_http_variable_t| {
            VARIABLES_WITH_GETTERS.contains(&&*name(variable))
                && variable.flags & NGX_HTTP_VAR_CHANGEABLE as ngx_uint_t == 0
        };
        let shows_header = |variable: &ngx_http_variable_t| {
            let mut getters = getters.iter();
            variable
                .get_handler
                .is_some_and(|own| getters.any(|getter| ptr::fn_addr_eq(own, *getter)))
                || has_own_getter(variable)
        };
        let with_index = indexed.iter().enumerate();
        with_index
            .filter(|(_, variable)| shows_header(variable))
            .map(|(index, _)| Variable { index })
            .collect()
    }
}

impl Config<'_> {
    /// Whether a name such as `http_NAME`, `cookie_NAME` or `arg_NAME` has the meaning that nginx
    /// gives to its prefix: no directive defines a variable of this name.
    pub fn is_variable_of_nginx(&self, name: &[u8]) -> bool {
        // SAFETY: nginx makes the keys before it reads http{}, and frees them when all of it has
        // been read (ngx_http_variables_init_vars); their names live as long.
        let keys = unsafe {
            match (*self.core_main_conf()).variables_keys.as_ref() {
                Some(keys) => keys.keys.as_slice::<ngx_hash_key_t>(),
                None => return false,
            }
        };
        let is_defined = keys
            .iter()
            .any(|key| key.key.as_bytes().eq_ignore_ascii_case(name));
        !is_defined
            || VARIABLES_WITH_GETTERS
                .iter()
                .any(|own| own.eq_ignore_ascii_case(name))
    }
}

impl ClientState {
    /// The changes of a module.
    fn changes_of<M: Exported>(&self) -> Result<&LineChanges, Failure> {
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
    fn clear(&self) -> bool {
        self.hidden.take().is_some() | self.added.take().is_some()
    }

    fn is_any(&self) -> bool {
        self.hidden.get().is_some() || self.added.get().is_some()
    }

    fn hides(&self, line: *const ngx_table_elt_t) -> bool {
        lines_of(&self.hidden).any(|hidden| is_same(hidden, line))
    }

    fn added(&self) -> impl Iterator<Item = *mut ngx_table_elt_t> {
        lines_of(&self.added)
    }

    /// Hides these lines of the client as well.
    fn hide(
        &self,
        lines: impl Iterator<Item = *mut ngx_table_elt_t>,
        request: Request<'_>,
    ) -> Result<(), Failure> {
        let mut lines = lines.peekable();
        if lines.peek().is_some() {
            let all = lines_of(&self.hidden).chain(lines);
            self.hidden.set(Some(request.new_list(named(all), 0)?));
        }
        Ok(())
    }

    /// Adds these lines as well.
    fn add(
        &self,
        lines: impl Iterator<Item = *mut ngx_table_elt_t>,
        request: Request<'_>,
    ) -> Result<(), Failure> {
        let mut lines = lines.peekable();
        if lines.peek().is_some() {
            let all = self.added().chain(lines);
            self.added.set(Some(request.new_list(named(all), 0)?));
        }
        Ok(())
    }
}

/// The lines of a list of [`LineChanges`].
fn lines_of(list: &LineList) -> impl Iterator<Item = *mut ngx_table_elt_t> {
    elements(list.get())
}

fn elements(list: Option<NonNull<ngx_list_t>>) -> impl Iterator<Item = *mut ngx_table_elt_t> {
    // SAFETY: a list that `new_list` has made in the pool of the request that the changes are of.
    let lines = list.map(|list| unsafe { HeaderLines::from_raw(list.as_ptr()) });
    lines.into_iter().flat_map(HeaderLines::elements)
}

/// Whether two lines are the same one of the client. A line of one list may be a copy of a line of
/// another: both share the bytes of the name.
fn is_same(a: *const ngx_table_elt_t, b: *const ngx_table_elt_t) -> bool {
    // SAFETY: both are elements of lists of the request.
    unsafe { (*a).key.data == (*b).key.data }
}

fn value<'r>(line: *const ngx_table_elt_t) -> Text<'r> {
    // SAFETY: an element of a list of the request, whose texts live as long as the request.
    unsafe { Text::from_raw((*line).value) }
}

/// Adds a copy of a line to a list.
///
/// # Safety
/// `line` is a line of a request, and `list` a list of the same request, with room.
unsafe fn push_copy(
    list: NonNull<ngx_list_t>,
    line: *const ngx_table_elt_t,
) -> Result<(), Failure> {
    // SAFETY: the caller's; NULL is checked, and a pushed element is uninitialized until it is
    // written.
    unsafe {
        let copy = ngx_list_push(list.as_ptr()).cast::<ngx_table_elt_t>();
        NonNull::new(copy)
            .ok_or(Failure::OutOfMemory)?
            .write(line.read());
    }
    Ok(())
}

/// The lines of a list with their names.
fn named_lines<'r>(lines: HeaderLines<'r>) -> impl Iterator<Item = NamedLine<'r>> {
    named(lines.elements())
}

fn named<'r>(
    lines: impl Iterator<Item = *mut ngx_table_elt_t>,
) -> impl Iterator<Item = NamedLine<'r>> {
    lines.map(|line| {
        // SAFETY: an element of a list of the request, which lives as long as the request.
        (line, unsafe { Text::from_raw((*line).key) }.bytes())
    })
}
