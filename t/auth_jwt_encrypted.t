#!/usr/bin/perl

# auth_jwt_type encrypted: each pair of key management and content encryption,
# and the same refusal whichever part of a token is wrong (rows 20 to 22); key
# agreement on each curve, and what a sender may not do there (row 59).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

use Digest::SHA qw/ sha256 /;
use MIME::Base64 qw/ encode_base64url /;

my @algs = qw/ A128KW A192KW A256KW A128GCMKW A192GCMKW A256GCMKW RSA-OAEP
    RSA-OAEP-256 RSA-OAEP-384 RSA-OAEP-512 ECDH-ES ECDH-ES+A128KW ECDH-ES+A192KW
    ECDH-ES+A256KW dir /;
my @curves = qw/ P-384 P-521 X25519 X448 /;
my @encs = qw/ A128CBC-HS256 A192CBC-HS384 A256CBC-HS512 A128GCM A192GCM
    A256GCM /;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(2 * 90 + 55);

# a key for each algorithm, and for dir one for each content encryption
my %key = map { $_ => jwk($_, '--kid', $_) } grep { $_ ne 'dir' } @algs;
$key{"dir $_"} = jwk($_, '--kid', "dir $_") for @encs;
$key{$_} = jwk($_, '--kid', $_, '--no-alg') for @curves;
$key{ES256} = jwk('ES256', '--kid', 'ES256');
$t->write_file('keys.json', jwks(values %key));

configure($t, <<'EOF');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_key_file keys.json;
        auth_jwt_type     encrypted;
        add_header        X-V "<$jwt_claim_sub|$jwt_payload|$jwt_status>" always;

        location / { }
    }
EOF

$t->run();

my $claims = '{"sub":"user", "n":1.50}';
my $refused = '401 Bearer realm="r", error="invalid_token"';
my $good = "404 <user|$claims|ok>";

