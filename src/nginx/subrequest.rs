//! Subrequests whose response only this module sees. The access handler that starts one returns
//! [`Access::Wait`](super::Access::Wait), and nginx runs it again when the subrequest has ended.

use super::body::empty_request_body;
use super::chain::buffers;
use super::drain::Drain;
use super::failure::Failure;
use super::fence::guard;
use super::module::Exported;
use super::pool::own;
use super::request::Request;
use super::response_body::{BodyError, BodyReader, Progress, ResponseBody};
use super::shim::{
    forget_conditions, forget_links, forget_send_timeout, forgive_connection, has_thread,
    redirecting_status, set_buffered, set_filter_need_in_memory, set_headers_in_chunked,
    stop_upstream,
};
use super::status::Status;
use super::subrequest_response::SubrequestResponse;
use super::target::Target;
use nginx_sys::{
    NGX_ERROR, NGX_HTTP_SUBREQUEST_WAITED, NGX_OK, ngx_chain_t, ngx_http_post_subrequest_t,
    ngx_http_request_body_t, ngx_http_request_t, ngx_http_subrequest, ngx_int_t, ngx_list_t,
    ngx_uint_t,
};
use std::cell::{Cell, Ref};
use std::ffi::c_void;
use std::ptr::{self, NonNull};

/// A subrequest, running or ended. It lives in the pool of the request that started it, as all of
/// nginx's memory for it does.
pub struct Subrequest {
    /// None until nginx has made it.
    request: Cell<Option<NonNull<ngx_http_request_t>>>,
    /// None until there is a response, or the subrequest has ended without one.
    outcome: Cell<Option<Result<Status, Failure>>>,
    done: fn(SubrequestResponse<'_>),
    body_limit: fn(Request<'_>, Status) -> Option<usize>,
    pub(super) body: BodyReader,
    /// The status of a response in whose place X-Accel-Redirect has put another.
    redirecting_status: Cell<Option<Status>>,
    /// What is left of the response when there is one.
    rest: Cell<Option<NonNull<Drain>>>,
    /// Our body filter has returned an error to stop nginx, and nginx has taken it for an error of
    /// the client's connection (ngx_http_output_filter).
    has_stopped_nginx: Cell<bool>,
    post: ngx_http_post_subrequest_t,
}

/// The body that a subrequest sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubrequestBody {
    /// None.
    None,
    /// The body of the client's request, which [`Request::read_body`] has read.
    ForwardClientBody,
}

/// The header lines of the client's request that a subrequest has.
#[derive(Debug, Clone, Copy)]
pub enum SubrequestLines<'a> {
    /// All of them, and those that other modules have added for upstreams.
    All,
    /// Those with these names. Variables such as `$http_<name>` show the others all the same.
    Named(&'a [Box<[u8]>]),
}

/// A module that makes subrequests.
pub trait SubrequestOwner: Exported {
    /// Called when a subrequest has its status. nginx may call it a second time, with the status of
    /// an error page.
    fn subrequest_done(response: SubrequestResponse<'_>);

    /// How many bytes of the body of a response with this status are kept at most
    /// ([`ResponseBody::ByStatus`]), or `None` if nobody wants it. `parent` is the request that has
    /// started the subrequest.
    fn body_limit(_parent: Request<'_>, _status: Status) -> Option<usize> {
        None
    }
}

impl<'r> Request<'r> {
    /// Starts a subrequest: GET with the client's header lines, or some of them. `body` says what
    /// becomes of the body of its response. The client sees nothing of it.
    ///
    /// # Errors
    /// [`Failure::SubrequestRefused`] if nginx does not start it, having logged why
    /// (ngx_http_subrequest); [`Failure::OutOfMemory`].
    pub fn start_subrequest<M: SubrequestOwner>(
        self,
        target: &Target<'r>,
        sent: SubrequestBody,
        lines: SubrequestLines<'_>,
        body: ResponseBody,
    ) -> Result<(), Failure> {
        #[cfg(feature = "fault-injection")]
        if super::fence::fault_injection::is_requested(self, "subrequest start") {
            return Err(Failure::SubrequestRefused);
        }
        self.forget_body_variables::<M>();
        let has_no_body = sent == SubrequestBody::None && self.has_body();
        let mut all_lines = self.client_lines_and_added::<M>()?;
        if has_no_body && matches!(lines, SubrequestLines::All) {
            // SAFETY: a list of the request, and nothing is added to it.
            all_lines = unsafe { self.without_body_lines(all_lines)? };
        }
        let named_lines = match lines {
            SubrequestLines::All => None,
            // The configuration accepts no name of a line that announces a body.
            SubrequestLines::Named(names) => Some(self.named_client_lines(names)?),
        };
        let (mut uri, mut args) = (target.path.raw(), target.args.raw());
        let flags = NGX_HTTP_SUBREQUEST_WAITED as ngx_uint_t;
        let state = self.state_or_new::<M>()?;
        let mut raw: *mut ngx_http_request_t = ptr::null_mut();
        // SAFETY: the request and its pool are live; nginx keeps uri and args, whose bytes live as
        // long as the request; post_subrequest and what its data points to are in the same pool as
        // the subrequest.
        unsafe {
            let pool = (*self.raw()).pool;
            let body = BodyReader::new(body, pool)?;
            let is_kept = !matches!(body.wanted(), ResponseBody::Discard);
            let subrequest = own(pool, Subrequest::new::<M>(body))?;
            let post = &raw mut (*subrequest.as_ptr()).post;
            (*post).data = subrequest.as_ptr().cast();
            // Allocated first, because nothing may fail once nginx has made the subrequest.
            let empty_body = match has_no_body {
                true => Some(empty_request_body(pool)?),
                false => None,
            };
            let code = ngx_http_subrequest(
                self.raw(),
                &raw mut uri,
                &raw mut args,
                &raw mut raw,
                post,
                flags,
            );
            if code != NGX_OK as ngx_int_t {
                return Err(Failure::SubrequestRefused);
            }
            if let Some(empty_body) = empty_body {
                set_empty_body(raw, empty_body);
            }
            match named_lines {
                None => (*raw).headers_in.headers = *all_lines,
                Some(lines) => set_lines(raw, lines),
            }
            // Both lists may have the same elements, which each request links in its own way.
            forget_links(raw);
            forget_links(self.raw());
            // nginx makes no tunnel in a subrequest: after a 101 it would close the client's
            // connection.
            (*raw).headers_in.upgrade = ptr::null_mut();
            if is_kept {
                set_filter_need_in_memory(raw, 1);
            }
            subrequest.as_ref().request.set(NonNull::new(raw));
            state.subrequest.set(Some(subrequest.cast()));
        }
        Ok(())
    }

