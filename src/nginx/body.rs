//! Reads the body of a client's request in the access phase, so that the check can use it. nginx
//! keeps the body in memory or in a file, and the upstream still gets it.

use super::chain::{buffer_length, buffers};
use super::failure::Failure;
use super::fence::guard;
use super::filter_state::{BodyReading, BodyStage, NextFilter, SubrequestFilter};
use super::log::Log;
use super::request::Request;
use super::shim::{
    buf_in_memory, keep_body_in_file, set_headers_in_chunked, set_keepalive, set_lingering_close,
    set_preserve_body,
};
use super::status::Status;
use nginx_sys::{
    NGX_DONE, NGX_HTTP_PUT, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE, ngx_buf_t, ngx_chain_t,
    ngx_http_block_reading, ngx_http_core_run_phases, ngx_http_finalize_request,
    ngx_http_read_client_request_body, ngx_http_request_body_filter_pt, ngx_http_request_body_t,
    ngx_http_request_t, ngx_http_top_request_body_filter, ngx_int_t, ngx_pcalloc, ngx_pool_t,
    ngx_read_file,
};
use std::cell::Cell;
use std::{ptr, slice};

/// The result of [`Request::read_body`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyRead {
    /// The whole body is there, or the request has none.
    Whole,
    /// nginx runs the handler again when the body has come.
    Pending,
    /// The body is larger than the limit, or nginx could not read it. The log says why.
    Refused(Status),
}

impl Request<'_> {
    /// Reads the body, which may have at most `limit` bytes. If it is pending, nginx runs the
    /// access handler again later, which calls this again.
    pub fn read_body(self, limit: u64) -> Result<BodyRead, Failure> {
        let reading = self.context_or_new::<SubrequestFilter>(|| BodyReading {
            limit,
            seen: Cell::new(0),
            stage: Cell::new(BodyStage::NotStarted),
        })?;
        if reading.stage.get() == BodyStage::NotStarted
            && let Some(refused) = self.begin_reading(reading)
        {
            return Ok(refused);
        }
        Ok(match reading.stage.get() {
            BodyStage::Whole => BodyRead::Whole,
            BodyStage::Refused(status) => BodyRead::Refused(status),
            BodyStage::NotStarted | BodyStage::Starting | BodyStage::InProgress => {
                BodyRead::Pending
            }
        })
    }

    fn begin_reading(self, reading: &BodyReading) -> Option<BodyRead> {
        // SAFETY: the request is live.
        let announced = unsafe { (*self.raw()).headers_in.content_length_n };
        if u64::try_from(announced).is_ok_and(|length| length > reading.limit) {
            return Some(BodyRead::Refused(reading.too_large(self.log())));
        }
        // SAFETY: the request is live. dav, which has no handler of its own in a location, moves
        // the file of a PUT into place, and refuses a body in memory (ngx_http_dav_put_handler).
        unsafe {
            if (*self.raw()).method == NGX_HTTP_PUT as usize
                && (*self.raw()).content_handler.is_none()
            {
                keep_body_in_file(self.raw());
            }
        }
        reading.stage.set(BodyStage::Starting);
        // SAFETY: a phase handler may call this. It adds a reference to the request, and NGX_DONE
        // below removes it (ngx_http_mirror_handler does the same).
        let code = unsafe { ngx_http_read_client_request_body(self.raw(), Some(body_handler)) };
        if let Some(status) = u16::try_from(code).ok().filter(|&status| status >= 300) {
            return Some(BodyRead::Refused(Status(status)));
        }
        // SAFETY: as above; the request lives on, because its phases are running.
        unsafe { ngx_http_finalize_request(self.raw(), NGX_DONE as ngx_int_t) };
        if reading.stage.get() == BodyStage::Starting {
            reading.stage.set(BodyStage::InProgress);
        }
        None
    }

    /// The body that was read. None if it is in a file that cannot be read.
    pub fn body(self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        // SAFETY: request_body is NULL or live, and what it holds is a chain of live buffers.
        unsafe {
            for buf in buffers((*self.raw()).request_body.as_ref()?.bufs) {
                append(&mut body, buf)?;
            }
        }
        Some(body)
    }

    /// Drops a body that was read in part, before the request is refused because of it. Otherwise
    /// what serves the error page would send that part to an upstream, which would wait for the
    /// rest. The client's connection is not used again, because the rest is not read.
    fn drop_partial_body(self) {
        // SAFETY: the request is live.
        unsafe {
            let r = self.raw();
            if let Ok(empty) = empty_request_body((*r).pool) {
                // Something is missing: no other location takes this for the client's body.
                (*empty).rest = 1;
                (*r).request_body = empty;
            }
            (*r).headers_in.content_length = ptr::null_mut();
            (*r).headers_in.content_length_n = 0;
            set_headers_in_chunked(r, 0);
            set_keepalive(r, 0);
            set_lingering_close(r, 1);
            // Serving an error page may take long, and nginx must not read on meanwhile.
            (*r).read_event_handler = Some(ngx_http_block_reading);
        }
    }

    /// The length of the body that was read. None if that is not the whole body: nginx has stopped
    /// reading it because it is too large, has dropped it unread (ngx_http_discard_request_body), or
    /// has sent what it had read to another upstream (`proxy_request_buffering off`).
    fn body_length(self) -> Option<u64> {
        // SAFETY: as for `body`. After the last byte `rest` is 0 and content_length_n is known;
        // without a body both are -1.
        unsafe {
            let body = (*self.raw()).request_body.as_ref();
            let (length, rest) = body.map_or((0, 0), |body| (length(body.bufs), body.rest));
            let announced = (*self.raw()).headers_in.content_length_n.max(0);
            (rest <= 0 && u64::try_from(announced) == Ok(length)).then_some(length)
        }
    }
}

