/*
 * Bit-fields of ngx_http_request_t.  Only the C compiler knows their layout: bindgen's guess is
 * wrong since nginx 1.29.3.  t/bitfields.t compares each setter with the compiler's assignment.
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

/* Whether a request has a body, read or not. */

ngx_uint_t
nginx_auth_has_body(const ngx_http_request_t *r)
{
    return r->headers_in.content_length_n >= 0 || r->headers_in.chunked
           || r->request_body != NULL;
}
