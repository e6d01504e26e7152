#!/usr/bin/perl

# auth_jwt_algorithms: tokens with other algorithms are refused before keys are
# asked for, on both sides of a nested token, and when they come from the cache.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(29);

my %key = map { $_ => jwk($_, '--kid', $_) } qw/ HS256 HS384 ES256 Ed25519 A128KW A256KW /;
$t->write_file('keys.json', jwks(values %key));

configure($t, <<'EOF');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_key_file keys.json;
        add_header        X-V "<$jwt_status|$jwt_verified>" always;

        location /all     { }
        location /one     { auth_jwt_algorithms ES256; }
        location /two     { auth_jwt_algorithms ES256 HS384; }
        location /Ed25519 { auth_jwt_algorithms Ed25519; }
        location /EdDSA   { auth_jwt_algorithms EdDSA; }
        location /request { auth_jwt_algorithms ES256; auth_jwt_key_request /never; }
        location /cached  { auth_jwt_key_request /keys; auth_jwt_key_cache 1h; }
        location /encrypted { auth_jwt_type encrypted; auth_jwt_algorithms A128KW; }
        location /nested  { auth_jwt_type nested; auth_jwt_algorithms A128KW ES256; }
        location /nested-all { auth_jwt_type nested; }
        location /believed { auth_jwt_verify_signature off; auth_jwt_algorithms ES256; }
        location /outer/ {
            auth_jwt_algorithms ES256;
            location /outer/same  { }
            location /outer/other { auth_jwt_algorithms HS256; }
            location /outer/limited { limit_except GET { auth_jwt_algorithms HS256; } }
        }
        location = /never { internal; return 500; }
        location = /keys  { internal; alias %%TESTDIR%%/keys.json; }
    }
EOF

run_quietly($t);

my $refused = '401 Bearer realm="r", error="invalid_token"';
my $other = sub {
    my ($alg, $token) = @_;
    my $what = $token // "kid \"$alg\"";
    return "$refused <unsupported_algorithm|0> info algorithm \"$alg\" is not one of "
        . "auth_jwt_algorithms; $what";
};
my $ok = '404 <ok|1>';
my %token = map { $_ => sign($key{$_}, '{"sub":"x"}') } qw/ HS256 HS384 ES256 Ed25519 /;

### refused

is(outcome($t, '/one', $token{HS256}), $other->('HS256'), 'another algorithm');
is(outcome($t, '/one', sign($key{ES256}, '{}', '--alg', 'none')), "$refused <unsupported_algorithm|0> "
    . 'info algorithm "none" is not supported; kid "ES256"', 'none is in no list');
is(outcome($t, '/two', $token{HS256}), $other->('HS256'), 'none of two');
is(outcome($t, '/EdDSA', $token{Ed25519}), $other->('Ed25519'), 'Ed25519 is not EdDSA');
is(outcome($t, '/Ed25519', sign($key{Ed25519}, '{}', '--header', '{"alg":"EdDSA"}')),
    $other->('EdDSA', 'kid "Ed25519"'), 'EdDSA is not Ed25519');
is(outcome($t, '/request', $token{HS256}), $other->('HS256'), 'no key is asked for');
is(outcome($t, '/one', sign($key{HS256}, '{"exp":1}')),
    "$refused <expired|0> info expired: exp 1, now N, leeway 0; alg \"HS256\", kid \"HS256\"",
    'the time comes first');
is(outcome($t, '/one', with_part($token{HS256}, 2, sub { s/./x/s })), $other->('HS256'),
    'a bad signature is not looked at');
is(outcome($t, '/believed', $token{HS256}), $other->('HS256'), 'without signatures');

### encrypted and nested tokens

my %encrypted = map { $_ => encrypt($key{$_}, '{}') } qw/ A128KW A256KW /;
is(outcome($t, '/encrypted', $encrypted{A256KW}), $other->('A256KW'), 'key management');
is(outcome($t, '/encrypted', $encrypted{A128KW}), $ok, 'key management, allowed');
is(outcome($t, '/nested', encrypt($key{A256KW}, $token{ES256})), $other->('A256KW'), 'nested, outside');
is(outcome($t, '/nested', encrypt($key{A128KW}, $token{HS256})),
    $other->('HS256', 'alg "A128KW", kid "A128KW"'), 'nested, inside');
is(outcome($t, '/nested', encrypt($key{A128KW}, $token{ES256})), $ok, 'nested, both are allowed');

### allowed

is(outcome($t, '/one', $token{ES256}), $ok, 'one');
is(outcome($t, '/two', $token{$_}), $ok, "two, $_") for qw/ ES256 HS384 /;
is(outcome($t, '/Ed25519', $token{Ed25519}), $ok, 'Ed25519');

### the cache of tokens: other locations have put them there

is(outcome($t, '/all', $token{HS256}), $ok, 'cached');
is(outcome($t, '/one', $token{HS256}), $other->('HS256'), 'cached, and not allowed here');
my $nested = encrypt($key{A128KW}, $token{HS256});
is(outcome($t, '/nested-all', $nested), $ok, 'cached, nested');
is(outcome($t, '/nested', $nested), $other->('HS256', 'alg "A128KW", kid "A128KW"'),
    'cached, nested, and not allowed here');
is(outcome($t, '/request', $token{HS256}), $other->('HS256'), 'cached, and no key is asked for');

### inheritance

is(verdict(get('/outer/same', $token{HS256})), $refused, 'inherited');
is(verdict(get('/outer/same', $token{ES256})), 404, 'inherited, allowed');
is(verdict(get('/outer/other', $token{ES256})), $refused, 'an inner directive replaces the outer one');
is(verdict(get('/outer/other', $token{HS256})), 404, 'an inner directive replaces the outer one, allowed');
is(verdict(ask({ method => 'POST', body => '' }, '/outer/limited', bearer($token{ES256}))), $refused,
    'limit_except');
is(verdict(get('/outer/limited', $token{ES256})), 404, 'limit_except, another method');
