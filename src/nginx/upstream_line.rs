//! Header lines that a module gives to upstreams.

use super::directive::{Config, ConfigError};
use super::failure::Failure;
use super::request::Request;
use super::text::Text;
use nginx_sys::{ngx_hash_key, ngx_str_t, ngx_table_elt_t, ngx_uint_t};
use std::marker::PhantomData;
use std::mem;

/// A header line of a request.
#[derive(Clone, Copy)]
pub struct UpstreamLine<'r> {
    line: ngx_table_elt_t,
    lifetime: PhantomData<Text<'r>>,
}

/// The name of a header line, prepared when the configuration is read. It lives as long as that
/// configuration.
#[derive(Clone, Copy)]
pub struct HeaderName {
    name: ngx_str_t,
    lower_case: ngx_str_t,
    hash: ngx_uint_t,
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
    pub fn bytes(&self) -> &[u8] {
        self.name.as_bytes()
    }

    /// # Safety
    /// Both texts live as long as the name is used. `lower_case` is `name` in lower case.
    unsafe fn new(name: ngx_str_t, lower_case: ngx_str_t) -> Self {
        Self {
            name,
            lower_case,
            // SAFETY: nginx reads as many bytes as the text has.
            hash: unsafe { ngx_hash_key(lower_case.data, lower_case.len) },
        }
    }
}

impl<'r> Request<'r> {
    /// A line with a name that the configuration has prepared. The value is copied.
    ///
    /// # Errors
    /// There is no memory.
    pub fn prepared_line(
        self,
        name: &HeaderName,
        value: &[u8],
    ) -> Result<UpstreamLine<'r>, Failure> {
        // SAFETY: all fields of a line may be zero.
        let mut line: ngx_table_elt_t = unsafe { mem::zeroed() };
        line.hash = name.hash;
        line.key = name.name;
        line.lowcase_key = name.lower_case.data;
        line.value = self.copy_with_nul(value)?.raw();
        Ok(UpstreamLine {
            line,
            lifetime: PhantomData,
        })
    }

    /// A line with this name. The value is copied.
    ///
    /// # Errors
    /// There is no memory.
    pub fn upstream_line(self, name: Text<'r>, value: &[u8]) -> Result<UpstreamLine<'r>, Failure> {
        let lower_case = self.copy(&name.to_ascii_lowercase())?;
        // SAFETY: both texts live as long as the request, and the name is used for a line of it.
        let name = unsafe { HeaderName::new(name.raw(), lower_case.raw()) };
        self.prepared_line(&name, value)
    }
}

impl UpstreamLine<'_> {
    /// To be copied into a list of the request.
    pub(super) fn raw(&self) -> *const ngx_table_elt_t {
        &raw const self.line
    }
}
