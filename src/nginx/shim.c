/*
 * Functions that have to be in C, because they use nginx's macros, fields that only some versions
 * or builds of nginx have, or bit fields of structures other than the request, for which see
 * bitfields.c.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

ngx_uint_t
nginx_auth_buf_in_memory(const ngx_buf_t *b)
{
    return ngx_buf_in_memory(b);
}

ngx_uint_t
nginx_auth_buf_special(const ngx_buf_t *b)
{
    return ngx_buf_special(b);
}

ngx_uint_t
nginx_auth_buf_ends_response(const ngx_buf_t *b)
{
    return b->last_buf || b->last_in_chain;
}

ngx_uint_t
nginx_auth_connection_failed(const ngx_http_request_t *r)
{
    return r->connection->error;
}

void
nginx_auth_forgive_connection(ngx_http_request_t *r)
{
    r->connection->error = 0;
}

/*
 * Makes nginx stop reading the response of an upstream.  Otherwise nginx would read a response
 * that it caches to its end.
 */

void
nginx_auth_stop_upstream(ngx_http_request_t *r)
{
    if (r->upstream && r->upstream->pipe) {
        r->upstream->pipe->upstream_error = 1;
    }
}

void
nginx_auth_post_event(ngx_event_t *ev)
{
    ngx_post_event(ev, &ngx_posted_events);
}

/*
 * Tells who produced the status of a response.  0: the upstream, a cache or the configuration.
 * 1: nginx, because it received no response from the upstream.  2: nginx, because the response from
 * the upstream was invalid.
 */

ngx_uint_t
nginx_auth_origin(const ngx_http_request_t *r)
{
    const ngx_http_upstream_state_t  *state;

    if (r->upstream == NULL) {
        return 0;
    }

#if (NGX_HTTP_CACHE)
    if (r->cached) {
        return 0;
    }
#endif

    state = r->upstream->state;

    if (state == NULL) {
        return 1;
    }

    if (state->header_time != (ngx_msec_t) -1) {
        return 0;
    }

    return state->bytes_received ? 2 : 1;
}

/* Tells locations of the same name but of different kinds apart. */

ngx_uint_t
nginx_auth_location_kind(const ngx_http_core_loc_conf_t *clcf)
{
    ngx_uint_t  kind;

    kind = clcf->exact_match | (clcf->noname << 1) | (clcf->named << 2);

#if (NGX_PCRE)
    if (clcf->regex) {
        kind |= 8;
    }
#endif

    return kind;
}

/*
 * nginx keeps pointers to the header lines that it knows by name; before 1.23.0 some of them are
 * arrays of pointers.  `line` may be a copy of the line that nginx points to.  Both then share
 * the bytes of the name, and therefore the addresses of the names are compared.
 */

#if (nginx_version < 1023000)

static void
forget_in_array(ngx_array_t *lines, const ngx_table_elt_t *line)
{
    ngx_uint_t         i, n;
    ngx_table_elt_t  **line_ptr;

    line_ptr = lines->elts;

    for (i = 0, n = 0; i < lines->nelts; i++) {
        if (line_ptr[i]->key.data != line->key.data) {
            line_ptr[n++] = line_ptr[i];
        }
    }

    lines->nelts = n;
}

#define FORGET_ALL(field)  forget_in_array(&r->headers_in.field, line);

#else

#define FORGET_ALL(field)  FORGET(field)

#endif

#define FORGET(field)                                                         \
    if (r->headers_in.field                                                   \
        && r->headers_in.field->key.data == line->key.data)                   \
    {                                                                         \
        r->headers_in.field = NULL;                                           \
    }

/*
 * Sets nginx's pointers to the Cookie lines to those in the list of header lines.  nginx finds
 * cookies by these pointers only.
 */

ngx_int_t
nginx_auth_link_cookies(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *line;
#if (nginx_version < 1023000)
    ngx_table_elt_t  **cookie;

    if (r->headers_in.cookies.elts == NULL
        && ngx_array_init(&r->headers_in.cookies, r->pool, 1,
                          sizeof(ngx_table_elt_t *))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    r->headers_in.cookies.nelts = 0;
#else
    ngx_table_elt_t  **next;

    next = &r->headers_in.cookie;
#endif

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        line = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (line[i].key.len != 6
                || ngx_strncasecmp(line[i].key.data, (u_char *) "Cookie", 6) != 0)
            {
                continue;
            }

#if (nginx_version < 1023000)
            cookie = ngx_array_push(&r->headers_in.cookies);
            if (cookie == NULL) {
                return NGX_ERROR;
            }

            *cookie = &line[i];
#else
            *next = &line[i];
            next = &line[i].next;
#endif
        }
    }

#if (nginx_version >= 1023000)
    *next = NULL;
#endif

    return NGX_OK;
}

