#!/usr/bin/perl

# auth_request_upstream_headers with the lines that carry credentials: all
# checks see the client's own, and the upstream gets those of the service or
# none.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Jose;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite auth_basic /)->plan(44);

configure($t, <<'EOF');
    default_type text/html;
    auth_request_upstream_headers Authorization Cookie;
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         %%TESTDIR%%;
        auth_request /auth;

        location / { proxy_pass http://127.0.0.1:8082; }
        location = /auth {
            internal;
            proxy_set_header X-Told "[$http_authorization] [$cookie_s]";
            proxy_pass http://127.0.0.1:8081;
        }
        location /basic {
            auth_basic "b";
            auth_basic_user_file %%TESTDIR%%/users;
            proxy_set_header X-User $remote_user;
            proxy_pass http://127.0.0.1:8082;
        }
        location /jwt {
            auth_jwt "j";
            auth_jwt_key_file %%TESTDIR%%/keys.json;
            proxy_pass http://127.0.0.1:8082;
        }
        location /jwt-cookie {
            auth_jwt "j" token=$cookie_s;
            auth_jwt_key_file %%TESTDIR%%/keys.json;
            proxy_pass http://127.0.0.1:8082;
        }
        location /jwt-any/ {
            satisfy any;
            auth_jwt "j";
            auth_jwt_key_file %%TESTDIR%%/keys.json;
            proxy_pass http://127.0.0.1:8082;
        }
        location /any {
            satisfy any;
            allow 127.0.0.1;
            deny all;
            proxy_pass http://127.0.0.1:8082;
        }
        location /error {
            auth_request_on_error allow 5xx;
            proxy_pass http://127.0.0.1:8082;
        }
        location /told {
            set $early $http_cookie$cookie_s;
            proxy_set_header X-Told "[$http_cookie] [$cookie_s]";
            proxy_pass http://127.0.0.1:8082;
        }
        location /unasked {
            auth_request off;
            proxy_pass http://127.0.0.1:8082;
        }
        location /page {
            error_page 401 = @open;
            proxy_pass http://127.0.0.1:8082;
        }
        location @open {
            auth_request off;
            proxy_pass http://127.0.0.1:8082;
        }
        location /variable {
            proxy_set_header Authorization $http_authorization;
            proxy_pass http://127.0.0.1:8082;
        }
        location /twice/ { index index.html; }
        location = /twice/index.html { proxy_pass http://127.0.0.1:8082; }
        location /then-jwt/ { index index.html; }
        location = /then-jwt/index.html {
            auth_request off;
            auth_jwt "j";
            auth_jwt_key_file %%TESTDIR%%/keys.json;
            proxy_pass http://127.0.0.1:8082;
        }
        location /then-other/ { index index.html; }
        location = /then-other/index.html {
            auth_request_upstream_headers X-Other;
            proxy_pass http://127.0.0.1:8082;
        }
        location /then-off/ { index index.html; }
        location = /then-off/index.html {
            auth_request_upstream_headers off;
            proxy_pass http://127.0.0.1:8082;
        }
        location /prefix {
            auth_request_upstream_headers Proxy-*;
            proxy_pass http://127.0.0.1:8082;
        }
    }
EOF

my $d = $t->testdir();
for my $dir (qw/ twice then-jwt then-other then-off /) {
    mkdir "$d/$dir";
    $t->write_file("$dir/index.html", '');
}
$t->write_file('users', 'user:{PLAIN}secret');
my $key = jwk('HS256');
$t->write_file('keys.json', jwks($key));
my $token = sign($key, '{"sub":"me"}');

service($t, 8081, sub {
    my ($client, $head) = @_;
    my ($code) = $head =~ /^X-Code: (.*)\r/mi;
    my @say = $head =~ /^X-Say: (.*)\r/mgi;
    append("$d/asked", $head);
    return 0 if ($code // '') eq 'none';
    print $client 'HTTP/1.1 ' . ($code // 200) . " X\r\n"
        . join('', map { "$_\r\n" } @say) . "Content-Length: 0\r\n\r\n";
    return 0;
});
service($t, 8082, sub {
    my ($client, $head) = @_;
    print $client "HTTP/1.1 200 OK\r\n\r\n$head";
    return 0;
});

run_quietly($t);

my @mine = ('Authorization: mine', 'Cookie: s=mine');
my @said = ('X-Say: Authorization: Bearer theirs', 'X-Say: Cookie: s=theirs');
my $theirs = 'Authorization: Bearer theirs, Cookie: s=theirs';

### the service gets the client's lines, the upstream those of the service

is(shown(ask('/', @mine)), '', 'no line of the service');
is(told($t), '[mine] [mine]; Authorization: mine, Cookie: s=mine', 'service');
is(shown(ask('/', @mine, @said)), $theirs, "the service's");
is(told($t), '[mine] [mine]; Authorization: mine, Cookie: s=mine',
    'service, again');
is(shown(ask('/', @said)), $theirs, "the service's, client without");
told($t);
is(shown(ask('/', @mine, 'Cookie: t=1', 'X-Say: Cookie: s=theirs')),
    'Cookie: s=theirs', 'two lines');
is(told($t), '[mine] [mine]; Authorization: mine, Cookie: s=mine, Cookie: t=1',
    'two lines, service');
is(shown(ask('/variable', @mine, @said)),
    'Authorization: Bearer theirs, Cookie: s=theirs', 'variable');
is(shown(ask('/variable', @mine)), '', 'variable, none');
like(ask('/told', @mine, @said), qr/^X-Told: \[s=theirs\] \[theirs\]\r/m,
    'variables of cookies');
like(ask('/told', @mine), qr/^X-Told: \[\] \[\]\r/m, 'variables of cookies, none');

### the client's lines are removed without a check, too

is(shown(ask('/any', @mine, @said)), '', 'satisfy any');
is(shown(ask('/unasked', @mine, @said)), '', 'auth_request off');
is(shown(ask('/error', @mine, @said, 'X-Code: 500')), '', 'allowed on error');
is(shown(ask('/page', @mine, @said, 'X-Code: 401')), '', 'error page');

### other checks in the location see the client's lines

told($t);
my $basic = 'Authorization: Basic dXNlcjpzZWNyZXQ=';
is(status(ask('/basic', @said)), 401, 'auth_basic');
is(told($t), '', 'auth_basic, not asked');
my $response = ask('/basic', $basic, 'X-Say: Authorization: theirs');
is(shown($response), 'Authorization: theirs', 'auth_basic, let in');
like($response, qr/^X-User: user\r/m, 'auth_basic, user');
like(told($t), qr/; \Q$basic\E$/, 'auth_basic, service');

is(status(ask('/jwt', @said)), 401, 'auth_jwt');
is(told($t), '', 'auth_jwt, not asked');
is(shown(ask('/jwt', "Authorization: Bearer $token", @said)), $theirs,
    'auth_jwt, let in');
like(told($t), qr/; Authorization: Bearer \Q$token\E$/, 'auth_jwt, service');
is(shown(ask('/jwt-cookie', "Cookie: s=$token", @said)), $theirs,
    'auth_jwt, cookie');
is(status(ask('/jwt-cookie', 'Cookie: s=no', "X-Say: Cookie: s=$token")), 401,
    "the service's cookie is no token");
told($t);
is(shown(ask('/jwt-any/', "Authorization: Bearer $token", @said)), '',
    'satisfy any, let in by auth_jwt');
is(told($t), '', 'satisfy any, allowed by auth_jwt: the service is not asked');

### redirects: the next check sees the client's lines again

told($t);
is(shown(ask('/twice/', @mine, @said)), $theirs, 'two checks');
is(told($t), join(' | ', ('[mine] [mine]; Authorization: mine, Cookie: s=mine') x 2),
    'two checks, service');
is(shown(ask('/twice/', @mine)), '', 'two checks, none');

is(status(ask('/then-jwt/', @mine, "X-Say: Authorization: Bearer $token")), 401,
    "auth_jwt, the service's token");
is(status(ask('/then-jwt/', "Authorization: Bearer $token",
    'X-Say: Authorization: Bearer no')), 200, "auth_jwt, the client's token");

told($t);
is(shown(ask('/then-other/', @mine, @said)), '', 'other names: the outer ones are removed all the same');
is(told($t), join(' | ', ('[mine] [mine]; Authorization: mine, Cookie: s=mine') x 2),
    'other names, service');
is(shown(ask('/then-off/', @mine, @said)), '', 'off: removed all the same');
is(told($t), join(' | ', ('[mine] [mine]; Authorization: mine, Cookie: s=mine') x 2),
    'off, service');

### prefix

told($t);
is(shown(ask('/prefix', 'Proxy-Authorization: a', 'Proxy_B: b')), '', 'prefix');
is(told($t), '[] []; Proxy-Authorization: a', 'prefix, service');
is(shown(ask('/prefix', 'Proxy-Authorization: a', 'X-Say: Proxy-Authorization: c')),
    'Proxy-Authorization: c', 'prefix, set');

### long and many

told($t);
is(shown(ask('/', 'Cookie: s=' . 'a' x 4000, 'Authorization: ' . 'b' x 3000, @said)),
    $theirs, 'long');
told($t);
is(shown(ask('/', @mine, (map { "X-$_: $_" } 1 .. 60), @said)), $theirs,
    'among many');
is(told($t), '[mine] [mine]; Authorization: mine, Cookie: s=mine',
    'among many, service');

my $s = connection();
is(join('; ', map { shown(exchange($s, request('/', @$_))) }
    [@mine, @said], [@mine], [@said], []), "$theirs; ; $theirs; ",
    'requests of one connection');

### helpers

sub shown {
    my ($response) = @_;
    return 'status ' . status($response) unless status($response) == 200;
    return credentials(body($response));
}

sub credentials {
    my ($head) = @_;
    return join ', ', grep { /^(?:Authorization|Cookie|Proxy[-_]\w+):/i }
        split /\r\n/, $head;
}

# The credentials that the service got since the last call.
sub told {
    my ($t) = @_;
    my $told = -e "$d/asked" ? $t->read_file('asked') : '';
    unlink "$d/asked";
    return join ' | ', map {
        (/^X-Told: (.*?)\r/m ? "$1; " : '; ') . credentials($_)
    } split /\r\n\r\n/, $told;
}
