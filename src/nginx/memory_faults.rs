//! Faults that memory checkers have to report, on demand: t/memory/checkers.t sees whether they do.
//! Only with the feature `fault-injection`.

use super::Request;
use super::fence::fault_injection::is_requested;
use nginx_sys::{ngx_int_t, ngx_pnalloc};
use std::ffi::c_int;
use std::hint::black_box;
use std::mem::MaybeUninit;

const LENGTH: usize = 24;

unsafe extern "C" {
    /// Shifts 1 by so many places.
    ///
    /// # Safety
    /// `places` is less than 31.
    #[link_name = "nginx_auth_undefined_shift"]
    fn undefined_shift(places: c_int) -> ngx_int_t;
}

/// Commits the fault that the header line `X-Fault` names, if it names one of these.
pub(super) fn commit(request: Request<'_>) {
    let is = |fault| is_requested(request, fault);
    if is("heap overread") {
        let bytes = black_box(vec![0_u8; LENGTH]);
        // SAFETY: wrong on purpose; the byte is behind the allocation.
        black_box(unsafe { bytes.as_ptr().add(LENGTH).read_volatile() });
    }
    if is("pool overread") {
        // SAFETY: r->pool lives as long as the request. Wrong on purpose: the byte is behind the
        // allocation, which is one of its own where nginx has NGX_DEBUG_PALLOC.
        unsafe {
            let bytes = ngx_pnalloc((*request.raw()).pool, LENGTH).cast::<u8>();
            black_box(bytes.add(LENGTH).read_volatile());
        }
    }
    if is("use after free") {
        let value = black_box(Box::into_raw(Box::new(1_u64)));
        // SAFETY: wrong on purpose; the second line reads what the first has freed.
        unsafe {
            drop(Box::from_raw(value));
            black_box(value.read_volatile());
        }
    }
    if is("uninitialized value") {
        let value = black_box(Box::<MaybeUninit<u64>>::new_uninit());
        // SAFETY: wrong on purpose; nobody has written to the memory.
        if unsafe { value.as_ptr().cast::<u64>().read_volatile() } == 7 {
            black_box(request);
        }
    }
    if is("leak") {
        // Several, because a register or the stack may still have the address of the last one.
        for _ in 0..10 {
            black_box(Box::leak(vec![0_u8; LENGTH].into_boxed_slice()));
        }
    }
    if is("undefined shift") {
        // SAFETY: wrong on purpose; an int does not have so many bits.
        black_box(unsafe { undefined_shift(40) });
    }
}