    /// The subrequest that the module has started last from this request, in the location that the
    /// request is in.
    pub fn subrequest<M: SubrequestOwner>(self) -> Option<&'r Subrequest> {
        let subrequest = self.state::<M>()?.subrequest.get()?;
        // SAFETY: start_subrequest put a Subrequest there, owned by the request's pool.
        Some(unsafe { subrequest.cast::<Subrequest>().as_ref() })
    }

    /// Whether this is a subrequest that start_subrequest made.
    pub(super) fn is_ours(self) -> bool {
        // SAFETY: the request is live, and the reference is dropped at once.
        unsafe { our_subrequest(self.raw()) }.is_some()
    }
}

impl Subrequest {
    fn new<M: SubrequestOwner>(body: BodyReader) -> Self {
        Self {
            request: Cell::new(None),
            outcome: Cell::new(None),
            done: M::subrequest_done,
            body_limit: M::body_limit,
            body,
            redirecting_status: Cell::new(None),
            rest: Cell::new(None),
            has_stopped_nginx: Cell::new(false),
            post: ngx_http_post_subrequest_t {
                handler: Some(done_handler),
                data: ptr::null_mut(),
            },
        }
    }

    /// The response, once there is one. Its status is 500 if our own code failed.
    pub fn response(&self) -> Option<SubrequestResponse<'_>> {
        let outcome = self.outcome.get()?;
        let status = outcome.unwrap_or(Status::INTERNAL_SERVER_ERROR);
        // SAFETY: nginx made the request in the pool that this is in.
        let request = unsafe { Request::from_raw(self.request.get()?.as_ptr()) }?;
        Some(SubrequestResponse::new(request, status))
    }

    /// Whether the whole header of the response has come, once there is a response.
    pub fn has_header(&self) -> bool {
        self.body.has_header()
    }

