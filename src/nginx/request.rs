//! An HTTP request, while a callback of nginx runs.

use super::conf_path;
use super::failure::Failure;
use super::log::Log;
use super::module::Exported;
use super::module::MainState;
use super::net::uptime;
use super::pool::own;
use super::shim::{self, has_body};
use super::text::Text;
use super::variable::Variable;
use nginx_sys::{
    ngx_http_core_main_conf_t, ngx_http_core_module, ngx_http_request_t, ngx_pnalloc, ngx_str_t,
};
use std::cell::Cell;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::ptr::{self, NonNull};
use std::time::Duration;

/// A request that nginx is processing. `'r` ends with the callback that received it.
#[derive(Clone, Copy)]
pub struct Request<'r> {
    r: NonNull<ngx_http_request_t>,
    lifetime: PhantomData<&'r ngx_http_request_t>,
}

/// What a module keeps with a request in one location. It belongs to the request's pool. The
/// context is allocated apart, since many requests need none, and only a value with a destructor
/// makes nginx run a cleanup.
// perf: without reference counts and cleanups for each request, one that starts a subrequest takes
// 340 instructions less.
pub(super) struct RequestState<M: Exported> {
    context: Cell<Option<NonNull<M::RequestContext>>>,
    /// The subrequest that the module has started last: `subrequest.rs` has its type.
    pub(super) subrequest: Cell<Option<NonNull<c_void>>>,
}

impl<'r> Request<'r> {
    /// # Safety
    /// `r` is NULL or a live request, and `'r` does not outlast the callback that nginx handed it
    /// to.
    pub(super) unsafe fn from_raw(r: *mut ngx_http_request_t) -> Option<Self> {
        NonNull::new(r).map(|r| Self {
            r,
            lifetime: PhantomData,
        })
    }

    pub(super) fn raw(self) -> *mut ngx_http_request_t {
        self.r.as_ptr()
    }

