#!/usr/bin/perl

# auth_request_cache_valid: which verdicts are cached and for how long, and the
# response headers Cache-Control, Expires, X-Accel-Expires and Vary.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Http2;
use VerdictService;

my @never = (
    # header lines of the response with which it is not cached

    'Cache-Control: no-store',
    'Cache-Control: NO-Store',
    'Cache-Control: private',
    'Cache-Control: private="x-user"',
    'Cache-Control: no-cache',
    'Cache-Control: max-age=0',
    'Cache-Control: max-age=-1',
    'Cache-Control: max-age=x',
    'Cache-Control: s-maxage=0, max-age=60',
    'Cache-Control: public, max-age=60, no-store',
    "Cache-Control: max-age=60|Cache-Control: no-store",
    "Cache-Control: no-store|Cache-Control: max-age=60",
    'Cache-Control: max-age=60|Age: 60',
    'Cache-Control: max-age=60|Age: 1|Age: 99',
    'Cache-Control: max-age=60|Age: x',
    'Pragma: no-cache',
    'Cache-Control: max-age=60|Pragma: x, No-Cache',
    # the shortest limit counts
    'X-Accel-Expires: 0',
    'X-Accel-Expires: @0',
    'X-Accel-Expires: @1700000000',
    'X-Accel-Expires: ',
    'X-Accel-Expires: -1',
    'X-Accel-Expires: off',
    'Cache-Control: max-age=60|X-Accel-Expires: 0',
    'Expires: Thu, 01 Jan 1970 00:00:00 GMT',
    'Expires: Thursday, 01-Jan-70 00:00:00 GMT',
    'Expires: Thu Jan  1 00:00:00 1970',
    'Expires: Tue, 14 Nov 2023 22:13:20 GMT',
    'Expires: 0',
    'Expires: -1',
    'Expires: ',
    'Expires: never',
    'Cache-Control: max-age=60|Expires: Thu, 01 Jan 1970 00:00:00 GMT',
    'X-Accel-Expires: 60|Expires: 0',
    'Vary: *',
    'Vary: Cookie, *',
    'Vary: Cookie|Vary: *',
    # nginx may set these lines for the service, so the client's values do not tell
    'Vary: Host',
    'Vary: Cookie, X-Original-URI',
    'Vary: x-forwarded-for',
    'Vary: X-Forwarded-Method',
    'Vary: X-Real-IP',
    'Vary: Forwarded',
    'Vary: X-Tenant',
    'Vary: Accept-Charset',
    'Vary: X-Forwarded, X-Originals, X-Host',
    'Vary: Accept_Language',
    'Vary: Origin|Vary: X-Tenant',
);

my @kept = (
    'Cache-Control: public',
    'Cache-Control: max-age=60',
    'Cache-Control: max-age=60|Age: 20',
    'Age: 60',
    'Cache-Control: max-age=99999999999999999999',
    'Cache-Control: must-revalidate, s-maxage="60"',
    'Cache-Control: ',
    'Vary: ',
    'Vary: ACCEPT, accept-encoding,Accept-Language|Vary: Authorization, Cookie|Vary: Origin, User-Agent',
    'Pragma: no-store',
    'X-Accel-Expires: 60',
    'X-Accel-Expires: @4102444800',
    'Expires: Fri, 01 Jan 2100 00:00:00 GMT',
    'Cache-Control: max-age=60|Expires: Fri, 01 Jan 2100 00:00:00 GMT|X-Accel-Expires: 60',
);

my @errors = (
    # responses that are no verdicts

    ['no response', 500, ''],
    ['half a line', 500, 'HTT'],
    ['no HTTP', 500, 'nonsense\r\n\r\n'],
    ['service broken', 500, 'HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n'],
    ['unexpected', 500, 'HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n'],
    ['redirect', 500,
        'HTTP/1.1 302 X\r\nLocation: /a\r\nContent-Length: 0\r\n\r\n'],
    ['not modified', 500, 'HTTP/1.1 304 X\r\n\r\n'],
    ['another protocol', 500, 'HTTP/1.1 101 X\r\nUpgrade: x\r\n\r\n'],
    ['status 99', 500, 'HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n'],
    ['early hints only', 500, 'HTTP/1.1 103 X\r\n\r\n'],
);

# The verdict is in the header, unless the client is to get the body.

my @broken_off = (
    ['body broken off', 404, 'HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\nx', 'HIT'],
    ['chunks broken off', 404,
        'HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nx', 'HIT'],
    ['denial broken off', 403, 'HTTP/1.1 403 X\r\nContent-Length: 9\r\n\r\nx', 'MISS'],
);

my $t = Test::Nginx->new()->has(qw/ http http_v2 proxy cache grpc rewrite /)
    ->plan(2 * @never + 2 * @kept + 2 * @errors + 2 * @broken_off + 90);

