//! Subrequests of no client. Each has a request of its own around it, see `background.c`, and ends
//! when its response has come, when nginx gives it up, or when the worker shuts down and nobody
//! waits for it.

use super::failure::Failure;
use super::fence::guard;
use super::log::Log;
use super::pool::own;
use super::request::Request;
use super::response_body::ResponseBody;
use super::shim::{
    background_data, create_background_request, end_background_request, run_background_request,
};
use super::subrequest::{Subrequest, SubrequestBody, SubrequestLines, SubrequestOwner};
use super::target::Target;
use nginx_sys::{ngx_http_request_t, ngx_str_t, ngx_uint_t};
use std::cell::RefCell;
use std::ffi::c_void;

/// What a background subrequest is for. If nginx gives the subrequest up, or does not start it, the
/// task is dropped.
pub trait BackgroundTask: 'static {
    /// Whether somebody waits for the response.
    fn is_awaited(&self) -> bool;

    /// Takes the response. `request` is the one around the subrequest.
    fn take_response(self: Box<Self>, request: Request<'_>, subrequest: &Subrequest);
}

/// The state of a background subrequest, in the pool of the request around it.
struct Background {
    /// `None` once the response has come.
    task: RefCell<Option<Box<dyn BackgroundTask>>>,
}

impl Request<'_> {
    /// Starts a subrequest that belongs to no client, in the server of this request: GET without
    /// header lines. `body` says what becomes of the body of its response.
    ///
    /// # Errors
    /// [`Failure::SubrequestRefused`] if nginx does not start it, having logged why;
    /// [`Failure::OutOfMemory`].
    pub fn start_background_subrequest<M: SubrequestOwner>(
        self,
        target: &Target<'_>,
        body: ResponseBody,
        task: Box<dyn BackgroundTask>,
    ) -> Result<(), Failure> {
        #[cfg(feature = "fault-injection")]
        if super::fence::fault_injection::is_requested(self, "subrequest start") {
            return Err(Failure::SubrequestRefused);
        }
        // SAFETY: the request is live, and its access handler runs, so that nginx runs its phases.
        let raw = unsafe { create_background_request(self.raw()) };
        // SAFETY: NULL, or a new request, which lives until it is ended below or in `finish`.
        let request = unsafe { Request::from_raw(raw) }.ok_or(Failure::SubrequestRefused)?;
        let started = request.start_in_background::<M>(target, body, task);
        if started.is_err() {
            // SAFETY: the request was just made, nothing runs in it, and nobody uses it any more.
            unsafe { end_background_request(raw) };
        }
        started
    }

    /// Starts the subrequest inside the request that was made for it.
    fn start_in_background<M: SubrequestOwner>(
        self,
        target: &Target<'_>,
        body: ResponseBody,
        task: Box<dyn BackgroundTask>,
    ) -> Result<(), Failure> {
        let task = RefCell::new(Some(task));
        let target = Target {
            path: self.copy(&target.path)?,
            args: self.copy(&target.args)?,
        };
        // SAFETY: the request is live, and the texts live as long; its pool owns the state.
        let background = unsafe {
            (*self.raw()).uri = target.path.raw();
            (*self.raw()).args = target.args.raw();
            (*self.raw()).unparsed_uri = unparsed(self, &target)?;
            (*self.raw()).write_event_handler = Some(finish::<M>);
            own((*self.raw()).pool, Background { task })?
        };
        let lines = SubrequestLines::All;
        self.start_subrequest::<M>(&target, SubrequestBody::None, lines, body)?;
        // SAFETY: a request of create_background_request, which has not run yet; its pool owns the
        // state.
        unsafe { run_background_request(self.raw(), is_awaited, background.as_ptr().cast()) };
        Ok(())
    }
}

/// The value of `$request_uri`.
fn unparsed(request: Request<'_>, target: &Target<'_>) -> Result<ngx_str_t, Failure> {
    let uri = match target.args.is_empty() {
        true => return Ok(target.path.raw()),
        false => [&target.path[..], b"?", &target.args[..]].concat(),
    };
    request.copy(&uri).map(|uri| uri.raw())
}

/// Whether somebody waits for a background subrequest.
unsafe extern "C" fn is_awaited(data: *mut c_void) -> ngx_uint_t {
    // SAFETY: the log is used during this call only.
    let log = unsafe { Log::of_cycle() };
    guard(log, 0, || {
        // SAFETY: run_background_request was given the state, and asks only while the pool that
        // owns it lives.
        let background = unsafe { &*data.cast::<Background>() };
        let task = background.task.borrow();
        task.as_ref().is_some_and(|task| task.is_awaited()).into()
    })
}

/// nginx calls it when the subrequest has ended (ngx_http_finalize_request wakes the parent).
unsafe extern "C" fn finish<M: SubrequestOwner>(r: *mut ngx_http_request_t) {
    // SAFETY: nginx calls with the live request that the subrequest was started in; the reference
    // ends with this call.
    let Some(request) = (unsafe { Request::from_raw(r) }) else {
        return;
    };
    let has_ended = guard(request.log(), true, || {
        let Some(subrequest) = request.subrequest::<M>() else {
            return true;
        };
        if subrequest.response().is_none() {
            return false;
        }
        // SAFETY: the state was given to run_background_request, and belongs to the request's pool.
        let background = unsafe { &*background_data(r).cast::<Background>() };
        // Taken out of the cell first: `take_response` may make nginx ask whether the response is
        // awaited.
        let task = background.task.take();
        #[cfg(feature = "fault-injection")]
        super::fence::fault_injection::panic_in_background(request);
        // What came may be the response to something else than what was to be asked.
        if let Some(task) = task.filter(|_| !request.is_poisoned()) {
            task.take_response(request, subrequest);
        }
        true
    });
    if has_ended {
        // SAFETY: a request of create_background_request, which is not used after this.
        unsafe { end_background_request(r) };
    }
}
