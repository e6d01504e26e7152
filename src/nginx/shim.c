/*
 * Functions that have to be in C, because they use nginx's macros, fields that only some versions
 * or builds of nginx have, or bit fields of structures other than the request, for which see
 * bitfields.c.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

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

ngx_uint_t
nginx_auth_buf_ends_response(const ngx_buf_t *b)
{
    return b->last_buf || b->last_in_chain;
}

ngx_uint_t
nginx_auth_connection_failed(const ngx_http_request_t *r)
{
    return r->connection->error;
}

void
nginx_auth_forgive_connection(ngx_http_request_t *r)
{
    r->connection->error = 0;
}

/* Keeps nginx from caching and storing the response of an upstream. */

void
nginx_auth_forbid_storing(ngx_http_request_t *r)
{
    if (r->upstream) {
        r->upstream->cacheable = 0;
        r->upstream->store = 0;
    }
}

/*
 * Makes nginx stop reading the response of an upstream.  Otherwise nginx would read a response
 * that it caches or stores to its end, and would then cache that the upstream has failed.
 */

void
nginx_auth_stop_upstream(ngx_http_request_t *r)
{
    nginx_auth_forbid_storing(r);

    if (r->upstream && r->upstream->pipe) {
        r->upstream->pipe->upstream_error = 1;
    }
}

/*
 * Whether a response is that of an upstream, which nginx is reading from.  After an error page or
 * an internal redirect nginx has finalized the upstream, which then has no cleanup handler.
 */

ngx_uint_t
nginx_auth_is_from_upstream(const ngx_http_request_t *r)
{
#if (NGX_HTTP_CACHE)
    if (r->cached) {
        return 0;
    }
#endif

    return r->upstream && r->upstream->cleanup;
}

/*
 * Tells what follows the header of a response: `Rest` in shim.rs has the numbers.  A body from the
 * upstream is not worth reading if the connection will not be used again, or if the body is longer
 * than `max`.
 *
 * An upstream whose response is complete with its header has `keepalive` set
 * (ngx_http_proxy_process_header); if nothing has come after it, the connection can be kept as it
 * is.
 */

ngx_uint_t
nginx_auth_rest_of_response(const ngx_http_request_t *r, off_t max)
{
    const ngx_http_upstream_t  *u;

    u = r->upstream;

    if (!nginx_auth_is_from_upstream(r)
        || (u->keepalive && u->buffer.pos == u->buffer.last))
    {
        return 0;
    }

    if (u->headers_in.content_length_n > max
        || (u->headers_in.connection_close && !u->cacheable && !u->store))
    {
        return 1;
    }

    return 2;
}

/*
 * The status of a response of the upstream in place of which nginx serves something else, because
 * the response has X-Accel-Redirect; 0 if there is none.
 */

ngx_uint_t
nginx_auth_redirecting_status(const ngx_http_request_t *r)
{
    const ngx_http_upstream_t  *u;

    u = r->upstream;

    if (u == NULL || u->cleanup || u->headers_in.x_accel_redirect == NULL
        || (u->conf->ignore_headers & NGX_HTTP_UPSTREAM_IGN_XA_REDIRECT))
    {
        return 0;
    }

    return u->headers_in.status_n;
}

/*
 * Has nginx read the response of an upstream through an event pipe, whatever the location or the
 * response say.  Otherwise nginx would read it on the client's connection, whose timers it would
 * change, although the client's response may wait for one of them (auth_delay, limit_rate).  Nobody
 * sees the difference, because no client gets the response.  A module whose responses
 * X-Accel-Buffering can switch has prepared both ways; nginx looks at the flag when the header was
 * sent (ngx_http_upstream_send_response).
 *
 * A response that is not buffered is neither cached nor stored.
 */

void
nginx_auth_buffer_upstream(ngx_http_request_t *r)
{
    ngx_http_upstream_t  *u = r->upstream;

    if (nginx_auth_is_from_upstream(r) && !u->buffering && u->pipe && u->conf->change_buffering) {
        u->buffering = 1;
        nginx_auth_forbid_storing(r);
    }
}

/*
 * Whether nginx reads the response on the client's connection all the same, as it does for modules
 * that do not know event pipes (memcached_pass, grpc_pass).
 */

ngx_uint_t
nginx_auth_is_unbuffered(const ngx_http_request_t *r)
{
    return nginx_auth_is_from_upstream(r) && !r->upstream->buffering;
}

/*
 * Called when a thread has done what a subrequest in the background has it do.  nginx's own handler
 * would do nothing while the client's connection is delayed (auth_delay, limit_rate).
 *
 * If the subrequest has ended meanwhile, the client's request may have waited for the thread
 * (ngx_http_terminate_request): nginx has it run then, too (ngx_http_copy_thread_event_handler).
 */

