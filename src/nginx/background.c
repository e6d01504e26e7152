/*
 * A request of no client, inside which subrequests can run: a fetch must not end because the client
 * that began it leaves.  nginx has requests on connections only, so this one has a connection to
 * nobody: one end of a datagram socket without a name, to which nothing ever comes.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

/* How often a worker that shuts down looks whether the request is still needed. */
#define SHUTDOWN_CHECK_MSEC  500

typedef ngx_uint_t (*is_awaited_pt)(void *data);

typedef struct {
    ngx_http_connection_t  http;        /* the first member, see own_connection() */
    ngx_log_t              log;
    ngx_http_log_ctx_t     log_ctx;
    ngx_event_t            shutdown_check;
    is_awaited_pt          is_awaited;
    void                  *data;
} background_connection_t;

/* What nginx has for the address of a client on a Unix domain socket without a name. */
static struct sockaddr  nobody = { .sa_family = AF_UNIX };

static background_connection_t *
own_connection(ngx_http_request_t *r)
{
    return (background_connection_t *) r->http_connection;
}

/*
 * nginx counts a connection down when it closes it (ngx_http_close_connection), which it does right
 * after it has destroyed the pool of the request.
 */

static void
end_request(void *data)
{
    ngx_http_request_t       *r = data;
    background_connection_t  *bc = own_connection(r);

    if (bc->shutdown_check.timer_set) {
        ngx_del_timer(&bc->shutdown_check);
    }

#if (NGX_STAT_STUB)
    (void) ngx_atomic_fetch_add(ngx_stat_active, 1);
#endif
}

/*
 * The timers of an upstream would keep a worker that shuts down alive for as long as they last.
 * This one does not keep it ("cancelable"), and ends the request if nobody needs it.
 */

static void
check_shutdown(ngx_event_t *ev)
{
    ngx_connection_t         *c = ev->data;
    ngx_http_request_t       *r = c->data;
    background_connection_t  *bc = own_connection(r->main);

    if (ngx_exiting && !bc->is_awaited(bc->data)) {
        c->close = 1;
        c->read->handler(c->read);
        return;
    }

    ngx_add_timer(ev, SHUTDOWN_CHECK_MSEC);
}

static ngx_connection_t *
open_connection(const ngx_http_request_t *client)
{
    ngx_socket_t              s;
    ngx_connection_t         *c;
    ngx_http_core_srv_conf_t *cscf;
    background_connection_t  *bc;
    const ngx_connection_t   *cc = client->connection;

    s = ngx_socket(AF_UNIX, SOCK_DGRAM, 0);

    if (s == (ngx_socket_t) -1) {
        ngx_log_error(NGX_LOG_ALERT, cc->log, ngx_socket_errno, ngx_socket_n " failed");
        return NULL;
    }

    c = NULL;

    if (ngx_nonblocking(s) == -1 || fcntl(s, F_SETFD, FD_CLOEXEC) == -1) {
        ngx_log_error(NGX_LOG_ALERT, cc->log, ngx_socket_errno, ngx_nonblocking_n " failed");

    } else {
        c = ngx_get_connection(s, cc->log);
    }

    if (c == NULL) {
        if (ngx_close_socket(s) == -1) {
            ngx_log_error(NGX_LOG_ALERT, cc->log, ngx_socket_errno, ngx_close_socket_n " failed");
        }

        return NULL;
    }

    c->pool = ngx_create_pool(1024, cc->log);
    bc = c->pool ? ngx_pcalloc(c->pool, sizeof(background_connection_t)) : NULL;

    if (bc == NULL) {
        if (c->pool) {
            ngx_destroy_pool(c->pool);
        }

        ngx_close_connection(c);
        return NULL;
    }

    cscf = ngx_http_get_module_srv_conf(client, ngx_http_core_module);
    bc->http.conf_ctx = cscf->ctx;
    bc->http.addr_conf = client->http_connection->addr_conf;

    c->data = &bc->http;
    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);
    c->start_time = ngx_current_msec;
    c->type = SOCK_STREAM;
    c->listening = cc->listening;
    c->sockaddr = &nobody;
    c->socklen = offsetof(struct sockaddr, sa_data);
    ngx_str_set(&c->addr_text, "unix:");
    c->local_sockaddr = cc->listening->sockaddr;
    c->local_socklen = cc->listening->socklen;
    c->recv = ngx_recv;
    c->send = ngx_send;
    c->recv_chain = ngx_recv_chain;
    c->send_chain = ngx_send_chain;

    /* The socket has neither option, and nginx would take that for a failure. */
    c->tcp_nodelay = NGX_TCP_NODELAY_DISABLED;
    c->tcp_nopush = NGX_TCP_NOPUSH_DISABLED;

    /*
     * The lines of the log are those of the client's location, and name this request.  The handler
     * of events is ngx_http_request_handler, as for every request whose phases nginx runs
     * (ngx_http_process_request).
     */
    bc->log = *cc->log;
    bc->log.connection = c->number;
    bc->log.action = NULL;
    bc->log.data = &bc->log_ctx;
    bc->log_ctx.connection = c;
    c->log = &bc->log;
    c->log_error = NGX_ERROR_INFO;
    c->pool->log = c->log;
    c->read->log = c->log;
    c->write->log = c->log;
    c->read->handler = cc->read->handler;
    c->write->handler = cc->write->handler;
    c->write->ready = 1;

    bc->shutdown_check.handler = check_shutdown;
    bc->shutdown_check.data = c;
    bc->shutdown_check.log = c->log;
    bc->shutdown_check.cancelable = 1;

    return c;
}

