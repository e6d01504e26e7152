#!/usr/bin/perl

# auth_jwt_type nested: the header and the signature of the JWS inside are
# checked like those of any other, and $jwt_payload is that JWS.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

use MIME::Base64 qw/ encode_base64url /;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(49);

my @inner = qw/ HS256 RS256 PS256 ES256 Ed25519 Ed448 /;
my @outer = qw/ A128KW A128GCMKW dir RSA-OAEP-256 /;
my %key = map { $_ => jwk($_, '--kid', $_) } @inner, 'A128KW', 'A128GCMKW',
    'RSA-OAEP-256';
$key{dir} = jwk('A256GCM', '--kid', 'dir');
$t->write_file('keys.json', jwks(values %key));
$t->write_file('outer.json', jwks(@key{@outer}));
$t->write_file('inner.json', jwks(@key{@inner}));

configure($t, <<'EOF');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_type     nested;
        auth_jwt_key_file keys.json;
        add_header        X-V "<$jwt_claim_sub|$jwt_outer_header_alg|$jwt_status>" always;

        location /      { }
        location /outer { auth_jwt_key_file outer.json; }
        location /inner { auth_jwt_key_file inner.json; }
        location /both  { auth_jwt_key_file outer.json; auth_jwt_key_file inner.json; }
        location /payload {
            add_header X-Payload "<$jwt_payload>" always;
            add_header X-Typ "$jwt_header_typ $jwt_header_cty" always;
        }
        location /late { auth_jwt_leeway 1h; }
    }
EOF

$t->run();

my $claims = '{"sub":"user","iss":"me"}';
my $refused = '401 Bearer realm="r", error="invalid_token"';
my $signed = sign($key{HS256}, $claims);
my $about = '; alg "A128KW", kid "A128KW"';
my $wrap = sub { encrypt($key{A128KW}, @_) };

### refused because of the JWS inside

my $forged = with_part($signed, 1, sub { s/user/root/ });
my $none = encode_base64url('{"alg":"none"}') . '.' . encode_base64url($claims) . '.';
my $public = public($key{RS256});

