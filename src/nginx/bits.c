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

void
nginx_auth_post_event(ngx_event_t *ev)
{
    ngx_post_event(ev, &ngx_posted_events);
}
