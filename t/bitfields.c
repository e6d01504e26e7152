/*
 * For t/bitfields.t: compares each setter of src/nginx/bitfields.c with the C compiler's own
 * assignment, for the whole struct and for different contents of it.  Prints a line for each setter,
 * "NAME same" or "NAME differs".
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#define SETTERS(CHECK)                                                        \
    CHECK(header_only, header_only)                                           \
    CHECK(headers_in_chunked, headers_in.chunked)                             \
    CHECK(filter_need_in_memory, filter_need_in_memory)                       \
    CHECK(buffered, buffered)                                                 \
    CHECK(preserve_body, preserve_body)                                       \
    CHECK(keepalive, keepalive)                                               \
    CHECK(lingering_close, lingering_close)                                   \
    CHECK(expect_tested, expect_tested)

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
