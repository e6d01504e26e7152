//! The output filters. They take the body of a subrequest's response where nginx would send it to
//! the client, and let every other response pass. nginx's own way, a subrequest in memory, takes
//! its limit from the location that answers; and if the body were not read at all, the connection
//! to the upstream could not be used again.

use super::body;
use super::chain::buffers;
use super::directive::{Config, ConfigError, Directive};
use super::fence::guard;
use super::filter_state::{ClientState, HeaderVariables, NextFilter, Reading, SubrequestFilter};
use super::module::Module;
use super::request::Request;
use super::response_body::BodyReader;
use super::shim::{
    buf_ends_response, buf_in_memory, buf_special, connection_failed, set_header_only,
    stop_upstream, upstream_is_done,
};
use super::subrequest::body_reader;
use nginx_sys::{
    NGX_ERROR, NGX_OK, ngx_buf_t, ngx_chain_t, ngx_http_output_body_filter_pt,
    ngx_http_output_header_filter_pt, ngx_http_request_t, ngx_http_top_body_filter,
    ngx_http_top_header_filter, ngx_int_t,
};
use std::ops::ControlFlow;
use std::slice;

static NEXT_HEADER: NextFilter<ngx_http_output_header_filter_pt> = NextFilter::new();
static NEXT_BODY: NextFilter<ngx_http_output_body_filter_pt> = NextFilter::new();

impl Module for SubrequestFilter {
    type MainConf = HeaderVariables;
    type LocationConf = ();
    type RequestContext = Reading;
    type ClientContext = ClientState;

    const DIRECTIVES: &'static [Directive<Self>] = &[];

    fn preconfiguration(_: &mut Config<'_>) -> Result<(), ConfigError> {
        Ok(())
    }

    fn postconfiguration(_: &mut Config<'_>) -> Result<(), ConfigError> {
        // SAFETY: nginx builds the chains of filters anew, in one thread, each time it reads a
        // configuration; the modules after the first filter find the heads of the chains set.
        unsafe {
            NEXT_HEADER.set(ngx_http_top_header_filter);
            ngx_http_top_header_filter = Some(header_filter);
            NEXT_BODY.set(ngx_http_top_body_filter);
            ngx_http_top_body_filter = Some(body_filter);
        }
        body::install();
        Ok(())
    }
}

/// nginx calls it for the header of each response.
unsafe extern "C" fn header_filter(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: postconfiguration has set the next filter; nginx calls with a live request.
    let pass_on = || unsafe {
        NEXT_HEADER
            .get()
            .map_or(NGX_ERROR as ngx_int_t, |next| next(r))
    };
    // SAFETY: nginx calls with a live request; the reference ends with this call.
    let Some(body) = (unsafe { body_reader(r) }) else {
        // SAFETY: as above.
        let request = unsafe { Request::from_raw(r) };
        if let Some(request) = request.filter(|request| request.is_main()) {
            request.settle_location();
        }
        return pass_on();
    };
    // SAFETY: as above.
    let Some(length) = (unsafe { skipped_length(r, body) }) else {
        return pass_on();
    };
    // SAFETY: as above.
    unsafe { set_header_only(r, 1) };
    #[cfg(feature = "fault-injection")]
    // SAFETY: as above.
    let pass_on = || match unsafe { Request::from_raw(r) } {
        Some(request) if super::fence::fault_injection::is_requested(request, "header filter") => {
            NGX_ERROR as ngx_int_t
        }
        _ => pass_on(),
    };
    let code = pass_on();
    // If a filter behind ours fails, the response is not complete (ngx_http_send_header).
    if code != NGX_ERROR as ngx_int_t && code <= NGX_OK as ngx_int_t {
        body.skip(length);
    }
    code
}

/// The length of the body if nginx need not read or make it: because the upstream's response ends
/// with its header, or because nobody would get a body that nginx makes itself. -1 where the length
/// is not known.
///
/// # Safety
/// `r` is a live subrequest whose header is about to be sent, and `body` its reader.
unsafe fn skipped_length(r: *const ngx_http_request_t, body: &BodyReader) -> Option<i64> {
    // SAFETY: the caller's.
    unsafe {
        if !(*r).upstream.is_null() {
            return (upstream_is_done(r) != 0).then_some(0);
        }
        let length = (*r).headers_out.content_length_n;
        body.is_superfluous(length).then_some(length)
    }
}

/// nginx calls it for each piece of each response's body.
unsafe extern "C" fn body_filter(r: *mut ngx_http_request_t, chain: *mut ngx_chain_t) -> ngx_int_t {
    // SAFETY: nginx calls with a live request; the reference ends with this call.
    let Some(body) = (unsafe { body_reader(r) }) else {
        // SAFETY: postconfiguration has set the next filter; the arguments are passed on as they
        // are.
        let passed_on = NEXT_BODY.get().map(|next| unsafe { next(r, chain) });
        return passed_on.unwrap_or(NGX_ERROR as ngx_int_t);
    };
    // SAFETY: as above.
    let Some(request) = (unsafe { Request::from_raw(r) }) else {
        return NGX_ERROR as ngx_int_t;
    };
    guard(request.log(), NGX_ERROR as ngx_int_t, || {
        // SAFETY: nginx calls with a chain of live buffers, which a filter may consume.
        for buf in unsafe { buffers(chain) } {
            // SAFETY: as above.
            if unsafe { consume(buf, body) }.is_break() {
                // SAFETY: the request is live.
                unsafe {
                    if connection_failed(r) == 0 {
                        body.blame_connection();
                    }
                    stop_upstream(r);
                }
                return NGX_ERROR as ngx_int_t;
            }
        }
        NGX_OK as ngx_int_t
    })
}

/// Takes the bytes of a buffer. `Break` tells to stop reading: the body is too long, or in a file.
///
/// # Safety
/// The buffer is live, with `pos` and `last` as nginx has them.
unsafe fn consume(buf: &mut ngx_buf_t, body: &BodyReader) -> ControlFlow<()> {
    // SAFETY: a buffer in memory holds the bytes from pos to last.
    let flow = unsafe {
        if buf_special(buf) != 0 {
            ControlFlow::Continue(())
        } else if buf_in_memory(buf) != 0 {
            let length = usize::try_from(buf.last.offset_from(buf.pos)).unwrap_or(0);
            body.push(slice::from_raw_parts(buf.pos, length))
        } else {
            body.give_up()
        }
    };
    // SAFETY: the caller's.
    if unsafe { buf_ends_response(buf) } != 0 {
        body.end();
    }
    buf.pos = buf.last;
    buf.file_pos = buf.file_last;
    flow
}