impl BodyReading {
    /// The message is nginx's own for client_max_body_size, with the limit.
    fn too_large(&self, log: Log<'_>) -> Status {
        log.error(format_args!(
            "client intended to send a body of more than {} bytes",
            self.limit
        ));
        self.refuse(Status::CONTENT_TOO_LARGE)
    }

    fn refuse(&self, status: Status) -> Status {
        self.stage.set(BodyStage::Refused(status));
        status
    }
}

/// nginx calls it when it has the whole body: inside ngx_http_read_client_request_body, or later.
unsafe extern "C" fn body_handler(r: *mut ngx_http_request_t) {
    // SAFETY: nginx calls with the live request; the reference ends with this call.
    let Some(request) = (unsafe { Request::from_raw(r) }) else {
        return;
    };
    let before = guard(request.log(), None, || {
        let reading = request.context::<SubrequestFilter>()?;
        let before = reading.stage.replace(BodyStage::Whole);
        // Another location or module may have read the body, with another limit, or may have used
        // it. Or nginx drops it because of client_max_body_size, and this is the error page.
        match request.body_length() {
            Some(length) if length <= reading.limit => {}
            Some(_) => {
                reading.too_large(request.log());
            }
            None => {
                request.log().error(format_args!(
                    "the client request body cannot be checked: nginx has dropped it when it \
                     refused the request, or another module or location has used it; an error \
                     page needs \"auth_request_body off\""
                ));
                reading.refuse(Status::INTERNAL_SERVER_ERROR);
            }
        }
        Some(before)
    });
    // SAFETY: as above. ngx_http_mirror_body_handler resumes the phases in the same way.
    unsafe {
        set_preserve_body(r, 1);
        (*r).write_event_handler = Some(ngx_http_core_run_phases);
        if before != Some(BodyStage::Starting) {
            ngx_http_core_run_phases(r);
        }
    }
}

/// The request body filter behind ours.
static NEXT: NextFilter<ngx_http_request_body_filter_pt> = NextFilter::new();

