//! Waking a request that waits for something other than its own subrequest.

use super::failure::Failure;
use super::pool::own;
use super::request::Request;
use super::shim::post_event;
use nginx_sys::ngx_http_request_t;
use std::cell::Cell;
use std::ptr::NonNull;
use std::rc::Rc;

/// Wakes a request whose access handler said [`Access::Wait`](super::Access::Wait): nginx asks it again. It may
/// outlive the request; then it does nothing.
pub struct Waker(Rc<Cell<Option<NonNull<ngx_http_request_t>>>>);

impl Waker {
    /// Has nginx ask the request's handlers again, after the callback that this is called from.
    pub fn wake(&self) {
        let Some(request) = self.0.get() else { return };
        // SAFETY: the cell is cleared when the request's pool goes; its connection lives at least as long. nginx takes
        // a connection's events from the queue when it closes the connection (ngx_close_connection,
        // ngx_http_v2_close_stream). The handler of the write event of a connection that serves a request runs that
        // request's phases (ngx_http_request_handler, ngx_http_core_run_phases); to ask once too often does no harm.
        unsafe { post_event((*(*request.as_ptr()).connection).write) };
    }
}

impl Request<'_> {
    /// What wakes this request.
    pub fn waker(self) -> Result<Waker, Failure> {
        let cell = Rc::new(Cell::new(NonNull::new(self.raw())));
        // SAFETY: the pool lives as long as the request.
        unsafe { own((*self.raw()).pool, OwnedByPool(Rc::clone(&cell)))? };
        Ok(Waker(cell))
    }
}

struct OwnedByPool(Rc<Cell<Option<NonNull<ngx_http_request_t>>>>);

impl Drop for OwnedByPool {
    fn drop(&mut self) {
        self.0.set(None);
    }
}
