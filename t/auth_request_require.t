#!/usr/bin/perl

# auth_request_require: conditions on a response that allows.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite map /)->plan(45);

configure($t, <<'EOF');
    map $valid $is_valid { true 1; default 0; }
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         %%TESTDIR%%;
        auth_request /auth;
        auth_request_set $valid $upstream_http_x_valid;
        auth_request_set $other $upstream_http_x_other;

        location /one { auth_request_require $valid; }
        location /code { auth_request_require $valid error=403; }
        location /two { auth_request_require $valid $other; }
        location /order {
            auth_request_require $valid error=403;
            auth_request_require $other error=401;
        }
        location /map { auth_request_require $is_valid; }
        location /body {
            auth_request_require $valid error=403;
            auth_request_deny_body 10;
        }
        location /headers {
            auth_request_require $valid;
            auth_request_client_headers X-A on=deny;
            auth_request_client_headers X-B on=allow;
        }
        location /outer {
            auth_request_require $valid error=403;
            location /outer/same { }
            location /outer/other { auth_request_require $other; }
        }
        location /off { auth_request off; auth_request_require $valid; }
        location /let-in {
            auth_request /auth-down;
            auth_request_on_error allow;
            auth_request_require $valid;
        }
        location /page { auth_request_require $valid; error_page 401 = @page; }
        location @page { auth_request off; return 200 PAGE; }
        location /any {
            satisfy any;
            deny all;
            auth_request_require $valid;
        }
        location = /auth { internal; proxy_pass http://127.0.0.1:8081; }
        location = /auth-down { internal; proxy_pass http://127.0.0.1:8089; }
    }
EOF

mkdir $t->testdir() . '/outer';
$t->write_file($_, 'CONTENT') for qw/ one code two order map body headers outer\/same
    outer\/other off let-in page any /;

service($t, 8081, sub {
    my ($client, $head) = @_;
    my ($code) = $head =~ /^X-Code: (.*)\r/mi;
    my @say = $head =~ /^X-Say: (.*)\r/mgi;
    my ($body) = $head =~ /^X-Body: (.*)\r/mi;
    $body //= '';
    return 0 if ($code // '') eq 'none';
    print $client 'HTTP/1.1 ' . ($code // 200) . " X\r\n"
        . join('', map { "$_\r\n" } @say)
        . "Content-Type: a/b\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
    return 0;
});

run_quietly($t);

### requirements that are not met

is(status(ask('/one')), 401, 'missing');
is(logged($t, qr/auth request/), 'info auth request: required $valid is empty or 0',
    'log');
is(status(ask('/one', 'X-Say: X-Valid:')), 401, 'empty');
is(status(ask('/one', 'X-Say: X-Valid: 0')), 401, '0');
is(status(ask('/one', 'X-Valid: 1')), 401, "the client's own line does not count");
is(status(ask('/one', 'X-Say: X-Valid: 1', 'X-Code: 401')), 401, 'denied');
is(status(ask('/one', 'X-Say: X-Valid: 1', 'X-Code: 403')), 403, 'denied, 403');
is(status(ask('/one', 'X-Say: X-Valid: 1', 'X-Code: 500')), 500, 'an error');
is(status(ask('/one', 'X-Code: 500')), 500, 'an error comes first');
is(status(ask('/code')), 403, 'error=403');
is(status(ask('/code', 'X-Code: 401')), 401, 'error=403, denied');
is(status(ask('/two', 'X-Say: X-Valid: 1')), 401, 'the second is missing');
is(status(ask('/two', 'X-Say: X-Other: 1')), 401, 'the first is missing');
is(status(ask('/order')), 403, 'the first one decides');
is(status(ask('/order', 'X-Say: X-Valid: 1')), 401, 'the second one');
is(status(ask('/map', "X-Say: X-Valid: $_")), 401, "map, '$_'") for '', 'false', 'truer';
is(status(ask('/any')), 401, 'satisfy any');

### requirements that are met

for my $value ('1', 'true', 'false', '00', '0.0', '-0', 'no') {
    like(ask('/one', "X-Say: X-Valid: $value"), qr/^HTTP\S+ 200 .*CONTENT/s, "'$value'");
}
is(status(ask('/two', 'X-Say: X-Valid: 1', 'X-Say: X-Other: 1')), 200, 'both');
is(status(ask('/map', 'X-Say: X-Valid: true')), 200, 'map');
is(status(ask('/any', 'X-Say: X-Valid: 1')), 200, 'satisfy any, met');

### inheritance

is(status(ask('/outer/same')), 403, 'from an outer level');
is(status(ask('/outer/other')), 401, 'an inner directive replaces the outer one');
is(status(ask('/outer/other', 'X-Say: X-Other: 1')), 200,
    'an inner directive replaces the outer one, met');
is(status(ask('/off')), 200, 'auth_request off');
is(status(ask('/let-in')), 200, 'let in while the service cannot be reached');

### header lines and body of a denial

my $response = ask('/one', 'X-Say: WWW-Authenticate: A', 'X-Say: WWW-Authenticate: B');
is(join(',', headers($response, 'WWW-Authenticate')), 'A,B', 'challenges');
unlike(ask('/code', 'X-Say: WWW-Authenticate: A'), qr/^WWW-/m, 'none with 403');
unlike(ask('/one', 'X-Say: X-Valid: 1', 'X-Say: WWW-Authenticate: A'), qr/^WWW-/m,
    'none with 200');
is(join(',', ask('/headers', 'X-Say: X-A: a', 'X-Say: X-B: b') =~ /^X-(.): /mg), 'A',
    'denied, client headers');
is(join(',', ask('/headers', 'X-Say: X-Valid: 1', 'X-Say: X-A: a', 'X-Say: X-B: b')
    =~ /^X-(.): /mg), 'B', 'allowed, client headers');
like(ask('/page'), qr/^HTTP\S+ 200 .*PAGE/s, 'error page');

like(ask('/body', 'X-Body: told you'),
    qr!^HTTP\S+ 403 .*^Content-Type: a/b\r.*\r\n\r\ntold you\z!ms, 'body');
logged($t, qr/auth request/);
unlike(ask('/body', 'X-Body: ' . 'x' x 11), qr/xxxxxxxxxxx/, 'a body too large');
is(logged($t, qr/^warn auth request/), 'warn auth request: the body of the response'
    . ' with status 200 is ignored: it is larger than auth_request_deny_body', 'log');
like(ask('/body', 'X-Say: X-Valid: 1', 'X-Body: ' . 'x' x 11), qr/CONTENT/,
    'met, too large a body');
is(logged($t, qr/auth request/), '', 'met, too large a body, log');
