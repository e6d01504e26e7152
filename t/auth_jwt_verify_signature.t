#!/usr/bin/perl

# auth_jwt_verify_signature off: any signature is accepted, and all else is
# checked as before.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

use MIME::Base64 qw/ encode_base64url /;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(35);

my $key = jwk('HS256', '--kid', 'a');
my $aes = jwk('A128KW', '--kid', 'b');
$t->write_file('keys.json', jwks($key, $aes));

configure($t, <<'EOF');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt                  "r";
        auth_jwt_verify_signature off;
        add_header X-V "<$jwt_claim_sub|$jwt_status|$jwt_verified>" always;

        location /off     { }
        location /keys    { auth_jwt_key_file keys.json; }
        location /broken  { auth_jwt_key_file nowhere.json; }
        location /on      { auth_jwt_key_file keys.json; auth_jwt_verify_signature on; }
        location /no_keys { auth_jwt_verify_signature on; }
        location /require { auth_jwt_require $jwt_claim_sub error=403; }
        location /encrypted { auth_jwt_type encrypted; auth_jwt_key_file keys.json; }
        location /nested    { auth_jwt_type nested; auth_jwt_key_file keys.json; }
        location /nested/no_keys { auth_jwt_type nested; }
        location /limited {
            auth_jwt_key_file keys.json;
            limit_except GET { auth_jwt_verify_signature on; }
        }
    }
EOF

run_quietly($t);

my $refused = '401 Bearer realm="r", error="invalid_token"';
my $about = '; alg "HS256", kid "a"';
my $foreign = jwk('HS256', '--kid', 'a');
my $good = '404 <user|ok|1>';
my $forged = sign($foreign, '{"sub":"user"}');

### refused nevertheless

my $none = encode_base64url('{"alg":"none"}') . '.' . encode_base64url('{"sub":"user"}') . '.';
for (
    [ 'no token' => undef, '401 Bearer realm="r" <|missing|0> info no token: no "Authorization" header line' ],
    [ 'alg none' => $none, "$refused <|unsupported_algorithm|0> "
        . 'info algorithm "none" is not supported' ],
    [ 'unknown alg' => sign($key, '{"sub":"user"}', '--raw-header', '{"alg":"HS257"}'),
        "$refused <|unsupported_algorithm|0> info algorithm \"HS257\" is not supported" ],
    [ 'alg of a JWE' => sign($key, '{"sub":"user"}', '--raw-header', '{"alg":"dir"}'),
        "$refused <|unsupported_algorithm|0> info algorithm \"dir\" is not supported" ],
    [ 'crit' => sign($key, '{"sub":"user"}', '--header', '{"crit":["x"],"x":1}'),
        "$refused <|unsupported_algorithm|0> info critical JOSE header parameter \"x\" is not "
        . "supported$about" ],
    [ 'b64' => sign($key, '{"sub":"user"}', '--header', '{"b64":false}'),
        "$refused <|unsupported_algorithm|0> info unencoded payload is not supported$about" ],
    [ 'expired' => sign($key, '{"sub":"user","exp":1}'),
        "$refused <|expired|0> info expired: exp 1, now N, leeway 0$about" ],
    [ 'early' => sign($key, '{"sub":"user","nbf":4102444800}'), "$refused <|not_yet_valid|0> "
        . "info not yet valid: nbf 4102444800, now N, leeway 0$about" ],
    [ 'a claim twice' => sign($key, '{"sub":"user","sub":"user"}'),
        "$refused <|malformed|0> info claims set has the name \"sub\" twice$about" ],
    [ 'text' => sign($key, 'text'), "$refused <|malformed|0> info claims set is not JSON at byte 1"
        . $about ],
    [ 'two parts' => $forged =~ s/\.[^.]*\z//r, "$refused <|malformed|0> "
        . "info token has 2 parts instead of 3$about" ],
    [ 'not base64url' => "$forged=", "$refused <|malformed|0> info signature is base64url with padding"
        . $about ],
) {
    my ($what, $token, $expected) = @$_;
    is(outcome($t, '/off', $token), $expected, $what);
}

