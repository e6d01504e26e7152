//! Header lines that a module gives to upstreams.

use super::directive::{Config, ConfigError};
use super::failure::Failure;
use super::request::Request;
use super::text::Text;
use nginx_sys::{
    ngx_hash_key, ngx_list_create, ngx_list_push, ngx_list_t, ngx_str_t, ngx_table_elt_t,
    ngx_uint_t,
};
use std::mem;
use std::ptr::NonNull;

/// Names of lines that nginx_auth_link_lines() has nginx find.
const LINKED: [&[u8]; 5] = [
    b"cookie",
    b"referer",
    b"user-agent",
    b"via",
    b"x-forwarded-for",
];

/// Header lines of a request, in the making.
pub struct UpstreamLines<'r> {
    request: Request<'r>,
    /// How many lines there are probably going to be.
    capacity: usize,
    list: Option<NonNull<ngx_list_t>>,
    /// Whether nginx has pointers to lines with one of the names.
    are_linked: bool,
}

/// The name of a header line, prepared when the configuration is read. It lives as long as that
/// configuration.
#[derive(Clone, Copy)]
pub struct HeaderName {
    name: ngx_str_t,
    lower_case: ngx_str_t,
    hash: ngx_uint_t,
    is_linked: bool,
}

impl Config<'_> {
    /// Prepares the name of a header line.
    ///
    /// # Errors
    /// There is no memory.
    pub fn header_name(&self, name: &[u8]) -> Result<HeaderName, ConfigError> {
        // SAFETY: the copies live as long as the cycle's pool, and therefore as the configuration.
        unsafe {
            Ok(HeaderName::new(
                self.copy(name)?,
                self.copy(&name.to_ascii_lowercase())?,
            ))
        }
    }
}

impl HeaderName {
    /// # Safety
    /// Both texts live as long as the name is used. `lower_case` is `name` in lower case.
    unsafe fn new(name: ngx_str_t, lower_case: ngx_str_t) -> Self {
        Self {
            name,
            lower_case,
            // SAFETY: nginx reads as many bytes as the text has.
            hash: unsafe { ngx_hash_key(lower_case.data, lower_case.len) },
            is_linked: LINKED.contains(&lower_case.as_bytes()),
        }
    }

    pub fn bytes(&self) -> &[u8] {
        self.name.as_bytes()
    }
}

impl<'r> Request<'r> {
    /// No lines yet, with room for some.
    pub fn upstream_lines(self, capacity: usize) -> UpstreamLines<'r> {
        UpstreamLines {
            request: self,
            capacity,
            list: None,
            are_linked: false,
        }
    }
}

impl<'r> UpstreamLines<'r> {
    /// Adds a line with a name that the configuration has prepared. The value is copied.
    ///
    /// # Errors
    /// There is no memory.
    pub fn push(&mut self, name: &HeaderName, value: &[u8]) -> Result<(), Failure> {
        let request = self.request;
        // SAFETY: the pool lives as long as the request; NULL is checked; a pushed element is
        // uninitialized until it is written, and all of its fields may be zero.
        unsafe {
            let list = match self.list {
                Some(list) => list,
                None => {
                    let (pool, room) = ((*request.raw()).pool, self.capacity.max(1));
                    let list = ngx_list_create(pool, room, size_of::<ngx_table_elt_t>());
                    *self
                        .list
                        .insert(NonNull::new(list).ok_or(Failure::OutOfMemory)?)
                }
            };
            let mut line: ngx_table_elt_t = mem::zeroed();
            line.hash = name.hash;
            line.key = name.name;
            line.lowcase_key = name.lower_case.data;
            line.value = request.copy_with_nul(value)?.raw();
            let place = ngx_list_push(list.as_ptr()).cast::<ngx_table_elt_t>();
            NonNull::new(place).ok_or(Failure::OutOfMemory)?.write(line);
        }
        self.are_linked |= name.is_linked;
        Ok(())
    }

    /// Adds a line with this name. The value is copied.
    ///
    /// # Errors
    /// There is no memory.
    pub fn push_named(&mut self, name: Text<'r>, value: &[u8]) -> Result<(), Failure> {
        let lower_case = self.request.copy(&name.to_ascii_lowercase())?;
        // SAFETY: both texts live as long as the request, and the name is used for a line of it.
        let name = unsafe { HeaderName::new(name.raw(), lower_case.raw()) };
        self.push(&name, value)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_none()
    }

    /// Whether nginx has pointers to lines with one of the names.
    pub(super) fn are_linked(&self) -> bool {
        self.are_linked
    }

    /// The lines, in the pool of the request.
    pub(super) fn list(&self) -> Option<NonNull<ngx_list_t>> {
        self.list
    }
}
