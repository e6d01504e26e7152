#!/usr/bin/perl

# auth_request: keepalive connections to the client and to the service, clients
# that leave during a check, and a reload during a check.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Original;
use Service;
use Test::Nginx::Raw;

use IO::Select;
use Socket qw/ SOL_SOCKET SO_LINGER /;
use Time::HiRes qw/ sleep /;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite stub_status /)
    ->has('upstream_keepalive')->plan(32);

without_body($t);
configure($t, <<'EOF');
    upstream kept {
        server 127.0.0.1:8081;
        keepalive 1;
    }
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        auth_request_set $service $upstream_http_x_connection;
        add_header   X-Service $service always;

        location / { auth_request /auth; }
        location = /auth {
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            include without-body.conf;
            proxy_pass http://kept/$http_x_code;
        }
        location /slow {
            auth_request /auth-slow;
            try_files /index.html =404;
        }
        location = /auth-slow {
            include without-body.conf;
            proxy_pass http://127.0.0.1:8082/$http_x_code;
        }
        location = /ignoring {
            auth_request /auth-ignoring;
            try_files /index.html =404;
        }
        location = /auth-ignoring {
            proxy_ignore_client_abort on;
            include without-body.conf;
            proxy_pass http://127.0.0.1:8082/$http_x_code;
        }
        location = /status { stub_status; }
    }
EOF

# The slow service responds when go_on() says so.

my $d = $t->testdir();
my $slow = sub {
    my ($client, $head) = @_;
    my ($code) = $head =~ /^\S+ \/(\d+)/;
    take_request($d, 'slow');
    print $client "HTTP/1.1 $code X\r\n\r\n";
    return 0;
};

$t->write_file('index.html', 'CONTENT');
service($t, 8081, \&quick);
hold($t, 'slow');
service($t, 8082, $slow);
$t->run();

### the connection to the service is used again

my %connections;
for my $code (200, 204, 401, 403, 500, 200) {
    my $s = connection();
    my $response = exchange($s, request('/', "X-Code: $code"));
    my $expected = $code < 300 ? 200 : $code;
    like($response, qr/^HTTP\S+ $expected /, "$code over a kept connection");
    $connections{header($response, 'X-Service') || 'none'} = 1;
}
is(keys %connections, 1, 'one connection to the service');

%connections = ();
for (1 .. 3) {
    my $response = exchange(connection(), request('/', 'X-Code: body'));
    $connections{header($response, 'X-Service')} = 1;
}
is(keys %connections, differs('connection after a body', 1, 3),
    'connections when the service sends a body');

### the connection of the client is used again

my $s = connection();
for my $code (204, 401, 403, 200) {
    my $response = exchange($s, request('/', "X-Code: $code"));
    my $expected = $code < 300 ? 200 : $code;
    like($response, qr/^HTTP\S+ $expected .*^Connection: keep-alive\r/ms,
        "$code, connection kept");
}
like(exchange($s, request('/', "X-Code: 500")), qr/^HTTP\S+ 500 .*^Connection: close\r/ms,
    '500, connection closed');

$s = connection();
$s->print(join '', map { request('/', "X-Code: $_") } 204, 401, 'body', 403, 200);
is(join(' ', map { status(read_response($s)) } 1 .. 5),
    '200 401 200 403 200', 'pipelined');

$s = connection();
$s->print(request({ method => 'HEAD' }, '/', 'X-Code: body')
    . request('/', "X-Code: body"));
like(read_response($s, head => 1), qr/^HTTP\S+ 200 .*\r\n\r\n\z/s, 'HEAD');
like(read_response($s), qr/^HTTP\S+ 200 .*\r\n\r\nCONTENT\z/s,
    "the client does not get the service's body");

### checks in parallel

my @codes = (204, 401, 403, 500) x 5;
my @clients = map {
    my $s = connection();
    $s->print(request('/slow', "X-Code: $_"));
    $s
} @codes;
is(wait_asked($t, 'slow', 20), 20, 'all checks are sent');
is(scalar(my @early = IO::Select->new(@clients)->can_read(0.1)), 0,
    'no response before the checks end');
go_on($t, 'slow');
is(join(' ', map { status(read_response($_)) } @clients),
    join(' ', map { $_ == 204 ? 200 : $_ } @codes), 'each client has its own response');
undef $s;
@clients = ();

### clients that leave

for my $uri ('/slow', '/ignoring') {
    forget($t, 'slow');
    hold($t, 'slow');
    @clients = map {
        my $s = connection();
        $s->print(request($uri, "X-Code: 204"));
        $s
    } 1 .. 20;
    is(wait_asked($t, 'slow', 20), 20, "$uri, all checks are sent");
    @clients = ();
    go_on($t, 'slow') if $uri eq '/ignoring';
    is(connections_left(), 1, "$uri, all connections are closed");
    like(exchange(connection(), request('/', "X-Code: 204")), qr/^HTTP\S+ 200 /,
        "$uri, the next request is served");
}

# half of the clients leave, some with a body or a pipelined request

forget($t, 'slow');
hold($t, 'slow');
my @stay = map { connection() } 1 .. 10;
my @leave = map { connection() } 1 .. 10;
$_->print(request('/slow', "X-Code: 401")) for @stay;
$_->print(request('/slow', "X-Code: 204") . request('/slow', "X-Code: 204")) for @leave[0 .. 4];
$_->print(request({ method => 'POST' }, '/slow', 'X-Code: 204',
    'Content-Length: 100000') . 'x' x 1000) for @leave[5 .. 9];
is(wait_asked($t, 'slow', 20), 20, 'all checks are sent');
setsockopt $_, SOL_SOCKET, SO_LINGER, pack 'll', 1, 0 for @leave;
@leave = ();
go_on($t, 'slow');
is(join(' ', map { status(read_response($_)) } @stay),
    join(' ', (401) x 10), 'the clients that stay have their responses');
@stay = ();
is(connections_left(), 1, 'all connections are closed');

### a reload

forget($t, 'slow');
hold($t, 'slow');
$s = connection();
$s->print(request('/slow', "X-Code: 403"));
is(wait_asked($t, 'slow', 1), 1, 'a check before a reload');
$t->reload();
ok(wait_until(sub { $t->read_file('error.log') =~ /gracefully shutting down/ }),
    'reloaded');
like(exchange(connection(), request('/', "X-Code: 204")), qr/^HTTP\S+ 200 /,
    'a request to the new worker');
go_on($t, 'slow');
like(read_response($s), qr/^HTTP\S+ 403 /, 'the check ends after a reload');

### helpers

# A service with a process for each connection.
sub quick {
    my ($client, $head) = @_;
    my ($code) = $head =~ /^\S+ \/(\w+)/;
    my $body = $code eq 'body' ? 'INVISIBLE' : '';
    $code = 200 if $body;
    print $client "HTTP/1.1 $code X\r\nX-Connection: $$\r\n"
        . ($code == 204 ? '' : 'Content-Length: ' . length($body) . "\r\n")
        . "\r\n$body";
    return 1;
}
