#!/usr/bin/perl

# auth_jwt_type: a token of another type than expected (row 23), headers of a
# JWE that are refused (rows 13, 18, 19), and inheritance.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

use MIME::Base64 qw/ encode_base64url /;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(80);

my $mac = jwk('HS256', '--kid', 'mac');
my $rsa = jwk('RS256', '--kid', 'rsa', '--no-alg');
my $aes = jwk('A128KW', '--kid', 'aes');
my $plain = jwk('HS256', '--kid', 'plain', '--no-alg');
$t->write_file('keys.json', jwks($mac, $rsa, $aes, $plain));

configure($t, <<'EOF');
    auth_jwt_type nested;
    large_client_header_buffers 4 64k;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_key_file keys.json;
        add_header        X-V "<$jwt_claim_sub|$jwt_status>" always;

        location /signed    { auth_jwt_type signed; }
        location /encrypted { auth_jwt_type encrypted; }
        location /nested    { auth_jwt_type nested; }
        location /http      { }
        location /outer/ {
            auth_jwt_type encrypted;
            location /outer/same { }
            location /outer/other { auth_jwt_type signed; }
            if ($arg_if) { set $nothing ""; }
        }
        location /limited {
            auth_jwt_type encrypted;
            limit_except GET { auth_jwt_type nested; }
        }
        location /limited/same {
            auth_jwt_type encrypted;
            limit_except GET { auth_jwt "limited"; }
        }
    }
    server {
        listen       127.0.0.1:8081;
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_key_file keys.json;
        auth_jwt_type     encrypted;
        location / { add_header X-V "<$jwt_claim_sub|$jwt_status>" always; }
    }
EOF

$t->run();

my $claims = '{"sub":"user","iss":"me"}';
my $signed = sign($mac, $claims);
my %token = (signed => $signed, encrypted => encrypt($aes, $claims),
    nested => encrypt($aes, $signed));
my $refused = '401 Bearer realm="r", error="invalid_token"';
my $good = '404 <user|ok>';
my $aes_log = '; alg "A128KW", kid "aes"';

### each type of token at each location

my $see = ' is expected, see auth_jwt_type';
my $jwe = "an encrypted token (5 parts) where a signed one$see";
my $jws = "a signed token (3 parts) where an encrypted one$see";
my %reason = (
    'signed encrypted' => $jwe . $aes_log,
    'signed nested' => $jwe . $aes_log,
    'encrypted signed' => "$jws; "
        . 'alg "HS256", kid "mac", iss "me"',
    'encrypted nested' => "a nested token where an encrypted one with claims$see$aes_log",
    'nested signed' => "$jws; "
        . 'alg "HS256", kid "mac", iss "me"',
    'nested encrypted' => "an encrypted token with claims where a nested one$see$aes_log",
);
for (sort keys %reason) {
    my ($expected, $kind) = split;
    is(outcome($t, "/$expected", $token{$kind}),
        "$refused <|malformed> info $reason{$_}", "$expected expected, $kind");
}
is(outcome($t, "/$_", $token{$_}), $good, $_) for sort keys %token;

### inheritance

is(outcome($t, '/http', $token{encrypted}), "$refused <|malformed> info $reason{'nested encrypted'}",
    'from http, another kind');
is(outcome($t, '/http', $token{nested}), $good, 'from http');
is(outcome($t, '/outer/same', $token{nested}),
    "$refused <|malformed> info $reason{'encrypted nested'}",
    'from a location, another kind');
is(outcome($t, '/outer/same', $token{encrypted}), $good, 'from a location');
is(outcome($t, '/outer/x?if=1', $token{encrypted}), $good, 'in an if');
is(outcome($t, '/outer/other', $token{encrypted}),
    "$refused <|malformed> info $reason{'signed encrypted'}", 'replaced, another kind');
is(outcome($t, '/outer/other', $signed), $good, 'replaced');
is(verdict(ask({ method => 'GET', body => '' }, '/limited', bearer($token{nested}))), $refused,
    'beside of limit_except, another kind');
is(verdict(ask({ method => 'GET', body => '' }, '/limited', bearer($token{encrypted}))), '404',
    'beside of limit_except');
is(verdict(ask({ method => 'POST', body => '' }, '/limited', bearer($token{encrypted}))), $refused,
    'in limit_except, another kind');