static void
continue_in_background(ngx_http_request_t *r)
{
    ngx_event_t          *wev = r->connection->write;
    ngx_http_upstream_t  *u = r->upstream;

    if (u && u->cleanup && u->peer.connection) {
        u->pipe->aio = 0;
        u->read_event_handler(r, u);

    } else {
        wev->handler(wev);
    }
}

/*
 * Makes a subrequest, which has sent its header, one that its parent does not wait for.  nginx
 * makes such a subrequest with NGX_HTTP_SUBREQUEST_BACKGROUND.
 *
 * `downstream` and `write` are zeroed, and live as long as the request.  The event pipe passes a
 * response on only if its request is the active one of the connection, which is now the parent.
 * It therefore gets a connection for itself, which takes everything.  The body goes to `output` and
 * not through nginx's filters, which would read it from a file first, by a thread perhaps.
 */

void
nginx_auth_put_in_background(ngx_http_request_t *r, ngx_connection_t *downstream,
    ngx_event_t *write, ngx_event_pipe_output_filter_pt output)
{
    ngx_http_postponed_request_t  **link;

    for (link = &r->parent->postponed; *link; link = &(*link)->next) {
        if ((*link)->request == r) {
            *link = (*link)->next;
            break;
        }
    }

    if (r->connection->data == r) {
        r->connection->data = r->parent;
    }

    r->background = 1;

    if (r->upstream && r->upstream->buffering && r->upstream->pipe) {
        write->data = downstream;
        write->ready = 1;
        write->log = r->connection->log;

        downstream->fd = (ngx_socket_t) -1;
        downstream->data = r;
        downstream->write = write;
        downstream->log = r->connection->log;

        r->upstream->pipe->downstream = downstream;
        r->upstream->pipe->output_filter = output;
        r->write_event_handler = continue_in_background;
    }
}

/*
 * Closes the connection to the upstream of a subrequest in the background, and ends the
 * subrequest (ngx_http_upstream_cleanup).  That may free the client's request.
 */

void
nginx_auth_end_upstream(ngx_http_request_t *r)
{
    if (r->upstream && r->upstream->cleanup) {
        (*r->upstream->cleanup)(r);
    }
}

/* Whether a thread works for this very request. */

ngx_uint_t
nginx_auth_has_thread(const ngx_http_request_t *r)
{
    return r->aio;
}

/*
 * Keeps the client's request when nginx is about to end a subrequest that a thread works for.
 * nginx waits for the thread only where it waits for a filter as well (r->buffered), and otherwise
 * never looks again at a request that ends before its thread (ngx_http_close_request).
 */

void
nginx_auth_hold_client_request(ngx_http_request_t *r)
{
    r->main->count++;
    r->write_event_handler = continue_in_background;
}

/* Ends that.  This may free the client's request. */

void
nginx_auth_release_client_request(ngx_http_request_t *r)
{
    ngx_http_finalize_request(r, NGX_DONE);
}

/*
 * Removes the time limit of the client's connection that nginx has set while it waited for a
 * subrequest's thread (ngx_http_set_write_handler).  Nothing is being sent yet.
 */

void
nginx_auth_forget_send_timeout(ngx_http_request_t *r)
{
    ngx_event_t  *wev = r->connection->write;

    if (wev->timer_set && !wev->delayed) {
        ngx_del_timer(wev);
    }
}

/* Whether a thread works for the client's request, which then must not be freed. */

ngx_uint_t
nginx_auth_is_blocked(const ngx_http_request_t *r)
{
    return r->aio || r->main->blocked;
}

/*
 * Tells who waits for the end of a subrequest in the background.  0: nobody, because the client's
 * request is not complete.  1: other requests of the client.  With HTTP/1 the next one on the
 * connection waits.  With HTTP/2 and HTTP/3 none does, but the request that is complete counts for
 * limit_conn, and as one of the streams that a client may have at once.  2: the client, for the end
 * of its connection.
 */

ngx_uint_t
nginx_auth_who_waits(const ngx_http_request_t *r)
{
    const ngx_http_request_t  *main;

    main = r->main;

    if (!main->done) {
        return 0;
    }

    if (main->http_version >= NGX_HTTP_VERSION_20) {
        return 1;
    }

#if (NGX_HTTP_SSL)
    if (main->connection->ssl) {
        return 1;
    }
#endif

    return main->keepalive ? 1 : 2;
}

/* Tells a client, which has its whole response, that nothing more will come. */

void
nginx_auth_end_output(ngx_http_request_t *r)
{
    (void) ngx_shutdown_socket(r->connection->fd, NGX_WRITE_SHUTDOWN);
}

void
nginx_auth_start_timer(ngx_event_t *ev, ngx_msec_t time)
{
    ngx_add_timer(ev, time);
}

void
nginx_auth_delete_event(ngx_event_t *ev)
{
    if (ev->posted) {
        ngx_delete_posted_event(ev);
    }

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }
}

void
nginx_auth_post_event(ngx_event_t *ev)
{
    ngx_post_event(ev, &ngx_posted_events);
}

