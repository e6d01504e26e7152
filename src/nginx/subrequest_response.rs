//! The answer to a subrequest, and its body.

use super::failure::Failure;
use super::header::HeaderLines;
use super::log::Log;
use super::pool::own;
use super::request::Request;
use super::shim::origin;
use super::status::Status;
use super::template::Template;
use super::text::Text;
use nginx_sys::ngx_pool_t;
use std::cell::{Cell, Ref, RefCell};
use std::ptr::NonNull;

/// Where the status of an answer is from. What nginx says where it got none has one, too, such as 502 or 504.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusOrigin {
    /// The upstream, a cache, or the configuration.
    Upstream,
    /// nginx, because no response came.
    NoResponse,
    /// nginx, because what came is no valid response.
    InvalidResponse,
}

/// The answer to a subrequest.
#[derive(Clone, Copy)]
pub struct SubrequestResponse<'r> {
    request: Request<'r>,
    status: Status,
}

impl<'r> SubrequestResponse<'r> {
    pub(super) fn new(request: Request<'r>, status: Status) -> Self {
        Self { request, status }
    }

    /// The status of the answer. An answer that nginx made up itself, such as a 502, has one, too.
    pub fn status(self) -> Status {
        self.status
    }

    /// Where its status is from.
    pub fn origin(self) -> StatusOrigin {
        // SAFETY: the request is live.
        match unsafe { origin(self.request.raw()) } {
            0 => StatusOrigin::Upstream,
            1 => StatusOrigin::NoResponse,
            _ => StatusOrigin::InvalidResponse,
        }
    }

    /// What the answer's body is.
    pub fn content_type(self) -> Text<'r> {
        // SAFETY: the text lives as long as the request.
        unsafe { Text::from_raw((*self.request.raw()).headers_out.content_type) }
    }

    /// A text with the variables that the subrequest has, such as `$upstream_http_*`.
    pub fn evaluate(self, template: &Template) -> Result<Text<'r>, Failure> {
        template.evaluate(self.request)
    }

    /// The lines of the answer as nginx would send it and, of names that it would not send (nginx's own error page,
    /// `proxy_hide_header`), those that the upstream sent.
    pub fn headers(self) -> impl Iterator<Item = (Text<'r>, Text<'r>)> {
        let sent = self.request.response_headers();
        let upstream = self.upstream_headers();
        sent.filter(move |(name, _)| !self.is_upstreams(name))
            .chain(upstream.filter(move |(name, _)| self.is_upstreams(name)))
    }

    /// The values of all header lines with this name.
    pub fn header_values(self, name: &'static [u8]) -> impl Iterator<Item = Text<'r>> {
        let lines = self.headers();
        lines.filter_map(|(other, value)| other.eq_ignore_ascii_case(name).then_some(value))
    }

    /// Whether the lines with this name are those that the upstream sent.
    fn is_upstreams(self, name: &[u8]) -> bool {
        let named = |(other, _): &(Text<'_>, Text<'_>)| other.eq_ignore_ascii_case(name);
        let sent = self.request.response_headers().filter(named).count();
        // An error page in place of an upstream's 401 keeps its challenges: before nginx 1.23.0 only the first.
        match cfg!(nginx_linked_headers) {
            true => sent == 0,
            false => sent < self.upstream_headers().filter(named).count(),
        }
    }

    pub fn log(self) -> Log<'r> {
        self.request.log()
    }

    fn upstream_headers(self) -> impl Iterator<Item = (Text<'r>, Text<'r>)> {
        // SAFETY: r->upstream is NULL or lives as long as the request. Its list of header lines is initialized when
        // it is made (ngx_http_upstream_init_request) or connects; `elts` is NULL before that.
        let lines = unsafe {
            (*self.request.raw())
                .upstream
                .as_ref()
                .and_then(|upstream| {
                    let headers = &raw const upstream.headers_in.headers;
                    (!(*headers).part.elts.is_null()).then(|| HeaderLines::from_raw(headers))
                })
        };
        lines.into_iter().flatten()
    }
}

/// What is to become of the body of an answer.
#[derive(Debug, Clone, Copy)]
pub enum ResponseBody {
    /// It is read and dropped.
    Discard,
    /// It is kept. One that is longer than so many bytes is not read to its end.
    Require(usize),
    /// It is kept if it is no longer than so many bytes, else dropped.
    KeepUpTo(usize),
}

impl ResponseBody {
    /// What is dropped is read to keep the connection to the upstream. This much is cheaper than a new connection.
    pub const MAX_DISCARDED: usize = 1024 * 1024;
}