configure($t, <<'EOF' =~ s/LISTEN_HTTP2/listen_http2($t)/er);
    proxy_cache_path %%TESTDIR%%/cache keys_zone=responses:1m;
    auth_request_cache_zone  verdicts:128k;
    auth_request_cache       verdicts;
    auth_request_cache_key   $http_key;
    auth_request             /auth;
    add_header X-Seen "$auth_request_cache_status $auth_request_status" always;
    auth_request_cache_valid any 1h;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         html;

        location /any { }
        location /deny { auth_request_deny_status 3xx 404 5xx; auth_request_deny_body 1k; }
        location /default { auth_request_cache_valid 1h; }
        location /zero { auth_request_cache_valid 0; }
        location /codes {
            auth_request_deny_status 404 4xx;
            auth_request_cache_valid 202 401 404 1h;
        }
        location /classes { auth_request_cache_valid 4xx 1h; }
        location /first {
            auth_request_cache_valid 201 0;
            auth_request_cache_valid 2xx 1h;
            auth_request_cache_valid 403 1h;
            auth_request_cache_valid any 0;
        }
        location /short { auth_request_cache_valid 1s; auth_request_cache_valid 403 2s; }
        location /allow { auth_request_on_error allow 5xx; }
        location /error { auth_request_on_error 403; }
        location /unreachable { auth_request /dead; auth_request_on_error 403; }
        location /vary { auth_request_set $said $upstream_http_x_id;
            add_header X-Id $said always;
            add_header X-Seen "$auth_request_cache_status" always; }

        location /made { auth_request /auth-made; }
        location /made-grpc { auth_request /auth-made-grpc; }
        location = /auth-made-grpc {
            auth_request off;
            grpc_set_header Origin $http_x_token;
            grpc_pass grpc://127.0.0.1:8083;
        }
        location /made-cached { auth_request /auth-made-cached; }
        location = /auth-made-cached {
            auth_request off;
            proxy_set_header Origin $http_x_token;
            proxy_cache responses;
            proxy_cache_key $http_key;
            proxy_cache_valid any 1h;
            proxy_pass http://127.0.0.1:8081;
        }
        location /ignored { auth_request /auth-ignored; }
        location = /auth-ignored {
            auth_request off;
            proxy_ignore_headers Cache-Control Expires X-Accel-Expires Vary Set-Cookie;
            proxy_pass http://127.0.0.1:8081;
        }
        location /ignored-one { auth_request /auth-ignored-one; }
        location = /auth-ignored-one {
            auth_request off;
            proxy_ignore_headers Cache-Control;
            proxy_pass http://127.0.0.1:8081;
        }
        location = /auth-made {
            auth_request off;
            proxy_set_header Authorization "Bearer $http_x_token";
            proxy_set_header User-Agent $http_user_agent;
            proxy_set_header Cookie $http_cookie;
            proxy_set_header Accept text/html;
            proxy_set_header Origin "";
            proxy_set_body "GET / HTTP/1.1\r\nAccept-Language: x\r\n\r\n";
            proxy_pass http://127.0.0.1:8081;
        }
        location = /auth { auth_request off; proxy_pass http://127.0.0.1:8081; }
        location = /dead { auth_request off; proxy_pass http://127.0.0.1:8089; }
    }
    server {
        listen       127.0.0.1:8080;
        server_name  unset;
        auth_request_cache_valid 599 1;
        location /some { root html; }
        location = /auth { auth_request off; proxy_pass http://127.0.0.1:8081; }
    }
    server {
        LISTEN_HTTP2
        auth_request off;
        location / { proxy_pass http://127.0.0.1:8081; }
    }
EOF

verdict_service($t, 8081);
$t->run();

my $count = 0;

### errors are no verdicts

for my $case (@errors) {
    my ($name, $status, $raw) = @$case;
    asked_twice('/any', $name, $status, "Answer-Raw: $raw");
    my $deny = $name =~ /^(?:redirect|unexpected|service broken)$/;
    my $seen = join ' ', twice('/deny', "Answer-Raw: $raw");
    my ($wanted) = $deny ? $raw =~ / (\d+)/ : $status;
    is($seen, $deny ? "$wanted MISS $wanted HIT" : "$wanted MISS $wanted MISS",
        "$name, with auth_request_deny_status");
}

for my $case (@broken_off) {
    my ($name, $status, $raw, $with_body) = @$case;
    kept('/any', $name, $status, "Answer-Raw: $raw");
    is(join(' ', twice('/deny', "Answer-Raw: $raw")), "$status MISS $status $with_body",
        "$name, with auth_request_deny_body");
}

asked_twice('/allow', 'let in on error', 404, 'Answer: 503');
asked_twice('/error', 'denied on error', 403, 'Answer: 503');
asked_twice('/unreachable', 'unreachable', 403);

### codes

asked_twice('/default', 'denial by default', 403, 'Answer: 403');
kept('/default', "by default $_", 404, "Answer: $_") for 200, 204, 299;
asked_twice('/zero', 'for no time', 404);
asked_twice('/codes', 'another code', @$_)
    for [404, 'Answer: 200'], [403, 'Answer: 403'], [410, 'Answer: 410'];
kept('/codes', 'one of the codes', @$_)
    for [404, 'Answer: 202'], [401, 'Answer: 401'], [404, 'Answer: 404'];
asked_twice('/classes', 'another class', 404, 'Answer: 200');
kept('/classes', 'the class', @$_)
    for [403, 'Answer: 403'], [401, 'Answer: 401'];
asked_twice('/first', 'the first that has it', @$_)
    for [404, 'Answer: 201'], [401, 'Answer: 401'];
kept('/first', 'the first that has it', @$_)
    for [404, 'Answer: 200'], [403, 'Answer: 403'];
is(join(' ', map { status_and_cache(ask('/some', 'Host: unset', 'Key: z')) } 1, 2),
    '404 MISS 404 MISS', 'an inner directive replaces the outer ones');

### response headers of the service

for my $lines (@never) {
    my @lines = map { "Answer-Line: $_" } split /\|/, $lines;
    asked_twice('/any', $lines, 404, @lines);
    asked_twice('/any', "$lines, denied", 403, 'Answer: 403', @lines);
}
for my $lines (@kept) {
    my @lines = map { "Answer-Line: $_" } split /\|/, $lines;
    kept('/any', $lines, 404, @lines);
    kept('/any', "$lines, denied", 403, 'Answer: 403', @lines);
}

### headers that the location ignores

for my $lines ('Cache-Control: no-store', 'Cache-Control: max-age=60|Age: 99', 'Pragma: no-cache', 'Expires: 0',
    'X-Accel-Expires: 0')
{
    kept('/ignored', "$lines, ignored", 404, map { "Answer-Line: $_" } split /\|/, $lines);
}
asked_twice('/ignored', 'Vary is not ignored', 404, 'Answer-Line: Vary: *');
kept('/ignored-one', 'Cache-Control, ignored', 404, 'Answer-Line: Cache-Control: no-store');
asked_twice('/ignored-one', "$_, not ignored", 404, "Answer-Line: $_") for 'Expires: 0', 'X-Accel-Expires: 0';

### time

expires('/short', 'auth_request_cache_valid', 1, 404);
expires('/short', 'another one for denials', 2, 403, 'Answer: 403');
expires('/any', 'max-age', 1, 404, 'Answer-Line: Cache-Control: max-age=1');
expires('/any', 's-maxage', 2, 403, 'Answer: 403',
    'Answer-Line: Cache-Control: max-age=60',
    'Answer-Line: Cache-Control: s-maxage=2');
expires('/short', 'a longer max-age', 1, 404,
    'Answer-Line: Cache-Control: max-age=60');
expires('/any', 'X-Accel-Expires', 1, 404, 'Answer-Line: X-Accel-Expires: 1',
    'Answer-Line: Cache-Control: max-age=60');
expires('/any', 'X-Accel-Expires, a time', 2, 404, 'Answer-Line: X-Accel-Expires: @' . (time + 2));
expires('/any', 'Expires', 2, 404, 'Answer-Line: Expires: ' . http_date(time + 2));

### Vary

my $vary = 'Answer-Line: Vary: accept-Language , Origin';
my @tenants = (
    ['Accept-Language: en'],
    ['Accept-Language: de'],
    ['Origin: a', 'Accept-Language: en'],
    ['Origin: b', 'Accept-Language: en'],
    ['Origin: b', 'Origin: a', 'Accept-Language: en'],
    ['Origin: a', 'Origin: b', 'Accept-Language: en'],
    ['Origin: ab', 'Accept-Language: en'],
    ['Origin: en', 'Accept-Language: a'],
    ['Origin: '],
    [],
);
for my $case (@tenants) {
    my @seen = map { ask('/vary', 'Key: vary', $vary, @$case) } 1, 2;
    my @ids = map { header($_, 'X-Id') } @seen;
    is(join(' ', (map { status_and_cache($_) } @seen), $ids[0] eq $ids[1]),
        '404 MISS 404 HIT 1', join ', ', 'Vary', @$case);
}
is(status_and_cache(ask('/vary', 'Key: vary', $vary, 'oRIGIN:  ')),
    '404 MISS', 'an empty line differs from no line');
is(status_and_cache(ask('/vary', 'Key: vary', $vary, 'Origin:', 'Foo: bar')),
    '404 HIT', 'other lines do not count');
is(status_and_cache(ask('/vary', 'Key: vary', $vary, 'Origin: x',
    'Answer: 403')), '403 MISS', 'a denial for other values');
is(status_and_cache(ask('/vary', 'Key: vary', $vary, 'Origin:',
    'Answer: 403')), '403 MISS', 'a denial replaces the verdict for the same values');
is(status_and_cache(ask('/vary', 'Key: vary', $vary, 'Origin:', 'Origin: origin')),
    '404 MISS', 'an empty value, and one that is the name');
is(status_and_cache(ask('/vary', 'Key: vary', $vary,
    'Accept-Language:', 'Accept-Language: origin')),
    '404 MISS', 'the same values with another name');

### Vary, by what the service saw

my @client = ('X-Token: a', 'Authorization: Basic b', 'User-Agent: c', 'Cookie: d', 'Accept: e', 'Origin: f',
    'Accept-Language: g');
for my $name (qw/ Authorization Accept /) {
    asked_twice('/made', "$name, which the location makes", 404, "Answer-Line: Vary: $name", @client);
    asked_twice('/made', "$name, which the location makes, none of the client", 404, "Answer-Line: Vary: $name",
        'X-Token: a');
}
kept('/made', 'a header that the location makes, with the value of the client', 404,
    'Answer-Line: Vary: accept, authorization', 'X-Token: a', 'Accept: text/html', 'Authorization: Bearer a');
kept('/made', "$_, as the client has sent it", 404, "Answer-Line: Vary: $_", @client)
    for 'User-Agent', 'Cookie', 'Accept-Language', 'Cookie, user-agent';
kept('/made', 'Origin, which the service does not get', 404, 'Answer-Line: Vary: Origin', @client);
kept('/made', "$_, none", 404, "Answer-Line: Vary: $_") for 'User-Agent', 'Cookie', 'Origin';
kept('/made', 'two lines as one', 404, 'Answer-Line: Vary: Cookie', 'Cookie: a', 'Cookie: b');
is(join(' ', map { status_and_cache(ask('/made', 'Key: made', 'Answer-Line: Vary: User-Agent', "User-Agent: $_")) }
    qw/ a b a b /), '404 MISS 404 MISS 404 MISS 404 MISS', 'a verdict for the last value');

# What cannot be known is not cached: nginx has sent no HTTP/1 header, or nothing.
asked_twice('/made-grpc', 'gRPC', 404, 'Answer-Line: Vary: Origin', 'Origin: a', 'X-Token: b');
asked_twice('/made-grpc', 'gRPC, whatever the client sends', 404, 'Answer-Line: Vary: Accept', 'Accept: a');
kept('/made-grpc', 'gRPC, the response does not vary', 404);
is(join(' ', map { status_and_cache(ask('/made-cached', 'Key: made', 'Answer-Line: Vary: Origin', 'Origin: a', 'X-Token: b')) }
    1 .. 3), '404 MISS 404 MISS 404 MISS', 'a response out of a cache of nginx');

### helpers

sub http_date {
    my ($second, $minute, $hour, $day, $month, $year, $weekday) = gmtime $_[0];
    return sprintf '%s, %02d %s %d %02d:%02d:%02d GMT', (qw/ Sun Mon Tue Wed Thu Fri Sat /)[$weekday],
        $day, (qw/ Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec /)[$month], 1900 + $year,
        $hour, $minute, $second;
}

sub status_and_cache {
    my ($status, $cache) = split ' ', seen($_[0]);
    return join ' ', $status // '', $cache // '';
}

sub twice {
    my ($uri, @lines) = @_;
    my $key = 'Key: ' . ++$count;
    return map { status_and_cache(ask($uri, $key, @lines)) } 1, 2;
}

sub asked_twice {
    my ($uri, $name, $status, @lines) = @_;
    is(join(' ', twice($uri, @lines)), "$status MISS $status MISS",
        "$uri not cached: $name");
}

sub kept {
    my ($uri, $name, $status, @lines) = @_;
    is(join(' ', twice($uri, @lines)), "$status MISS $status HIT",
        "$uri cached: $name");
}

# Tests that a verdict is cached and then expires, up to two seconds late.
sub expires {
    my ($uri, $name, $seconds, $status, @lines) = @_;
    my $key = 'Key: ' . ++$count;
    my $start = time;
    is(status_and_cache(ask($uri, $key, @lines)), "$status MISS", "$name: miss");
    my $seen;
    wait_until(sub {
        $seen = status_and_cache(ask($uri, $key, @lines));
        $seen ne "$status HIT";
    });
    my $age = time - $start;
    is($seen, "$status EXPIRED", "$name: expired");
    cmp_ok($age, '<=', $seconds + 2, "$name: expired in time");
}