/*
 * Has a handler send the response when a time is over, as nginx does with a 401 because of
 * auth_delay (ngx_http_core_auth_delay, which is static).
 */

ngx_int_t
nginx_auth_delay_response(ngx_http_request_t *r, ngx_msec_t delay,
    ngx_http_event_handler_pt handler)
{
    ngx_connection_t  *c;

    c = r->connection;

    ngx_log_error(NGX_LOG_INFO, c->log, 0, "delaying unauthorized request");

    if (c->read->ready) {
        ngx_post_event(c->read, &ngx_posted_events);

    } else if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = handler;

    c->write->delayed = 1;
    ngx_add_timer(c->write, delay);

    /* One more iteration of the event loop, so that each delay takes the same time. */
    ngx_post_event(c->write, &ngx_posted_next_events);

    return NGX_OK;
}

/* Whether that time is not over.  2: nginx failed. */

ngx_uint_t
nginx_auth_is_delayed(ngx_http_request_t *r)
{
    if (!r->connection->write->delayed) {
        return 0;
    }

    return ngx_handle_write_event(r->connection->write, 0) == NGX_OK ? 1 : 2;
}

/*
 * Tells who produced the status of a response: an index of ORIGINS in subrequest_response.rs.
 *
 * nginx keeps one state for each attempt to reach an upstream.  After an internal redirect it
 * begins with a state that has no peer.
 */

enum {
    ORIGIN_SERVICE,
    ORIGIN_ELSEWHERE,
    ORIGIN_NO_CONNECTION,
    ORIGIN_TIMED_OUT,
    ORIGIN_NO_RESPONSE,
    ORIGIN_INVALID_RESPONSE,
    ORIGIN_NOT_ASKED
};

/*
 * "no live upstreams": nginx has found no server to connect to.  The state then has the name of the
 * group, and the address of no server (ngx_http_upstream_get_round_robin_peer).  For a UNIX socket
 * the names of group and server are the same, and there is no other server to be tried before.
 */

static ngx_uint_t
is_without_server(const ngx_http_upstream_t *u, const ngx_str_t *peer)
{
    const ngx_str_t  *group;

    if (u->peer.socklen == 0) {
        return 1;
    }

    if (u->upstream == NULL) {
        return 0;
    }

    group = &u->upstream->host;

    return group->len == peer->len
           && ngx_strncmp(group->data, peer->data, peer->len) == 0
           && (peer->len < 5 || ngx_strncmp(peer->data, "unix:", 5) != 0);
}

static ngx_uint_t
origin_of_attempt(const ngx_http_upstream_t *u,
    const ngx_http_upstream_state_t *state)
{
    if (is_without_server(u, state->peer)) {
        return ORIGIN_NOT_ASKED;
    }

    if (state->header_time != (ngx_msec_t) -1) {
        /* The response made nginx ask the next server. */
        return ORIGIN_NO_RESPONSE;
    }

    if (state->connect_time == (ngx_msec_t) -1) {
        return ORIGIN_NO_CONNECTION;
    }

    if (state->status == NGX_HTTP_GATEWAY_TIME_OUT) {
        return ORIGIN_TIMED_OUT;
    }

    return state->bytes_received ? ORIGIN_INVALID_RESPONSE : ORIGIN_NO_RESPONSE;
}

ngx_uint_t
nginx_auth_origin(const ngx_http_request_t *r, ngx_uint_t status)
{
    ngx_uint_t                        i, origin, attempt;
    const ngx_http_upstream_t        *u;
    const ngx_http_upstream_state_t  *states;

    u = r->upstream;

    if (u == NULL) {
        return ORIGIN_ELSEWHERE;
    }

#if (NGX_HTTP_CACHE)
    if (r->cached) {
        return ORIGIN_ELSEWHERE;
    }
#endif

    if (u->state == NULL) {
        return ORIGIN_NOT_ASKED;
    }

    if (u->state->header_time != (ngx_msec_t) -1) {
        return u->headers_in.status_n == status ? ORIGIN_SERVICE : ORIGIN_ELSEWHERE;
    }

    /* An outage shows in each attempt: another one may have been the work of a client. */

    origin = ORIGIN_NOT_ASKED;
    states = r->upstream_states->elts;

    for (i = r->upstream_states->nelts; i > 0 && states[i - 1].peer; i--) {
        attempt = origin_of_attempt(u, &states[i - 1]);

        if (i == r->upstream_states->nelts
            || (attempt != ORIGIN_NO_CONNECTION && attempt != ORIGIN_TIMED_OUT))
        {
            origin = attempt;
        }
    }

    return origin;
}

static ngx_uint_t
has_variables(const ngx_http_complex_value_t *value)
{
    return value != NULL && value->lengths != NULL;
}

/*
 * Whether a client may have a say in how nginx connects to an upstream: a variable is in the name or
 * the certificate of TLS, or in the local address.
 */

