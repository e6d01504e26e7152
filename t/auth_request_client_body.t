#!/usr/bin/perl

# auth_request_body: the client's body is read before the check, no more of it
# than the directive says, and both the service and the upstream get it whole.

use warnings;
use strict;

use Test::More;

use Digest::MD5 qw/ md5_hex /;
use Time::HiRes qw/ sleep time /;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use AuthRequest;
use Test::Nginx;
use Test::Nginx::Raw;

select STDERR; $| = 1;
select STDOUT; $| = 1;

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

        # what is left of a body that was not read to its end

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

# The service says what it got; the slow one once there is the file "go".

service($t, 8081, sub {
    my ($client, $head, $body) = @_;
    my ($method, $path) = $head =~ /^(\S+) (\S+)/;
    open my $file, '>>', "$d/asked";
    syswrite $file, '.';
    close $file;
    if ($path eq '/slow') {
        sleep 0.01 until -e "$d/go";
    }
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
$t->run();

my %bodies = (
    binary => join('', map { chr } 0 .. 255) . "\r\n\r\n0\r\n\r\n",
    medium => 'x' x 1024,
    large => join('', map { "$_\n" } 1 .. 30_000),
);

### too large

is(status(post('/', 'x' x 11)), 413, 'length, limit + 1');
is(asked($t), 0, 'not asked');
like(logged($t, qr/intended to send/),
    qr/^error client intended to send a body of more than 10 bytes$/, 'why');
is(status(post('/', 'x' x 100_000)), 413, 'length, far more');
is(status(chunked('/', 'x' x 11)), 413, 'chunks, limit + 1');
is(status(chunked('/', ('x') x 11)), 413, 'chunks of one byte, limit + 1');
is(status(chunked('/large', ('x' x 65536) x 16, 'x')), 413, 'chunks, 1m + 1');
is(status(post('/zero', 'x')), 413, 'length, limit 0');
is(status(chunked('/zero', 'x')), 413, 'chunks, limit 0');
is(status(post('/smaller', 'x' x 11)), 413, 'length, smaller at the second check');
is(status(chunked('/smaller', 'x' x 11)), 413,
    'chunks, smaller at the second check');
asked($t);

my $s = connection();
$s->print("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n");
is(status(read_response($s)), 413, 'announced and not sent');

# the answer comes although there is no end, and little of it is read

$s = connection();
$s->print("POST /large HTTP/1.1\r\nHost: localhost\r\n"
    . "Transfer-Encoding: chunked\r\n\r\n");
$s->blocking(0);
my ($sent, $answer) = (0, '');
my $end = time + 8;
{
    local $SIG{PIPE} = 'IGNORE';
    while (time < $end and !$s->sysread($answer, 4096)) {
        my $n = $s->syswrite("1000\r\n" . 'x' x 4096 . "\r\n");
        $sent += $n // 0;
        last if !defined $n and !$!{EAGAIN};
        sleep 0.001 unless $n;
    }
}
is(status($answer), 413, 'a body without an end');
cmp_ok($sent, '<', 16 * 1024 * 1024, 'not read for long');
undef $s;
is(asked($t), 0, 'nobody was asked');

my $large = memory($t);
cmp_ok($large, '<', 100 * 1024, 'nor is it in memory');

### what fits

for my $n (0, 1, 9, 10) {
    my $body = 'y' x $n;
    my $length = $n ? "Content-Length: $n" : '';
    is(got(post('/', $body)), got_of($body), "length, $n bytes");
    is(got(chunked('/', $body)), got_of($body), "chunks, $n bytes");
    is(got(chunked('/', split //, $body)), got_of($body), "chunks of one byte, $n");
}
is(saw(post('/', 'abc')), 'GET, Content-Length: 3, ' . md5_hex('abc'),
    'what the service gets');
is(saw(chunked('/', 'a', 'bc')), 'GET, Content-Length: 3, ' . md5_hex('abc'),
    'what the service gets of chunks');
is(saw(http_get('/')), 'GET, ' . md5_hex(''), 'no body');
is(got(http_get('/')), 'GET 0 ' . md5_hex(''), 'no body, upstream');
is(saw(post('/', '')), 'GET, Content-Length: 0, ' . md5_hex(''), 'an empty one');
is(got(post('/zero', '')), got_of(''), 'an empty one, limit 0');
is(status(http_get('/zero')), 200, 'none, limit 0');

for my $uri (qw{ /large /file /unbuffered /single /twice }) {
    my $method = $uri eq '/large' ? 'POST' : 'GET';
    for my $name (sort keys %bodies) {
        my $body = $bodies{$name};
        my $told = "$method, Content-Length: " . length($body) . ', ' . md5_hex($body);
        $answer = post($uri, $body);
        is(got($answer), got_of($body), "$uri, $name");
        is(saw($answer), $told, "$uri, $name, service");
        $answer = chunked($uri, $body =~ /(.{1,1000})/gs);
        is(got($answer), got_of($body), "$uri, $name, chunks");
        is(saw($answer), $told, "$uri, $name, chunks, service");
    }
}

is(saw(post('/without', 'abc')), 'GET, ' . md5_hex(''),
    'proxy_pass_request_body off');
is(got(post('/without', 'abc')), got_of('abc'), 'upstream');
is(saw(post('/off', 'abc')), 'GET, ' . md5_hex(''), 'off');
is(got(post('/off', $bodies{large})), got_of($bodies{large}), 'off, upstream');
is(got(post('/fastcgi', 'abc')), got_of('abc'), 'fastcgi');

### how it comes

$s = connection();
$answer = exchange($s, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
    . "Expect: 100-continue\r\n\r\nabc");
like($answer, qr/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 /, 'asked to continue');
is(got(exchange($s, request('/', 'de'))), got_of('de'), 'the next request');
is(status(exchange($s, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n"
    . "Expect: 100-continue\r\n\r\n")), 413, 'not asked to continue');

$s = connection();
for my $byte (split //, request('/', 'slowly')) {
    $s->print($byte);
    $s->flush();
    sleep 0.002;
}
is(got(read_response($s)), got_of('slowly'), 'byte by byte');

$s = connection();
$s->print(join '', map { request($_, 'a' x 5) } qw{ / /large /twice /static / });
is(join(' ', map { status(read_response($s)) } 1 .. 5), '200 200 200 204 200',
    'pipelined');

my @clients = map { connection() } 1 .. 50;
for my $i (0 .. 49) {
    $clients[$i]->print("POST /large HTTP/1.1\r\nHost: localhost\r\n"
        . "Content-Length: 5000\r\n\r\n" . 'x' x 1000);
}
$clients[$_]->print(chr(65 + $_ % 26) x 4000) for 0 .. 49;
is(join(' ', map { got(read_response($clients[$_])) } 0 .. 49),
    join(' ', map { got_of('x' x 1000 . chr(65 + $_ % 26) x 4000) } 0 .. 49),
    'fifty at once');
@clients = ();

undef $s;

# clients that leave half-way, and those that leave while the service is asked

asked($t);
@clients = map { connection() } 1 .. 50;
$_->print("POST /large HTTP/1.1\r\nHost: localhost\r\n"
    . "Content-Length: 5000\r\n\r\n" . 'x' x 3000) for @clients;
sleep 0.1;
@clients = ();
is(idle(), 1, 'clients that leave half-way');
is(asked($t), 0, 'nobody is asked for them');

@clients = map { connection() } 1 .. 50;
$_->print(request('/slow', 'x' x 3000)) for @clients;
wait_until(sub { (-s "$d/asked" || 0) == 50 });
@clients = ();
is(idle(), 1, 'clients that leave during the check');
is(asked($t), 50, 'all were asked');
$t->write_file('go', '');

### bodies that are not all there any more

unlink "$d/go";
for my $uri ('/page', '/page-unread') {
    $s = connection();
    $s->print("POST $uri HTTP/1.1\r\nHost: localhost\r\n"
        . "Transfer-Encoding: chunked\r\n\r\nb\r\n" . 'x' x 11 . "\r\n");
    sleep 0.1;
    for (1 .. 20) {
        local $SIG{PIPE} = 'IGNORE';
        $s->print("1\r\nx\r\n");
        sleep 0.005;
    }
    $t->write_file('go', '');
    $answer = read_response($s);
    is(status($answer), $uri eq '/page' ? 500 : 204, "$uri, chunks go on coming");
    unlink "$d/go";
    undef $s;
    is(idle(), 1, "$uri, closed");
}
like(logged($t, qr/not all there/), qr/error/, 'page, why');

$t->write_file('go', '');
is(got(post('/page', 'x' x 5000)), got_of('x' x 5000), 'page, with a length');

is(status(late('/consumed', "Content-Length: 5000\r\n\r\n", 'x' x 5000)), 500,
    'sent to another upstream');
is(status(late('/consumed', "Transfer-Encoding: chunked\r\n\r\n",
    "1388\r\n" . 'x' x 5000 . "\r\n0\r\n\r\n")), 500,
    'sent to another upstream, chunks');
for my $n (3, 5000) {
    is(got(post('/spooled', 'x' x $n)), got_of('x' x $n), "kept, $n bytes");
}

is(idle(), 1, 'no connection stays');
cmp_ok(memory($t), '<', $large + 30 * 1024, 'memory');

### helpers

sub request {
    my ($uri, $body) = @_;
    return "POST $uri HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
        . length($body) . "\r\n\r\n$body";
}

sub post {
    my ($uri, $body) = @_;
    return exchange(connection(), request($uri, $body));
}

sub chunked {
    my ($uri, @chunks) = @_;
    my $body = join '', map { sprintf "%x\r\n%s\r\n", length, $_ } grep { length } @chunks;
    return exchange(connection(), "POST $uri HTTP/1.1\r\nHost: localhost\r\n"
        . "Transfer-Encoding: chunked\r\n\r\n${body}0\r\n\r\n");
}

# The body comes later than the header.
sub late {
    my ($uri, $head, $body) = @_;
    my $s = connection();
    $s->print("POST $uri HTTP/1.1\r\nHost: localhost\r\n$head");
    sleep 0.1;
    return exchange($s, $body);
}

sub status { ($_[0] // '') =~ /^(?:HTTP\S+ 1.*\r\n\r\n)?HTTP\S+ (\d+)/ ? $1 : 'none' }

sub saw { $_[0] =~ /^X-Saw: (.*)\r/m ? $1 : 'status ' . status($_[0]) }

sub got {
    my ($answer) = @_;
    return 'status ' . status($answer) unless status($answer) eq '200';
    return (split /\r\n\r\n/, $answer)[-1];
}

sub got_of { 'POST ' . length($_[0]) . ' ' . md5_hex($_[0]) }

sub asked {
    my ($t) = @_;
    my $asked = -s $t->testdir() . '/asked' || 0;
    unlink $t->testdir() . '/asked';
    return $asked;
}

sub idle {
    my $active = 0;
    wait_until(sub {
        ($active) = http_get('/status') =~ /Active connections: (\d+)/;
        $active == 1
    });
    return $active;
}
