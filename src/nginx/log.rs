//! Lines for error.log. nginx adds the time and the level and, for a request, the client, the
//! server and the request line.

use nginx_sys::{
    NGX_LOG_CRIT, NGX_LOG_EMERG, NGX_LOG_ERR, NGX_LOG_INFO, NGX_LOG_NOTICE, NGX_LOG_WARN,
    ngx_log_error_core, ngx_log_t, ngx_uint_t,
};
use std::fmt::{self, Write};
use std::marker::PhantomData;

/// nginx cuts a line at 2,048 bytes, with all that it adds. A longer message would leave no room
/// for whose line it is.
const MAX_MESSAGE: usize = 1024;

/// The level of a line, for directives that let the administrator choose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// `[error]`
    Error,
    /// `[warn]`
    Warn,
    /// `[notice]`
    Notice,
    /// `[info]`
    Info,
}

/// A log of nginx: that of a request's connection, or that of the configuration being read.
#[derive(Clone, Copy)]
pub struct Log<'a> {
    log: *mut ngx_log_t,
    lifetime: PhantomData<&'a ngx_log_t>,
}

impl Log<'_> {
    /// # Safety
    /// `log` is NULL, or points to a log that lives as long as the lifetime chosen here.
    pub(super) unsafe fn from_raw(log: *mut ngx_log_t) -> Self {
        Self {
            log,
            lifetime: PhantomData,
        }
    }

    /// The log of the running cycle, for callbacks that nginx hands no log to.
    ///
    /// # Safety
    /// The log is not used after the callback, because a reload may end the cycle.
    pub(super) unsafe fn of_cycle() -> Self {
        // SAFETY: the caller's. ngx_cycle is set before modules are loaded, and its log lives as
        // long as the cycle.
        unsafe { Self::from_raw((*nginx_sys::ngx_cycle).log) }
    }

    /// Logs an `[emerg]`: nginx does not start with the configuration.
    pub fn emerg(self, message: fmt::Arguments<'_>) {
        self.write(NGX_LOG_EMERG, message);
    }

    /// Logs a `[crit]`: a defect of this module, which needs attention.
    pub fn crit(self, message: fmt::Arguments<'_>) {
        self.write(NGX_LOG_CRIT, message);
    }

    /// Logs an `[error]`: a request failed for a reason that is not the client's.
    pub fn error(self, message: fmt::Arguments<'_>) {
        self.write(NGX_LOG_ERR, message);
    }

    /// Logs a `[warn]`: something works, but not as the administrator would want.
    pub fn warn(self, message: fmt::Arguments<'_>) {
        self.write(NGX_LOG_WARN, message);
    }

    /// Logs an `[info]`: a request was refused as configured.
    pub fn info(self, message: fmt::Arguments<'_>) {
        self.write(NGX_LOG_INFO, message);
    }

    /// Logs a line of this level.
    pub fn at(self, severity: Severity, message: fmt::Arguments<'_>) {
        let level = match severity {
            Severity::Error => NGX_LOG_ERR,
            Severity::Warn => NGX_LOG_WARN,
            Severity::Notice => NGX_LOG_NOTICE,
            Severity::Info => NGX_LOG_INFO,
        };
        self.write(level, message);
    }

    /// Logs a step, for `error_log ... debug` of an nginx that was built with it.
    #[cfg(nginx_debug)]
    pub fn debug(self, message: fmt::Arguments<'_>) {
        const DEBUG_HTTP: usize = nginx_sys::NGX_LOG_DEBUG_HTTP as usize;
        // SAFETY: the log is NULL or live, see from_raw.
        if unsafe { self.log.as_ref() }.is_some_and(|log| log.log_level & DEBUG_HTTP != 0) {
            self.write(nginx_sys::NGX_LOG_DEBUG, message);
        }
    }

    #[cfg(not(nginx_debug))]
    pub fn debug(self, _: fmt::Arguments<'_>) {}

    fn write(self, level: u32, message: fmt::Arguments<'_>) {
        let level = level as ngx_uint_t;
        // SAFETY: the log is NULL or live, see from_raw.
        if unsafe { self.log.as_ref() }.is_none_or(|log| log.log_level < level) {
            return;
        }
        let line = Line::new(message);
        // SAFETY: "%*s" takes a size_t and a pointer to that many bytes, see ngx_vslprintf.
        unsafe {
            ngx_log_error_core(
                level,
                self.log,
                0,
                c"%*s".as_ptr(),
                line.0.len(),
                line.0.as_ptr(),
            );
        }
    }
}

/// A message of at most [`MAX_MESSAGE`] bytes.
pub(super) struct Line(pub(super) String);

impl Line {
    pub(super) fn new(message: fmt::Arguments<'_>) -> Self {
        let mut line = Self(String::with_capacity(128));
        if line.write_fmt(message).is_err() {
            line.0.push_str("...");
        }
        line
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MAX_MESSAGE - self.0.len().min(MAX_MESSAGE);
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        let whole = |&end: &usize| text.is_char_boundary(end);
        let end = (0..=room).rev().find(whole).unwrap_or_default();
        self.0.push_str(&text[..end]);
        Err(fmt::Error)
    }
}
