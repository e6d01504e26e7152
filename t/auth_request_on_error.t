#!/usr/bin/perl

# auth_request_on_error: the response to the client when the service fails.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthRequest;
use Service;
use Test::Nginx qw/ http_end /;
use Test::Nginx::Raw;

use Socket qw/ SOL_SOCKET SO_LINGER /;

# what the service does, what auth_request says of it and the status that it has
# in mind, what lets it in: "allow", or only "allow 5xx"

my @faults = (
    ['close', 502, 'no response from the service', 0],
    ['reset', 502, 'no response from the service', 0],
    ['headers', 502, 'invalid response from the service', 0],
    ['two', 502, 'invalid response from the service', 0],
    ['timeout', 504, 'the service did not respond in time', 'allow'],
    ['stuck header', 504, 'the service did not respond in time', 'allow'],
    # which nginx takes for HTTP/0.9
    ['garbage', '0', undecided('0'), 0],
    [500, 500, undecided(500), '5xx'],
    [502, 502, undecided(502), '5xx'],
    [504, 504, undecided(504), '5xx'],
    [599, 599, undecided(599), '5xx'],
    ['301', 301, undecided(301), 0],
    ['304', 304, undecided(304), 0],
    ['400', 400, undecided(400), 0],
    ['404', 404, undecided(404), 0],
    ['429', 429, undecided(429), 0],
    ['600', 600, undecided(600), 0],
);

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /);

# older versions of nginx use the last of two lengths
@faults = grep { $_->[0] ne 'two' } @faults unless $t->has_version('1.23.0');
$t->plan(7 * @faults + 54);

