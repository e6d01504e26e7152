//! Which header lines of the client reach upstreams: all except those whose names are reserved for
//! what the authorization service says.
//!
//! nginx passes on every line of the list of a request, whatever marks a line has, so a line is
//! removed by making a new list without it. The client's own lines are remembered. A check that is
//! made again after an internal redirect is made with them, and not with the lines that the verdict
//! before it has put in their place.

use super::failure::Failure;
use super::filter_state::SubrequestFilter;
use super::header::{HeaderLines, push_line};
use super::request::Request;
use super::shim::{forget_line, link_lines};
use super::text::Text;
use super::variable::Variable;
use nginx_sys::{
    NGX_HTTP_VAR_CHANGEABLE, NGX_OK, ngx_http_variable_t, ngx_int_t, ngx_list_create,
    ngx_list_push, ngx_list_t, ngx_table_elt_t, ngx_uint_t,
};
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

impl<'r> Request<'r> {
    /// The client's header lines, without those that were removed.
    pub fn headers(self) -> HeaderLines<'r> {
        // SAFETY: the list is the request's. nginx has completed it before it calls us, and we add
        // nothing to a list once it is the list of the client's lines.
        unsafe { HeaderLines::from_raw(self.client_lines()) }
    }

    /// Removes the client's lines whose names `is_reserved` selects, for good. Lines that a verdict
    /// in an earlier location has added go, too.
    pub fn remove_client_lines(self, is_reserved: impl Fn(&[u8]) -> bool) -> Result<(), Failure> {
        if !self.named_lines().any(|(_, name)| is_reserved(name)) {
            return self.restore_client_lines();
        }
        let state = self.client_context::<SubrequestFilter>()?;
        let left = self.named_lines().filter(|(_, name)| !is_reserved(name));
        let left = self.new_list(left, 0)?;
        for (line, _) in self.named_lines().filter(|(_, name)| is_reserved(name)) {
            // SAFETY: the request is live, and the line one of its own.
            unsafe { forget_line(self.raw(), line) };
        }
        state.client_lines.set(Some(left));
        self.use_list(left)
    }

    /// Removes the client's lines whose names `is_reserved` selects from the header that a
    /// subrequest has inherited. Lines that a verdict has added stay: they are meant for whoever
    /// serves the request, and the subrequest is a part of it.
    pub fn remove_inherited_lines(
        self,
        is_reserved: impl Fn(&[u8]) -> bool,
    ) -> Result<(), Failure> {
        self.forget_values_of_subrequests();
        // SAFETY: the request is live, and nothing is added to its list.
        let inherited = unsafe { &raw const (*self.raw()).headers_in.headers };
        let has_verdicts_lines = inherited != self.client_lines();
        // A line of one list may be a copy of a line of the other: both share the bytes of the
        // name. SAFETY: both are elements of lists of the request.
        let is_same = |a: *const ngx_table_elt_t, b: *const ngx_table_elt_t| unsafe {
            (*a).key.data == (*b).key.data
        };
        let is_clients = |line: *mut ngx_table_elt_t| {
            !has_verdicts_lines || self.named_lines().any(|(other, _)| is_same(line, other))
        };
        let is_removed = |&(line, name): &NamedLine<'_>| is_reserved(name) && is_clients(line);
        // SAFETY: as above.
        let inherited_lines = || named_lines(unsafe { HeaderLines::from_raw(inherited) });
        if !inherited_lines().any(|line| is_removed(&line)) {
            return Ok(());
        }
        let left = self.new_list(inherited_lines().filter(|line| !is_removed(line)), 0)?;
        for (line, _) in inherited_lines().filter(is_removed) {
            // SAFETY: the request is live, and the line one of its own.
            unsafe { forget_line(self.raw(), line) };
        }
        let state = self.client_context::<SubrequestFilter>()?;
        state.subrequest_lines_differ.set(true);
        self.use_list(left)
    }

    /// Drops nginx's cached values of variables about header lines, if a subrequest with other
    /// lines may have left them: nginx keeps one value for a request and its subrequests.
    pub fn forget_values_of_subrequests(self) {
        let state = self.client_context_if_any::<SubrequestFilter>();
        if state.is_some_and(|state| state.subrequest_lines_differ.get()) {
            self.forget_header_variables();
        }
    }

    /// Gives upstreams the client's lines again, if a verdict in an earlier location has replaced
    /// some.
    pub fn restore_client_lines(self) -> Result<(), Failure> {
        let state = self.client_context_if_any::<SubrequestFilter>();
        match state.and_then(|state| state.client_lines.get()) {
            Some(client_lines) => self.use_list(client_lines),
            None => Ok(()),
        }
    }

    /// Gives upstreams these lines instead of the client's lines whose names `is_reserved` selects.
    pub fn replace_upstream_lines<'l>(
        self,
        is_reserved: impl Fn(&[u8]) -> bool,
        lines: &'l [(Text<'r>, Text<'r>)],
    ) -> Result<(), Failure>
    where
        'r: 'l,
    {
        let state = self.client_context::<SubrequestFilter>()?;
        if state.client_lines.get().is_none() {
            let client_lines = self.new_list(self.named_lines(), 0)?;
            state.client_lines.set(Some(client_lines));
        }
        let left = self.named_lines().filter(|(_, name)| !is_reserved(name));
        let list = self.new_list(left, lines.len())?;
        for (name, value) in lines {
            let lower_case = self.copy(&name.to_ascii_lowercase())?;
            // Modules of nginx search the lines that it has pointers to up to a NUL.
            let value = self.copy(&[value.bytes(), b"\0"].concat())?;
            let (value, _) = value.split_once(b'\0').ok_or(Failure::Inconsistent)?;
            // SAFETY: the list is the request's, and so are the texts.
            unsafe { push_line(list.as_ptr(), *name, value, Some(lower_case))? };
        }
        self.use_list(list)
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
        // SAFETY: the pool lives as long as the request; NULL is checked; a pushed element is
        // uninitialized until it is written.
        unsafe {
            let list = ngx_list_create((*self.raw()).pool, room, size_of::<ngx_table_elt_t>());
            let list = NonNull::new(list).ok_or(Failure::OutOfMemory)?;
            for line in lines {
                let copy = ngx_list_push(list.as_ptr()).cast::<ngx_table_elt_t>();
                let copy = NonNull::new(copy).ok_or(Failure::OutOfMemory)?;
                copy.write(line.read());
            }
            Ok(list)
        }
    }

    /// Makes a list of [`new_list`](Self::new_list) the one that upstreams get and variables show.
    fn use_list(self, list: NonNull<ngx_list_t>) -> Result<(), Failure> {
        // SAFETY: the request is live. The list has one part, and ngx_list_push looks at `last`,
        // which has to be the part inside the copy.
        unsafe {
            let headers = &raw mut (*self.raw()).headers_in.headers;
            *headers = *list.as_ptr();
            (*headers).last = &raw mut (*headers).part;
            if link_lines(self.raw()) != NGX_OK as ngx_int_t {
                return Err(Failure::OutOfMemory);
            }
        }
        self.forget_header_variables();
        Ok(())
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

/// The lines of a list with their names.
fn named_lines<'r>(lines: HeaderLines<'r>) -> impl Iterator<Item = NamedLine<'r>> {
    lines.elements().map(|line| {
        // SAFETY: an element of a list of the request, which lives as long as the request.
        (line, unsafe { Text::from_raw((*line).key) }.bytes())
    })
}
