#!/usr/bin/perl

# auth_jwt_require: which values meet it, in which order directives are checked,
# the response when one is not met, and that only good tokens get that far.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http rewrite map limit_req /)->plan(85);

my $key = jwk('HS256', '--kid', 'a');
my $aes = jwk('A128KW', '--kid', 'b');
$t->write_file('keys.json', jwks($key, $aes));

configure($t, <<'EOF');
    map $jwt_claim_iss $valid_iss {
        "good" 1;
    }
    map $jwt_claim_roles $admin {
        default               0;
        ~(^|,)admin(,|$)      1;
    }
    map $jwt_claim_role $not_banned {
        default 1;
        banned  0;
    }
    map $jwt_claim_role $volatile_not_banned {
        volatile;
        default 1;
        banned  0;
    }
    map $jwt_header_typ $access_token {
        "~*^(application/)?at\+jwt$" 1;
    }
    auth_jwt_claim_set $nested a b;
    limit_req_zone $not_banned$volatile_not_banned zone=z:1m rate=1000r/s;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_key_file keys.json;
        add_header        X-V "<$jwt_claim_v|$jwt_status|$jwt_verified>" always;

        location /one    { auth_jwt_require $jwt_claim_v; }
        location /403    { auth_jwt_require $jwt_claim_v error=403; }
        location /401    { auth_jwt_require $jwt_claim_v error=401; }
        location /two    { auth_jwt_require $jwt_claim_v $jwt_claim_w error=403; }
        location /text   { auth_jwt_require "${jwt_claim_v}0"; }
        location /joined { auth_jwt_require $jwt_claim_v$jwt_claim_w; }
        location /order {
            auth_jwt_require $jwt_claim_v error=403;
            auth_jwt_require $jwt_claim_w;
            auth_jwt_require $arg_a $arg_b error=403;
        }
        location /map {
            auth_jwt_require $valid_iss;
            auth_jwt_require $admin error=403;
        }
        location /typ       { auth_jwt_require $access_token; }
        location /encrypted { auth_jwt_type encrypted; auth_jwt_require $jwt_claim_v $admin error=403; }
        location /nested    { auth_jwt_type nested; auth_jwt_require $nested error=403; }
        location /status    { auth_jwt_require $jwt_verified; }
        location /reused {
            limit_req zone=z burst=1000;
            auth_jwt_type encrypted;
            auth_jwt_require $not_banned error=403;
        }
        location /volatile {
            limit_req zone=z burst=1000;
            auth_jwt_type encrypted;
            auth_jwt_require $volatile_not_banned error=403;
        }
        location /off    { auth_jwt off; auth_jwt_require $arg_never; }
        location /outer/ {
            auth_jwt_require $jwt_claim_v error=403;
            auth_jwt_require $arg_a;
            location /outer/same  { }
            location /outer/other { auth_jwt_require $jwt_claim_w; }
            location /outer/limited { limit_except GET { auth_jwt_require $jwt_claim_w error=403; } }
            if ($arg_if) { set $nothing ""; }
        }
        location /limited { limit_except GET { auth_jwt_require $jwt_claim_w; } }
        location /any {
            satisfy any;
            deny all;
            auth_jwt_require $jwt_claim_v error=403;
        }
    }
EOF

$t->run();

my $refused = '401 Bearer realm="r", error="invalid_token"';
my $hs256 = 'alg "HS256", kid "a"';
my $a128kw = 'alg "A128KW", kid "b"';
my $failed = sub {
    my ($value, $token) = @_;
    $token //= $hs256;
    return "<|requirement|0> info required $value is empty or 0; $token";
};
my $met = sub { "404 <$_[0]|ok|1>" };

### bad tokens are refused before requirements are checked

for (
    [ 'no token' => undef, '401 Bearer realm="r" <|missing|0> info no token: no "Authorization" header line' ],
    [ 'bad signature' => with_part(sign($key, '{"v":"0"}'), 1, sub { s/0/1/ }),
        "$refused <|bad_signature|0> info bad signature, algorithm \"HS256\", kid \"a\", "
        . 'keys tried: 1' ],
    [ 'bad signature and not met' => with_part(sign($key, '{"v":"1"}'), 1, sub { s/1/0/ }),
        "$refused <|bad_signature|0> info bad signature, algorithm \"HS256\", kid \"a\", "
        . 'keys tried: 1' ],
    [ 'expired' => sign($key, '{"exp":1}'),
        "$refused <|expired|0> info expired: exp 1, now N, leeway 0; alg \"HS256\", kid \"a\"" ],
    [ 'early' => sign($key, '{"v":0,"nbf":4102444800}'), "$refused <|not_yet_valid|0> "
        . 'info not yet valid: nbf 4102444800, now N, leeway 0; alg "HS256", kid "a"' ],
    [ 'malformed' => 'x', "$refused <|malformed|0> "
        . 'info token has 1 part instead of 3: no JWT; only its issuer can judge an opaque token, '
        . 'see docs/introspection.md' ],
) {
    my ($what, $token, $expected) = @$_;
    is(outcome($t, '/403', $token), $expected, $what);
}

