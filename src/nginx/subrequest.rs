//! Subrequests that are waited for and whose answer nobody but us sees.

use super::Failure;
use super::bits::{
    forgive_connection, origin, set_buffered, set_filter_need_in_memory, set_headers_in_chunked,
};
use super::fence::guard;
use super::header::HeaderLines;
use super::log::Log;
use super::module::Exported;
use super::phase::Status;
use super::pool::own;
use super::request::Request;
use super::template::Template;
use super::text::Text;
use crate::uri;
use nginx_sys::{
    NGX_ERROR, NGX_HTTP_SUBREQUEST_WAITED, NGX_OK, ngx_http_post_subrequest_t,
    ngx_http_request_body_t, ngx_http_request_t, ngx_http_subrequest, ngx_int_t, ngx_pcalloc,
    ngx_pool_t, ngx_uint_t,
};
use std::cell::{Cell, Ref, RefCell};
use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::rc::Rc;

/// A subrequest under way, or ended. It may be kept in the request's context; once the request is gone, it has no
/// answer any more.
pub struct Subrequest(Rc<State>);

struct State {
    /// Set as long as the subrequest's memory is there.
    request: Cell<Option<NonNull<ngx_http_request_t>>>,
    outcome: Cell<Option<Result<Status, Failure>>>,
    done: fn(Answer<'_>),
    body: Body,
}

/// Where a subrequest goes, and what it takes along.
#[derive(Clone, Copy)]
pub struct Target<'r> {
    path: Text<'r>,
    args: Text<'r>,
    with_body: bool,
}

impl<'r> Target<'r> {
    /// The URI, without and with its arguments: two parts that tell it from others.
    pub fn uri(&self) -> [Text<'r>; 2] {
        [self.path, self.args]
    }

    /// The body of the client's request goes, too. It has been read ([`Request::read_body`]).
    pub fn with_body(self) -> Self {
        Self {
            with_body: true,
            ..self
        }
    }
}

/// A URI that no subrequest is made to.
#[derive(Clone, Copy)]
pub struct Unfit<'r> {
    pub uri: Text<'r>,
    /// What is wrong with it: words that follow it.
    pub reason: &'static str,
}

impl<'r> Target<'r> {
    /// Where a text leads, with arguments behind a `?`; `fixed` if no variable had a part in it.
    fn of(text: Text<'r>, fixed: bool) -> Result<Self, Unfit<'r>> {
        let no_args = Text::from_static(b"");
        let (path, args) = text.split_once(b'?').unwrap_or((text, no_args));
        match uri::fault(&path, fixed) {
            Some(reason) => Err(Unfit { uri: path, reason }),
            None => Ok(Self {
                path,
                args,
                with_body: false,
            }),
        }
    }

    /// Where a text without variables leads, if nothing about it depends on a request.
    fn fixed(text: Text<'r>) -> Option<Self> {
        let target = Self::of(text, true).ok()?;
        uri::encode_args(&target.args).is_none().then_some(target)
    }
}

/// The URI of subrequests, which may hold variables.
#[derive(Clone)]
pub struct Uri {
    template: Template,
    fixed: Option<Target<'static>>,
}

impl From<Template> for Uri {
    fn from(template: Template) -> Self {
        let fixed = template.constant().and_then(Target::fixed);
        Self { template, fixed }
    }
}

impl Uri {
    /// The text where it holds no variables.
    pub fn constant(&self) -> Option<Text<'static>> {
        self.template.constant()
    }

    /// The text with the variables' values of a request.
    pub fn evaluate<'r>(&self, request: Request<'r>) -> Result<Text<'r>, Failure> {
        self.template.evaluate(request)
    }

    /// Where it leads for a request. As in error_page, what comes out of variables is split at the `?`, but not
    /// decoded.
    pub fn target<'r>(
        &self,
        request: Request<'r>,
    ) -> Result<Result<Target<'r>, Unfit<'r>>, Failure> {
        if let Some(fixed) = self.fixed {
            return Ok(Ok(fixed));
        }
        let target = match Target::of(self.evaluate(request)?, self.constant().is_some()) {
            Ok(target) => target,
            Err(unfit) => return Ok(Err(unfit)),
        };
        let args = match uri::encode_args(&target.args) {
            Some(encoded) => request.copy(&encoded)?,
            None => target.args,
        };
        Ok(Ok(Target { args, ..target }))
    }
}