/// Why there is no body of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// It was longer than it may be, or could not be read, or was dropped.
    TooLarge,
    /// Its end did not come: nginx passes on what there is of an answer that breaks off.
    Truncated,
}

/// The body of an answer, as far as it has come.
pub(super) struct Body {
    fate: ResponseBody,
    length: Cell<usize>,
    /// Nothing where it is dropped; else owned by the pool that this is in.
    bytes: Option<NonNull<RefCell<Vec<u8>>>>,
    failed: Cell<bool>,
    ended: Cell<bool>,
    /// nginx blames the client's connection for our filter's error.
    blamed: Cell<bool>,
}

impl Body {
    /// # Safety
    /// The pool is live, and owns what this becomes a part of.
    pub(super) unsafe fn new(fate: ResponseBody, pool: *mut ngx_pool_t) -> Result<Self, Failure> {
        let bytes = match fate {
            ResponseBody::Discard => None,
            // SAFETY: the caller's.
            _ => Some(unsafe { own(pool, RefCell::default())? }),
        };
        Ok(Self {
            fate,
            length: Cell::new(0),
            bytes,
            failed: Cell::new(false),
            ended: Cell::new(false),
            blamed: Cell::new(false),
        })
    }

    fn bytes(&self) -> Option<&RefCell<Vec<u8>>> {
        // SAFETY: the pool owns both.
        self.bytes.map(|bytes| unsafe { bytes.as_ref() })
    }

    pub(super) fn is_dropped(&self) -> bool {
        matches!(self.fate, ResponseBody::Discard)
    }

    pub(super) fn is_wanted(&self) -> bool {
        matches!(self.fate, ResponseBody::Require(_))
    }

    pub(super) fn is_blamed(&self) -> bool {
        self.blamed.get()
    }

    /// What was kept, once all has come.
    pub(super) fn kept(&self) -> Result<Ref<'_, [u8]>, BodyError> {
        self.check()?;
        match self.bytes() {
            Some(bytes) if self.length.get() <= self.most_kept() => {
                Ok(Ref::map(bytes.borrow(), Vec::as_slice))
            }
            _ => Err(BodyError::TooLarge),
        }
    }

    /// Whether all has come.
    pub(super) fn check(&self) -> Result<(), BodyError> {
        if self.failed.get() {
            Err(BodyError::TooLarge)
        } else if !self.ended.get() {
            Err(BodyError::Truncated)
        } else {
            Ok(())
        }
    }

    /// More is not kept.
    fn most_kept(&self) -> usize {
        match self.fate {
            ResponseBody::Discard => 0,
            ResponseBody::Require(most) | ResponseBody::KeepUpTo(most) => most,
        }
    }

    /// More is not read.
    fn most(&self) -> usize {
        match self.fate {
            ResponseBody::Require(most) => most,
            ResponseBody::Discard | ResponseBody::KeepUpTo(_) => {
                self.most_kept().max(ResponseBody::MAX_DISCARDED)
            }
        }
    }

    /// How long a body that nginx makes itself is, of so many bytes where that is known, if it need not be made: nobody
    /// wants it, or it is too long to be kept.
    pub(super) fn needless(&self, length: i64) -> Option<usize> {
        let length = usize::try_from(length).unwrap_or(0);
        let needless = match self.fate {
            ResponseBody::Discard => true,
            ResponseBody::Require(_) => false,
            ResponseBody::KeepUpTo(most) => length > most,
        };
        needless.then_some(length)
    }

    /// A body of this length is not to come, and is not missed.
    pub(super) fn leave_out(&self, length: usize) {
        self.length.set(length);
        self.end();
    }

    /// False where this was too much.
    pub(super) fn push(&self, bytes: &[u8]) -> bool {
        let length = self.length.get().saturating_add(bytes.len());
        self.length.set(length);
        if let Some(kept) = self.bytes() {
            match length <= self.most_kept() {
                true => kept.borrow_mut().extend_from_slice(bytes),
                false => drop(kept.take()),
            }
        }
        !self.failed.get() && (length <= self.most() || self.fail())
    }

    /// Nothing more is to come.
    pub(super) fn end(&self) {
        self.ended.set(true);
    }

    /// The filter is about to say that it failed. For nginx it is then the client's connection that failed
    /// (ngx_http_output_filter): `innocent` says that it had not before.
    pub(super) fn stop(&self, innocent: bool) {
        self.blamed.set(self.blamed.get() || innocent);
    }

    /// Gives the body up. Always false.
    pub(super) fn fail(&self) -> bool {
        self.failed.set(true);
        false
    }
}