void
nginx_auth_forget_line(ngx_http_request_t *r, const ngx_table_elt_t *line)
{
    FORGET(if_modified_since)
    FORGET(if_unmodified_since)
    FORGET(if_match)
    FORGET(if_none_match)
    FORGET(user_agent)
    FORGET(referer)
    FORGET(range)
    FORGET(if_range)
#if (NGX_HTTP_GZIP || NGX_HTTP_HEADERS)
    FORGET(accept_encoding)
    FORGET(via)
#endif
#if (NGX_HTTP_X_FORWARDED_FOR)
    FORGET_ALL(x_forwarded_for)
#endif
#if (NGX_HTTP_REALIP)
    FORGET(x_real_ip)
#endif
#if (NGX_HTTP_HEADERS)
    FORGET(accept)
    FORGET(accept_language)
#endif
#if (NGX_HTTP_DAV)
    FORGET(depth)
    FORGET(destination)
    FORGET(overwrite)
    FORGET(date)
#endif
}

/*
 * The values of variables.  bindgen has their layout right, but its accessors for bit fields copy
 * one bit at a time.
 *
 * perf: saves 500 instructions of a request with an auth_request check.
 */

void
nginx_auth_fill_value(ngx_http_variable_value_t *v, u_char *data, size_t len)
{
    /* The field has 28 bits.  No text that a request can contain is as long as its limit. */
    v->len = ngx_min(len, 0x0fffffff);
    v->data = data;
    v->valid = 1;
    v->not_found = 0;
    v->no_cacheable = 0;
}

void
nginx_auth_fill_not_found(ngx_http_variable_value_t *v)
{
    v->not_found = 1;
}

/* nginx computes the value again each time.  A variable's flags say the same by NOCACHEABLE. */

void
nginx_auth_forbid_caching(ngx_http_variable_value_t *v)
{
    v->no_cacheable = 1;
}

void
nginx_auth_forget_value(ngx_http_variable_value_t *v)
{
    v->valid = 0;
    v->not_found = 0;
}

/* Leaves a value that a directive such as "set" has assigned. */

void
nginx_auth_forget_computed_value(ngx_http_variable_value_t *v)
{
    if (v->no_cacheable) {
        v->valid = 0;
        v->not_found = 0;
    }
}

ngx_uint_t
nginx_auth_value_text(const ngx_http_variable_value_t *v, ngx_str_t *text)
{
    if (v->not_found) {
        return 0;
    }

    text->len = v->len;
    text->data = v->data;

    return 1;
}

/*
 * Numbers the iterations of the event loop.  In one iteration nginx handles the events that the
 * kernel has reported, and then the events that were posted in the meantime.  A request that
 * arrives with a reported event was sent before the iteration began.  This is not certain on a
 * new connection, nor on a connection with TLS or HTTP/2, where nginx may have buffered the
 * request.  The event that ends an iteration goes to the head of the queue, so that posted
 * events, such as that of the next pipelined request, count as part of the next iteration.
 *
 * perf: the requests of one iteration share one stat() of a key file, which saves each of them
 * about 0.1 us.
 */

static ngx_event_t  iteration_end;
static ngx_uint_t   iterations;

static void
end_iteration(ngx_event_t *ev)
{
    (void) ev;

    iterations++;
}

ngx_uint_t
nginx_auth_iteration(const ngx_http_request_t *r, ngx_uint_t *iteration)
{
    ngx_connection_t  *c;

    c = r->connection;

    if (r->http_version >= NGX_HTTP_VERSION_20
        || c->start_time == ngx_current_msec
#if (NGX_HTTP_SSL)
        || c->ssl
#endif
       )
    {
        return 0;
    }

    if (!iteration_end.posted) {
        iteration_end.handler = end_iteration;
        iteration_end.log = ngx_cycle->log;
        iteration_end.posted = 1;
        ngx_queue_insert_head(&ngx_posted_events, &iteration_end.queue);
    }

    *iteration = iterations;

    return 1;
}

/*
 * Tells whether a response is that of the upstream and complete with its header, and whether the
 * upstream has sent nothing after it.  The connection to the upstream can then be kept as it is
 * (ngx_http_proxy_process_header).  After an error page or an internal redirect nginx has finalized
 * the upstream, which then has no cleanup handler.
 */

ngx_uint_t
nginx_auth_upstream_is_done(const ngx_http_request_t *r)
{
    const ngx_http_upstream_t  *u;

#if (NGX_HTTP_CACHE)
    if (r->cached) {
        return 0;
    }
#endif

    u = r->upstream;

    return u && u->cleanup && u->keepalive && u->buffer.pos == u->buffer.last;
}

/*
 * Tells how far the client's request has come with a handler of the access phase.  0: nginx has not
 * called it yet.  1: nginx is calling it, or will do so again because it waits.  2: it is over, or
 * the response is an error page, which comes before it if another handler has refused the request.
 * The status of an error page is in err_status, and is copied as soon as the header is sent.
 */

ngx_uint_t
nginx_auth_handler_progress(const ngx_http_request_t *r,
    ngx_http_handler_pt handler)
{
    ngx_uint_t                   i;
    ngx_http_phase_handler_t    *ph;
    ngx_http_core_main_conf_t   *cmcf;

    r = r->main;

    if (r->err_status && r->headers_out.status == r->err_status) {
        return 2;
    }

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);
    ph = cmcf->phase_engine.handlers;

    for (i = 0; ph[i].checker; i++) {
        if (ph[i].handler == handler) {
            return (ngx_uint_t) r->phase_handler < i ? 0
                   : (ngx_uint_t) r->phase_handler > i ? 2 : 1;
        }
    }

    return 2;
}
