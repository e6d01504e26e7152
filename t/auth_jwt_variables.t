#!/usr/bin/perl

# $jwt_claim_* and $jwt_header_*: their values, and the phases in which they
# have one.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http rewrite map proxy limit_req ssi /)
    ->plan(86);

my $key = jwk('HS256', '--kid', 'the kid');
$t->write_file('key.jwk', $key);
$t->write_file('page', 'page');
$t->write_file('ssi.html', '<!--#echo var="jwt_claim_sub" --> '
    . '<!--#include virtual="/off/echo?a=1" -->');

configure($t, <<'EOF');
    log_format jwt '$request_uri $status "$jwt_claim_sub" "$jwt_header_alg"';
    access_log %%TESTDIR%%/jwt.log jwt;

    map $jwt_claim_role $role {
        default         other;
        ""              none;
        admin           one;
        ~(^|,)admin(,|$) several;
    }

    limit_req_zone $jwt_claim_sub zone=sub:1m rate=1r/m;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_key_file key.jwk;

        location / { }

        location /claim {
            add_header X-V "<$jwt_claim_v>" always;
            add_header X-Only $jwt_claim_v always;
        }
        location /header {
            add_header X-V "<$jwt_header_v>" always;
        }
        location /names {
            add_header X-V "<$jwt_claim_Mixed|$jwt_claim_a_b|$jwt_claim_|$jwt_header_kid|$jwt_header_typ|$jwt_header_alg>" always;
        }
        location /map { add_header X-V $role always; }

        location /before {
            set $early $jwt_claim_sub;
            if ($jwt_claim_sub = blocked) { return 403; }
            add_header X-V "<$early>" always;
        }

        location /return { return 200 "<$jwt_claim_sub>"; }

        location /proxy {
            proxy_pass       http://127.0.0.1:8081;
            proxy_set_header X-Sub $jwt_claim_sub;
            proxy_set_header X-Roles $jwt_claim_roles;
            proxy_set_header X-End end;
        }

        location /limited { limit_req zone=sub; }

        location /cookie {
            auth_jwt "r" token=$cookie_jwt;
            add_header X-V "<$jwt_claim_sub>" always;
        }

        location /off {
            auth_jwt off;
            location /off/echo { return 200 "<$jwt_claim_sub>"; }
            location /off/arg  {
                auth_jwt off token=$arg_jwt;
                return 200 "<$jwt_claim_sub>";
            }
        }

        location /failing { error_page 404 = /target; }
        location /named   { error_page 404 = @target; }
        location /tried   { try_files /nowhere /target; }
        location /last    { rewrite ^ /target last; }
        location /target  { add_header X-V "<$jwt_claim_sub>" always; }
        location @target  { add_header X-V "<$jwt_claim_sub>" always; }
        location /switch {
            auth_jwt "r" token=$arg_jwt;
            error_page 404 = /target;
        }
        location /ssi.html { ssi on; }
    }

    server {
        listen       127.0.0.1:8081;
        server_name  localhost;
        access_log   off;
        location / {
            return 200 "sub=<$http_x_sub> roles=<$http_x_roles> end=<$http_x_end> injected=<$http_x_injected>";
        }
    }

EOF

$t->run();

my $value = sub {
    my ($uri, $claims, @options) = @_;
    return variables(get($uri, sign($key, $claims, @options)));
};

### values

for (
    [ '"text"', 'text' ], [ '""', '' ], [ '" a  b "', ' a  b ' ],
    [ '"\u00e9\ud83d\ude00"', "\xc3\xa9\xf0\x9f\x98\x80" ], [ '"\/\"\\\\"', '/"\\' ],
    [ '"a,b"', 'a,b' ], [ '"%s%n$host"', '%s%n$host' ],
    [ '0', '0' ], [ '-0', '-0' ], [ '1.50', '1.50' ], [ '1E+2', '1E+2' ],
    [ '12345678901234567890123', '12345678901234567890123' ],
    [ 'true', 'true' ], [ 'false', 'false' ], [ 'null', '' ],
    [ '[]', '' ], [ '["a"]', 'a' ], [ '["a","b"]', 'a,b' ],
    [ '["a", 1, true, null]', 'a,1,true,null' ], [ '[["a","b"],"c"]', 'a,b,c' ],
    [ '["a,b","c"]', 'a,b,c' ], [ '["",""]', ',' ],
    [ '{}', '{}' ], [ '{ "a" : [ 1, "x y" ] }', '{"a":[1,"x y"]}' ],
    [ '[ {"a": 1}, 2 ]', '[{"a":1},2]' ], [ '{"a":"\u0041"}', '{"a":"\u0041"}' ],
    [ '{"a":"\n"}', '{"a":"\n"}' ],
) {
    my ($json, $expected) = @$_;
    is($value->('/claim', "{\"v\":$json}"), "<$expected>", "claim $json");
}
is($value->('/claim', '{"w":1}'), '<>', 'no such claim');
is($value->('/claim', '{"V":1}'), '<>', 'names are case-sensitive');
is($value->('/header', '{}', '--header', '{"v":["a","b"]}'), '<a,b>', 'header');
is($value->('/names', '{"mixed":"m","Mixed":"M","a_b":"_","a.b":".","":"none"}'),
    '<m|_|none|the kid|JWT|HS256>', 'names of claims and header parameters');
