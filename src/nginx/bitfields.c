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
BIT(lingering_close, lingering_close)
BIT(expect_tested, expect_tested)

ngx_uint_t
nginx_auth_is_header_only(const ngx_http_request_t *r)
{
    return r->header_only;
}

/* Makes nginx read the request's body into a file, as dav does, which then moves the file. */

void
nginx_auth_keep_body_in_file(ngx_http_request_t *r)
{
    r->request_body_in_file_only = 1;
    r->request_body_in_persistent_file = 1;
    r->request_body_in_clean_file = 1;
    r->request_body_file_group_access = 1;
    r->request_body_file_log_level = 0;
}

/* Whether a request has a body, read or not. */

ngx_uint_t
nginx_auth_has_body(const ngx_http_request_t *r)
{
    return r->headers_in.content_length_n >= 0 || r->headers_in.chunked
           || r->request_body != NULL;
}
