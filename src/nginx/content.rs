//! Content handlers: a module makes the response of a location, in place of a file or an upstream.

use super::directive::{Config, ConfigError};
use super::failure::Failure;
use super::fence::guard;
use super::module::Exported;
use super::request::Request;
use super::response::ResponseContent;
use super::status::Status;
use nginx_sys::{
    NGX_ERROR, NGX_HTTP_INTERNAL_SERVER_ERROR, ngx_http_conf_ctx_t, ngx_http_core_loc_conf_t,
    ngx_http_core_module, ngx_http_request_t, ngx_int_t,
};
use std::ptr;
use text::Quoted;

/// A module that makes the responses of some locations.
pub trait ContentHandler: Exported {
    /// Makes the response. nginx calls this for clients' requests and for subrequests.
    ///
    /// # Errors
    /// [`Failure`] makes the response a 500.
    fn content<'r>(
        request: Request<'r>,
        conf: &Self::LocationConf,
    ) -> Result<ContentResponse<'r>, Failure>;
}

/// A response.
#[derive(Clone, Copy)]
pub enum ContentResponse<'r> {
    /// This status and this body.
    Response(Status, ResponseContent<'r>),
    /// This status without a body.
    Empty(Status),
    /// nginx's page for this status, or that of `error_page`.
    ErrorPage(Status),
}

impl Config<'_> {
    /// Makes `M` respond to the requests of the location that nginx is reading.
    ///
    /// # Errors
    /// Another directive does so already.
    pub fn set_content_handler<M: ContentHandler>(&mut self) -> Result<(), ConfigError> {
        let location = self.core_location_conf();
        // SAFETY: the location lives as long as the cycle, and only nginx's configuration code and
        // setters of directives write to it while nginx reads the configuration, one at a time.
        unsafe {
            if (*location).handler.is_some() {
                return Err(ConfigError::message(format_args!(
                    "{} stands where another directive responds to the requests, such as proxy_pass",
                    Quoted::whole(self.directive())
                )));
            }
            (*location).handler = Some(content::<M>);
        }
        Ok(())
    }

    /// Whether `M` responds to the requests of the location that nginx is merging: a directive
    /// further down in the location may have taken them over. To be used in
    /// [`Inherit::inherit`](super::Inherit::inherit).
    pub fn is_content_handler<M: ContentHandler>(&self) -> bool {
        // SAFETY: as above; the location is only read.
        let handler = unsafe { (*self.core_location_conf()).handler };
        handler.is_some_and(|handler| ptr::fn_addr_eq(handler, content::<M> as ContentCallback))
    }

    /// The core module's configuration of the location.
    fn core_location_conf(&self) -> *mut ngx_http_core_loc_conf_t {
        // SAFETY: inside http{} cf->ctx is an ngx_http_conf_ctx_t, whose loc_conf has an entry for
        // each HTTP module. nginx points it at the location while it reads it (ngx_http_core_location)
        // and while it merges the levels of a module (ngx_http_merge_locations).
        unsafe {
            let context = (*self.raw()).ctx.cast::<ngx_http_conf_ctx_t>();
            (*(*context).loc_conf.add(ngx_http_core_module.ctx_index)).cast()
        }
    }
}

type ContentCallback = unsafe extern "C" fn(*mut ngx_http_request_t) -> ngx_int_t;

unsafe extern "C" fn content<M: ContentHandler>(r: *mut ngx_http_request_t) -> ngx_int_t {
    const FAILED: ngx_int_t = NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t;
    // SAFETY: nginx calls with a live request (ngx_http_core_content_phase); the reference ends
    // with this call.
    let Some(request) = (unsafe { Request::from_raw(r) }) else {
        return FAILED;
    };
    let made = guard(request.log(), Err(Failure::Panic), || {
        #[cfg(feature = "fault-injection")]
        super::fence::fault_injection::panic_in_request(request, "content");
        M::content(request, request.location_conf::<M>())
    });
    let sent = match made {
        Ok(ContentResponse::Response(status, content)) => request.send(status, Some(&content)),
        Ok(ContentResponse::Empty(status)) => request.send(status, None),
        Ok(ContentResponse::ErrorPage(status)) => {
            Ok(ngx_int_t::try_from(status.0).unwrap_or(FAILED))
        }
        Err(_) => Ok(FAILED),
    };
    sent.unwrap_or(NGX_ERROR as ngx_int_t)
}
