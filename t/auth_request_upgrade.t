#!/usr/bin/perl

# auth_request in front of a WebSocket: an allowed client gets a tunnel, others
# get an ordinary response; and no method or header line evades the check (row
# 29).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Test::Nginx::Raw;

my @methods = qw/ GET HEAD POST PUT DELETE OPTIONS PATCH PROPFIND TRACE LOCK X /;
my @lines = ('User-Agent: GoogleHC/1.0', 'User-Agent: kube-probe/1.2',
    'Origin: http://a', "Origin: http://a\r\nAccess-Control-Request-Method: PUT",
    'X-Original-URI: /open', 'X-Original-Method: OPTIONS', 'X-Forwarded-Uri: /open',
    'X-Http-Method-Override: OPTIONS', 'Upgrade: h2c', 'Range: bytes=0-0',
    'If-None-Match: *', 'Purpose: prefetch', 'X-Real-IP: 127.0.0.1');

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)
    ->plan(2 * @methods + @lines + 11);

configure($t, <<'EOF');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        auth_request /auth;
        auth_request_upstream_headers X-User;
        auth_request_body 1k;
        proxy_http_version 1.1;

        location / { proxy_pass http://127.0.0.1:8082; }
        location /ws {
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
            proxy_pass http://127.0.0.1:8082;
        }
        location = /auth {
            proxy_set_header X-Original-URI $request_uri;
            proxy_set_header X-Original-Method $request_method;
            proxy_pass http://127.0.0.1:8081;
        }
        location /unset { auth_request /auth-unset; auth_request_body off; }
        location = /auth-unset { proxy_pass http://127.0.0.1:8081; }
        location /tunnel { auth_request /auth-tunnel; }
        location = /auth-tunnel {
            proxy_read_timeout 1s;
            proxy_set_header Upgrade websocket;
            proxy_set_header Connection upgrade;
            proxy_pass http://127.0.0.1:8082;
        }
    }
EOF

my $d = $t->testdir();
service($t, 8081, sub {
    my ($client, $head) = @_;
    open my $file, '>', "$d/asked.tmp";
    print $file $head;
    close $file;
    rename "$d/asked.tmp", "$d/asked";
    my $code = $head =~ /^X-Code: (\d+)/m ? $1 : 403;
    print $client "HTTP/1.1 $code X\r\nX-User: alice\r\nContent-Length: 0\r\n\r\n";
    return 0;
});
service($t, 8082, sub {
    my ($client, $head) = @_;
    if ($head !~ /^Upgrade: websocket/m) {
        print $client "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";
        return 1;
    }
    my ($user) = $head =~ /^X-User: (.*)\r/m;
    print $client "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\n"
        . "Upgrade: websocket\r\nX-Got: " . ($user // '') . "\r\n\r\nhello";
    while ($client->sysread(my $bytes, 100)) { $client->syswrite(uc $bytes); }
    return 0;
});
$t->run();

### no method and no header line evades the check

for my $method (@methods) {
    like(exchange(connection(), request({ method => $method, body => '' }, '/')), qr/^HTTP\S+ (?:403|405) /,
        "$method, denied");
    next if $method eq 'TRACE';
    like(exchange(connection(), request({ method => $method, body => '' }, '/',
        'X-Code: 204')), qr/^HTTP\S+ 200 /,
        "$method, allowed");
}
for my $line (@lines) {
    my ($name) = $line =~ /^(.*)/;
    like(ask({ method => 'OPTIONS' }, '/', $line),
        qr/^HTTP\S+ 403 /, $name);
}

### header lines for the service: those set in its location, otherwise the client's

ask({ method => 'POST' }, '/a?b', 'X-Original-URI: /open', 'X-Original-Method: OPTIONS');
is(join(' ', $t->read_file('asked') =~ /^X-Original-\w+: (.*)\r/mg), '/a?b POST',
    'lines set in the location of the service');
ask('/unset', 'X-Original-URI: /open');
is(join(' ', $t->read_file('asked') =~ /^X-Original-\w+: (.*)\r/mg), '/open',
    'lines of the client where none are set');

### tunnels

my @upgrade = ('Connection: Upgrade', 'Upgrade: websocket', 'X-User: root');
my $s = connection();
my $response = exchange($s, request('/ws', @upgrade));
like($response, qr/^HTTP\S+ 403 /, 'WebSocket, denied');
unlike($response, qr/^Upgrade/mi, 'WebSocket, denied, no upgrade');
like(exchange($s, request('/', 'X-Code: 200')),
    qr/^HTTP\S+ 200 /, 'the connection is still one of HTTP');

$s = connection();
$s->print(request('/ws', 'X-Code: 204', @upgrade));
$response = until_there($s, qr/hello/);
like($response, qr/^HTTP\S+ 101 .*^X-Got: alice\r/ms, 'WebSocket, allowed');
$s->syswrite('to and fro');
like(until_there($s, qr/FRO/), qr/^TO AND FRO\z/, 'bytes through the tunnel');
$s->syswrite('GET /ws HTTP/1.1' . "\r\n\r\n");
like(until_there($s, qr/\n\r\n/), qr/^GET \/WS/, 'bytes in the tunnel that look like a request');
undef $s;

like(http_get('/tunnel'), qr/^HTTP\S+ 500 /, 'a service that switches protocols is an error');

### Expect: 100-continue

$s = connection();
like(exchange($s, request({ method => 'PUT', body => 'abc' }, '/', 'X-Code: 200',
    'Expect: 100-continue')),
    qr/^HTTP\S+ 100 .*^HTTP\S+ 200 /ms, '100-continue');
like(exchange($s, request({ method => 'PUT', body => 'abc' }, '/', 'X-Code: 403',
    'Expect: 100-continue')),
    qr/^HTTP\S+ 100 .*^HTTP\S+ 403 /ms, '100-continue, denied');
like(exchange($s, request({ method => 'PUT' }, '/', 'Content-Length: 2000',
    'Expect: 100-continue')), qr/^HTTP\S+ 413 /, '100-continue, too large');

### helpers

sub until_there {
    my ($s, $what) = @_;
    my $text = '';
    eval {
        local $SIG{ALRM} = sub { die "timeout\n" };
        alarm 8;
        while ($text !~ $what) { $s->sysread($text, 1000, length $text) or last; }
    };
    alarm 0;
    return $text;
}
