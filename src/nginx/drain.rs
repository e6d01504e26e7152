//! What is left of the response to a subrequest when nobody waits for it any more. It is read and
//! dropped behind the back of the client's request, so that the connection to the upstream can be
//! used again, or a cache be filled. It gets little time for that, because nginx keeps the client's
//! request until its subrequests have ended.

use super::failure::Failure;
use super::fence::guard;
use super::log::Log;
use super::pool::own;
use super::request::Request;
use super::shim::{
    BackgroundOutput, delete_event, end_output, end_upstream, has_thread, hold_client_request,
    is_blocked, is_unbuffered, post_event, put_in_background, release_client_request, start_timer,
    who_waits,
};
use nginx_sys::{
    NGX_OK, ngx_connection_t, ngx_event_t, ngx_http_post_request, ngx_http_request_t,
    ngx_http_run_posted_requests, ngx_int_t, ngx_msec_t,
};
use std::cell::{Cell, UnsafeCell};
use std::mem::offset_of;
use std::ptr::{self, NonNull};

/// How many milliseconds the rest of a response may take.
const MAX_TIME: ngx_msec_t = 1000;

/// The same when the client's request is complete, and another request may wait for its end: the
/// next one on the same connection, or one that `limit_conn` refuses because of it.
const MAX_TIME_WAITED_FOR: ngx_msec_t = 100;

/// The time after which it is looked at again.
const INTERVAL: ngx_msec_t = 10;

/// The rest of a response. It belongs to the pool of the client's request.
pub(super) struct Drain {
    subrequest: NonNull<ngx_http_request_t>,
    /// Called when the subrequest is in the background, and has a response.
    begun: unsafe fn(*mut ngx_http_request_t),
    /// Gets the rest of the body.
    output: BackgroundOutput,
    is_begun: Cell<bool>,
    /// The subrequest has ended, but a thread still works for it.
    is_held: Cell<bool>,
    /// When it began, and since when the client's connection waits for its end.
    since: Cell<ngx_msec_t>,
    waited_for_since: Cell<Option<ngx_msec_t>>,
    is_output_ended: Cell<bool>,
    event: UnsafeCell<ngx_event_t>,
    /// What nginx takes for the client's connection while it reads the rest.
    downstream: UnsafeCell<ngx_connection_t>,
    downstream_write: UnsafeCell<ngx_event_t>,
}

impl Drain {
    /// Puts a subrequest into the background as soon as nginx has left its functions, unless it
    /// has ended until then. Nothing happens to it while nginx still works with it.
    ///
    /// # Safety
    /// `begun` may be called with the subrequest, `output` with it and a chain of live buffers.
    pub(super) unsafe fn schedule(
        subrequest: Request<'_>,
        begun: unsafe fn(*mut ngx_http_request_t),
        output: BackgroundOutput,
    ) -> Result<NonNull<Self>, Failure> {
        // SAFETY: all-zero values of these C structures are valid, and nginx makes them so. The
        // pool is the request's. The event is deleted before the pool frees it (Drop).
        unsafe {
            let drain = own(
                (*subrequest.raw()).pool,
                Self {
                    subrequest: NonNull::new_unchecked(subrequest.raw()),
                    begun,
                    output,
                    is_begun: Cell::new(false),
                    is_held: Cell::new(false),
                    since: Cell::new(0),
                    waited_for_since: Cell::new(None),
                    is_output_ended: Cell::new(false),
                    event: UnsafeCell::new(std::mem::zeroed()),
                    downstream: UnsafeCell::new(std::mem::zeroed()),
                    downstream_write: UnsafeCell::new(std::mem::zeroed()),
                },
            )?;
            let event = drain.as_ref().event.get();
            (*event).handler = Some(event_handler);
            // In its debug log nginx takes this for a connection.
            (*event).data = (&raw mut (*drain.as_ptr()).downstream).cast();
            (*event).log = (*nginx_sys::ngx_cycle).log;
            post_event(event);
            Ok(drain)
        }
    }