/// What is to become of the body of an answer.
#[derive(Debug, Clone, Copy)]
pub enum AnswerBody {
    /// It is read and dropped.
    Drop,
    /// It is kept. One that is longer than so many bytes is not read to its end.
    Keep(usize),
    /// It is kept if it is no longer than so many bytes, else dropped.
    KeepShort(usize),
}

impl AnswerBody {
    /// What is dropped is read to keep the connection to the upstream. This much is cheaper than a new connection.
    pub const MOST_DROPPED: usize = 1024 * 1024;
}

/// Why there is no body of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoBody {
    /// It was longer than it may be, or could not be read.
    TooLarge,
    /// Its end did not come: nginx passes on what there is of an answer that breaks off.
    Incomplete,
}

/// The body of an answer, as far as it has come.
pub(super) struct Body {
    fate: AnswerBody,
    length: Cell<usize>,
    bytes: RefCell<Vec<u8>>,
    failed: Cell<bool>,
    ended: Cell<bool>,
    /// nginx blames the client's connection for our filter's error.
    blamed: Cell<bool>,
}

impl Body {
    fn new(fate: AnswerBody) -> Self {
        Self {
            fate,
            length: Cell::new(0),
            bytes: RefCell::default(),
            failed: Cell::new(false),
            ended: Cell::new(false),
            blamed: Cell::new(false),
        }
    }

    pub(super) fn is_dropped(&self) -> bool {
        matches!(self.fate, AnswerBody::Drop)
    }

    fn is_wanted(&self) -> bool {
        matches!(self.fate, AnswerBody::Keep(_))
    }

    /// More is not kept.
    fn most_kept(&self) -> usize {
        match self.fate {
            AnswerBody::Drop => 0,
            AnswerBody::Keep(most) | AnswerBody::KeepShort(most) => most,
        }
    }

    /// More is not read.
    fn most(&self) -> usize {
        match self.fate {
            AnswerBody::Keep(most) => most,
            AnswerBody::Drop | AnswerBody::KeepShort(_) => {
                self.most_kept().max(AnswerBody::MOST_DROPPED)
            }
        }
    }

    /// Whether a body that nginx makes itself, of so many bytes where that is known, need not be made: nobody wants it, or
    /// it is too long to be kept.
    pub(super) fn skip(&self, length: i64) -> bool {
        let length = usize::try_from(length).unwrap_or(0);
        let skip = match self.fate {
            AnswerBody::Drop => true,
            AnswerBody::Keep(_) => false,
            AnswerBody::KeepShort(most) => length > most,
        };
        if skip {
            self.length.set(length);
            self.end();
        }
        skip
    }

    /// False where this was too much.
    pub(super) fn push(&self, bytes: &[u8]) -> bool {
        let length = self.length.get().saturating_add(bytes.len());
        self.length.set(length);
        let mut kept = self.bytes.borrow_mut();
        if length <= self.most_kept() {
            kept.extend_from_slice(bytes);
        } else {
            *kept = Vec::new();
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

/// Where the status of an answer is from. What nginx says where it got none has one, too, such as 502 or 504.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Answer,
    /// Nothing came.
    Nothing,
    /// What came is no answer, or the beginning of one.
    Garbage,
}

/// The answer to a subrequest.
#[derive(Clone, Copy)]
pub struct Answer<'r> {
    request: Request<'r>,
    status: Status,
}

/// A module that makes subrequests.
pub trait SubrequestOwner: Exported {
    /// Told when a subrequest has its status. nginx may tell twice, with the status of an error page the second time.
    fn subrequest_done(answer: Answer<'_>);
}

impl<'r> Request<'r> {
    /// Starts a subrequest: GET with the client's header lines, without a body if the target does not say otherwise. The
    /// client sees nothing of its answer. The handler that starts it returns [`Access::Wait`](super::Access::Wait).
    ///
    /// # Errors
    /// [`Failure`] where nginx refuses, having logged why (ngx_http_subrequest).
    pub fn start_subrequest<M: SubrequestOwner>(
        self,
        target: Target<'r>,
        body: AnswerBody,
    ) -> Result<Subrequest, Failure> {
        self.forget_body_variables::<M>();
        let (mut uri, mut args) = (target.path.raw(), target.args.raw());
        let flags = NGX_HTTP_SUBREQUEST_WAITED as ngx_uint_t;
        let state = Rc::new(State {
            request: Cell::new(None),
            outcome: Cell::new(None),
            done: M::subrequest_done,
            body: Body::new(body),
        });
        let mut subrequest: *mut ngx_http_request_t = ptr::null_mut();
        // SAFETY: the request and its pool are live; nginx keeps uri and args, whose bytes live as long as the
        // request; post_subrequest and what its data points to are owned by the same pool as the subrequest.
        unsafe {
            let pool = (*self.raw()).pool;
            let owned = own(pool, OwnedByPool::new(&state))?.as_ptr();
            (*owned).post.data = owned.cast();
            // Before the subrequest is there, for nothing may fail after.
            let no_body = match self.has_body() && !target.with_body {
                true => Some(no_body(pool)?),
                false => None,
            };
            let code = ngx_http_subrequest(
                self.raw(),
                &raw mut uri,
                &raw mut args,
                &raw mut subrequest,
                &raw mut (*owned).post,
                flags,
            );
            if code != NGX_OK as ngx_int_t {
                return Err(Failure);
            }
            let subrequest = NonNull::new(subrequest).ok_or(Failure)?;
            if let Some(no_body) = no_body {
                leave_out_body(subrequest.as_ptr(), no_body);
            }
            (*subrequest.as_ptr()).headers_in.headers = *self.client_lines();
            // nginx makes no tunnel in a subrequest: answered with 101, it would close the client's connection.
            (*subrequest.as_ptr()).headers_in.upgrade = ptr::null_mut();
            if !state.body.is_dropped() {
                set_filter_need_in_memory(subrequest.as_ptr(), 1);
            }
            state.request.set(Some(subrequest));
        }
        Ok(Subrequest(state))
    }