/*
 * The rewrite phase of the server runs for each subrequest, and servers for both http and https
 * have "if ($scheme != https) { return 301 ...; }" there.  The connection to nobody has no TLS, so
 * these two variables get their values from the connection of the client that has come so far.
 */

static void
set_scheme(ngx_http_request_t *r, ngx_uint_t is_https)
{
    ngx_uint_t                  i;
    ngx_http_variable_t        *variables;
    ngx_http_variable_value_t  *value;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);
    variables = cmcf->variables.elts;

    for (i = 0; i < cmcf->variables.nelts; i++) {
        value = &r->variables[i];

        if (variables[i].name.len == 6 && ngx_strncmp(variables[i].name.data, "scheme", 6) == 0) {
            value->data = (u_char *) (is_https ? "https" : "http");
            value->len = is_https ? 5 : 4;
            value->valid = 1;

        } else if (variables[i].name.len == 5
                   && ngx_strncmp(variables[i].name.data, "https", 5) == 0)
        {
            value->data = (u_char *) (is_https ? "on" : "");
            value->len = is_https ? 2 : 0;
            value->valid = 1;
        }
    }
}

/*
 * Makes a GET request in the server and for the location of the client's request, without header
 * lines.  It does nothing by itself.  Returns NULL on failure, which nginx logs.
 */

ngx_http_request_t *
nginx_auth_create_background_request(const ngx_http_request_t *client)
{
    ngx_pool_t                *pool;
    ngx_connection_t          *c;
    ngx_pool_cleanup_t        *cln;
    ngx_http_request_t        *r;
    ngx_http_core_srv_conf_t  *cscf;
    ngx_http_core_loc_conf_t  *clcf;

    c = open_connection(client);

    if (c == NULL) {
        return NULL;
    }

    r = ngx_http_create_request(c);

    if (r == NULL) {
        pool = c->pool;
        ngx_close_connection(c);
        ngx_destroy_pool(pool);
        return NULL;
    }

#if (NGX_STAT_STUB)
    /* It is nobody's request, and stub_status does not count it. */
    (void) ngx_atomic_fetch_add(ngx_stat_reading, -1);
    (void) ngx_atomic_fetch_add(ngx_stat_requests, -1);
    r->stat_reading = 0;
#endif

    c->data = r;
    r->loc_conf = client->loc_conf;
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    ngx_set_connection_log(c, clcf->error_log);

    r->method = NGX_HTTP_GET;
    ngx_str_set(&r->method_name, "GET");
    r->http_version = NGX_HTTP_VERSION_11;
    ngx_str_set(&r->http_protocol, "HTTP/1.1");
    r->logged = 1;
    r->write_event_handler = ngx_http_request_empty_handler;
#if (NGX_HTTP_SSL)
    set_scheme(r, client->connection->ssl != NULL);
#else
    set_scheme(r, 0);
#endif

    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

    if (cscf->server_name.len == 0) {
        /* Without a value of $host, "proxy_set_header Host $host" would send no such line. */
        ngx_str_set(&r->headers_in.server, "localhost");
    }

    cln = ngx_pool_cleanup_add(r->pool, 0);

    if (cln == NULL
        || ngx_list_init(&r->headers_in.headers, r->pool, 1, sizeof(ngx_table_elt_t)) != NGX_OK)
    {
#if (NGX_STAT_STUB)
        (void) ngx_atomic_fetch_add(ngx_stat_active, 1);
#endif
        ngx_http_free_request(r, 0);
        ngx_http_close_connection(c);
        return NULL;
    }

    cln->handler = end_request;
    cln->data = r;

    return r;
}

/*
 * Runs what was started inside the request, after the callback that this is called from.  From now
 * on a worker that shuts down asks is_awaited(data) whether the request is still needed.
 */

void
nginx_auth_run_background_request(ngx_http_request_t *r, is_awaited_pt is_awaited, void *data)
{
    background_connection_t  *bc = own_connection(r);

    bc->is_awaited = is_awaited;
    bc->data = data;
    ngx_add_timer(&bc->shutdown_check, SHUTDOWN_CHECK_MSEC);

    ngx_post_event(r->connection->read, &ngx_posted_events);
}

/* What nginx_auth_run_background_request() was given. */

void *
nginx_auth_background_data(const ngx_http_request_t *r)
{
    return ((background_connection_t *) r->http_connection)->data;
}

/*
 * Ends the request.  If nginx itself has something to do inside it, such as the update of a cache
 * in the background, the request ends after that.
 */

void
nginx_auth_end_background_request(ngx_http_request_t *r)
{
    r->write_event_handler = ngx_http_request_empty_handler;

    /*
     * There is no client for which the connection could stay open
     * (ngx_http_finalize_connection).
     */
    r->connection->read->eof = 1;

    ngx_http_finalize_request(r, NGX_DONE);
}

/* A random number of 16 bits, for what nobody has a reason to predict. */

ngx_uint_t
nginx_auth_random(void)
{
    return ngx_random() & 0xffff;
}
