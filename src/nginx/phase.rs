//! Handlers of the access phase, and of the phases before and after it.

use super::directive::{Config, ConfigError};
use super::failure::Failure;
use super::fence::guard;
use super::module::Exported;
use super::request::Request;
use super::response::ResponseContent;
use super::status::Status;
use super::subrequest::our_subrequest;
use nginx_sys::{
    NGX_AGAIN, NGX_DECLINED, NGX_DONE, NGX_HTTP_INTERNAL_SERVER_ERROR, NGX_OK, ngx_array_push,
    ngx_http_core_main_conf_t, ngx_http_handler_pt, ngx_http_phases,
    ngx_http_phases_NGX_HTTP_ACCESS_PHASE, ngx_http_phases_NGX_HTTP_PREACCESS_PHASE,
    ngx_http_phases_NGX_HTTP_PRECONTENT_PHASE, ngx_http_request_t, ngx_int_t,
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

impl Config<'_> {
    /// Adds the handler of `M` to the access phase. nginx runs the handler that was added last
    /// first.
    ///
    /// # Errors
    /// There is no memory.
    pub fn add_access_handler<M: AccessHandler>(&mut self) -> Result<(), ConfigError> {
        self.add_handler(ngx_http_phases_NGX_HTTP_ACCESS_PHASE, access::<M>)
    }

    /// Adds the handlers of `M` to the phases around the access phase. In the precontent phase
    /// the handler runs before those of nginx's own modules, which were added before it. A mirror
    /// therefore gets the request header as the handler leaves it.
    ///
    /// # Errors
    /// There is no memory.
    pub fn add_handlers_around_access<M: AroundAccess>(&mut self) -> Result<(), ConfigError> {
        self.add_handler(ngx_http_phases_NGX_HTTP_PREACCESS_PHASE, before_access::<M>)?;
        self.add_handler(ngx_http_phases_NGX_HTTP_PRECONTENT_PHASE, after_access::<M>)
    }

    /// Adds a handler that is called before each location serves one of our subrequests.
    pub(super) fn add_subrequest_handler(&mut self) -> Result<(), ConfigError> {
        self.add_handler(ngx_http_phases_NGX_HTTP_PREACCESS_PHASE, subrequest_handler)
    }

    fn add_handler(&mut self, phase: ngx_http_phases, handler: Handler) -> Result<(), ConfigError> {
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
        }
        Ok(())
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
    let refused = Access::Refuse(Status::INTERNAL_SERVER_ERROR);
    let access = guard(request.log(), refused, || {
        #[cfg(feature = "fault-injection")]
        super::fence::fault_injection::panic_in_request(request, "access");
        if request.is_poisoned::<M>() {
            return refused;
        }
        M::access(request, request.location_conf::<M>()).unwrap_or(refused)
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