ngx_uint_t
nginx_auth_connection_has_variables(const ngx_http_request_t *r)
{
    const ngx_http_upstream_t       *u;
    const ngx_http_upstream_conf_t  *conf;

    u = r->upstream;

    if (u == NULL || u->conf == NULL) {
        return 0;
    }

    conf = u->conf;

    if (conf->local && has_variables(conf->local->value)) {
        return 1;
    }

#if (NGX_HTTP_SSL)
    if (u->ssl) {
        return has_variables(conf->ssl_name)
               || has_variables(conf->ssl_certificate)
               || has_variables(conf->ssl_certificate_key);
    }
#endif

    return 0;
}

/* The status of the response that an upstream has sent, if `status` is another one; 0 if not. */

ngx_uint_t
nginx_auth_replaced_status(const ngx_http_request_t *r, ngx_uint_t status)
{
    const ngx_http_upstream_t  *u;

    u = r->upstream;

#if (NGX_HTTP_CACHE)
    if (r->cached) {
        return 0;
    }
#endif

    if (u == NULL || u->state == NULL || u->state->header_time == (ngx_msec_t) -1
        || u->headers_in.status_n == status)
    {
        return 0;
    }

    return u->headers_in.status_n;
}

/* Tells locations of the same name but of different kinds apart. */

ngx_uint_t
nginx_auth_location_kind(const ngx_http_core_loc_conf_t *clcf)
{
    ngx_uint_t  kind;

    kind = clcf->exact_match | (clcf->noname << 1) | (clcf->named << 2);

#if (NGX_PCRE)
    if (clcf->regex) {
        kind |= 8;
    }
#endif

    return kind;
}

/*
 * nginx keeps pointers to the header lines that it knows by name.  `line` may be a copy of the line
 * that nginx points to.  Both then share the bytes of the name, and therefore the addresses of the
 * names are compared.
 */

#define FORGET(field)                                                         \
    if (r->headers_in.field                                                   \
        && r->headers_in.field->key.data == line->key.data)                   \
    {                                                                         \
        r->headers_in.field = NULL;                                           \
    }

/* The next line with this name behind `*index` in the part `*part` of a list of header lines. */

static ngx_table_elt_t *
next_line(ngx_list_part_t **part, ngx_uint_t *index, const char *name)
{
    ngx_table_elt_t  *line;

    while (*part) {
        while (*index < (*part)->nelts) {
            line = (ngx_table_elt_t *) (*part)->elts + (*index)++;

            if (line->key.len == ngx_strlen(name)
                && ngx_strncasecmp(line->key.data, (u_char *) name, line->key.len) == 0)
            {
                return line;
            }
        }

        *part = (*part)->next;
        *index = 0;
    }

    return NULL;
}

/* Points to the first line with this name; since 1.23.0 each of them points to the next one. */

static void
link_lines(ngx_http_request_t *r, ngx_table_elt_t **link, const char *name)
{
    ngx_uint_t        index;
    ngx_list_part_t  *part;

    part = &r->headers_in.headers.part;
    index = 0;

    *link = next_line(&part, &index, name);

#if (nginx_version >= 1023000)
    while (*link) {
        link = &(*link)->next;
        *link = next_line(&part, &index, name);
    }
#endif
}

#if (nginx_version < 1023000)

/*
 * Makes a new array of pointers to the lines with this name.  A subrequest shares the old one with
 * its parent.
 */

static ngx_int_t
link_array(ngx_http_request_t *r, ngx_array_t *lines, const char *name)
{
    ngx_uint_t         index;
    ngx_list_part_t   *part;
    ngx_table_elt_t   *line, **place;

    part = &r->headers_in.headers.part;
    index = 0;

    if (ngx_array_init(lines, r->pool, 1, sizeof(ngx_table_elt_t *)) != NGX_OK) {
        return NGX_ERROR;
    }

    while ((line = next_line(&part, &index, name)) != NULL) {
        place = ngx_array_push(lines);
        if (place == NULL) {
            return NGX_ERROR;
        }

        *place = line;
    }

    return NGX_OK;
}

#endif

/*
 * Makes nginx find the lines of the list of header lines where it looks for them: it has pointers
 * to the Cookie lines, and to those that it has variables of their own for, such as
 * $http_user_agent.
 */

ngx_int_t
nginx_auth_link_lines(ngx_http_request_t *r)
{
    link_lines(r, &r->headers_in.user_agent, "User-Agent");
    link_lines(r, &r->headers_in.referer, "Referer");
#if (NGX_HTTP_GZIP || NGX_HTTP_HEADERS)
    link_lines(r, &r->headers_in.via, "Via");
#endif

#if (nginx_version < 1023000)

    if (link_array(r, &r->headers_in.cookies, "Cookie") != NGX_OK) {
        return NGX_ERROR;
    }

#if (NGX_HTTP_X_FORWARDED_FOR)
    if (link_array(r, &r->headers_in.x_forwarded_for, "X-Forwarded-For") != NGX_OK) {
        return NGX_ERROR;
    }
#endif

#else

    link_lines(r, &r->headers_in.cookie, "Cookie");
#if (NGX_HTTP_X_FORWARDED_FOR)
    link_lines(r, &r->headers_in.x_forwarded_for, "X-Forwarded-For");
#endif

#endif

    return NGX_OK;
}

