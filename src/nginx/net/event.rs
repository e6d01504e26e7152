//! An event of nginx's event loop that belongs to no connection: it can be posted, and it has a
//! timer.

use super::super::fence::guard;
use super::super::log::Log;
use super::super::shim::{delete_event, start_timer};
use super::ffi::{init_event, post_next_event};
use nginx_sys::{ngx_event_t, ngx_msec_t};
use std::cell::UnsafeCell;
use std::mem::{offset_of, zeroed};
use std::rc::Rc;
use std::time::Duration;

/// The longest time that a timer may have: nginx compares times by the sign of their difference.
const MAX_TIMER: ngx_msec_t = ngx_msec_t::MAX / 4;

/// An event, and what is done when it comes. To drop it takes it back from nginx.
pub(in super::super) struct Event(Rc<EventState>);

struct EventState {
    event: UnsafeCell<ngx_event_t>,
    action: Box<dyn Fn()>,
}

/// Whether a worker that shuts down exits without waiting for a timer.
#[derive(Clone, Copy)]
pub(in super::super) enum AtShutdown {
    /// It exits.
    Exit,
    /// It waits.
    Wait,
}

impl Event {
    /// An event that nobody has posted yet.
    pub(in super::super) fn new(at_shutdown: AtShutdown, action: impl Fn() + 'static) -> Self {
        // SAFETY: ngx_event_t is plain data, which nginx itself begins as zeros.
        let event = UnsafeCell::new(unsafe { zeroed::<ngx_event_t>() });
        let action = Box::new(action);
        let cancelable = matches!(at_shutdown, AtShutdown::Exit).into();
        let this = Self(Rc::new(EventState { event, action }));
        // SAFETY: the event is this value's own. Tasks and requests, which make events, are in a
        // worker.
        unsafe { init_event(this.raw(), Some(handle), cancelable) };
        this
    }

    /// Makes the event come in the next event-loop iteration.
    pub(super) fn post(&self) {
        // SAFETY: the event is deleted before its memory is freed (Drop).
        unsafe { post_next_event(self.raw()) };
    }

    /// Makes the event come after this time.
    pub(in super::super) fn start_timer(&self, time: Duration) {
        // A timer that ends too early would be a surprise: round up.
        let time = time.as_nanos().div_ceil(1_000_000);
        let time = ngx_msec_t::try_from(time).map_or(MAX_TIMER, |time| time.min(MAX_TIMER));
        // SAFETY: the event is deleted before its memory is freed (Drop).
        unsafe { start_timer(self.raw(), time) };
    }

    /// The event, with a pointer that may be used for the whole [`EventState`].
    fn raw(&self) -> *mut ngx_event_t {
        let state = Rc::as_ptr(&self.0);
        // SAFETY: the state is alive, and inside an UnsafeCell.
        UnsafeCell::raw_get(unsafe { &raw const (*state).event })
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: `raw` points to an event of init_event.
        unsafe { delete_event(self.raw()) };
    }
}

/// nginx calls it when the event was posted or its timer has ended.
unsafe extern "C" fn handle(event: *mut ngx_event_t) {
    // SAFETY: the log is used during this call only.
    let log = unsafe { Log::of_cycle() };
    // SAFETY: nginx hands over the event of an `Event` that is not dropped yet, because dropping it
    // takes the event out of nginx's queues. So the state has an owner, and gets a second one: the
    // action may drop the first.
    let state = unsafe {
        let state = event
            .byte_sub(offset_of!(EventState, event))
            .cast::<EventState>();
        Rc::increment_strong_count(state);
        Rc::from_raw(state)
    };
    guard(log, (), move || (state.action)());
}
