/*
 * For t/bitfields.t: does each setter of src/nginx/bits.c do what the C compiler's own assignment does, to the whole
 * struct, whatever it held before?  One line for each: "NAME same" or "NAME differs".
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

/* What the rest of bits.c needs of nginx, so that it links; nobody calls it here. */

ngx_queue_t  ngx_posted_events;

volatile ngx_msec_t  ngx_current_msec;

volatile ngx_cycle_t  *ngx_cycle;

void
ngx_log_error_core(ngx_uint_t level, ngx_log_t *log, ngx_err_t err, const char *fmt, ...)
{
}

ngx_int_t
ngx_strncasecmp(u_char *s1, u_char *s2, size_t n)
{
    return 0;
}

void *
ngx_palloc(ngx_pool_t *pool, size_t size)
{
    return NULL;
}

void *
ngx_array_push(ngx_array_t *a)
{
    return NULL;
}

#define SETTERS(CHECK)                                                        \
    CHECK(header_only, header_only)                                           \
    CHECK(headers_in_chunked, headers_in.chunked)                             \
    CHECK(filter_need_in_memory, filter_need_in_memory)                       \
    CHECK(buffered, buffered)                                                 \
    CHECK(preserve_body, preserve_body)                                       \
    CHECK(keepalive, keepalive)

#define CHECK(name, field)                                                    \
                                                                              \
    void nginx_auth_set_##name(ngx_http_request_t *r, unsigned value);        \
                                                                              \
    static int                                                                \
    check_##name(int fill, unsigned value)                                    \
    {                                                                         \
        static ngx_http_request_t  ours, theirs;                              \
                                                                              \
        memset(&ours, fill, sizeof(ours));                                    \
        memset(&theirs, fill, sizeof(theirs));                                \
                                                                              \
        nginx_auth_set_##name(&ours, value);                                  \
        theirs.field = value;                                                 \
                                                                              \
        return memcmp(&ours, &theirs, sizeof(ours)) == 0;                     \
    }

SETTERS(CHECK)

#define REPORT(name, field)                                                   \
    printf("%s %s\n", #name,                                                  \
           check_##name(0, 0) && check_##name(0, 1) && check_##name(0xff, 0)  \
           && check_##name(0xff, 1) ? "same" : "differs");

int
main(void)
{
    SETTERS(REPORT)

    return 0;
}
