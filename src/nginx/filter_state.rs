//! The state that the module of the filters keeps: for a configuration, for a request in one
//! location, and for a client's request in all of them. It is apart from the filters, so that the
//! files that need it do not import them.

use super::directive::{Config, ConfigError};
use super::header::LineList;
use super::status::Status;
use super::variable::Variable;
use nginx_sys::{ngx_http_handler_pt, ngx_str_t, ngx_table_elt_t};
use std::cell::{Cell, OnceCell, RefCell, UnsafeCell};
use std::ffi::c_void;
use std::ptr::NonNull;

/// The nginx module of the filters.
pub struct SubrequestFilter;

/// What the module of the filters keeps for a configuration.
#[derive(Default)]
pub struct FilterConf {
    /// The variable `$request_uri`.
    pub(super) request_uri: OnceCell<Variable>,
    /// The variables `$http_<name>` and `$cookie_<name>` that the configuration refers to; empty
    /// until the first request needs them.
    pub(super) header_variables: OnceCell<Vec<Variable>>,
    /// The handlers of other modules that this module adds to the preaccess phase for them.
    pub(super) preaccess_handlers: RefCell<Vec<ngx_http_handler_pt>>,
    /// What [`Config::preconfigure_late`] calls.
    pub(super) late_preconfigurations: RefCell<Vec<Preconfiguration>>,
}

pub(super) type Preconfiguration = fn(&mut Config<'_>) -> Result<(), ConfigError>;

/// What is remembered of a client's request, whatever location it is in.
#[derive(Default)]
pub struct ClientState {
    /// Lines that we have added to the header of its response, and that an upstream may send as
    /// well.
    pub(super) added_lines: Cell<Vec<AddedLine>>,
    /// Those of a name of which a response has only one.
    pub(super) added_single_lines: AddedSingleLines,
    /// The line that we have added last to be the only one of its name.
    pub(super) only_line: Cell<Option<OnlyLine>>,
    /// A denial that waits for the end of `auth_delay`.
    pub(super) delayed_response: Cell<Option<DelayedResponse>>,
    /// The client's header lines, if the list of the request was replaced by another.
    pub(super) client_lines: LineList,
    /// Whether nginx's pointers to lines that it knows by name lead elsewhere than to the client's
    /// lines, or should.
    pub(super) has_other_links: Cell<bool>,
    /// What each module has changed of them for upstreams.
    pub(super) changes: [LineChanges; 2],
    /// The arguments as they were before some of them were removed.
    pub(super) removed_args: Cell<Option<ngx_str_t>>,
    /// Whether a subrequest has had other header lines than its parent.
    pub(super) subrequest_lines_differ: Cell<bool>,
}

/// What a module has changed of the header lines that upstreams get.
#[derive(Default)]
pub(super) struct LineChanges {
    /// The index of the module among the contexts of a request.
    pub(super) owner: Cell<Option<usize>>,
    /// Lines of the client that upstreams do not get.
    pub(super) hidden: LineList,
    /// Lines that upstreams get besides those of the client.
    pub(super) added: LineList,
}

/// A response that is sent when `auth_delay` is over.
#[derive(Clone, Copy)]
pub(super) struct DelayedResponse {
    pub(super) status: Status,
    /// In the pool of the client's request: `response.rs` has its type.
    pub(super) content: Option<NonNull<c_void>>,
}

/// A line that we have added to a response.
#[derive(Clone, Copy)]
pub(super) struct AddedLine {
    /// A place in the list of lines, as in [`OnlyLine`].
    pub(super) line: NonNull<ngx_table_elt_t>,
    /// Our name and value, by which it is told whether it is our line still.
    pub(super) name: ngx_str_t,
    pub(super) value: ngx_str_t,
}

impl AddedLine {
    /// Whether this is our line still. A list that nginx has emptied keeps its elements, so that it
    /// may be one of those, which nginx does not send.
    ///
    /// # Safety
    /// The list of lines is live.
    pub(super) unsafe fn is_there(self) -> bool {
        let is_same = |a: ngx_str_t, b: ngx_str_t| (a.data, a.len) == (b.data, b.len);
        // SAFETY: the caller's. nginx frees no part of a list before the request's pool.
        let line = unsafe { self.line.as_ref() };
        line.hash != 0 && is_same(line.key, self.name) && is_same(line.value, self.value)
    }
}

/// Lines that we have added to a response, of names of which a response has only one:
/// `single_line.rs` says which.
#[derive(Default)]
pub(super) struct AddedSingleLines(pub(super) [Cell<Option<NonNull<ngx_table_elt_t>>>; 6]);

/// A line that we have added to a response, and that is to be the only one of its name.
#[derive(Clone, Copy)]
pub(super) struct OnlyLine {
    pub(super) name: &'static [u8],
    /// A place in the list of lines. It has another line if nginx has emptied the list meanwhile
    /// (ngx_http_clean_header).
    pub(super) line: NonNull<ngx_table_elt_t>,
}

/// The reading of a client's body in one location.
pub struct BodyReading {
    /// How many bytes the body may have.
    pub(super) limit: u64,
    /// How many bytes have come so far.
    pub(super) seen: Cell<u64>,
    pub(super) stage: Cell<BodyStage>,
}

/// How far the reading of a client's body has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyStage {
    /// Nothing was done yet.
    NotStarted,
    /// nginx was asked to read the body, and has not returned from that call.
    Starting,
    /// nginx has returned, and reads the body as it comes.
    InProgress,
    /// The whole body is there.
    Whole,
    /// The request is refused with this status.
    Refused(Status),
}

/// The filter behind one of ours in nginx's chain of filters.
pub(super) struct NextFilter<F>(UnsafeCell<F>);

// SAFETY: it is written while nginx reads the configuration, in one thread, and only read after
// that.
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
        // SAFETY: it is written only while nginx reads the configuration, before it serves
        // requests.
        unsafe { *self.0.get() }
    }
}
