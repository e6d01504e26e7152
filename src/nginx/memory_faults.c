/* What UndefinedBehaviorSanitizer has to report, for memory_faults.rs. */

#include <ngx_config.h>
#include <ngx_core.h>

ngx_int_t
nginx_auth_undefined_shift(int places)
{
    return 1 << places;
}