/*
 * Has nginx link lines of one name to each other again before it makes parameters of them for
 * FastCGI, uwsgi or SCGI (ngx_http_link_multi_headers).  It does so once for a request.  In another
 * list the links would lead to lines that are not in it, and nginx has room for as many lines as
 * there are in the list.
 */

void
nginx_auth_forget_links(ngx_http_request_t *r)
{
#if (nginx_version >= 1023000)
    r->headers_in.multi_linked = 0;
    r->headers_in.multi = 0;
#endif
}

/* Removes nginx's pointer to a line that nginx_auth_link_lines() does not link. */

void
nginx_auth_forget_line(ngx_http_request_t *r, const ngx_table_elt_t *line)
{
    FORGET(if_modified_since)
    FORGET(if_unmodified_since)
    FORGET(if_match)
    FORGET(if_none_match)
    FORGET(range)
    FORGET(if_range)
#if (NGX_HTTP_GZIP || NGX_HTTP_HEADERS)
    FORGET(accept_encoding)
#endif
#if (NGX_HTTP_REALIP)
    FORGET(x_real_ip)
#endif
#if (NGX_HTTP_HEADERS)
    FORGET(accept)
    FORGET(accept_language)
#endif
#if (NGX_HTTP_DAV)
    FORGET(depth)
    FORGET(destination)
    FORGET(overwrite)
    FORGET(date)
#endif
}

/*
 * Forgets the conditions, the range and the encodings that the client has asked for, which nginx
 * looks at apart from the list of header lines.
 */

void
nginx_auth_forget_conditions(ngx_http_request_t *r)
{
    r->headers_in.if_modified_since = NULL;
    r->headers_in.if_unmodified_since = NULL;
    r->headers_in.if_match = NULL;
    r->headers_in.if_none_match = NULL;
    r->headers_in.range = NULL;
    r->headers_in.if_range = NULL;
#if (NGX_HTTP_GZIP || NGX_HTTP_HEADERS)
    r->headers_in.accept_encoding = NULL;
#endif
}

/*
 * A request that waits in a phase notices that its client leaves only if it looks for that
 * (ngx_http_limit_req_handler does the same).
 */

void
nginx_auth_watch_client(ngx_http_request_t *r)
{
    ngx_event_t  *rev = r->connection->read;

    r->read_event_handler = ngx_http_test_reading;

    if (rev->ready) {
        ngx_post_event(rev, &ngx_posted_events);

    } else {
        /* If this fails, the request waits on all the same. */
        (void) ngx_handle_read_event(rev, 0);
    }
}

void
nginx_auth_stop_watching_client(ngx_http_request_t *r)
{
    r->read_event_handler = ngx_http_block_reading;
}

/*
 * The values of variables.  bindgen has their layout right, but its accessors for bit fields copy
 * one bit at a time.
 *
 * perf: saves 500 instructions of a request with an auth_request check.
 */

void
nginx_auth_fill_value(ngx_http_variable_value_t *v, u_char *data, size_t len)
{
    /* The field has 28 bits.  No text that a request can contain is as long as its limit. */
    v->len = ngx_min(len, 0x0fffffff);
    v->data = data;
    v->valid = 1;
    v->not_found = 0;
    v->no_cacheable = 0;
}

void
nginx_auth_fill_not_found(ngx_http_variable_value_t *v)
{
    v->not_found = 1;
}

/* nginx computes the value again each time.  A variable's flags say the same by NOCACHEABLE. */

void
nginx_auth_forbid_caching(ngx_http_variable_value_t *v)
{
    v->no_cacheable = 1;
}

void
nginx_auth_forget_value(ngx_http_variable_value_t *v)
{
    v->valid = 0;
    v->not_found = 0;
}

/* Leaves a value that a directive such as "set" has assigned. */

void
nginx_auth_forget_computed_value(ngx_http_variable_value_t *v)
{
    if (v->no_cacheable) {
        v->valid = 0;
        v->not_found = 0;
    }
}

/*
 * A mark in the entry of a variable that has no value, ever: nginx does not look at the length of
 * such a value.
 */

void
nginx_auth_mark_entry(ngx_http_variable_value_t *v, ngx_uint_t mark)
{
    v->len = mark;
}

ngx_uint_t
nginx_auth_is_marked(const ngx_http_variable_value_t *v)
{
    return v->len;
}

