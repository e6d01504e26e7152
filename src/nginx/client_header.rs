//! What of a client's header an upstream gets: all lines, but for those whose names belong to somebody who knows better.
//!
//! nginx passes on each line of a request's list, whatever is marked in it, so a line is taken out by making a new
//! list. The client's own lines are kept aside: what asks again, after an internal redirect, is to ask with them, and
//! not with what the last answer put in their place.

use super::failure::Failure;
use super::filter_state::SubrequestFilter;
use super::header::{HeaderLines, push_line};
use super::request::Request;
use super::shim::{forget_line, link_cookies};
use super::text::Text;
use super::variable::Variable;
use nginx_sys::{
    NGX_HTTP_VAR_CHANGEABLE, NGX_OK, ngx_http_variable_t, ngx_int_t, ngx_list_create,
    ngx_list_push, ngx_list_t, ngx_table_elt_t, ngx_uint_t,
};
use std::ptr::{self, NonNull};
use std::slice;

impl<'r> Request<'r> {
    /// The lines of the request's header, as the client sent them; without those that were removed.
    pub fn headers(self) -> HeaderLines<'r> {
        // SAFETY: both lists are the request's, complete before any callback of ours, and never added to once they
        // are the client's.
        unsafe { HeaderLines::from_raw(self.client_lines()) }
    }

    /// Takes the lines with such names out of the client's header, for good. What an earlier location has put in
    /// place of the client's lines goes, too.
    pub fn remove_client_lines(self, named: impl Fn(&[u8]) -> bool) -> Result<(), Failure> {
        if !self.elements().any(|(_, name)| named(name)) {
            return self.restore_client_lines();
        }
        let header = self.client_context::<SubrequestFilter>()?;
        let lines = self.list(self.elements().filter(|(_, name)| !named(name)), 0)?;
        for (line, _) in self.elements().filter(|(_, name)| named(name)) {
            // SAFETY: the request is live, and the line one of its own.
            unsafe { forget_line(self.raw(), line) };
        }
        header.lines.set(Some(lines));
        self.put(lines)
    }

    /// Takes the client's lines with such names out of the header of a subrequest. What an answer has put in their place
    /// stays: it was meant for whoever serves the request, and a subrequest is a part of it.
    pub fn remove_inherited_lines(self, named: impl Fn(&[u8]) -> bool) -> Result<(), Failure> {
        // SAFETY: the request is live, and nothing is added to its list.
        let inherited = unsafe { &raw const (*self.raw()).headers_in.headers };
        let is_changed = inherited != self.client_lines();
        // A line may be a copy: it has the name in the same place.
        // SAFETY: elements of lists of the request's.
        let same = |a: *const ngx_table_elt_t, b: *const ngx_table_elt_t| unsafe {
            (*a).key.data == (*b).key.data
        };
        let is_clients = |line: *mut ngx_table_elt_t| {
            !is_changed || self.elements().any(|(other, _)| same(line, other))
        };
        let goes = |&(line, name): &(*mut ngx_table_elt_t, &[u8])| named(name) && is_clients(line);
        // SAFETY: as above.
        let lines = || named_elements(unsafe { HeaderLines::from_raw(inherited) });
        if !lines().any(|line| goes(&line)) {
            return Ok(());
        }
        let left = self.list(lines().filter(|line| !goes(line)), 0)?;
        for (line, _) in lines().filter(goes) {
            // SAFETY: the request is live, and the line one of its own.
            unsafe { forget_line(self.raw(), line) };
        }
        self.put(left)
    }

    /// Takes back what an earlier location has put in place of the client's lines.
    pub fn restore_client_lines(self) -> Result<(), Failure> {
        let kept = self.client_context_if_any::<SubrequestFilter>();
        match kept.and_then(|header| header.lines.get()) {
            Some(lines) => self.put(lines),
            None => Ok(()),
        }
    }

    /// Has upstreams get these lines, and of the client's those without such names.
    pub fn replace_upstream_lines<'l>(
        self,
        named: impl Fn(&[u8]) -> bool,
        lines: &'l [(Text<'r>, Text<'r>)],
    ) -> Result<(), Failure>
    where
        'r: 'l,
    {
        let header = self.client_context::<SubrequestFilter>()?;
        if header.lines.get().is_none() {
            header.lines.set(Some(self.list(self.elements(), 0)?));
        }
        let left = self.elements().filter(|(_, name)| !named(name));
        let list = self.list(left, lines.len())?;
        for (name, value) in lines {
            let lower_case = self.copy(&name.to_ascii_lowercase())?;
            // SAFETY: the list is the request's, and so are the texts.
            unsafe { push_line(list.as_ptr(), *name, *value, Some(lower_case))? };
        }
        self.put(list)
    }

    /// The list with the client's lines.
    pub(super) fn client_lines(self) -> *const ngx_list_t {
        let kept = self.client_context_if_any::<SubrequestFilter>();
        match kept.and_then(|header| header.lines.get()) {
            Some(lines) => lines.as_ptr(),
            // SAFETY: the request is live.
            None => unsafe { &raw const (*self.raw()).headers_in.headers },
        }
    }

    /// A new list with these elements, and room for more.
    fn list<'l>(
        self,
        lines: impl Iterator<Item = (*mut ngx_table_elt_t, &'l [u8])>,
        more: usize,
    ) -> Result<NonNull<ngx_list_t>, Failure> {
        let lines: Vec<_> = lines.map(|(line, _)| line).collect();
        // In one piece, so that a copy of the list's head is a list.
        let room = (lines.len() + more).max(1);
        // SAFETY: the pool lives as long as the request; NULL is checked; a pushed element is uninitialized until
        // written.
        unsafe {
            let list = ngx_list_create((*self.raw()).pool, room, size_of::<ngx_table_elt_t>());
            let list = NonNull::new(list).ok_or(Failure::OutOfMemory)?;
            for line in lines {
                let place = ngx_list_push(list.as_ptr()).cast::<ngx_table_elt_t>();
                NonNull::new(place)
                    .ok_or(Failure::OutOfMemory)?
                    .write(line.read());
            }
            Ok(list)
        }
    }

    /// The elements of the list with the client's lines, with their names.
    fn elements(self) -> impl Iterator<Item = (*mut ngx_table_elt_t, &'r [u8])> {
        named_elements(self.headers())
    }

    /// Makes a list that `list` made the one that upstreams get, and variables speak of.
    fn put(self, list: NonNull<ngx_list_t>) -> Result<(), Failure> {
        // SAFETY: the request is live; the list is in one part, which in the copy is the copy's own (ngx_list_push
        // looks at `last`).
        unsafe {
            let headers = &raw mut (*self.raw()).headers_in.headers;
            *headers = *list.as_ptr();
            (*headers).last = &raw mut (*headers).part;
            if link_cookies(self.raw()) != NGX_OK as ngx_int_t {
                return Err(Failure::OutOfMemory);
            }
        }
        self.forget_header_variables();
        Ok(())
    }

    /// Drops the values that nginx keeps of `$http_<name>` and `$cookie_<name>`, so that they are computed anew: to be done when the lines of
    /// the request's header have changed.
    pub(super) fn forget_header_variables(self) {
        let variables = &self.main_state::<SubrequestFilter>().conf.0;
        for variable in variables.get_or_init(|| self.header_variables()) {
            self.forget(*variable);
        }
    }

    /// The variables `$http_<name>` and `$cookie_<name>` that nginx keeps values of, but for those that a directive may set.
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
        // This one has a getter of its own.
        let is_cookies = |variable: &ngx_http_variable_t| {
            &*name(variable) == b"http_cookie"
                && variable.flags & NGX_HTTP_VAR_CHANGEABLE as ngx_uint_t == 0
        };
        let is_of_family = |variable: &ngx_http_variable_t| {
            let own = variable.get_handler;
            let mut getters = getters.iter();
            own.is_some_and(|own| getters.any(|getter| ptr::fn_addr_eq(own, *getter)))
                || is_cookies(variable)
        };
        let with_index = indexed.iter().enumerate();
        with_index
            .filter(|(_, variable)| is_of_family(variable))
            .map(|(index, _)| Variable { index })
            .collect()
    }
}

fn named_elements<'r>(
    lines: HeaderLines<'r>,
) -> impl Iterator<Item = (*mut ngx_table_elt_t, &'r [u8])> {
    lines.elements().map(|line| {
        // SAFETY: an element of a list of the request's, which lives as long.
        (line, unsafe { Text::from_raw((*line).key) }.bytes())
    })
}
