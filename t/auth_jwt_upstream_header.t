#!/usr/bin/perl

# auth_jwt_upstream_header: an upstream gets these header lines from a verified
# token or not at all, whatever the client sends.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Http2;
use Jose;
use ParamService;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()->has(qw/ http http_v2 proxy grpc fastcgi uwsgi scgi rewrite ssi mirror access
    auth_basic auth_request /)->plan(134);

my $key = jwk('HS256', '--kid', 'a');
my $aes = jwk('A128KW', '--kid', 'b');
$t->write_file('keys.json', jwks($key, $aes));
$t->write_file('users', 'user:{PLAIN}password');
mkdir $t->testdir() . "/$_" or die for qw/ index ssi open /;
$t->write_file('index/index.html', 'index');
$t->write_file("$_/page.html", '<!--#include virtual="/echo" -->') for qw/ ssi open /;

configure($t, <<"EOF");
    underscores_in_headers on;
    ignore_invalid_headers off;
    large_client_header_buffers 4 32k;
    log_format user '\$request_uri [\$http_x_user]';
    access_log %%TESTDIR%%/user.log user;

    auth_jwt_key_file keys.json;

    server {
        auth_jwt_upstream_header X-User sub;
        listen       127.0.0.1:8080;
        @{[listen_http2($t)]}
        server_name  localhost;
        root         %%TESTDIR%%;
        auth_jwt     "r";

        location / { proxy_pass http://127.0.0.1:8082; }
        location /http2   { proxy_pass http://127.0.0.1:8082; }
        location /grpc    { grpc_pass grpc://127.0.0.1:8087; }
        location /fastcgi { fastcgi_pass 127.0.0.1:8089; }
        location /uwsgi   { uwsgi_pass 127.0.0.1:8084; }
        location /scgi    { scgi_pass 127.0.0.1:8085; }

        location /forms {
            auth_jwt_upstream_header X-Text  c;
            auth_jwt_upstream_header X-Json  c as=json;
            auth_jwt_upstream_header X-Lines c as=lines;
            proxy_pass http://127.0.0.1:8082;
            location /forms/fastcgi { fastcgi_pass 127.0.0.1:8089; }
            location /forms/uwsgi   { uwsgi_pass 127.0.0.1:8084; }
            location /forms/scgi    { scgi_pass 127.0.0.1:8085; }
            location /forms/grpc    { grpc_pass grpc://127.0.0.1:8087; }
        }
        location /paths {
            auth_jwt_upstream_header X-Role .realm.roles[0];
            auth_jwt_upstream_header X-Tenant "https://example.com/tenant";
            auth_jwt_upstream_header X-Text sub as=text;
            proxy_pass http://127.0.0.1:8082;
        }
        location /inner {
            auth_jwt_upstream_header X-Role role;
            proxy_pass http://127.0.0.1:8082;
            location /inner/off { auth_jwt_upstream_header off; proxy_pass http://127.0.0.1:8082; }
            location /inner/inherits { proxy_pass http://127.0.0.1:8082; }
            location /inner/blocks {
                if (\$arg_if) { set \$x 1; proxy_pass http://127.0.0.1:8082; }
                limit_except GET { allow all; }
                proxy_pass http://127.0.0.1:8082;
            }
        }
        location /wins {
            proxy_set_header X-User "<\$http_x_user>";
            proxy_pass http://127.0.0.1:8082;
        }
        location /early {
            set \$early \$http_x_user;
            proxy_set_header X-Early \$early;
            proxy_pass http://127.0.0.1:8082;
        }
        location /nested    { auth_jwt_type nested; proxy_pass http://127.0.0.1:8082; }
        location /encrypted { auth_jwt_type encrypted; proxy_pass http://127.0.0.1:8082; }

        location /off       { auth_jwt off; proxy_pass http://127.0.0.1:8082; }
        location /unverified { auth_jwt off token=\$arg_jwt; proxy_pass http://127.0.0.1:8082; }
        location /optional  { auth_jwt_mode optional; proxy_pass http://127.0.0.1:8082; }
        location /report    { auth_jwt_mode report; proxy_pass http://127.0.0.1:8082; }
        location /mode-off  { auth_jwt_mode off; proxy_pass http://127.0.0.1:8082; }
        location /require   { auth_jwt_require_claim role eq admin; error_page 401 = \@open;
                              proxy_pass http://127.0.0.1:8082; }
        location /any/allow { satisfy any; allow all; proxy_pass http://127.0.0.1:8082; }
        location /any/basic { satisfy any; auth_basic b; auth_basic_user_file users;
                              proxy_pass http://127.0.0.1:8082; }
        location /any/request { satisfy any; auth_request /yes; proxy_pass http://127.0.0.1:8082; }
        location /believed  { auth_jwt_verify_signature off; proxy_pass http://127.0.0.1:8082; }
        location /preaccess { auth_jwt_phase preaccess; proxy_pass http://127.0.0.1:8082;
            location /preaccess/any { satisfy any; allow all; proxy_pass http://127.0.0.1:8082; }
            location /preaccess/both { auth_request /says; auth_request_upstream_headers X-Other;
                                       proxy_pass http://127.0.0.1:8082; }
        }
        location /cookie    { auth_jwt "r" token=\$cookie_t; proxy_pass http://127.0.0.1:8082; }
        location /key-request { auth_jwt_key_request /keys; proxy_pass http://127.0.0.1:8082; }
        location = /keys    { internal; alias %%TESTDIR%%/keys.json; }

        location /refused   { error_page 401 = \@open; proxy_pass http://127.0.0.1:8082; }
        location \@open     { auth_jwt off; proxy_pass http://127.0.0.1:8082; }
        location /tried     { try_files /none \@open; }
        location /tried/judged { try_files /none /judged; }
        location /judged    { auth_jwt_upstream_header off; proxy_pass http://127.0.0.1:8082; }
        location /index/    { index index.html; }
        location = /index/index.html { auth_jwt off; proxy_pass http://127.0.0.1:8082; }
        location /then      { error_page 404 = /other; root %%TESTDIR%%/none; }
        location /other     { auth_jwt_mode optional; auth_jwt "r" token=\$cookie_t;
                              auth_jwt_upstream_header X-Role role; proxy_pass http://127.0.0.1:8082; }
        location /accel     { auth_jwt off; proxy_pass http://127.0.0.1:8082/accel; }
        location /accelerated { auth_jwt_mode optional; proxy_pass http://127.0.0.1:8082; }
        location /ssi/      { ssi on; }
        location /open/     { ssi on; auth_jwt off; }
        location /echo      { auth_jwt off; proxy_pass http://127.0.0.1:8082; }
        location /mirrored  { mirror /mirror; proxy_pass http://127.0.0.1:8082; }
        location = /mirror  { internal; proxy_pass http://127.0.0.1:8086; }

        # the line of the token that a location reads, and those that others judge by
        location /zero-hash { auth_jwt_upstream_header X-Authgear-aqmoankbhskyxum sub; proxy_pass http://127.0.0.1:8082;
            location /zero-hash/grpc { grpc_pass grpc://127.0.0.1:8087; }
        }
        location /own-line  { auth_jwt "r" token=\$http_x_token; auth_jwt_upstream_header X-Token sub;
                              proxy_pass http://127.0.0.1:8082; }
        location /authorization { auth_jwt_upstream_header Authorization pass; proxy_pass http://127.0.0.1:8082;
            location /authorization/any { satisfy any; allow all; proxy_pass http://127.0.0.1:8082; }
            location /authorization/off { auth_jwt off; proxy_pass http://127.0.0.1:8082; }
            location /authorization/basic { auth_jwt "r" token=\$cookie_t; auth_basic b; auth_basic_user_file users;
                                            proxy_pass http://127.0.0.1:8082; }
            location /authorization/both { auth_request /says; auth_request_upstream_headers Authorization;
                                           proxy_pass http://127.0.0.1:8082; }
        }

        # auth_request: its service gets the line, and what it says counts
        location = /yes     { internal; proxy_pass http://127.0.0.1:8082/accept; }
        location = /says    { internal; proxy_pass http://127.0.0.1:8081; }
        location /both      { auth_request /says; auth_request_upstream_headers X-User X-Other;
                              proxy_pass http://127.0.0.1:8082;
            location /both/any { satisfy any; proxy_pass http://127.0.0.1:8082; }
            location /both/unasked { auth_request off; proxy_pass http://127.0.0.1:8082; }
            location /both/token { auth_request_upstream_headers X-Other; auth_jwt_upstream_header X-User sub;
                                   proxy_pass http://127.0.0.1:8082; }
        }
        location /beside    { auth_request /says; auth_request_upstream_headers X-Other; auth_request_set \$saw \$upstream_http_x_saw;
                              add_header X-Saw \$saw always; proxy_pass http://127.0.0.1:8082; }
    }
    server {
        @{[listen_http2($t, 8087)]}
        location / { proxy_pass http://127.0.0.1:8088; }
    }
EOF

my $dir = $t->testdir();
service($t, 8081, sub {
    my ($client, $head) = @_;
    my @say = $head =~ /^X-Say: (.*)\r/mgi;
    my ($user) = $head =~ /^X-User: (.*)\r/mi;
    print $client "HTTP/1.1 200 OK\r\n" . join('', map { "$_\r\n" } @say)
        . 'X-Saw: ' . ($user // 'none') . "\r\nContent-Length: 0\r\n\r\n";
    return 0;
});
sub echo {
    my ($file) = @_;
    return sub {
        my ($client, $head) = @_;
        replace_file($t, $file, $head) if $file;
        my $accel = $head =~ /^GET \/accel / ? "X-Accel-Redirect: /accelerated\r\n" : '';
        print $client "HTTP/1.1 200 OK\r\n${accel}Content-Type: application/grpc\r\nContent-Length: "
            . length($head) . "\r\n\r\n$head";
        return 0;
    };
}
service($t, 8082, echo());
service($t, 8086, echo('mirrored'));
service($t, 8088, echo());
param_service($t, 8089, 'fastcgi');
param_service($t, 8084, 'uwsgi');
param_service($t, 8085, 'scgi');

run_quietly($t);

my $good = sign($key, '{"sub":"alice"}');
my $nobody = sign($key, '{"name":"alice"}');
my $forged = sign(jwk('HS256', '--kid', 'a'), '{"sub":"admin"}');
my @spellings = ('X-User: root', 'x-user: root', 'X-USER: root', 'X_User: root', 'x_user: root',
    'X.User: root', 'X~User: root', "X\xffUser: root", 'X+User: root');

### the client's lines never get through: rows 25, 52

is(users(get('/', $nobody, $_)), '', "$_ is removed") for @spellings;
is(users(get('/', $nobody, @spellings, @spellings)), '', 'all spellings, twice');
is(users(get('/', $nobody, 'X-User: ' . 'a' x 8000)), '', 'a long value');
is(users(get('/off', undef, @spellings)), '', 'auth_jwt off');
is(users(get('/off', $good, @spellings)), '', 'auth_jwt off, a good token that nobody has looked at');
is(users(get("/unverified?jwt=$good", undef, @spellings)), '', 'off token=');
is(users(get('/optional', undef, @spellings)), '', 'optional, no token');
is(users(get('/report', $_, @spellings)), '', 'report, no valid token') for $forged, undef;
is(users(get('/mode-off', $good, @spellings)), '', 'mode off');
is(users(get('/any/allow', $_, @spellings)), '', 'satisfy any, by address') for $forged, undef, $good;
is(users(get('/any/basic', undef, 'Authorization: Basic dXNlcjpwYXNzd29yZA==', @spellings)), '',
    'satisfy any, by password');
is(users(get('/any/request', $_, @spellings)), '', 'satisfy any, by auth_request') for $forged, undef;
is(users(get('/refused', $_, @spellings)), '', 'an error page') for $forged, undef;
is(users(get('/require', $good, @spellings)), '', 'an error page, a good token that meets no rule');
is(users(get('/accel', $good, @spellings)), 'X-User: alice', 'X-Accel-Redirect to a location that judges');
is(users(get('/accel', undef, @spellings)), '', 'X-Accel-Redirect, no token');
is(users(get('/inner/off', $good, @spellings, 'X-Role: admin')), '', 'off: removed all the same');
is(roles(get('/inner/off', $good, 'X-Role: admin', 'x_role: admin')), '', 'off: names of the outer level');
is(users(get('/inner', sign($key, '{"sub":"alice","role":"boss"}'), @spellings)), '',
    'names of the outer level, which this one does not set');
is(users(get("/inner/blocks$_", $good, @spellings)), '', "in a block$_") for '', '?if=1';
is(users(ask_http2('/http2', "Authorization: Bearer $nobody", @spellings)), '', 'HTTP/2');

# nginx's hash of this name is 0 on 64 bits, which marks a deleted line of a response only

for my $uri (qw{ /zero-hash /zero-hash/grpc }) {
    my $evil = 'X-Authgear-aqmoankbhskyxum: evil';
    my $got = sub { join ', ', $_[0] =~ /^x-authgear-aqmoankbhskyxum: (.*)\r/mgi };
    is($got->(get($uri, $nobody, $evil)), '', "$uri, a name with a hash of 0");
    is($got->(ask_http2($uri, "Authorization: Bearer $nobody", $evil)), '', "$uri, a name with a hash of 0, HTTP/2");
    is($got->(get($uri, $good, $evil)), 'alice', "$uri, a name with a hash of 0, the claim");
}

### a verified token

for my $uri (qw{ / /grpc /believed /preaccess /preaccess/any /report /optional /key-request /early }) {
    is(users(get($uri, $good)), 'X-User: alice', "$uri, the claim");
    is(users(get($uri, $good, @spellings)), 'X-User: alice', "$uri, in place of the client's lines");
}
is(users(ask_http2($_, "Authorization: Bearer $good", @spellings)), 'X-User: alice', "$_, HTTP/2")
    for qw{ /http2 /grpc };
for my $protocol (qw/ fastcgi uwsgi scgi /) {
    is(params(get("/$protocol", $good, @spellings)), 'HTTP_X_USER=alice', $protocol);
    is(params(get("/$protocol", $nobody, @spellings)), '', "$protocol, no claim");
}
is(users(get('/cookie', undef, "Cookie: t=$good", @spellings)), 'X-User: alice', 'a token in a cookie');
is(users(get('/nested', encrypt($aes, $good))), 'X-User: alice', 'nested');
is(users(get('/encrypted', encrypt($aes, '{"sub":"alice"}'))), 'X-User: alice', 'encrypted');
is(users(get('/wins', $good, @spellings)), 'X-User: <alice>', 'proxy_set_header and the variable');
like(get('/early', $good, 'X-User: root'), qr/^X-Early: root\r/m, 'read in a rewrite: what the client says');
is(users(get($_, $good, @spellings)), 'X-User: alice', "$_, a named location") for '/tried';
is(users(get('/index/', $good, @spellings)), 'X-User: alice', 'an internal redirect');
is(users(get('/ssi/page.html', $good, @spellings)), 'X-User: alice', 'SSI');
is(users(get('/open/page.html', $good, @spellings)), '', 'SSI, auth_jwt off');
is(users(get('/mirrored', $good, @spellings)), 'X-User: alice', 'a location with a mirror');
is(users(mirrored()), 'X-User: alice', 'what the mirror sends');
is(users(get('/', sign($key, '{"sub":""}'), @spellings)), '', 'an empty claim');
is(users(get('/', sign($key, '{"sub":null}'), @spellings)), '', 'null');
is(users(get('/then', $good, "Cookie: t=$nobody")), '', 'another location accepts another token, without the claim');
is(roles(get('/then', $good, 'Cookie: t=' . sign($key, '{"role":"boss"}'), 'X-Role: x')), 'X-Role: boss',
    'another location, with another claim');
is(roles(get('/then', $good)), '', 'another location, no token');
is(users(get('/tried/judged', $good, @spellings)), '', 'another location that judges the token, and sets no header');
my $s = connection();
is(join('; ', map { users(exchange($s, request('/', @$_, @spellings))) } [bearer($good)], [bearer($nobody)],
    [bearer($good)]), 'X-User: alice; ; X-User: alice', 'requests of one connection');
like($t->read_file('user.log'), qr/^\/cookie \[alice\]$/m, 'the access log has the claim');

### paths and levels

my $claims = sign($key, '{"sub":"bob","realm":{"roles":["a","b"]},"https://example.com/tenant":7,"role":"boss"}');
my $got = body(get('/paths', $claims));
is(join(', ', $got =~ /^(X-(?!User)\w+: .*)\r$/mg), 'X-Role: a, X-Tenant: 7, X-Text: bob', 'paths');
is(roles(get('/inner', $claims)), 'X-Role: boss', 'an inner level');
is(roles(get('/inner/inherits', $claims, 'X-Role: x')), 'X-Role: boss', 'a level that inherits');

### forms; why a claim is left out: rows 17, 35

my $array = sign($key, '{"c":["a","b c"]}');
my @forms = ('X-Text: a,b c', 'X-Json: ["a","b c"]', 'X-Lines: a', 'X-Lines: b c');
is(forms(get('/forms', $array)), join(' | ', @forms), 'an array');
is(forms(get('/forms/grpc', $array)), join(' | ', @forms), 'an array, gRPC');
# since 1.23.0 nginx joins the lines; before, there are two parameters of one name
my $joined = $t->has_version('1.23.0') ? 'a, b c' : 'b c';
is(params(get("/forms/$_", $array)), qq{HTTP_X_JSON=["a","b c"], HTTP_X_LINES=$joined, HTTP_X_TEXT=a,b c},
    "an array, $_") for qw/ fastcgi uwsgi scgi /;
for my $case (
    ['["a,admin"]', 'X-Json: ["a,admin"] | X-Lines: a,admin',
        'X-Text', 'an element of the claim has a comma: write "as=lines" or "as=json"'],
    ['{"a":1}', 'X-Json: {"a":1}', 'X-Text',
        'the claim is or holds an object, or an array in an array: write "as=json"'],
    ['"a\r\nX-Role: admin"', 'X-Json: "a\r\nX-Role: admin"', 'X-Text', 'the claim has a control character'],
    ['" admin"', 'X-Json: " admin"', 'X-Text', 'the claim or an element of it begins or ends with a space'],
) {
    my ($json, $lines, $header, $reason) = @$case;
    jwt_logged($t);
    is(forms(get('/forms', sign($key, "{\"c\":$json}"))), $lines, "$json");
    like(jwt_logged($t), qr/^\Qwarn header "$header" is left out for the upstream: $reason\E$/m, "$json, its line in the log");
}

# nginx keeps 20 lines in each part of its list
my @many = map { "X-Mine-$_: $_" } 1 .. 60;
for my $count (0, 16 .. 24, 60) {
    my $response = get('/', $good, (@many)[0 .. $count - 1], 'X-User: root');
    is(lines($response, qr/^x-(?:user|mine)/i), join(', ', (@many)[0 .. $count - 1], 'X-User: alice'), "among $count lines");
}
my $words = sign($key, '{"c":[' . join(',', map { "\"w$_\"" } 1 .. 50) . ']}');
is(forms(get('/forms', $words)) =~ s/.*?(?=X-Lines)//r, join(' | ', map { "X-Lines: w$_" } 1 .. 50), 'many lines');
is(users(get('/forms', $words, @many)), '', 'many lines among many');

### lines by which the request is judged

is(lines(get('/own-line', undef, "X-Token: $good", 'X.Token: other'), qr/^x.token/i), 'X-Token: alice',
    'the line of the token itself');
is(status(get('/own-line', undef, 'X-Token: bad')), 401, 'the line of the token itself, a bad one');
my $pass = sign($key, '{"pass":"Basic theirs"}');
is(credentials(get('/authorization', $pass)), 'Authorization: Basic theirs', 'Authorization');
is(credentials(get('/authorization', $good)), '', 'Authorization, no claim');
is(credentials(get('/authorization/any', $pass)), '', 'Authorization, satisfy any');
is(credentials(get('/authorization/off', $pass)), '', 'Authorization, auth_jwt off');
is(credentials(get('/authorization/basic', undef, "Cookie: t=$pass", 'Authorization: Basic dXNlcjpwYXNzd29yZA==')),
    'Authorization: Basic theirs', 'Authorization, auth_basic sees the client\'s');
is(credentials(get('/authorization/both', $pass, 'X-Say: Authorization: service')), 'Authorization: service',
    'Authorization, of the service');
is(credentials(get('/authorization/both', $pass)), 'Authorization: Basic theirs', 'Authorization, the service has none');

### with auth_request

is(header(get('/beside', $good, @spellings), 'X-Saw'), 'alice', 'the service gets the line');
is(users(get('/beside', $good, @spellings)), 'X-User: alice', 'so does the upstream');
is(users(get('/both', $good, @spellings, 'X-Say: X-User: service')), 'X-User: service', 'the service says who it is');
is(users(get('/both', $good, @spellings)), '', 'the service says nobody');
is(users(get('/both/any', $good, @spellings, 'X-Say: X-User: service')), 'X-User: alice', 'the service is not asked');
is(users(get('/both/any', $forged, @spellings, 'X-Say: X-User: service')), 'X-User: service', 'the service allows it');
is(users(get('/both/any', $forged, @spellings)), '', 'the service allows it, and says nobody');
is(users(get('/both/unasked', $good, @spellings)), 'X-User: alice', 'auth_request off');
is(users(get('/both/token', $good, 'X-Say: X-User: service')), '', 'names that the service reserves on an outer level');
is(lines(get('/preaccess/both', $good, @spellings, 'X-Other: root', 'X-Say: X-Other: o'), qr/^x.(user|other)/i),
    'X-Other: o, X-User: alice', 'judged in the preaccess phase');

### helpers

# The lines that the upstream got with such a name.
sub lines {
    my ($response, $name) = @_;
    return 'status ' . status($response) if status($response) != 200;
    return join ', ', map { s/^x-(\w)/X-\U$1/r } grep { $_ =~ $name } split /\r\n/, body($response);
}

sub users { return lines($_[0], qr/^x[^:a-z]*user:/i) }
sub roles { return lines($_[0], qr/^x[^:a-z]*role:/i) }
sub credentials { return lines($_[0], qr/^authorization:/i) }

sub forms {
    my ($response) = @_;
    return join ' | ', map { s/^x-(\w)/X-\U$1/r } grep { /^x-(?:text|json|lines):/i } split /\r\n/, body($response);
}

sub params {
    my ($response) = @_;
    my @params = body($response) =~ /^(HTTP_X[^=]*(?:USER|TEXT|JSON|LINES)=.*)$/mgi;
    return join ', ', sort @params;
}

sub ask_http2 {
    my ($uri, @lines) = @_;
    return http2_curl($uri, map { "-H '$_'" } @lines);
}

# What the upstream of the mirror got, in a response like the other's.
sub mirrored {
    my $file = $t->testdir() . '/mirrored';
    wait_until(sub { -e $file });
    return "HTTP/1.1 200 OK\r\n\r\n" . slurp($file);
}
