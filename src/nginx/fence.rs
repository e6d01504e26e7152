//! The panic boundary. A panic must not cross into C: it would abort the worker and every request
//! that it serves. Here it ends one request, and leaves one `[crit]` line.

use super::log::Log;
use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static PANIC_LOCATION: Cell<Option<String>> = const { Cell::new(None) };
}

/// Runs `body`. If it panics, logs where, and returns `failed`, which must refuse whatever `body`
/// decides.
pub(super) fn guard<T>(log: Log<'_>, failed: T, body: impl FnOnce() -> T) -> T {
    // Unwind safety: `body` changes only cells of one request, and a configuration that nginx gives
    // up on failure.
    match panic::catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => value,
        Err(payload) => {
            report(log, payload);
            failed
        }
    }
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

/// Panics and failures on demand, for t/faults.
#[cfg(feature = "fault-injection")]
pub(super) mod fault_injection {
    use crate::nginx::Request;

    /// Panics if the request has a header line `X-Fault` with this value.
    pub(in crate::nginx) fn panic_in_request(request: Request<'_>, point: &str) {
        if is_requested(request, point) {
            panic!("injected fault");
        }
    }

    /// Whether the request has a header line `X-Fault` with this value: the caller then fails
    /// without a panic.
    pub(in crate::nginx) fn is_requested(request: Request<'_>, point: &str) -> bool {
        request.headers().any(|(name, value)| {
            name.eq_ignore_ascii_case(b"x-fault") && *value == *point.as_bytes()
        })
    }

    /// Panics if one of the arguments of a directive is `inject-fault`.
    pub(in crate::nginx) fn panic_in_directive(args: &[&[u8]]) {
        if args.contains(&&b"inject-fault"[..]) {
            panic!("injected fault");
        }
    }
}
