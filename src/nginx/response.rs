//! What we add to the response to a client: header lines, challenges, or a response of our own.

use super::failure::Failure;
use super::filter_state::SubrequestFilter;
use super::header::{HeaderLines, push_line};
use super::request::Request;
use super::shim::{is_header_only, set_keepalive};
use super::status::Status;
use super::text::Text;
use nginx_sys::{
    NGX_ERROR, NGX_OK, ngx_buf_t, ngx_chain_t, ngx_http_discard_request_body,
    ngx_http_finalize_request, ngx_http_output_filter, ngx_http_send_header, ngx_int_t,
    ngx_pcalloc, ngx_table_elt_t, ngx_uint_t, off_t,
};
use std::ptr::{self, NonNull};

/// The body of a response, and how to read it.
#[derive(Clone, Copy)]
pub struct ResponseContent<'r> {
    /// The value of `Content-Type`.
    pub content_type: Text<'r>,
    /// The value of `Content-Encoding`; empty if the body is not encoded.
    pub encoding: Text<'r>,
    /// The bytes.
    pub body: Text<'r>,
}

impl<'r> Request<'r> {
    /// The lines of the response's header.
    pub(super) fn response_headers(self) -> HeaderLines<'r> {
        // SAFETY: the list is the request's, and no caller adds to it while it iterates.
        unsafe { HeaderLines::from_raw(&raw const (*self.raw()).headers_out.headers) }
    }

    /// Adds a line to the response's header, unless an equal line is there.
    pub fn add_response_line(self, name: Text<'r>, value: Text<'r>) -> Result<(), Failure> {
        let is_equal = |(other, text): (Text<'_>, Text<'_>)| {
            other.eq_ignore_ascii_case(&name) && *text == *value
        };
        if self.response_headers().any(is_equal) {
            return Ok(());
        }
        let line = self.push_response_line(name, value)?;
        // SAFETY: the line is a new element of headers_out.headers.
        unsafe {
            if name.eq_ignore_ascii_case(b"www-authenticate") {
                self.link_challenge(line);
            } else if name.eq_ignore_ascii_case(b"location") {
                self.link_location(line)?;
            }
        }
        Ok(())
    }

    /// Makes a line the one that nginx takes for the response's `Location`. nginx reads it for old
    /// browsers (ngx_http_send_refresh), and replaces it where an error page is a redirect.
    ///
    /// # Safety
    /// `line` is an element of headers_out.headers.
    unsafe fn link_location(self, line: *mut ngx_table_elt_t) -> Result<(), Failure> {
        let added = &self.client_context::<SubrequestFilter>()?.location;
        // SAFETY: the request is live, and so are the lines that were added to its response.
        unsafe {
            if let Some(previous) = added.replace(NonNull::new(line)) {
                (*previous.as_ptr()).hash = 0;
            }
            (*self.raw()).headers_out.location = line;
        }
        Ok(())
    }

    /// Decides, before the header is sent, which `Location` the client gets: the line that we have
    /// added, as it is and not made absolute by nginx, or one that has replaced it.
    pub(super) fn settle_location(self) {
        let state = self.client_context_if_any::<SubrequestFilter>();
        if let Some(added) = state.and_then(|state| state.location.take()) {
            self.settle_added_location(added);
        }
    }

    fn settle_added_location(self, added: NonNull<ngx_table_elt_t>) {
        // The upstream's `Location` is in the list only (ngx_http_upstream_rewrite_location).
        let mut lines = self.response_headers().elements();
        // SAFETY: an element of the list, which lives as long as the request.
        let name = |line: *mut ngx_table_elt_t| unsafe { Text::from_raw((*line).key) };
        let has_another = lines
            .any(|line| line != added.as_ptr() && name(line).eq_ignore_ascii_case(b"location"));
        // SAFETY: the request is live, and the line one of its response's.
        unsafe {
            let location = &raw mut (*self.raw()).headers_out.location;
            if *location == added.as_ptr() {
                *location = ptr::null_mut();
                (*added.as_ptr()).hash = usize::from(!has_another);
            } else {
                (*added.as_ptr()).hash = 0;
            }
        }
    }

    /// Adds a `WWW-Authenticate` line to the response, after those that it has.
    pub fn add_challenge(self, value: Text<'r>) -> Result<(), Failure> {
        let line = self.push_response_line(Text::from_static(b"WWW-Authenticate"), value)?;
        // SAFETY: the line is a new element of headers_out.headers.
        unsafe { self.link_challenge(line) };
        Ok(())
    }

    fn push_response_line(
        self,
        name: Text<'r>,
        value: Text<'r>,
    ) -> Result<*mut ngx_table_elt_t, Failure> {
        // SAFETY: the list is the request's, and so are the texts.
        unsafe {
            let headers = &raw mut (*self.raw()).headers_out.headers;
            Ok(push_line(headers, name, value, None)?.as_ptr())
        }
    }

    /// Sends a response, and ends the request. nginx logs what goes wrong.
    pub(super) fn respond(self, status: Status, content: Option<&ResponseContent<'r>>) {
        let code = self.send(status, content).unwrap_or(NGX_ERROR as ngx_int_t);
        // SAFETY: the request is live. nginx still counts a reference to it while its phases run.
        unsafe { ngx_http_finalize_request(self.raw(), code) };
    }

    fn send(
        self,
        status: Status,
        content: Option<&ResponseContent<'r>>,
    ) -> Result<ngx_int_t, Failure> {
        let r = self.raw();
        let empty = Text::from_static(b"");
        let ResponseContent {
            content_type,
            encoding,
            body,
        } = *content.unwrap_or(&ResponseContent {
            content_type: empty,
            encoding: empty,
            body: empty,
        });
        let (content_type, bytes) = (content_type.raw(), body.raw());
        let encoding = match encoding.is_empty() {
            true => ptr::null_mut(),
            false => self.push_response_line(Text::from_static(b"Content-Encoding"), encoding)?,
        };
        // SAFETY: the request is live, its header was not sent, and the texts live as long as it
        // (ngx_http_send_response does the same).
        unsafe {
            if ngx_http_discard_request_body(r) != NGX_OK as ngx_int_t {
                set_keepalive(r, 0);
            }
            let out = &raw mut (*r).headers_out;
            (*out).status = ngx_uint_t::from(status.0);
            (*out).content_length_n = off_t::try_from(bytes.len).map_err(|_| Failure::TooLong)?;
            (*out).content_encoding = encoding;
            (*out).content_type = content_type;
            (*out).content_type_len = content_type.len;
            (*out).content_type_lowcase = ptr::null_mut();
            let sent = ngx_http_send_header(r);
            if sent != NGX_OK as ngx_int_t || is_header_only(r) != 0 {
                return Ok(sent);
            }
            let buf = ngx_pcalloc((*r).pool, size_of::<ngx_buf_t>()).cast::<ngx_buf_t>();
            let buf = buf.as_mut().ok_or(Failure::OutOfMemory)?;
            buf.pos = bytes.data;
            buf.last = bytes.data.add(bytes.len);
            buf.set_memory(u32::from(bytes.len > 0));
            buf.set_last_buf(1);
            let mut chain = ngx_chain_t {
                buf,
                next: ptr::null_mut(),
            };
            Ok(ngx_http_output_filter(r, &raw mut chain))
        }
    }

    /// Puts a line at the end of the list that starts at headers_out.www_authenticate. nginx walks
    /// this list to remove the challenges when another handler allows the request under `satisfy
    /// any`: a challenge outside of it would stay on a 200.
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

    /// Removes the challenges when a request is allowed under `satisfy any`. nginx does so itself
    /// since 1.23.0; before, it knows only one of them. Without `satisfy any` the challenges stay:
    /// they belong to the 401 whose error page is being served.
    #[cfg(not(nginx_linked_headers))]
    pub(super) fn clear_challenges_of_old_nginx(self) {
        // SAFETY: r->loc_conf has one entry for each HTTP module, the core module's among them.
        let satisfy = unsafe {
            let index = nginx_sys::ngx_http_core_module.ctx_index;
            let conf = (*self.raw()).loc_conf.add(index);
            (*(*conf).cast::<nginx_sys::ngx_http_core_loc_conf_t>()).satisfy
        };
        if satisfy != nginx_sys::NGX_HTTP_SATISFY_ANY as nginx_sys::ngx_uint_t {
            return;
        }
        for line in self.response_headers().elements() {
            // SAFETY: a live element of the request's list; a hash of 0 keeps it from being sent.
            unsafe {
                let name = Text::from_raw((*line).key);
                if name.eq_ignore_ascii_case(b"www-authenticate") {
                    (*line).hash = 0;
                }
            }
        }
    }

    #[cfg(nginx_linked_headers)]
    pub(super) fn clear_challenges_of_old_nginx(self) {}
}