ngx_uint_t
nginx_auth_value_text(const ngx_http_variable_value_t *v, ngx_str_t *text)
{
    if (v->not_found) {
        return 0;
    }

    text->len = v->len;
    text->data = v->data;

    return 1;
}

/*
 * Numbers the iterations of the event loop, in parts of a millisecond at most.  In one iteration
 * nginx handles the events that the kernel has reported, and then the events that were posted in
 * the meantime.  A request that arrives with a reported event has begun before the iteration.  This
 * is not certain on a new connection, nor on a connection with TLS or HTTP/2, where nginx may have
 * buffered the request.  The event that ends an iteration goes to the head of the queue, so that
 * posted events, such as that of the next pipelined request, count as part of the next iteration.
 *
 * The last byte of a request may have come later than the kernel's report, while nginx handled
 * other requests.  Nothing tells when; a millisecond bounds by how much.
 *
 * perf: the requests of one iteration share one stat() of a key file, which saves each of them
 * about 0.1 us.
 */

#define LONGEST_PART_NSEC  1000000

static ngx_event_t      iteration_end;
static ngx_uint_t       parts;
static struct timespec  part_start;

static void
end_iteration(ngx_event_t *ev)
{
    (void) ev;

    parts++;
}

static ngx_uint_t
is_within_part(const struct timespec *now)
{
    return now->tv_sec - part_start.tv_sec <= 1
           && (now->tv_sec - part_start.tv_sec) * 1000000000LL
              + (now->tv_nsec - part_start.tv_nsec) < LONGEST_PART_NSEC;
}

ngx_uint_t
nginx_auth_iteration(const ngx_http_request_t *r, ngx_uint_t *iteration)
{
    struct timespec    now;
    ngx_connection_t  *c;

    c = r->connection;

    if (r->http_version >= NGX_HTTP_VERSION_20
        || c->start_time == ngx_current_msec
#if (NGX_HTTP_SSL)
        || c->ssl
#endif
       )
    {
        return 0;
    }

    if (clock_gettime(CLOCK_MONOTONIC, &now) == -1) {
        return 0;
    }

    if (!iteration_end.posted) {
        iteration_end.handler = end_iteration;
        iteration_end.log = ngx_cycle->log;
        iteration_end.posted = 1;
        ngx_queue_insert_head(&ngx_posted_events, &iteration_end.queue);
        part_start = now;

    } else if (!is_within_part(&now)) {
        parts++;
        part_start = now;
    }

    *iteration = parts;

    return 1;
}

/*
 * Tells how far the client's request has come with a handler of the access phase.  0: nginx has not
 * called it yet.  1: nginx is calling it, or will do so again because it waits.  2: it is over, or
 * the response is an error page, which comes before it if another handler has refused the request.
 * The status of an error page is in err_status, and is copied as soon as the header is sent.
 */

ngx_uint_t
nginx_auth_handler_progress(const ngx_http_request_t *r,
    ngx_http_handler_pt handler)
{
    ngx_uint_t                   i;
    ngx_http_phase_handler_t    *ph;
    ngx_http_core_main_conf_t   *cmcf;

    r = r->main;

    if (r->err_status && r->headers_out.status == r->err_status) {
        return 2;
    }

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);
    ph = cmcf->phase_engine.handlers;

    for (i = 0; ph[i].checker; i++) {
        if (ph[i].handler == handler) {
            return (ngx_uint_t) r->phase_handler < i ? 0
                   : (ngx_uint_t) r->phase_handler > i ? 2 : 1;
        }
    }

    return 2;
}

/* The configuration of all modules for a location. */

void **
nginx_auth_location_confs(const ngx_http_core_loc_conf_t *clcf)
{
    return clcf->loc_conf;
}

ngx_uint_t
nginx_auth_is_location_noname(const ngx_http_core_loc_conf_t *clcf)
{
    return clcf->noname;
}

ngx_uint_t
nginx_auth_is_location_internal(const ngx_http_core_loc_conf_t *clcf)
{
    return clcf->named || clcf->internal == 1;
}

/*
 * The URI that error_page shows for a status, as ngx_http_special_response_handler() chooses it, or
 * NULL if there is none, or one that depends on the request.
 */

const ngx_str_t *
nginx_auth_error_page(const ngx_http_core_loc_conf_t *clcf, ngx_uint_t status)
{
    ngx_uint_t            i;
    ngx_http_err_page_t  *page;

    if (clcf->error_pages == NULL) {
        return NULL;
    }

    page = clcf->error_pages->elts;

    for (i = 0; i < clcf->error_pages->nelts; i++) {
        if (page[i].status == (ngx_int_t) status) {
            return page[i].value.lengths == NULL ? &page[i].value.value : NULL;
        }
    }

    return NULL;
}

/*
 * Calls a function for each server and each of its locations, nested ones as well.  nginx has them
 * in trees when it has read the configuration.
 */