for (
    [ 'none' => $none, 'unsupported_algorithm', 'algorithm "none" is not supported' ],
    [ 'none with a signature' => "${none}AAAA", 'unsupported_algorithm',
        'algorithm "none" is not supported' ],
    [ 'None' => sign($key{HS256}, $claims, '--raw-header', '{"alg":"None"}'),
        'unsupported_algorithm', 'algorithm "None" is not supported' ],
    [ 'a JWE algorithm' => sign($key{HS256}, $claims, '--raw-header', '{"alg":"dir"}'),
        'unsupported_algorithm', 'algorithm "dir" is not supported' ],
    [ 'changed claims' => $forged, 'bad_signature',
        'bad signature, algorithm "HS256", kid "HS256", keys tried: 1' ],
    [ 'no signature' => $signed =~ s/[^.]*\z//r, 'bad_signature',
        'bad signature, algorithm "HS256", kid "HS256", keys tried: 1' ],
    [ 'a foreign key' => sign(jwk('HS256', '--kid', 'HS256'), $claims), 'bad_signature',
        'bad signature, algorithm "HS256", kid "HS256", keys tried: 1' ],
    [ 'row 2: the public key as a secret' => signed_by($public, '{"alg":"HS256","kid":"RS256"}', $claims),
        'unknown_key', 'no key with kid "RS256" for HS256: the set has that kid for RS256 only' ],
    [ 'unknown kid' => sign($key{HS256}, $claims, '--header', '{"kid":"x"}'),
        'unknown_key', 'no key with kid "x" for HS256: the set has no such kid' ],
    [ 'signed with the encryption key' =>
        sign($key{A128KW}, $claims, '--alg', 'HS256'), 'unknown_key',
        'no key with kid "A128KW" for HS256: the set has that kid for A128KW only', '; alg "A128KW"' ],
    [ 'crit' => sign($key{HS256}, $claims, '--header', '{"crit":["x"],"x":1}'),
        'unsupported_algorithm', 'critical JOSE header parameter "x" is not supported' ],
    [ 'empty crit' => sign($key{HS256}, $claims, '--header', '{"crit":[]}'),
        'malformed', 'JOSE header parameter "crit" is malformed' ],
    [ 'b64' => sign($key{HS256}, $claims, '--header', '{"b64":false,"crit":["b64"]}'),
        'unsupported_algorithm', 'unencoded payload is not supported' ],
    [ 'alg twice' => sign($key{HS256}, $claims, '--raw-header', '{"alg":"HS256","alg":"HS256"}'),
        'malformed', 'JOSE header has the name "alg" twice' ],
    [ 'a claim twice' => sign($key{HS256}, '{"sub":"user","sub":"root"}'),
        'malformed', 'claims set has the name "sub" twice' ],
    [ 'text' => sign($key{HS256}, 'text'), 'malformed', 'claims set is not JSON at byte 1' ],
    [ 'expired' => sign($key{HS256}, '{"sub":"user","exp":1}'), 'expired',
        'expired: exp 1, now N, leeway 0' ],
    [ 'early' => sign($key{HS256}, '{"sub":"user","nbf":4102444800}'), 'not_yet_valid',
        'not yet valid: nbf 4102444800, now N, leeway 0' ],
    [ 'claims alone' => $claims, 'malformed', 'an encrypted token with claims where a nested one '
        . 'is expected, see auth_jwt_type' ],
    [ 'nothing' => '', 'malformed', 'token has 1 part instead of 3' ],
    [ 'a JWE' => $wrap->($signed), 'malformed', 'an encrypted token (5 parts) where a signed one is '
        . 'expected, see auth_jwt_type' ],
    [ 'with a scheme' => "Bearer $signed", 'malformed', 'JOSE header is not base64url' ],
    [ 'with a line feed' => "$signed\n", 'malformed', 'signature is not base64url' ],
    [ 'with padding' => "$signed=", 'malformed', 'signature is base64url with padding' ],
) {
    my ($what, $content, $status, $reason, $rest) = @$_;
    is(outcome($t, '/x', $wrap->($content)),
        "$refused <||$status> info $reason" . ($rest // $about), $what);
}

### refused because of the JWE

is(outcome($t, '/x', with_part($wrap->($signed), 0, sub { s/\{/{ / })), "$refused <||decryption_failed> info decryption failed, algorithm \"A128KW\", "
    . "kid \"A128KW\", keys tried: 1", 'changed outside');
is(outcome($t, '/x', $wrap->($signed, '--header', '{"crit":["x"],"x":1}')),
    "$refused <||unsupported_algorithm> info critical JOSE header parameter \"x\" "
    . "is not supported$about", 'crit outside');
is(outcome($t, '/x', $wrap->($signed, '--header', '{"crit":["b64"],"b64":true}')),
    "$refused <||unsupported_algorithm> info unencoded payload is not supported"
    . $about, 'b64 outside');

### refused because there are keys for one of the two only

is(outcome($t, '/outer', $wrap->($signed)),
    "$refused <||unknown_key> info no key with kid \"HS256\" for HS256: the set has no "
    . "such kid$about",
    'no key for the JWS');
is(outcome($t, '/inner', $wrap->($signed)),
    "$refused <||unknown_key> info no key with kid \"A128KW\" for A128KW: the set has no "
    . "such kid",
    'no key for the JWE');
is(outcome($t, '/both', $wrap->($signed)), '404 <user|A128KW|ok>', 'keys from two files');

### accepted

for my $inner (@inner) {
    my $token = sign($key{$inner}, $claims);
    my @seen = map { outcome($t, '/x', encrypt($key{$_}, $token)) } @outer;
    is(join(' ', @seen), join(' ', map { "404 <user|$_|ok>" } @outer), "$inner in @outer");
}
is(outcome($t, '/x', $wrap->($signed, '--header', "{\"cty\":\"$_\"}")), '404 <user|A128KW|ok>',
    "cty $_") for 'JWT', 'jwt', 'application/jwt', 'text/plain';
is(outcome($t, '/x', $wrap->($signed, '--header', '{"zip":"DEF"}')), '404 <user|A128KW|ok>', 'zip');
is(outcome($t, '/x', $wrap->($signed, '--header', '{"sub":"root"}')), '404 <user|A128KW|ok>',
    'claims in the header do not count');
is(outcome($t, '/late', $wrap->(sign($key{HS256}, '{"sub":"user","exp":"now-60"}'))),
    '404 <user|A128KW|ok>', 'leeway');

### $jwt_payload and the header

my $response = get('/payload', $wrap->($signed, '--header', '{"cty":"JWT"}'));
is(($response =~ /^X-Payload: (.*)\r$/m)[0], "<$signed>", '$jwt_payload is the JWS');
is(($response =~ /^X-Typ: (.*)\r$/m)[0], 'JWT ', 'the header is the inner one');
like(get('/payload', $wrap->($forged)), qr/401 .*^X-Payload: <>\r$/ms,
    '$jwt_payload of a refused token');
like(get('/payload', $wrap->($none)), qr/401 .*^X-Payload: <>\r$/ms,
    'row 23: $jwt_payload of a token without a signature');

### the log holds no part of it (row 37)

my @ours = grep { / auth_jwt: / } split /\n/, $t->read_file('error.log');
my @secret = split /\./, "$signed.$forged";
is(scalar(grep { my $line = $_; grep { index($line, $_) >= 0 } @secret } @ours), 0,
    'no part of the inner token in a line of ours');
cmp_ok(scalar @ours, '>', 30, 'number of our lines');
