#!/usr/bin/perl

# auth_jwt_require_scope: what grants a scope, the response and its challenge when
# one is missing, the order of checks, inheritance.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(50);

my $key = jwk('HS256', '--kid', 'a');
my $aes = jwk('A128KW', '--kid', 'b');
$t->write_file('keys.json', jwks($key, $aes));

configure($t, <<'EOF');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_key_file keys.json;
        add_header        X-V "<$jwt_status|$jwt_verified>" always;

        location /read   { auth_jwt_require_scope read; }
        location /two    { auth_jwt_require_scope read write; }
        location /lines  { auth_jwt_require_scope read; auth_jwt_require_scope write read; }
        location /url    { auth_jwt_require_scope https://x.example/a:b; }
        location /order {
            auth_jwt_require_claim v eq a;
            auth_jwt_require_scope read;
            auth_jwt_require       $arg_a;
        }
        location /attributes {
            auth_jwt_require_scope read;
            auth_jwt_challenge     resource_metadata=/m "scope=all of them";
        }
        location /silent { auth_jwt_require_scope read; auth_jwt_challenge off; }
        location /encrypted { auth_jwt_type encrypted; auth_jwt_require_scope read; }
        location /off    { auth_jwt off; auth_jwt_require_scope read; }
        location /outer/ {
            auth_jwt_require_scope read;
            location /outer/same  { }
            location /outer/other { auth_jwt_require_scope write; }
            location /outer/rules { auth_jwt_require_claim v eq a; }
            location /outer/limited { limit_except GET { auth_jwt_require_scope write; } }
        }
        location /any { satisfy any; deny all; auth_jwt_require_scope read; }
        location /any-open { satisfy any; allow all; auth_jwt_require_scope read; }
    }
EOF

$t->run();

