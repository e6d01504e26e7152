#!/usr/bin/perl

# auth_request_body and auth_request_deny_body: clients that leave, and a
# reload, while nginx reads a body, waits for the service or reads its response.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Service;
use Test::Nginx qw/ http_content /;
use Test::Nginx::Raw;

use Socket qw/ SOL_SOCKET SO_LINGER /;
use Time::HiRes qw/ sleep /;

$SIG{PIPE} = 'IGNORE';

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite stub_status /)->plan(20);

configure($t, <<'EOF');
    client_body_buffer_size 1k;
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        auth_request /auth;
        auth_request_body 10k;
        auth_request_deny_body 10k;
        auth_request_upstream_headers X-User Authorization;
        auth_request_client_headers X-User on=any;
        location / {
            error_page 413 = @page;
            proxy_pass http://127.0.0.1:8082;
        }
        location @page { proxy_pass http://127.0.0.1:8082; }
        location = /auth { proxy_pass http://127.0.0.1:8081; }
        location = /status { auth_request off; stub_status; }
    }
EOF

# Sends the header of its response, and the rest when go_on() says so.

my $d = $t->testdir();
hold($t, 'service');
service($t, 8081, sub {
    my ($client, $head, $body) = @_;
    my ($code) = $head =~ /^X-Code: (\d+)/m;
    print $client "HTTP/1.1 $code X\r\nX-User: alice\r\nContent-Length: 100\r\n\r\nx";
    take_request($d, 'service');
    print $client 'x' x 99;
    return 0;
});
service($t, 8082, sub {
    my ($client, $head, $body) = @_;
    print $client "HTTP/1.1 200 OK\r\n\r\n" . length $body;
    return 0;
});
$t->run();

for my $reset (0, 1) {
    my $how = $reset ? 'reset' : 'closed';
    for my $code (200, 403) {
        my @clients = map { start('POST', $code, 5000) } 1 .. 50;
        $_->print('x' x 2500) for @clients;
        $_->print('x' x 2500) for @clients[0 .. 24];
        is(wait_asked($t, 'service', 25), 25, "$how, $code, the service is asked");
        leave($reset, \@clients);
        is(connections_left(), 1, "$how, $code, half-way, and during the check");
        forget($t, 'service');
    }
}

# bodies that are too large, with an error page

my @clients = map { start('POST', 200) } 1 .. 50;
for my $n (1 .. 6) {
    $_->print("7d0\r\n" . 'x' x 2000 . "\r\n") for @clients;
    sleep 0.02;
}
leave(1, \@clients);
is(connections_left(), 1, 'too large bodies, all connections are closed');

# a reload

forget($t, 'service');
my @half = map { start('POST', $_ % 2 ? 200 : 403, 5000) } 1 .. 10;
my @asked = map { start('POST', $_ % 2 ? 200 : 403, 5) } 1 .. 10;
$_->print('x' x 2500) for @half;
$_->print('12345') for @asked;
is(wait_asked($t, 'service', 10), 10, 'asked before a reload');
my $worker = worker($t);
$t->reload();
ok(wait_until(sub { worker($t) != $worker }), 'reloaded');
ok(wait_until(sub { $t->read_file('error.log') =~ /gracefully shutting down/ }),
    'the old worker shuts down');
leave(1, [pop @half, pop @asked]);
$_->print('x' x 2500) for @half;
is(wait_asked($t, 'service', 19), 19, 'asked after a reload');
go_on($t, 'service');
is(join(' ', map { said($_) } @half),
    join(' ', map { $_ % 2 ? '200 5000' : '403 ' . 'x' x 100 } 1 .. 9), 'after the reload, bodies that were half sent');
is(join(' ', map { said($_) } @asked),
    join(' ', map { $_ % 2 ? '200 5' : '403 ' . 'x' x 100 } 1 .. 9), 'after the reload, checks that were running');
@half = @asked = ();
my $s = start('POST', 200, 3);
$s->print('abc');
is(said($s), '200 3', 'a request to the new worker');
undef $s;
is(connections_left(), 1, 'all connections are closed');

# many clients, at random

srand 1;
for my $i (1 .. 300) {
    my $s = start('POST', (200, 401, 403, 500)[rand 4], 5000);
    $s->print('x' x 1000) for 1 .. rand 6;
    push @clients, $s;
    leave($i % 2, [splice @clients, rand @clients, 1]) if @clients > 20;
}
leave(1, \@clients);
is(connections_left(), 1, 'random clients, all connections are closed');
$s = start('POST', 200, 3);
$s->print('abc');
is(said($s), '200 3', 'the next request');
cmp_ok(peak_memory(worker($t)), '<', memory_limit(100 * 1024), 'memory in KiB');

### helpers

sub start {
    my ($method, $code, $length) = @_;
    my $s = connection();
    my $framing = defined $length ? "Content-Length: $length" : 'Transfer-Encoding: chunked';
    $s->print(request({ method => $method }, '/', "X-Code: $code", 'Connection: close',
        'Authorization: mine', 'X-User: root', $framing));
    return $s;
}

sub leave {
    my ($reset, $clients) = @_;
    if ($reset) { setsockopt $_, SOL_SOCKET, SO_LINGER, pack 'll', 1, 0 for @$clients; }
    close $_ for @$clients;
    @$clients = ();
}

sub said {
    my ($s) = @_;
    my $response = http('', socket => $s);
    return status($response) . ' ' . http_content($response);
}