unlike(get('/claim', sign($key, '{"v":null}')), qr/X-Only/, 'null is like a missing value');
unlike(get('/claim', sign($key, '{"v":""}')), qr/X-Only/, 'an empty text is like a missing value');

### row 35: no claim becomes a header line

jwt_logged($t);
for my $bad ('\r\nX-Injected: 1', '\n', '\r', '\u0000', 'a\u000ab') {
    is($value->('/claim', "{\"v\":\"$bad\"}"), '<>', "claim with $bad");
    is(jwt_logged($t), join("\n", ('warn a value in the token contains a control character, '
        . 'the variable is empty') x 2), "claim with $bad, log");
    is($value->('/claim', "{\"v\":[\"a\",\"$bad\"]}"), '<>', "array with $bad");
    jwt_logged($t);
}
is($value->('/header', '{}', '--header', '{"v":"\nX-Injected: 1"}'), '<>',
    'header with a line feed');

### in a map: rows 17 and 40

is($value->('/map', "{\"role\":$_->[0]}"), $_->[1], "map $_->[0]") for
    ['"admin"', 'one'], ['["a","admin"]', 'several'], ['"user"', 'other'],
    ['["a,admin"]', 'several'], ['["administrator"]', 'other'], ['null', 'none'],
    ['"' . 'x,' x 2000 . '"', 'other'], ['"\n"', 'none'], ['"\u00ff"', 'other'];

### in every phase

my $good = sign($key, '{"sub":"user","roles":["a","b"]}');
my $forged = with_part($good, 1, sub { s/user/root/ });
my $expired = sign($key, '{"sub":"late","exp":1}');

is(verdict(get('/before', sign($key, '{"sub":"blocked"}'))), '403', 'if');
like(get('/before', $good), qr/404.*X-V: <user>/s, 'set');
like(get('/before', $forged), qr/401.*X-V: <root>/s, 'set, not verified');
is(body(get('/return', $forged)), '<root>', 'return, not verified');

is(body(get('/proxy', $good, 'X-Sub: forged')),
    'sub=<user> roles=<a,b> end=<end> injected=<>', 'proxy_set_header');
is(body(get('/proxy', sign($key, '{"sub":"a\r\nX-Injected: 1"}'))),
    'sub=<> roles=<> end=<end> injected=<>', 'row 35: proxy_set_header');
is(body(get('/proxy', sign($key, '{}'), 'X-Sub: forged')),
    'sub=<> roles=<> end=<end> injected=<>',
    'row 26: the client\'s header line is removed');

is(verdict(get('/limited', $good)), '404', 'limit_req, first');
is(verdict(get('/limited', $good)), '503', 'limit_req, second');
is(verdict(get('/limited', sign($key, '{"sub":"other"}'))), '404',
    'limit_req, another');
is(verdict(get('/limited', sign($key, '{}'))), '404', 'limit_req, no sub');
is(verdict(get('/limited', sign($key, '{}'))), '404', 'limit_req, no key');

is(verdict(get('/page?log=good', $good)), '200', 'access_log');
is(verdict(get('/page?log=none')), '401 Bearer realm="r"', 'access_log, none');
get('/page?log=bad', $forged);
get('/page?log=late', $expired);
get('/page?log=odd', 'x.y.z');
get('/page?log=last');
$t->waitforfile($t->testdir() . '/jwt.log');
my $log = '';
wait_until(sub { ($log = $t->read_file('jwt.log')) =~ /log=last/ });
is(join("\n", $log =~ m!^/page\?log=(.*)$!mg), <<'EOF' =~ s/\n\z//r, 'access_log');
good 200 "user" "HS256"
none 401 "-" "-"
bad 401 "root" "HS256"
late 401 "late" "HS256"
odd 401 "-" "-"
last 401 "-" "-"
EOF

### source of the token

like(get('/cookie', undef, "Cookie: jwt=$good"), qr/404.*X-V: <user>/s, 'cookie');
like(get('/cookie', $forged, "Cookie: jwt=$good"), qr/404.*X-V: <user>/s,
    'cookie, another bearer');
like(get('/cookie', $forged), qr/401.*X-V: <>/s, 'no cookie, another bearer');
is(body(get('/off/echo', $forged)), '<root>', 'off');
is(body(get("/off/arg?jwt=$good", $forged)), '<user>', 'off, token=');

### after internal redirects

like(get('/failing', $good), qr/404.*X-V: <user>/s, 'error_page');
like(get('/named', $good), qr/404.*X-V: <user>/s, 'error_page, named location');
like(get('/tried', $good), qr/404.*X-V: <user>/s, 'try_files');
like(get('/last', $good), qr/404.*X-V: <user>/s, 'rewrite ... last');
like(get("/switch?jwt=$good", $good =~ s/\..*//r), qr/401.*X-V: <>/s,
    'redirect to a location with another token source: judged again');
is(body(get('/ssi.html', $good)), 'user <user>', 'SSI');
is(body(get('/ssi.html', $forged)) =~ /root/, '', 'SSI, refused');

is(scalar(started_workers($t)), 1, 'the worker did not end');
