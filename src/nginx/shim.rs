//! Declarations of `background.c`, `bitfields.c` and `shim.c`: what takes a C compiler.

use nginx_sys::{
    ngx_buf_t, ngx_chain_t, ngx_conf_t, ngx_connection_t, ngx_event_t, ngx_http_core_loc_conf_t,
    ngx_http_handler_pt, ngx_http_request_t, ngx_http_variable_value_t, ngx_int_t, ngx_msec_t,
    ngx_pool_t, ngx_str_t, ngx_table_elt_t, ngx_uint_t, off_t,
};
use std::ffi::{c_uint, c_void};

/// What follows the header of a response. shim.c returns no other numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Rest {
    /// Nothing, or something that nginx itself has: a file, a cached response, an error page.
    Nothing = 0,
    /// A body from the upstream that is not worth reading if nobody wants it.
    NotWorthReading = 1,
    /// A body from the upstream.
    Coming = 2,
}

/// What an event pipe calls with its request and a piece of the body
/// (`ngx_event_pipe_output_filter_pt`).
pub(super) type BackgroundOutput = unsafe extern "C" fn(*mut c_void, *mut ngx_chain_t) -> ngx_int_t;

unsafe extern "C" {
    /// Sets `r->header_only`: nginx sends no body after the header of this response.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_set_header_only"]
    pub(super) fn set_header_only(r: *mut ngx_http_request_t, value: c_uint);

    /// Sets `r->headers_in.chunked`: the request's body is chunked.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_set_headers_in_chunked"]
    pub(super) fn set_headers_in_chunked(r: *mut ngx_http_request_t, value: c_uint);

    /// Sets `r->filter_need_in_memory`: nginx reads files of the response into memory for the body
    /// filters.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_set_filter_need_in_memory"]
    pub(super) fn set_filter_need_in_memory(r: *mut ngx_http_request_t, value: c_uint);

    /// Sets `r->buffered`: the filters that hold back a part of the response.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_set_buffered"]
    pub(super) fn set_buffered(r: *mut ngx_http_request_t, value: c_uint);

    /// Sets `r->preserve_body`: nginx keeps the request's body after an upstream has received it.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_set_preserve_body"]
    pub(super) fn set_preserve_body(r: *mut ngx_http_request_t, value: c_uint);

    /// Sets `r->keepalive`: nginx keeps the client's connection after the response.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_set_keepalive"]
    pub(super) fn set_keepalive(r: *mut ngx_http_request_t, value: c_uint);

    /// Sets `r->lingering_close`: nginx reads on for a while when it closes the connection.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_set_lingering_close"]
    pub(super) fn set_lingering_close(r: *mut ngx_http_request_t, value: c_uint);

    /// Sets `r->expect_tested`: nginx sends no 100 (Continue) any more.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_set_expect_tested"]
    pub(super) fn set_expect_tested(r: *mut ngx_http_request_t, value: c_uint);

    /// Makes nginx read the request's body into a file that another module may move.
    ///
    /// # Safety
    /// `r` points to a live request whose body has not been read.
    #[link_name = "nginx_auth_keep_body_in_file"]
    pub(super) fn keep_body_in_file(r: *mut ngx_http_request_t);

    /// Whether nginx sends no body after the header of this response (`r->header_only`).
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

    /// Whether a buffer's bytes are in memory, from `pos` to `last` (ngx_buf_in_memory).
    ///
    /// # Safety
    /// `b` points to a live buffer.
    #[link_name = "nginx_auth_buf_in_memory"]
    pub(super) fn buf_in_memory(b: *const ngx_buf_t) -> ngx_uint_t;

    /// Whether a buffer has no bytes and is only a signal (ngx_buf_special).
    ///
    /// # Safety
    /// `b` points to a live buffer.
    #[link_name = "nginx_auth_buf_special"]
    pub(super) fn buf_special(b: *const ngx_buf_t) -> ngx_uint_t;

    /// Whether a buffer is the last of a response: `last_buf` for a client's request,
    /// `last_in_chain` for a subrequest.
    ///
    /// # Safety
    /// `b` points to a live buffer.
    #[link_name = "nginx_auth_buf_ends_response"]
    pub(super) fn buf_ends_response(b: *const ngx_buf_t) -> ngx_uint_t;

    /// Whether the client's connection has failed, so that nginx sends nothing more
    /// (`r->connection->error`).
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_connection_failed"]
    pub(super) fn connection_failed(r: *const ngx_http_request_t) -> ngx_uint_t;

    /// Clears `r->connection->error`.
    ///
    /// # Safety
    /// `r` points to a live request, and the connection failed only because our filter returned an
    /// error.
    #[link_name = "nginx_auth_forgive_connection"]
    pub(super) fn forgive_connection(r: *mut ngx_http_request_t);

    /// Makes nginx stop reading, caching and storing the response of the upstream, if there is one.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_stop_upstream"]
    pub(super) fn stop_upstream(r: *mut ngx_http_request_t);

    /// Makes nginx handle an event in this event-loop iteration (ngx_post_event,
    /// ngx_posted_events).
    ///
    /// # Safety
    /// `event` points to an event that is deleted from the queue (ngx_delete_posted_event) before
    /// it is freed.
    #[link_name = "nginx_auth_post_event"]
    pub(super) fn post_event(event: *mut ngx_event_t);

    /// Who produced the status of a response: an index of `ORIGINS`.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_origin"]
    pub(super) fn origin(r: *const ngx_http_request_t, status: ngx_uint_t) -> ngx_uint_t;

    /// Whether a variable has a say in how nginx connects to the upstream, if there is one.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_connection_has_variables"]
    pub(super) fn connection_has_variables(r: *const ngx_http_request_t) -> ngx_uint_t;

    /// Whether a response is that of an upstream, which nginx is reading from.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_is_from_upstream"]
    pub(super) fn is_from_upstream(r: *const ngx_http_request_t) -> ngx_uint_t;

    /// What follows the header of a response.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_rest_of_response"]
    pub(super) fn rest_of_response(r: *const ngx_http_request_t, max: off_t) -> Rest;

    /// Keeps nginx from caching and storing the response of the upstream, if there is one.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_forbid_storing"]
    pub(super) fn forbid_storing(r: *mut ngx_http_request_t);

    /// The status of a response in whose place X-Accel-Redirect has put another; 0 if there is
    /// none.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_redirecting_status"]
    pub(super) fn redirecting_status(r: *const ngx_http_request_t) -> ngx_uint_t;

    /// The status of the upstream's response, in whose place nginx has put another one; 0 if there
    /// is none.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_replaced_status"]
    pub(super) fn replaced_status(r: *const ngx_http_request_t, status: ngx_uint_t) -> ngx_uint_t;

    /// Has nginx read the response of the upstream, if there is one, apart from the client's
    /// connection where it can.
    ///
    /// # Safety
    /// `r` points to a live request whose header is being sent.
    #[link_name = "nginx_auth_buffer_upstream"]
    pub(super) fn buffer_upstream(r: *mut ngx_http_request_t);

    /// Whether nginx reads the response of the upstream on the client's connection.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_is_unbuffered"]
    pub(super) fn is_unbuffered(r: *const ngx_http_request_t) -> ngx_uint_t;

    /// Makes a subrequest one that its parent does not wait for.
    ///
    /// # Safety
    /// `r` points to a live subrequest that has sent its header; `downstream` and `write` to zeroed
    /// memory that lives as long as it. `output` may be called with the subrequest and a chain.
    #[link_name = "nginx_auth_put_in_background"]
    pub(super) fn put_in_background(
        r: *mut ngx_http_request_t,
        downstream: *mut ngx_connection_t,
        write: *mut ngx_event_t,
        output: BackgroundOutput,
    );

    /// Whether a thread works for this very request (`r->aio`).
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_has_thread"]
    pub(super) fn has_thread(r: *const ngx_http_request_t) -> ngx_uint_t;

    /// Keeps the client's request when nginx is about to end a subrequest that a thread works for.
    ///
    /// # Safety
    /// `r` points to a live subrequest; release_client_request is called for it later, unless it is
    /// freed before.
    #[link_name = "nginx_auth_hold_client_request"]
    pub(super) fn hold_client_request(r: *mut ngx_http_request_t);

    /// Undoes hold_client_request.
    ///
    /// # Safety
    /// `r` points to a live subrequest, which has ended, and is not used after the call.
    #[link_name = "nginx_auth_release_client_request"]
    pub(super) fn release_client_request(r: *mut ngx_http_request_t);

    /// Removes the time limit that nginx has set while it waited for a subrequest's thread.
    ///
    /// # Safety
    /// `r` points to a live subrequest that its parent waits for in the access phase.
    #[link_name = "nginx_auth_forget_send_timeout"]
    pub(super) fn forget_send_timeout(r: *mut ngx_http_request_t);

    /// Ends a subrequest in the background, and closes its connection to the upstream.
    ///
    /// # Safety
    /// `r` points to a live subrequest in the background, which is not used after the call.
    #[link_name = "nginx_auth_end_upstream"]
    pub(super) fn end_upstream(r: *mut ngx_http_request_t);

    /// Whether a thread works for the client's request or one of its subrequests.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_is_blocked"]
    pub(super) fn is_blocked(r: *const ngx_http_request_t) -> ngx_uint_t;

    /// Who waits for the end of a subrequest in the background: 0 nobody, 1 other requests of the
    /// client, 2 the client.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_who_waits"]
    pub(super) fn who_waits(r: *const ngx_http_request_t) -> ngx_uint_t;

    /// Tells the client of a request that has its whole response that nothing more will come.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_end_output"]
    pub(super) fn end_output(r: *mut ngx_http_request_t);

    /// Makes nginx handle an event after this time (ngx_add_timer).
    ///
    /// # Safety
    /// As for [`post_event`].
    #[link_name = "nginx_auth_start_timer"]
    pub(super) fn start_timer(event: *mut ngx_event_t, time: ngx_msec_t);

    /// Takes back [`post_event`] and [`start_timer`].
    ///
    /// # Safety
    /// `event` points to an event.
    #[link_name = "nginx_auth_delete_event"]
    pub(super) fn delete_event(event: *mut ngx_event_t);

    /// Makes nginx find the header lines that it has pointers to, such as cookies, in the list of
    /// the request's header lines. Returns NGX_ERROR if there is no memory.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_link_lines"]
    pub(super) fn link_lines(r: *mut ngx_http_request_t) -> ngx_int_t;

    /// Has nginx link lines of one name again before it makes parameters of them. To be called when
    /// the list of a request's header lines changes, or its elements may have other links.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_forget_links"]
    pub(super) fn forget_links(r: *mut ngx_http_request_t);

    /// A number that tells locations of the same name apart: exact, unnamed, named, or a regular
    /// expression.
    ///
    /// # Safety
    /// `clcf` points to a live configuration.
    #[link_name = "nginx_auth_location_kind"]
    pub(super) fn location_kind(clcf: *const ngx_http_core_loc_conf_t) -> ngx_uint_t;

    /// Removes a line from the pointers that nginx keeps to the header lines it knows by name,
    /// except `Authorization` and `Cookie`.
    ///
    /// # Safety
    /// `r` points to a live request, `line` to an element of its header.
    #[link_name = "nginx_auth_forget_line"]
    pub(super) fn forget_line(r: *mut ngx_http_request_t, line: *const ngx_table_elt_t);

    /// Forgets the conditions, the range and the encodings that the client has asked for.
    ///
    /// # Safety
    /// `r` points to a live request.
    #[link_name = "nginx_auth_forget_conditions"]
    pub(super) fn forget_conditions(r: *mut ngx_http_request_t);

    /// Makes nginx end a request that waits in a phase when its client leaves.
    ///
    /// # Safety
    /// `r` points to a live request of a client, which is in a phase handler and reads no body.
    #[link_name = "nginx_auth_watch_client"]
    pub(super) fn watch_client(r: *mut ngx_http_request_t);

    /// Ends what `watch_client` began.
    ///
    /// # Safety
    /// As for `watch_client`.
    #[link_name = "nginx_auth_stop_watching_client"]
    pub(super) fn stop_watching_client(r: *mut ngx_http_request_t);

    /// Makes a GET request of no client, in the server and for the location of a client's request.
    /// NULL on failure, which nginx logs.
    ///
    /// # Safety
    /// `client` points to a live request whose phases nginx runs.
    #[link_name = "nginx_auth_create_background_request"]
    pub(super) fn create_background_request(
        client: *const ngx_http_request_t,
    ) -> *mut ngx_http_request_t;

    /// Runs what was started inside such a request, after the callback that this is called from.
    ///
    /// # Safety
    /// `r` is a request of `create_background_request` that has not run yet. `is_awaited` may be
    /// called with `data` until the request's pool is destroyed.
    #[link_name = "nginx_auth_run_background_request"]
    pub(super) fn run_background_request(
        r: *mut ngx_http_request_t,
        is_awaited: unsafe extern "C" fn(*mut c_void) -> ngx_uint_t,
        data: *mut c_void,
    );

    /// The `data` of `run_background_request`.
    ///
    /// # Safety
    /// `r` is a request of `create_background_request`.
    #[link_name = "nginx_auth_background_data"]
    pub(super) fn background_data(r: *const ngx_http_request_t) -> *mut c_void;

    /// Ends such a request, and frees it unless nginx still has something to do inside it.
    ///
    /// # Safety
    /// `r` is a live request of `create_background_request`, and is not used after this.
    #[link_name = "nginx_auth_end_background_request"]
    pub(super) fn end_background_request(r: *mut ngx_http_request_t);

    /// A random number of 16 bits, which is no secret.
    #[link_name = "nginx_auth_random"]
    pub(super) safe fn random() -> ngx_uint_t;

    /// Has a handler send the response when a time is over, and logs that.
    ///
    /// # Safety
    /// `r` points to a live client's request whose phases have stopped.
    #[link_name = "nginx_auth_delay_response"]
    pub(super) fn delay_response(
        r: *mut ngx_http_request_t,
        delay: ngx_msec_t,
        handler: unsafe extern "C" fn(*mut ngx_http_request_t),
    ) -> ngx_int_t;

    /// Whether that time is not over: 0 it is, 1 not yet, 2 nginx failed.
    ///
    /// # Safety
    /// As for [`delay_response`].
    #[link_name = "nginx_auth_is_delayed"]
    pub(super) fn is_delayed(r: *mut ngx_http_request_t) -> ngx_uint_t;

    /// Sets the value of a variable's entry.
    ///
    /// # Safety
    /// `value` points to an entry of a variable; `data` to `len` bytes that live as long as the
    /// request.
    #[link_name = "nginx_auth_fill_value"]
    pub(super) fn set_value(value: *mut ngx_http_variable_value_t, data: *mut u8, len: usize);

    /// Sets or takes away the mark of an entry whose variable has no value, ever.
    ///
    /// # Safety
    /// `value` points to an entry of such a variable; `mark` is 0 or 1.
    #[link_name = "nginx_auth_mark_entry"]
    pub(super) fn mark_entry(value: *mut ngx_http_variable_value_t, mark: ngx_uint_t);

    /// Whether the entry has the mark.
    ///
    /// # Safety
    /// `value` points to an entry of a variable that has no value, ever.
    #[link_name = "nginx_auth_is_marked"]
    pub(super) fn is_marked(value: *const ngx_http_variable_value_t) -> ngx_uint_t;

    /// Marks a variable's entry as having no value.
    ///
    /// # Safety
    /// `value` points to an entry of a variable.
    #[link_name = "nginx_auth_fill_not_found"]
    pub(super) fn set_not_found(value: *mut ngx_http_variable_value_t);

    /// Makes nginx compute a variable again.
    ///
    /// # Safety
    /// `value` points to an entry of a variable.
    #[link_name = "nginx_auth_forget_value"]
    pub(super) fn forget_value(value: *mut ngx_http_variable_value_t);

    /// Makes nginx compute a variable each time that it is read.
    ///
    /// # Safety
    /// `value` points to an entry of a variable.
    #[link_name = "nginx_auth_forbid_caching"]
    pub(super) fn forbid_caching(value: *mut ngx_http_variable_value_t);

    /// Makes nginx compute a variable again, unless a directive has assigned the value.
    ///
    /// # Safety
    /// `value` points to an entry of a variable.
    #[link_name = "nginx_auth_forget_computed_value"]
    pub(super) fn forget_computed_value(value: *mut ngx_http_variable_value_t);

    /// Reads a variable's entry that is filled. Returns 0 if it has no value.
    ///
    /// # Safety
    /// `value` points to an entry of a variable, `text` to a place for it.
    #[link_name = "nginx_auth_value_text"]
    pub(super) fn value_text(
        value: *const ngx_http_variable_value_t,
        text: *mut ngx_str_t,
    ) -> ngx_uint_t;

    /// Writes a number of the current event-loop iteration, which lasts a millisecond at most.
    /// Returns 0 if the request is not known to have begun to arrive before the iteration.
    ///
    /// # Safety
    /// `r` points to a live request, `iteration` to a place for it.
    #[link_name = "nginx_auth_iteration"]
    pub(super) fn event_loop_iteration(
        r: *const ngx_http_request_t,
        iteration: *mut ngx_uint_t,
    ) -> ngx_uint_t;

    /// How far the client's request has come with a handler of the access phase: 0 not called yet,
    /// 1 being called or waiting, 2 over.
    ///
    /// # Safety
    /// `r` points to a live request, and nginx has made the phase engine.
    #[link_name = "nginx_auth_handler_progress"]
    pub(super) fn handler_progress(
        r: *const ngx_http_request_t,
        handler: ngx_http_handler_pt,
    ) -> ngx_uint_t;

    /// The configuration of all modules for a location, by their indices.
    ///
    /// # Safety
    /// `clcf` points to a live configuration.
    #[link_name = "nginx_auth_location_confs"]
    pub(super) fn location_confs(clcf: *const ngx_http_core_loc_conf_t) -> *mut *mut c_void;

    /// Whether this is the block of an `if` or `limit_except`.
    ///
    /// # Safety
    /// `clcf` points to a live configuration.
    #[link_name = "nginx_auth_is_location_noname"]
    pub(super) fn is_location_noname(clcf: *const ngx_http_core_loc_conf_t) -> ngx_uint_t;

    /// Whether a location is named or has `internal`.
    ///
    /// # Safety
    /// `clcf` points to a live configuration.
    #[link_name = "nginx_auth_is_location_internal"]
    pub(super) fn is_location_internal(clcf: *const ngx_http_core_loc_conf_t) -> ngx_uint_t;

    /// The URI that `error_page` shows for a status, which lives as long as the configuration; or
    /// NULL if there is none, or one with variables.
    ///
    /// # Safety
    /// `clcf` points to a live configuration.
    #[link_name = "nginx_auth_error_page"]
    pub(super) fn error_page(
        clcf: *const ngx_http_core_loc_conf_t,
        status: ngx_uint_t,
    ) -> *const ngx_str_t;

    /// Calls `visit` for each server, as its own location, and for each of its locations.
    /// `of_server` is what all modules have configured for the server, by their indices.
    ///
    /// # Safety
    /// `cf` is live, nginx has made the trees of locations, and `visit` may be called with `data`.
    #[link_name = "nginx_auth_visit_locations"]
    pub(super) fn visit_locations(
        cf: *mut ngx_conf_t,
        visit: unsafe extern "C" fn(
            data: *mut c_void,
            of_server: *mut *mut c_void,
            location: *mut ngx_http_core_loc_conf_t,
        ),
        data: *mut c_void,
    );

    /// The location that a path reaches, or NULL if it cannot be told.
    ///
    /// # Safety
    /// `server` points to the live configuration of a server whose trees of locations nginx has
    /// made, `path` to a text.
    #[link_name = "nginx_auth_find_location"]
    pub(super) fn find_location(
        server: *mut ngx_http_core_loc_conf_t,
        path: *const ngx_str_t,
    ) -> *mut ngx_http_core_loc_conf_t;

    /// The status of a `return` that answers all requests of a location, or 0.
    ///
    /// # Safety
    /// `cf` is live, `confs` is what all modules have configured for the location, by their
    /// indices, and nginx has read the directives of the location.
    #[link_name = "nginx_auth_unconditional_return"]
    pub(super) fn unconditional_return(
        cf: *mut ngx_conf_t,
        confs: *const *mut c_void,
    ) -> ngx_uint_t;

    /// Compiles a regular expression with limits for the work of a search. Returns NULL and a text
    /// in `err` if that is not possible.
    ///
    /// # Safety
    /// `pool` is a live pool; a NUL follows the bytes of `pattern`; `err` has a buffer to write to.
    #[link_name = "nginx_auth_regex_compile"]
    pub(super) fn regex_compile(
        pool: *mut ngx_pool_t,
        pattern: *mut ngx_str_t,
        err: *mut ngx_str_t,
    ) -> *mut c_void;

    /// Whether a regular expression is found in a text: 1 if so, 0 if not, -1 if the search was
    /// given up.
    ///
    /// # Safety
    /// `regex` is what `regex_compile` returned, with a pool that is still alive.
    #[link_name = "nginx_auth_regex_matches"]
    pub(super) fn regex_matches(regex: *mut c_void, text: *mut ngx_str_t) -> ngx_int_t;
}
