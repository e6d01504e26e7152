//! Handlers of the access phase, and of the phases before and after it.

use super::directive::{Config, ConfigError};
use super::failure::Failure;
use super::fence::{guard, panic_count};
use super::module::Exported;
use super::request::Request;
use super::response::ResponseContent;
use super::shim::handler_progress;
use super::status::Status;
use nginx_sys::{
    NGX_AGAIN, NGX_DECLINED, NGX_DONE, NGX_HTTP_INTERNAL_SERVER_ERROR, NGX_OK, ngx_array_push,
    ngx_array_t, ngx_http_core_main_conf_t, ngx_http_handler_pt, ngx_http_phases,
    ngx_http_phases_NGX_HTTP_ACCESS_PHASE, ngx_http_phases_NGX_HTTP_LOG_PHASE,
    ngx_http_phases_NGX_HTTP_PREACCESS_PHASE, ngx_http_phases_NGX_HTTP_PRECONTENT_PHASE,
    ngx_http_request_t, ngx_int_t,
};

/// What an access handler decides (ngx_http_core_access_phase).
#[derive(Clone, Copy)]
pub enum Access<'r> {
    /// The handler does not judge the request: it is not configured here.
    Decline,
    /// The handler's condition is met. Under `satisfy any` that is enough.
    Allow,
    /// The request ends with this status, unless the status is 401 or 403 and another handler
    /// allows the request under `satisfy any`.
    Refuse(Status),
    /// The request ends with this response. No error page replaces it.
    Respond(Status, Option<&'r ResponseContent<'r>>),
    /// The handler waits for something, such as a subrequest. nginx runs it again when that has
    /// ended.
    Wait,
}

/// A module that judges requests in the access phase.
pub trait AccessHandler: Exported {
    /// Judges a client's request, also after an internal redirect. nginx does not call this for
    /// subrequests.
    ///
    /// # Errors
    /// [`Failure`] refuses the request with 500.
    fn access<'r>(request: Request<'r>, conf: &Self::LocationConf) -> Result<Access<'r>, Failure>;

    /// Empties all that a worker keeps of one request for others. Called before the first request
    /// after a panic, which may have left any of it half written.
    fn forget_caches(conf: &Self::MainConf);

    /// Called when [`access`](Self::access) has failed or panicked: ends what the request was doing
    /// for others as well, such as leading a single flight. Otherwise they would wait until the
    /// client has received its error page.
    fn give_up(request: Request<'_>);
}

