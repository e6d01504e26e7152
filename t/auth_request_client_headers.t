#!/usr/bin/perl

# auth_request_client_headers: header lines of the service's response that go to
# the client.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite auth_basic /)->plan(54);

configure($t, <<'EOF');
    default_type text/html;
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         %%TESTDIR%%;
        auth_request /auth;

        location / { }
        location /deny { auth_request_client_headers X-A Set-Cookie; }
        location /deny-said { auth_request_client_headers X-A on=deny; }
        location /allow { auth_request_client_headers X-A Set-Cookie on=allow; }
        location /any { auth_request_client_headers X-A Set-Cookie on=any; }
        location /several {
            auth_request_client_headers X-A on=deny;
            auth_request_client_headers X-B on=allow;
            auth_request_client_headers X-C X-D on=any;
            location /several/inner { auth_request_client_headers X-E on=any; }
        }
        location /prefix { auth_request_client_headers X-* Content-* on=any; }
        location /challenge {
            auth_request_client_headers WWW-Authenticate X-A on=any;
        }
        location /page {
            auth_request_client_headers X-A Set-Cookie;
            error_page 401 403 = @page;
        }
        location @page { auth_request off; return 402 PAGE; }
        location /satisfy {
            satisfy any;
            auth_basic "b";
            auth_basic_user_file %%TESTDIR%%/users;
            auth_request_client_headers X-A on=any;
        }
        location /error { auth_request_client_headers X-A on=any; }
        location /let-in {
            auth_request_on_error allow;
            auth_request_client_headers X-A on=any;
        }
        location /upstream {
            auth_request_client_headers X-A Set-Cookie on=allow;
            proxy_pass http://127.0.0.1:8082;
        }
        location /app {
            auth_request_client_headers X-Origin Set-Cookie on=allow;
            proxy_pass http://127.0.0.1:8082;
        }
        location /app-page {
            auth_request_client_headers X-Origin;
            error_page 403 = @app-page;
        }
        location @app-page { auth_request off; proxy_pass http://127.0.0.1:8082; }
        location = /auth { internal; proxy_pass http://127.0.0.1:8081; }
        location /raw/ {
            auth_request /auth-raw$uri;
            auth_request_client_headers X-* on=any;
        }
        location /auth-raw { proxy_pass http://127.0.0.1:8083; }
        location /crlf {
            set $at $uri;
            auth_request /auth-crlf;
            auth_request_client_headers X-* on=any;
            auth_request_upstream_headers X-*;
            proxy_pass http://127.0.0.1:8082/;
        }
        location = /auth-crlf {
            add_header X-A $at always;
            add_header X-B b always;
            if ($http_x_code) { return 403; }
            return 200;
        }
    }
EOF

$t->write_file('users', 'user:{PLAIN}secret');
$t->write_file($_, 'CONTENT') for qw/
    deny deny-said allow any several prefix challenge satisfy error let-in /;

service($t, 8081, sub {
    my ($client, $head) = @_;
    my ($code) = $head =~ /^X-Code: (.*)\r/mi;
    my @say = $head =~ /^X-Say: (.*)\r/mgi;
    return 0 if $code eq 'none';
    print $client "HTTP/1.1 $code X\r\n" . join('', map { "$_\r\n" } @say)
        . "Content-Length: 4\r\n\r\nBODY";
    return 0;
});
service($t, 8082, sub {
    my ($client, $head) = @_;
    my $got = join ' ', map { lc } $head =~ /^(X-[A-Z]): /mgi;
    my @app = $head =~ /^X-App: (.*)\r/mgi;
    if ($head =~ /^GET \/app/) {
        print $client join "\r\n", 'HTTP/1.1 200 OK', @app, '', '';
        return 0;
    }
    print $client "HTTP/1.1 200 OK\r\nX-A: upstream\r\nSet-Cookie: u=1\r\n\r\n[$got]";
    return 0;
});

service($t, 8083, sub {
    my ($client, $head) = @_;
    my ($line) = $head =~ m!/raw/(\w+) !;
    print $client "HTTP/1.1 403 X\r\n", pack('H*', $line), "\r\n\r\n";
    return 0;
});

run_quietly($t);

my @said = ('X-A: a', 'Set-Cookie: s=1; Path=/', 'Set-Cookie: t=2', 'X-N: n');
my $all = 'X-A: a, Set-Cookie: s=1; Path=/, Set-Cookie: t=2';

### lines that do not go to the client

is(own_lines(ask_with('/', $_, @said)), '', "$_, without the directive") for 200, 401, 403;
is(own_lines(ask_with('/deny', 200, @said)), '', '200, on=deny');
is(own_lines(ask_with('/allow', $_, @said)), '', "$_, on=allow") for 401, 403;
is(own_lines(ask_with('/error', $_, @said)), '', "$_, an error") for 404, 500;
is(own_lines(ask_with('/let-in', $_, @said)), '', "$_, let in") for 500, 'none';
is(own_lines(ask_with('/any', 200, 'X_A: 1', 'X-AA: 2', 'Set_Cookie: 3')), '',
    'other names');
is(own_lines(ask_with('/satisfy', 403, @said, '', 'Authorization: Basic dXNlcjpzZWNyZXQ=')),
    '', 'satisfy any, the service is not asked');

### lines that do

is(own_lines(ask_with('/deny', $_, @said)), $all, "$_, on=deny") for 401, 403;
is(own_lines(ask_with('/deny-said', 403, @said)), 'X-A: a', 'explicit on=deny');
is(own_lines(ask_with('/allow', 200, @said)), $all, 'on=allow');
is(own_lines(ask_with('/any', $_, @said)), $all, "$_, on=any") for 200, 401, 403;
is(own_lines(ask_with('/any', 200, 'x-a: 1', 'X-a: 2', 'X-A:')), 'x-a: 1, X-a: 2, X-A: ',
    'several spellings');
is(own_lines(ask_with('/page', 401, @said)), $all, 'with an error page');
is(own_lines(ask_with('/upstream', 200, @said)), "$all, X-A: upstream, Set-Cookie: u=1",
    "in addition to the upstream's lines");
is(own_lines(ask_with('/satisfy', 403, @said)), 'X-A: a', 'satisfy any, denied');

my @letters = map { "X-\U$_\E: $_" } 'a' .. 'e';
is(own_lines(ask_with('/several', 403, @letters)), 'X-A: a, X-C: c, X-D: d', 'several, 403');
is(own_lines(ask_with('/several', 200, @letters)), 'X-B: b, X-C: c, X-D: d', 'several, 200');
is(own_lines(ask_with('/several/inner', 403, @letters)), 'X-E: e', 'an inner level');
my $response = ask_with('/prefix', 403, @letters, 'Content-Language: de', 'Content-Type: a/b',
    'Content-Encoding: br', 'Content-Range: bytes 0-1/4', 'Y-A: 1');
is(own_lines($response), join(', ', @letters), 'prefix');
like($response, qr/^Content-Language: de\r/m, 'prefix, about the content');
unlike($response, qr!^Content-(?:Type: a/b|Encoding|Range)!m,
    'prefix, no line about the coding of the content');
is(() = $response =~ /^Content-Length:/mgi, 1, 'prefix, one Content-Length');

### lines that the application sends as well (a doubled Access-Control-Allow-Origin breaks CORS)

my $origin = 'X-Origin: https://a';
my @app_cases = (
    [$origin, [], [$origin], 'the service alone'],
    [$origin, [$origin], [$origin], 'the same value'],
    [$origin, ['x-ORIGIN: https://a'], ['x-ORIGIN: https://a'], 'the same name in another case'],
    [$origin, ['X-Origin: https://A'], [$origin, 'X-Origin: https://A'], 'another value'],
    [$origin, ['X-Origin:'], [$origin, 'X-Origin: '], 'no value'],
    [$origin, [$origin, 'X-N: 1', $origin], [$origin, 'X-N: 1', $origin],
        'lines of the application itself are as many as it sends'],
    ['Set-Cookie: s=1', ['Set-Cookie: s=1', 'Set-Cookie: t=2'],
        ['Set-Cookie: s=1', 'Set-Cookie: t=2'], 'a cookie'],
);
for my $case (@app_cases) {
    my ($service, $app, $expected, $name) = @$case;
    is(own_lines(ask_with('/app', 200, $service, '', map { "X-App: $_" } @$app)),
        join(', ', @$expected), "application, $name");
}
is(own_lines(ask_with('/app-page', 403, $origin, '', "X-App: $origin")), $origin,
    'the same value in a page for a denial');

### challenges are never doubled

for my $uri ('/challenge', '/any') {
    is(join(', ', headers(ask_with($uri, 401, 'WWW-Authenticate: A', 'WWW-Authenticate: B'),
        'WWW-Authenticate')), 'A, B', "$uri, challenges");
}
is(join(', ', headers(ask_with('/challenge', 200, 'WWW-Authenticate: A'),
        'WWW-Authenticate')), 'A', 'one challenge with 200');

### control characters: nginx accepts no such line from a service, and makes none in a
### subrequest

for my $code ('', 403) {
    for my $c ('%0D%0AX-Evil:%201', '%0A', '%0D', 'a%0D%0A%0D%0AEVIL') {
        my $response = ask("/crlf/$c", $code ? "X-Code: $code" : ());
        unlike($response, qr/^X-Evil|^EVIL|X-A: \/crlf/mi, "$code $c");
    }
}
for my $c ("\0", "\r", "\r\r", "\rX-Evil: 1") {
    is(status(ask('/raw/' . unpack('H*', "X-A: a${c}b"))), 500, 'raw ' . unpack 'H*', $c);
}
like(ask('/raw/' . unpack('H*', "X-A: a\x01\x7f\xff\tb")), qr/^X-A: a\x01\x7f\xff\tb\r/m,
    'other control characters are copied');

### helpers

# The lines up to an empty one are for the service to send; the rest are the client's.
sub ask_with {
    my ($uri, $code, @lines) = @_;
    my $say = 'X-Say: ';
    @lines = map { length ? "$say$_" : ($say = '') x 0 } @lines;
    return ask($uri, "X-Code: $code", @lines);
}

# The lines of a response that a service or an upstream has sent.
sub own_lines {
    my ($response) = @_;
    my ($head) = split /\r\n\r\n/, $response;
    return join ', ', grep { /^(?:X|Set)[-_]/i } split /\r\n/, $head;
}
