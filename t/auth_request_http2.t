#!/usr/bin/perl

# auth_request over HTTP/2: bodies, challenges, many streams at once, and
# streams that the client resets during a check. Needs curl.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Http2;
use Original;
use Service;
use Test::Nginx::Raw;

use Digest::MD5 qw/ md5_hex /;
use Time::HiRes qw/ sleep /;

my $t = Test::Nginx->new()->has(qw/ http http_v2 proxy rewrite stub_status /)
    ->plan(39);

without_body($t);
configure($t, <<"EOF");
    client_body_buffer_size 1k;
    server {
        listen       127.0.0.1:8080;
        location / { stub_status; }
    }
    server {
        @{[listen_http2($t)]}
        server_name  localhost;
        auth_request_set \$saw \$upstream_http_x_saw;
        add_header   X-Saw \$saw always;
        location / {
            auth_request /auth;
            proxy_pass http://127.0.0.1:8082;
        }
        location /unbuffered {
            auth_request /auth;
            proxy_request_buffering off;
            proxy_http_version 1.1;
            proxy_pass http://127.0.0.1:8082;
        }
        location /variables {
            set \$before "[\$content_length]";
            auth_request /auth-variables;
            proxy_set_header X-Told "\$before [\$content_length]";
            proxy_pass http://127.0.0.1:8082;
        }
        location = /auth {
            include without-body.conf;
            proxy_pass http://127.0.0.1:8081/\$http_x_code;
        }
        location = /auth-variables {
            proxy_set_header X-Told "[\$content_length] [\$request_body]";
            include without-body.conf;
            proxy_pass http://127.0.0.1:8081/204;
        }
        location /slow {
            auth_request /auth-slow;
            proxy_pass http://127.0.0.1:8082;
        }
        location = /auth-slow {
            include without-body.conf;
            proxy_pass http://127.0.0.1:8081/slow\$http_x_code;
        }
    }
EOF

my $large = join '', map { "$_\n" } 1 .. 30_000;
$t->write_file('small', '0123456789');
$t->write_file('large', $large);
$t->write_file('empty', '');

my $d = $t->testdir();
hold($t, 'slow');

service($t, 8081, sub {
    my ($client, $head, $body) = @_;
    my ($slow, $code) = $head =~ m{^GET /(slow)?(\d+)};
    my @told = ($head =~ /^(Content-Length|Transfer-Encoding):/mgi,
        $head =~ /^X-Told: (.*)\r/m, "[$body]");
    take_request($d, 'slow') if $slow;
    print $client "HTTP/1.1 $code X\r\nX-Saw: @told\r\n"
        . "WWW-Authenticate: One\r\nWWW-Authenticate: Two\r\n\r\nINVISIBLE";
    return 0;
});

service($t, 8082, sub {
    my ($client, $head, $body) = @_;
    my ($told) = $head =~ /^X-Told: (.*)\r/m;
    print $client "HTTP/1.1 200 X\r\n\r\n" . ($head =~ /^(\w+)/)[0] . ' '
        . ($told // '') . ' ' . length($body) . ' ' . md5_hex($body);
    return 0;
});

$t->run();

### statuses

like(http2_curl('/', "-H 'X-Code: 204'"), qr/^HTTP\/2 200 \r\n.*GET  0 /s, 'allowed');
unlike(http2_curl('/', "-H 'X-Code: 204'"), qr/INVISIBLE|www-authenticate/,
    'allowed, no challenge');
like(http2_curl('/', "-H 'X-Code: 403'"), qr/^HTTP\/2 403 /, 'refused with 403');
like(http2_curl('/', "-H 'X-Code: 500'"), qr/^HTTP\/2 500 /, 'refused with 500');

my $response = http2_curl('/', "-H 'X-Code: 401'");
like($response, qr/^HTTP\/2 401 /, 'refused with 401');
is(join(' ', headers($response, 'WWW-Authenticate')), join(' ', service_challenges($t, 'One', 'Two')),
    '401, challenges');
unlike($response, qr/INVISIBLE/, '401, body');

### bodies

for my $uri ('/', '/unbuffered') {
    for my $name (qw/ small large empty /) {
        my $body = $t->read_file($name);
        my $expected = 'POST  ' . length($body) . ' ' . md5_hex($body);
        $response = http2_curl($uri, "-H 'X-Code: 204'", '--data-binary', "\@$d/$name");
        is(body($response), $expected, "$uri, $name");
        is(header($response, 'X-Saw'), '[]', "$uri, $name, service");
        $response = http2_curl($uri, "-H 'X-Code: 204'", '-X', 'POST', '-T', "- < $d/$name");
        is(body($response), $expected, "$uri, $name, no length");
    }
}

# curl may lose a response that comes while it is still sending, so this is by hand.

my $s = http2_connection();
$s->print(http2_request({ open => 1 }, 1, '/', 'x-code' => 401) . http2_data(1, '0123456789'));
is({ http2_statuses($s, 1) }->{1}, 401, 'denied with a body');
$s->print(http2_request({ open => 1 }, 3, '/', 'x-code' => 401));
is({ http2_statuses($s, 1) }->{3}, 401, 'denied before the body is there');
$s->print(http2_request(5, '/', 'x-code' => 204));
is({ http2_statuses($s, 1) }->{5}, 200, 'next stream of the connection');

$response = http2_curl('/variables', "-H 'X-Code: 204'", '--data-binary', "\@$d/small");
is(header($response, 'X-Saw'), differs('$content_length in the check', '[] [] []', '[10] [] []'),
    'variables, service');
is(body($response), 'POST [10] [10] 10 ' . md5_hex('0123456789'), 'variables');

### streams

$s = http2_connection();
$s->print(join '', map { http2_request($_, '/slow', 'x-code' => (204, 401, 403, 500)[$_ / 2 % 4]) }
    map { 2 * $_ + 1 } 0 .. 19);
is(wait_asked($t, 'slow', 20), 20, 'a check for each stream');
go_on($t, 'slow');
my %status = http2_statuses($s, 20);
is(join(' ', map { $status{2 * $_ + 1} // '-' } 0 .. 19),
    join(' ', (200, 401, 403, 500) x 5), 'each stream has its own response');

forget($t, 'slow');
hold($t, 'slow');
$s->print(join '', map { http2_request(2 * $_ + 1, '/slow', 'x-code' => 204) } 20 .. 39);
is(wait_asked($t, 'slow', 20), 20, 'a check for each stream, before some are reset');
$s->print(http2_reset(map { 4 * $_ + 1 } 10 .. 19));
$s->print(http2_request(101, '/', 'x-code' => 401));
is({ http2_statuses($s, 1) }->{101}, 401, 'a stream after those that were reset');
go_on($t, 'slow');
%status = http2_statuses($s, 10);
is(join(' ', map { $status{4 * $_ + 3} // '-' } 10 .. 19),
    join(' ', (200) x 10), 'the streams that were not reset have responses');
is(join(' ', grep { $_ % 4 == 1 } keys %status), '',
    'the streams that were reset have no response');

forget($t, 'slow');
hold($t, 'slow');
$s->print(join '', map { http2_request(2 * $_ + 1, '/slow', 'x-code' => 204) } 60 .. 79);
is(wait_asked($t, 'slow', 20), 20, 'a check for each stream, before the connection closes');
undef $s;
is(connections_left('/'), 1, 'all connections are closed');
go_on($t, 'slow');
like(http2_curl('/', "-H 'X-Code: 204'"), qr/^HTTP\/2 200 /, 'the next request is served');