typedef void (*visit_pt)(void *data, void **of_server,
    ngx_http_core_loc_conf_t *location);

static void visit_location(visit_pt visit, void *data, void **of_server,
    ngx_http_core_loc_conf_t *location);

static void
visit_tree(visit_pt visit, void *data, void **of_server,
    ngx_http_location_tree_node_t *node)
{
    if (node == NULL) {
        return;
    }

    visit_tree(visit, data, of_server, node->left);
    visit_location(visit, data, of_server, node->exact);
    visit_location(visit, data, of_server, node->inclusive);
    visit_tree(visit, data, of_server, node->tree);
    visit_tree(visit, data, of_server, node->right);
}

static void
visit_location(visit_pt visit, void *data, void **of_server,
    ngx_http_core_loc_conf_t *location)
{
    if (location == NULL) {
        return;
    }

    visit(data, of_server, location);
    visit_tree(visit, data, of_server, location->static_locations);

#if (NGX_PCRE)
    {
    ngx_http_core_loc_conf_t  **regex;

    for (regex = location->regex_locations; regex && *regex; regex++) {
        visit_location(visit, data, of_server, *regex);
    }
    }
#endif
}

void
nginx_auth_visit_locations(ngx_conf_t *cf, visit_pt visit, void *data)
{
    ngx_uint_t                   i;
    void                       **of_server;
    ngx_http_core_loc_conf_t   **named;
    ngx_http_core_srv_conf_t   **cscfp;
    ngx_http_core_main_conf_t   *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    cscfp = cmcf->servers.elts;

    for (i = 0; i < cmcf->servers.nelts; i++) {
        of_server = cscfp[i]->ctx->loc_conf;
        visit_location(visit, data, of_server,
                       of_server[ngx_http_core_module.ctx_index]);

        for (named = cscfp[i]->named_locations; named && *named; named++) {
            visit_location(visit, data, of_server, *named);
        }
    }
}

/*
 * Finds the location that a path reaches, as ngx_http_core_find_location() does for a request:
 * the longest prefix, unless a regular expression matches first.  `exact` tells that nothing else
 * is to be tried.  Returns NULL if a regular expression cannot be tried.
 */

static ngx_http_core_loc_conf_t *
find_prefix(ngx_http_location_tree_node_t *node, u_char *path, size_t length,
    ngx_uint_t *exact)
{
    ngx_int_t                  order;
    ngx_http_core_loc_conf_t  *found;

    found = NULL;

    while (node) {
        order = ngx_filename_cmp(path, node->name, ngx_min(length, node->len));

        if (order < 0 || (order == 0 && length < node->len)) {
            node = node->left;

        } else if (order > 0 || (length > node->len && !node->inclusive)) {
            node = node->right;

        } else if (length == node->len) {
            *exact = node->exact != NULL;
            return node->exact ? node->exact : node->inclusive;

        } else {
            found = node->inclusive;
            path += node->len;
            length -= node->len;
            node = node->tree;
        }
    }

    return found;
}

#define FOUND_PREFIX    0    /* a regular expression further out may come before it */
#define FOUND_FINALLY   1
#define FOUND_NOTHING   2

static ngx_uint_t
find_within(ngx_http_core_loc_conf_t *level, ngx_str_t *path,
    ngx_http_core_loc_conf_t **found)
{
    ngx_uint_t                 exact, result;
    ngx_http_core_loc_conf_t  *prefix;

    *found = level;
    exact = 0;

    prefix = find_prefix(level->static_locations, path->data, path->len, &exact);

    if (prefix) {
        if (exact) {
            *found = prefix;
            return FOUND_FINALLY;
        }

        result = find_within(prefix, path, found);

        if (result != FOUND_PREFIX) {
            return result;
        }
    }

#if (NGX_PCRE)
    if (prefix == NULL || !prefix->noregex) {
        ngx_int_t                   n;
        ngx_http_core_loc_conf_t  **regex;

        for (regex = level->regex_locations; regex && *regex; regex++) {
            n = ngx_regex_exec((*regex)->regex->regex, path, NULL, 0);

            if (n >= 0) {
                result = find_within(*regex, path, found);
                return result == FOUND_PREFIX ? FOUND_FINALLY : result;
            }

            if (n != NGX_REGEX_NO_MATCHED) {
                return FOUND_NOTHING;
            }
        }
    }
#endif

    return FOUND_PREFIX;
}

ngx_http_core_loc_conf_t *
nginx_auth_find_location(ngx_http_core_loc_conf_t *server, ngx_str_t *path)
{
    ngx_http_core_loc_conf_t  *found;

    return find_within(server, path, &found) == FOUND_NOTHING ? NULL : found;
}

/*
 * The status of a "return" that answers all requests of a location, or 0.  The rewrite module keeps
 * the commands of a location one behind the other, each beginning with the function that carries it
 * out.  The commands in an "if" are skipped, and what follows a "rewrite" or "break" depends on the
 * request.  The array is the first member of the module's configuration, whose type is private.
 */

