//! Reads the body of a subrequest's answer where nginx would send it to the client.
//!
//! It is a filter because nginx's own way, subrequests in memory, takes its limit from the location that answers.

use super::bits::{
    buf_ends_response, buf_in_memory, buf_special, connection_failed, stop_upstream,
};
use super::directive::{Config, ConfigError, Directive};
use super::fence::guard;
use super::module::Module;
use super::request::Request;
use super::subrequest::{Body, body_of};
use nginx_sys::{
    NGX_ERROR, NGX_OK, ngx_buf_t, ngx_chain_t, ngx_http_output_body_filter_pt, ngx_http_request_t,
    ngx_http_top_body_filter, ngx_int_t,
};
use std::cell::UnsafeCell;
use std::slice;

/// The nginx module of the filter.
pub struct Capture;

impl Module for Capture {
    type MainConf = ();
    type LocationConf = ();
    type RequestContext = ();
    type ClientContext = ();

    const DIRECTIVES: &'static [Directive<Self>] = &[];

    fn preconfiguration(_: &mut Config<'_>) -> Result<(), ConfigError> {
        Ok(())
    }

    fn postconfiguration(_: &mut Config<'_>) -> Result<(), ConfigError> {
        // SAFETY: nginx builds the chain of filters anew, in one thread, each time it reads a configuration; the
        // modules after the first filter find its head set.
        unsafe {
            *NEXT.0.get() = ngx_http_top_body_filter;
            ngx_http_top_body_filter = Some(body_filter);
        }
        Ok(())
    }
}

/// The filter that follows ours.
struct Next(UnsafeCell<ngx_http_output_body_filter_pt>);

// SAFETY: written while the configuration is read, by the one thread that there is; only read after that.
unsafe impl Sync for Next {}

static NEXT: Next = Next(UnsafeCell::new(None));

/// nginx calls it for each piece of each response's body.
unsafe extern "C" fn body_filter(r: *mut ngx_http_request_t, chain: *mut ngx_chain_t) -> ngx_int_t {
    // SAFETY: nginx calls with a live request, whose post_subrequest is NULL or ours to look at.
    let Some(body) = (unsafe { body_of(r) }) else {
        // SAFETY: as written by postconfiguration; the arguments are passed on as they came.
        let passed_on = unsafe { (*NEXT.0.get()).map(|next| next(r, chain)) };
        return passed_on.unwrap_or(NGX_ERROR as ngx_int_t);
    };
    // SAFETY: as above; the reference ends with this call.
    let Some(request) = (unsafe { Request::from_raw(r) }) else {
        return NGX_ERROR as ngx_int_t;
    };
    guard(request.log(), NGX_ERROR as ngx_int_t, || {
        let mut link = chain;
        // SAFETY: a chain is a list of links, closed by NULL, each with a live buffer.
        while let Some(piece) = unsafe { link.as_ref() } {
            // SAFETY: as above; nginx lets a filter consume its buffers.
            if !unsafe { consume(&mut *piece.buf, body) } {
                // SAFETY: the request is live.
                unsafe {
                    body.stop(connection_failed(r) == 0);
                    stop_upstream(r);
                }
                return NGX_ERROR as ngx_int_t;
            }
            link = piece.next;
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
