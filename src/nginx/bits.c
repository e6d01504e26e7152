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