### accepted without a valid signature

is(outcome($t, '/off', $forged), $good, 'any signature');
is(outcome($t, '/off', $forged =~ s/[^.]*\z//r), $good, 'no signature');
is(outcome($t, '/off', sign(jwk('RS256', '--kid', 'x'), '{"sub":"user"}')), $good, 'unknown kid');
is(outcome($t, '/keys', $forged), $good, 'with keys, any signature');
is(outcome($t, '/broken', $forged), $good, 'missing key files are not read');
is(outcome($t, '/require', sign($foreign, '{}')),
    "403 <|requirement|0> info required \$jwt_claim_sub is empty or 0$about",
    'auth_jwt_require, not met');
is(outcome($t, '/require', $forged), $good, 'auth_jwt_require');

### on in an inner level

my $bad = "$refused <|bad_signature|0> info bad signature, algorithm \"HS256\", kid \"a\", "
    . "keys tried: 1";
is(outcome($t, '/on', $forged), $bad, 'on in a location, any signature');
is(outcome($t, '/on', sign($key, '{"sub":"user"}')), $good, 'on in a location, good token');
is(outcome($t, '/no_keys', $forged), '500 <|keys_unavailable|0> error no auth_jwt_key_file '
    . 'or auth_jwt_key_request for this location',
    'on in a location without keys');
is(verdict(ask({ method => 'POST', body => '' }, '/limited', bearer($forged))), $refused, 'on in limit_except, any signature');
is(verdict(ask({ method => 'POST', body => '' }, '/limited', bearer(sign($key, '{"sub":"user"}')))), '404',
    'on in limit_except, good token');
is(verdict(ask({ method => 'GET', body => '' }, '/limited', bearer($forged))), '404',
    'off for the method that limit_except excepts');
jwt_logged($t);

### a JWE has to decrypt

my $failed = '<|decryption_failed|0> info decryption failed, algorithm "A128KW", kid "b", '
    . 'keys tried: 1';
my $foreign_aes = jwk('A128KW', '--kid', 'b');
is(outcome($t, '/encrypted', encrypt($foreign_aes, '{"sub":"user"}')), "$refused $failed",
    'encrypted, a foreign key');
is(outcome($t, '/encrypted', encrypt($aes, '{"sub":"user"}')), $good, 'encrypted');
is(outcome($t, '/nested', encrypt($foreign_aes, $forged)), "$refused $failed",
    'nested, a foreign key');
is(outcome($t, '/nested', encrypt($aes, $none)), "$refused <|unsupported_algorithm|0> "
    . 'info algorithm "none" is not supported; alg "A128KW", kid "b"', 'nested, none inside');
is(outcome($t, '/nested', encrypt($aes, sign($foreign, '{"sub":"user","exp":1}'))),
    "$refused <|expired|0> info expired: exp 1, now N, leeway 0; alg \"A128KW\", kid \"b\"",
    'nested, expired');
is(outcome($t, '/nested', encrypt($aes, sign($foreign, '{}', '--header', '{"crit":["x"],"x":1}'))),
    "$refused <|unsupported_algorithm|0> info critical JOSE header parameter \"x\" is not supported; "
    . 'alg "A128KW", kid "b"', 'nested, crit inside');
is(outcome($t, '/nested', encrypt($aes, $forged)), $good, 'nested, any signature inside');
is(outcome($t, '/nested/no_keys', encrypt($aes, $forged)) =~ s/ error .*//r,
    '500 <|keys_unavailable|0>', 'nested without keys');

### the warning at start

my @warnings = $t->read_file('error.log') =~ /\[warn\] \d+#\d+: (.*auth_jwt_verify_signature .*)$/mg;
is(scalar @warnings, 1, 'one warning');
like($warnings[0], qr/^signatures of tokens are not verified with "auth_jwt_verify_signature off" in /,
    'text of the warning');
