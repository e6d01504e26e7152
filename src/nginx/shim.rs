//! Declarations of `bitfields.c` and `shim.c`: what takes a C compiler.

use nginx_sys::{
    ngx_buf_t, ngx_event_t, ngx_http_core_loc_conf_t, ngx_http_request_t,
    ngx_http_variable_value_t, ngx_int_t, ngx_str_t, ngx_table_elt_t, ngx_uint_t,
};
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

    /// Sets `r->filter_need_in_memory`: what of the response is in files is read for the body filters.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_set_filter_need_in_memory"]
    pub(super) fn set_filter_need_in_memory(r: *mut ngx_http_request_t, value: c_uint);

    /// Sets `r->buffered`: which filters hold back something of the response.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_set_buffered"]
    pub(super) fn set_buffered(r: *mut ngx_http_request_t, value: c_uint);

    /// Sets `r->preserve_body`: the request's body stays when an upstream has got it.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_set_preserve_body"]
    pub(super) fn set_preserve_body(r: *mut ngx_http_request_t, value: c_uint);

    /// Sets `r->keepalive`: the client's connection is kept after the response.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_set_keepalive"]
    pub(super) fn set_keepalive(r: *mut ngx_http_request_t, value: c_uint);

    /// Whether no body follows the header of this response (`r->header_only`).
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_is_header_only"]
    pub(super) fn is_header_only(r: *const ngx_http_request_t) -> ngx_uint_t;

    /// Whether a request has a body, read or not.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_has_body"]
    pub(super) fn has_body(r: *const ngx_http_request_t) -> ngx_uint_t;

    /// Whether the bytes of a buffer are those from `pos` to `last` (ngx_buf_in_memory).
    ///
    /// # Safety
    /// `b` points to a live buffer.
    #[link_name = "nginx_auth_buf_in_memory"]
    pub(super) fn buf_in_memory(b: *const ngx_buf_t) -> ngx_uint_t;

    /// Whether a buffer has no bytes, only a meaning (ngx_buf_special).
    ///
    /// # Safety
    /// `b` points to a live buffer.
    #[link_name = "nginx_auth_buf_special"]
    pub(super) fn buf_special(b: *const ngx_buf_t) -> ngx_uint_t;

    /// Whether a buffer is the last one of a response: of a client's (`last_buf`) or a subrequest's (`last_in_chain`).
    ///
    /// # Safety
    /// `b` points to a live buffer.
    #[link_name = "nginx_auth_buf_ends_response"]
    pub(super) fn buf_ends_response(b: *const ngx_buf_t) -> ngx_uint_t;

    /// Whether nginx will send nothing more to the client (`r->connection->error`).
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_connection_failed"]
    pub(super) fn connection_failed(r: *const ngx_http_request_t) -> ngx_uint_t;

    /// Takes that back.
    ///
    /// # Safety
    /// `r` points to a live request, whose connection failed for no other reason than that a filter of ours said so.
    #[link_name = "nginx_auth_forgive_connection"]
    pub(super) fn forgive_connection(r: *mut ngx_http_request_t);

    /// Has nginx give up the upstream that the response is being read from, if there is one.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_stop_upstream"]
    pub(super) fn stop_upstream(r: *mut ngx_http_request_t);

    /// Has nginx handle an event before it waits for others (ngx_post_event, ngx_posted_events).
    ///
    /// # Safety
    /// `event` points to an event that is deleted from the queue (ngx_delete_posted_event) before it is freed.
    #[link_name = "nginx_auth_post_event"]
    pub(super) fn post_event(event: *mut ngx_event_t);

    /// Who produced the status of a response: 0 the upstream, a cache or the configuration; 1 nginx, because nothing
    /// came; 2 nginx, because what came was no valid response.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_origin"]
    pub(super) fn origin(r: *const ngx_http_request_t) -> ngx_uint_t;

    /// Has nginx find the cookies that are in the list of the request's header. NGX_ERROR where there is no memory.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_link_cookies"]
    pub(super) fn link_cookies(r: *mut ngx_http_request_t) -> ngx_int_t;

    /// What tells locations of the same name apart: exact, without a name of its own, named, or a regular expression.
    ///
    /// # Safety
    /// `clcf` points to a live configuration.
    #[link_name = "nginx_auth_location_kind"]
    pub(super) fn location_kind(clcf: *const ngx_http_core_loc_conf_t) -> ngx_uint_t;

    /// Takes a line of the request's header away from the pointers to lines that nginx knows by name, but for
    /// `Authorization` and `Cookie`.
    ///
    /// # Safety
    /// `r` points to a live request, `line` to an element of its header.
    #[link_name = "nginx_auth_forget_line"]
    pub(super) fn forget_line(r: *mut ngx_http_request_t, line: *const ngx_table_elt_t);

    /// Gives a variable's entry a value.
    ///
    /// # Safety
    /// `value` points to an entry of a variable; `data` to `len` bytes that live as long as the request.
    #[link_name = "nginx_auth_fill_value"]
    pub(super) fn set_value(value: *mut ngx_http_variable_value_t, data: *mut u8, len: usize);

    /// Says in a variable's entry that it has no value.
    ///
    /// # Safety
    /// `value` points to an entry of a variable.
    #[link_name = "nginx_auth_fill_not_found"]
    pub(super) fn set_not_found(value: *mut ngx_http_variable_value_t);

    /// Has nginx compute a variable anew.
    ///
    /// # Safety
    /// `value` points to an entry of a variable.
    #[link_name = "nginx_auth_forget_value"]
    pub(super) fn forget_value(value: *mut ngx_http_variable_value_t);

    /// Reads a variable's entry, which is filled; 0 where it has no value.
    ///
    /// # Safety
    /// `value` points to an entry of a variable, `text` to a place for it.
    #[link_name = "nginx_auth_value_text"]
    pub(super) fn value_text(
        value: *const ngx_http_variable_value_t,
        text: *mut ngx_str_t,
    ) -> ngx_uint_t;

    /// Writes the number of the event-loop iteration that the request arrived before. 0 if it is not known to have
    /// arrived before the iteration began.
    ///
    /// # Safety
    /// `r` points to a live request, `iteration` to a place for it.
    #[link_name = "nginx_auth_iteration"]
    pub(super) fn event_loop_iteration(
        r: *const ngx_http_request_t,
        iteration: *mut ngx_uint_t,
    ) -> ngx_uint_t;

    /// Whether the answer to a request is an upstream's own, and ends with its header.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_upstream_is_done"]
    pub(super) fn upstream_is_done(r: *const ngx_http_request_t) -> ngx_uint_t;
}
