//! The filters: reads the body of a subrequest's answer where nginx would send it to the client.
//!
//! It is a filter because nginx's own way, subrequests in memory, takes its limit from the location that answers. Nor
//! would it do to leave the body unread, as nginx does for a response of which only the header is wanted: the connection
//! to the upstream would be of no use any more.

use super::body;
use super::chain::buffers;
use super::directive::{Config, ConfigError, Directive};
use super::fence::guard;
use super::filter_state::{ClientHeader, HeaderVariables, NextFilter, Reading, SubrequestFilter};
use super::module::Module;
use super::request::Request;
use super::shim::{
    buf_ends_response, buf_in_memory, buf_special, connection_failed, set_header_only,
    stop_upstream, upstream_is_done,
};
use super::subrequest::body_of;
use super::subrequest_response::Body;
use nginx_sys::{
    NGX_ERROR, NGX_OK, ngx_buf_t, ngx_chain_t, ngx_http_output_body_filter_pt,
    ngx_http_output_header_filter_pt, ngx_http_request_t, ngx_http_top_body_filter,
    ngx_http_top_header_filter, ngx_int_t,
};
use std::slice;

impl Module for SubrequestFilter {
    type MainConf = HeaderVariables;
    type LocationConf = ();
    type RequestContext = Reading;
    type ClientContext = ClientHeader;

    const DIRECTIVES: &'static [Directive<Self>] = &[];

    fn preconfiguration(_: &mut Config<'_>) -> Result<(), ConfigError> {
        Ok(())
    }

    fn postconfiguration(_: &mut Config<'_>) -> Result<(), ConfigError> {
        // SAFETY: nginx builds the chains of filters anew, in one thread, each time it reads a configuration; the
        // modules after the first filter find their heads set.
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

static NEXT_HEADER: NextFilter<ngx_http_output_header_filter_pt> = NextFilter::new();
static NEXT_BODY: NextFilter<ngx_http_output_body_filter_pt> = NextFilter::new();

/// nginx calls it for the header of each response.
unsafe extern "C" fn header_filter(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: as written by postconfiguration; nginx calls with a live request.
    let pass_on = || unsafe {
        NEXT_HEADER
            .get()
            .map_or(NGX_ERROR as ngx_int_t, |next| next(r))
    };
    // SAFETY: nginx calls with a live request, whose post_subrequest is NULL or ours to look at.
    let Some(body) = (unsafe { body_of(r) }) else {
        // SAFETY: as above; the reference ends with this call.
        if let Some(request) = unsafe { Request::from_raw(r) }.filter(|it| it.is_main()) {
            request.settle_location();
        }
        return pass_on();
    };
    // SAFETY: as above.
    let Some(length) = (unsafe { needless(r, body) }) else {
        return pass_on();
    };
    // SAFETY: as above.
    unsafe { set_header_only(r, 1) };
    #[cfg(feature = "fault-injection")]
    // SAFETY: as above.
    let pass_on = || match unsafe { Request::from_raw(r) } {
        Some(request) if super::fence::fault::is_asked(request, "header filter") => {
            NGX_ERROR as ngx_int_t
        }
        _ => pass_on(),
    };
    let code = pass_on();
    // What a filter behind ours fails at is no whole answer (ngx_http_send_header).
    if code != NGX_ERROR as ngx_int_t && code <= NGX_OK as ngx_int_t {
        body.leave_out(length);
    }
    code
}

/// How long the body is, if it need not come: an upstream sends none, so that its connection is free, or nginx would make
/// one that nobody wants.
///
/// # Safety
/// `r` is a live request, which `body` belongs to, and its header is about to be sent.
unsafe fn needless(r: *const ngx_http_request_t, body: &Body) -> Option<usize> {
    // SAFETY: the caller's.
    unsafe {
        match (*r).upstream.is_null() {
            true => body.needless((*r).headers_out.content_length_n),
            false => (upstream_is_done(r) != 0).then_some(0),
        }
    }
}

/// nginx calls it for each piece of each response's body.
unsafe extern "C" fn body_filter(r: *mut ngx_http_request_t, chain: *mut ngx_chain_t) -> ngx_int_t {
    // SAFETY: nginx calls with a live request, whose post_subrequest is NULL or ours to look at.
    let Some(body) = (unsafe { body_of(r) }) else {
        // SAFETY: as written by postconfiguration; the arguments are passed on as they came.
        let passed_on = NEXT_BODY.get().map(|next| unsafe { next(r, chain) });
        return passed_on.unwrap_or(NGX_ERROR as ngx_int_t);
    };
    // SAFETY: as above; the reference ends with this call.
    let Some(request) = (unsafe { Request::from_raw(r) }) else {
        return NGX_ERROR as ngx_int_t;
    };
    guard(request.log(), NGX_ERROR as ngx_int_t, || {
        // SAFETY: nginx calls with a chain of live buffers, which a filter may consume.
        for buf in unsafe { buffers(chain) } {
            // SAFETY: as above.
            if !unsafe { consume(buf, body) } {
                // SAFETY: the request is live.
                unsafe {
                    body.stop(connection_failed(r) == 0);
                    stop_upstream(r);
                }
                return NGX_ERROR as ngx_int_t;
            }
        }
        NGX_OK as ngx_int_t
    })
}

/// Takes the bytes of a buffer. False where no more is to come: the body is larger than what it may be.
///
/// # Safety
/// The buffer is live, with `pos` and `last` as nginx has them.
unsafe fn consume(buf: &mut ngx_buf_t, body: &Body) -> bool {
    // SAFETY: a buffer in memory holds the bytes from pos to last.
    let goes_on = unsafe {
        if buf_special(buf) != 0 {
            true
        } else if buf_in_memory(buf) != 0 {
            let length = usize::try_from(buf.last.offset_from(buf.pos)).unwrap_or(0);
            body.push(slice::from_raw_parts(buf.pos, length))
        } else {
            body.fail()
        }
    };
    // SAFETY: the caller's.
    if unsafe { buf_ends_response(buf) } != 0 {
        body.end();
    }
    buf.pos = buf.last;
    buf.file_pos = buf.file_last;
    goes_on
}
