#!/usr/bin/perl

# auth_request: the outcome for each status of the service, where the directive
# is allowed, and which requests are checked.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthRequest;
use Original;

my @allowed = (200, 201, 202, 204, 206, 299);
my @unexpected = (300, 301, 302, 304, 307, 400, 402, 404, 405, 407, 410,
    418, 429, 451, 500, 502, 503, 504, 599);

my $t = Test::Nginx->new()
    ->has(qw/ http mirror proxy rewrite ssi /)
    ->plan(2 * @allowed + 3 * @unexpected + 38);

my $codes = join "\n",
    map { "location = /$_ { return $_; }" } @allowed, @unexpected, 401, 403;

configure($t, <<"EOF");
    auth_request /auth;
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        location = /auth {
            internal;
            proxy_pass http://127.0.0.1:8081/\$http_x_code;
        }
        location = /yes { return 204; }
        location = /no { return 403; }
        location / { }
        location = /off.txt { auth_request off; }
        location = /none.txt { auth_request ""; }
        location /own/ { auth_request /no; }
        location /own/yes/ {
            auth_request /yes;
            location /own/yes/nested/ { }
            location /own/yes/off/ { auth_request off; }
        }
        location /if/ {
            if (\$arg_if) { set \$reached 1; }
            add_header X-Reached \$reached;
        }
        location /limited/ {
            limit_except GET { allow all; }
        }
        location = /page.html { auth_request off; ssi on; }
        location = /error { auth_request off; error_page 404 = /part.txt; }
        location /mirrored/ {
            auth_request off;
            mirror /mirror;
        }
        location = /mirror {
            internal;
            auth_request /no;
            proxy_pass http://127.0.0.1:8081/mirror;
        }
        location = /self.txt {
            auth_request /self.txt;
        }
    }
    server {
        listen       127.0.0.1:8082;
        auth_request off;
        location / { }
        location /on/ { auth_request /yes; }
        location /denied/ { auth_request /no; }
        location = /yes { return 204; }
        location = /no { return 403; }
    }
    server {
        listen       127.0.0.1:8083;
        location / { }
        location = /auth { return 403; }
    }
    server {
        listen       127.0.0.1:8081;
        auth_request off;
        access_log   %%TESTDIR%%/service.log;
        location = / { return 404; }
        location = /mirror {
            access_log %%TESTDIR%%/mirror.log;
            return 204;
        }
        $codes
    }
EOF

my $d = $t->testdir();
mkdir "$d/$_" for qw{
    own own/yes own/yes/nested own/yes/off if limited mirrored on denied
};
$t->write_file($_, "CONTENT of $_") for qw{
    file.txt off.txt none.txt part.txt self.txt own/file.txt own/yes/file.txt
    own/yes/nested/file.txt own/yes/off/file.txt if/file.txt limited/file.txt
    mirrored/file.txt on/file.txt denied/file.txt
};
$t->write_file('page.html', 'A<!--#include virtual="/part.txt" -->Z');
$t->run();

### statuses

for my $code (@allowed) {
    my $response = ask('/file.txt', "X-Code: $code");
    like($response, qr{^HTTP/1.1 200 OK\r\n}, "$code allows");
    is(body($response), 'CONTENT of file.txt', "$code, body");
}

for my $code (@unexpected) {
    my $response = ask("/file.txt?$code", "X-Code: $code");
    like($response, qr{^HTTP/1.1 500 Internal Server Error\r\n},
        "$code is refused");
    unlike($response, qr/CONTENT|^Location|^Retry/m, "$code, no content or header line gets out");
    my $line = "auth request unexpected status: $code";
    is(errors($t, "/file.txt?$code"), differs('log of errors',
        "$line from \"/auth\": " . undecided($code), $line), "$code, log");
}

my $response = ask('/file.txt?401', 'X-Code: 401');
like($response, qr{^HTTP/1.1 401 Unauthorized\r\n}, '401 is 401');
unlike($response, qr/CONTENT|^WWW-Authenticate/m, '401, no content or challenge gets out');
is(errors($t, '/file.txt?401'), '', '401, no error');

$response = ask('/file.txt?403', 'X-Code: 403');
like($response, qr{^HTTP/1.1 403 Forbidden\r\n}, '403 is 403');
unlike($response, qr/CONTENT/, '403, no content gets out');
is(errors($t, '/file.txt?403'), '', '403, no error');

is(status(ask('/file.txt')), 500, '404 of the service is an error');
like(ask('/self.txt'), qr/\r\n\r\nCONTENT of self.txt\z/,
    'protected file that is its own service: no loop, and its body once');

### contexts

like(ask('/off.txt'), qr/^HTTP\S+ 200 .*CONTENT of off/s, 'off');
like(ask('/none.txt'), qr/^HTTP\S+ 200 .*CONTENT of none/s, 'empty URI');
is(status(ask('/own/file.txt', 'X-Code: 200')), 403, "directive of the location");
is(status(ask('/own/yes/file.txt')), 200, "directive of the nested location");
is(status(ask('/own/yes/nested/file.txt')), 200, "directive of the outer location");
is(status(ask('/own/yes/off/file.txt')), 200, 'off again, inside');
is(status(ask('/if/file.txt?if=1', 'X-Code: 403')), 403, 'if block');
like(ask('/if/file.txt?if=1', 'X-Code: 200'), qr/^HTTP\S+ 200 .*X-Reached: 1/s,
    'if block, allowed');
is(status(ask('/limited/file.txt', 'X-Code: 401')), 401, 'limit_except');
is(status(ask({ method => 'PUT' }, '/limited/file.txt', 'X-Code: 401')), 401,
    'limit_except, in the block');

is(status(ask({ port => 8082 }, '/file.txt')), 200, 'off in a server');
is(status(ask({ port => 8082 }, '/on/file.txt')), 200, 'on in its location');
is(status(ask({ port => 8082 }, '/denied/file.txt')), 403, 'on in its location, denied');
is(status(ask({ port => 8083 }, '/file.txt')), 403, 'inherited from http');

### each method is checked

is(status(ask({ method => $_ }, '/file.txt', 'X-Code: 401')), 401, "$_ is checked")
    for qw/ GET HEAD POST PUT DELETE OPTIONS PATCH PROPFIND X-ODD /;
is(status(ask({ method => 'OPTIONS' }, '/file.txt', 'X-Code: 401', 'Origin: http://a', 'Access-Control-Request-Method: GET')), 401,
    'a preflight is checked');
is(() = $t->read_file('service.log') =~ /"GET \/401 HTTP\S+ 401 /g, 13,
    'the service gets GET');

### main requests only

is(body(ask('/page.html')), 'ACONTENT of part.txtZ', 'an SSI include is not checked');
is(status(ask('/error', 'X-Code: 403')), 403, 'the target of an error_page is checked');
like(ask('/error', 'X-Code: 200'), qr/CONTENT of part/,
    'the target of an error_page is checked, allowed');

is(status(ask('/mirrored/file.txt')), 200, 'mirrored');
$t->stop();
is(() = $t->read_file('mirror.log') =~ /"GET \/mirror /g, 1,
    'a mirrored request is not checked');

### helpers

# The messages of the [error] lines about requests for this URI, without what nginx was
# doing.
sub errors {
    my ($t, $uri) = @_;
    return join "\n", map {
        /\[error\].*?\*\d+ (.*?)(?: while [^,]*)?, client: .* "GET \Q$uri\E HTTP/
            ? $1 : ()
    } split /\n/, $t->read_file('error.log');
}
