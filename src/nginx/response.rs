//! What we add to the response to a client: header lines, challenges, or a response of our own.

use super::failure::Failure;
use super::fence::guard;
use super::filter_state::{AddedLine, DelayedResponse, OnlyLine, SubrequestFilter};
use super::header::{HeaderLines, push_line};
use super::request::Request;
use super::shim::{delay_response, is_delayed, is_header_only, set_expect_tested, set_keepalive};
use super::status::Status;
use super::text::Text;
use nginx_sys::{
    NGX_ERROR, NGX_HTTP_INTERNAL_SERVER_ERROR, NGX_OK, ngx_buf_t, ngx_chain_t,
    ngx_http_core_loc_conf_t, ngx_http_core_module, ngx_http_discard_request_body,
    ngx_http_finalize_request, ngx_http_output_filter, ngx_http_request_t, ngx_http_send_header,
    ngx_int_t, ngx_pcalloc, ngx_table_elt_t, ngx_uint_t, off_t,
};
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::ptr::{self, NonNull};
use text::charset;

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
        unsafe { HeaderLines::of_response(&raw const (*self.raw()).headers_out.headers) }
    }

    /// Adds lines to the response's header, except those that are there already. If an upstream
    /// sends the same line, the client gets only that.
    pub fn add_response_lines(
        self,
        lines: impl Iterator<Item = (Text<'r>, Text<'r>)>,
    ) -> Result<(), Failure> {
        let mut lines = lines.peekable();
        if lines.peek().is_none() {
            return Ok(());
        }
        let state = self.client_context::<SubrequestFilter>()?;
        let mut seen: HashSet<_> = self.response_headers().map(UniqueLine).collect();
        let mut added = state.added_lines.take();
        let mut challenges = None;
        for (name, value) in lines {
            if !seen.insert(UniqueLine((name, value))) {
                continue;
            }
            let line = self.push_response_line(name, value)?;
            added.push(AddedLine {
                line,
                name: name.raw(),
                value: value.raw(),
            });
            // SAFETY: the line is a new element of headers_out.headers.
            unsafe {
                if name.eq_ignore_ascii_case(b"www-authenticate") {
                    let end = challenges.unwrap_or_else(|| self.end_of_challenges());
                    challenges = Some(link_challenge(end, line));
                } else {
                    self.note_added_line(&state.added_single_lines, line);
                }
            }
        }
        state.added_lines.set(added);
        Ok(())
    }

    /// Removes the lines that we have added and that have come again since, as from an upstream. To
    /// be called before the header is sent.
    pub(super) fn drop_repeated_lines(self) {
        let Some(state) = self.client_context_if_any::<SubrequestFilter>() else {
            return;
        };
        let mut added = state.added_lines.take();
        // SAFETY: the list of the response's lines lives as long as the request.
        added.retain(|line| unsafe { line.is_there() });
        if added.is_empty() {
            return;
        }
        let ours: HashSet<_> = added.iter().map(|added| added.line.as_ptr()).collect();
        let others = self.response_headers().elements();
        let others: HashSet<_> = others
            .filter(|line| !ours.contains(line))
            // SAFETY: an element of the list; the texts live as long as the request.
            .map(|line| unsafe {
                let name = Text::from_raw((*line).key);
                UniqueLine((name, Text::from_raw((*line).value)))
            })
            .collect();
        for AddedLine { line, name, value } in added {
            // SAFETY: as above. nginx does not send a line with a hash of 0.
            unsafe {
                let text = UniqueLine((Text::from_raw(name), Text::from_raw(value)));
                if others.contains(&text) {
                    (*line.as_ptr()).hash = 0;
                }
            }
        }
    }

    /// Adds a line to the response's header that is to be the only one of its name, whatever an
    /// upstream sends. There is one such line in a response: the last one that is set.
    pub fn set_response_line(self, name: &'static [u8], value: Text<'r>) -> Result<(), Failure> {
        let state = self.client_context::<SubrequestFilter>()?;
        let line = self.push_response_line(Text::from_static(name), value)?;
        state.only_line.set(Some(OnlyLine { name, line }));
        self.drop_others(OnlyLine { name, line });
        Ok(())
    }

    /// Adds a `WWW-Authenticate` line to the response, after those that it has.
    pub fn add_challenge(self, value: Text<'r>) -> Result<(), Failure> {
        let line = self.push_response_line(Text::from_static(b"WWW-Authenticate"), value)?;
        // SAFETY: the line is a new element of headers_out.headers.
        unsafe { link_challenge(self.end_of_challenges(), line) };
        Ok(())
    }

    fn push_response_line(
        self,
        name: Text<'r>,
        value: Text<'r>,
    ) -> Result<NonNull<ngx_table_elt_t>, Failure> {
        // SAFETY: the list is the request's, and so are the texts.
        unsafe {
            let headers = &raw mut (*self.raw()).headers_out.headers;
            push_line(headers, name, value, None)
        }
    }

    /// Sends a response, and ends the request: at once, or as late as nginx sends a 401 of its own
    /// because of `auth_delay`. nginx logs what goes wrong.
    pub(super) fn respond_as_nginx(
        self,
        status: Status,
        content: Option<&'r ResponseContent<'r>>,
    ) -> Result<(), Failure> {
        // SAFETY: r->loc_conf has one entry for each HTTP module, the core module's among them.
        let delay = unsafe { (*self.core_location_conf()).auth_delay };
        if status != Status::UNAUTHORIZED || delay == 0 {
            self.finalize(self.respond(status, content));
            return Ok(());
        }
        let state = self.client_context::<SubrequestFilter>()?;
        state.delayed_response.set(Some(DelayedResponse {
            status,
            content: content.map(|content| NonNull::from(content).cast()),
        }));
        // SAFETY: the request is live, and its phases have stopped.
        match unsafe { delay_response(self.raw(), delay, send_delayed_response) } {
            code if code == NGX_OK as ngx_int_t => Ok(()),
            _ => Err(Failure::OutOfMemory),
        }
    }

    /// Sends a response, and returns what nginx is to finalize the request with. nginx logs what
    /// goes wrong.
    fn respond(self, status: Status, content: Option<&ResponseContent<'r>>) -> ngx_int_t {
        // In an error page nginx would send the status that the page is for.
        // SAFETY: the request is live.
        unsafe { (*self.raw()).err_status = 0 };
        self.send(status, content).unwrap_or(NGX_ERROR as ngx_int_t)
    }

    fn finalize(self, code: ngx_int_t) {
        // SAFETY: the request is live. nginx still counts a reference to it while its phases run or
        // wait.
        unsafe { ngx_http_finalize_request(self.raw(), code) };
    }

    /// Sends a response, and returns what nginx is to finalize the request with. In an error page,
    /// nginx sends the status that the page is for.
    pub(super) fn send(
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
        let bytes = body.raw();
        // Filters go by the name of the type, and leave a text with a charset as it is
        // (ngx_http_upstream_copy_content_type).
        let (type_length, charset) = charset(&content_type).unwrap_or((content_type.len(), b""));
        let charset = content_type.part_of(charset).unwrap_or(empty).raw();
        let content_type = content_type.raw();
        let encoding = match encoding.is_empty() {
            true => ptr::null_mut(),
            false => {
                let name = Text::from_static(b"Content-Encoding");
                self.push_response_line(name, encoding)?.as_ptr()
            }
        };
        // SAFETY: the request is live, its header was not sent, and the texts live as long as it
        // (ngx_http_send_response does the same).
        unsafe {
            // Nobody reads the body that the client may be waiting to send. nginx does the same for
            // its own pages (ngx_http_special_response_handler).
            set_expect_tested(r, 1);
            if ngx_http_discard_request_body(r) != NGX_OK as ngx_int_t {
                set_keepalive(r, 0);
            }
            let out = &raw mut (*r).headers_out;
            (*out).status = ngx_uint_t::from(status.0);
            (*out).content_length_n = off_t::try_from(bytes.len).map_err(|_| Failure::TooLong)?;
            (*out).content_encoding = encoding;
            (*out).content_type = content_type;
            (*out).content_type_len = type_length;
            (*out).charset = charset;
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
            buf.set_last_buf(u32::from(self.is_main()));
            buf.set_last_in_chain(1);
            let mut chain = ngx_chain_t {
                buf,
                next: ptr::null_mut(),
            };
            Ok(ngx_http_output_filter(r, &raw mut chain))
        }
    }

    /// The end of the list that starts at headers_out.www_authenticate. nginx walks this list to
    /// remove the challenges when another handler allows the request under `satisfy any`: a
    /// challenge outside of it would stay on a 200.
    fn end_of_challenges(self) -> *mut *mut ngx_table_elt_t {
        // SAFETY: the elements live as long as the request, and the last one's `next` is NULL.
        unsafe {
            let first = &raw mut (*self.raw()).headers_out.www_authenticate;
            #[cfg(nginx_linked_headers)]
            let end = std::iter::successors(Some(first), |&link| {
                (!(*link).is_null()).then(|| &raw mut (**link).next)
            })
            .last()
            .unwrap_or(first);
            #[cfg(not(nginx_linked_headers))]
            let end = first;
            end
        }
    }

    /// Removes the challenges when a request is allowed under `satisfy any`. nginx does so itself
    /// since 1.23.0; before, it knows only one of them. Without `satisfy any` the challenges stay:
    /// they belong to the 401 whose error page is being served.
    #[cfg(not(nginx_linked_headers))]
    pub(super) fn clear_challenges_of_old_nginx(self) {
        // SAFETY: the configuration lives as long as the request.
        let satisfy = unsafe { (*self.core_location_conf()).satisfy };
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

    pub(super) fn core_location_conf(self) -> *const ngx_http_core_loc_conf_t {
        // SAFETY: r->loc_conf has one entry for each HTTP module, the core module's among them.
        unsafe { (*(*self.raw()).loc_conf.add(ngx_http_core_module.ctx_index)).cast() }
    }
}

