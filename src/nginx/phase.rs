//! Handlers of the access phase, and of the phases before and after it.

use super::directive::{Config, ConfigError};
use super::failure::Failure;
use super::fence::{guard, panic_count};
use super::filter_state::SubrequestFilter;
use super::module::{Exported, Module};
use super::request::Request;
use super::response::ResponseContent;
use super::shim::handler_progress;
use super::status::Status;
use super::subrequest::our_subrequest;
use nginx_sys::{
    NGX_AGAIN, NGX_DECLINED, NGX_DONE, NGX_HTTP_FORBIDDEN, NGX_HTTP_INTERNAL_SERVER_ERROR,
    NGX_HTTP_SATISFY_ANY, NGX_HTTP_UNAUTHORIZED, NGX_OK, ngx_array_push, ngx_array_t,
    ngx_http_core_loc_conf_t, ngx_http_core_main_conf_t, ngx_http_handler_pt, ngx_http_phases,
    ngx_http_phases_NGX_HTTP_ACCESS_PHASE, ngx_http_phases_NGX_HTTP_LOG_PHASE,
    ngx_http_phases_NGX_HTTP_PREACCESS_PHASE, ngx_http_phases_NGX_HTTP_PRECONTENT_PHASE,
    ngx_http_request_t, ngx_int_t, ngx_uint_t,
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
    /// The request ends with this response, a 401 after `auth_delay`. No error page replaces it. A
    /// 403 is as with [`Refuse`](Self::Refuse) if another handler has said 401 under `satisfy any`:
    /// nginx then responds with 401.
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

/// A module that judges requests in the preaccess phase as well, before limit_req and limit_conn
/// count them.
pub trait PreaccessHandler: AccessHandler {
    /// Judges a client's request. [`Access::Allow`] and [`Access::Decline`] mean the same here: the
    /// request goes on.
    ///
    /// # Errors
    /// [`Failure`] refuses the request with 500.
    fn preaccess<'r>(
        request: Request<'r>,
        conf: &Self::LocationConf,
    ) -> Result<Access<'r>, Failure>;
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

/// How far the client's request has come with the handlers that judge it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessProgress {
    /// nginx has not called the access handler yet, and may do so.
    Before,
    /// nginx is calling a handler, or the handler waits.
    During,
    /// The access handler is not called any more, unless nginx begins again in another location.
    Over,
}

impl Request<'_> {
    /// How far the client's request has come with the handlers of `M` that judge it. An error page
    /// that takes the place of the access phase counts as its end.
    pub fn access_progress<M: PreaccessHandler>(self) -> AccessProgress {
        // SAFETY: the request is live, and nginx has made the phase engine before it serves
        // requests (ngx_http_init_phase_handlers).
        let progress = |handler: Handler| unsafe { handler_progress(self.raw(), Some(handler)) };
        match (progress(preaccess::<M>), progress(access::<M>)) {
            (1, _) | (_, 1) => AccessProgress::During,
            (_, 0) => AccessProgress::Before,
            _ => AccessProgress::Over,
        }
    }

    /// Whether another access handler has said 401 under `satisfy any`, which nginx prefers to the
    /// 403 of one that follows (ngx_http_core_access_phase).
    fn has_said_unauthorized(self) -> bool {
        // SAFETY: the request is live, and its configuration lives as long.
        unsafe {
            (*self.core_location_conf()).satisfy == NGX_HTTP_SATISFY_ANY as ngx_uint_t
                && (*self.raw()).access_code == NGX_HTTP_UNAUTHORIZED as ngx_uint_t
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

    /// Adds the handler of `M` to the preaccess phase, in front of those of nginx's own modules.
    /// nginx runs the handler that was added last first, and limit_req and limit_conn add theirs
    /// after this module's postconfiguration: the module of the filters, which comes after them,
    /// adds this one.
    pub fn add_preaccess_handler<M: PreaccessHandler>(&mut self) {
        let filters = self.main_conf::<SubrequestFilter>();
        filters
            .preaccess_handlers
            .borrow_mut()
            .push(Some(preaccess::<M>));
    }

    /// Adds the handlers that [`add_preaccess_handler`](Self::add_preaccess_handler) was called
    /// with.
    pub(super) fn add_delayed_handlers(&mut self) -> Result<(), ConfigError> {
        let filters = self.main_conf::<SubrequestFilter>();
        for handler in filters.preaccess_handlers.take().into_iter().flatten() {
            self.add_handler(ngx_http_phases_NGX_HTTP_PREACCESS_PHASE, handler)?;
        }
        Ok(())
    }

    /// Whether `satisfy any` is in force in the location that nginx is merging. To be used in
    /// [`Inherit::inherit`](super::Inherit::inherit).
    pub fn has_satisfy_any(&self) -> bool {
        // SAFETY: inside http{} cf->ctx is an ngx_http_conf_ctx_t. While nginx merges the levels of
        // a module, it points loc_conf at the location (ngx_http_merge_locations), and has merged
        // those of the core module, which comes first.
        unsafe {
            let context = (*self.raw()).ctx.cast::<nginx_sys::ngx_http_conf_ctx_t>();
            let index = nginx_sys::ngx_http_core_module.ctx_index;
            let core = (*(*context).loc_conf.add(index)).cast::<ngx_http_core_loc_conf_t>();
            (*core).satisfy == NGX_HTTP_SATISFY_ANY as ngx_uint_t
        }
    }

    /// Adds the handlers of `M` to the phases around the access phase. In the preaccess phase the
    /// one that is added last runs last, so that it can tell what the others have changed. In the
    /// precontent phase the handler runs before those of nginx's own modules, which were added
    /// before it. A mirror therefore gets the request header as the handler leaves it.
    ///
    /// # Errors
    /// There is no memory.
    pub fn add_handlers_around_access<M: AroundAccess>(&mut self) -> Result<(), ConfigError> {
        let phase = ngx_http_phases_NGX_HTTP_PREACCESS_PHASE;
        let handlers = self.add_handler(phase, before_access::<M>)?;
        // SAFETY: the entries are initialized, and nothing else refers to them now.
        unsafe { (*handlers).as_slice_mut::<ngx_http_handler_pt>() }.rotate_right(1);
        self.add_handler(ngx_http_phases_NGX_HTTP_PRECONTENT_PHASE, after_access::<M>)?;
        Ok(())
    }

    /// Adds a handler that is called before each location serves one of our subrequests.
    pub(super) fn add_subrequest_handler(&mut self) -> Result<(), ConfigError> {
        self.add_handler(ngx_http_phases_NGX_HTTP_PREACCESS_PHASE, subrequest_handler)?;
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

unsafe extern "C" fn subrequest_handler(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls with a live request (ngx_http_core_generic_phase); the references end
    // with this call.
    let (subrequest, request) = unsafe { (our_subrequest(r), Request::from_raw(r)) };
    if let (Some(subrequest), Some(request)) = (subrequest, request) {
        subrequest.remember_redirect(request);
    }
    NGX_DECLINED as ngx_int_t
}

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
        #[cfg(feature = "fault-injection")]
        super::fence::fault_injection::log_steps(request);
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
            (true, _) => {
                main(request, request.location_conf::<M>())?;
                request.fail_if_poisoned()
            }
            (_, true) => Ok(()),
            (_, false) => sub(request, request.location_conf::<M>()),
        }
    });
    match prepared {
        Ok(()) => NGX_DECLINED as ngx_int_t,
        Err(_) => {
            if request.is_main() {
                request.take_poison_away();
            }
            NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t
        }
    }
}