    /// The body of the response, once there is a response.
    ///
    /// # Errors
    /// [`BodyError`]
    pub fn body(&self) -> Result<Ref<'_, [u8]>, BodyError> {
        self.body.bytes()
    }

    /// How many bytes of the body of this response are kept at most, or `None` if nobody wants it.
    pub(super) fn body_limit(&self, response: Request<'_>) -> Option<usize> {
        match self.body.wanted() {
            ResponseBody::Discard => None,
            ResponseBody::Require(limit) => Some(limit),
            ResponseBody::ByStatus => {
                (self.body_limit)(response.parent(), response.response_status())
            }
        }
    }

    /// The response counts as it is: its header has come, and nobody waits for the rest of its
    /// body.
    pub(super) fn leave_rest_behind(&self, request: Request<'_>) -> Result<(), Failure> {
        // SAFETY: the request is this subrequest.
        let rest = unsafe { Drain::schedule(request, count_response, drop_rest)? };
        self.rest.set(Some(rest));
        Ok(())
    }

    /// nginx has been stopped, or nobody waits for the response: what filters still hold of it does
    /// not keep the subrequest. A thread may read for such a filter.
    fn end_filters(&self, request: Request<'_>) {
        let r = request.raw();
        // SAFETY: the request is live.
        unsafe {
            if has_thread(r) != 0 {
                if self.rest().is_none() && self.leave_rest_behind(request).is_err() {
                    // nginx ends the subrequest when the filters have got all.
                    return;
                }
                if let Some(rest) = self.rest() {
                    rest.hold();
                }
            }
            set_buffered(r, 0);
        }
    }

    /// Our body filter is about to return an error to stop nginx. To be called only if the client's
    /// connection had no error before.
    pub(super) fn set_has_stopped_nginx(&self) {
        self.has_stopped_nginx.set(true);
    }

    fn rest(&self) -> Option<&Drain> {
        // SAFETY: leave_rest_behind put it there; the pool owns both it and this value.
        self.rest.get().map(|rest| unsafe { &*rest.as_ptr() })
    }

    /// Remembers the status of a response in whose place X-Accel-Redirect has put another. nginx
    /// forgets the response when another upstream is asked.
    pub(super) fn remember_redirect(&self, request: Request<'_>) {
        // SAFETY: the request is live.
        let status = unsafe { redirecting_status(request.raw()) };
        if status != 0 && self.redirecting_status.get().is_none() {
            let status = u16::try_from(status).unwrap_or(0);
            self.redirecting_status.set(Some(Status(status)));
        }
    }

    /// The subrequest has a response with this status, which is final until nginx makes an error
    /// page. What X-Accel-Redirect puts in the place of a response does not allow what the response
    /// has denied.
    fn set_response(&self, request: Request<'_>, mut status: Status) {
        self.remember_redirect(request);
        if let Some(redirecting) = self.redirecting_status.get()
            && status.is_success()
        {
            status = redirecting;
        }
        let outcome = guard(request.log(), Err(Failure::Panic), || {
            #[cfg(feature = "fault-injection")]
            super::fence::fault_injection::panic_in_request(request, "subrequest");
            (self.done)(SubrequestResponse::new(request, status));
            Ok(status)
        });
        self.outcome.set(Some(outcome));
    }
}

impl<'r> Request<'r> {
    /// The request that has started this subrequest, else the request itself.
    fn parent(self) -> Self {
        // SAFETY: r->parent is NULL, or lives as long as the request.
        unsafe { Self::from_raw((*self.raw()).parent) }.unwrap_or(self)
    }

    /// The status of the response whose header is sent or was sent; 0 if there is none yet.
    fn response_status(self) -> Status {
        // SAFETY: the request is live.
        let status = unsafe { (*self.raw()).headers_out.status };
        Status(u16::try_from(status).unwrap_or(0))
    }
}

/// The subrequest, if the request is one that start_subrequest made. It is found by nginx's
/// post_subrequest, because an error page in the location that answers empties `r->ctx`.
///
/// # Safety
/// `r` is a live request, and the reference is not used after the callback that nginx handed it to.
pub(super) unsafe fn our_subrequest<'r>(r: *mut ngx_http_request_t) -> Option<&'r Subrequest> {
    // SAFETY: post_subrequest is NULL or lives as long as the request; with our handler its data is
    // the Subrequest of start_subrequest.
    unsafe {
        let post = (*r).post_subrequest.as_ref()?;
        let ours: DoneHandler = done_handler;
        let is_ours = post
            .handler
            .is_some_and(|handler| ptr::fn_addr_eq(handler, ours));
        is_ours.then(|| &*post.data.cast::<Subrequest>())
    }
}

type DoneHandler =
    unsafe extern "C" fn(*mut ngx_http_request_t, *mut c_void, ngx_int_t) -> ngx_int_t;

/// Takes the body from a subrequest, which nginx makes with its parent's request_body and a copy of
/// its parent's headers_in. What has been read of the client's body has to stay the parent's, and a
/// body that is not sent must not be announced, or the service would wait for it. The lines that
/// announce it are left out of the list as well ([`Request::without_body_lines`]).
///
/// # Safety
/// `r` is a subrequest that has not run yet, `empty_body` an empty body that lives as long.
unsafe fn set_empty_body(r: *mut ngx_http_request_t, empty_body: *mut ngx_http_request_body_t) {
    // SAFETY: the caller's. Only fields of the copy are changed: the list of header lines is shared
    // with the parent.
    unsafe {
        (*r).request_body = empty_body;
        (*r).headers_in.content_length = ptr::null_mut();
        (*r).headers_in.content_length_n = -1;
        (*r).headers_in.transfer_encoding = ptr::null_mut();
        set_headers_in_chunked(r, 0);
    }
}