configure($t, <<'EOF');
    proxy_connect_timeout 1s;
    proxy_read_timeout 1s;
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         %%TESTDIR%%;
        auth_request /auth?$args;
        auth_request_set $told $auth_request_status;
        location / { }
        location /code { auth_request_on_error 503; }
        location /forbidden { auth_request_on_error 403; }
        location /unauthorized { auth_request_on_error 401; }
        location /allow { auth_request_on_error allow; }
        location /5xx { auth_request_on_error allow 5xx; }
        location /page { auth_request_on_error 503; error_page 503 = @page; }
        location @page { auth_request off; return 200 "PAGE $auth_request_status"; }
        location /outer {
            auth_request_on_error allow 5xx;
            location /outer/same { }
            location /outer/other { auth_request_on_error 500; }
        }
        location /any {
            satisfy any;
            deny all;
            auth_request_on_error allow 5xx;
        }
        location = /auth { internal; proxy_pass http://127.0.0.1:8081; }
        location /down {
            auth_request /auth-down;
            location /down/allow { auth_request_on_error allow; }
        }
        location = /auth-down { proxy_pass http://127.0.0.1:8089; }
        location /own {
            auth_request /auth-own;
            location /own/allow { auth_request_on_error allow 5xx; }
        }
        location = /auth-own { return 502; }
        location /missing {
            auth_request_on_error allow;
            auth_request /auth-missing;
        }
        location = /auth-missing { root %%TESTDIR%%; }
        location /nowhere { auth_request_on_error allow; auth_request auth; }
        location /wrong {
            auth_request_on_error allow;
            auth_request /auth-wrong;
        }
        location = /auth-wrong { proxy_pass http://$http_x_to; }
        location /client {
            auth_request_on_error allow 5xx;
            auth_request_body 1m;
            auth_request /auth-client;
        }
        location = /auth-client {
            client_max_body_size 5;
            proxy_pass http://127.0.0.1:8081/?500;
        }

        # the failure is nginx's, and the service was not asked
        location /limited {
            auth_request /auth-limited;
            auth_request_on_error allow 5xx;
        }
        location = /auth-limited {
            limit_req zone=limit;
            proxy_pass http://127.0.0.1:8081/?403;
        }
        location /full {
            auth_request /auth-full;
            auth_request_on_error allow 5xx;
        }
        location = /auth-full { proxy_pass http://full; }
        location /group {
            auth_request /auth-group?$args;
            auth_request_on_error allow 5xx;
        }
        location = /auth-group { proxy_pass http://group; }
        location /dead-group {
            auth_request /auth-dead-group;
            auth_request_on_error allow;
        }
        location = /auth-dead-group { proxy_pass http://dead; }
        location /half-dead {
            auth_request /auth-half-dead?$args;
            auth_request_on_error allow;
        }
        location = /auth-half-dead { proxy_pass http://half; }
        location /socket {
            auth_request /auth-socket;
            auth_request_on_error allow;
        }
        location = /auth-socket { proxy_pass http://unix:%%TESTDIR%%/none.sock; }
        location /accel {
            auth_request /auth-accel;
            auth_request_on_error allow 5xx;
        }
        location = /auth-accel { proxy_pass http://127.0.0.1:8081/?accel; }
        location = /fails { return 503; }
        location /from-cache {
            auth_request /auth-cache;
            auth_request_on_error allow 5xx;
        }
        location = /auth-cache {
            proxy_cache cache;
            proxy_cache_key one;
            proxy_cache_valid any 1h;
            proxy_pass http://127.0.0.1:8081/?503;
        }
        # who has let the request in
        location /who {
            auth_request_on_error allow 5xx;
            auth_request_set $user $upstream_http_x_user;
            auth_request_set $literal fixed;
            auth_request_upstream_headers X-User;
            proxy_set_header X-Name $user$literal;
            proxy_pass http://127.0.0.1:8082;
        }
        location /who-down {
            auth_request /auth-down;
            auth_request_on_error allow;
            auth_request_set $user $upstream_http_x_user;
            auth_request_set $literal fixed;
            auth_request_upstream_headers X-User;
            proxy_set_header X-Name $user$literal;
            proxy_pass http://127.0.0.1:8082;
        }
    }
    server {
        listen       127.0.0.1:8082;
        server_name  localhost;
        location / { return 200 "name '$http_x_name' user '$http_x_user'"; }
    }
    limit_req_zone all zone=limit:1m rate=1r/m;
    proxy_cache_path %%TESTDIR%%/cache keys_zone=cache:1m;
    # the only server serves one request at a time
    upstream full { server 127.0.0.1:8083 max_conns=1; }
    # a server that fails once counts as down
    upstream group {
        server 127.0.0.1:8081 max_fails=1 fail_timeout=1h;
        server 127.0.0.1:8081 max_fails=1 fail_timeout=1h;
    }
    upstream dead {
        server 127.0.0.1:8089 max_fails=0;
        server 127.0.0.1:8088 max_fails=0;
    }
    upstream half {
        server 127.0.0.1:8081 max_fails=0;
        server 127.0.0.1:8089 max_fails=0;
    }
EOF

mkdir $t->testdir() . "/$_" for qw/ outer down own /;
$t->write_file($_, 'CONTENT') for qw{ code forbidden unauthorized allow page outer/same
    outer/other any 5xx limited full group dead-group half-dead socket accel from-cache down/any down/allow own/any own/allow missing nowhere wrong client };
$t->write_file('index.html', 'CONTENT');

service($t, 8081, sub {
    my ($client, $head) = @_;
    my ($do) = $head =~ /^GET \S*?\?(\S+)/;
    $do =~ s/%20/ /g;
    # since 1.29.7, nginx keeps connections that are not said to be closed
    print $client "HTTP/1.1 $do X\r\nX-User: admin\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        if $do =~ /^\d+$/;
    print $client "HTTP/1.1 200 X\r\nX-Accel-Redirect: /fails\r\n\r\n" if $do eq 'accel';
    print $client "HTTP/1.1 200 X\r\nX-Half: " if $do eq 'stuck header';
    setsockopt $client, SOL_SOCKET, SO_LINGER, pack 'll', 1, 0 if $do eq 'reset';
    print $client "gArBaGe\r\n\r\n" if $do eq 'garbage';
    print $client "HTTP/1.1 200 OK\r\nX: " . 'x' x 200_000 . "\r\n\r\n"
        if $do eq 'headers';
    print $client "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"
        if $do eq 'two';
    sleep 3 if $do =~ /timeout|stuck/;
    return 0;
});

# One that says when it was asked, and responds when go_on() says so.
service($t, 8083, sub {
    my ($client) = @_;
    take_request($t->testdir(), 'full');
    print $client "HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n";
    return 0;
});

run_quietly($t);

for my $fault (@faults) {
    my ($do, $status, $reason, $allowed) = @$fault;
    my $args = $do =~ s/ /%20/gr;
    my $line = "error auth request unexpected status: $status from \"/auth?\$args\": $reason";
    logged($t, qr/auth request/);
    is(status(http_get("/?$args")), 500, "$do");
    is(logged($t, qr/auth request/), $line, "$do, log");
    is(status(http_get("/code?$args")), 503, "$do, on_error 503") ;
    logged($t, qr/auth request/);
    my $let_in = ', let in by auth_request_on_error';
    my $is_allowed = $allowed eq 'allow';
    is(status(http_get("/allow?$args")), $is_allowed ? 200 : 500, "$do, allow");
    is(logged($t, qr/auth request/), $line . ($is_allowed ? $let_in : ''), "$do, allow, log");
    is(status(http_get("/5xx?$args")), $allowed ? 200 : 500, "$do, allow 5xx");
    is(logged($t, qr/auth request/), $line . ($allowed ? $let_in : ''), "$do, allow 5xx, log");
}

### statuses

my $response = http_get('/unauthorized?500');
is(status($response), 401, 'on_error 401');
unlike($response, qr/^WWW-Authenticate/m, 'no challenge');
is(status(http_get('/forbidden?close')), 403, 'on_error 403');
like(http_get('/page?404'), qr/^HTTP\S+ 200 .*PAGE 404\z/s,
    'error page, the service has responded');
like(http_get('/page?close'), qr/PAGE 502\z/, 'error page, the connection was closed');
like(http_get('/page?timeout'), qr/PAGE 504\z/, 'error page, timed out');
is(status(http_get('/outer/same?500')), 200, 'from an outer level');
is(status(http_get('/outer/other?500')), 500, 'an inner level');
is(status(http_get('/any?500')), 200, 'satisfy any, allow');
is(status(http_get('/any?404')), 500, 'satisfy any, not allowed');

### denials are not errors

for my $code (401, 403) {
    is(status(http_get("$_?$code")), $code, "$_, $code")
        for qw{ /code /allow /outer/other };
}

### the origin of a status

is(status(http_get('/down/any')), 500, 'connection refused');
is(status(http_get('/down/allow')), 200, 'connection refused, allow');
logged($t, qr/auth request/);
is(status(http_get('/own/any')), 500, 'return 502');
is(logged($t, qr/auth request/), 'error auth request unexpected status: 502 from'
    . ' "/auth-own": neither allows nor denies', 'return 502, log');
is(status(http_get('/own/allow')), 500, 'return 502, allow');
is(status(http_get('/missing')), 500, 'no such file');
is(status(http_get('/nowhere')), 500, 'no such URI');

### nginx has not asked the service

my $asked_not = 'the service was not asked';
is(status(http_get('/limited')), 403, 'limit_req, within the limit');
logged($t, qr/auth request/);
refused('/limited', 503, 'neither allows nor denies', 'limit_req');

hold($t, 'full');
my $first = ask({ start => 1 }, '/full');
wait_asked($t, 'full', 1);
refused('/full', 502, $asked_not, 'max_conns, with one server');
go_on($t, 'full');
is(status(http_end($first)), 403, 'the request that was asked for');

refused('/group?close', 502, 'no response from the service', 'the service closes');
refused('/group?403', 502, $asked_not, 'no live upstreams');
is(status(http_get('/dead-group')), 200, 'no server of a group can be connected to');
logged($t, qr/auth request/);
is(status(http_get("/half-dead?403")), 403, "one server of a group responds, $_") for 1, 2;
refused('/half-dead?close', 502, 'no response from the service',
    "one server closes, the other one cannot be connected to, $_") for 1, 2;
is(status(http_get('/socket')), 200, 'no UNIX socket');
logged($t, qr/auth request/);
refused('/accel', 503, 'neither allows nor denies, in place of status 200 of the service',
    'X-Accel-Redirect to a location that fails');
is(status(http_get('/from-cache')), 200, 'a 503 of the service');
logged($t, qr/auth request/);
refused('/from-cache', 503, 'neither allows nor denies', 'the same out of a cache');

### a failed response says nothing of who the client is

is(body(ask('/who?200', 'X-User: root')), "name 'adminfixed' user 'admin'", 'let in by the service');
is(body(ask('/who?500', 'X-User: root')), "name '' user ''", 'let in on error');
is(body(ask('/who-down', 'X-User: root')), "name '' user ''", 'let in without a response');

### failures that a client can cause never let it in

is(status(ask('/wrong', 'X-To: a b:c')), 500,
    'no address');
is(status(ask('/wrong', 'X-To: ')), 500,
    'an empty address');
is(status(ask({ method => 'POST', body => '123456' }, '/client')), 500,
    'a body that the location does not take');
is(status(ask('/allow?403', "X-User: \xff\xfe\xc0\x80")), 403, 'row 31: bytes that are no text');
is(status(ask('/allow?403', ('X-User: a') x 50)), 403, 'row 31: one line many times');

### helpers

# A request that is not let in, because of this response.
sub refused {
    my ($uri, $status, $reason, $name) = @_;
    my $service = $uri =~ s{/([^?]*)(\?.*)?}{'/auth-' . $1 =~ s/from-//r . ($2 ? '?$args' : '')}er;
    logged($t, qr/auth request/);
    is(status(http_get($uri)), 500, $name);
    is(logged($t, qr/auth request/),
        qq(error auth request unexpected status: $status from "$service": $reason), "$name, log");
}
