#!/usr/bin/perl

# auth_jwt_key_request: the client's request does not matter to the key request,
# nor does the client see anything of the answer to it.

use warnings;
use strict;

use Test::More;

use Digest::MD5 qw/ md5_hex /;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use AuthJwt;
use Jose;
use KeyService;
use Test::Nginx::Raw;

select STDERR; $| = 1;
select STDOUT; $| = 1;

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
answer($t, 'keys', keys_answer($key, 'Set-Cookie: INVISIBLE', 'ETag: "a"',
    'WWW-Authenticate: INVISIBLE', 'X-Secret: INVISIBLE',
    'Last-Modified: Mon, 28 Sep 1970 06:00:00 GMT', 'Accept-Ranges: bytes',
    'Link: </INVISIBLE>; rel=preload'));
answer($t, 'found', "HTTP/1.1 302 X\r\nLocation: /INVISIBLE\r\n\r\nINVISIBLE");
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
    is(status($method, '/method/', $forged, @lines), '401 bad_signature',
        "$method, forged");
    is(status($method, '/method/', undef, @lines), '401 missing',
        "$method, no token");
    is(status($method, '/method/', $token, @lines), '200 ok', "$method, good");
    my $question = question($t, 'keys');
    like($question, qr/^GET \/keys HTTP/, "$method, key request");
    unlike($question, qr/^(?:Content-Length|Transfer-Encoding|Expect):/mi,
        "$method, key request without a body");
}

### what the client sees

for my $source (@sources) {
    my $uri = "/$source/";
    my @gzip = $source eq 'gzipped' ? 'Accept-Encoding: gzip' : ();
    my $good = http(request('GET', $uri, $token, 'Connection: close'));
    like($good, qr/^HTTP\/1.1 200 .*^X-Status: ok\r.*\r\n\r\nCONTENT\z/ms,
        "$source, good");
    my $bad = http(request('GET', $uri, $forged, 'Connection: close', @gzip));
    like($bad, qr/^HTTP\/1.1 401 /, "$source, forged");
    my $head = http(request('HEAD', $uri, $token, 'Connection: close', @gzip));
    like($head, qr/^HTTP\/1.1 200 .*\r\n\r\n\z/s, "$source, HEAD");
    unlike("$good$bad$head", qr/INVISIBLE|\Q$secret\E|"kty"|1970/,
        "$source, nothing gets out");
}

my $range = http(request('GET', '/static/', $token, 'Connection: close',
    'Range: bytes=1-3'));
like($range, qr/^HTTP\/1.1 206 .*\r\n\r\nONT\z/s, 'range of the content');
my ($etag) = $range =~ /^ETag: (\S+)\r/m;
like(http(request('GET', '/static/', $token, 'Connection: close',
    "If-None-Match: $etag")), qr/^HTTP\/1.1 304 /, 'not modified');
like(http(request('GET', '/static/', $token, 'Connection: close',
    'Accept-Encoding: gzip')), qr/^Content-Encoding: gzip\r/m, 'gzip');

### bodies

for my $case (@bodies) {
    my ($name, $body) = @$case;
    my $sum = length($body) . ' ' . md5_hex($body);
    for my $uri ('/upstream/', '/unbuffered/', '/cached/') {
        like(post($uri, $token, $body), qr/\r\n\r\nPOST $uri - $sum\z/,
            "$uri, $name");
        like(post($uri, $token, $body, 'chunked'),
            qr/\r\n\r\nPOST $uri - $sum\z/, "$uri, $name, chunked");
    }
    my $length = length $body;
    like(post('/told/', $token, $body), qr/\r\n\r\nPOST \S+ $length $length $sum\z/,
        "$name, variables");
    like(post('/upstream/', $forged, $body), qr/^HTTP\/1.1 401 /,
        "$name, forged");
}

### the connection afterwards

my $s = connection();
for my $case (['good', $token, 200], ['forged', $forged, 401],
    ['good', $token, 200])
{
    my ($name, $with, $status) = @$case;
    for my $method (qw/ GET HEAD POST /) {
        my $answer = exchange($s, request($method, '/method/', $with,
            $method eq 'POST' ? 'Content-Length: 0' : ()));
        like($answer, qr/^HTTP\/1.1 $status .*^Connection: keep-alive\r/ms,
            "connection kept, $method, $name");
    }
}

$s = connection();
$s->print(join '', map { request('GET', '/proxied/', $_) }
    $token, $forged, undef, $token);
is(join(' ', map { read_response($s) =~ /^HTTP\S+ (\d+) / } 1 .. 4),
    '200 401 401 200', 'pipelined');

### the log at level debug (row 37)

my $log = $t->read_file('error.log');
cmp_ok(length $log, '>', 100_000, 'there is a log');
my @leaks = grep { index($_, $secret) >= 0 } split /\n/, $log;
is(join("\n", grep { /auth_jwt/ } @leaks), '', 'no key in it');
unlike(join("\n", grep { /auth_jwt/ } split /\n/, $log),
    qr/\Q@{[(split m!\.!, $token)[2]]}\E/, 'nor a signature');

is(post('/upstream/', $token, 'x', 'early') =~ /^HTTP\/1.1 100 .*^HTTP\/1.1 200 /ms,
    1, 'expect: 100-continue, the body comes later');

$s = connection();
$s->print(request('GET', '/slow/', $token));
undef $s;
like(http(request('GET', '/proxied/', $token, 'Connection: close')),
    qr/^HTTP\/1.1 200 /, 'after a client that left');

$s = connection();
like(exchange($s, "POST /upstream/ HTTP/1.1\r\nHost: localhost\r\n"
    . "Authorization: Bearer $forged\r\nContent-Length: 9\r\n\r\n123456789"),
    qr/^HTTP\/1.1 401 /, 'body of a refused request');
like(exchange($s, request('GET', '/proxied/', $token)), qr/^HTTP\/1.1 200 /,
    'and the next one');

is(reasons($t) =~ /^error/m ? 'errors' : '', '', 'no errors');

###############################################################################

sub request {
    my ($method, $uri, $with, @lines) = @_;
    push @lines, "Authorization: Bearer $with" if defined $with;
    return join "\r\n", "$method $uri HTTP/1.1", 'Host: localhost', @lines, '', '';
}

sub status {
    my ($method, $uri, $with, @lines) = @_;
    my $answer = http(request($method, $uri, $with, 'Connection: close', @lines));
    $answer =~ s/^HTTP\S+ 100 .*?\r\n\r\n//s;
    my ($status) = $answer =~ /^HTTP\S+ (\d+)/;
    return "$status " . ($answer =~ /^X-Status: (\w+)/m ? $1
        : $answer =~ /error="invalid_token"/ ? 'bad_signature' : 'missing');
}

sub post {
    my ($uri, $with, $body, $how) = @_;
    $how //= '';
    my @lines = $how eq 'chunked' ? 'Transfer-Encoding: chunked'
        : 'Content-Length: ' . length $body;
    push @lines, 'Expect: 100-continue' if $how eq 'early';
    my $text = $how ne 'chunked' ? $body
        : sprintf("%x\r\n%s\r\n", length $body, $body) x !!length($body)
            . "0\r\n\r\n";
    my $head = request('POST', $uri, $with, 'Connection: close', @lines);
    return http($head, body => $text, sleep => $how eq 'early' ? 0.1 : 0);
}

###############################################################################
