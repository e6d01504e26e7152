//! OpenSSL's queue of errors, of which each thread has one.

use openssl::error::ErrorStack;

/// Calls OpenSSL with an empty queue of errors, and empties it again. OpenSSL takes what it finds
/// there for errors of its last call, and nginx logs an `alert` for what it finds.
pub(super) fn with_own_errors<T>(call: impl FnOnce() -> T) -> T {
    drop(ErrorStack::get());
    let result = call();
    drop(ErrorStack::get());
    result
}