typedef struct {
    ngx_array_t  *codes;
} rewrite_loc_conf_t;

ngx_uint_t
nginx_auth_unconditional_return(ngx_conf_t *cf, void *const *confs)
{
    u_char                         *p, *last;
    ngx_uint_t                      i;
    ngx_module_t                   *rewrite;
    rewrite_loc_conf_t             *rlcf;
    ngx_http_script_code_pt         code;
    ngx_http_script_if_code_t      *if_code;
    ngx_http_script_return_code_t  *return_code;

    rewrite = NULL;

    for (i = 0; cf->cycle->modules[i]; i++) {
        if (ngx_strcmp(cf->cycle->modules[i]->name, "ngx_http_rewrite_module") == 0) {
            rewrite = cf->cycle->modules[i];
        }
    }

    if (rewrite == NULL) {
        return 0;
    }

    rlcf = confs[rewrite->ctx_index];

    if (rlcf == NULL || rlcf->codes == NULL) {
        return 0;
    }

    p = rlcf->codes->elts;
    last = p + rlcf->codes->nelts;

    while (p + sizeof(uintptr_t) <= last) {
        code = *(ngx_http_script_code_pt *) p;

        if (code == ngx_http_script_return_code) {
            return_code = (ngx_http_script_return_code_t *) p;
            return return_code->status;
        }

        if (code == ngx_http_script_if_code) {
            if_code = (ngx_http_script_if_code_t *) p;
            p += ngx_max(if_code->next, sizeof(ngx_http_script_if_code_t));
            continue;
        }

        if (code == ngx_http_script_break_code
#if (NGX_PCRE)
            || code == ngx_http_script_regex_start_code
#endif
           )
        {
            return 0;
        }

        p += sizeof(uintptr_t);
    }

    return 0;
}

/*
 * Regular expressions.  What a client sends is searched, so that the work must be bounded.  nginx
 * has no way to set limits for a search, but they can be written in front of an expression; one
 * that the expression itself sets can only be lower (pcre2pattern, pcrepattern).  PCRE counts anew
 * for each character that a match may begin at, so that the caller must bound the text as well.
 * PCRE2 before 10.30 and PCRE1 have no limit for the heap; there the depth alone bounds the memory.
 */

#if (NGX_PCRE)

#if (NGX_PCRE2) && defined(PCRE2_ERROR_HEAPLIMIT)
#define NGINX_AUTH_REGEX_LIMITS                                               \
    "(*LIMIT_MATCH=10000)(*LIMIT_DEPTH=10000)(*LIMIT_HEAP=4096)"
#else
#define NGINX_AUTH_REGEX_LIMITS                                               \
    "(*LIMIT_MATCH=10000)(*LIMIT_RECURSION=2000)"
#endif

/*
 * Compiles an expression that ends with a NUL which is not counted.  Returns NULL, and what is
 * wrong in err, if it cannot be compiled.
 */

void *
nginx_auth_regex_compile(ngx_pool_t *pool, ngx_str_t *pattern, ngx_str_t *err)
{
    u_char               *p;
    ngx_regex_compile_t   rc;

    ngx_memzero(&rc, sizeof(ngx_regex_compile_t));

    rc.pool = pool;
    rc.err = *err;
    rc.pattern.len = sizeof(NGINX_AUTH_REGEX_LIMITS) - 1 + pattern->len;
    rc.pattern.data = ngx_pnalloc(pool, rc.pattern.len + 1);

    if (rc.pattern.data == NULL) {
        err->len = ngx_snprintf(err->data, err->len, "no memory") - err->data;
        return NULL;
    }

    p = ngx_cpymem(rc.pattern.data, NGINX_AUTH_REGEX_LIMITS,
                   sizeof(NGINX_AUTH_REGEX_LIMITS) - 1);
    ngx_memcpy(p, pattern->data, pattern->len + 1);

    if (ngx_regex_compile(&rc) == NGX_OK) {
        return rc.regex;
    }

    *err = rc.err;

    return NULL;
}

/* Returns 1 if the expression is found, 0 if it is not, and -1 if the search was given up. */

ngx_int_t
nginx_auth_regex_matches(void *regex, ngx_str_t *text)
{
    ngx_int_t  rc;

    rc = ngx_regex_exec(regex, text, NULL, 0);

    if (rc >= 0) {
        return 1;
    }

    return rc == NGX_REGEX_NO_MATCHED ? 0 : -1;
}

#else

void *
nginx_auth_regex_compile(ngx_pool_t *pool, ngx_str_t *pattern, ngx_str_t *err)
{
    err->len = ngx_snprintf(err->data, err->len, "nginx was built without PCRE")
               - err->data;
    return NULL;
}

ngx_int_t
nginx_auth_regex_matches(void *regex, ngx_str_t *text)
{
    return -1;
}

#endif
