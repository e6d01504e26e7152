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
/// # Safety
/// `pool` is a live pool.
pub(super) unsafe fn own<T>(pool: *mut ngx_pool_t, value: T) -> Result<NonNull<T>, Failure> {
    const { assert!(align_of::<T>() <= nginx_sys::NGX_ALIGNMENT) };
    // ngx_pool_cleanup_add allocates nothing for a size of 0.
    let size = size_of::<T>().max(1);
    if !needs_drop::<T>() {
        // SAFETY: the pool is live; NULL is checked; ngx_palloc aligns the memory to NGX_ALIGNMENT,
        // and nobody else uses it.
        return unsafe {
            let place =
                NonNull::new(ngx_palloc(pool, size).cast::<T>()).ok_or(Failure::OutOfMemory)?;
            place.write(value);
            Ok(place)
        };
    }
    // SAFETY: the pool is live; NULL is checked below.
    let cleanup =
        unsafe { ngx_pool_cleanup_add(pool, size).as_mut() }.ok_or(Failure::OutOfMemory)?;
    let place = NonNull::new(cleanup.data.cast::<T>()).ok_or(Failure::OutOfMemory)?;
    // SAFETY: ngx_pool_cleanup_add has allocated `size` bytes, aligned to NGX_ALIGNMENT, that
    // nobody else uses.
    unsafe { place.write(value) };
    cleanup.handler = Some(drop_in_pool::<T>);
    Ok(place)
}

/// nginx calls it once, when it destroys the pool (ngx_destroy_pool).
unsafe extern "C" fn drop_in_pool<T>(place: *mut c_void) {
    let drop_it = || {
        // SAFETY: `own` has written a T there, and nginx runs a cleanup once.
        unsafe { ptr::drop_in_place(place.cast::<T>()) };
    };
    guard(Log::of_cycle(), (), drop_it);
}
