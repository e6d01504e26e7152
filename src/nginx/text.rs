//! Bytes in nginx's memory.

use nginx_sys::ngx_str_t;
use std::marker::PhantomData;
use std::ops::Deref;
use std::slice;

/// Bytes that nginx keeps in place at least as long as the request they were got from, or for good. Unlike a plain
/// slice it may therefore be handed back to nginx: as a variable's value, a header line or a subrequest's URI.
#[derive(Clone, Copy)]
pub struct Text<'r> {
    text: ngx_str_t,
    lifetime: PhantomData<&'r [u8]>,
}

impl<'r> Text<'r> {
    /// # Safety
    /// The bytes stay in place and unchanged until the pool of the request that `'r` stands for is destroyed.
    pub(super) unsafe fn from_raw(text: ngx_str_t) -> Self {
        Self {
            text,
            lifetime: PhantomData,
        }
    }

    /// A constant of the program.
    pub const fn from_static(bytes: &'static [u8]) -> Self {
        let text = ngx_str_t {
            len: bytes.len(),
            data: bytes.as_ptr().cast_mut(),
        };
        Self {
            text,
            lifetime: PhantomData,
        }
    }

    /// The bytes.
    pub fn bytes(self) -> &'r [u8] {
        if self.text.len == 0 {
            return &[];
        }
        // SAFETY: from_raw promises that they stay in place for 'r; nginx leaves `data` NULL only where len is 0.
        unsafe { slice::from_raw_parts(self.text.data, self.text.len) }
    }

    /// The same bytes without the first `n`, or nothing at all where there are fewer.
    pub fn skip(self, n: usize) -> Self {
        self.part(n.min(self.text.len), self.text.len)
    }

    /// The same bytes before and after the first `separator`, if there is one.
    pub fn split_once(self, separator: u8) -> Option<(Self, Self)> {
        let at = self.iter().position(|&byte| byte == separator)?;
        Some((self.part(0, at), self.skip(at + 1)))
    }

    /// These bytes, if they are part of this text.
    pub fn part_of(self, part: &[u8]) -> Option<Self> {
        let start = part.as_ptr().addr().checked_sub(self.text.data.addr());
        match (part.len(), start) {
            (0, _) => Some(Self::from_static(b"")),
            (length, Some(start)) if start.checked_add(length)? <= self.text.len => {
                Some(self.part(start, start + length))
            }
            _ => None,
        }
    }

    pub(super) fn raw(self) -> ngx_str_t {
        self.text
    }

    fn part(self, start: usize, end: usize) -> Self {
        let part = &self[start..end];
        let text = ngx_str_t {
            len: part.len(),
            data: part.as_ptr().cast_mut(),
        };
        Self {
            text,
            lifetime: PhantomData,
        }
    }
}

impl AsRef<[u8]> for Text<'_> {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

impl Deref for Text<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes()
    }
}
