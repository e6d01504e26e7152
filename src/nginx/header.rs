//! Header lines of requests and responses.

use super::failure::Failure;
use super::text::Text;
use nginx_sys::{ngx_hash_key, ngx_list_part_t, ngx_list_push, ngx_list_t, ngx_table_elt_t};
use std::marker::PhantomData;
use std::ptr::NonNull;

/// Walks over the lines of a header, as pairs of name and value, in their order.
pub struct HeaderLines<'r>(Elements<'r>);

/// Walks over the elements of a header's list.
pub(super) struct Elements<'r> {
    part: *const ngx_list_part_t,
    next: usize,
    lifetime: PhantomData<&'r ngx_list_t>,
}

impl<'r> HeaderLines<'r> {
    /// # Safety
    /// `list` is a list of ngx_table_elt_t that lives, and to which nothing is added, as long as the lifetime chosen.
    pub(super) unsafe fn from_raw(list: *const ngx_list_t) -> Self {
        // SAFETY: the caller's. The first part is inside the list itself.
        let part = unsafe { &raw const (*list).part };
        Self(Elements {
            part,
            next: 0,
            lifetime: PhantomData,
        })
    }

    pub(super) fn elements(self) -> Elements<'r> {
        self.0
    }

    /// The values of the lines with this name of 8 to 16 letters, in any case. It is given in lower case.
    pub fn named<const N: usize>(self, name: &[u8; N]) -> impl Iterator<Item = Text<'r>> {
        debug_assert!(name.iter().all(u8::is_ascii_lowercase));
        let name = folded(name);
        self.filter_map(move |(key, value)| {
            let key = <&[u8; N]>::try_from(&*key).ok()?;
            (folded(key) == name).then_some(value)
        })
    }
}

/// Both ends of a name, for a comparison in one go. With this bit set, no other byte is equal to a letter than the
/// letter in either case.
fn folded<const N: usize>(name: &[u8; N]) -> [u64; 2] {
    const { assert!(N >= 8 && N <= 16) };
    const CASE: u64 = u64::from_ne_bytes([0x20; 8]);
    let ends = [name.first_chunk(), name.last_chunk()];
    ends.map(|end| u64::from_ne_bytes(end.copied().unwrap_or_default()) | CASE)
}

/// Adds a line to a header's list. nginx hashes names in lower case; `lower_case` is the name so, or
/// none where nginx only sends the line.
///
/// # Safety
/// `list` is a live list of ngx_table_elt_t, and the texts live as long as it.
pub(super) unsafe fn push_line(
    list: *mut ngx_list_t,
    name: Text<'_>,
    value: Text<'_>,
    lower_case: Option<Text<'_>>,
) -> Result<NonNull<ngx_table_elt_t>, Failure> {
    // SAFETY: the caller's. NULL is checked; a pushed element is uninitialized until it is written.
    unsafe {
        let line = NonNull::new(ngx_list_push(list).cast::<ngx_table_elt_t>());
        let line = line.ok_or(Failure::OutOfMemory)?;
        let mut element: ngx_table_elt_t = std::mem::zeroed();
        element.hash = 1;
        element.key = name.raw();
        element.value = value.raw();
        if let Some(lower_case) = lower_case.map(Text::raw) {
            element.hash = ngx_hash_key(lower_case.data, lower_case.len);
            element.lowcase_key = lower_case.data;
        }
        line.write(element);
        Ok(line)
    }
}

impl<'r> Iterator for HeaderLines<'r> {
    type Item = (Text<'r>, Text<'r>);

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.0.next()?;
        // SAFETY: a live element; names and values of header lines live as long as the request.
        Some(unsafe { (Text::from_raw((*line).key), Text::from_raw((*line).value)) })
    }
}

impl Iterator for Elements<'_> {
    type Item = *mut ngx_table_elt_t;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            // SAFETY: a part is NULL or a live part of the list, with `nelts` elements (ngx_list.h).
            let part = unsafe { self.part.as_ref()? };
            if self.next >= part.nelts {
                self.part = part.next;
                self.next = 0;
                continue;
            }
            // SAFETY: as above.
            let line = unsafe { part.elts.cast::<ngx_table_elt_t>().add(self.next) };
            self.next += 1;
            // A hash of 0 marks a line that was taken out (ngx_http_header_filter).
            // SAFETY: as above.
            if unsafe { (*line).hash } != 0 {
                return Some(line);
            }
        }
    }
}
