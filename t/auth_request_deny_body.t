#!/usr/bin/perl

# auth_request_deny_body: the body of a denial goes to the client.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Http2;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()
    ->has(qw/ http proxy rewrite auth_basic access http_v2 stub_status gzip ssi /)->plan(81);

configure($t, <<"EOF");
    proxy_read_timeout 1s;
    server {
        listen       127.0.0.1:8080;
        @{[listen_http2($t)]}
        server_name  localhost;
        root         %%TESTDIR%%;
        auth_request /auth;
        auth_request_deny_body 1000;
        auth_request_deny_status 302 404 5xx 4xx;
        auth_request_client_headers X-A;
        default_type text/x-own;

        location / { }
        location /off { auth_request_deny_body off; }
        location /zero { auth_request_deny_body 0; }
        location /huge { auth_request_deny_body 100m; }
        location /page { error_page 401 403 404 413 = \@page; }
        location \@page { auth_request off; return 200 PAGE; }
        location /strict { auth_request_deny_status 404; error_page 500 = \@page; }
        location /gzip { gzip on; gzip_min_length 1; gzip_types *; gzip_http_version 1.0; }
        location /body { auth_request_body 10; }
        location /ssi { ssi on; }
        location /any {
            satisfy any;
            auth_basic "b";
            auth_basic_user_file %%TESTDIR%%/users;
        }
        location /any-address { satisfy any; deny all; }
        location /any-token { satisfy any; auth_jwt t; auth_jwt_key_file keys.json; }
        location /all { satisfy all; allow all; }
        location /any-then {
            satisfy any;
            auth_basic "b";
            auth_basic_user_file %%TESTDIR%%/users;
            error_page 401 = /any-address;
        }
        location = /auth { internal; proxy_pass http://127.0.0.1:8081; }
        location /own { auth_request /auth-own; }
        location = /auth-own { default_type text/plain; return 403 "own text"; }
        location /static { auth_request /auth-static; }
        location = /auth-static { error_page 404 =403 /denied.html; return 404; }
        location = /denied.html { types { text/html html; } }
        location /nginx { auth_request /auth-nginx; }
        location = /auth-nginx { return 403; }
        location /big-static { auth_request /auth-big; }
        location = /auth-big { alias %%TESTDIR%%/big; }
        location = /status { auth_request off; stub_status; }
    }
EOF

$t->write_file('users', 'user:{PLAIN}secret');
$t->write_file('keys.json', '{"keys":[]}');
$t->write_file('denied.html', 'DENIED' x 10);
$t->write_file('big', 'x' x 5_000_000);
$t->write_file($_, 'CONTENT') for qw/ off zero huge any gzip body static big-static /;

# X-Body is the response after its status line, X-More the number of further bytes.

service($t, 8081, sub {
    my ($client, $head) = @_;
    my ($code) = $head =~ /^X-Code: (.*)\r/mi;
    my ($body) = $head =~ /^X-Body: (.*)\r/mi;
    my ($more) = $head =~ /^X-More: (.*)\r/mi;
    my ($endless) = $head =~ /^X-Endless:/mi;
    my ($wait) = $head =~ /^X-Wait:/mi;
    print $client "HTTP/1.1 $code X\r\nX-A: a\r\n" . ($body // '') =~ s/\\n/\r\n/gr
        or return 0;
    my $chunk = 'x' x 65536;
    for (1 .. ($more // 0) / 65536) { print $client $chunk or return 0; }
    while ($endless) { print $client "10000\r\n$chunk\r\n" or return 0; }
    sleep 5 if $wait;
    return 0;
});

$t->run();

my $type = 'Content-Type: application/problem+json';

### the body is sent unchanged

for my $code (401, 403, 404, 410, 500, 503, 499, 444, 408, 494) {
    my $response = ask_with('/', $code, "$type\\nContent-Length: 8\\n\\n{\"a\":1}\x01");
    like($response, qr!^HTTP/1.1 $code\b.*^X-A: a\b.*\r\n\r\n\Q{"a":1}\E\x01\z!ms, "code $code");
    is(join(',', $response =~ /^Content-(?:Type|Length): (.*)\r/mg),
        'application/problem+json,8', "$code, type and length");
}
my $response = ask_with('/', 302, 'Location: /a\nContent-Length: 4\n\nHERE');
like($response, qr!^HTTP/1.1 302 .*^Location: /a\b.*\r\n\r\nHERE\z!ms, 'code 302');
unlike($response, qr/^Content-Type:/m, 'no type');

is(body(ask_with('/', 403, "$type\\nTransfer-Encoding: chunked\\n\\n3\\nabc\\n2\\nde\\n0\\n\\n")),
    'abcde', 'chunked');
is(body(ask_with('/', 403, "$type\\n\\nto the end")), 'to the end', 'no length');
$response = ask_with('/', 403, "$type\\nContent-Encoding: br\\nContent-Length: 3\\n\\nabc");
is(body($response), 'abc', 'encoded');
is(() = $response =~ /^Content-Encoding: br\r/mg, 1, 'encoding');

$response = ask({ method => 'HEAD' }, '/', 'X-Code: 403',
    "X-Body: $type\\nContent-Length: 8\\n\\n12345678");
like($response, qr/^HTTP\S+ 403 .*^Content-Length: 8\b.*\r\n\r\n\z/ms, 'HEAD');

like(ask_with('/gzip', 403, "$type\\nContent-Length: 20\\n\\n" . 'a' x 20,
    'Accept-Encoding: gzip'), qr/^HTTP\S+ 403 .*^Content-Encoding: gzip\r/ms,
    'compressed by nginx');
is(() = ask_with('/gzip', 403, "$type\\nContent-Encoding: br\\nContent-Length: 3\\n\\nabc",
    'Accept-Encoding: gzip') =~ /^Content-Encoding: (.*)\r/mg, 1,
    'an encoded body is not encoded again');

is(body(ask_with('/ssi', 403, 'Content-Type: text/html\n\n<!--#echo var="uri" -->')), '/ssi',
    'a filter of the protected location, ssi');

is(body(http_get('/own')), 'own text', 'return with a text in the location that is asked');
is(body(http_get('/static')), 'DENIED' x 10, 'a file in the location that is asked');
like(http_get('/static'), qr!^Content-Type: text/html\r!m, 'type of a file');
like(http_get('/nginx'), qr!^HTTP\S+ 403 .*403 Forbidden!s, "nginx's own page");

### sizes

my $denied = 'info auth request: denied with status 403 by "/auth"';
logged($t, qr/auth request/);
is(body(ask_with('/', 403, 'Content-Length: 1000\n\n' . 'y' x 1000)), 'y' x 1000,
    'body as long as the limit');
is(logged($t, qr/auth request/), $denied, 'body as long as the limit, log');
for my $body ('Content-Length: 1001\n\n' . 'y' x 1001,
    'Content-Length: 2001\n\n' . 'y' x 2001, '\n' . 'y' x 1001)
{
    like(ask_with('/', 403, $body), qr!^HTTP\S+ 403 .*403 Forbidden!s, 'body longer than the limit');
    is(logged($t, qr/auth request/), 'warn auth request: the body of the response with'
        . " status 403 is ignored: it is larger than auth_request_deny_body\n$denied", 'larger, log');
}
like(ask_with('/zero', 403, 'Content-Length: 1\n\ny'), qr/403 Forbidden/, 'zero');
like(ask_with('/zero', 403, 'Content-Length: 0\n\n'), qr/403 Forbidden/, 'zero, empty');
like(ask_with('/', 403, 'Content-Length: 0\n\n'), qr/403 Forbidden/, 'empty');
logged($t, qr/auth request/);
like(ask_with('/off', 403, 'Content-Length: 1\n\ny'), qr/403 Forbidden/, 'off');
is(logged($t, qr/auth request/), $denied, 'off, log');

my $memory = peak_memory(worker($t));
# What the service allows is forbidden all the same, for want of an index.html.
my $expected = 403;
for my $code (403, 200) {
    is(status(ask_with('/', $code, 'Content-Length: 104857600\n\n', 'X-More: 104857600')),
        $expected, "$code, 100 MB");
    is(status(ask_with('/', $code, 'Transfer-Encoding: chunked\n\n', 'X-Endless: 1')),
        $expected, "$code, without an end");
    is(status(ask_with('/', $code, 'Content-Length: 10\n\nabc')), $expected,
        "$code, broken off");
    is(status(ask_with('/', $code, 'Content-Length: 10\n\nabc', 'X-Wait: 1')), $expected,
        "$code, nothing more comes");
    is(status(ask_with('/', $code, 'Transfer-Encoding: chunked\n\nzz\n', 'X-Wait: 1')),
        $expected, "$code, wrong chunks");
}
cmp_ok(peak_memory(worker($t)), '<', memory_limit($memory + 8 * 1024), 'memory growth in KiB');
is(length body(ask_with('/huge', 403, 'Content-Length: 10485760\n\n', 'X-More: 10485760')),
    10485760, '10 MB under a larger limit');
like(http_get('/big-static'), qr/CONTENT/, 'a large file as the response that allows');

### error pages

is(body(ask_with('/page', 403, 'Content-Length: 1\n\ny')), 'y',
    'no error page for a denial with a body');
is(body(ask_with('/page', 403, 'Content-Length: 0\n\n')), 'PAGE',
    'error page for a denial without a body');
is(body(ask_with('/page', 403, '\n' . 'y' x 1001)), 'PAGE', 'error page for too large a body');
is(body(ask_with('/strict', 410, 'Content-Length: 1\n\ny')), 'PAGE', 'error page for an error');
is(status(ask_with('/any', 403, 'Content-Length: 1\n\ny', 'Authorization: Basic dXNlcjpzZWNyZXQ=')),
    200, 'satisfy any, let in');

# Without a password auth_basic says 401, which nginx prefers to a 403 (ngx_http_core_access_phase):
# the client can still sign in. A 401 has the challenges of both.

my $basic = 'Basic realm="b"';
my @said = (
    ['/any', 403, [], '401', $basic],
    ['/any', 401, ['WWW-Authenticate: Own'], '401 y', $basic, 'Own'],
    ['/any', 404, [], '404 y', $basic],
    ['/any', 302, ['Location: /a'], '302 y', $basic],
    ['/any-address', 403, [], '403 y'],
    ['/any-address', 401, ['WWW-Authenticate: Own'], '401 y', 'Own'],
    ['/any-token', 403, [], '401', 'Bearer realm="t"'],
    ['/any-token', 401, ['WWW-Authenticate: Own'], '401 y', 'Bearer realm="t"', 'Own'],
    ['/any-token', 302, ['Location: /a'], '302 y', 'Bearer realm="t"'],
    ['/all', 403, [], '403 y'],
    # one location after the other: what auth_basic has said in the first is over in the second
    ['/any-then', 403, [], '403 y', $basic],
);
for my $case (@said) {
    my ($uri, $code, $lines, @expected) = @$case;
    my $response = ask_with($uri, $code, join '\n', @$lines, 'Content-Length: 1', '', 'y');
    my @got = (status($response) . (body($response) eq 'y' ? ' y' : ''),
        headers($response, 'WWW-Authenticate'));
    is(join(' | ', @got), join(' | ', @expected), "satisfy, $uri, $code");
}

### the client's connection

my $s = connection();
my @no = ('X-Code: 403', 'X-Body: Content-Length: 2\n\nno');
my $get = request('/', @no);
my $post = request({ method => 'POST', body => 'z' x 50000 }, '/', @no);
$s->print($get . $get . $post . $get . $post);
is(join(' ', map { body(read_response($s)) } 1 .. 5), 'no no no no no',
    'pipelined, bodies unread');
like(exchange($s, $get), qr/^Connection: keep-alive\b.*\r\n\r\nno\z/ms, 'the connection is kept');
like(exchange($s, $post =~ s/POST \//POST \/body/r), qr/^HTTP\S+ 413 /, 'a body too large');

$response = http2_curl('/', "-H 'X-Code: 403'",
    "-H 'X-Body: $type\\nContent-Length: 2\\n\\nno'");
like($response, qr!^HTTP/2 403.*^content-type: application/problem\+json\b.*\r\n\r\nno\z!ms,
    'HTTP/2');
# curl may take what nginx sends after such a response (RST_STREAM) for an error.
my $h2 = http2_connection();
$h2->print(http2_request({ open => 1 }, 1, '/', 'x-code', 403,
    'x-body', 'Content-Length: 2\n\nno') . http2_data(1, 'some data'));
is({ http2_bodies($h2, 1) }->{1}, 'no', 'HTTP/2, body unread');

### helpers

# The service responds with this status and this text behind its status line.
sub ask_with {
    my ($uri, $code, $body, @lines) = @_;
    return ask($uri, "X-Code: $code", "X-Body: $body", @lines);
}
