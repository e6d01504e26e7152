//! Declarations of `event.c`.

use nginx_sys::{
    ngx_connection_t, ngx_event_handler_pt, ngx_event_t, ngx_int_t, ngx_socket_t, ngx_uint_t,
};
use std::ffi::c_void;

unsafe extern "C" {
    /// Prepares an event of no connection. A worker that shuts down exits without waiting for the
    /// timer of one that is cancelable.
    ///
    /// # Safety
    /// `event` points to memory for an event, and a worker runs.
    #[link_name = "nginx_auth_init_event"]
    pub(super) fn init_event(
        event: *mut ngx_event_t,
        handler: ngx_event_handler_pt,
        cancelable: ngx_uint_t,
    );

    /// Makes nginx handle an event in the next event-loop iteration.
    ///
    /// # Safety
    /// `event` points to an event that is deleted before its memory is freed.
    #[link_name = "nginx_auth_post_next_event"]
    pub(super) fn post_next_event(event: *mut ngx_event_t);

    /// Gives a non-blocking socket to nginx, which calls `handler` with an event of the connection.
    /// NULL on failure, which nginx logs; then the socket is closed.
    ///
    /// # Safety
    /// Nobody else closes `socket`. `handler` may be called until the connection is closed.
    #[link_name = "nginx_auth_watch_socket"]
    pub(super) fn watch_socket(
        socket: ngx_socket_t,
        handler: ngx_event_handler_pt,
        data: *mut c_void,
    ) -> *mut ngx_connection_t;

    /// Makes nginx call the handler when an operation that would block now does not block.
    ///
    /// # Safety
    /// `event` points to an event of an open connection of `watch_socket`.
    #[link_name = "nginx_auth_await_event"]
    pub(super) fn await_event(event: *mut ngx_event_t) -> ngx_int_t;

    /// Ends that, after the handler was called, where nginx would call it again and again.
    ///
    /// # Safety
    /// As for `await_event`.
    #[link_name = "nginx_auth_pause_event"]
    pub(super) fn pause_event(event: *mut ngx_event_t) -> ngx_int_t;

    /// Whether nginx has called the handler since `await_event`.
    ///
    /// # Safety
    /// As for `await_event`.
    #[link_name = "nginx_auth_is_event_ready"]
    pub(super) fn is_event_ready(event: *const ngx_event_t) -> ngx_uint_t;

    /// Whether nginx wants a connection to be closed, because the worker has to exit.
    ///
    /// # Safety
    /// `c` points to an open connection of `watch_socket`.
    #[link_name = "nginx_auth_is_closing"]
    pub(super) fn is_closing(c: *const ngx_connection_t) -> ngx_uint_t;

    /// The monotonic time of the system in milliseconds.
    #[link_name = "nginx_auth_monotonic_msec"]
    pub(super) safe fn monotonic_msec() -> u64;
}