/// Gives a subrequest these header lines in place of those of its parent.
///
/// # Safety
/// `r` is a subrequest that has not run yet, `lines` a list in one part that lives as long.
unsafe fn set_lines(r: *mut ngx_http_request_t, lines: NonNull<ngx_list_t>) {
    // SAFETY: the caller's. ngx_list_push looks at `last`, which has to be the part inside the
    // copy.
    unsafe {
        let headers = &raw mut (*r).headers_in.headers;
        *headers = *lines.as_ptr();
        (*headers).last = &raw mut (*headers).part;
        forget_conditions(r);
    }
}

/// Called for a subrequest in the background: its response counts, although it has not ended.
///
/// # Safety
/// `r` is a live subrequest of start_subrequest.
unsafe fn count_response(r: *mut ngx_http_request_t) {
    // SAFETY: the caller's; the references end with this call.
    if let (Some(subrequest), Some(request)) = unsafe { (our_subrequest(r), Request::from_raw(r)) }
    {
        subrequest.set_response(request, request.response_status());
    }
}

/// Called by the event pipe of a subrequest in the background with a piece of the body
/// (ngx_event_pipe_output_filter_pt).
unsafe extern "C" fn drop_rest(data: *mut c_void, chain: *mut ngx_chain_t) -> ngx_int_t {
    let r = data.cast::<ngx_http_request_t>();
    // SAFETY: the pipe's output_ctx is its live subrequest (ngx_http_upstream_send_response); the
    // references end with this call.
    let (subrequest, request) = unsafe { (our_subrequest(r), Request::from_raw(r)) };
    let (Some(subrequest), Some(request)) = (subrequest, request) else {
        return NGX_ERROR as ngx_int_t;
    };
    guard(request.log(), NGX_ERROR as ngx_int_t, || {
        // SAFETY: nginx calls with a chain of live buffers, which may be consumed.
        for buf in unsafe { buffers(chain) } {
            // SAFETY: as above.
            if unsafe { subrequest.body.take(buf) } != Progress::ReadOn {
                // SAFETY: the request is live.
                unsafe { stop_upstream(r) };
                return NGX_ERROR as ngx_int_t;
            }
        }
        NGX_OK as ngx_int_t
    })
}

/// nginx calls it when a subrequest is finalized (ngx_http_finalize_request), and once more after
/// it has made an error page for the subrequest. Returns the code that nginx goes on with.
unsafe extern "C" fn done_handler(
    r: *mut ngx_http_request_t,
    data: *mut c_void,
    code: ngx_int_t,
) -> ngx_int_t {
    // SAFETY: data is the Subrequest of start_subrequest, owned by the request's pool.
    let subrequest = unsafe { &*data.cast::<Subrequest>() };
    // SAFETY: nginx calls with the live subrequest; the reference ends with this call.
    let Some(request) = (unsafe { Request::from_raw(r) }) else {
        return code;
    };
    let is_in_background = subrequest.rest().is_some_and(Drain::is_begun);
    if let Some(rest) = subrequest.rest() {
        rest.cancel();
    }
    // SAFETY: nginx calls with the live subrequest.
    unsafe {
        let has_stopped_nginx = subrequest.has_stopped_nginx.take();
        if has_stopped_nginx {
            forgive_connection(r);
        }
        if has_stopped_nginx || is_in_background {
            subrequest.end_filters(request);
        }
        if is_in_background {
            return NGX_OK as ngx_int_t;
        }
        forget_send_timeout(r);
    }
    if matches!(subrequest.outcome.get(), Some(Err(_))) {
        return code;
    }
    let status = request.response_status();
    let is_body_required = matches!(subrequest.body.wanted(), ResponseBody::Require(_));
    let (code, status) = match i32::try_from(code) {
        // An error while the body is read, in our filter or in nginx (an invalid chunk), must not
        // terminate the client's request.
        Ok(NGX_ERROR) => (NGX_OK as ngx_int_t, status),
        // Nor must a status for which nginx closes the client's connection, where the body was all
        // that the subrequest was made for.
        Ok(closing @ (408 | 444 | 499)) if is_body_required => {
            (NGX_OK as ngx_int_t, Status(closing as u16))
        }
        _ => (code, status),
    };
    subrequest.set_response(request, status);
    code
}
