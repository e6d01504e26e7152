//! The passing of time, as a future.

use super::event::{AtShutdown, Event};
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Is ready when a time has passed. To drop it removes the timer.
pub struct Sleep {
    state: Rc<SleepState>,
    _event: Event,
}

#[derive(Default)]
struct SleepState {
    is_over: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

/// Is ready when this time has passed since the call. It does not keep a worker that shuts down: if
/// the worker exits before, the task that waits is dropped.
pub fn sleep(time: Duration) -> Sleep {
    let state = Rc::<SleepState>::default();
    let end = {
        let state = Rc::clone(&state);
        move || state.end()
    };
    let event = Event::new(AtShutdown::Exit, end);
    event.start_timer(time);
    Sleep {
        state,
        _event: event,
    }
}

impl SleepState {
    fn end(&self) {
        self.is_over.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.state.is_over.get() {
            return Poll::Ready(());
        }
        self.state.waker.set(Some(context.waker().clone()));
        Poll::Pending
    }
}