    /// The log of the request's connection.
    pub fn log(self) -> Log<'r> {
        // SAFETY: r->connection and its log live as long as the request (ngx_http_alloc_request).
        unsafe { Log::from_raw((*(*self.raw()).connection).log) }
    }

    /// The configuration of the location that the request is in.
    pub fn location_conf<M: Exported>(self) -> &'r M::LocationConf {
        // SAFETY: r->loc_conf has an entry for each HTTP module. create_loc_conf<M> has made that
        // of M, and it lives as long as the cycle, which nginx keeps while it has requests.
        unsafe { &*(*(*self.raw()).loc_conf.add(M::descriptor().ctx_index())).cast() }
    }

    /// The main configuration that the request is served with.
    pub fn main_conf<M: Exported>(self) -> &'r M::MainConf {
        &self.main_state::<M>().conf
    }

    /// The client's request that this one belongs to.
    pub fn main(self) -> Self {
        // SAFETY: r->main is the request itself, or the request that its subrequests share a pool
        // with.
        unsafe { Self::from_raw((*self.raw()).main) }.unwrap_or(self)
    }

    /// Whether this is the client's request itself.
    pub fn is_main(self) -> bool {
        self.main().r == self.r
    }

    /// Whether the client's request has a body.
    pub(super) fn has_body(self) -> bool {
        // SAFETY: r->main is live as long as the request.
        unsafe { has_body(self.main().raw()) != 0 }
    }

    /// The path and the arguments as the client has sent them, which an internal redirect and a
    /// subrequest keep.
    pub fn original_uri(self) -> Text<'r> {
        // SAFETY: r->unparsed_uri is a part of the request line, which lives as long as the
        // request.
        unsafe { Text::from_raw((*self.raw()).unparsed_uri) }
    }

    /// The arguments: what follows the `?`, or what a `rewrite` has made of it.
    pub fn args(self) -> Text<'r> {
        // SAFETY: r->args is a part of the request line, or nginx has made it in the request's
        // pool.
        unsafe { Text::from_raw((*self.raw()).args) }
    }

    /// The method. A subrequest has its own, which is GET as a rule.
    pub fn method(self) -> Text<'r> {
        // SAFETY: r->method_name is a part of the request line, or a constant of nginx.
        unsafe { Text::from_raw((*self.raw()).method_name) }
    }

    /// The method that the client has sent. An internal redirect keeps it, while `method` becomes GET.
    pub fn original_method(self) -> &'r [u8] {
        // SAFETY: r->request_line is in a buffer of the request's header or, of HTTP/2 and HTTP/3, in
        // its pool (ngx_http_v2_construct_request_line), and nginx leaves both as they are.
        let line = unsafe { Text::from_raw((*self.main().raw()).request_line) };
        let mut words = line.bytes().split(|&byte| byte == b' ');
        words.next().unwrap_or_default()
    }

    /// The module's state of the client's request. It is made with its default value if there is
    /// none.
    ///
    /// # Errors
    /// There is no memory.
    pub fn client_context<M: Exported>(self) -> Result<&'r M::ClientContext, Failure> {
        let Some(Variable { index }) = self.main_state::<M>().client_context.get().copied() else {
            return Err(Failure::Inconsistent);
        };
        // SAFETY: r->variables has an entry for each index; nginx keeps it over internal redirects
        // and shares it with subrequests. This entry belongs to a variable that no directive can
        // set and whose get handler (get_no_value) leaves `data` alone. So `data` is NULL, or the
        // pointer that is written here, which belongs to the pool that r->variables is from.
        unsafe {
            let entry = (*self.raw()).variables.add(index);
            if let Some(context) = (*entry).data.cast::<M::ClientContext>().as_ref() {
                return Ok(context);
            }
            let context = own((*self.raw()).pool, M::ClientContext::default())?;
            (*entry).data = context.as_ptr().cast();
            Ok(context.as_ref())
        }
    }

    /// The module's state of the client's request, if there is one.
    pub fn client_context_if_any<M: Exported>(self) -> Option<&'r M::ClientContext> {
        let Variable { index } = self.main_state::<M>().client_context.get().copied()?;
        // SAFETY: as for `client_context`.
        unsafe {
            (*(*self.raw()).variables.add(index))
                .data
                .cast::<M::ClientContext>()
                .as_ref()
        }
    }

    pub(super) fn main_state<M: Exported>(self) -> &'r MainState<M> {
        // SAFETY: r->main_conf has an entry for each HTTP module. create_main_conf<M> has made that
        // of M, and it lives as long as the cycle, which nginx keeps while it has requests.
        unsafe { &*(*(*self.raw()).main_conf.add(M::descriptor().ctx_index())).cast() }
    }

    /// A number that tells servers apart: which location a subrequest reaches depends on the
    /// server.
    pub fn server(self) -> usize {
        // SAFETY: r->srv_conf has one entry for each HTTP module, the core module's among them.
        unsafe { (*(*self.raw()).srv_conf.add(ngx_http_core_module.ctx_index)).addr() }
    }

    pub(super) fn core_main_conf(self) -> *const ngx_http_core_main_conf_t {
        // SAFETY: r->main_conf has one entry for each HTTP module, the core module's among them.
        unsafe { (*(*self.raw()).main_conf.add(ngx_http_core_module.ctx_index)).cast() }
    }

    /// The module's state of this request, if there is one.
    pub fn context<M: Exported>(self) -> Option<&'r M::RequestContext> {
        let context = self.state::<M>()?.context.get()?;
        // SAFETY: context_or_new has put it there, and it belongs to the request's pool.
        Some(unsafe { context.as_ref() })
    }

    /// The module's state of this request. `new` makes it if there is none.
    ///
    /// # Errors
    /// There is no memory.
    pub fn context_or_new<M: Exported>(
        self,
        new: impl FnOnce() -> M::RequestContext,
    ) -> Result<&'r M::RequestContext, Failure> {
        if let Some(context) = self.context::<M>() {
            return Ok(context);
        }
        let state = self.state_or_new::<M>()?;
        // SAFETY: r->pool lives as long as the request.
        unsafe {
            let context = own((*self.raw()).pool, new())?;
            state.context.set(Some(context));
            Ok(context.as_ref())
        }
    }

    pub(super) fn state<M: Exported>(self) -> Option<&'r RequestState<M>> {
        // SAFETY: r->ctx has an entry for each HTTP module. That of M is NULL, or state_or_new has
        // put a RequestState there, which lives as long as the request's pool.
        unsafe {
            (*self.context_slot::<M>())
                .cast::<RequestState<M>>()
                .as_ref()
        }
    }

    pub(super) fn state_or_new<M: Exported>(self) -> Result<&'r RequestState<M>, Failure> {
        if let Some(state) = self.state::<M>() {
            return Ok(state);
        }
        let state = RequestState::<M> {
            context: Cell::new(None),
            subrequest: Cell::new(None),
        };
        // SAFETY: r->pool lives as long as the request; only module M uses its entry of r->ctx.
        unsafe {
            let state = own((*self.raw()).pool, state)?;
            self.context_slot::<M>().write(state.as_ptr().cast());
            Ok(state.as_ref())
        }
    }

    /// The entry of the module in the contexts of the request.
    fn context_slot<M: Exported>(self) -> *mut *mut c_void {
        // SAFETY: r->ctx has an entry for each HTTP module (ngx_http_alloc_request,
        // ngx_http_subrequest).
        unsafe { (*self.raw()).ctx.add(M::descriptor().ctx_index()) }
    }

    /// A copy of bytes in the request's pool.
    ///
    /// # Errors
    /// There is no memory.
    pub fn copy(self, bytes: &[u8]) -> Result<Text<'r>, Failure> {
        if bytes.is_empty() {
            return Ok(Text::from_static(b""));
        }
        // SAFETY: r->pool lives as long as the request; NULL is checked, and ngx_pnalloc has
        // allocated as many bytes as are copied.
        unsafe {
            let data = ngx_pnalloc((*self.raw()).pool, bytes.len()).cast::<u8>();
            if data.is_null() {
                return Err(Failure::OutOfMemory);
            }
            ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len());
            Ok(Text::from_raw(ngx_str_t {
                len: bytes.len(),
                data,
            }))
        }
    }

    /// A copy of bytes in the request's pool, with a NUL behind them: modules of nginx search the
    /// header lines that it has pointers to up to a NUL.
    pub(super) fn copy_with_nul(self, bytes: &[u8]) -> Result<Text<'r>, Failure> {
        // SAFETY: r->pool lives as long as the request; NULL is checked, and ngx_pnalloc has
        // allocated as many bytes as are written.
        unsafe {
            let data = ngx_pnalloc((*self.raw()).pool, bytes.len() + 1).cast::<u8>();
            if data.is_null() {
                return Err(Failure::OutOfMemory);
            }
            ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len());
            data.add(bytes.len()).write(0);
            Ok(Text::from_raw(ngx_str_t {
                len: bytes.len(),
                data,
            }))
        }
    }

    /// A copy of a value in the request's pool.
    ///
    /// # Errors
    /// There is no memory.
    pub fn keep<T: Copy>(self, value: T) -> Result<&'r T, Failure> {
        // SAFETY: r->pool lives as long as the request, and a Copy type has no destructor.
        unsafe { Ok(own((*self.raw()).pool, value)?.as_ref()) }
    }

    /// A path, relative to the folder of nginx.conf.
    pub fn conf_path(self, path: &[u8]) -> PathBuf {
        // SAFETY: ngx_cycle is the running cycle, and nginx has set its conf_prefix
        // (ngx_init_cycle).
        conf_path::join(unsafe { (*nginx_sys::ngx_cycle).conf_prefix }, path)
    }

    /// The monotonic time of the process.
    pub fn uptime(self) -> Duration {
        uptime()
    }

    /// A number of the current event-loop iteration, which lasts a millisecond at most: a longer
    /// iteration has several. None if it is not certain that the client has begun to send this
    /// request before the iteration.
    pub fn event_loop_iteration(self) -> Option<usize> {
        let mut number = 0;
        // SAFETY: r->main and its connection live as long as the request.
        let known = unsafe { shim::event_loop_iteration(self.main().raw(), &raw mut number) };
        (known != 0).then_some(number)
    }

    /// A random number, which is no secret.
    pub fn random(self) -> u16 {
        u16::try_from(shim::random()).unwrap_or(u16::MAX)
    }

    /// The time in seconds since 1970, as nginx caches it for one event-loop iteration.
    pub fn now(self) -> i64 {
        nginx_sys::ngx_time()
    }
}
