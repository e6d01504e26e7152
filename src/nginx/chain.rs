//! nginx's chains of buffers.

use super::shim::buf_in_memory;
use nginx_sys::{ngx_buf_t, ngx_chain_t};
use std::iter;

/// The buffers of a chain, in order.
///
/// # Safety
/// `chain` is NULL or a chain of live buffers, and nobody else changes them while the iterator is
/// used.
pub(super) unsafe fn buffers<'b>(
    chain: *const ngx_chain_t,
) -> impl Iterator<Item = &'b mut ngx_buf_t> {
    let mut next = chain;
    iter::from_fn(move || {
        // SAFETY: a chain is a list of links that ends with NULL, each with a live buffer.
        unsafe {
            let link = next.as_ref()?;
            next = link.next;
            Some(&mut *link.buf)
        }
    })
}

/// How many bytes a buffer has, in memory or in a file (ngx_buf_size).
///
/// # Safety
/// The buffer is live, with `pos`, `last`, `file_pos` and `file_last` as nginx has them.
pub(super) unsafe fn buffer_length(buf: &ngx_buf_t) -> usize {
    // SAFETY: the caller's.
    let length = unsafe {
        match buf_in_memory(buf) {
            0 => buf.file_last - buf.file_pos,
            _ => buf.last.offset_from(buf.pos) as _,
        }
    };
    usize::try_from(length).unwrap_or(0)
}