    /// Whether it is a subrequest of ours.
    pub(super) fn is_ours(self) -> bool {
        // SAFETY: the request is live, and the reference is dropped at once.
        unsafe { body_of(self.raw()) }.is_some()
    }
}

impl Subrequest {
    /// The answer, once the subrequest has ended. `parent` is the request that it was started from.
    pub fn answer<'r>(&self, parent: Request<'r>) -> Option<Answer<'r>> {
        let status = self
            .0
            .outcome
            .get()?
            .unwrap_or(Status::INTERNAL_SERVER_ERROR);
        let raw = self.0.request.get()?;
        // SAFETY: the memory is that of the parent's pool, which outlives this callback; its end clears the cell.
        let request = unsafe { Request::from_raw(raw.as_ptr()) }?;
        // SAFETY: as above.
        let is_own = unsafe { (*raw.as_ptr()).parent } == parent.raw();
        is_own.then_some(Answer { request, status })
    }

    /// The body of the answer, once there is an answer.
    pub fn body(&self) -> Result<Ref<'_, [u8]>, NoBody> {
        self.check_body()?;
        let body = &self.0.body;
        match body.length.get() > body.most_kept() {
            true => Err(NoBody::TooLarge),
            false => Ok(Ref::map(body.bytes.borrow(), Vec::as_slice)),
        }
    }

    /// Whether the body of the answer, kept or dropped, came to its end, once there is an answer.
    pub fn check_body(&self) -> Result<(), NoBody> {
        let body = &self.0.body;
        if body.failed.get() {
            Err(NoBody::TooLarge)
        } else if !body.ended.get() {
            Err(NoBody::Incomplete)
        } else {
            Ok(())
        }
    }
}

impl<'r> Answer<'r> {
    /// The status of the answer. An answer that nginx made up itself, such as a 502, has one, too.
    pub fn status(self) -> Status {
        self.status
    }

