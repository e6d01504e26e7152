/*
 * Stands in for an auth_jwt module that nginx itself may have one day: the same name, directives
 * and variables. It refuses each of its directives, so that a test sees which module got one.
 *
 * ORDER: the module that it comes before in nginx's list of modules; "" for none. FLAGS: those of its
 * variables.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

static char *refuse(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return "was given to the built-in auth_jwt";
}

#define DIRECTIVE(name, arguments)                                                                 \
    {                                                                                              \
        ngx_string(name),                                                                          \
            NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF | NGX_HTTP_LMT_CONF         \
                | arguments,                                                                       \
            refuse, 0, 0, NULL                                                                     \
    }

static ngx_command_t commands[] = { DIRECTIVE("auth_jwt", NGX_CONF_TAKE12),
    DIRECTIVE("auth_jwt_claim_set", NGX_CONF_2MORE), DIRECTIVE("auth_jwt_header_set", NGX_CONF_2MORE),
    DIRECTIVE("auth_jwt_key_cache", NGX_CONF_TAKE1), DIRECTIVE("auth_jwt_key_file", NGX_CONF_TAKE1),
    DIRECTIVE("auth_jwt_leeway", NGX_CONF_TAKE1), DIRECTIVE("auth_jwt_require", NGX_CONF_1MORE),
    DIRECTIVE("auth_jwt_type", NGX_CONF_TAKE1), ngx_null_command };

static ngx_int_t get(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
    v->len = sizeof("built-in") - 1;
    v->data = (u_char *) "built-in";
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    return NGX_OK;
}

static ngx_int_t add_variables(ngx_conf_t *cf)
{
    ngx_uint_t i;
    ngx_str_t names[] = { ngx_string("jwt_payload"), ngx_string("jwt_claim_"),
        ngx_string("jwt_header_"), ngx_string("jwt_other") };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        ngx_uint_t flags = FLAGS | (names[i].data[names[i].len - 1] == '_' ? NGX_HTTP_VAR_PREFIX : 0);
        ngx_http_variable_t *v = ngx_http_add_variable(cf, &names[i], flags);
        if (v == NULL) {
            return NGX_ERROR;
        }
        v->get_handler = get;
    }

    return NGX_OK;
}

static ngx_http_module_t context = { .preconfiguration = add_variables };

ngx_module_t ngx_http_auth_jwt_module
    = { NGX_MODULE_V1, &context, commands, NGX_HTTP_MODULE, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
          NGX_MODULE_V1_PADDING };

#ifdef ORDER
ngx_module_t *ngx_modules[] = { &ngx_http_auth_jwt_module, NULL };
char *ngx_module_names[] = { "ngx_http_auth_jwt_module", NULL };
char *ngx_module_order[] = { "ngx_http_auth_jwt_module", ORDER, NULL };
#endif
