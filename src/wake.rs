//! A single flight wakes its followers through nginx.

use crate::nginx::Waker;
use policy::single_flight::Wake;

impl Wake for Waker {
    fn wake(&self) {
        Waker::wake(self);
    }
}
