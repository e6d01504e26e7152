//! Subrequests that are waited for and whose answer nobody but us sees.

use super::failure::Failure;
use super::fence::guard;
use super::module::Exported;
use super::pool::own;
use super::request::Request;
use super::shim::{
    forgive_connection, set_buffered, set_filter_need_in_memory, set_headers_in_chunked,
};
use super::status::Status;
use super::subrequest_response::{Body, BodyError, ResponseBody, SubrequestResponse};
use super::target::Target;
use nginx_sys::{
    NGX_ERROR, NGX_HTTP_SUBREQUEST_WAITED, NGX_OK, ngx_http_post_subrequest_t,
    ngx_http_request_body_t, ngx_http_request_t, ngx_http_subrequest, ngx_int_t, ngx_pcalloc,
    ngx_pool_t, ngx_uint_t,
};
use std::cell::{Cell, Ref};
use std::ffi::c_void;
use std::ptr::{self, NonNull};

/// A subrequest, under way or ended. It is in the pool of the request that it was started from, as is its memory.
pub struct Subrequest {
    /// Nothing until nginx has made it.
    request: Cell<Option<NonNull<ngx_http_request_t>>>,
    outcome: Cell<Option<Result<Status, Failure>>>,
    done: fn(SubrequestResponse<'_>),
    body: Body,
    post: ngx_http_post_subrequest_t,
}

/// The body of a subrequest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubrequestBody {
    None,
    /// That of the client's request, which has been read ([`Request::read_body`]).
    ForwardClientBody,
}

/// A module that makes subrequests.
pub trait SubrequestOwner: Exported {
    /// Told when a subrequest has its status. nginx may tell twice, with the status of an error page the second time.
    fn subrequest_done(answer: SubrequestResponse<'_>);
}

impl<'r> Request<'r> {
    /// Starts a subrequest: GET with the client's header lines. The client sees nothing of its answer. The handler that
    /// starts it returns [`Access::Wait`](super::Access::Wait).
    ///
    /// # Errors
    /// [`Failure`] where nginx refuses, having logged why (ngx_http_subrequest).
    pub fn start_subrequest<M: SubrequestOwner>(
        self,
        target: &Target<'r>,
        sent: SubrequestBody,
        body: ResponseBody,
    ) -> Result<(), Failure> {
        self.forget_body_variables::<M>();
        let (mut uri, mut args) = (target.path.raw(), target.args.raw());
        let flags = NGX_HTTP_SUBREQUEST_WAITED as ngx_uint_t;
        let state = self.state_or_new::<M>()?;
        let mut raw: *mut ngx_http_request_t = ptr::null_mut();
        // SAFETY: the request and its pool are live; nginx keeps uri and args, whose bytes live as long as the
        // request; post_subrequest and what its data points to are in the same pool as the subrequest.
        unsafe {
            let pool = (*self.raw()).pool;
            let subrequest = own(
                pool,
                Subrequest::new(M::subrequest_done, Body::new(body, pool)?),
            )?;
            let post = &raw mut (*subrequest.as_ptr()).post;
            (*post).data = subrequest.as_ptr().cast();
            // Before the subrequest is there, for nothing may fail after.
            let no_body = match sent == SubrequestBody::None && self.has_body() {
                true => Some(no_body(pool)?),
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
            if let Some(no_body) = no_body {
                leave_out_body(raw, no_body);
            }
            (*raw).headers_in.headers = *self.client_lines();
            // nginx makes no tunnel in a subrequest: answered with 101, it would close the client's connection.
            (*raw).headers_in.upgrade = ptr::null_mut();
            if !subrequest.as_ref().body.is_dropped() {
                set_filter_need_in_memory(raw, 1);
            }
            subrequest.as_ref().request.set(NonNull::new(raw));
            state.subrequest.set(Some(subrequest.cast()));
        }
        Ok(())
    }

    /// The subrequest that the module has started last from this request, in the location that it is in.
    pub fn subrequest<M: SubrequestOwner>(self) -> Option<&'r Subrequest> {
        let subrequest = self.state::<M>()?.subrequest.get()?;
        // SAFETY: what start_subrequest put there, owned by the request's pool.
        Some(unsafe { subrequest.cast::<Subrequest>().as_ref() })
    }

    /// Whether it is a subrequest of ours.
    pub(super) fn is_ours(self) -> bool {
        // SAFETY: the request is live, and the reference is dropped at once.
        unsafe { body_of(self.raw()) }.is_some()
    }
}

impl Subrequest {
    fn new(done: fn(SubrequestResponse<'_>), body: Body) -> Self {
        Self {
            request: Cell::new(None),
            outcome: Cell::new(None),
            done,
            body,
            post: ngx_http_post_subrequest_t {
                handler: Some(done_handler),
                data: ptr::null_mut(),
            },
        }
    }

    /// The answer, once the subrequest has ended.
    pub fn answer(&self) -> Option<SubrequestResponse<'_>> {
        let outcome = self.outcome.get()?;
        let status = outcome.unwrap_or(Status::INTERNAL_SERVER_ERROR);
        // SAFETY: nginx made it in the pool that this is in.
        let request = unsafe { Request::from_raw(self.request.get()?.as_ptr()) }?;
        Some(SubrequestResponse::new(request, status))
    }