is(verdict(ask({ method => 'POST', body => '' }, '/limited', bearer($token{nested}))), '404',
    'in limit_except');
is(verdict(ask({ method => 'POST', body => '' }, '/limited/same', bearer($token{nested}))),
    '401 Bearer realm="limited", error="invalid_token"',
    'inherited by limit_except, another kind');
is(verdict(ask({ method => 'POST', body => '' }, '/limited/same', bearer($token{encrypted}))), '404',
    'inherited by limit_except');
is(verdict(ask({ port => 8081 }, '/x', bearer($token{nested}))), $refused,
    'of a server, another kind');
is(verdict(ask({ port => 8081 }, '/x', bearer($token{encrypted}))), '404', 'of a server');
jwt_logged($t);

### malformed tokens

my @parts = split /\./, $token{encrypted};
for (
    [ join('.', @parts[0 .. 3]), 'token has 4 parts instead of 5' . $aes_log ],
    [ "$token{encrypted}.", 'token has more than 5 parts' . $aes_log ],
    [ "$token{encrypted}" . '.' x 60_000, 'token has more than 5 parts' . $aes_log ],
    [ '.' x 60_000, 'token has more than 5 parts' ],
    [ '....', 'JOSE header is not JSON at byte 0' ],
    [ "$token{encrypted}=", 'authentication tag is base64url with padding' . $aes_log ],
    [ "$token{encrypted}!", 'authentication tag is not base64url' . $aes_log ],
    [ join('.', @parts[0, 1, 2], "$parts[3] ", $parts[4]),
        'ciphertext is not base64url' . $aes_log ],
    [ join('.', $parts[0], '+', @parts[2 .. 4]), 'encrypted key is not base64url' . $aes_log ],
    [ join('.', @parts[0, 1], 'A', @parts[3, 4]),
        'initialization vector is not base64url' . $aes_log ],
) {
    my ($token, $reason) = @$_;
    is(outcome($t, '/encrypted', $token), "$refused <|malformed> info $reason", "form: $reason");
}

### the header: rows 13, 14, 19, 22

my $unsupported = sub { "$refused <|unsupported_algorithm> info $_[0]" };
my $malformed = sub { "$refused <|malformed> info $_[0]" };
for my $alg (qw/ PBES2-HS256+A128KW PBES2-HS384+A192KW PBES2-HS512+A256KW RSA1_5
    ECDH-SS ECDH-1PU ECDH-ES+A128GCMKW none HS256 A128CBC A128GCM a128kw /, '')
{
    my $token = encrypt($aes, $claims, '--header', "{\"alg\":\"$alg\",\"p2c\":2147483647,"
        . '"p2s":"AAAA","epk":{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}}');
    my $before = time;
    is(outcome($t, '/encrypted', $token),
        $unsupported->("algorithm \"$alg\" is not supported; kid \"aes\""),
        "algorithm \"$alg\"");
    cmp_ok(time - $before, '<', 3, 'refused without deriving a key') if $alg =~ /^PBES2-HS512/;
}
for my $enc (qw/ A128CBC A512GCM none /, '') {
    is(outcome($t, '/encrypted', encrypt($aes, $claims, '--header', "{\"enc\":\"$enc\"}")),
        $unsupported->("content encryption \"$enc\" is not supported$aes_log"), "enc \"$enc\"");
}
for (
    [ '{"crit":["x"],"x":1}', $unsupported->('critical JOSE header parameter "x" is not supported') ],
    [ '{"crit":["exp"],"exp":1}', $unsupported->('critical JOSE header parameter "exp" is not supported') ],
    [ '{"crit":[]}', $malformed->('JOSE header parameter "crit" is malformed') ],
    [ '{"crit":"x","x":1}', $malformed->('JOSE header parameter "crit" is malformed') ],
    [ '{"crit":["enc"]}', $malformed->('JOSE header parameter "crit" is malformed') ],
    [ '{"crit":["zip"],"zip":"DEF"}', $malformed->('JOSE header parameter "crit" is malformed') ],
    [ '{"crit":["b64"],"b64":true}', $unsupported->('unencoded payload is not supported') ],
    [ '{"b64":false}', $unsupported->('unencoded payload is not supported') ],
    [ '{"zip":"GZ"}', $unsupported->('compression "GZ" is not supported') ],
) {
    my ($header, $expected) = @$_;
    is(outcome($t, '/encrypted', encrypt($aes, $claims, '--header', $header)), $expected . $aes_log,
        "header $header");
}
is(outcome($t, '/encrypted', encrypt($aes, $claims, '--header', '{"crit":null}')), $good,
    'no crit');