    /// Whether the subrequest is in the background.
    pub(super) fn is_begun(&self) -> bool {
        self.is_begun.get()
    }

    /// The subrequest has ended.
    pub(super) fn cancel(&self) {
        if !self.is_held.get() {
            self.delete_event();
        }
    }

    fn delete_event(&self) {
        // SAFETY: the event is this value's own.
        unsafe { delete_event(self.event.get()) };
    }

    /// The subrequest ends now, although a thread works for it. nginx keeps the client's request
    /// until the thread is done.
    pub(super) fn hold(&self) {
        if self.is_held.replace(true) {
            return;
        }
        // SAFETY: the subrequest is live, and the event is this value's own. The handler of the
        // event releases the client's request.
        unsafe {
            hold_client_request(self.subrequest.as_ptr());
            post_event(self.event.get());
        }
    }

    fn begin(&self) {
        let r = self.subrequest.as_ptr();
        self.is_begun.set(true);
        self.since.set(now());
        // SAFETY: the subrequest is live as long as the pool that this value is in, and has sent
        // its header. The parent is the request that waits for it in the access phase.
        unsafe {
            put_in_background(
                r,
                self.downstream.get(),
                self.downstream_write.get(),
                self.output,
            );
            (self.begun)(r);
            if ngx_http_post_request((*r).parent, ptr::null_mut()) != NGX_OK as ngx_int_t {
                Log::of_cycle().error(format_args!("out of memory: a request is not resumed"));
            }
        }
    }

    /// Whether the time of the subrequest is over.
    fn is_over(&self) -> bool {
        let r = self.subrequest.as_ptr();
        // SAFETY: the subrequest is live as long as the pool that this value is in.
        unsafe {
            // nginx frees no request that a thread works for.
            if is_blocked(r) != 0 {
                return false;
            }
            // nginx would read on with the timers of the client's connection.
            if is_unbuffered(r) != 0 {
                return true;
            }
            let is_over = match who_waits(r) {
                0 => false,
                2 => {
                    if !self.is_output_ended.replace(true) {
                        end_output(r);
                    }
                    false
                }
                _ => {
                    let since = self.waited_for_since.get().unwrap_or_else(now);
                    self.waited_for_since.set(Some(since));
                    now().wrapping_sub(since) >= MAX_TIME_WAITED_FOR
                }
            };
            is_over || now().wrapping_sub(self.since.get()) >= MAX_TIME
        }
    }

    fn look_again(&self) {
        // SAFETY: the event is this value's own, and is deleted before its memory is freed (Drop).
        unsafe { start_timer(self.event.get(), INTERVAL) };
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        self.delete_event();
    }
}

/// nginx's monotonic time in milliseconds.
fn now() -> ngx_msec_t {
    // SAFETY: a worker has one thread.
    unsafe { nginx_sys::ngx_current_msec }
}

/// nginx calls it with the event of a [`Drain`].
unsafe extern "C" fn event_handler(event: *mut ngx_event_t) {
    // SAFETY: `schedule` has set `data` to a field of the Drain, and the event is deleted before
    // the Drain is freed. The connection is the client's, which outlives its requests: nginx marks
    // it as destroyed when it has freed the request that it belongs to (ngx_http_free_request), and
    // then ngx_http_run_posted_requests does nothing.
    unsafe {
        let drain = (*event).data.byte_sub(offset_of!(Drain, downstream));
        let drain = drain.cast::<Drain>();
        let r = (*drain).subrequest.as_ptr();
        let connection = (*r).connection;
        guard(Log::of_cycle(), (), || {
            // The end may free the Drain: there must be no reference to it.
            if (*drain).is_held.get() {
                match has_thread(r) {
                    0 => release_client_request(r),
                    _ => (*drain).look_again(),
                }
                return;
            }
            if !(*drain).is_begun() {
                (*drain).begin();
            }
            match (*drain).is_over() {
                true => end_upstream(r),
                false => (*drain).look_again(),
            }
        });
        ngx_http_run_posted_requests(connection);
    }
}
