//! Tasks: futures that a worker process runs on nginx's event loop. Its one thread polls them when
//! nginx handles the one event of this file, which a waker posts.
//!
//! A task that panics ends with a `[crit]` line, and the others go on. All tasks are dropped when
//! the worker exits, before nginx frees its configuration. Nothing of a task keeps a worker from
//! exiting: nginx does not wait for timers that are "cancelable", nor for connections without one.

use super::super::fence::guard;
use super::super::log::Log;
use super::event::{AtShutdown, Event};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use nginx_sys::{NGX_PROCESS_SINGLE, NGX_PROCESS_WORKER, ngx_process};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

thread_local! {
    /// The tasks of this worker. It has none before `start_tasks` and after `drop_tasks`, and
    /// neither has a process that is no worker or a thread that does not run the event loop.
    static TASKS: RefCell<Option<Rc<Tasks>>> = const { RefCell::new(None) };
}

/// Whether [`TASKS`] was ever used: the master process must not touch a thread-local value with a
/// destructor, which would keep the library of an old configuration in its memory.
static IS_WORKER: AtomicBool = AtomicBool::new(false);

struct Tasks {
    running: RefCell<FuturesUnordered<LocalBoxFuture<'static, ()>>>,
    /// They begin to run in the next event-loop iteration.
    spawned: RefCell<Vec<LocalBoxFuture<'static, ()>>>,
    event: Event,
}

/// Runs a future on the event loop, in a later iteration. Nothing happens if no worker runs, as
/// while a configuration is read.
pub fn spawn(future: impl Future<Output = ()> + 'static) {
    if let Some(tasks) = tasks() {
        tasks.spawned.borrow_mut().push(Box::pin(future));
        tasks.event.post();
    }
}

/// Called when a process starts, before its first event. Returns whether it is one that serves
/// requests; others are those that look after caches.
pub(in super::super) fn start_tasks() -> bool {
    // SAFETY: nginx sets it before it calls modules in a process (ngx_worker_process_cycle).
    let process = unsafe { ngx_process };
    if process != NGX_PROCESS_WORKER as usize && process != NGX_PROCESS_SINGLE as usize {
        return false;
    }
    IS_WORKER.store(true, Ordering::Relaxed);
    TASKS.with_borrow_mut(|tasks| {
        tasks.get_or_insert_with(|| {
            Rc::new(Tasks {
                running: RefCell::default(),
                spawned: RefCell::default(),
                event: Event::new(AtShutdown::Exit, run_tasks),
            })
        });
    });
    true
}

/// Drops all tasks, and starts no more.
pub(in super::super) fn drop_tasks() {
    if !IS_WORKER.load(Ordering::Relaxed) {
        return;
    }
    let Some(tasks) = TASKS.take() else { return };
    // SAFETY: the log is used during this call only.
    let log = unsafe { Log::of_cycle() };
    let futures = tasks.running.take().into_iter();
    for future in futures.chain(tasks.spawned.take()) {
        guard(log, (), || drop(future));
    }
}

fn tasks() -> Option<Rc<Tasks>> {
    match IS_WORKER.load(Ordering::Relaxed) {
        true => TASKS.with_borrow(Option::clone),
        false => None,
    }
}

/// The action of the event.
fn run_tasks() {
    let Some(tasks) = tasks() else { return };
    tasks.running.borrow_mut().extend(tasks.spawned.take());
    let waker = Waker::from(Arc::new(PostEvent));
    let mut context = Context::from_waker(&waker);
    // SAFETY: the log is used during this call only.
    let log = unsafe { Log::of_cycle() };
    loop {
        // A task that has panicked is gone, as one that has ended.
        let polled = guard(log, Poll::Ready(Some(())), || {
            tasks.running.borrow_mut().poll_next_unpin(&mut context)
        });
        if polled != Poll::Ready(Some(())) {
            break;
        }
    }
}

/// Wakes the tasks of the thread that it is called in.
struct PostEvent;

impl Wake for PostEvent {
    fn wake(self: Arc<Self>) {
        if let Some(tasks) = tasks() {
            tasks.event.post();
        }
    }
}
