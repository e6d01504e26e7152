//! What a task needs to know of its process.

use super::super::log::Log;
use super::super::shim;
use super::ffi;
use nginx_sys::{kill, ngx_current_msec, ngx_exiting, ngx_msec_t, ngx_time};
use std::io::{Error, ErrorKind};
use std::time::Duration;

/// Whether the worker finishes the requests that it has, and then exits. Its tasks live until
/// then, but should begin nothing that none of these requests needs.
pub fn is_shutting_down() -> bool {
    // SAFETY: nginx changes it in the event loop of the worker, which has one thread.
    unsafe { ngx_exiting != 0 }
}

/// Whether a process with this id runs. A worker that has died does not, as soon as nginx's master
/// has noticed.
pub fn is_process_alive(id: u64) -> bool {
    let Ok(id @ 1..) = i32::try_from(id) else {
        return false;
    };
    // SAFETY: kill takes any numbers and reads no memory. Signal 0 is sent to nobody.
    let exists = unsafe { kill(id, 0) } == 0;
    exists || Error::last_os_error().kind() == ErrorKind::PermissionDenied
}

/// The monotonic time, which is the same in all processes: as nginx caches it for one event-loop
/// iteration, or, where its number has 32 bits, that of the system. Nginx's would go back to 0 every
/// 49 days there, and what was valid until a time before that would be valid for 49 days more.
#[inline]
pub fn uptime() -> Duration {
    Duration::from_millis(match ngx_msec_t::BITS {
        // SAFETY: nginx sets it when it starts (ngx_time_init), and a worker has one thread.
        64.. => unsafe { ngx_current_msec as u64 },
        _ => ffi::monotonic_msec(),
    })
}

/// nginx's time, in seconds since 1970.
pub fn unix_time() -> i64 {
    ngx_time()
}

/// Whether what is being dropped is of a task that panics.
pub fn is_panicking() -> bool {
    std::thread::panicking()
}

/// A random number, which is no secret.
pub fn random() -> u16 {
    u16::try_from(shim::random()).unwrap_or(u16::MAX)
}

/// Calls `write` with the log of the process, for lines that belong to no request.
pub fn with_log<T>(write: impl FnOnce(Log<'_>) -> T) -> T {
    // SAFETY: the log cannot outlive this call.
    write(unsafe { Log::of_cycle() })
}
