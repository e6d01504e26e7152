//! The lists in which nginx keeps the header lines of requests and responses.

use super::failure::Failure;
use super::text::Text;
use nginx_sys::{ngx_hash_key, ngx_list_part_t, ngx_list_push, ngx_list_t, ngx_table_elt_t};
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::NonNull;

/// A list of header lines in the pool of a request, if there is one.
pub(super) type LineList = Cell<Option<NonNull<ngx_list_t>>>;

/// Iterates over the lines of a header in their order, as pairs of name and value.
#[derive(Clone)]
pub struct HeaderLines<'r>(Elements<'r>);

/// Iterates over the elements of the list of a header.
#[derive(Clone)]
pub(super) struct Elements<'r> {
    part: *const ngx_list_part_t,
    /// The index of the next element in the part.
    next: usize,
    message: Message,
    lifetime: PhantomData<&'r ngx_list_t>,
}

/// What a list of lines belongs to, which decides what a hash of 0 means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message {
    /// The hash is that of the name, and a client can choose a name whose hash is 0. nginx passes
    /// such a line on as any other (ngx_http_proxy_create_request), so that it must not be missed.
    Request,
    /// A line with a hash of 0 was deleted: nginx does not send it (ngx_http_header_filter).
    Response,
}

impl<'r> HeaderLines<'r> {
    /// All lines of a request.
    ///
    /// # Safety
    /// `list` is a live list of ngx_table_elt_t, to which nothing is added during the lifetime
    /// chosen.
    pub(super) unsafe fn of_request(list: *const ngx_list_t) -> Self {
        // SAFETY: the caller's.
        unsafe { Self::from_raw(list, Message::Request) }
    }

    /// The lines of a response that were not deleted.
    ///
    /// # Safety
    /// As for [`of_request`](Self::of_request).
    pub(super) unsafe fn of_response(list: *const ngx_list_t) -> Self {
        // SAFETY: the caller's.
        unsafe { Self::from_raw(list, Message::Response) }
    }

    /// # Safety
    /// As for [`of_request`](Self::of_request).
    unsafe fn from_raw(list: *const ngx_list_t, message: Message) -> Self {
        // SAFETY: the caller's. The first part is inside the list itself.
        let part = unsafe { &raw const (*list).part };
        Self(Elements {
            part,
            next: 0,
            message,
            lifetime: PhantomData,
        })
    }

    pub(super) fn elements(self) -> Elements<'r> {
        self.0
    }

    /// The values of the lines with this name, in any case.
    pub fn named(self, name: &'static [u8]) -> impl Iterator<Item = Text<'r>> {
        self.filter_map(|(other, value)| other.eq_ignore_ascii_case(name).then_some(value))
    }
}

impl<'r> Iterator for HeaderLines<'r> {
    type Item = (Text<'r>, Text<'r>);

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.0.next()?;
        // SAFETY: a live element; names and values of header lines live as long as the request.
        Some(unsafe { (Text::from_raw((*line).key), Text::from_raw((*line).value)) })
    }
}

impl Iterator for Elements<'_> {
    type Item = *mut ngx_table_elt_t;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            // SAFETY: a part is NULL or a live part of the list, with `nelts` elements
            // (ngx_list.h).
            let part = unsafe { self.part.as_ref()? };
            if self.next >= part.nelts {
                self.part = part.next;
                self.next = 0;
                continue;
            }
            // SAFETY: as above.
            let line = unsafe { part.elts.cast::<ngx_table_elt_t>().add(self.next) };
            self.next += 1;
            #[cfg(feature = "fault-injection")]
            super::fence::fault_injection::count_step();
            // SAFETY: as above.
            if self.message == Message::Request || unsafe { (*line).hash } != 0 {
                return Some(line);
            }
        }
    }
}

/// Adds a line to a list. Lines of requests have the name in lower case as well, and its hash;
/// lines of responses have not.
///
/// # Safety
/// `list` is a live list of ngx_table_elt_t, and the texts live as long as it.
pub(super) unsafe fn push_line(
    list: *mut ngx_list_t,
    name: Text<'_>,
    value: Text<'_>,
    lower_case: Option<Text<'_>>,
) -> Result<NonNull<ngx_table_elt_t>, Failure> {
    // SAFETY: the caller's. NULL is checked; a pushed element is uninitialized until it is written.
    unsafe {
        let line = NonNull::new(ngx_list_push(list).cast::<ngx_table_elt_t>());
        let line = line.ok_or(Failure::OutOfMemory)?;
        let mut element: ngx_table_elt_t = std::mem::zeroed();
        element.hash = 1;
        element.key = name.raw();
        element.value = value.raw();
        if let Some(lower_case) = lower_case.map(Text::raw) {
            element.hash = ngx_hash_key(lower_case.data, lower_case.len);
            element.lowcase_key = lower_case.data;
        }
        line.write(element);
        Ok(line)
    }
}