is(outcome($t, '/encrypted', with_part($token{encrypted}, 0, sub { s/"enc":"[^"]*",?// or die; s/,\}/}/ })),
    $malformed->('JOSE header parameter "enc" is missing or of the wrong type' . $aes_log), 'no enc');
is(outcome($t, '/encrypted', with_part($token{encrypted}, 0, sub { s/\{/{"alg":"dir",/ })), $malformed->('JOSE header has the name "alg" twice'), 'alg twice');

### row 18: compressed

is(outcome($t, '/encrypted', encrypt($aes, $claims, '--header', '{"zip":"DEF"}')), $good, 'zip');
my $padded = sub { '{"sub":"user","x":"' . 'x' x ($_[0] - 21) . '"}' };
is(outcome($t, '/encrypted', encrypt($aes, $padded->(1 << 18), '--header', '{"zip":"DEF"}')), $good,
    'zip, 256 KiB');
my $bomb = encrypt($aes, $padded->((1 << 18) + 1), '--header', '{"zip":"DEF"}');
is(outcome($t, '/encrypted', $bomb), $malformed->("claims set is longer than 262144 bytes$aes_log"),
    'zip, 256 KiB and one byte');
$bomb = encrypt($aes, ' ' x 40_000_000, '--header', '{"zip":"DEF"}');
cmp_ok(length $bomb, '<', 60_000, 'zip, 40 MB in a header line');
my $most = peak_memory(worker($t));
is(outcome($t, '/encrypted', $bomb) . ' ' . outcome($t, '/nested', $bomb),
    join(' ', ($malformed->("claims set is longer than 262144 bytes$aes_log")) x 2), 'zip, 40 MB');
cmp_ok(peak_memory(worker($t)) - $most, '<', memory_limit(8192), 'zip, 40 MB, memory growth in KiB');
is(outcome($t, '/encrypted', encrypt($aes, 'not compressed', '--header', '{"zip":""}')),
    $unsupported->("compression \"\" is not supported$aes_log"), 'zip without a name');

### row 23: a key for signatures decrypts nothing, and the reverse

is(outcome($t, '/encrypted', encrypt($rsa, $claims, '--alg', 'RSA-OAEP')), $good,
    'with encrypted tokens, anybody who has the public key can make one');
is(outcome($t, '/nested', encrypt($rsa, $claims, '--alg', 'RSA-OAEP')),
    $malformed->("an encrypted token with claims where a nested one$see; alg \"RSA-OAEP\", kid \"rsa\""),
    'where a signature is expected, encryption with the public key is refused');
is(outcome($t, '/encrypted', encrypt($mac, $claims, '--alg', 'A256KW', '--header', '{"kid":"mac"}')),
    "$refused <|unknown_key> info no key with kid \"mac\" for A256KW: the set has that kid "
    . "for HS256 only",
    'a key for signatures');
is(outcome($t, '/signed', sign($aes, $claims, '--alg', 'HS256')),
    "$refused <|unknown_key> info no key with kid \"aes\" for HS256: the set has that kid "
    . "for A128KW only; "
    . 'iss "me"', 'a key for encryption');
is(outcome($t, '/encrypted', encrypt($plain, $claims, '--alg', 'A256KW')), $good,
    'a key that declares no use');
is(outcome($t, '/encrypted', encrypt($aes, '{"sub":"user","exp":1}')) =~ s/now \d+/now N/r,
    "$refused <|expired> info expired: exp 1, now N, leeway 0$aes_log", 'expired');
is(outcome($t, '/encrypted', encrypt($aes, "\xff")), $malformed->("claims set is not JSON at byte 0$aes_log"),
    'not JSON');
is(outcome($t, '/encrypted', encrypt($aes, '{"sub":"a","sub":"b"}')),
    $malformed->("claims set has the name \"sub\" twice$aes_log"), 'a claim twice');
is(outcome($t, '/encrypted', $token{encrypted}), $good, 'a good token at the end');
