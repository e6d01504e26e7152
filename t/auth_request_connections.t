#!/usr/bin/perl

# auth_request: connections to the client and to the service; clients that leave
# during a check, and a reload during one.

use warnings;
use strict;

use Test::More;

use IO::Select;
use Socket qw/ SOL_SOCKET SO_LINGER /;
use Time::HiRes qw/ sleep /;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Raw;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite stub_status /)
    ->has('upstream_keepalive')->plan(31);

$t->write_file_expand('nginx.conf', <<'EOF');
%%TEST_GLOBALS%%
daemon off;
events {
}
http {
    %%TEST_GLOBALS_HTTP%%
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
            proxy_pass http://kept/$http_x_code;
        }
        location /slow {
            auth_request /auth-slow;
            try_files /index.html =404;
        }
        location = /auth-slow {
            proxy_pass http://127.0.0.1:8082/$http_x_code;
        }
        location = /ignoring {
            auth_request /auth-ignoring;
            try_files /index.html =404;
        }
        location = /auth-ignoring {
            proxy_ignore_client_abort on;
            proxy_pass http://127.0.0.1:8082/$http_x_code;
        }
        location = /status { stub_status; }
    }
}
EOF

# Answers once the file "go" is there, and says that it was asked.

my $d = $t->testdir();
my $slow = sub {
    my ($client, $head) = @_;
    my ($code) = $head =~ /^\S+ \/(\d+)/;
    open my $file, '>>', "$d/asked" or die "Can't open asked: $!\n";
    syswrite $file, '.';
    sleep 0.01 until -e "$d/go";
    print $client "HTTP/1.1 $code X\r\n\r\n";
    return 0;
};

$t->write_file('index.html', 'CONTENT');
service($t, 8081, \&quick);
service($t, 8082, $slow);
$t->run();

### the service's connection is used again

my %connections;
for my $code (200, 204, 401, 403, 500, 200) {
    my $s = connection();
    my $answer = exchange($s, request('/', $code));
    my $expected = $code < 300 ? 200 : $code;
    like($answer, qr/^HTTP\S+ $expected /, "$code over a kept connection");
    $connections{$answer =~ /^X-Service: (\d+)/m ? $1 : 'none'} = 1;
}
is(keys %connections, 1, 'one connection');

### the client's is, too

my $s = connection();
for my $code (204, 401, 403, 200) {
    my $answer = exchange($s, request('/', $code));
    my $expected = $code < 300 ? 200 : $code;
    like($answer, qr/^HTTP\S+ $expected .*^Connection: keep-alive\r/ms,
        "$code, connection kept");
}
like(exchange($s, request('/', 500)), qr/^HTTP\S+ 500 .*^Connection: close\r/ms,
    '500 closes');

$s = connection();
$s->print(join '', map { request('/', $_) } 204, 401, 'body', 403, 200);
is(join(' ', map { read_response($s) =~ /^HTTP\S+ (\d+) / } 1 .. 5),
    '200 401 200 403 200', 'pipelined');

$s = connection();
$s->print("HEAD / HTTP/1.1\r\nHost: localhost\r\nX-Code: body\r\n\r\n"
    . request('/', 'body'));
like(read_response($s, head => 1), qr/^HTTP\S+ 200 .*\r\n\r\n\z/s, 'HEAD');
like(read_response($s), qr/^HTTP\S+ 200 .*\r\n\r\nCONTENT\z/s,
    "a service's body is in no answer");

### checks side by side

my @codes = (204, 401, 403, 500) x 5;
my @clients = map {
    my $s = connection();
    $s->print(request('/slow', $_));
    $s
} @codes;
is(wait_for($t, 20), 20, 'all are asked');
is(scalar(my @early = IO::Select->new(@clients)->can_read(0.1)), 0,
    'nobody is answered');
$t->write_file('go', '');
is(join(' ', map { read_response($_) =~ /^HTTP\S+ (\d+) / } @clients),
    join(' ', map { $_ == 204 ? 200 : $_ } @codes), 'each has its own answer');
undef $s;
@clients = ();

### clients that leave

for my $uri ('/slow', '/ignoring') {
    forget($t);
    @clients = map {
        my $s = connection();
        $s->print(request($uri, 204));
        $s
    } 1 .. 20;
    is(wait_for($t, 20), 20, "$uri, all are asked");
    @clients = ();
    $t->write_file('go', '') if $uri eq '/ignoring';
    is(idle(), 1, "$uri, no connection stays");
    like(exchange(connection(), request('/', 204)), qr/^HTTP\S+ 200 /,
        "$uri, the next one is served");
}

# half of them, some with bodies, pipelined requests, or no more to say

forget($t);
my @stay = map { connection() } 1 .. 10;
my @leave = map { connection() } 1 .. 10;
$_->print(request('/slow', 401)) for @stay;
$_->print(request('/slow', 204) . request('/slow', 204)) for @leave[0 .. 4];
$_->print("POST /slow HTTP/1.1\r\nHost: localhost\r\nX-Code: 204\r\n"
    . "Content-Length: 100000\r\n\r\n" . 'x' x 1000) for @leave[5 .. 9];
is(wait_for($t, 20), 20, 'all are asked');
setsockopt $_, SOL_SOCKET, SO_LINGER, pack 'll', 1, 0 for @leave;
@leave = ();
$t->write_file('go', '');
is(join(' ', map { read_response($_) =~ /^HTTP\S+ (\d+) / } @stay),
    join(' ', (401) x 10), 'those that stay');
@stay = ();
is(idle(), 1, 'no connection stays');

### a reload

forget($t);
$s = connection();
$s->print(request('/slow', 403));
is(wait_for($t, 1), 1, 'asked before a reload');
$t->reload();
for (1 .. 500) {
    last if $t->read_file('error.log') =~ /gracefully shutting down/;
    sleep 0.01;
}
like($t->read_file('error.log'), qr/gracefully shutting down/, 'reloaded');
like(exchange(connection(), request('/', 204)), qr/^HTTP\S+ 200 /,
    'new worker');
$t->write_file('go', '');
like(read_response($s), qr/^HTTP\S+ 403 /, 'answered after a reload');

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

sub request {
    my ($uri, $code) = @_;
    return "GET $uri HTTP/1.1\r\nHost: localhost\r\nX-Code: $code\r\n\r\n";
}

# Of how many checks the slow service knows, once they are so many.
sub wait_for {
    my ($t, $count) = @_;
    my $asked = $t->testdir() . '/asked';
    for (1 .. 500) { last if (-s $asked || 0) >= $count; sleep 0.01; }
    return -s $asked || 0;
}

sub forget {
    my ($t) = @_;
    unlink map { $t->testdir() . "/$_" } 'asked', 'go';
}

# How many connections are active, once it is only the one that asks.
sub idle {
    my $active;
    for (1 .. 500) {
        ($active) = http_get('/status') =~ /Active connections: (\d+)/;
        last if $active == 1;
        sleep 0.01;
    }
    return $active;
}
