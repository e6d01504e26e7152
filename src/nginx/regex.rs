//! Regular expressions, by the PCRE that nginx is built with. Each search is bounded in steps and
//! memory, see `shim.c`. Expressions and texts are bytes, as everywhere in nginx; `(*UTF)` at the
//! beginning of an expression makes them characters.

use super::directive::Config;
use super::request::Request;
use super::shim::{regex_compile, regex_matches};
use nginx_sys::{ngx_pool_t, ngx_str_t};
use std::ffi::c_void;
use std::ptr::NonNull;

/// The longest message of nginx that is kept.
const MAX_MESSAGE: usize = 256;

/// A regular expression of the configuration. It lives as long as that configuration.
#[derive(Debug, Clone, Copy)]
pub struct Regex(NonNull<c_void>);

impl Config<'_> {
    /// Compiles a regular expression.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn regex(&mut self, pattern: &[u8]) -> Result<Regex, String> {
        // SAFETY: cf->pool is the cycle's pool.
        unsafe { compile((*self.raw()).pool, pattern) }.map(Regex)
    }
}

impl Regex {
    /// Whether the expression is found in a text. The request shows that the configuration is
    /// alive.
    ///
    /// # Errors
    /// Why the search was given up.
    pub fn matches(&self, _: Request<'_>, text: &str) -> Result<bool, &'static str> {
        // SAFETY: the configuration, to whose pool the expression belongs, serves a request.
        unsafe { search(self.0, text) }
    }
}

impl Request<'_> {
    /// Compiles a regular expression for this request, and searches for it.
    ///
    /// # Errors
    /// What is wrong with the expression; inside, why the search was given up.
    pub fn matches_pattern(
        self,
        pattern: &[u8],
        text: &str,
    ) -> Result<Result<bool, &'static str>, String> {
        // SAFETY: r->pool lives as long as the request, and the expression is used no longer than
        // this call.
        unsafe {
            let regex = compile((*self.raw()).pool, pattern)?;
            Ok(search(regex, text))
        }
    }
}

/// # Safety
/// `pool` is a live pool. The expression must not be used longer than the pool lives.
unsafe fn compile(pool: *mut ngx_pool_t, pattern: &[u8]) -> Result<NonNull<c_void>, String> {
    if pattern.contains(&0) {
        return Err("it contains NUL".into());
    }
    // PCRE1 reads up to a NUL.
    let mut terminated = [pattern, b"\0"].concat();
    let mut text = ngx_str_t {
        len: pattern.len(),
        data: terminated.as_mut_ptr(),
    };
    let mut message = [0; MAX_MESSAGE];
    let mut err = ngx_str_t {
        len: message.len(),
        data: message.as_mut_ptr(),
    };
    // SAFETY: the caller promises that the pool is live. The shim copies the expression, and writes
    // at most `err.len` bytes to `message`.
    let regex = unsafe { regex_compile(pool, &raw mut text, &raw mut err) };
    NonNull::new(regex).ok_or_else(|| {
        let message = String::from_utf8_lossy(&message[..err.len.min(MAX_MESSAGE)]).into_owned();
        // nginx goes on with the expression, which here has the limits in front.
        let end = message.find(" in \"").unwrap_or(message.len());
        message[..end].to_owned()
    })
}

/// # Safety
/// The pool that the expression was compiled with is alive.
unsafe fn search(regex: NonNull<c_void>, text: &str) -> Result<bool, &'static str> {
    let mut text = ngx_str_t {
        len: text.len(),
        data: text.as_ptr().cast_mut(),
    };
    // SAFETY: the caller promises that the expression is alive. nginx only reads the text.
    match unsafe { regex_matches(regex.as_ptr(), &raw mut text) } {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err("the search took too many steps or too much memory"),
    }
}
