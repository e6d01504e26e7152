#!/usr/bin/perl

# auth_request_cache: after a hit the client and the upstream get the same bytes
# as after a miss, and the service gets no request.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Test::Nginx::Raw;
use VerdictService;

my $t = Test::Nginx->new()->has(qw/ http access auth_basic proxy rewrite /)
    ->plan(335);

configure($t, <<'EOF');
    auth_request_cache_zone  verdicts:1m;
    auth_request_cache_key   $http_key;
    auth_request_cache_valid any 1h;
    client_body_buffer_size  1k;
    add_header X-Seen "$auth_request_cache_status $auth_request_status" always;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         %%TESTDIR%%/html;
        auth_request       /auth;
        auth_request_cache verdicts;
        underscores_in_headers on;

        location /plain/ { proxy_pass http://127.0.0.1:8082; }
        location /off/ { auth_request_cache off; proxy_pass http://127.0.0.1:8082; }
        location /up/ {
            auth_request_upstream_headers X-User X-Authgear-* Authorization;
            proxy_pass http://127.0.0.1:8082;
        }
        location /down/ {
            auth_request_client_headers X-Deny Link;
            auth_request_client_headers X-Allow Link on=allow;
            auth_request_client_headers X-Any on=any;
            auth_request_deny_status 3xx 429 503;
            auth_request_deny_body 1k;
            proxy_pass http://127.0.0.1:8082;
        }
        location /codes/ {
            auth_request_deny_status 3xx 4xx 5xx;
            proxy_pass http://127.0.0.1:8082;
        }
        location /set/ {
            set $one before;
            set $gone before;
            auth_request_set $one "<$one$upstream_http_x_user>";
            auth_request_set $two "<$one$upstream_http_x_user>";
            auth_request_set $one "<$two>";
            auth_request_set $gone $upstream_http_x_none;
            auth_request_set $code "<$upstream_status $status>";
            auth_request_set $args $upstream_http_x_args;
            add_header X-Seen "$auth_request_cache_status $auth_request_status" always;
            add_header X-Set "$one $two [$gone] $code" always;
            proxy_pass http://127.0.0.1:8082;
        }
        location /require/ {
            auth_request_set $user $upstream_http_x_user;
            auth_request_require $user;
            auth_request_require $arg_ok error=403;
            auth_request_client_headers X-Deny;
            auth_request_deny_body 1k;
            proxy_pass http://127.0.0.1:8082;
        }
        location /any/ {
            satisfy any;
            auth_basic realm;
            auth_basic_user_file %%TESTDIR%%/htpasswd;
            auth_request_upstream_headers X-User;
            proxy_pass http://127.0.0.1:8082;
        }
        location /all/ {
            auth_basic realm;
            auth_basic_user_file %%TESTDIR%%/htpasswd;
            proxy_pass http://127.0.0.1:8082;
        }
        location /page/ {
            error_page 403 /denied/;
            proxy_pass http://127.0.0.1:8082;
        }
        location /denied/ {
            auth_request_set $user $upstream_http_x_user;
            add_header X-Seen "$auth_request_cache_status $auth_request_status" always;
            add_header X-User $user always;
            auth_request_deny_body 10;
        }
        location /index/ { index page.html; auth_request_set $user $upstream_http_x_user; }
        location = /index/page.html { auth_request_set $user $upstream_http_x_user; add_header X-User $user; add_header X-Seen "$auth_request_cache_status $auth_request_status" always; }
        location /body/ {
            auth_request_body 1m;
            auth_request_upstream_headers X-User;
            proxy_pass http://127.0.0.1:8082;
        }
        location = /auth {
            internal;
            auth_request off;
            auth_basic off;
            proxy_pass http://127.0.0.1:8081;
        }
    }
EOF

mkdir $t->testdir() . '/html';
mkdir $t->testdir() . '/html/index';
$t->write_file('html/index/page.html', 'PAGE');
$t->write_file('htpasswd', 'user:{PLAIN}secret' . "\n");

verdict_service($t, 8081);
service($t, 8082, sub {
    my ($client, $head, $body) = @_;
    $body = $head . ($body // '');
    print $client "HTTP/1.1 200 OK\r\nContent-Length: " . length($body)
        . "\r\nLink: upstream=1\r\nConnection: close\r\n\r\n$body";
    return 0;
});
$t->run();

my $count = 0;

### without a cache

is(seen(ask('/off/', 'Key: off')), '200  200', 'off: no cache status');
is(asked($t, 'auth'), 1, 'off: a check');
ask('/off/', 'Key: off');
is(asked($t, 'auth'), 2, 'off: another check');

### denials

my @challenges = map { "Answer-Line: WWW-Authenticate: $_" }
    'Bearer realm="a, b"', 'Basic realm="c"';

same('401 with challenges', 401, '/plain/', 'Answer: 401', @challenges,
    'Answer-Line: X-Secret: 1', 'Answer-Body: INVISIBLE');
same('403', 403, '/plain/', 'Answer: 403', @challenges);
same('further lines', 403, '/down/', 'Answer: 403', 'Answer-Line: X-Deny: a',
    'Answer-Line: X-Allow: b', 'Answer-Line: X-Any: c',
    'Answer-Line: Link: a=1; Path=/', 'Answer-Line: link: b=2',
    'Answer-Line: Link: a=1; Path=/x');
same('a body', 401, '/down/', 'Answer: 401', 'Answer-Body: {"error":"no"}',
    'Answer-Line: Content-Type: application/json', @challenges);
same('an encoded body', 403, '/down/', 'Answer: 403', 'Answer-Body: GZIP',
    'Answer-Line: Content-Encoding: gzip');
same('too large a body', 403, '/down/', 'Answer: 403',
    'Answer-Body: ' . 'x' x 1025);
same('the largest body', 403, '/down/', 'Answer: 403',
    'Answer-Body: ' . 'x' x 1024);
same('redirect', 302, '/down/', 'Answer: 302', 'Answer-Line: Link: a=1',
    'Answer-Line: Link: b=2', 'Answer-Line: Location: http://a/?b=c#d');
same('relative redirect', 307, '/down/', 'Answer: 307', 'Answer-Line: Location: /a');
same('429', 429, '/down/', 'Answer: 429', 'Answer-Line: Retry-After: 3');
same('503', 503, '/down/', 'Answer: 503', 'Answer-Line: Retry-After: 3');
same("$_", $_, '/codes/', "Answer: $_")
    for 300, 400, 404, 408, 409, 410, 418, 444, 451, 494, 497, 499, 500, 599;

### allowed

same('allowed', 200, '/plain/', 'Cookie: a=b', 'Authorization: Bearer x');
same("allowed by $_", 200, '/plain/', "Answer: $_") for 201, 204, 206, 299;
same('Link twice, beside that of the upstream', 200, '/down/',
    'Answer-Line: Link: a=1; Path=/', 'Answer-Line: Link: b=2',
    'Answer-Line: X-Deny: a', 'Answer-Line: X-Allow: b', 'Answer-Line: X-Any: c');

my @spoofed = ('X-User: evil', 'x_user: evil', 'X-USER: evil',
    'X-Authgear-Roles: evil', 'X_Authgear-Other: evil', 'X-Other: good');
my @sent = same('headers for the upstream', 200, '/up/', @spoofed,
    'Authorization: client', 'Answer-Line: X-User: alice', 'Answer-Line: X-USER: bob',
    'Answer-Line: X-Authgear-Roles: r', 'Answer-Line: Authorization: service',
    'Answer-Line: X-Secret: 1');
for my $sent (@sent) {
    like($sent, qr/\r\nX-User: alice\r\nX-USER: bob\r\nX-Authgear-Roles: r\r\n/,
        'sent upstream');
    unlike($sent, qr/evil|\nX-Secret:|\nAuthorization: client/, 'other lines are not sent');
}
@sent = same('none in the response', 200, '/up/', @spoofed, 'Authorization: client');
unlike($_, qr/evil|\nX-User|\nAuthorization/i, 'no line is sent') for @sent;

same('control characters', 200, '/up/', "Answer-Line: X-User: a\tb\xff");

### variables

@sent = same('variables', 200, '/set/?a=b', 'Answer: 204',
    'Answer-Line: X-User: alice', 'Answer-Line: X-Args: c=d');
like($_, qr!\r\nX-Set: <<<beforealice>alice>> <<beforealice>alice> \[\] <204 204>\r!,
    'values of the variables') for @sent;
like($_, qr!\r\n\r\nGET /set/\?c=d !, 'value of $args') for @sent;
@sent = same('empty ones', 200, '/set/?a=b');
like($_, qr!\r\nX-Set: <<<before>>> <<before>> \[\] <200 200>\r!, 'values of the variables')
    for @sent;
same('variables of a denial', 403, '/set/', 'Answer: 403',
    'Answer-Line: X-User: alice');

### requirements

my @key = ('Key: requirements', 'Answer-Line: X-User: alice', @challenges,
    'Answer-Line: X-Deny: d', 'Answer-Body: no');
my @require = map { ask($_, @key) } '/require/?ok=1', '/require/?ok=1',
    '/require/', '/require/?ok=0', '/require/?ok=1';
is(join(', ', map { seen($_) } @require), '200 MISS 200, 200 HIT 200, '
    . '403 HIT 200, 403 HIT 200, 200 HIT 200', 'requirements are checked for each request');
is(join(' ', headers($require[2], 'X-Deny')), 'd', 'lines of a denial');
is(body($require[2]), 'no', 'body of a denial');
same('an unmet requirement', 401, '/require/?ok=1', @challenges,
    'Answer-Body: no', 'Answer-Line: X-Deny: d');

### together with other modules

my $basic = 'Authorization: Basic dXNlcjpzZWNyZXQ=';
same('satisfy any', 200, '/any/', @spoofed, 'Answer-Line: X-User: alice');
same('satisfy any, none does', 401, '/any/', 'Answer: 401', @challenges);
same('satisfy any, denied', 401, '/any/', 'Answer: 403');
same('satisfy all', 200, '/all/', $basic);
same('satisfy all, denied', 403, '/all/', $basic, 'Answer: 403');
is(seen(ask('/all/', 'Key: without')), '401  ', 'refused by auth_basic: the cache is not read');

### redirects

same('an error page, checked itself', 403, '/page/', 'Answer: 403',
    'Answer-Body: PAGE', 'Answer-Line: X-User: u');
same('an index', 200, '/index/', 'Answer-Line: X-User: alice');

### methods and bodies

for my $method (qw/ HEAD POST PUT OPTIONS DELETE /) {
    same($method, 200, $method, '/plain/');
    same("$method, denied", 403, $method, '/plain/', 'Answer: 403');
}
for my $body ('', 'a=1', 'x' x 5000, 'y' x 200_000) {
    for my $uri ('/plain/', '/body/') {
        my $name = length($body) . " bytes to $uri";
        @sent = same($name, 200, 'POST', $uri, "Body: $body");
        like($_, qr/\r\n\r\n\Q$body\E\z/, "$name reach the upstream") for @sent;
        same("$name, denied", 403, 'POST', $uri, "Body: $body", 'Answer: 403');
    }
}

### one connection

my $s = connection();
my @all;
for my $i (1 .. 6) {
    my $body = 'b' x ($i % 3 * 1000);
    push @all, exchange($s, request({ method => 'POST', body => $body }, '/body/', 'Key: one'));
}
is(join(', ', map { seen($_) } @all), join(', ', map { "200 $_ 200" }
    'MISS', 'MISS', 'MISS', 'HIT', 'HIT', 'HIT'), 'one connection');

my $log = $t->read_file('error.log');
is(() = $log =~ /\[error\]/g, 0, 'no errors');

### helpers

# Sends the same request three times: one miss and two hits, whose responses are equal.
# The method may come before the URI. Returns the responses.
sub same {
    my ($name, $status, $uri, @lines) = @_;
    my $method = $uri =~ m!^/! ? 'GET' : $uri;
    $uri = shift @lines if $method eq $uri;
    my ($body) = map { /^Body: (.*)/s ? $1 : () } @lines;
    @lines = grep { !/^Body: / } @lines;

    my $before = asked($t, 'auth');
    my $key = 'Key: k' . ++$count;
    my @responses = map {
        ask({ method => $method, body => $body, version => '1.1' }, $uri, $key, @lines)
    } 1 .. 3;

    my @seen = map { seen($_) } @responses;
    my $questions = $uri eq '/index/' || $name =~ /error page/ ? 2 : 1;
    is(asked($t, 'auth') - $before, $questions, "$name: number of checks");
    my ($code) = grep { /^\d+$/ } map { /^Answer: (\d+)/ ? $1 : () } @lines, 'Answer: 200';
    is(join(', ', @seen), join(', ', map { "$status $_ $code" }
        'MISS', 'HIT', 'HIT'), "$name: one miss, then hits");

    my ($miss, @hits) = map { plain($_) } @responses;
    is($_, $miss, "$name: the same response") for @hits;
    return @responses;
}

# A response without the lines that differ each time.
sub plain {
    my ($response) = @_;
    $response =~ s/^X-Seen: \K(?:MISS|HIT)//m;
    $response =~ s/^Date: [^\r]*//m;
    return $response;
}
