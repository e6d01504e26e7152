//! The panic boundary. A panic must not cross into C: it would abort the worker and every request
//! that it serves. Here it ends one request, and leaves one `[crit]` line.

use super::log::Log;
use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many panics this process has caught. A worker process has one thread.
static PANICS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static PANIC_LOCATION: Cell<Option<String>> = const { Cell::new(None) };
}

/// Runs `body`. If it panics, logs where, and returns `failed`, which must refuse whatever `body`
/// decides.
pub(super) fn guard<T>(log: Log<'_>, failed: T, body: impl FnOnce() -> T) -> T {
    // Unwind safety: `body` changes cells of one request, which is refused; a configuration that
    // nginx gives up on failure; and caches of the worker, which `panic_count` has emptied.
    match panic::catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => value,
        Err(payload) => {
            PANICS.fetch_add(1, Ordering::Relaxed);
            report(log, payload);
            failed
        }
    }
}

/// How many panics [`guard`] has caught in this process.
pub(super) fn panic_count() -> usize {
    PANICS.load(Ordering::Relaxed)
}

/// Replaces the standard library's report of a panic, which goes to standard error without time and
/// level.
pub(super) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        panic::set_hook(Box::new(|info| {
            PANIC_LOCATION.set(info.location().map(ToString::to_string));
        }));
    });
}

/// Only a message that is a literal is logged. A formatted one may quote the text that was being
/// processed, such as a token or a key.
fn report(log: Log<'_>, payload: Box<dyn Any + Send>) {
    let location = PANIC_LOCATION.take();
    let location = location.as_deref().unwrap_or("an unknown place");
    match payload.downcast::<&'static str>() {
        Ok(message) => log.crit(format_args!("nginx-auth: panic at {location}: {message}")),
        Err(payload) => {
            log.crit(format_args!("nginx-auth: panic at {location}"));
            // Dropping the payload could panic again.
            std::mem::forget(payload);
        }
    }
}

/// Panics, failures and a worker's death on demand, and a count of steps, for t/faults.
#[cfg(feature = "fault-injection")]
pub(super) mod fault_injection {
    use crate::nginx::Request;
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// How many header lines were looked at since [`log_steps`] has logged it.
    static STEPS: AtomicUsize = AtomicUsize::new(0);

    const SIGKILL: i32 = 9;

    /// Kills this worker at a step of its next operations on a zone of shared memory, if the request
    /// has a header line `X-Fault` with `zone` and the number of the step, such as `zone 7`. With
    /// `zone 0`, a worker that was to be killed is not.
    pub(in crate::nginx) fn kill_in_zone(request: Request<'_>) {
        for (name, value) in request.headers() {
            let step = value.bytes().strip_prefix(b"zone ");
            let step = step.and_then(|step| str::from_utf8(step).ok()?.parse().ok());
            if name.eq_ignore_ascii_case(b"x-fault")
                && let Some(step) = step
            {
                slab_map::steps::stop_at(step, kill_this_process);
            }
        }
    }

    fn kill_this_process() {
        let id = i32::try_from(std::process::id()).unwrap_or(0);
        // SAFETY: kill takes any numbers and reads no memory. This is nginx's worker, which nobody
        // else than its master waits for.
        unsafe { nginx_sys::kill(id, SIGKILL) };
    }

    /// Panics if the request has a header line `X-Fault` with this value.
    pub(in crate::nginx) fn panic_in_request(request: Request<'_>, point: &str) {
        if is_requested(request, point) {
            panic!("injected fault");
        }
    }

    /// Panics at `access` in every call of an access handler, at `access again` only in a call for
    /// a request that the module has a state of, as it has after a subrequest was started.
    pub(in crate::nginx) fn panic_in_access(request: Request<'_>, has_state: bool) {
        // Steps are counted over all calls for a request.
        if !has_state {
            kill_in_zone(request);
        }
        panic_in_request(request, "access");
        if has_state {
            panic_in_request(request, "access again");
        }
    }

    /// Whether the request has a header line `X-Fault` with this value: the caller then fails
    /// without a panic.
    pub(in crate::nginx) fn is_requested(request: Request<'_>, point: &str) -> bool {
        request.headers().any(|(name, value)| {
            name.eq_ignore_ascii_case(b"x-fault") && *value == *point.as_bytes()
        })
    }

    /// Counts one look at a header line: what a request costs must grow with its lines, and not with
    /// their square.
    pub(in crate::nginx) fn count_step() {
        STEPS.fetch_add(1, Ordering::Relaxed);
    }

    /// Logs how many steps there were, and begins anew, if the request has `X-Fault: steps`.
    pub(in crate::nginx) fn log_steps(request: Request<'_>) {
        if request.is_main() && is_requested(request, "steps") {
            let steps = STEPS.swap(0, Ordering::Relaxed);
            request.log().info(format_args!("steps: {steps}"));
        }
    }

    /// Panics if the URI of a background subrequest has `inject-fault`.
    pub(in crate::nginx) fn panic_in_background(request: Request<'_>) {
        panic_for_uri(request, b"inject-fault");
    }

    /// Panics if the request has the fault `variable`, or the URI of a background subrequest has
    /// `fault-in-variable`.
    pub(in crate::nginx) fn panic_in_variable(request: Request<'_>) {
        panic_in_request(request, "variable");
        panic_for_uri(request, b"fault-in-variable");
    }

    fn panic_for_uri(request: Request<'_>, fault: &[u8]) {
        let uri = request.original_uri();
        if uri.windows(fault.len()).any(|part| part == fault) {
            panic!("injected fault");
        }
    }

    /// Panics if the path of the Unix socket that a task connects to has `inject-fault`.
    pub(in crate::nginx) fn panic_in_connect(path: &Path) {
        if path.to_string_lossy().contains("inject-fault") {
            panic!("injected fault");
        }
    }

    /// Panics if one of the arguments of a directive is `inject-fault`.
    pub(in crate::nginx) fn panic_in_directive(args: &[&[u8]]) {
        if args.contains(&&b"inject-fault"[..]) {
            panic!("injected fault");
        }
    }
}
