//! The typed panic boundary. A panic that crossed into C would abort the worker and every request it serves; here
//! it costs the one request, and leaves one `[crit]` line.

use super::log::Log;
use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static PLACE: Cell<Option<String>> = const { Cell::new(None) };
}

/// Runs `body`; if it panics, logs where and gives `failed`, which must refuse whatever `body` was to decide.
pub(super) fn guard<T>(log: Log<'_>, failed: T, body: impl FnOnce() -> T) -> T {
    // Unwind safety: a body changes nothing but cells of one request and configuration that is given up on failure.
    match panic::catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => value,
        Err(payload) => {
            report(log, payload);
            failed
        }
    }
}

/// Silences the standard library's own report, which would go to standard error with no time and no severity.
pub(super) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        panic::set_hook(Box::new(|info| {
            PLACE.set(info.location().map(ToString::to_string));
        }));
    });
}

/// Only a message that was a literal is logged: a formatted one may quote the text that was being worked on, and
/// that may be a token or a key.
fn report(log: Log<'_>, payload: Box<dyn Any + Send>) {
    let place = PLACE.take();
    let place = place.as_deref().unwrap_or("an unknown place");
    match payload.downcast::<&'static str>() {
        Ok(message) => log.crit(format_args!("nginx-auth: panic at {place}: {message}")),
        Err(payload) => {
            log.crit(format_args!("nginx-auth: panic at {place}"));
            // Dropping it could panic again.
            std::mem::forget(payload);
        }
    }
}

/// Panics and failures on demand, for tests.
#[cfg(feature = "fault-injection")]
pub(super) mod fault {
    use crate::nginx::Request;

    /// Panics if the request has a header line `X-Fault` with this value.
    pub(in crate::nginx) fn in_request(request: Request<'_>, point: &str) {
        if is_asked(request, point) {
            panic!("injected fault");
        }
    }

    /// Whether the request has a header line `X-Fault` with this value: something fails that needs no panic for that.
    pub(in crate::nginx) fn is_asked(request: Request<'_>, point: &str) -> bool {
        request.headers().any(|(name, value)| {
            name.eq_ignore_ascii_case(b"x-fault") && *value == *point.as_bytes()
        })
    }

    /// Panics if one of the arguments of a directive is `inject-fault`.
    pub(in crate::nginx) fn in_directive(args: &[&[u8]]) {
        if args.contains(&&b"inject-fault"[..]) {
            panic!("injected fault");
        }
    }
}