my $hs256 = 'alg "HS256", kid "a"';
my $challenge = sub { "403 Bearer realm=\"r\", error=\"insufficient_scope\", scope=\"$_[0]\"" };
my $failed = sub {
    my ($missing, $granted, $all, $token) = @_;
    return $challenge->($all // $missing) . ' <insufficient_scope|0> info required scope '
        . "\"$missing\" is not granted: $granted; " . ($token // $hs256);
};
my $ok = '404 <ok|1>';

### bad tokens are refused before

is(outcome($t, '/read', undef), '401 Bearer realm="r" <missing|0> info no token: no "Authorization" header line', 'no token');
is(outcome($t, '/read', sign($key, '{"exp":1}')), '401 Bearer realm="r", error="invalid_token" '
    . "<expired|0> info expired: exp 1, now N, leeway 0; $hs256", 'expired');

### what grants no scope: row 17

my $neither = 'the token has neither scope nor scp';
for (
    [ '', $neither ], [ '"scope":null', 'scope is "null"' ], [ '"scope":""', 'scope is ""' ],
    [ '"scope":[]', 'scope is "[]"' ], [ '"scope":true', 'scope is "true"' ],
    [ '"scope":{"read":1}', 'scope is "{\"read\":1}"' ], [ '"scope":"reader"', 'scope is "reader"' ],
    [ '"scope":"READ"', 'scope is "READ"' ], [ '"scope":"a,read"', 'scope is "a,read"' ],
    [ '"scope":"a\tread"', 'scope is "a\x09read"' ], [ '"scope":["a read"]', 'scope is "[\"a read\"]"' ],
    [ '"scope":[["read"]]', 'scope is "[[\"read\"]]"' ], [ '"Scope":"read"', $neither ],
    [ '"scopes":"read"', $neither ], [ '"scp":"write"', 'scp is "write"' ],
    [ '"scope":"a","scp":["b"]', 'scope is "a", and scp is "[\"b\"]"' ],
) {
    my ($claims, $granted) = @$_;
    is(outcome($t, '/read', sign($key, "{$claims}")), $failed->('read', $granted), "{$claims} does not grant read");
}

is(outcome($t, '/two', sign($key, '{"scope":"read"}')), $failed->('write', 'scope is "read"', 'read write'), 'the second');
is(outcome($t, '/two', sign($key, '{"scope":"write"}')), $failed->('read', 'scope is "write"', 'read write'), 'the first');
is(outcome($t, '/lines', sign($key, '{"scope":"read"}')), $failed->('write', 'scope is "read"', 'read write'),
    'two directives, the challenge has each scope once');
is(outcome($t, '/url', sign($key, '{"scope":"https://x.example/a"}')),
    $failed->('https://x.example/a:b', 'scope is "https://x.example/a"'), 'a URL');
is(outcome($t, '/encrypted', encrypt($aes, '{"scope":"write"}')),
    $failed->('read', 'scope is "write"', undef, 'alg "A128KW", kid "b"'), 'encrypted');

### what does

is(outcome($t, '/read', sign($key, "{$_}")), $ok, "{$_} grants read") for
    '"scope":"read"', '"scope":"write  read"', '"scope":"r\u0065ad"', '"scope":["write","read"]',
    '"scp":"read"', '"scp":["read"]', '"scope":"write","scp":["read"]', '"scope":7,"scp":"read"';
is(outcome($t, '/two', sign($key, '{"scope":"write read"}')), $ok, 'two');
is(outcome($t, '/two', sign($key, '{"scope":"write","scp":"read"}')), $ok, 'two, in two claims');
is(outcome($t, '/url', sign($key, '{"scope":"https://x.example/a:b"}')), $ok, 'a URL, granted');
is(outcome($t, '/encrypted', encrypt($aes, '{"scope":"read"}')), $ok, 'encrypted, granted');

### the challenge

is(verdict(get('/attributes', sign($key, '{}'))), $challenge->('read') . ', resource_metadata="/m"',
    'with other attributes, but one scope only');
is(verdict(get('/silent', sign($key, '{}'))), 403, 'without a challenge');

### order

my $mismatch = '401 Bearer realm="r", error="invalid_token" <claim_mismatch|0> info required claim '
    . "\"v\" eq \"a\": it is missing; $hs256";
is(outcome($t, '/order', sign($key, '{}')), $mismatch, 'rules before scopes');
is(outcome($t, '/order', sign($key, '{"v":"a"}')), $failed->('read', $neither), 'scopes');
is(outcome($t, '/order', sign($key, '{"v":"a","scope":"read"}')), '401 Bearer realm="r", '
    . "error=\"invalid_token\" <requirement|0> info required \$arg_a is empty or 0; $hs256",
    'auth_jwt_require after scopes');

### inheritance, and satisfy

is(verdict(get('/off')), 404, 'auth_jwt off');
is(verdict(get('/outer/same', sign($key, '{"scope":"write"}'))), $challenge->('read'), 'inherited');
is(verdict(get('/outer/rules', sign($key, '{"v":"a"}'))), $challenge->('read'), 'inherited beside rules');
is(verdict(get('/outer/other', sign($key, '{"scope":"read"}'))), $challenge->('write'),
    'an inner directive replaces the outer one');
is(verdict(get('/outer/other', sign($key, '{"scope":"write"}'))), 404,
    'an inner directive replaces the outer one, granted');
is(verdict(ask({ method => 'POST', body => '' }, '/outer/limited', bearer(sign($key, '{"scope":"read"}')))),
    $challenge->('write'), 'limit_except');
is(verdict(get('/outer/limited', sign($key, '{"scope":"read"}'))), 404, 'limit_except, another method');
is(verdict(get('/any', sign($key, '{}'))), $challenge->('read'), 'satisfy any, none is satisfied');
is(verdict(get('/any', sign($key, '{"scope":"read"}'))), 404, 'satisfy any, granted');
is(verdict(get('/any-open', sign($key, '{}'))), 404, 'satisfy any, another module allows');
