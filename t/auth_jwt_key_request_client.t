#!/usr/bin/perl

# auth_jwt_key_request: the client's request does not change the key request,
# and the client sees nothing of its response.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use KeyService;
use Test::Nginx::Raw;

use Digest::MD5 qw/ md5_hex /;

my @methods = qw/ GET HEAD POST PUT DELETE OPTIONS PATCH PROPFIND FOO /;
my @sources = qw/ static proxied page redirect named slow ssi added gzipped
    hidden /;
my @bodies = (['nothing', ''], ['a few bytes', '0123456789'],
    ['many bytes', join '', map { "$_\n" } 1 .. 30_000]);
my $t = Test::Nginx->new()->has(qw/ http proxy rewrite ssi gzip addition /)
    ->plan(5 * @methods + 4 * @sources + 8 * @bodies + 21);

configure($t, <<'EOF');
    client_body_buffer_size 1k;
    gzip            on;
    gzip_min_length 1;
    gzip_types      *;
    etag            on;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt     "r";
        root         %%TESTDIR%%/html;
        add_header   X-Status $jwt_status;
        auth_jwt_key_request /keys-proxied;

        location /static/   { auth_jwt_key_request /keys-static; try_files /page =404; }
        location /proxied/  { try_files /page =404; }
        location /page/     { auth_jwt_key_request /keys-page; try_files /page =404; }
        location /redirect/ { auth_jwt_key_request /keys-redirect; try_files /page =404; }
        location /named/    { auth_jwt_key_request /keys-named; try_files /page =404; }
        location /slow/     { auth_jwt_key_request /keys-slow; try_files /page =404; }
        location /ssi/      { auth_jwt_key_request /keys-ssi; try_files /page =404; }
        location /added/    { auth_jwt_key_request /keys-added; try_files /page =404; }
        location /gzipped/  { auth_jwt_key_request /keys-static; try_files /page =404; }
        location /hidden/   { auth_jwt_key_request /keys-hidden; try_files /page =404; }
        location /method/   { proxy_pass http://127.0.0.1:8082; }
        location /unbuffered/ {
            proxy_request_buffering off;
            proxy_http_version 1.1;
            proxy_pass http://127.0.0.1:8082;
        }
        location /upstream/ { proxy_pass http://127.0.0.1:8082; }
        location /cached/ {
            auth_jwt_key_cache 1h refresh=off;
            proxy_pass http://127.0.0.1:8082;
        }
        location /told/ {
            set $before $content_length;
            proxy_set_header X-Told "$before $content_length";
            proxy_pass http://127.0.0.1:8082;
        }

        location = /keys-static {
            sendfile on;
            alias %%TESTDIR%%/keys.json;
            add_header X-Secret INVISIBLE always;
        }
        location = /keys-proxied { proxy_pass http://127.0.0.1:8081/keys; }
        location = /keys-page {
            error_page 404 =200 /keys-static;
            return 404;
        }
        location = /keys-redirect {
            proxy_intercept_errors on;
            error_page 302 = /keys-static;
            proxy_pass http://127.0.0.1:8081/found;
        }
        location = /keys-named {
            try_files /none @keys;
        }
        location @keys { proxy_pass http://127.0.0.1:8081/keys$is_args; }
        location = /keys-slow {
            limit_rate 200;
            limit_rate_after 1;
            proxy_buffering off;
            proxy_pass http://127.0.0.1:8081/keys;
        }
        location = /keys-ssi {
            ssi on;
            ssi_types *;
            alias %%TESTDIR%%/ssi.json;
        }
        location = /keys-added {
            add_before_body /more;
            add_after_body  /more;
            addition_types  *;
            alias %%TESTDIR%%/keys.json;
        }
        location = /more { return 200 INVISIBLE; }
        location = /keys-hidden {
            expires max;
            add_trailer X-Secret INVISIBLE always;
            add_header Set-Cookie INVISIBLE always;
            add_header WWW-Authenticate INVISIBLE always;
            alias %%TESTDIR%%/keys.json;
        }
    }

EOF

my $key = jwk('HS256', '--kid', 'INVISIBLE');
my $token = sign($key, '{"exp":"now+300"}');
my $forged = sign(jwk('HS256', '--kid', 'INVISIBLE'), '{"exp":"now+300"}');
my $secret = $key =~ /"k":"([^"]+)"/ ? $1 : die;

mkdir $t->testdir() . '/html' or die;
$t->write_file('html/page', 'CONTENT');
$t->write_file('keys.json', $key);
$t->write_file('ssi.json', $key =~ s!^\{!{"a":"<\!--#include virtual='/more' -->",!r);
respond_with($t, 'keys', keys_response($key, 'Set-Cookie: INVISIBLE', 'ETag: "a"',
    'WWW-Authenticate: INVISIBLE', 'X-Secret: INVISIBLE',
    'Last-Modified: Mon, 28 Sep 1970 06:00:00 GMT', 'Accept-Ranges: bytes',
    'Link: </INVISIBLE>; rel=preload'));
respond_with($t, 'found', "HTTP/1.1 302 X\r\nLocation: /INVISIBLE\r\n\r\nINVISIBLE");
key_service($t, 8081);
service($t, 8082, sub {
    my ($client, $head, $body) = @_;
    my ($line) = $head =~ /^(\S+ \S+)/;
    my ($told) = $head =~ /^X-Told: (.*)\r/m;
    my $text = join ' ', $line, $told // '-', length $body, md5_hex($body);
    print $client "HTTP/1.1 200 X\r\nContent-Length: " . length($text)
        . "\r\n\r\n" . ($head =~ /^HEAD/ ? '' : $text);
    return 0;
});
run_quietly($t);

### the client's method and header lines

for my $method (@methods) {
    my @lines = ('Range: bytes=0-3', 'If-None-Match: "a"', 'If-Range: "a"',
        'If-Modified-Since: Mon, 28 Sep 1970 06:00:00 GMT', 'If-Match: "b"',
        'Accept-Encoding: gzip', 'Expect: 100-continue', 'X-Http: 1');
    is(result($method, '/method/', $forged, @lines), '401 bad_signature',
        "$method, forged");
    is(result($method, '/method/', undef, @lines), '401 missing',
        "$method, no token");
    is(result($method, '/method/', $token, @lines), '200 ok', "$method, good");
    my $question = last_request($t, 'keys');
    like($question, qr/^GET \/keys HTTP/, "$method, key request");
    unlike($question, qr/^(?:Content-Length|Transfer-Encoding|Expect):/mi,
        "$method, key request without a body");
}

### what the client sees

for my $source (@sources) {
    my $uri = "/$source/";
    my @gzip = $source eq 'gzipped' ? 'Accept-Encoding: gzip' : ();
    my $good = get($uri, $token);
    like($good, qr/^HTTP\/1.1 200 .*^X-Status: ok\r.*\r\n\r\nCONTENT\z/ms,
        "$source, good");
    my $bad = ask({ version => '1.1' }, $uri, bearer($forged), @gzip);
    like($bad, qr/^HTTP\/1.1 401 /, "$source, forged");
    my $head = ask({ method => 'HEAD', version => '1.1' }, $uri, bearer($token), @gzip);
    like($head, qr/^HTTP\/1.1 200 .*\r\n\r\n\z/s, "$source, HEAD");
    unlike("$good$bad$head", qr/INVISIBLE|\Q$secret\E|"kty"|1970/,
        "$source, the client sees nothing of the keys");
}

my $range = get('/static/', $token, 'Range: bytes=1-3');
like($range, qr/^HTTP\/1.1 206 .*\r\n\r\nONT\z/s, 'range of the content');
my ($etag) = $range =~ /^ETag: (\S+)\r/m;
like(get('/static/', $token, "If-None-Match: $etag"), qr/^HTTP\/1.1 304 /, 'not modified');
like(ask({ version => '1.1' }, '/static/', bearer($token), 'Accept-Encoding: gzip'),
    qr/^Content-Encoding: gzip\r/m, 'gzip');

### bodies

for my $case (@bodies) {
    my ($name, $body) = @$case;
    my $sum = length($body) . ' ' . md5_hex($body);
    for my $uri ('/upstream/', '/unbuffered/', '/cached/') {
        like(ask({ method => 'POST', body => $body }, $uri, bearer($token)), qr/\r\n\r\nPOST $uri - $sum\z/,
            "$uri, $name");
        like(ask({ method => 'POST', chunks => [$body] }, $uri, bearer($token)),
            qr/\r\n\r\nPOST $uri - $sum\z/, "$uri, $name, chunked");
    }
    my $length = length $body;
    like(ask({ method => 'POST', body => $body }, '/told/', bearer($token)), qr/\r\n\r\nPOST \S+ $length $length $sum\z/,
        "$name, variables");
    like(ask({ method => 'POST', body => $body }, '/upstream/', bearer($forged)), qr/^HTTP\/1.1 401 /,
        "$name, forged");
}

### the next request on the connection

my $s = connection();
for my $case (['good', $token, 200], ['forged', $forged, 401],
    ['good', $token, 200])
{
    my ($name, $with, $status) = @$case;
    for my $method (qw/ GET HEAD POST /) {
        my $response = exchange($s, request({ method => $method }, '/method/', bearer($with), $method eq 'POST' ? 'Content-Length: 0' : ()));
        like($response, qr/^HTTP\/1.1 $status .*^Connection: keep-alive\r/ms,
            "connection kept, $method, $name");
    }
}

$s = connection();
$s->print(join '', map { request('/proxied/', bearer($_)) }
    $token, $forged, undef, $token);
is(join(' ', map { read_response($s) =~ /^HTTP\S+ (\d+) / } 1 .. 4),
    '200 401 401 200', 'pipelined');

### the log at level debug (row 37)

my $log = $t->read_file('error.log');
cmp_ok(length $log, '>', 100_000, 'the log is long enough to tell');
my @leaks = grep { index($_, $secret) >= 0 } split /\n/, $log;
is(join("\n", grep { /auth_jwt/ } @leaks), '', 'the log has no key');
unlike(join("\n", grep { /auth_jwt/ } split /\n/, $log),
    qr/\Q@{[(split m!\.!, $token)[2]]}\E/, 'the log has no signature of a token');

is(early('/upstream/', $token, 'x') =~ /^HTTP\/1.1 100 .*^HTTP\/1.1 200 /ms,
    1, 'expect: 100-continue, the body comes later');

$s = connection();
$s->print(request('/slow/', bearer($token)));
undef $s;
like(get('/proxied/', $token),
    qr/^HTTP\/1.1 200 /, 'the next request after a client that left');

$s = connection();
like(exchange($s, request({ method => 'POST', body => '123456789' }, '/upstream/',
    bearer($forged))),
    qr/^HTTP\/1.1 401 /, 'body of a refused request');
like(exchange($s, request('/proxied/', bearer($token))), qr/^HTTP\/1.1 200 /,
    'the next request after a refused one');

is(jwt_logged($t) =~ /^error/m ? 'errors' : '', '', 'no errors');

###############################################################################

# The status, and the value of $jwt_status or what the challenge says.
sub result {
    my ($method, $uri, $with, @lines) = @_;
    my $response = ask({ method => $method, version => '1.1' }, $uri, 'Connection: close',
        bearer($with), @lines);
    return status($response) . ' ' . (header($response, 'X-Status')
        // ($response =~ /error="invalid_token"/ ? 'bad_signature' : 'missing'));
}

###############################################################################

# A POST with Expect: 100-continue, whose body comes later than its header.
sub early {
    my ($uri, $with, $body) = @_;
    my $text = request({ method => 'POST', body => $body }, $uri, bearer($with),
        'Connection: close', 'Expect: 100-continue');
    my ($head) = $text =~ /\A(.*?\r\n\r\n)/s;
    return http($head, body => $body, sleep => 0.1);
}
