#!/usr/bin/perl

# auth_request_deny_status: response statuses that go to the client unchanged.
# Statuses that mean nothing to a client, and those that nginx makes when the
# service did not respond, never do.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite auth_basic /)->plan(107);

configure($t, <<'EOF');
    proxy_connect_timeout 1s;
    proxy_read_timeout 1s;
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         %%TESTDIR%%;
        auth_request /auth;

        location / { }
        location /codes { auth_request_deny_status 302 404 429; }
        location /classes { auth_request_deny_status 3xx 4xx 5xx; }
        location /mixed {
            auth_request_deny_status 404 5xx;
            location /mixed/inner { auth_request_deny_status 410; }
        }
        location = /auth { internal; proxy_pass http://127.0.0.1:8081; }

        location /msie {
            auth_request_deny_status 3xx;
            msie_refresh on;
        }
        location /absolute {
            auth_request_deny_status 3xx;
            absolute_redirect on;
            msie_refresh on;
        }
        location /page {
            auth_request_deny_status 302 404;
            error_page 302 404 = /page.html;
        }
        location = /page.html { auth_request off; }
        location /elsewhere {
            auth_request_deny_status 302;
            error_page 302 https://example.com/login;
        }
        location /again {
            auth_request_deny_status 302;
            error_page 302 = @again;
        }
        location @again { auth_request off; return 302 /own; }
        location /again-upstream {
            auth_request_deny_status 302;
            error_page 302 = @again-upstream;
        }
        location @again-upstream {
            auth_request off;
            proxy_pass http://127.0.0.1:8081;
            proxy_set_header X-Code 303;
            proxy_set_header X-Say "Location: /upstream";
            proxy_redirect off;
        }
        location /down {
            auth_request_deny_status 3xx 4xx 5xx;
            auth_request /auth-down;
        }
        location = /auth-down { proxy_pass http://127.0.0.1:8089; }
        location /broken {
            auth_request_deny_status 4xx 5xx;
            auth_request /auth-broken;
        }
        location = /auth-broken { proxy_pass http://127.0.0.1:8082$arg_what; }
        location /own {
            auth_request_deny_status 4xx 5xx;
            auth_request /auth-own;
        }
        location = /auth-own { return 503; }
        location /any {
            satisfy any;
            auth_request_deny_status 404;
            auth_basic "b";
            auth_basic_user_file %%TESTDIR%%/users;
        }
        location = /log {
            auth_request_deny_status 4xx;
            auth_request /auth-broken;
        }
    }
EOF

$t->write_file('page.html', 'PAGE');
$t->write_file('users', 'user:{PLAIN}secret');
$t->write_file($_, 'CONTENT') for qw/ codes classes mixed any /;

service($t, 8081, sub {
    my ($client, $head) = @_;
    my ($code) = $head =~ /^X-Code: (.*)\r/mi;
    my @say = $head =~ /^X-Say: (.*)\r/mgi;
    print $client "HTTP/1.1 $code X\r\n" . join('', map { "$_\r\n" } @say)
        . "Content-Length: 4\r\n\r\nBODY";
    return 0;
});

service($t, 8082, sub {
    my ($client, $head) = @_;
    sleep 5 if $head =~ /timeout/;
    print $client "gArBaGe\r\n\r\n" if $head =~ /garbage/;
    print $client "HTTP/1.1 404 X\r\nX: " . 'x' x 200_000 . "\r\n\r\n"
        if $head =~ /large/;
    return 0;
});

$t->run();

### statuses that are never a denial

for my $code (100, 101, 150, 304, 600, 999) {
    isnt(status(ask_with('/classes', $code)), $code, "classes, $code");
    unlike(ask_with('/classes', $code), qr/CONTENT/, "classes, $code, refused");
}
for my $code (301, 302) {
    is(status(ask_with('/classes', $code)), 500, "$code without a location");
    is(status(ask_with('/msie', $code, 'User-Agent: MSIE 6.0')), 500,
        "$code without a location, msie_refresh");
}
logged($t, qr/auth request/);
ask_with('/classes', 302);
is(logged($t, qr/auth request/), 'error auth request unexpected status: 302'
    . ' from "/auth": redirect without a Location header', '302 without a location, log');
is(status(ask_with('/', 404)), 500, '404 without the directive is an error');
is(status(ask_with('/codes', 403)), 403, '403 is always a denial');
is(status(ask_with('/codes', 401)), 401, '401 is always a denial');
is(status(ask_with('/codes', $_)), 500, "codes, $_")
    for 300, 301, 303, 400, 405, 428, 500, 503;
is(status(ask_with('/mixed', 302, 'X-Say: Location: /')), 500,
    'a class that is not in the list is an error');
is(status(ask_with('/mixed/inner', 404)), 500, 'an inner directive replaces the outer one');
is(status(ask_with('/mixed/inner', 410)), 410, 'an inner level');

is(status(http_get('/down')), 500, 'connection refused');
is(status(http_get("/broken?what=/$_")), 500, $_) for qw/ timeout garbage large close /;
is(status(http_get('/own')), 503, 'return in the location that is asked is a response');

### statuses that are a denial

for my $code (300, 303, 305, 306, 307, 308, 309, 350, 399) {
    like(ask_with('/classes', $code, 'X-Say: Location: /x'),
        qr/^HTTP\S+ $code\b.*?^Location: \/x\r/ms, "classes, $code");
}
for my $code (400, 402, 404, 405, 408, 410, 413, 414, 416, 418, 429, 430, 444, 451,
    493 .. 500, 502 .. 505, 507, 508, 520, 599)
{
    is(status(ask_with('/classes', $code)), $code, "classes, $code");
}
is(status(ask_with('/codes', $_)), $_, "codes, $_") for 404, 429;
unlike(ask_with('/codes', 404), qr/BODY/, "the body of the response is not sent");

like(ask_with('/codes', 429, 'X-Say: Retry-After: 7'), qr/^Retry-After: 7\r/m,
    '429, Retry-After');
like(ask_with('/classes', 503, 'X-Say: Retry-After: 7'), qr/^Retry-After: 7\r/m,
    '503, Retry-After');
unlike(ask_with('/codes', 404, 'X-Say: Retry-After: 7', 'X-Say: Location: /'),
    qr/^(?:Retry-After|Location)/m, '404 without Location and Retry-After');
my $challenge = ask_with('/codes', 401, 'X-Say: WWW-Authenticate: A', 'X-Say: WWW-Authenticate: B');
is(join(',', headers($challenge, 'WWW-Authenticate')), 'A,B', 'challenges');

### Location, unchanged

for my $location ('/login', 'login?a=b', '//other/x', '?x', '', 'https://a/ b<>"',
    'https://example.com/login?rd=%0d%0a')
{
    for my $uri ('/codes', '/absolute') {
        is(locations(ask_with($uri, 302, "X-Say: Location: $location")), "302 [$location]",
            "$uri, '$location'");
    }
}
like(locations(ask_with('/codes', 302, 'X-Say: Location: /a', 'X-Say: Location: /b')),
    qr!^302 \[/[ab]\]$!, 'one of two Location lines');
like(ask_with('/msie', 302, 'X-Say: Location: /a"b', 'User-Agent: MSIE 6.0'),
    qr/^HTTP\S+ 200 .*Refresh.*URL=\/a/s, 'msie_refresh');
is(locations(ask_with('/msie', 302, 'X-Say: Location: /a', 'User-Agent: MSIE 6.0')), '200 ',
    'msie_refresh, no location');

### error pages

like(ask_with('/page', 404), qr/^HTTP\S+ 200 .*PAGE/s, 'error page');
is(locations(ask_with('/page', 302, 'X-Say: Location: /a')), '200 [/a]',
    'error page, Location stays');
is(locations(ask_with('/elsewhere', 302, 'X-Say: Location: /a')),
    '302 [https://example.com/login]', 'error page elsewhere');
like(locations(ask_with('/again', 302, 'X-Say: Location: /a')),
    qr!^302 \[http://localhost:\d+/own\]$!, 'error page with a redirect');
is(locations(ask_with('/again-upstream', 302, 'X-Say: Location: /a')), '303 [/upstream]',
    "error page with an upstream's redirect");

### satisfy any

is(status(ask_with('/any', 404, 'Authorization: Basic dXNlcjpzZWNyZXQ=')), 200,
    'satisfy any, let in');
is(status(ask_with('/any', 404)), 404, 'satisfy any, denied');

### helpers

sub ask_with {
    my ($uri, $code, @lines) = @_;
    return ask($uri, "X-Code: $code", @lines);
}

sub locations {
    my ($response) = @_;
    return status($response) . ' ' . join ', ', map { "[$_]" }
        headers($response, 'Location');
}
