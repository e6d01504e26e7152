/*
 * How a server takes requests, for warnings about its configuration, and what tells it from the
 * others.  In C, because structures and modules depend on how nginx was built.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

/* The bits of Server in server.rs. */

enum {
    TAKES_TLS = 1,
    ASKS_FOR_CERTIFICATES = 2,
    INSISTS_ON_CERTIFICATES = 4,
    IS_DEFAULT = 8,
    IS_REACHED_FROM_ELSEWHERE = 16
};

/* Whether only programs on this machine can connect to an address. */

static ngx_uint_t
is_local(struct sockaddr *sockaddr)
{
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    switch (sockaddr->sa_family) {

#if (NGX_HAVE_UNIX_DOMAIN)
    case AF_UNIX:
        return 1;
#endif

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) sockaddr;
        return IN6_IS_ADDR_LOOPBACK(&sin6->sin6_addr);
#endif

    case AF_INET:
        sin = (struct sockaddr_in *) sockaddr;
        return (ntohl(sin->sin_addr.s_addr) >> 24) == 127;

    default:
        return 0;
    }
}

static ngx_uint_t
of_address(ngx_http_conf_addr_t *addr, ngx_http_core_srv_conf_t *cscf)
{
    ngx_uint_t                  i, bits;
    ngx_http_core_srv_conf_t  **servers;

    servers = addr->servers.elts;

    for (i = 0; i < addr->servers.nelts; i++) {
        if (servers[i] == cscf) {
            break;
        }
    }

    if (i == addr->servers.nelts) {
        return 0;
    }

    bits = 0;

    if (addr->opt.ssl) {
        bits |= TAKES_TLS;
    }

#if (nginx_version >= 1025000)
    if (addr->opt.quic) {
        bits |= TAKES_TLS;
    }
#endif

    if (addr->default_server == cscf) {
        bits |= IS_DEFAULT;
    }

    if (!is_local(addr->opt.sockaddr)) {
        bits |= IS_REACHED_FROM_ELSEWHERE;
    }

    return bits;
}

static ngx_uint_t
of_ssl(ngx_http_core_srv_conf_t *cscf)
{
    ngx_uint_t                bits;
#if (NGX_HTTP_SSL)
    ngx_http_ssl_srv_conf_t  *sscf;
#endif

    bits = 0;

#if (NGX_HTTP_SSL)
    sscf = cscf->ctx->srv_conf[ngx_http_ssl_module.ctx_index];

#if (nginx_version < 1025001)
    if (sscf->enable) {
        bits |= TAKES_TLS;
    }
#endif

    if (sscf->verify) {
        bits |= ASKS_FOR_CERTIFICATES;
    }

    /* on; optional is 2, optional_no_ca 3 (ngx_http_ssl_verify) */
    if (sscf->verify == 1) {
        bits |= INSISTS_ON_CERTIFICATES;
    }
#endif

    return bits;
}

/* The server is told by what all modules have configured for it outside of its locations. */

ngx_uint_t
nginx_auth_server(ngx_conf_t *cf, void **of_server)
{
    ngx_uint_t                   i, j, bits;
    ngx_http_conf_port_t        *ports;
    ngx_http_conf_addr_t        *addrs;
    ngx_http_core_srv_conf_t   **cscfp, *cscf;
    ngx_http_core_main_conf_t   *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    cscfp = cmcf->servers.elts;
    cscf = NULL;

    for (i = 0; i < cmcf->servers.nelts; i++) {
        if (cscfp[i]->ctx->loc_conf == of_server) {
            cscf = cscfp[i];
        }
    }

    if (cscf == NULL || cmcf->ports == NULL) {
        return 0;
    }

    bits = of_ssl(cscf);
    ports = cmcf->ports->elts;

    for (i = 0; i < cmcf->ports->nelts; i++) {
        addrs = ports[i].addrs.elts;

        for (j = 0; j < ports[i].addrs.nelts; j++) {
            bits |= of_address(&addrs[j], cscf);
        }
    }

    return bits;
}

/*
 * What tells a server from the others: all its addresses, also that of a server without `listen`
 * (ngx_http_core_server), and all its names, also the empty one of a server without `server_name`
 * (ngx_http_core_merge_srv_conf).  The kinds are 'a' for an address, 'q' for one of QUIC, 'd' for
 * one whose `default_server` it is, 'n' for a name, and 'r' for a regular expression.
 */

void
nginx_auth_visit_server_identity(ngx_conf_t *cf, const ngx_http_core_srv_conf_t *cscf,
    void (*visit)(void *data, u_char kind, const u_char *text, size_t len), void *data)
{
    size_t                       len;
    u_char                       kind, text[NGX_SOCKADDR_STRLEN];
    ngx_uint_t                   i, j, k;
    ngx_http_conf_addr_t        *addrs;
    ngx_http_conf_port_t        *ports;
    ngx_http_server_name_t      *names;
    ngx_http_core_srv_conf_t   **servers;
    ngx_http_core_main_conf_t   *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    for (i = 0; cmcf->ports && i < cmcf->ports->nelts; i++) {
        ports = cmcf->ports->elts;
        addrs = ports[i].addrs.elts;

        for (j = 0; j < ports[i].addrs.nelts; j++) {
            servers = addrs[j].servers.elts;

            for (k = 0; k < addrs[j].servers.nelts; k++) {
                if (servers[k] != cscf) {
                    continue;
                }

                kind = 'a';

#if (nginx_version >= 1025000)
                if (addrs[j].opt.quic) {
                    kind = 'q';
                }
#endif

                len = ngx_sock_ntop(addrs[j].opt.sockaddr, addrs[j].opt.socklen, text,
                                    NGX_SOCKADDR_STRLEN, 1);
                visit(data, kind, text, len);

                /* Of servers that are alike in all else, only this one gets other hosts. */

                if (addrs[j].opt.default_server && addrs[j].default_server == cscf) {
                    visit(data, 'd', text, len);
                }

                break;
            }
        }
    }

    names = cscf->server_names.elts;

    for (i = 0; i < cscf->server_names.nelts; i++) {
        kind = 'n';

#if (NGX_PCRE)
        if (names[i].regex) {
            kind = 'r';
        }
#endif

        visit(data, kind, names[i].name.data, names[i].name.len);
    }
}

/*
 * Whether a location has `allow` or `deny`, and `satisfy all`, without which a token is enough.
 *
 * nginx may have been built without their module, whose symbol would then be missing, so the module
 * is looked up by its name.  Its structure is in its own file; it consists of pointers to the rules
 * for a kind of address, each NULL if there are none.
 */

ngx_uint_t
nginx_auth_requires_address(ngx_conf_t *cf, void **confs)
{
    ngx_uint_t                 i;
    ngx_array_t               *rules;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = confs[ngx_http_core_module.ctx_index];

    if (clcf->satisfy != NGX_HTTP_SATISFY_ALL) {
        return 0;
    }

    for (i = 0; cf->cycle->modules[i]; i++) {
        if (ngx_strcmp(cf->cycle->modules[i]->name, "ngx_http_access_module") == 0) {
            rules = *(ngx_array_t **) confs[cf->cycle->modules[i]->ctx_index];
            return rules != NULL;
        }
    }

    return 0;
}
