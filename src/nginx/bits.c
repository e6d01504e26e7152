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
