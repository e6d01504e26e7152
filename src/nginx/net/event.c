/*
 * Events of nginx's event loop, for tasks, timers and connections.  Their flags are bit-fields, and
 * most functions for them are macros.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

/* nginx's debug log takes the data of each event for a connection and has the number of its file. */
static ngx_connection_t  no_connection = { .fd = (ngx_socket_t) -1 };

/*
 * Prepares an event of no connection.  A worker that shuts down exits without waiting for the timer
 * of one that is "cancelable".
 */

void
nginx_auth_init_event(ngx_event_t *ev, ngx_event_handler_pt handler, ngx_uint_t cancelable)
{
    ngx_memzero(ev, sizeof(ngx_event_t));

    ev->data = &no_connection;
    ev->handler = handler;
    ev->log = ngx_cycle->log;
    ev->cancelable = cancelable;
}

/* The event is handled in the next iteration, so that one that posts itself does not stop nginx. */

void
nginx_auth_post_next_event(ngx_event_t *ev)
{
    ngx_post_event(ev, &ngx_posted_next_events);
}

static ngx_int_t
watch(ngx_event_t *ev)
{
    return ev->write ? ngx_handle_write_event(ev, 0) : ngx_handle_read_event(ev, 0);
}

/*
 * Gives a non-blocking socket to nginx, which calls the handler with one of the connection's two
 * events.  Returns NULL on failure, which nginx logs; then the socket is closed.
 */

ngx_connection_t *
nginx_auth_watch_socket(ngx_socket_t s, ngx_event_handler_pt handler, void *data)
{
    ngx_int_t          rc;
    ngx_connection_t  *c;

    c = ngx_get_connection(s, ngx_cycle->log);

    if (c == NULL) {
        if (ngx_close_socket(s) == -1) {
            ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, ngx_socket_errno,
                          ngx_close_socket_n " failed");
        }

        return NULL;
    }

    c->data = data;
    c->type = SOCK_STREAM;
    c->log_error = NGX_ERROR_INFO;
    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);
    c->start_time = ngx_current_msec;
    c->read->handler = handler;
    c->read->log = c->log;
    c->write->handler = handler;
    c->write->log = c->log;

    if (ngx_add_conn) {
        rc = ngx_add_conn(c);

    } else {
        rc = watch(c->read);
        if (rc == NGX_OK) {
            rc = watch(c->write);
        }
    }

    if (rc != NGX_OK) {
        ngx_close_connection(c);
        return NULL;
    }

    return c;
}

/* The operation of the event would block: nginx is to call the handler when it would not. */

ngx_int_t
nginx_auth_await_event(ngx_event_t *ev)
{
    ev->ready = 0;

    return watch(ev);
}

/*
 * The handler was called: poll and select, which report readiness again and again, stop that until
 * nginx_auth_await_event().
 */

ngx_int_t
nginx_auth_pause_event(ngx_event_t *ev)
{
    return watch(ev);
}

ngx_uint_t
nginx_auth_is_event_ready(const ngx_event_t *ev)
{
    return ev->ready;
}

/* Whether nginx wants the connection to be closed, because the worker has to exit. */

ngx_uint_t
nginx_auth_is_closing(const ngx_connection_t *c)
{
    return c->close;
}

/* The monotonic time in milliseconds.  Nginx's has as many bits as a pointer. */

uint64_t
nginx_auth_monotonic_msec(void)
{
    struct timespec  now;

    if (clock_gettime(CLOCK_MONOTONIC, &now) == -1) {
        return ngx_current_msec;
    }

    return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}
