#!/usr/bin/perl

# auth_request_body: nginx reads the client's body before the check, no more of
# it than the directive allows, and the service and the upstream both get all of
# it.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use ParamService;
use Service;
use Test::Nginx::Raw;

use Digest::MD5 qw/ md5_hex /;
use Time::HiRes qw/ sleep time /;

my $t = Test::Nginx->new()
    ->has(qw/ http proxy fastcgi rewrite stub_status upstream_keepalive /)->plan(122);

configure($t, <<'EOF');
    client_body_buffer_size 1k;
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        auth_request /auth;
        auth_request_set $saw $upstream_http_x_saw;
        add_header X-Saw $saw always;
        client_body_timeout 5s;

        location / {
            auth_request_body 10;
            proxy_pass http://127.0.0.1:8082;
        }
        location = /auth { internal; proxy_pass http://127.0.0.1:8081; }
        location = /auth-post {
            internal;
            proxy_method POST;
            proxy_pass http://127.0.0.1:8081;
        }
        location = /auth-unbuffered {
            internal;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_pass http://127.0.0.1:8081;
        }
        location = /auth-without {
            internal;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_pass http://127.0.0.1:8081;
        }
        location = /auth-fastcgi {
            internal;
            fastcgi_param X_LENGTH $content_length;
            fastcgi_pass 127.0.0.1:8083;
        }
        location = /auth-slow { internal; proxy_pass http://127.0.0.1:8081/slow; }

        location /large {
            auth_request_body 1m;
            auth_request /auth-post;
            proxy_pass http://127.0.0.1:8082;
        }
        location /file {
            client_body_in_file_only on;
            auth_request_body 1m;
            proxy_pass http://127.0.0.1:8082;
        }
        location /unbuffered {
            auth_request_body 1m;
            auth_request /auth-unbuffered;
            proxy_request_buffering off;
            proxy_http_version 1.1;
            proxy_pass http://127.0.0.1:8082;
        }
        location /single {
            auth_request_body 1m;
            client_body_in_single_buffer on;
            proxy_pass http://127.0.0.1:8082;
        }
        location /without {
            auth_request_body 1m;
            auth_request /auth-without;
            proxy_pass http://127.0.0.1:8082;
        }
        location /fastcgi {
            auth_request_body 1m;
            auth_request /auth-fastcgi;
            auth_request_set $saw $upstream_http_x_saw;
            proxy_pass http://127.0.0.1:8082;
        }
        location /off {
            auth_request_body off;
            proxy_pass http://127.0.0.1:8082;
        }
        location /zero {
            auth_request_body 0;
            proxy_pass http://127.0.0.1:8082;
        }
        location /static {
            auth_request_body 1m;
            return 204;
        }
        location /twice {
            auth_request_body 1m;
            try_files /none @twice;
        }
        location @twice {
            auth_request_body 1m;
            proxy_pass http://127.0.0.1:8082;
        }
        location /smaller {
            auth_request_body 1m;
            try_files /none @smaller;
        }
        location @smaller {
            auth_request_body 10;
            proxy_pass http://127.0.0.1:8082;
        }
        location /slow {
            auth_request_body 1m;
            auth_request /auth-slow;
            proxy_pass http://127.0.0.1:8082;
        }

        # error pages after a body that was not read to its end

        location /page {
            auth_request_body 10;
            error_page 413 = @page;
            proxy_pass http://127.0.0.1:8082;
        }
        location @page {
            auth_request_body 1m;
            auth_request /auth-slow;
            proxy_pass http://127.0.0.1:8082;
        }
        location /page-unread {
            auth_request_body 10;
            error_page 413 = @page-unread;
            proxy_pass http://127.0.0.1:8082;
        }
        location @page-unread {
            auth_request_body off;
            auth_request /auth-slow;
            return 204;
        }
        location /consumed {
            auth_request off;
            proxy_request_buffering off;
            proxy_http_version 1.1;
            proxy_intercept_errors on;
            error_page 404 = @twice;
            proxy_pass http://127.0.0.1:8082/404;
        }
        location /spooled {
            auth_request off;
            proxy_intercept_errors on;
            error_page 404 = @twice;
            proxy_pass http://127.0.0.1:8082/404;
        }
        location = /status { auth_request off; stub_status; }
    }
EOF

my $d = $t->testdir();

# The service says what it got.

service($t, 8081, sub {
    my ($client, $head, $body) = @_;
    my ($method, $path) = $head =~ /^(\S+) (\S+)/;
    take_request($d, $path eq '/slow' ? 'slow' : 'service');
    my @told = $head =~ /^((?:Content-Length|Transfer-Encoding): .*)\r/mgi;
    print $client "HTTP/1.1 204 X\r\nX-Saw: "
        . join(', ', $method, @told, md5_hex($body)) . "\r\n\r\n";
    return 0;
});

service($t, 8082, sub {
    my ($client, $head, $body) = @_;
    my ($method, $path) = $head =~ /^(\S+) (\S+)/;
    my $status = $path =~ m!^/404! ? 404 : 200;
    my $got = "$method " . length($body) . ' ' . md5_hex($body);
    print $client "HTTP/1.1 $status X\r\nContent-Length: " . length($got)
        . "\r\n\r\n$got";
    return 0;
});

param_service($t, 8083, 'fastcgi');
hold($t, 'slow');
$t->run();

my %bodies = (
    binary => join('', map { chr } 0 .. 255) . "\r\n\r\n0\r\n\r\n",
    medium => 'x' x 1024,
    large => join('', map { "$_\n" } 1 .. 30_000),
);

### too large

is(status(exchange(connection(), request({ method => 'POST', body => 'x' x 11 }, '/'))), 413,
    'length, limit + 1');
is(asked($t, 'service'), 0, 'length, limit + 1, the service is not asked');
like(logged($t, qr/intended to send/),
    qr/^error client intended to send a body of more than 10 bytes$/, 'length, limit + 1, log');
is(status(exchange(connection(), request({ method => 'POST', body => 'x' x 100_000 }, '/'))), 413,
    'length, far more');
is(status(chunked('/', 'x' x 11)), 413, 'chunks, limit + 1');
is(status(chunked('/', ('x') x 11)), 413, 'chunks of one byte, limit + 1');
is(status(chunked('/large', ('x' x 65536) x 16, 'x')), 413, 'chunks, 1m + 1');
is(status(exchange(connection(), request({ method => 'POST', body => 'x' }, '/zero'))), 413,
    'length, limit 0');
is(status(chunked('/zero', 'x')), 413, 'chunks, limit 0');
is(status(exchange(connection(), request({ method => 'POST', body => 'x' x 11 }, '/smaller'))), 413,
    'length, smaller at the second check');
is(status(chunked('/smaller', 'x' x 11)), 413,
    'chunks, smaller at the second check');
forget($t, 'service');

my $s = connection();
$s->print(request({ method => 'POST' }, '/', 'Content-Length: 999999999'));
is(status(read_response($s)), 413, 'too large a length, without a body');

# an endless body is refused, and only little of it is read

$s = connection();
$s->print(request({ method => 'POST' }, '/large', 'Transfer-Encoding: chunked'));
$s->blocking(0);
my ($sent, $response) = (0, '');
my $end = time + 8;
{
    local $SIG{PIPE} = 'IGNORE';
    while (time < $end and !$s->sysread($response, 4096)) {
        my $n = $s->syswrite("1000\r\n" . 'x' x 4096 . "\r\n");
        $sent += $n // 0;
        last if !defined $n and !$!{EAGAIN};
        sleep 0.001 unless $n;
    }
}
is(status($response), 413, 'a body without an end');
cmp_ok($sent, '<', 16 * 1024 * 1024, 'a body without an end is read for a short time only');
undef $s;
is(asked($t, 'service'), 0, 'too large, the service is not asked');

my $large = peak_memory(worker($t));
cmp_ok($large, '<', memory_limit(100 * 1024), 'a body without an end is not in memory');

### bodies up to the limit

for my $n (0, 1, 9, 10) {
    my $body = 'y' x $n;
    my $length = $n ? "Content-Length: $n" : '';
    is(got(exchange(connection(), request({ method => 'POST', body => $body }, '/'))), got_of($body),
        "length, $n bytes");
    is(got(chunked('/', $body)), got_of($body), "chunks, $n bytes");
    is(got(chunked('/', split //, $body)), got_of($body), "chunks of one byte, $n");
}
is(saw(exchange(connection(), request({ method => 'POST', body => 'abc' }, '/'))), 'GET, Content-Length: 3, ' . md5_hex('abc'),
    'what the service gets');
is(saw(chunked('/', 'a', 'bc')), 'GET, Content-Length: 3, ' . md5_hex('abc'),
    'what the service gets of chunks');
is(saw(http_get('/')), 'GET, ' . md5_hex(''), 'no body');
is(got(http_get('/')), 'GET 0 ' . md5_hex(''), 'no body, upstream');
is(saw(exchange(connection(), request({ method => 'POST', body => '' }, '/'))), 'GET, Content-Length: 0, ' . md5_hex(''),
    'an empty one');
is(got(exchange(connection(), request({ method => 'POST', body => '' }, '/zero'))), got_of(''),
    'an empty one, limit 0');
is(status(http_get('/zero')), 200, 'none, limit 0');

for my $uri (qw{ /large /file /unbuffered /single /twice }) {
    my $method = $uri eq '/large' ? 'POST' : 'GET';
    for my $name (sort keys %bodies) {
        my $body = $bodies{$name};
        my $told = "$method, Content-Length: " . length($body) . ', ' . md5_hex($body);
        $response = exchange(connection(), request({ method => 'POST', body => $body }, $uri));
        is(got($response), got_of($body), "$uri, $name");
        is(saw($response), $told, "$uri, $name, service");
        $response = chunked($uri, $body =~ /(.{1,1000})/gs);
        is(got($response), got_of($body), "$uri, $name, chunks");
        is(saw($response), $told, "$uri, $name, chunks, service");
    }
}

is(saw(exchange(connection(), request({ method => 'POST', body => 'abc' }, '/without'))), 'GET, ' . md5_hex(''),
    'proxy_pass_request_body off');
is(got(exchange(connection(), request({ method => 'POST', body => 'abc' }, '/without'))), got_of('abc'),
    'proxy_pass_request_body off, upstream');
is(saw(exchange(connection(), request({ method => 'POST', body => 'abc' }, '/off'))), 'GET, ' . md5_hex(''),
    'off, service');
is(got(exchange(connection(), request({ method => 'POST', body => $bodies{large} }, '/off'))), got_of($bodies{large}),
    'off, upstream');
is(got(exchange(connection(), request({ method => 'POST', body => 'abc' }, '/fastcgi'))), got_of('abc'),
    'fastcgi');

### ways in which a body arrives

$s = connection();
$response = exchange($s, request({ method => 'POST', body => 'abc' }, '/',
    'Expect: 100-continue'));
like($response, qr/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 /, 'Expect: 100-continue');
is(got(exchange($s, request({ method => 'POST', body => 'de' }, '/'))), got_of('de'),
    'the next request');
is(status(exchange($s, request({ method => 'POST' }, '/', 'Content-Length: 11',
    'Expect: 100-continue'))), 413, 'Expect: 100-continue, too large');

$s = connection();
for my $byte (split //, request({ method => 'POST', body => 'slowly' }, '/')) {
    $s->print($byte);
    $s->flush();
    sleep 0.002;
}
is(got(read_response($s)), got_of('slowly'), 'byte by byte');

$s = connection();
$s->print(join '', map { request({ method => 'POST', body => 'a' x 5 }, $_) } qw{ / /large /twice /static / });
is(join(' ', map { status(read_response($s)) } 1 .. 5), '200 200 200 204 200',
    'pipelined');

my @clients = map { connection() } 1 .. 50;
for my $i (0 .. 49) {
    $clients[$i]->print(request({ method => 'POST' }, '/large', 'Content-Length: 5000')
    . 'x' x 1000);
}
$clients[$_]->print(chr(65 + $_ % 26) x 4000) for 0 .. 49;
is(join(' ', map { got(read_response($clients[$_])) } 0 .. 49),
    join(' ', map { got_of('x' x 1000 . chr(65 + $_ % 26) x 4000) } 0 .. 49),
    'fifty at once');
@clients = ();

undef $s;

# clients that leave half-way, and those that leave while the service is asked

forget($t, 'service');
@clients = map { connection() } 1 .. 50;
$_->print(request({ method => 'POST' }, '/large', 'Content-Length: 5000')
    . 'x' x 3000) for @clients;
sleep 0.1;
@clients = ();
is(connections_left(), 1, 'clients that leave half-way');
is(asked($t, 'service'), 0, 'clients that leave half-way, the service is not asked');

@clients = map { connection() } 1 .. 50;
$_->print(request({ method => 'POST', body => 'x' x 3000 }, '/slow')) for @clients;
wait_asked($t, 'slow', 50);
@clients = ();
is(connections_left(), 1, 'clients that leave during the check');
is(asked($t, 'slow'), 50, 'clients that leave during the check, each was asked for');
go_on($t, 'slow');

### bodies that are no longer complete

hold($t, 'slow');
for my $uri ('/page', '/page-unread') {
    $s = connection();
    $s->print(request({ method => 'POST' }, $uri, 'Transfer-Encoding: chunked')
        . "b\r\n" . 'x' x 11 . "\r\n");
    sleep 0.1;
    for (1 .. 20) {
        local $SIG{PIPE} = 'IGNORE';
        $s->print("1\r\nx\r\n");
        sleep 0.005;
    }
    go_on($t, 'slow');
    $response = read_response($s);
    is(status($response), $uri eq '/page' ? 500 : 204, "$uri, chunks go on coming");
    hold($t, 'slow');
    undef $s;
    is(connections_left(), 1, "$uri, closed");
}
like(logged($t, qr/cannot be checked: .* another module or location has used it/), qr/error/, 'page, log');

go_on($t, 'slow');
is(got(exchange(connection(), request({ method => 'POST', body => 'x' x 5000 }, '/page'))), got_of('x' x 5000),
    'page, with a length');

is(status(late('/consumed', 'Content-Length: 5000', 'x' x 5000)), 500,
    'body sent to an upstream before the check');
is(status(late('/consumed', 'Transfer-Encoding: chunked',
    "1388\r\n" . 'x' x 5000 . "\r\n0\r\n\r\n")), 500,
    'body sent to an upstream before the check, chunks');
for my $n (3, 5000) {
    is(got(exchange(connection(), request({ method => 'POST', body => 'x' x $n }, '/spooled'))), got_of('x' x $n),
        "body read before an error page, $n bytes");
}

is(connections_left(), 1, 'all connections are closed');
cmp_ok(peak_memory(worker($t)), '<', memory_limit($large + 30 * 1024), 'memory in KiB');

### helpers

sub chunked {
    my ($uri, @chunks) = @_;
    return exchange(connection(), request({ method => 'POST', chunks => \@chunks }, $uri));
}

# A POST whose body comes later than its header; the line tells its length or coding.
sub late {
    my ($uri, $line, $body) = @_;
    my $s = connection();
    $s->print(request({ method => 'POST' }, $uri, $line));
    sleep 0.1;
    return exchange($s, $body);
}

# What the service got, or the status where it was not asked.
sub saw {
    my ($response) = @_;
    return header($response, 'X-Saw') // 'status ' . status($response);
}

# What the upstream got, or the status where it was not asked.
sub got {
    my ($response) = @_;
    return 'status ' . status($response) unless status($response) eq '200';
    return body($response);
}

sub got_of { 'POST ' . length($_[0]) . ' ' . md5_hex($_[0]) }
