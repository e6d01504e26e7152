//! What of a client's header an upstream gets: all lines, but for those whose names belong to somebody who knows better.
//!
//! nginx passes on each line of a request's list, whatever is marked in it, so a line is taken out by making a new
//! list. The client's own lines are kept aside: what asks again, after an internal redirect, is to ask with them, and
//! not with what the last answer put in their place.

use super::Failure;
use super::bits::{forget_line, link_cookies};
use super::header::HeaderLines;
use super::request::Request;
use super::subrequest_filter::SubrequestFilter;
use super::text::Text;
use nginx_sys::{
    NGX_OK, ngx_hash_key, ngx_int_t, ngx_list_create, ngx_list_push, ngx_list_t, ngx_table_elt_t,
};
use std::cell::Cell;
use std::ptr::NonNull;

/// What is kept aside of the headers of a request and its response.
#[derive(Default)]
pub struct ClientHeader {
    /// The `Location` that we have put into the response.
    pub(super) location: Cell<Option<NonNull<ngx_table_elt_t>>>,
    /// The client's lines, where the request's list has been changed.
    lines: Cell<Option<NonNull<ngx_list_t>>>,
}

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
            let lower_case = self.copy(&name.to_ascii_lowercase())?.raw();
            // SAFETY: the list is the request's; NULL is checked; a pushed element is uninitialized until written.
            unsafe {
                let line = ngx_list_push(list.as_ptr()).cast::<ngx_table_elt_t>();
                let line = NonNull::new(line).ok_or(Failure)?.as_ptr();
                line.write(std::mem::zeroed());
                (*line).hash = ngx_hash_key(lower_case.data, lower_case.len);
                (*line).key = name.raw();
                (*line).value = value.raw();
                (*line).lowcase_key = lower_case.data;
            }
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
            let list = NonNull::new(list).ok_or(Failure)?;
            for line in lines {
                let place = ngx_list_push(list.as_ptr()).cast::<ngx_table_elt_t>();
                NonNull::new(place).ok_or(Failure)?.write(line.read());
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
                return Err(Failure);
            }
        }
        self.forget_header_variables();
        Ok(())
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
