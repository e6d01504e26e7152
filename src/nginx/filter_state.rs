//! What the module of the filters keeps: of a configuration, of a request, and of a client's request.

use super::status::Status;
use super::variable::Variable;
use nginx_sys::{ngx_list_t, ngx_table_elt_t};
use std::cell::{Cell, OnceCell, UnsafeCell};
use std::ptr::NonNull;

/// The nginx module of the filters. It keeps what the fence itself has to know of a request.
pub struct SubrequestFilter;

/// The variables `$http_<name>` and `$cookie_<name>` that a configuration refers to, once they were looked for.
#[derive(Default)]
pub struct HeaderVariables(pub(super) OnceCell<Vec<Variable>>);

/// What is kept aside of the headers of a request and its response.
#[derive(Default)]
pub struct ClientHeader {
    /// The `Location` that we have put into the response.
    pub(super) location: Cell<Option<NonNull<ngx_table_elt_t>>>,
    /// The client's lines, where the request's list has been changed.
    pub(super) lines: Cell<Option<NonNull<ngx_list_t>>>,
}

/// The reading of a body, in one location.
pub struct Reading {
    pub(super) limit: u64,
    pub(super) seen: Cell<u64>,
    pub(super) stage: Cell<Stage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Begin,
    /// nginx has been asked to read, and has not come back yet.
    Asking,
    /// nginx reads as the body comes.
    Waiting,
    Whole,
    Refused(Status),
}

/// The filter that follows one of ours.
pub(super) struct NextFilter<F>(UnsafeCell<F>);

// SAFETY: written while the configuration is read, by the one thread that there is; only read after that.
unsafe impl<F> Sync for NextFilter<F> {}

impl<F: Copy> NextFilter<Option<F>> {
    pub(super) const fn new() -> Self {
        Self(UnsafeCell::new(None))
    }

    /// # Safety
    /// nginx is reading the configuration.
    pub(super) unsafe fn set(&self, next: Option<F>) {
        // SAFETY: the caller's: nobody reads it meanwhile.
        unsafe { *self.0.get() = next };
    }

    pub(super) fn get(&self) -> Option<F> {
        // SAFETY: only written while the configuration is read, before it serves a request.
        unsafe { *self.0.get() }
    }
}