    /// The body of the answer, once there is an answer.
    pub fn body(&self) -> Result<Ref<'_, [u8]>, BodyError> {
        self.body.kept()
    }

    /// Whether the body of the answer, kept or dropped, came to its end, once there is an answer.
    pub fn check_body(&self) -> Result<(), BodyError> {
        self.body.check()
    }
}

/// # Safety
/// `pool` is live.
unsafe fn no_body(pool: *mut ngx_pool_t) -> Result<*mut ngx_http_request_body_t, Failure> {
    // SAFETY: the caller's. All zeros are a body without bytes (ngx_http_read_client_request_body).
    let place = unsafe { ngx_pcalloc(pool, size_of::<ngx_http_request_body_t>()) };
    NonNull::new(place)
        .map(|place| place.as_ptr().cast())
        .ok_or(Failure::OutOfMemory)
}

/// Makes the subrequest one without a body. A subrequest begins with its parent's request_body and a copy of its
/// parent's headers_in: what is read of the client's body already must stay the parent's, and a body that is not
/// sent must not be announced, or the service waits for it.
///
/// # Safety
/// `r` is a subrequest that has not run yet, `no_body` an empty body that lives as long.
unsafe fn leave_out_body(r: *mut ngx_http_request_t, no_body: *mut ngx_http_request_body_t) {
    // SAFETY: the caller's. The list of header lines, which the parent shares, is left alone.
    unsafe {
        (*r).request_body = no_body;
        (*r).headers_in.content_length = ptr::null_mut();
        (*r).headers_in.content_length_n = -1;
        (*r).headers_in.transfer_encoding = ptr::null_mut();
        set_headers_in_chunked(r, 0);
    }
}

/// nginx calls it when a subrequest is finalized (ngx_http_finalize_request), and once more after it has made an
/// error page for it.
unsafe extern "C" fn done_handler(
    r: *mut ngx_http_request_t,
    data: *mut c_void,
    code: ngx_int_t,
) -> ngx_int_t {
    // SAFETY: data is what start_subrequest left, owned by the request's pool.
    let subrequest = unsafe { &*data.cast::<Subrequest>() };
    // SAFETY: nginx calls with the live subrequest; the reference ends with this call.
    let Some(request) = (unsafe { Request::from_raw(r) }) else {
        return code;
    };
    // SAFETY: as above.
    let status = unsafe { (*r).headers_out.status };
    let status = Status(u16::try_from(status).unwrap_or(0));
    if matches!(subrequest.outcome.get(), Some(Err(_))) {
        return code;
    }
    // Whatever goes wrong while a body is read, in our filter or in nginx (a chunk that is none), is not to end the
    // client's request, which shall have an answer; nor, where the body is what it is all about, are codes by which nginx
    // closes a connection.
    if subrequest.body.is_blamed() {
        // SAFETY: nginx calls with the live subrequest.
        unsafe {
            // What the filter before ours still holds is not waited for: it could not get rid of it.
            set_buffered(r, 0);
            forgive_connection(r);
        }
    }
    let (code, status) = match i32::try_from(code) {
        Ok(NGX_ERROR) => (NGX_OK as ngx_int_t, status),
        Ok(closing @ (408 | 444 | 499)) if subrequest.body.is_wanted() => {
            (NGX_OK as ngx_int_t, Status(closing as u16))
        }
        _ => (code, status),
    };
    let outcome = guard(request.log(), Err(Failure::Panic), || {
        #[cfg(feature = "fault-injection")]
        super::fence::fault::in_request(request, "subrequest");
        (subrequest.done)(SubrequestResponse::new(request, status));
        Ok(status)
    });
    subrequest.outcome.set(Some(outcome));
    code
}

/// The body that the request's answer goes to, if it is a subrequest of ours. What nginx keeps
/// in `r->ctx` would not do: an error page in the location that answers takes it away.
///
/// # Safety
/// `r` is a live request, and the reference is not used after the callback that nginx handed it to.
pub(super) unsafe fn body_of<'r>(r: *mut ngx_http_request_t) -> Option<&'r Body> {
    // SAFETY: post_subrequest is NULL or lives as long as the request; with our handler its data is what
    // start_subrequest left.
    unsafe {
        let post = (*r).post_subrequest.as_ref()?;
        let ours: DoneHandler = done_handler;
        if !post
            .handler
            .is_some_and(|handler| ptr::fn_addr_eq(handler, ours))
        {
            return None;
        }
        Some(&(*post.data.cast::<Subrequest>()).body)
    }
}

type DoneHandler =
    unsafe extern "C" fn(*mut ngx_http_request_t, *mut c_void, ngx_int_t) -> ngx_int_t;
