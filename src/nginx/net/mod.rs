//! The network for tasks of a worker, on nginx's event loop. No thread is started, and nothing
//! blocks:
//!
//! - `event`: an event of nginx's loop as a value;
//! - `task`: futures that the loop runs;
//! - `timer`: the passing of time;
//! - `connection`: TCP and Unix sockets that nginx watches;
//! - `resolver`: addresses of host names, by nginx's resolver;
//! - `network`: all of that as what the HTTP client needs;
//! - `process`: time, log and state of the process.
//!
//! A value here is what nginx has of it: dropping it removes the timer, closes the connection or
//! takes the question back. So a time limit is a `select` of a future and a timer, and to end a
//! task is to drop it. A callback of nginx only notes what has come and wakes the task. The task
//! itself runs later, from the event of its own, when nginx uses nothing of what it may drop.

mod connection;
mod event;
mod ffi;
mod network;
mod process;
mod resolver;
mod task;
mod timer;

pub use network::{HostNames, WorkerNetwork};
pub use process::{
    is_panicking, is_process_alive, is_shutting_down, random, unix_time, uptime, with_log,
};
pub use resolver::Resolver;
pub use task::spawn;
pub use timer::sleep;

pub(super) use event::{AtShutdown, Event};
pub(super) use task::{drop_tasks, start_tasks};
