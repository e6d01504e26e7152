//! Lists of a request's header lines: new ones, and the one that upstreams get.

use super::failure::Failure;
use super::header::HeaderLines;
use super::pool::own;
use super::request::Request;
use super::shim::forget_links;
use super::text::Text;
use nginx_sys::{ngx_list_create, ngx_list_push, ngx_list_t, ngx_table_elt_t};
use std::ptr::{self, NonNull};

/// A header line, and its name.
pub(super) type NamedLine<'r> = (*mut ngx_table_elt_t, &'r [u8]);

impl Request<'_> {
    /// A new list of these lines, with room for more.
    pub(super) fn new_list<'l>(
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
    pub(super) fn copy_of_list(self) -> Result<NonNull<ngx_list_t>, Failure> {
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

    /// Makes a list the one that upstreams get.
    ///
    /// # Safety
    /// It is a list of this request.
    pub(super) unsafe fn set_list(self, list: NonNull<ngx_list_t>) {
        // SAFETY: the request is live. ngx_list_push looks at `last`, which has to be the part
        // inside the copy if there is no other.
        unsafe {
            let headers = &raw mut (*self.raw()).headers_in.headers;
            *headers = *list.as_ptr();
            if (*headers).part.next.is_null() {
                (*headers).last = &raw mut (*headers).part;
            }
            forget_links(self.raw());
        }
    }

    /// Makes two lists the one that upstreams get, without copies of their elements. `false` if that
    /// cannot be done without a change of the first list, or without a part of the list that has no
    /// element: nginx expects one in each part but the first.
    ///
    /// # Safety
    /// They are lists of this request.
    // perf: 1,100 instructions less than a list of copies, for two lines.
    pub(super) unsafe fn set_joined_list(
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
            forget_links(self.raw());
        }
        true
    }
}

pub(super) fn elements(
    list: Option<NonNull<ngx_list_t>>,
) -> impl Iterator<Item = *mut ngx_table_elt_t> {
    // SAFETY: a list that `new_list` has made in the pool of the request that the changes are of.
    let lines = list.map(|list| unsafe { HeaderLines::of_request(list.as_ptr()) });
    lines.into_iter().flat_map(HeaderLines::elements)
}

/// Lines of the client, which may be many: finding one must not take a walk over all of them.
// perf: sorted, because most requests have one or two, and comparing is cheaper than hashing.
pub(super) struct LineSet(Vec<LineId>);

/// What a line has in common with its copies in other lists, and with no other line of the client
/// that has another name: the address of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LineId(*const u8);

impl LineId {
    pub(super) fn of(line: *const ngx_table_elt_t) -> Self {
        // SAFETY: an element of a list of the request.
        Self(unsafe { (*line).key.data })
    }
}

impl FromIterator<*mut ngx_table_elt_t> for LineSet {
    fn from_iter<I: IntoIterator<Item = *mut ngx_table_elt_t>>(lines: I) -> Self {
        let ids = lines.into_iter().map(|line| LineId::of(line));
        let mut ids: Vec<_> = ids.collect();
        ids.sort_unstable();
        Self(ids)
    }
}

impl LineSet {
    pub(super) fn contains(&self, line: *const ngx_table_elt_t) -> bool {
        self.0.binary_search(&LineId::of(line)).is_ok()
    }
}

pub(super) fn value<'r>(line: *const ngx_table_elt_t) -> Text<'r> {
    // SAFETY: an element of a list of the request, whose texts live as long as the request.
    unsafe { Text::from_raw((*line).value) }
}

/// Adds a copy of a line to a list.
///
/// # Safety
/// `line` is a line of a request, and `list` a list of the same request, with room.
pub(super) unsafe fn push_copy(
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
pub(super) fn named_lines<'r>(lines: HeaderLines<'r>) -> impl Iterator<Item = NamedLine<'r>> {
    named(lines.elements())
}

pub(super) fn named<'r>(
    lines: impl Iterator<Item = *mut ngx_table_elt_t>,
) -> impl Iterator<Item = NamedLine<'r>> {
    lines.map(|line| {
        // SAFETY: an element of a list of the request, which lives as long as the request.
        (line, unsafe { Text::from_raw((*line).key) }.bytes())
    })
}