/// A module that changes requests before they are judged and after it.
pub trait AroundAccess: Exported {
    /// Called in the preaccess phase: before any access handler judges the request.
    ///
    /// # Errors
    /// [`Failure`] refuses the request with 500.
    fn before_access(request: Request<'_>, conf: &Self::LocationConf) -> Result<(), Failure>;

    /// Called in the preaccess phase of a subrequest, which no access handler judges. Subrequests
    /// that this module has started are left out.
    ///
    /// # Errors
    /// [`Failure`] refuses the subrequest with 500.
    fn before_subrequest(request: Request<'_>, conf: &Self::LocationConf) -> Result<(), Failure>;

    /// Called in the precontent phase: the request will be served, whichever handler has allowed
    /// it.
    ///
    /// # Errors
    /// [`Failure`] refuses the request with 500.
    fn after_access(request: Request<'_>, conf: &Self::LocationConf) -> Result<(), Failure>;
}

/// A module that has to know when nginx logs a request.
pub trait BeforeLog: Exported {
    /// Called when a request has ended, before any module logs it. nginx also calls this for a
    /// subrequest with `log_subrequest`, whose client's request goes on.
    ///
    /// # Errors
    /// [`Failure`] changes nothing, since the request is over.
    fn before_log(request: Request<'_>) -> Result<(), Failure>;
}

/// How far the client's request has come with the access handler of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessProgress {
    /// nginx has not called the handler yet, and may do so.
    Before,
    /// nginx is calling the handler, or the handler waits.
    During,
    /// The handler is not called any more, unless nginx begins again in another location.
    Over,
}

impl Request<'_> {
    /// How far the client's request has come with the access handler of `M`. An error page that
    /// takes the place of the access phase counts as its end.
    pub fn access_progress<M: AccessHandler>(self) -> AccessProgress {
        // SAFETY: the request is live, and nginx has made the phase engine before it serves
        // requests (ngx_http_init_phase_handlers).
        match unsafe { handler_progress(self.raw(), Some(access::<M>)) } {
            0 => AccessProgress::Before,
            1 => AccessProgress::During,
            _ => AccessProgress::Over,
        }
    }
}

impl Config<'_> {
    /// Adds the handler of `M` to the access phase. nginx runs the handler that was added last
    /// first.
    ///
    /// # Errors
    /// There is no memory.
    pub fn add_access_handler<M: AccessHandler>(&mut self) -> Result<(), ConfigError> {
        self.add_handler(ngx_http_phases_NGX_HTTP_ACCESS_PHASE, access::<M>)?;
        Ok(())
    }

    /// Adds the handlers of `M` to the phases around the access phase. In the precontent phase
    /// the handler runs before those of nginx's own modules, which were added before it. A mirror
    /// therefore gets the request header as the handler leaves it.
    ///
    /// # Errors
    /// There is no memory.
    pub fn add_handlers_around_access<M: AroundAccess>(&mut self) -> Result<(), ConfigError> {
        self.add_handler(ngx_http_phases_NGX_HTTP_PREACCESS_PHASE, before_access::<M>)?;
        self.add_handler(ngx_http_phases_NGX_HTTP_PRECONTENT_PHASE, after_access::<M>)?;
        Ok(())
    }

    /// Adds the handler of `M` to the log phase, in front of the handlers that are there. nginx
    /// runs them in their order, and those of other modules that are added later come behind.
    ///
    /// # Errors
    /// There is no memory.
    pub fn add_handler_before_log<M: BeforeLog>(&mut self) -> Result<(), ConfigError> {
        let handlers = self.add_handler(ngx_http_phases_NGX_HTTP_LOG_PHASE, before_log::<M>)?;
        // SAFETY: the entries are initialized, and nothing else refers to them now.
        unsafe { (*handlers).as_slice_mut::<ngx_http_handler_pt>() }.rotate_right(1);
        Ok(())
    }

    /// Adds a handler at the end of a phase, and returns the handlers of that phase.
    fn add_handler(
        &mut self,
        phase: ngx_http_phases,
        handler: Handler,
    ) -> Result<*mut ngx_array_t, ConfigError> {
        let core = self.core_main_conf();
        // SAFETY: ngx_http_init_phases has made the arrays before postconfiguration; NULL is
        // checked, and an entry is an ngx_http_handler_pt.
        unsafe {
            let handlers = &raw mut (*core).phases[phase as usize].handlers;
            let entry = ngx_array_push(handlers).cast::<ngx_http_handler_pt>();
            if entry.is_null() {
                return Err(Failure::OutOfMemory.into());
            }
            entry.write(Some(handler));
            Ok(handlers)
        }
    }

    pub(super) fn core_main_conf(&self) -> *mut ngx_http_core_main_conf_t {
        // SAFETY: inside http{} cf->ctx is an ngx_http_conf_ctx_t, whose main_conf has an entry for
        // each HTTP module, the core module's among them (ngx_http_block).
        unsafe {
            let context = (*self.raw()).ctx.cast::<nginx_sys::ngx_http_conf_ctx_t>();
            let index = nginx_sys::ngx_http_core_module.ctx_index;
            (*(*context).main_conf.add(index)).cast()
        }
    }
}

type Handler = unsafe extern "C" fn(*mut ngx_http_request_t) -> ngx_int_t;

unsafe extern "C" fn before_access<M: AroundAccess>(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls with a live request (ngx_http_core_generic_phase).
    unsafe { prepare::<M>(r, M::before_access, M::before_subrequest) }
}

unsafe extern "C" fn after_access<M: AroundAccess>(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls with a live request (ngx_http_core_generic_phase).
    unsafe { prepare::<M>(r, M::after_access, |_, _| Ok(())) }
}

unsafe extern "C" fn before_log<M: BeforeLog>(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls with a live request (ngx_http_log_request); the reference ends with this
    // call.
    if let Some(request) = unsafe { Request::from_raw(r) } {
        // The request is over: there is nobody to tell of a failure.
        _ = guard(request.log(), Err(Failure::Panic), || {
            M::before_log(request)
        });
    }
    NGX_OK as ngx_int_t
}

/// Calls `main` for a client's request, and `sub` for a subrequest that this module has not
/// started.
///
/// # Safety
/// `r` is NULL or a live request.
unsafe fn prepare<M: Exported>(
    r: *mut ngx_http_request_t,
    main: fn(Request<'_>, &M::LocationConf) -> Result<(), Failure>,
    sub: fn(Request<'_>, &M::LocationConf) -> Result<(), Failure>,
) -> ngx_int_t {
    // SAFETY: the caller promises that `r` is NULL or a live request. The reference ends with this
    // call.
    let Some(request) = (unsafe { Request::from_raw(r) }) else {
        return NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t;
    };
    let prepared = guard(request.log(), Err(Failure::Panic), || {
        #[cfg(feature = "fault-injection")]
        super::fence::fault_injection::panic_in_request(request, "prepare");
        match (request.is_main(), request.is_ours()) {
            (true, _) => main(request, request.location_conf::<M>()),
            (_, true) => Ok(()),
            (_, false) => sub(request, request.location_conf::<M>()),
        }
    });
    match prepared {
        Ok(()) => NGX_DECLINED as ngx_int_t,
        Err(_) => NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t,
    }
}

unsafe extern "C" fn access<M: AccessHandler>(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls with a live request (ngx_http_core_access_phase); the reference ends with
    // this call.
    let Some(request) = (unsafe { Request::from_raw(r) }) else {
        return NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t;
    };
    let judged = guard(request.log(), Err(Failure::Panic), || judge::<M>(request));
    let access = judged.unwrap_or_else(|_| {
        guard(request.log(), (), || M::give_up(request));
        Access::Refuse(Status::INTERNAL_SERVER_ERROR)
    });
    match access {
        Access::Decline => NGX_DECLINED as ngx_int_t,
        Access::Allow => {
            request.clear_challenges_of_old_nginx();
            NGX_OK as ngx_int_t
        }
        Access::Refuse(status) => ngx_int_t::try_from(status.0).unwrap_or(500),
        Access::Respond(status, content) => {
            request.respond(status, content);
            NGX_DONE as ngx_int_t
        }
        Access::Wait => NGX_AGAIN as ngx_int_t,
    }
}

fn judge<M: AccessHandler>(request: Request<'_>) -> Result<Access<'_>, Failure> {
    #[cfg(feature = "fault-injection")]
    super::fence::fault_injection::panic_in_access(request, request.state::<M>().is_some());
    forget_caches_after_panic::<M>(request);
    if request.is_poisoned::<M>() {
        return Err(Failure::Panic);
    }
    let access = M::access(request, request.location_conf::<M>())?;
    // The handler may have allowed the request because a variable whose callback failed is empty.
    match request.is_poisoned::<M>() {
        true => Err(Failure::Panic),
        false => Ok(access),
    }
}

fn forget_caches_after_panic<M: AccessHandler>(request: Request<'_>) {
    let state = request.main_state::<M>();
    let panics = panic_count();
    if state.panics_seen.get() != panics {
        M::forget_caches(&state.conf);
        // Set last, so that caches are emptied again if emptying them panics.
        state.panics_seen.set(panics);
    }
}
