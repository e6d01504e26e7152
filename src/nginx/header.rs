//! Header lines of requests and responses.

use super::Failure;
use super::request::Request;
use super::text::Text;
use nginx_sys::{ngx_list_part_t, ngx_list_push, ngx_list_t, ngx_table_elt_t};
use std::marker::PhantomData;

/// Walks over the lines of a header, as pairs of name and value, in their order.
pub struct HeaderLines<'r> {
    part: *const ngx_list_part_t,
    next: usize,
    lifetime: PhantomData<&'r ngx_list_t>,
}

impl HeaderLines<'_> {
    /// # Safety
    /// `list` is a list of ngx_table_elt_t that lives, and to which nothing is added, as long as the lifetime chosen.
    pub(super) unsafe fn from_raw(list: *const ngx_list_t) -> Self {
        // SAFETY: the caller's. The first part is inside the list itself.
        let part = unsafe { &raw const (*list).part };
        Self {
            part,
            next: 0,
            lifetime: PhantomData,
        }
    }
}

impl<'r> Iterator for HeaderLines<'r> {
    type Item = (Text<'r>, Text<'r>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            // SAFETY: a part is NULL or a live part of the list, with `nelts` elements (ngx_list.h).
            let part = unsafe { self.part.as_ref()? };
            if self.next >= part.nelts {
                self.part = part.next;
                self.next = 0;
                continue;
            }
            // SAFETY: as above; names and values of header lines live as long as the request.
            let line = unsafe { &*part.elts.cast::<ngx_table_elt_t>().add(self.next) };
            self.next += 1;
            // A hash of 0 marks a line that was taken out (ngx_http_header_filter).
            if line.hash != 0 {
                // SAFETY: as above.
                return Some(unsafe { (Text::from_raw(line.key), Text::from_raw(line.value)) });
            }
        }
    }
}

impl<'r> Request<'r> {
    /// The lines of the request's header, as the client sent them.
    pub fn headers(self) -> HeaderLines<'r> {
        // SAFETY: the list is the request's, and complete before any callback of ours.
        unsafe { HeaderLines::from_raw(&raw const (*self.raw()).headers_in.headers) }
    }

    /// The lines of the response's header. What a list holds when it is asked for is what it yields.
    pub(super) fn response_headers(self) -> HeaderLines<'r> {
        // SAFETY: the list is the request's; our own additions go to another request's list than the one walked.
        unsafe { HeaderLines::from_raw(&raw const (*self.raw()).headers_out.headers) }
    }

    /// Adds a line `WWW-Authenticate` to the response, behind those that it has.
    pub fn add_challenge(self, value: Text<'r>) -> Result<(), Failure> {
        let name = Text::from_static(b"WWW-Authenticate");
        // SAFETY: the list is the request's; NULL is checked; a pushed element is uninitialized until written.
        unsafe {
            let headers = &raw mut (*self.raw()).headers_out.headers;
            let line = ngx_list_push(headers).cast::<ngx_table_elt_t>();
            if line.is_null() {
                return Err(Failure);
            }
            line.write(std::mem::zeroed());
            (*line).hash = 1;
            (*line).key = name.raw();
            (*line).value = value.raw();
            self.link_challenge(line);
        }
        Ok(())
    }

    /// Puts the line at the end of the list that starts at headers_out.www_authenticate. nginx walks it when another
    /// handler allows under `satisfy any`: a line that it cannot reach would stay on a 200.
    ///
    /// # Safety
    /// `line` is an element of headers_out.headers that is in no such list yet.
    unsafe fn link_challenge(self, line: *mut ngx_table_elt_t) {
        // SAFETY: the elements live as long as the request, and the last one's `next` is NULL.
        unsafe {
            let first = &raw mut (*self.raw()).headers_out.www_authenticate;
            #[cfg(nginx_linked_headers)]
            let last = std::iter::successors(Some(first), |&link| {
                (!(*link).is_null()).then(|| &raw mut (**link).next)
            })
            .last()
            .unwrap_or(first);
            #[cfg(not(nginx_linked_headers))]
            let last = first;
            *last = line;
        }
    }

    /// Before 1.23.0 nginx knows of one challenge only, and under `satisfy any` takes back that one. Elsewhere the
    /// challenges stay: they belong to the 401 whose error page is being asked for.
    #[cfg(not(nginx_linked_headers))]
    pub(super) fn clear_challenges_of_old_nginx(self) {
        // SAFETY: r->loc_conf has one entry for each HTTP module, the core module's among them.
        let satisfy = unsafe {
            let index = nginx_sys::ngx_http_core_module.ctx_index;
            let core = (*self.raw()).loc_conf.add(index);
            (*(*core).cast::<nginx_sys::ngx_http_core_loc_conf_t>()).satisfy
        };
        if satisfy != nginx_sys::NGX_HTTP_SATISFY_ANY as nginx_sys::ngx_uint_t {
            return;
        }
        // SAFETY: as in `HeaderLines::next`; a hash of 0 takes a line out of the response.
        unsafe {
            let mut part = &raw mut (*self.raw()).headers_out.headers.part;
            while !part.is_null() {
                for i in 0..(*part).nelts {
                    let line = &mut *(*part).elts.cast::<ngx_table_elt_t>().add(i);
                    if line
                        .key
                        .as_bytes()
                        .eq_ignore_ascii_case(b"www-authenticate")
                    {
                        line.hash = 0;
                    }
                }
                part = (*part).next;
            }
        }
    }

    #[cfg(nginx_linked_headers)]
    pub(super) fn clear_challenges_of_old_nginx(self) {}
}
