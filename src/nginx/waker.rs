//! Resuming a request that waits for something else than its own subrequest.

use super::failure::Failure;
use super::net::{AtShutdown, Event};
use super::pool::own;
use super::request::Request;
use super::shim::{post_event, stop_watching_client, watch_client};
use nginx_sys::ngx_http_request_t;
use std::cell::Cell;
use std::ptr::NonNull;
use std::rc::Rc;
use std::time::Duration;

/// Resumes a request whose access handler has returned [`Access::Wait`](super::Access::Wait): nginx
/// runs the handler again. It does nothing if the request is gone.
pub struct Waker(Rc<Cell<Option<NonNull<ngx_http_request_t>>>>);

impl Waker {
    /// Whether there is the request still.
    pub fn has_request(&self) -> bool {
        self.0.get().is_some()
    }

    /// Makes nginx run the request's handlers again, after the callback that this is called from.
    pub fn wake(&self) {
        let Some(request) = self.0.get() else { return };
        // The write handler of a connection that serves a request runs the phases of that request
        // (ngx_http_request_handler, ngx_http_core_run_phases). To run them once too often does no
        // harm.
        //
        // SAFETY: the cell is cleared when nginx destroys the request's pool, and the connection
        // lives at least as long. When nginx closes a connection, it takes the connection's events
        // from the queue (ngx_close_connection, ngx_http_v2_close_stream).
        unsafe { post_event((*(*request.as_ptr()).connection).write) };
    }
}

/// Resumes a request when a time is over, unless this is dropped before.
pub struct WakeTimer {
    _event: Event,
}

impl Request<'_> {
    /// Resumes the request as [`Waker::wake`] does, after a time. A worker that shuts down waits for
    /// it, so that a request that waits for a task gets its response.
    ///
    /// # Errors
    /// There is no memory.
    pub fn wake_after(self, time: Duration) -> Result<WakeTimer, Failure> {
        let waker = self.waker()?;
        let event = Event::new(AtShutdown::Wait, move || waker.wake());
        event.start_timer(time);
        Ok(WakeTimer { _event: event })
    }

    /// Makes nginx end the request if its client leaves, while an access handler waits for
    /// something else than a subrequest of this request or its body.
    pub fn watch_client(self) {
        // SAFETY: the request is live, and its access handler runs.
        unsafe { watch_client(self.raw()) };
    }

    /// Ends what [`watch_client`](Self::watch_client) began, when the handler goes on.
    pub fn stop_watching_client(self) {
        // SAFETY: the request is live, and its access handler runs.
        unsafe { stop_watching_client(self.raw()) };
    }

    /// A waker for this request.
    ///
    /// # Errors
    /// There is no memory.
    pub fn waker(self) -> Result<Waker, Failure> {
        let shared_request = Rc::new(Cell::new(NonNull::new(self.raw())));
        let clear_with_pool = ClearWithPool(Rc::clone(&shared_request));
        // SAFETY: r->pool lives as long as the request.
        unsafe { own((*self.raw()).pool, clear_with_pool)? };
        Ok(Waker(shared_request))
    }
}

/// Belongs to the pool of the request, and clears the waker when nginx destroys the pool.
struct ClearWithPool(Rc<Cell<Option<NonNull<ngx_http_request_t>>>>);

impl Drop for ClearWithPool {
    fn drop(&mut self) {
        self.0.set(None);
    }
}
