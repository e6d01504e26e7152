#!/usr/bin/perl

# auth_request_on_error: the response to the client when the service fails.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Test::Nginx::Raw;

use Socket qw/ SOL_SOCKET SO_LINGER /;

# what the service does, what auth_request says of it and the status that it has
# in mind, whether "allow" lets it in

my @faults = (
    ['close', 502, 'no response from the service', 1],
    ['reset', 502, 'no response from the service', 1],
    ['headers', 502, 'invalid response from the service', 0],
    ['two', 502, 'invalid response from the service', 0],
    ['timeout', 504, 'no response from the service', 1],
    # which nginx takes for HTTP/0.9
    ['garbage', '0', 'neither allows nor denies', 0],
    ['500', 500, 'neither allows nor denies', 1],
    ['502', 502, 'neither allows nor denies', 1],
    ['599', 599, 'neither allows nor denies', 1],
    ['301', 301, 'neither allows nor denies', 0],
    ['304', 304, 'neither allows nor denies', 0],
    ['400', 400, 'neither allows nor denies', 0],
    ['404', 404, 'neither allows nor denies', 0],
    ['429', 429, 'neither allows nor denies', 0],
    ['600', 600, 'neither allows nor denies', 0],
    ['short', 200, "response was truncated", 0],
    ['stuck', 200, "response was truncated", 0],
    ['chunk', 200, "response was truncated", 0],
    ['endless', 200, "response body is too large", 0],
);

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /);

# older versions of nginx use the last of two lengths
@faults = grep { $_->[0] ne 'two' } @faults unless $t->has_version('1.23.0');
$t->plan(5 * @faults + 28);

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
        location /page { auth_request_on_error 503; error_page 503 = @page; }
        location @page { auth_request off; return 200 "PAGE $auth_request_status"; }
        location /outer {
            auth_request_on_error allow;
            location /outer/same { }
            location /outer/other { auth_request_on_error 500; }
        }
        location /any {
            satisfy any;
            deny all;
            auth_request_on_error allow;
        }
        location = /auth { internal; proxy_pass http://127.0.0.1:8081; }
        location /down {
            auth_request /auth-down;
            location /down/allow { auth_request_on_error allow; }
        }
        location = /auth-down { proxy_pass http://127.0.0.1:8089; }
        location /own {
            auth_request /auth-own;
            location /own/allow { auth_request_on_error allow; }
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
            auth_request_on_error allow;
            auth_request_body 1m;
            auth_request /auth-client;
        }
        location = /auth-client {
            client_max_body_size 5;
            proxy_pass http://127.0.0.1:8081/?500;
        }
    }
EOF

mkdir $t->testdir() . "/$_" for qw/ outer down own /;
$t->write_file($_, 'CONTENT') for qw{ code forbidden unauthorized allow page outer/same
    outer/other any down/any down/allow own/any own/allow missing nowhere wrong client };
$t->write_file('index.html', 'CONTENT');

service($t, 8081, sub {
    my ($client, $head) = @_;
    my ($do) = $head =~ /^GET \S*?\?(\S+)/;
    print $client "HTTP/1.1 $do X\r\nContent-Length: 0\r\n\r\n" if $do =~ /^\d+$/;
    setsockopt $client, SOL_SOCKET, SO_LINGER, pack 'll', 1, 0 if $do eq 'reset';
    print $client "gArBaGe\r\n\r\n" if $do eq 'garbage';
    print $client "HTTP/1.1 200 OK\r\nX: " . 'x' x 200_000 . "\r\n\r\n"
        if $do eq 'headers';
    print $client "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"
        if $do eq 'two';
    print $client "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"
        if $do eq 'short' or $do eq 'stuck';
    print $client "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
        if $do eq 'chunk';
    if ($do eq 'endless') {
        print $client "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        while (print $client "10000\r\n" . 'x' x 65536 . "\r\n") { }
    }
    sleep 3 if $do eq 'timeout' or $do eq 'stuck';
    return 0;
});

run_quietly($t);

for my $fault (@faults) {
    my ($do, $status, $reason, $allowed) = @$fault;
    my $line = "error auth request unexpected status: $status from \"/auth?\$args\": $reason";
    logged($t, qr/auth request/);
    is(status(http_get("/?$do")), 500, "$do");
    is(logged($t, qr/auth request/), $line, "$do, log");
    is(status(http_get("/code?$do")), 503, "$do, on_error 503") ;
    logged($t, qr/auth request/);
    is(status(http_get("/allow?$do")), $allowed ? 200 : 500, "$do, allow");
    is(logged($t, qr/auth request/),
        $line . ($allowed ? ', let in by auth_request_on_error' : ''), "$do, allow, log");
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
is(status(http_get('/own/allow')), 200, 'return 502, allow');
is(status(http_get('/missing')), 500, 'no such file');
is(status(http_get('/nowhere')), 500, 'no such URI');

### failures that a client can cause never let it in

is(status(ask('/wrong', 'X-To: a b:c')), 500,
    'no address');
is(status(ask('/wrong', 'X-To: ')), 500,
    'an empty address');
is(status(ask({ method => 'POST', body => '123456' }, '/client')), 500,
    'a body that the location does not take');
is(status(ask('/allow?403', "X-User: \xff\xfe\xc0\x80")), 403, 'row 31: bytes that are no text');
is(status(ask('/allow?403', ('X-User: a') x 50)), 403, 'row 31: one line many times');
