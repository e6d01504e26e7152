#!/usr/bin/perl

# auth_jwt: each signature algorithm, with a good token and with each way to
# spoil the signature; and what a key says about its own use (rows 8 to 11).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my @algorithms = qw/
    HS256 HS384 HS512 RS256 RS384 RS512 PS256 PS384 PS512
    ES256 ES384 ES512 ES256K EdDSA Ed25519 Ed448
/;
push @algorithms, qw/ ML-DSA-44 ML-DSA-65 ML-DSA-87 / if has_ml_dsa();

my %length = (HS256 => 32, HS384 => 48, HS512 => 64, ES256 => 64, ES384 => 96,
    ES512 => 132, ES256K => 64, EdDSA => 64, Ed25519 => 64, Ed448 => 114,
    'ML-DSA-44' => 2420, 'ML-DSA-65' => 3309, 'ML-DSA-87' => 4627,
    map { $_ => 256 } grep { /^[RP]S/ } @algorithms);

my $t = Test::Nginx->new()->has(qw/ http /)->plan(8 * @algorithms + 32);

# a private key, of which nginx gets the public part, and another key of the same type
my (%key, %other);
for (@algorithms) {
    $key{$_} = jwk($_, '--kid', 'k');
    $other{$_} = jwk($_, '--kid', 'k');
    $t->write_file("$_.jwk", public($key{$_}));
}
$t->write_file('all.json', jwks('--public', @key{@algorithms}));

my %restricted;     # more key files, see below
my $restrict = sub {
    my ($name, $jwk) = @_;
    $t->write_file("$name.jwk", $jwk);
    $restricted{$name} = 1;
};

my $rsa = jwk('RS256', '--no-alg');
my $p256 = jwk('ES256', '--no-alg');
my $with = sub { public($_[0]) =~ s/^\{/{$_[1],/r };
$restrict->('rsa', public($rsa));
$restrict->("rsa_$_", $with->($rsa, "\"alg\":\"$_\""))
    for qw/ RS256 RS512 PS256 RSA-OAEP /;
$restrict->('rsa_enc', $with->($rsa, '"use":"enc"'));
$restrict->('rsa_sig', $with->($rsa, '"use":"sig"'));
$restrict->('rsa_verify', $with->($rsa, '"key_ops":["verify"]'));
$restrict->('rsa_sign', $with->($rsa, '"key_ops":["sign"]'));
$restrict->('rsa_both', $with->($rsa, '"use":"sig","key_ops":["sign"]'));
$restrict->('rsa_x5c', $with->($rsa, '"x5c":["AAAA"],"x5t":"AAAA"'));
$restrict->('p256', public($p256));

my $small = jwk('RS256', '--size', '1024');
$restrict->('rsa_1024', public($small));
my $big = jwk('RS256', '--size', '4096');
$restrict->('rsa_4096', public($big));
my %odd = (
    e_1 => public($rsa) =~ s/"e":"[^"]+"/"e":"AQ"/r,
    e_even => public($rsa) =~ s/"e":"[^"]+"/"e":"BA"/r,
    n_even => public($rsa) =~ s/"n":"[^"]+\K[^"]{2}"/AA"/r,
    ed25519_zero => '{"kty":"OKP","crv":"Ed25519","x":"' . 'A' x 43 . '"}',
    ed25519_short => '{"kty":"OKP","crv":"Ed25519","x":"AAAA"}',
    p256_other_curve => public($p256) =~ s/P-256/P-384/r,
);
$restrict->($_, $odd{$_}) for keys %odd;
$restrict->('x25519', '{"kty":"OKP","crv":"X25519","x":"' . 'B' x 42 . 'A"}');
$restrict->('secp256k1', public(jwk('ES256K', '--no-alg')));

configure($t, <<EOF);
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt     "r";
        root         html;

        # for tokens with the signature twice
        large_client_header_buffers 4 16k;

        location /all/ { auth_jwt_key_file all.json; }
@{[ map { "location /$_/ { auth_jwt_key_file $_.jwk; }\n" }
    @algorithms, sort keys %restricted ]}
    }
EOF

run_quietly($t);

my $refused = '401 Bearer realm="r", error="invalid_token"';

# RFC 9864: other names for the algorithm of these keys
my %same = (EdDSA => 'Ed25519', Ed25519 => 'EdDSA', Ed448 => 'EdDSA');

### every algorithm

for my $alg (@algorithms) {
    my $token = sign($key{$alg}, '{"sub":"user","exp":"now+300"}');
    my $uri = "/$alg/";

    is(verdict(get($uri, $token)), '404', "$alg, good token");
    is(verdict(get('/all/', $token)), '404', "$alg, among all keys");
    is(verdict(get($uri, with_part($token, 1, sub { s/user/root/ }))),
        $refused, "$alg, other payload");
    is(verdict(get($uri, with_part($token, 0, sub { s/\}$/,"x":1}/ }))),
        $refused, "$alg, other header");
    is(verdict(get($uri, sign($other{$alg}, '{"sub":"user"}'))), $refused,
        "$alg, other key");

    my %spoilt = spoilt($token, $length{$alg});
    my @accepted = grep { verdict(get($uri, $spoilt{$_})) ne $refused }
        sort keys %spoilt;
    is("@accepted", '', "$alg, no invalid signature is accepted");

    # a good signature by the key, but the header names another algorithm
    @accepted = grep { verdict(get('/all/', named($alg, $_))) ne $refused }
        grep { $_ ne $alg } @algorithms;
    is("@accepted", $alg =~ /^Ed/ ? $same{$alg} : '',
        "$alg, names of other algorithms that are accepted");

    jwt_logged($t);
    get($uri, with_part($token, 2, sub { $_ ^= "\1" . "\0" x 9 }));
    is(jwt_logged($t), "info bad signature, algorithm \"$alg\", kid \"k\", keys tried: 1",
        "$alg, log");
}