unsafe extern "C" fn preaccess<M: PreaccessHandler>(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls with a live request (ngx_http_core_generic_phase); the reference ends
    // with this call.
    match unsafe { Request::from_raw(r) } {
        None => NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t,
        // As in the access phase, a subrequest is not judged.
        Some(request) if !request.is_main() => NGX_DECLINED as ngx_int_t,
        // NGX_OK would pass over the other handlers of the phase.
        Some(request) => match judge::<M>(request, M::preaccess) {
            Access::Allow => NGX_DECLINED as ngx_int_t,
            access => code(request, access),
        },
    }
}

unsafe extern "C" fn access<M: AccessHandler>(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls with a live request (ngx_http_core_access_phase); the reference ends with
    // this call.
    match unsafe { Request::from_raw(r) } {
        None => NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t,
        Some(request) => match judge::<M>(request, M::access) {
            Access::Respond(Status::FORBIDDEN, _) if request.has_said_unauthorized() => {
                NGX_HTTP_FORBIDDEN as ngx_int_t
            }
            access => code(request, access),
        },
    }
}

/// What a handler returns to nginx, after it has done what the decision asks for.
fn code(request: Request<'_>, access: Access<'_>) -> ngx_int_t {
    match access {
        Access::Decline => NGX_DECLINED as ngx_int_t,
        Access::Allow => {
            request.clear_challenges_of_old_nginx();
            NGX_OK as ngx_int_t
        }
        Access::Refuse(status) => ngx_int_t::try_from(status.0).unwrap_or(500),
        Access::Respond(status, content) => match request.respond_as_nginx(status, content) {
            Ok(()) => NGX_DONE as ngx_int_t,
            Err(_) => NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t,
        },
        Access::Wait => NGX_AGAIN as ngx_int_t,
    }
}

type Judge<'r, M> = fn(Request<'r>, &<M as Module>::LocationConf) -> Result<Access<'r>, Failure>;

/// Runs a handler. A request that it fails or panics for is refused.
fn judge<'r, M: AccessHandler>(request: Request<'r>, handler: Judge<'r, M>) -> Access<'r> {
    let judged = guard(request.log(), Err(Failure::Panic), || {
        try_judge::<M>(request, handler)
    });
    judged.unwrap_or_else(|_| {
        guard(request.log(), (), || M::give_up(request));
        request.take_poison_away();
        Access::Refuse(Status::INTERNAL_SERVER_ERROR)
    })
}

fn try_judge<'r, M: AccessHandler>(
    request: Request<'r>,
    handler: Judge<'r, M>,
) -> Result<Access<'r>, Failure> {
    #[cfg(feature = "fault-injection")]
    {
        super::fence::fault_injection::panic_in_access(request, request.state::<M>().is_some());
        super::memory_faults::commit(request);
    }
    forget_caches_after_panic::<M>(request);
    request.fail_if_poisoned()?;
    let access = handler(request, request.location_conf::<M>())?;
    // The handler may have allowed the request because a variable whose callback failed is empty.
    request.fail_if_poisoned()?;
    Ok(access)
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