    /// Where its status is from.
    pub fn origin(self) -> Origin {
        // SAFETY: the request is live.
        match unsafe { origin(self.request.raw()) } {
            0 => Origin::Answer,
            1 => Origin::Nothing,
            _ => Origin::Garbage,
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

/// What the pool holds of a subrequest. When the pool goes, so does the subrequest's memory.
struct OwnedByPool {
    state: Rc<State>,
    post: ngx_http_post_subrequest_t,
}

impl OwnedByPool {
    fn new(state: &Rc<State>) -> Self {
        Self {
            state: Rc::clone(state),
            post: ngx_http_post_subrequest_t {
                handler: Some(done_handler),
                data: ptr::null_mut(),
            },
        }
    }
}

impl Drop for OwnedByPool {
    fn drop(&mut self) {
        self.state.request.set(None);
    }
}

/// # Safety
/// `pool` is live.
unsafe fn no_body(pool: *mut ngx_pool_t) -> Result<*mut ngx_http_request_body_t, Failure> {
    // SAFETY: the caller's. All zeros are a body without bytes (ngx_http_read_client_request_body).
    let place = unsafe { ngx_pcalloc(pool, size_of::<ngx_http_request_body_t>()) };
    NonNull::new(place)
        .map(|place| place.as_ptr().cast())
        .ok_or(Failure)
}

/// Makes the subrequest one without a body. A subrequest begins with its parent's request_body and a copy of its
/// parent's headers_in: what is read of the client's body already must stay the parent's, and a body that is not
/// sent must not be announced, or the service waits for it.
///
/// # Safety
/// `r` is a subrequest that has not run yet, `no_body` an empty body that lives as long.
unsafe fn leave_out_body(r: *mut ngx_http_request_t, no_body: *mut ngx_http_request_body_t) {
    // SAFETY: the caller's. The list of header lines, which the parent shares, is left alone.
    unsafe {
        (*r).request_body = no_body;
        (*r).headers_in.content_length = ptr::null_mut();
        (*r).headers_in.content_length_n = -1;
        (*r).headers_in.transfer_encoding = ptr::null_mut();
        set_headers_in_chunked(r, 0);
    }
}

/// nginx calls it when a subrequest is finalized (ngx_http_finalize_request), and once more after it has made an
/// error page for it.
unsafe extern "C" fn done_handler(
    r: *mut ngx_http_request_t,
    data: *mut c_void,
    code: ngx_int_t,
) -> ngx_int_t {
    // SAFETY: data is what start_subrequest left, owned by the request's pool.
    let state = unsafe { &(*data.cast::<OwnedByPool>()).state };
    // SAFETY: nginx calls with the live subrequest; the reference ends with this call.
    let Some(request) = (unsafe { Request::from_raw(r) }) else {
        return code;
    };
    // SAFETY: as above.
    let status = unsafe { (*r).headers_out.status };
    let status = Status(u16::try_from(status).unwrap_or(0));
    if state.outcome.get() == Some(Err(Failure)) {
        return code;
    }
    // Whatever goes wrong while a body is read, in our filter or in nginx (a chunk that is none), is not to end the
    // client's request, which shall have an answer; nor, where the body is what it is all about, are codes by which nginx
    // closes a connection.
    if state.body.blamed.get() {
        // SAFETY: nginx calls with the live subrequest.
        unsafe {
            // What the filter before ours still holds is not waited for: it could not get rid of it.
            set_buffered(r, 0);
            forgive_connection(r);
        }
    }
    let (code, status) = match i32::try_from(code) {
        Ok(NGX_ERROR) => (NGX_OK as ngx_int_t, status),
        Ok(closing @ (408 | 444 | 499)) if state.body.is_wanted() => {
            (NGX_OK as ngx_int_t, Status(closing as u16))
        }
        _ => (code, status),
    };
    let outcome = guard(request.log(), Err(Failure), || {
        #[cfg(feature = "fault-injection")]
        super::fence::fault::in_request(request, "subrequest");
        (state.done)(Answer { request, status });
        Ok(status)
    });
    state.outcome.set(Some(outcome));
    code
}

/// The body that the request's answer goes to, if it is a subrequest of ours. What nginx keeps
/// in `r->ctx` would not do: an error page in the location that answers takes it away.
///
/// # Safety
/// `r` is a live request, and the reference is not used after the callback that nginx handed it to.
pub(super) unsafe fn body_of<'r>(r: *mut ngx_http_request_t) -> Option<&'r Body> {
    // SAFETY: post_subrequest is NULL or lives as long as the request; with our handler its data is what
    // start_subrequest left.
    unsafe {
        let post = (*r).post_subrequest.as_ref()?;
        let ours: DoneHandler = done_handler;
        if !post
            .handler
            .is_some_and(|handler| ptr::fn_addr_eq(handler, ours))
        {
            return None;
        }
        let OwnedByPool { state, .. } = &*post.data.cast::<OwnedByPool>();
        Some(&state.body)
    }
}

type DoneHandler =
    unsafe extern "C" fn(*mut ngx_http_request_t, *mut c_void, ngx_int_t) -> ngx_int_t;