### row 10: the use that a key declares

my %rsa = map { $_ => sign($rsa, '{}', '--alg', $_) } qw/ RS256 RS512 PS256 /;
is(by('rsa'), 'PS256 RS256 RS512', 'RSA key without alg');
is(by('rsa_RS256'), 'RS256', 'key for RS256');
is(by('rsa_RS512'), 'RS512', 'key for RS512');
is(by('rsa_PS256'), 'PS256', 'key for PS256');
is(by('rsa_RSA-OAEP'), '', 'key for RSA-OAEP');
is(by('rsa_enc'), '', 'key for encryption');
is(by('rsa_sig'), 'PS256 RS256 RS512', 'key for signatures');
is(by('rsa_verify'), 'PS256 RS256 RS512', 'key to verify');
is(by('rsa_sign'), '', 'key to sign only');
is(by('rsa_both'), '', 'key for signatures, to sign only');
is(by('rsa_x5c'), 'PS256 RS256 RS512', 'certificates in a key are ignored');

### rows 8, 9 and 11: curves and lengths

my $es256 = sign($p256, '{}', '--alg', 'ES256');
is(verdict(get('/p256/', $es256)), '404', 'ES256');
for (qw/ ES384 ES256K /) {
    is(verdict(get('/p256/', sign($p256, '{}', '--alg', 'ES256', '--header',
        "{\"alg\":\"$_\"}"))), $refused, "$_ with a key of P-256");
}
is(verdict(get('/secp256k1/', $es256)), $refused, 'a key on another curve is not used');
is(verdict(get('/x25519/', sign($key{Ed25519}, '{}'))), $refused,
    'a key for key agreement is not used');

jwt_logged($t);
is(verdict(get('/rsa_1024/', $rsa{RS256})), $refused, 'RSA, 1024 bits');
is(jwt_logged($t), 'info no key for RS256: the first key of the set is left out, too weak: RSA '
    . 'modulus of 1024 bits, at least 2048 are needed', 'RSA, 1024 bits, not tried');
is(verdict(get('/rsa_4096/', sign($big, '{}'))), '404', 'RSA, 4096 bits');

my %reason = (
    e_1 => 'member "e" is 1',
    e_even => 'member "e" is an even number',
    n_even => 'member "n" is an even number',
    ed25519_zero => 'member "x" is not a point of the curve, or has small order',
    ed25519_short => 'member "x" has 3 bytes instead of 32',
    p256_other_curve => 'member "x" has 32 bytes instead of 48',
);
for (sort keys %odd) {
    jwt_logged($t);
    is(verdict(get("/$_/", $es256)), $refused, "$_, refused");
    is(jwt_logged($t), "info no key for ES256: the first key of the set is left out, $reason{$_}",
        "$_, log");
}

my ($warning) = $t->read_file('error.log') =~ m!rsa_1024.jwk": (.*) in /!;
is($warning, 'key 0: left out, too weak: RSA modulus of 1024 bits, at least 2048 are needed',
    'RSA, 1024 bits, warning at start');

###############################################################################

# The algorithms whose tokens, signed with the RSA key, this key file accepts.
sub by {
    my ($name) = @_;
    my %status = map { $_ => verdict(get("/$name/", $rsa{$_})) } keys %rsa;
    return join ' ', grep { $status{$_} eq '404' } sort keys %status;
}

# A token with a good signature by $alg whose header says $name.
sub named {
    my ($alg, $name) = @_;
    return sign($key{$alg}, '{}', '--alg', $alg, '--header',
        "{\"alg\":\"$name\"}");
}

# Row 8: the token with invalid signatures, by name.
sub spoilt {
    my ($token, $length) = @_;
    my $signature = sub {
        my ($change) = @_;
        return with_part($token, 2, $change);
    };
    return (
        'first bit' => $signature->(sub { $_ ^= "\x80" . "\0" x 9 }),
        'last bit' => $signature->(sub { vec($_, -1 + length, 8) ^= 1 }),
        'empty' => $signature->(sub { $_ = '' }),
        'one byte' => $signature->(sub { $_ = substr $_, 0, 1 }),
        'byte less' => $signature->(sub { chop }),
        'byte more' => $signature->(sub { $_ .= "\0" }),
        'byte before' => $signature->(sub { $_ = "\0$_" }),
        'half' => $signature->(sub { $_ = substr $_, 0, $length / 2 }),
        'twice' => $signature->(sub { $_ x= 2 }),
        'zeros' => $signature->(sub { $_ = "\0" x $length }),
        'ones' => $signature->(sub { $_ = "\xff" x $length }),
        'r = s = 1' => $signature->(sub {
            $_ = ("\0" x ($length / 2 - 1) . "\1") x 2 }),
        'r and s swapped' => $signature->(sub {
            $_ = substr($_, $length / 2) . substr $_, 0, $length / 2 }),
        $length > 200 ? () : (
        'DER' => $signature->(sub {
            $_ = der(substr($_, 0, $length / 2), substr $_, $length / 2) }),
        'DER of zeros' => $signature->(sub { $_ = der("\0", "\0") })),
    );
}

# ECDSA-Sig-Value
sub der {
    my @integers = map { s/^\0+(?=.)//sr =~ s/^(?=[\x80-\xff])/\0/r } @_;
    my $content = join '', map { pack 'C C/a', 2, $_ } @integers;
    return length $content < 128 ? pack 'C C/a', 0x30, $content
        : pack 'C C C/a', 0x30, 0x81, $content;
}
