#!/usr/bin/perl

# auth_jwt_strip: what carried the token does not go upstream (row 38), whatever
# becomes of it, and everything else does.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Http2;
use Jose;
use ParamService;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()->has(qw/ http http_v2 proxy grpc fastcgi uwsgi scgi rewrite ssi mirror access map
    auth_basic auth_request /)->plan(107);

my $key = jwk('HS256', '--kid', 'a');
$t->write_file('keys.json', jwks($key));
$t->write_file('users', 'user:{PLAIN}password');
mkdir $t->testdir() . "/$_" or die for qw/ index ssi open /;
$t->write_file('index/index.html', 'index');
$t->write_file("$_/page.html", '<!--#include virtual="/echo?t=inner&a=1" -->') for qw/ ssi open /;

configure($t, <<"EOF");
    underscores_in_headers on;
    ignore_invalid_headers off;
    log_format token '\$uri \$status [\$jwt_claim_sub] [\$jwt_status] [\$args] [\$http_authorization] [\$http_cookie]';
    access_log %%TESTDIR%%/token.log token;
    auth_jwt_key_file keys.json;
    auth_jwt_strip on;

    server {
        listen       127.0.0.1:8080;
        @{[listen_http2($t)]}
        server_name  localhost;
        root         %%TESTDIR%%;

        fastcgi_param REQUEST_URI \$request_uri;
        fastcgi_param QUERY_STRING \$query_string;
        uwsgi_param REQUEST_URI \$request_uri;
        uwsgi_param QUERY_STRING \$query_string;
        scgi_param REQUEST_URI \$request_uri;
        scgi_param QUERY_STRING \$query_string;

        auth_jwt "r";
        location / { proxy_pass http://127.0.0.1:8082; }
        location /kept { auth_jwt_strip off; proxy_pass http://127.0.0.1:8082; }
        location /off  { auth_jwt off; proxy_pass http://127.0.0.1:8082; }
        location /variable { proxy_set_header Authorization \$http_authorization; proxy_pass http://127.0.0.1:8082; }
        location /optional { auth_jwt_mode optional; proxy_pass http://127.0.0.1:8082; }
        location /report   { auth_jwt_mode report; proxy_pass http://127.0.0.1:8082; }
        location /mode-off { auth_jwt_mode off; proxy_pass http://127.0.0.1:8082; }
        location /any/allow { satisfy any; allow all; proxy_pass http://127.0.0.1:8082; }
        location /any/basic { satisfy any; auth_basic b; auth_basic_user_file users;
                              proxy_set_header X-Remote \$remote_user; proxy_pass http://127.0.0.1:8082; }
        location /any/request { satisfy any; auth_request /says; proxy_pass http://127.0.0.1:8082; }
        location /preaccess { auth_jwt_phase preaccess; proxy_pass http://127.0.0.1:8082; }
        location /refused   { error_page 401 = \@open; }
        location /refused/redirect { error_page 401 = /open; }
        location \@open     { auth_jwt off; auth_jwt_strip off; proxy_pass http://127.0.0.1:8082; }
        location /open      { auth_jwt off; auth_jwt_strip off; proxy_pass http://127.0.0.1:8082; }
        location /tried     { try_files /none /tried.html?\$args; }
        location = /tried.html { proxy_pass http://127.0.0.1:8082; }
        location /index/    { index index.html; }
        location = /index/index.html { proxy_pass http://127.0.0.1:8082; }
        location /asked     { auth_request /says; auth_request_set \$saw \$upstream_http_x_saw; add_header X-Saw \$saw always;
                              proxy_pass http://127.0.0.1:8082;
            location /asked/sets { auth_request_upstream_headers Authorization Cookie; proxy_pass http://127.0.0.1:8082; }
        }
        location = /says    { internal; proxy_pass http://127.0.0.1:8081; }
        location = /echo    { proxy_pass http://127.0.0.1:8082; }
        location /ssi/      { ssi on; }
        location /open/     { ssi on; auth_jwt off; }
        location /mirrored  { mirror /mirror; proxy_pass http://127.0.0.1:8082; }
        location = /mirror  { internal; proxy_pass http://127.0.0.1:8086\$request_uri; }
        location /grpc    { grpc_pass grpc://127.0.0.1:8087; }
        location /fastcgi { fastcgi_pass 127.0.0.1:8089; }
        location /uwsgi   { uwsgi_pass 127.0.0.1:8084; }
        location /scgi    { scgi_pass 127.0.0.1:8085; }

        location /cookie/ {
            auth_jwt "r" token=\$cookie_t;
            proxy_pass http://127.0.0.1:8082;
            location /cookie/any     { satisfy any; allow all; proxy_pass http://127.0.0.1:8082; }
            location /cookie/refused { error_page 401 = \@open; }
            location /cookie/tried   { try_files /none \@cookie; }
            location /cookie/preaccess { auth_jwt_phase preaccess; try_files /none \@cookie; }
            location /cookie/grpc    { grpc_pass grpc://127.0.0.1:8087; }
            location /cookie/fastcgi { fastcgi_pass 127.0.0.1:8089; }
            location /cookie/uwsgi   { uwsgi_pass 127.0.0.1:8084; }
            location /cookie/scgi    { scgi_pass 127.0.0.1:8085; }
            location /cookie/asked   { auth_request /says; auth_request_set \$saw \$upstream_http_x_saw; add_header X-Saw \$saw always;
                                       proxy_pass http://127.0.0.1:8082; }
            location /cookie/ssi/    { ssi on; alias %%TESTDIR%%/ssi/; }
        }
        location \@cookie { auth_jwt "r" token=\$cookie_t; auth_jwt_phase preaccess; proxy_pass http://127.0.0.1:8082; }
        location /line {
            auth_jwt "r" token=\$http_x_token;
            proxy_pass http://127.0.0.1:8082;
        }
        location /all-cookies { auth_jwt "r" token=\$http_cookie; proxy_pass http://127.0.0.1:8082; }

        location /arg {
            auth_jwt "r" token=\$arg_t;
            proxy_set_header X-Uri "\$request_uri \$args \$is_args \$arg_t";
            proxy_pass http://127.0.0.1:8082;
            location /arg/path/   { proxy_pass http://127.0.0.1:8082/to/; }
            location /arg/variable { proxy_pass http://127.0.0.1:8082\$request_uri; }
            location /arg/args    { proxy_pass http://127.0.0.1:8082/x?\$args; }
            location /arg/rewrite { rewrite ^ /arg/rewritten?b=2; }
            location /arg/rewritten { proxy_pass http://127.0.0.1:8082; }
            location /arg/early   { set \$early \$request_uri; proxy_pass http://127.0.0.1:8082; }
            location /arg/any     { satisfy any; allow all; proxy_pass http://127.0.0.1:8082; }
            location /arg/refused { error_page 401 = \@open; }
            location /arg/redirect { error_page 401 = /open; }
            location /arg/tried   { try_files /none \@arg; }
            location /arg/index/  { index index.html; alias %%TESTDIR%%/index/; }
            location = /arg/index/index.html { auth_jwt "r" token=\$arg_t; proxy_pass http://127.0.0.1:8082; }
            location /arg/query   { try_files /none /arg/tried.html?\$args; }
            location = /arg/tried.html { proxy_pass http://127.0.0.1:8082; }
            location /arg/grpc    { grpc_pass grpc://127.0.0.1:8087; }
            location /arg/fastcgi { fastcgi_pass 127.0.0.1:8089; }
            location /arg/uwsgi   { uwsgi_pass 127.0.0.1:8084; }
            location /arg/scgi    { scgi_pass 127.0.0.1:8085; }
            location /arg/mirrored { mirror /mirror; proxy_pass http://127.0.0.1:8082; }
            location /arg/asked   { auth_request /says?\$args; auth_request_set \$saw \$upstream_http_x_saw;
                                    add_header X-Saw \$saw always; proxy_pass http://127.0.0.1:8082; }
            location /arg/escaped { proxy_set_header X-Uri \$escaped_request_uri; proxy_pass http://127.0.0.1:8082; }
        }
        location \@arg { auth_jwt "r" token=\$arg_t; proxy_pass http://127.0.0.1:8082; }
    }
    server {
        @{[listen_http2($t, 8087)]}
        location / { proxy_pass http://127.0.0.1:8088; }
    }
EOF

my $dir = $t->testdir();

sub echo {
    my ($file) = @_;
    return sub {
        my ($client, $head) = @_;
        replace_file($t, $file, $head) if $file;
        print $client "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nContent-Length: "
            . length($head) . "\r\n\r\n$head";
        return 0;
    };
}
service($t, 8081, sub {
    my ($client, $head) = @_;
    my @say = $head =~ /^X-Say: (.*)\r/mgi;
    my ($uri) = $head =~ /^GET (\S+)/;
    my $saw = join ', ', $uri, $head =~ /^((?:Authorization|Cookie): .*)\r/mgi;
    print $client "HTTP/1.1 200 OK\r\n" . join('', map { "$_\r\n" } @say) . "X-Saw: $saw\r\nContent-Length: 0\r\n\r\n";
    return 0;
});
service($t, 8082, echo());
service($t, 8086, echo('mirrored'));
service($t, 8088, echo());
param_service($t, 8089, 'fastcgi');
param_service($t, 8084, 'uwsgi');
param_service($t, 8085, 'scgi');

run_quietly($t);

my $good = sign($key, '{"sub":"alice"}');
my $forged = sign(jwk('HS256', '--kid', 'a'), '{"sub":"admin"}');
my $basic = 'Authorization: Basic dXNlcjpwYXNzd29yZA==';

### the Authorization line

is(got(get('/', $good, 'X-Mine: 1', 'Cookie: a=1')), 'GET / Cookie: a=1', 'a good token');
like(get('/', $good, 'X-Mine: 1'), qr/^X-Mine: 1\r/m, 'other lines stay');
is(got(get('/', $good, 'authorization_: x')), 'GET /', 'another name');
is(got(ask('/', "authorization: bearer $good")), 'GET /', 'in lower case');
is(got(get('/kept', $good)), "GET /kept Authorization: Bearer $good", 'off');
is(got(get('/off', $good)), "GET /off Authorization: Bearer $good", 'auth_jwt off');
is(got(get('/variable', $good)), 'GET /variable', 'the variable is empty');
is(got(get('/optional', $good)), 'GET /optional', 'optional');
is(got(ask('/optional', $_)), 'GET /optional', "optional, $_") for "Authorization: JWT $good", $basic;
for my $token ($good, $forged) {
    my $name = $token eq $good ? 'good' : 'forged';
    is(got(get($_, $token)), "GET $_", "$_, $name") for qw{ /report /mode-off /any/allow /any/request };
}
is(got(get('/refused', $forged)), 'GET /refused', 'error_page');
is(got(get('/refused/redirect', $forged)), 'GET /open', 'error_page to a location without');
is(got(ask('/any/basic', $basic)), 'GET /any/basic', 'satisfy any, by password');
like(ask('/any/basic', $basic), qr/^X-Remote: user\r/m, 'auth_basic has seen it');
is(got(get($_, $good)), "GET $_", $_) for qw{ /preaccess /fastcgi /uwsgi /scgi /grpc /mirrored };
is(got(mirrored()), 'GET /mirrored', 'what the mirror sends');
is(got(http2_curl('/', "-H 'Authorization: Bearer $good'", '-H "Cookie: a=1; b=2"')), 'GET / Cookie: a=1; b=2', 'HTTP/2');
is(got(get('/index/', $good)), 'GET /index/index.html', 'a location that judges once more');
is(got(get('/tried', $good)), 'GET /tried.html', 'try_files');
is(got(get('/ssi/page.html', $good)), 'GET /echo?t=inner&a=1', 'SSI');
is(got(get('/open/page.html', $good)), 'GET /echo?t=inner&a=1', 'SSI includes a location with it');
my $response = get('/asked', $good);
is(header($response, 'X-Saw'), "/says, Authorization: Bearer $good", 'auth_request: its service gets the line');
is(got($response), 'GET /asked', 'auth_request: the upstream does not');
is(got(get('/asked/sets', $good, 'Cookie: a=1', 'X-Say: Authorization: theirs', 'X-Say: Cookie: b=2')),
    'GET /asked/sets Authorization: theirs, Cookie: b=2', 'what the service says stays');
is(got(get('/asked/sets', $good, 'Cookie: a=1')), 'GET /asked/sets', 'the service says nothing');
my $s = connection();
is(join('; ', map { got(exchange($s, request($_, bearer($good)))) } '/', '/kept', '/'),
    "GET /; GET /kept Authorization: Bearer $good; GET /", 'requests of one connection');

### a cookie

is(got(ask('/cookie/', "Cookie: t=$good")), 'GET /cookie/', 'the only cookie');
is(got(ask('/cookie/', "Cookie: a=1; t=$good; b=2")), 'GET /cookie/ Cookie: a=1; b=2', 'one among others');
is(got(ask('/cookie/', "Cookie: t=$good; T=$forged; b=2; t=x")), 'GET /cookie/ Cookie: b=2', 'several of the name');
# For nginx before 1.29.6 a comma ends a cookie.
is(got(ask('/cookie/', "Cookie: a=1,t=$good; b=2")), $t->has_version('1.29.6') ? 'status 401' : 'GET /cookie/ Cookie: a=1; b=2',
    'behind a comma');
is(got(ask('/cookie/', "Cookie: a=1", "Cookie: t=$good; b=2", 'Cookie: c=3')),
    'GET /cookie/ Cookie: a=1, Cookie: b=2, Cookie: c=3', 'one of several lines');
is(got(ask('/cookie/', "Cookie: t=$good", $basic)), "GET /cookie/ $basic", 'Authorization stays');
for my $token ($good, $forged) {
    my $name = $token eq $good ? 'good' : 'forged';
    is(got(ask('/cookie/any', "Cookie: t=$token; b=2")), 'GET /cookie/any Cookie: b=2', "satisfy any, $name");
}
is(got(ask('/cookie/refused', "Cookie: t=$forged; b=2")), 'GET /cookie/refused Cookie: b=2', 'error_page');
is(got(ask("/cookie/$_", "Cookie: t=$good; b=2")), "GET /cookie/$_ Cookie: b=2", $_)
    for qw/ tried preaccess grpc fastcgi uwsgi scgi /;
is(status(ask("/cookie/$_", "Cookie: t=$forged; b=2")), 401, "$_, forged") for qw/ tried preaccess /;
$response = ask('/cookie/asked', "Cookie: t=$good; b=2");
is(header($response, 'X-Saw'), "/says, Cookie: t=$good; b=2", 'auth_request: its service gets the cookie');
is(got($response), 'GET /cookie/asked Cookie: b=2', 'auth_request: the upstream does not');
is(got(ask('/cookie/ssi/page.html', "Cookie: t=$good; b=2")), 'GET /echo?t=inner&a=1 Cookie: b=2', 'SSI');
is(got(http2_curl('/cookie/', qq{-H "Cookie: a=1; t=$good; b=2"})), 'GET /cookie/ Cookie: a=1; b=2', 'HTTP/2');

### another line

is(got(ask('/line', "X-Token: $good", $basic)), "GET /line $basic", 'another line');
is(names(ask('/line', "X-Token: $good", 'X.Token: a', 'x~token: b')), '', 'in every spelling');
is(got(ask('/all-cookies', "Cookie: $good")), 'GET /all-cookies', 'the Cookie line itself');

### an argument

is(got(ask("/arg?t=$good")), 'GET /arg', 'the only argument');
is(got(ask("/arg?a=1&t=$good&b=%20")), 'GET /arg?a=1&b=%20', 'one among others');
is(got(ask("/arg?t=$good&T=x&%74=y&b=2")), 'GET /arg?b=2', 'several of the name, in other spellings');
is(got(ask("/arg/a%2Fb//c%20d?b=2&t=$good")), 'GET /arg/a%2Fb//c%20d?b=2', 'the path stays as it is');
is(got(ask("/arg/path/a%20b?b=2&t=$good")), 'GET /to/a%20b?b=2', 'proxy_pass with a URI');
is(got(ask("/arg/path/?t=$good")), 'GET /to/', 'proxy_pass with a URI, no other argument');
is(got(ask("/arg/variable?b=2&t=$good")), 'GET /arg/variable?b=2', 'proxy_pass with $request_uri');
is(got(ask("/arg/args?b=2&t=$good")), 'GET /x?b=2', 'proxy_pass with $args');
is(got(ask("/arg/rewrite?a=1&t=$good")), 'GET /arg/rewritten?b=2&a=1', 'rewrite');
like(ask("/arg/early?b=2&t=$good"), qr/^X-Uri: \/arg\/early\?b=2 b=2 \? \r/m, 'variables, one of them read before');
like(ask("/arg?t=$good"), qr/^X-Uri: \/arg   \r/m, 'variables, no other argument');
like(ask("/arg/escaped?t=$good&b=2"), qr/^X-Uri: %2Farg%2Fescaped%3Fb%3D2\r/m, '$escaped_request_uri');
for my $token ($good, $forged) {
    my $name = $token eq $good ? 'good' : 'forged';
    is(got(ask("/arg/any?t=$token&b=2")), 'GET /arg/any?b=2', "satisfy any, $name");
}
is(got(ask("/arg/refused?t=$forged&b=2")), 'GET /arg/refused?b=2', 'error_page');
is(got(ask("/arg/redirect?t=$forged&b=2")), 'GET /open', 'error_page to a location without');
is(got(ask("/arg/tried?t=$good&b=2")), 'GET /arg/tried?b=2', 'a named location that judges once more');
is(got(ask("/arg/index/?t=$good&b=2")), 'GET /arg/index/index.html?b=2', 'an internal redirect that judges once more');
is(got(ask("/arg/query?t=$good&b=2")), 'GET /arg/tried.html?b=2', 'try_files with $args');
is(status(ask("/arg/$_?t=$forged")), 401, "$_, forged") for qw{ tried query index/ };
is(status(ask("/arg/query?b=2")), 401, 'no token');
is(got(ask("/arg/grpc?b=2&t=$good")), 'GET /arg/grpc?b=2', 'gRPC');
is(uris(ask("/arg/$_?b=2&t=$good")), "QUERY_STRING=b=2 REQUEST_URI=/arg/$_?b=2", $_) for qw/ fastcgi uwsgi scgi /;
is(got(ask("/arg/mirrored?b=2&t=$good")), 'GET /arg/mirrored?b=2', 'a location with a mirror');
is(got(mirrored()), 'GET /arg/mirrored?b=2', 'what the mirror sends');
$response = ask("/arg/asked?b=2&t=$good");
is(header($response, 'X-Saw'), "/says?b=2&t=$good", 'auth_request: its service gets the argument');
is(got($response), 'GET /arg/asked?b=2', 'auth_request: the upstream does not');
is(got(http2_curl("/arg?b=2&t=$good")), 'GET /arg?b=2', 'HTTP/2');

### logs

my @log = split /\n/, $t->read_file('token.log');
is((grep { /^\/any\/allow 200 / } @log)[1], '/any/allow 200 [admin] [-] [-] [-] [-]',
    'the log of a token that nobody has looked at');
is((grep { /^\/cookie\/any 200 / } @log)[0], '/cookie/any 200 [alice] [-] [-] [-] [b=2]', 'the log of a good cookie');
is((grep { /^\/arg\/any 200 / } @log)[1], '/arg/any 200 [admin] [-] [b=2] [-] [-]', 'the log of an argument');
is((grep { /^\/ 200 / } @log)[0], '/ 200 [alice] [ok] [-] [-] [a=1]', 'the log of an accepted token');

### what cannot be taken out

my $conf = sub { return config_test($t, "server {\nlisten 127.0.0.1:1;\nauth_jwt_strip on;\n$_[0]\n}") };
my $cannot = sub {
    my ($variable, $line) = @_;
    return qq{[emerg] "auth_jwt_strip on" in DIR/http.conf:3 cannot keep the token of "auth_jwt" in DIR/http.conf:$line }
        . qq{from upstreams: "$variable" may be made of anything; it must be \$http_<name>, \$cookie_<name> or }
        . qq{\$arg_<name>, or write "auth_jwt_strip off" in DIR/nginx.conf:};
};
like($conf->("location / {\nauth_jwt r token=$_;\n}"), qr/^\Q@{[$cannot->($_, 5)]}\E\d+ \| exit 1$/, "token=$_")
    for qw/ $uri $http_host $http_content_type $request_uri $args /;
like(config_test($t, "map \$uri \$cookie_t { default x; }\nserver {\nauth_jwt_strip on;\nlocation / {\n"
    . "auth_jwt r token=\$cookie_t;\n}}"), qr/^\Q@{[$cannot->('$cookie_t', 5)]}\E\d+ \| exit 1$/,
    'a variable that the configuration defines');
unlike($conf->("location / {\nauth_jwt r token=\$uri;\nauth_jwt_strip off;\n}"), qr/emerg/, 'off there');
unlike($conf->("location / {\nauth_jwt off token=\$uri;\n}"), qr/emerg/, 'auth_jwt off there');

### helpers

# The request line and the credentials that the upstream got.
sub got {
    my ($response) = @_;
    return 'status ' . status($response) if status($response) != 200;
    my $got = body($response);
    if (my ($uri) = $got =~ /^REQUEST_URI=(.*)$/m) {
        my %lines = $got =~ /^HTTP_(AUTHORIZATION|COOKIE)=(.*)$/mg;
        return join ' ', "GET $uri", join(', ', map { "\u\L$_\E: $lines{$_}" } sort keys %lines) || ();
    }
    my ($request) = $got =~ /^(\S+ \S+)/;
    return join ' ', $request, join(', ', map { s/^(\w)/\U$1/r } $got =~ /^((?:authorization|cookie): .*)\r/mgi) || ();
}

# The names of the lines with the token of /line, in any spelling.
sub names {
    my ($response) = @_;
    return 'status ' . status($response) if status($response) != 200;
    return join ', ', body($response) =~ /^(x.token):/mgi;
}

# What a FastCGI application and its like get of the arguments.
sub uris {
    my ($response) = @_;
    my @uris = body($response) =~ /^((?:REQUEST_URI|QUERY_STRING)=.*)$/mg;
    return join ' ', sort @uris;
}

# What the upstream of the mirror got, in a response like the other's.
sub mirrored {
    my $file = "$dir/mirrored";
    wait_until(sub { -e $file });
    my $got = slurp($file);
    unlink $file;
    return "HTTP/1.1 200 OK\r\n\r\n$got";
}
