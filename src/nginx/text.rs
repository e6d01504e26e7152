//! Bytes in memory of nginx (ngx_str_t).

use nginx_sys::ngx_str_t;
use std::marker::PhantomData;
use std::ops::Deref;
use std::slice;

/// Bytes that stay in place at least as long as the request that they were got from. Unlike a
/// slice, a `Text` may be handed back to nginx: as the value of a variable, a header line or the
/// URI of a subrequest.
#[derive(Clone, Copy)]
pub struct Text<'r> {
    text: ngx_str_t,
    lifetime: PhantomData<&'r [u8]>,
}

impl<'r> Text<'r> {
    /// # Safety
    /// The bytes stay in place and unchanged until nginx destroys the pool of the request that `'r`
    /// stands for.
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
        // SAFETY: the caller of from_raw has promised that they stay in place for 'r. nginx leaves
        // `data` NULL only if len is 0.
        unsafe { slice::from_raw_parts(self.text.data, self.text.len) }
    }

    /// The first `n` bytes; all if there are no more than that.
    pub fn take(self, n: usize) -> Self {
        self.part(0, n.min(self.text.len))
    }

    /// The bytes after the first `n`; nothing if there are no more than that.
    pub fn skip(self, n: usize) -> Self {
        self.part(n.min(self.text.len), self.text.len)
    }

    /// The bytes before and after the first `separator`. None if there is none.
    pub fn split_once(self, separator: u8) -> Option<(Self, Self)> {
        let at = self.iter().position(|&byte| byte == separator)?;
        Some((self.part(0, at), self.skip(at + 1)))
    }

    /// A slice of this text as a text. None if the slice is not inside it.
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