/// A header line of which there is to be one. Two are equal if their names are equal in any case.
#[derive(Clone, Copy)]
struct UniqueLine<'r>((Text<'r>, Text<'r>));

impl PartialEq for UniqueLine<'_> {
    fn eq(&self, Self((name, value)): &Self) -> bool {
        *self.0.1 == **value && self.0.0.eq_ignore_ascii_case(name)
    }
}

impl Eq for UniqueLine<'_> {}

impl Hash for UniqueLine<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self((name, value)) = self;
        name.iter()
            .for_each(|byte| state.write_u8(byte.to_ascii_lowercase()));
        value.hash(state);
    }
}

/// nginx calls it when the time of [`Request::respond_as_nginx`] is over, and maybe before.
unsafe extern "C" fn send_delayed_response(r: *mut ngx_http_request_t) {
    const FAILED: ngx_int_t = NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t;
    // SAFETY: nginx calls with the live request; the reference ends with this call.
    let Some(request) = (unsafe { Request::from_raw(r) }) else {
        return;
    };
    // SAFETY: as above.
    match unsafe { is_delayed(r) } {
        0 => {}
        1 => return,
        _ => return request.finalize(FAILED),
    }
    let code = guard(request.log(), None, || {
        #[cfg(feature = "fault-injection")]
        super::fence::fault_injection::panic_in_request(request, "delayed response");
        let state = request.client_context_if_any::<SubrequestFilter>();
        let delayed = state?.delayed_response.take()?;
        // SAFETY: respond_as_nginx put it there; the pool of the request owns it.
        let content = delayed
            .content
            .map(|content| unsafe { content.cast::<ResponseContent<'_>>().as_ref() });
        Some(request.respond(delayed.status, content))
    });
    // Nothing else ends the request: its timer is over.
    request.finalize(code.unwrap_or(FAILED));
}

/// Puts a line at the end of a list of challenges, and returns the new end. Before 1.23.0 nginx
/// knows only one challenge.
///
/// # Safety
/// `end` is the end of the list of a live request, and `line` a line of its response that is in no
/// such list yet.
unsafe fn link_challenge(
    end: *mut *mut ngx_table_elt_t,
    line: NonNull<ngx_table_elt_t>,
) -> *mut *mut ngx_table_elt_t {
    // SAFETY: the caller's.
    unsafe {
        *end = line.as_ptr();
        #[cfg(nginx_linked_headers)]
        return &raw mut (*line.as_ptr()).next;
        #[cfg(not(nginx_linked_headers))]
        end
    }
}