/// nginx calls it for each piece of each request's body. A body that exceeds the limit is refused
/// at once: the client has not been allowed to send anything yet.
unsafe extern "C" fn request_body_filter(
    r: *mut ngx_http_request_t,
    chain: *mut ngx_chain_t,
) -> ngx_int_t {
    // SAFETY: nginx calls with a live request that has a request_body, and a chain of live buffers.
    unsafe {
        let too_large = NGX_HTTP_REQUEST_ENTITY_TOO_LARGE as ngx_int_t;
        if is_read_by_us(r)
            && let Some(request) = Request::from_raw(r)
            && guard(request.log(), true, || exceeds(request, length(chain)))
        {
            return too_large;
        }
        NEXT.get().map_or(too_large, |next| next(r, chain))
    }
}

/// # Safety
/// `r` is a live request.
unsafe fn is_read_by_us(r: *const ngx_http_request_t) -> bool {
    let ours: unsafe extern "C" fn(*mut ngx_http_request_t) = body_handler;
    // SAFETY: request_body is NULL or lives as long as the request.
    let handler = unsafe { (*r).request_body.as_ref() }.and_then(|body| body.post_handler);
    handler.is_some_and(|handler| ptr::fn_addr_eq(handler, ours))
}

fn exceeds(request: Request<'_>, more: u64) -> bool {
    let Some(reading) = request.context::<SubrequestFilter>() else {
        return true;
    };
    reading.seen.set(reading.seen.get().saturating_add(more));
    let exceeds = reading.seen.get() > reading.limit;
    if exceeds && !matches!(reading.stage.get(), BodyStage::Refused(_)) {
        reading.too_large(request.log());
        request.drop_partial_body();
    }
    exceeds
}

/// A request body without bytes.
///
/// # Safety
/// `pool` is live.
pub(super) unsafe fn empty_request_body(
    pool: *mut ngx_pool_t,
) -> Result<*mut ngx_http_request_body_t, Failure> {
    // SAFETY: the caller's. All zeros are a body without bytes (ngx_http_read_client_request_body).
    let body = unsafe { ngx_pcalloc(pool, size_of::<ngx_http_request_body_t>()) };
    match body.is_null() {
        true => Err(Failure::OutOfMemory),
        false => Ok(body.cast()),
    }
}

pub(super) fn install() {
    // SAFETY: nginx builds the chain of filters anew, in one thread, each time it reads a
    // configuration; the core module has set its first one (ngx_http_core_postconfiguration).
    unsafe {
        NEXT.set(ngx_http_top_request_body_filter);
        ngx_http_top_request_body_filter = Some(request_body_filter);
    }
}

/// # Safety
/// `chain` is a chain of live buffers.
unsafe fn length(chain: *const ngx_chain_t) -> u64 {
    // SAFETY: the caller's.
    let lengths = unsafe { buffers(chain) }.map(|buf| unsafe { buffer_length(buf) } as u64);
    lengths.fold(0, u64::saturating_add)
}

/// # Safety
/// As for [`buffer_length`].
unsafe fn append(body: &mut Vec<u8>, buf: &ngx_buf_t) -> Option<()> {
    // SAFETY: the caller's. ngx_read_file fills at most `length` bytes, which are reserved, and
    // says how many.
    unsafe {
        let length = buffer_length(buf);
        if buf_in_memory(buf) != 0 {
            body.extend_from_slice(slice::from_raw_parts(buf.pos, length));
            return Some(());
        }
        if length == 0 {
            return Some(());
        }
        body.reserve(length);
        let end = body.spare_capacity_mut().as_mut_ptr().cast();
        let read = ngx_read_file(buf.file, end, length, buf.file_pos);
        if usize::try_from(read) != Ok(length) {
            return None;
        }
        body.set_len(body.len() + length);
    }
    Some(())
}