### values that do not meet a requirement, and values that do

is(outcome($t, '/one', sign($key, "{$_}")), "$refused " . $failed->('$jwt_claim_v'),
    "{$_} is not met") for
    '', '"V":1', '"v":null', '"v":""', '"v":[]', '"v":"0"', '"v":0', '"v":[0]', '"v":["0"]';
my $odd = 'warn a value in the token contains a control character, the variable is empty';
is(outcome($t, '/one', sign($key, '{"v":"1\n"}')),
    join("\n", "$refused <|requirement|0> $odd",
    'info required $jwt_claim_v is empty or 0; alg "HS256", kid "a"'),
    'row 35: 1 and a line feed');
is(outcome($t, '/one', sign($key, "{\"v\":$_->[0]}")), $met->($_->[1]), "$_->[0] is met") for
    ['"1"', 1], ['1', 1], ['"00"', '00'], ['" 0"', ' 0'], ['"0 "', '0 '], ['0.0', '0.0'],
    ['-0', '-0'], ['0e1', '0e1'], ['true', 'true'], ['false', 'false'], ['"no"', 'no'], ['{}', '{}'],
    ['["",""]', ','], ['[null]', 'null'], ['" "', ' '];

### the response

my $v0 = sign($key, '{"v":0}');
is(outcome($t, '/401', $v0), "$refused " . $failed->('$jwt_claim_v'), 'error=401');
is(outcome($t, '/403', $v0), '403 ' . $failed->('$jwt_claim_v'), 'error=403, no challenge');
is(outcome($t, '/403', sign($key, '{"v":1}')), $met->(1), 'error=403, met');

### several values, and text

is(outcome($t, '/two', sign($key, '{"v":1,"w":0}')), '403 ' . $failed->('$jwt_claim_w'),
    'two values, the second is not met');
is(outcome($t, '/two', sign($key, '{"w":1}')), '403 ' . $failed->('$jwt_claim_v'),
    'two values, the first is not met');
is(outcome($t, '/two', sign($key, '{}')), '403 ' . $failed->('$jwt_claim_v'),
    'two values, none is met');
is(outcome($t, '/two', sign($key, '{"v":1,"w":1}')), $met->(1), 'two values, both are met');
is(outcome($t, '/text', sign($key, '{"w":1}')), "$refused " . $failed->('${jwt_claim_v}0'),
    'text alone makes 0');
is(outcome($t, '/text', sign($key, '{"v":0}')), $met->(0), '00');
is(outcome($t, '/joined', sign($key, '{"w":0}')), "$refused " . $failed->('$jwt_claim_v$jwt_claim_w'),
    'two variables make 0');
is(outcome($t, '/joined', sign($key, '{"v":0,"w":0}')), $met->(0), 'two variables make 00');

### several directives, in order

is(outcome($t, '/order?a=1&b=1', sign($key, '{"w":1}')), '403 ' . $failed->('$jwt_claim_v'),
    'order, the first directive fails');
is(outcome($t, '/order', sign($key, '{}')), '403 ' . $failed->('$jwt_claim_v'),
    'order, all directives fail');
is(outcome($t, '/order', sign($key, '{"v":1}')), "$refused " . $failed->('$jwt_claim_w'),
    'order, the second directive fails');
is(outcome($t, '/order?a=1', sign($key, '{"v":1,"w":1}')), '403 ' . $failed->('$arg_b'),
    'order, the third directive fails');
is(outcome($t, '/order?a=1&b=0', sign($key, '{"v":1,"w":1}')), '403 ' . $failed->('$arg_b'),
    'order, the third directive fails with 0');
is(outcome($t, '/order?a=1&b=1', sign($key, '{"v":1,"w":1}')), $met->(1),
    'order, no directive fails');

### maps on claims, row 45

is(outcome($t, '/map', sign($key, '{"iss":"bad","roles":["admin"]}')), "$refused " . $failed->('$valid_iss', "$hs256, iss \"bad\""),
    'map, wrong issuer');
is(outcome($t, '/map', sign($key, '{"iss":["good","bad"],"roles":["admin"]}')),
    "$refused " . $failed->('$valid_iss'), 'map, two issuers');
