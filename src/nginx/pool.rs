//! Rust values in the memory of a pool. nginx drops them when it destroys the pool, the last one
//! first.

use super::failure::Failure;
use super::fence::guard;
use super::log::Log;
use nginx_sys::{ngx_palloc, ngx_pool_cleanup_add, ngx_pool_t};
use std::ffi::c_void;
use std::mem::needs_drop;
use std::ptr::{self, NonNull};

/// Moves a value into the memory of a pool.
///
/// # Errors
/// There is no memory.
///
/// # Safety
/// `pool` is a live pool.
pub(super) unsafe fn own<T>(pool: *mut ngx_pool_t, value: T) -> Result<NonNull<T>, Failure> {
    const { assert!(align_of::<T>() <= nginx_sys::NGX_ALIGNMENT) };
    // ngx_pool_cleanup_add allocates nothing for a size of 0.
    let size = size_of::<T>().max(1);
    // A value without a destructor needs no cleanup.
    if !needs_drop::<T>() {
        // SAFETY: the pool is live; NULL is checked; ngx_palloc aligns the memory to NGX_ALIGNMENT,
        // and nothing else uses it.
        return unsafe {
            let memory = ngx_palloc(pool, size).cast::<T>();
            let memory = NonNull::new(memory).ok_or(Failure::OutOfMemory)?;
            memory.write(value);
            Ok(memory)
        };
    }
    // SAFETY: the pool is live; NULL is checked below.
    let cleanup =
        unsafe { ngx_pool_cleanup_add(pool, size).as_mut() }.ok_or(Failure::OutOfMemory)?;
    let memory = NonNull::new(cleanup.data.cast::<T>()).ok_or(Failure::OutOfMemory)?;
    // SAFETY: ngx_pool_cleanup_add has allocated `size` bytes, aligned to NGX_ALIGNMENT, that
    // nothing else uses.
    unsafe { memory.write(value) };
    cleanup.handler = Some(drop_in_pool::<T>);
    Ok(memory)
}

/// Drops a value. nginx calls this function once, when it destroys the pool (ngx_destroy_pool).
unsafe extern "C" fn drop_in_pool<T>(value: *mut c_void) {
    // SAFETY: the log is used during this call only.
    let log = unsafe { Log::of_cycle() };
    guard(log, (), || {
        // SAFETY: `own` has written a T at this address, and ngx_destroy_pool runs a cleanup once.
        unsafe { ptr::drop_in_place(value.cast::<T>()) };
    });
}
