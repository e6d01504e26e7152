#!/usr/bin/perl

# auth_jwt_max_age: iat is required, not too long ago and not in the future.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(41);

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

        auth_jwt_key_cache 1h;

        location /all     { }
        location /all-encrypted { auth_jwt_type encrypted; auth_jwt_leeway 100y; }
        location /hour    { auth_jwt_max_age 1h; }
        location /leeway  { auth_jwt_max_age 1h; auth_jwt_leeway 600; }
        location /century { auth_jwt_max_age 100y; auth_jwt_leeway 100y; }
        location /order   { auth_jwt_max_age 1h; auth_jwt_algorithms HS384; auth_jwt_require_claim v exists; }
        location /no-keys { auth_jwt_max_age 1h; auth_jwt_key_request /never; }
        location /order-encrypted { auth_jwt_type encrypted; auth_jwt_max_age 1h; auth_jwt_algorithms A256KW; }
        location /encrypted { auth_jwt_type encrypted; auth_jwt_max_age 1h; }
        location /nested  { auth_jwt_type nested; auth_jwt_max_age 1h; }
        location = /never { internal; return 500; }
        location /outer/ {
            auth_jwt_max_age 1h;
            location /outer/same  { }
            location /outer/other { auth_jwt_max_age 1d; }
            location /outer/limited { limit_except GET { auth_jwt_max_age 1d; } }
        }
    }
EOF

$t->run();

my $refused = '401 Bearer realm="r", error="invalid_token"';
my $hs256 = 'alg "HS256", kid "a"';
my $ok = '404 <ok|1>';

# The outcome without the numbers of the times.
my $age = sub { outcome($t, @_) =~ s/iat "\d+"/iat "I"/r };
my $old = sub {
    my ($max, $token) = @_;
    return "$refused <expired|0> info too old: iat \"I\", now N, max_age $max; " . ($token // $hs256);
};
my $future = sub {
    return "$refused <not_yet_valid|0> info issued in the future: iat \"I\", now N, leeway $_[0]: if the clocks of "
        . "issuer and nginx differ, see auth_jwt_leeway; $hs256";
};

### refused

is($age->('/hour', sign($key, '{}')), "$refused <claim_mismatch|0> info claim \"iat\" is missing, "
    . "which auth_jwt_max_age requires; $hs256", 'no iat');
is($age->('/hour', sign($key, "{\"iat\":$_}")),
    "$refused <malformed|0> info claim \"iat\" is not a number; $hs256", "iat $_")
    for 'null', 'true', '"1"', '[1]', '{}';
is($age->('/hour', sign($key, '{"iat":"now-3660"}')), $old->(3600), 'too old by a minute');
is($age->('/hour', sign($key, '{"iat":0}')), $old->(3600), 'of 1970');
is($age->('/hour', sign($key, '{"iat":-1}')) =~ s/iat "-1"/iat "I"/r, $old->(3600), 'before 1970');
is($age->('/hour', sign($key, '{"iat":"now+60"}')), $future->(0), 'a minute in the future');
is($age->('/hour', sign($key, '{"iat":1e99}')) =~ s/iat "1e99"/iat "I"/r, $future->(0),
    'row 15: far in the future');
is($age->('/leeway', sign($key, '{"iat":"now+660"}')), $future->(600), 'beyond the leeway');
is($age->('/leeway', sign($key, '{"iat":"now-3660"}')), $old->(3600), 'the leeway is for the future only');
is($age->('/hour', sign($key, '{"iat":"now-3660","exp":"now+60"}')), $old->(3600), 'exp does not help');
is($age->('/hour', sign($key, '{"iat":"now-3660","exp":1}')),
    "$refused <expired|0> info expired: exp 1, now N, leeway 0; $hs256", 'exp comes first');
is($age->('/encrypted', encrypt($aes, '{"iat":"now-3660"}')), $old->(3600, 'alg "A128KW", kid "b"'),
    'encrypted');
is($age->('/nested', encrypt($aes, sign($key, '{"iat":"now-3660"}'))),
    $old->(3600, 'alg "A128KW", kid "b"'), 'nested');

### what can be checked without keys is checked first, whether the token is in the cache or not

my $bad = with_part(sign($key, '{"iat":"now-3660"}'), 2, sub { s/./x/s });
is($age->('/hour', $bad), $old->(3600), 'too old, and the signature is bad');
is($age->('/no-keys', sign($key, '{"iat":"now-3660"}')), $old->(3600), 'too old, no key is asked for');
my $signed = sign($key, '{"iat":"now-3660","n":1}');
my $jwe = encrypt($aes, '{"iat":"now-3660","exp":1}');
my $other = "$refused <unsupported_algorithm|0> info algorithm \"A128KW\" is not one of "
    . 'auth_jwt_algorithms; kid "b"';
for my $cached ('not cached', 'cached') {
    is($age->('/order', $signed), $old->(3600), "the age before the algorithm, $cached");
    is($age->('/order-encrypted', $jwe), $other, "but not times that are encrypted, $cached");
    is($age->('/all', $signed), $ok, "signed, $cached");
    is($age->('/all-encrypted', $jwe), $ok, "encrypted, $cached");
}

### accepted

is($age->('/hour', sign($key, "{\"iat\":$_}")), $ok, "iat $_") for '"now-3540"', '"now"';
is($age->('/leeway', sign($key, '{"iat":"now+540"}')), $ok, 'within the leeway');
is($age->('/century', sign($key, "{\"iat\":$_}")), $ok, "iat $_, 100 years") for 0, '"now"';
is($age->('/encrypted', encrypt($aes, '{"iat":"now"}')), $ok, 'encrypted, accepted');
is($age->('/nested', encrypt($aes, sign($key, '{"iat":"now"}'))), $ok, 'nested, accepted');

### the cache of tokens

my $token = sign($key, '{"iat":"now-3660"}');
is($age->('/all', $token), $ok, 'cached');
is($age->('/hour', $token), $old->(3600), 'cached, and too old here');

### inheritance

is($age->('/outer/same', $token), $old->(3600), 'inherited');
is($age->('/outer/other', $token), $ok, 'an inner directive replaces the outer one');
is($age->('/outer/other', sign($key, '{"iat":"now-86460"}')), $old->(86400),
    'an inner directive replaces the outer one, too old');
is(verdict(get('/outer/limited', $token)), $refused, 'limit_except, another method');
is(verdict(ask({ method => 'POST', body => '' }, '/outer/limited', bearer($token))), 404, 'limit_except');