my @changes = (
    [ header => 0, sub { s/\{/{ / } ],
    [ 'encrypted key' => 1, sub { $_ = length() ? flipped($_) : 'x' } ],
    [ iv => 2, sub { $_ = flipped($_) } ],
    [ ciphertext => 3, sub { $_ = flipped($_) } ],
    [ tag => 4, sub { $_ = flipped($_) } ],
);

for my $alg (@algs) {
    for my $enc (@encs) {
        my $kid = $alg eq 'dir' ? "dir $enc" : $alg;
        my $token = encrypt($key{$kid}, $claims, '--enc', $enc);
        my $failed = failed($alg, $kid);

        my @odd;
        for (@changes) {
            my ($name, $part, $change) = @$_;
            my $response = outcome($t, '/x', with_part($token, $part, $change));
            push @odd, "$name: $response" if $response ne $failed;
        }
        is(join("\n", @odd), '', "$alg, $enc, each change is refused");
        is(outcome($t, '/x', $token), $good, "$alg, $enc, good token");
    }
}

### row 20: lengths of tag and initialization vector

my $gcm = encrypt($key{A128KW}, $claims, '--enc', 'A128GCM');
my $cbc = encrypt($key{A128KW}, $claims, '--enc', 'A128CBC-HS256');
my $failed = failed('A128KW', 'A128KW');

for ([ GCM => $gcm, 12 ], [ CBC => $cbc, 16 ]) {
    my ($name, $token, $iv) = @$_;
    is(lengths($token, 4, 0 .. 15, 17, 32), $failed, "$name, length of the tag");
    is(lengths($token, 2, 0 .. $iv - 1, $iv + 1, 2 * $iv), $failed,
        "$name, length of the iv");
    is(lengths($token, 3, 0, 1, 15, 17), $failed, "$name, length of the ciphertext");
    is(lengths($token, 1, 0, 1, 8, 15, 23, 25, 4000), $failed,
        "$name, length of the encrypted key");
}

# the same for the tag and the initialization vector of the encrypted key
my $wrapped = encrypt($key{A128GCMKW}, $claims, '--enc', 'A128GCM');
for my $member (qw/ iv tag /) {
    my %seen;
    my @values = map { "\"$_\"" } '=', '!', 'A' x 16 . "\\n",
        map { 'A' x $_ } 0 .. 15, 20, 32, 48;
    for my $value (@values, '1', 'null', '[]', '{}') {
        $seen{outcome($t, '/x', with_part($wrapped, 0, sub { s/"$member":\K"[^"]*"/$value/ or die }))}
            = 1;
    }
    is(join("\n", keys %seen), failed('A128GCMKW', 'A128GCMKW'),
        "A128GCMKW, values of the header's $member");
    is(outcome($t, '/x', with_part($wrapped, 0, sub { s/"$member"/"x$member"/ or die })),
        failed('A128GCMKW', 'A128GCMKW'), "A128GCMKW, header without $member");
}
is(outcome($t, '/x', $wrapped), $good, 'A128GCMKW, the token itself');

### row 22: only OAEP, and only with the hash that the header names

for my $alg (map { "RSA-OAEP-$_" } 256, 384, 512) {
    my $other = encrypt($key{'RSA-OAEP'} =~ s/"kid":"[^"]*"/"kid":"$alg"/r, $claims,
        '--header', "{\"alg\":\"$alg\"}");
    is(outcome($t, '/x', $other), failed($alg, $alg), "RSA-OAEP named $alg");
}
is(outcome($t, '/x', encrypt($key{'RSA-OAEP'}, $claims, '--header', '{"alg":"RSA1_5"}')),
    "$refused <||unsupported_algorithm> info algorithm \"RSA1_5\" is not supported; "
    . 'kid "RSA-OAEP"', 'RSA1_5');

### row 59: key agreement

for my $crv (@curves) {
    for my $alg (qw/ ECDH-ES ECDH-ES+A256KW /) {
        is(outcome($t, '/x', encrypt($key{$crv}, $claims, '--alg', $alg)), $good,
            "$alg on $crv");
        my $foreign = jwk($crv, '--kid', $crv);
        is(outcome($t, '/x', encrypt($foreign, $claims, '--alg', $alg)),
            failed($alg, $crv), "$alg on $crv, a foreign key under our kid");
    }
}

# apu and apv take part in the key
my $agreed = encrypt($key{'ECDH-ES'}, $claims, '--header', '{"apu":"QWxpY2U","apv":"Qm9i"}');
is(outcome($t, '/x', $agreed), $good, 'apu and apv');
$failed = failed('ECDH-ES', 'ECDH-ES');
for my $name (qw/ apu apv /) {
    is(values_of($agreed, qr/"$name":\K"\w+"/, '""', '"AA"', '"AB"', '"AA=="', '"+/8"', 'null',
        '1', '[]', '{}', '"' . 'A' x 4000 . '"'), $failed, "other values of $name");
}

# the key of the sender
my @odd = ('null', '1', '[]', '{}');
is(values_of($agreed, qr/"epk":\K\{.*?\}/, @odd, '""'), $failed, 'other values of epk');
is(values_of($agreed, qr/"epk":\{\K/, '"d":"AA",', '"d":"",', '"d":1,'), $failed,
    'a private member in epk');
for my $name (qw/ kty crv x y /) {
    is(values_of($agreed, qr/"epk":\{.*?"$name":\K".*?"/, @odd), $failed, "types of epk.$name");
}
is(values_of($agreed, qr/"kty":\K".*?"/, map { "\"$_\"" } '', 'ec', 'OKP', 'oct'), $failed,
    'another kty');
is(values_of($agreed, qr/"crv":\K".*?"/, map { "\"$_\"" } '', 'p-256', 'P-384', 'X25519'),
    "$refused <||unknown_key> info no key with kid \"ECDH-ES\" for ECDH-ES: the key with that "
    . 'kid is on another curve than "epk"',
    'a key on another curve is not tried');
for my $name (qw/ x y /) {
    is(values_of($agreed, qr/"$name":\K".*?"/, map { "\"$_\"" } '', '=', 'AA', 'A' x 42,
        'A' x 43, '_' x 42 . '8', 'A' x 44, 'A' x 86), $failed, "values of epk.$name");
}

# a point that gives every receiver the same secret, zero, so that its sender
# needs no key; the second one is -1
for ([ X25519 => 32, 'A' x 43 ], [ X25519 => 32, '7P' . '_' x 39 . '38' ],
    [ X448 => 56, 'A' x 75 ])
{
    my ($crv, $length, $x) = @$_;
    my $header = "{\"alg\":\"ECDH-ES\",\"kid\":\"$crv\",\"epk\":{\"kty\":\"OKP\","
        . "\"crv\":\"$crv\",\"x\":\"$x\"}}";
    my $content_key = sha256(pack('N', 1) . "\0" x $length . pack('N/a N/a N/a N', 'A128GCM',
        '', '', 128));
    my $k = encode_base64url(substr $content_key, 0, 16);
    my $token = encrypt("{\"kty\":\"oct\",\"k\":\"$k\"}", $claims, '--alg', 'dir', '--enc',
        'A128GCM', '--header', $header);
    is(outcome($t, '/x', $token), failed('ECDH-ES', $crv), "$crv, a point of small order: $x");
}

# keys that sign and keys that agree
is(outcome($t, '/x', encrypt($key{ES256}, $claims, '--alg', 'ECDH-ES')),
    "$refused <||unknown_key> info no key with kid \"ES256\" for ECDH-ES: the set has that kid "
    . 'for ES256 only',
    'a key for ES256 does not decrypt');

### choice of the key

$failed = failed('A128KW', 'A128KW');

is(outcome($t, '/x', encrypt($key{A128KW}, $claims, '--no-kid')), $good,
    'a token without kid is accepted');
is(outcome($t, '/x', encrypt(jwk('A128KW', '--kid', 'A128KW'), $claims)), $failed,
    'a foreign key under our kid');
is(outcome($t, '/x', encrypt($key{A128KW}, $claims, '--header', '{"kid":"nobody"}')),
    "$refused <||unknown_key> info no key with kid \"nobody\" for A128KW: the set has no "
    . "such kid",
    'unknown kid');
is(outcome($t, '/x', encrypt($key{'dir A128GCM'}, $claims, '--enc', 'A128GCM', '--header',
    '{"enc":"A256GCM"}')),
    "$refused <||unknown_key> info no key with kid \"dir A128GCM\" for dir: the key with "
    . "that kid is for other values of \"enc\" only",
    'dir, a key of another length');
is(outcome($t, '/x', $gcm), $good, 'a good token at the end');

###############################################################################

# The outcome for a token that does not decrypt.
sub failed {
    my ($alg, $kid) = @_;
    return "$refused <||decryption_failed> info decryption failed, algorithm \"$alg\", "
        . "kid \"$kid\", keys tried: 1";
}

# The distinct outcomes when a part of the token has each of these lengths.
sub lengths {
    my ($token, $part, @lengths) = @_;
    my %seen;
    for my $length (@lengths) {
        $seen{outcome($t, '/x', with_part($token, $part,
            sub { $_ = substr $_ . "\0" x $length, 0, $length }))} = 1;
    }
    return join "\n", sort keys %seen;
}

# The distinct outcomes when a part of the header is replaced by each of these.
sub values_of {
    my ($token, $part, @values) = @_;
    my %seen;
    for my $value (@values) {
        $seen{outcome($t, '/x', with_part($token, 0, sub { s/$part/$value/ or die }))} = 1;
    }
    return join "\n", sort keys %seen;
}

sub flipped {
    my ($bytes) = @_;
    substr($bytes, -1) ^= "\x01";
    return $bytes;
}
