//! The bit-fields of a request that we set, as the C compiler lays them out.

use nginx_sys::ngx_http_request_t;
use std::ffi::c_uint;

unsafe extern "C" {
    /// Sets `r->header_only`: no body follows the header of this response.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_set_header_only"]
    pub(super) fn set_header_only(r: *mut ngx_http_request_t, value: c_uint);

    /// Sets `r->headers_in.chunked`: the request has a body in chunks.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_set_headers_in_chunked"]
    pub(super) fn set_headers_in_chunked(r: *mut ngx_http_request_t, value: c_uint);
}