is(outcome($t, '/map', sign($key, '{"roles":"admin"}')), "$refused " . $failed->('$valid_iss'),
    'map, no issuer');
is(outcome($t, '/map', sign($key, '{"iss":"good","roles":["administrator"]}')), '403 ' . $failed->('$admin', "$hs256, iss \"good\""),
    'map, wrong role');
is(outcome($t, '/map', sign($key, '{"iss":"good","roles":["user","admin"]}')), $met->(''), 'map');

is(outcome($t, '/typ', sign($key, '{}', '--header', "{\"typ\":$_}")), "$refused " . $failed->('$access_token'),
    "row 45: typ $_") for 'null', '"JWT"', '"id_token+jwt"', '"at+jwtx"', '"x at+jwt"', '""';
is(outcome($t, '/typ', sign($key, '{}', '--header', "{\"typ\":\"$_\"}")), $met->(''), "row 45: typ $_")
    for 'at+jwt', 'AT+JWT', 'application/at+jwt';

### other kinds of tokens

is(outcome($t, '/encrypted', encrypt($aes, '{"v":1}')), '403 ' . $failed->('$admin', $a128kw),
    'encrypted, map');
is(outcome($t, '/encrypted', encrypt($aes, '{"roles":["admin"]}')), '403 ' . $failed->('$jwt_claim_v', $a128kw),
    'encrypted');
is(outcome($t, '/encrypted', encrypt($aes, '{"v":1,"roles":["admin"]}')), $met->(1),
    'encrypted, met');
is(outcome($t, '/nested', encrypt($aes, sign($key, '{"a":{"b":0}}'))), '403 ' . $failed->('$nested', $a128kw),
    'nested');
is(outcome($t, '/nested', encrypt($aes, sign($key, '{"a":{"b":1}}'))), $met->(''), 'nested, met');
is(outcome($t, '/status', sign($key, '{}')), "$refused " . $failed->('$jwt_verified'),
    '$jwt_verified is 0 until all is met');

# nginx caches the value of a map for a request. Here limit_req reads it before the token
# is decrypted, so the map has to be volatile.
is(outcome($t, '/volatile', encrypt($aes, '{"role":"banned"}')), '403 ' . $failed->('$volatile_not_banned', $a128kw),
    'volatile map that was read before decryption');
is(outcome($t, '/volatile', encrypt($aes, '{"role":"user"}')), $met->(''), 'volatile map, met');

### inheritance

is(outcome($t, '/off', undef), '404 <|disabled|0>', 'auth_jwt off');
is(outcome($t, '/outer/same', sign($key, '{}')), '403 ' . $failed->('$jwt_claim_v'),
    'inherited');
is(outcome($t, '/outer/same', sign($key, '{"v":1}')), "$refused " . $failed->('$arg_a'),
    'both inherited');
is(outcome($t, '/outer/same?a=1', sign($key, '{"v":1}')), $met->(1), 'inherited, met');
is(outcome($t, '/outer/if?if=1', sign($key, '{}')), '403 ' . $failed->('$jwt_claim_v'),
    'in an if');
is(outcome($t, '/outer/other', sign($key, '{"v":1}')), "$refused " . $failed->('$jwt_claim_w'),
    'an inner directive replaces the outer ones, not met');
is(outcome($t, '/outer/other', sign($key, '{"w":1}')), $met->(''),
    'an inner directive replaces the outer ones, met');
is(verdict(ask({ method => 'GET', body => '' }, '/outer/limited', bearer(sign($key, '{"w":1}')))), '403',
    'limit_except, GET is not in it');
is(verdict(ask({ method => 'GET', body => '' }, '/outer/limited?a=1', bearer(sign($key, '{"v":1}')))), '404',
    'limit_except, GET, met');
is(verdict(ask({ method => 'POST', body => '' }, '/outer/limited?a=1', bearer(sign($key, '{"v":1}')))), '403',
    'limit_except, POST');
is(verdict(ask({ method => 'POST', body => '' }, '/outer/limited', bearer(sign($key, '{"w":1}')))), '404',
    'limit_except, POST, met');
is(verdict(ask({ method => 'POST', body => '' }, '/limited', bearer(sign($key, '{}')))), $refused,
    'limit_except alone, POST');
is(verdict(ask({ method => 'GET', body => '' }, '/limited', bearer(sign($key, '{}')))), '404',
    'limit_except alone, GET');
is(verdict(get('/any', sign($key, '{}'))), '403', 'satisfy any');
jwt_logged($t);
is(outcome($t, '/any', sign($key, '{"v":1}')), $met->(1), 'satisfy any, met');
