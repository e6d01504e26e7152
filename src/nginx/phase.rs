//! Handlers of nginx's access phase.

use super::Failure;
use super::directive::{Config, ConfigError};
use super::fence::guard;
use super::module::Exported;
use super::request::Request;
use nginx_sys::{
    NGX_AGAIN, NGX_DECLINED, NGX_HTTP_INTERNAL_SERVER_ERROR, NGX_OK, ngx_array_push,
    ngx_http_core_main_conf_t, ngx_http_handler_pt, ngx_http_phases_NGX_HTTP_ACCESS_PHASE,
    ngx_http_request_t, ngx_int_t,
};

/// A status code of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Status(pub u16);

impl Status {
    pub const UNAUTHORIZED: Self = Self(401);
    pub const FORBIDDEN: Self = Self(403);
    pub const INTERNAL_SERVER_ERROR: Self = Self(500);

    /// Whether it is one of the 2xx.
    pub fn is_success(self) -> bool {
        (200..300).contains(&self.0)
    }
}

/// What an access handler decides (ngx_http_core_access_phase).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The handler has no opinion: it is not configured here.
    Decline,
    /// The handler's condition is met. Under `satisfy any` that is enough.
    Allow,
    /// The request ends with this status, unless it is 401 or 403 and another handler allows under `satisfy any`.
    Refuse(Status),
    /// A subrequest is under way: nginx is to ask again when it has ended.
    Wait,
}

/// A module that judges requests in the access phase.
pub trait AccessHandler: Exported {
    /// Judges a main request, possibly after an internal redirect. nginx never asks for subrequests.
    ///
    /// # Errors
    /// [`Failure`] refuses the request with 500.
    fn access(request: Request<'_>, conf: &Self::LocationConf) -> Result<Access, Failure>;
}

impl Config<'_> {
    /// Adds the handler of `M` to the access phase. Handlers run in the reverse order of their being added.
    pub fn add_access_handler<M: AccessHandler>(&mut self) -> Result<(), ConfigError> {
        let core = self.core_main_conf();
        let phase = ngx_http_phases_NGX_HTTP_ACCESS_PHASE as usize;
        // SAFETY: ngx_http_init_phases made the array before postconfiguration; NULL is checked, and an entry is an
        // ngx_http_handler_pt.
        unsafe {
            let handlers = &raw mut (*core).phases[phase].handlers;
            let handler = ngx_array_push(handlers).cast::<ngx_http_handler_pt>();
            if handler.is_null() {
                return Err(Failure.into());
            }
            handler.write(Some(access::<M>));
        }
        Ok(())
    }

    pub(super) fn core_main_conf(&self) -> *mut ngx_http_core_main_conf_t {
        // SAFETY: cf->ctx is an ngx_http_conf_ctx_t inside http{}, and nginx set the core module's index.
        unsafe {
            let context = (*self.raw()).ctx.cast::<nginx_sys::ngx_http_conf_ctx_t>();
            let index = nginx_sys::ngx_http_core_module.ctx_index;
            (*(*context).main_conf.add(index)).cast()
        }
    }
}

unsafe extern "C" fn access<M: AccessHandler>(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls with a live request; the reference ends with this call.
    let Some(request) = (unsafe { Request::from_raw(r) }) else {
        return NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t;
    };
    let refused = Access::Refuse(Status::INTERNAL_SERVER_ERROR);
    let access = guard(request.log(), refused, || {
        #[cfg(feature = "fault-injection")]
        super::fence::fault::in_request(request, "access");
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
        Access::Wait => NGX_AGAIN as ngx_int_t,
    }
}
