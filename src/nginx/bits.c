/*
 * Access to the bit-fields that we use.  Their layout is the C compiler's own affair, and bindgen's guess at it is
 * wrong in ngx_http_request_t of nginx 1.29.3 and later; so C writes them.  t/bitfields.t checks each.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#define BIT(name, field)                                                      \
                                                                              \
    void                                                                      \
    nginx_auth_set_##name(ngx_http_request_t *r, unsigned value)              \
    {                                                                         \
        r->field = value;                                                     \
    }

BIT(header_only, header_only)
BIT(headers_in_chunked, headers_in.chunked)
BIT(filter_need_in_memory, filter_need_in_memory)
BIT(buffered, buffered)
BIT(preserve_body, preserve_body)
BIT(keepalive, keepalive)

ngx_uint_t
nginx_auth_is_header_only(const ngx_http_request_t *r)
{
    return r->header_only;
}

ngx_uint_t
nginx_auth_has_body(const ngx_http_request_t *r)
{
    return r->headers_in.content_length_n >= 0 || r->headers_in.chunked
           || r->request_body != NULL;
}

/* Bit-fields of other structs, and macros that use them. */

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

/* An upstream whose answer goes into a cache would be read to its end, though nobody takes it. */

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

/* Where the status of the response is from: 0 an answer, 1 no answer, 2 something that is none. */

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

/* Locations of the same name differ in this. */

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
 * The lines that nginx knows by name are found by a pointer, too, or before 1.23.0 by an array of pointers.  A line
 * may be a copy: it has the name in the same place.
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

/* Cookies are found by the pointers alone, so that these follow the list. */

ngx_int_t
nginx_auth_link_cookies(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *line;
#if (nginx_version < 1023000)
    ngx_table_elt_t  **place;

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
            place = ngx_array_push(&r->headers_in.cookies);
            if (place == NULL) {
                return NGX_ERROR;
            }

            *place = &line[i];
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

/* Values of variables.  bindgen has the layout right, but goes about it bit by bit, on the path of each request. */

void
nginx_auth_fill_value(ngx_http_variable_value_t *v, u_char *data, size_t len)
{
    /* The field has 28 bits; a text of a request is never that long. */
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

void
nginx_auth_forget_value(ngx_http_variable_value_t *v)
{
    v->valid = 0;
    v->not_found = 0;
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
 * Turns of the event loop.  nginx handles the events that the kernel has told it of, and then those that were posted
 * meanwhile.  A request that comes with one of the former was sent before the turn began: over plain HTTP/1, on a
 * connection that is not new.  Ours is to be the first of the latter, so that whatever else is posted, such as the
 * next request on a connection whose last one was just answered, belongs to another turn.
 */

static ngx_event_t  turn_ended;
static ngx_uint_t   turns;

static void
end_turn(ngx_event_t *ev)
{
    (void) ev;

    turns++;
}

ngx_uint_t
nginx_auth_turn(const ngx_http_request_t *r, ngx_uint_t *turn)
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

    if (!turn_ended.posted) {
        turn_ended.handler = end_turn;
        turn_ended.log = ngx_cycle->log;
        turn_ended.posted = 1;
        ngx_queue_insert_head(&ngx_posted_events, &turn_ended.queue);
    }

    *turn = turns;

    return 1;
}

/*
 * Whether the answer is an upstream's own, ends with its header, and nothing was sent behind that: then the connection may
 * be kept as it is (ngx_http_proxy_process_header).  An upstream that is done with, by an error page or a redirect, has no
 * cleanup any more.
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
