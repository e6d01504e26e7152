#!/usr/bin/perl

# auth_jwt_key_file: an odd entry of a key set takes no other key down (row 50). Keys that are
# written sloppily work. One warning says what is wrong with each entry, once for each load.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

use MIME::Base64 qw/ decode_base64url encode_base64 encode_base64url /;

my $good = jwk('HS256', '--kid', 'good');
my $token = sign($good, '{}');
my $refused = '401 Bearer realm="r", error="invalid_token"';

### entries that are left out: the good key beside each of them works

my $rsa = public(jwk('RS256', '--kid', 'odd', '--no-alg'));
my $ec = public(jwk('ES256', '--kid', 'odd', '--no-alg'));
my $okp = public(jwk('Ed25519', '--kid', 'odd', '--no-alg'));
my $oct = jwk('HS256', '--kid', 'odd', '--no-alg');
my $spoil = sub {
    my ($key, $member, $value) = @_;
    return $key =~ s/"$member":"[^"]*"/"$member":$value/r;
};
my $add = sub { my ($key, $members) = @_; return $key =~ s/^\{/{$members,/r };
my $zeros = encode_base64url("\0" x 32);

my $no_ml_dsa = 'unsupported alg "ML-DSA-44"';
my @left_out = (
    [ 'null', 'null', 'not a JSON object', 'no kid' ],
    [ 'a number', '1', 'not a JSON object', 'no kid' ],
    [ 'a string', '"k"', 'not a JSON object', 'no kid' ],
    [ 'an array', '[]', 'not a JSON object', 'no kid' ],
    [ 'an empty object', '{}', 'member "kty" is missing', 'no kid' ],
    [ 'no kty', $rsa =~ s/"kty":"RSA",?//r, 'member "kty" is missing' ],
    [ 'kty null', $spoil->($rsa, kty => 'null'), 'member "kty" is missing' ],
    [ 'kty a number', $spoil->($rsa, kty => 1), 'member "kty" is not a string' ],
    [ 'kty unknown', $spoil->($rsa, kty => '"new"'), 'unsupported kty "new"' ],
    [ 'crv missing, EC', $spoil->($ec, crv => 'null'), 'member "crv" is missing' ],
    [ 'crv missing, OKP', $spoil->($okp, crv => 'null'), 'member "crv" is missing' ],
    [ 'crv unknown', $spoil->($ec, crv => '"P-192"'), 'unsupported crv "P-192"' ],
    [ 'crv of another length', $spoil->($okp, crv => '"X448"'),
        'member "x" has 32 bytes instead of 56' ],
    [ 'alg of ML-DSA without its type', $add->($okp, '"alg":"ML-DSA-44"'),
        has_ml_dsa() ? 'alg "ML-DSA-44" is not for a key of this type, curve or length' : $no_ml_dsa ],
    [ 'AKP without alg', '{"kty":"AKP","kid":"odd","pub":"AAAA"}', 'member "alg" is missing' ],
    [ 'AKP, too short', '{"kty":"AKP","kid":"odd","alg":"ML-DSA-44","pub":"AAAA"}',
        has_ml_dsa() ? 'member "pub" has 3 bytes instead of 1312' : $no_ml_dsa ],
    [ 'alg unknown', $add->($rsa, '"alg":"RS1"'), 'unsupported alg "RS1"' ],
    [ 'alg of another type', $add->($rsa, '"alg":"ES256"'),
        'alg "ES256" is not for a key of this type, curve or length' ],
    [ 'use unknown', $add->($rsa, '"use":"tls"'), 'unsupported use "tls"' ],
    [ 'key_ops empty', $add->($rsa, '"key_ops":[]'),
        'member "key_ops" is empty, so that the key may be used for nothing' ],
    [ 'key_ops a string', $add->($rsa, '"key_ops":"verify"'),
        'member "key_ops" is not an array of strings' ],
    [ 'key_ops of numbers', $add->($rsa, '"key_ops":["verify",1]'),
        'member "key_ops" is not an array of strings' ],
    [ 'kid a number', $spoil->($rsa, kid => 1), 'member "kid" is not a string', 'no kid' ],
    [ 'alg a number', $add->($rsa, '"alg":1'), 'member "alg" is not a string' ],
    [ 'use a number', $add->($rsa, '"use":1'), 'member "use" is not a string' ],
    [ 'a member twice', $add->($rsa, '"e":"AQAB"'), 'member "e" occurs twice' ],
    [ 'n missing', $spoil->($rsa, n => 'null'), 'member "n" is missing' ],
    [ 'n with white space', $rsa =~ s/"n":"..../$& /r, 'member "n" is not base64url' ],
    [ 'e of 1', $spoil->($rsa, e => '"AQ"'), 'member "e" is 1' ],
    [ 'e even', $spoil->($rsa, e => '"AQAA"'), 'member "e" is an even number' ],
    [ 'e zero', $spoil->($rsa, e => '"AA"'), 'member "e" is empty or zero' ],
    [ 'e of 33 bits', $spoil->($rsa, e => '"AQAAAAE"'),
        'member "e" has 33 bits, at most 32 are accepted' ],
    [ 'n even', $rsa =~ s/"n":"[^"]+\K[^"]{2}"/AA"/r, 'member "n" is an even number' ],
    [ 'n of 1024 bits', public(jwk('RS256', '--size', 1024, '--kid', 'odd')),
        'too weak: RSA modulus of 1024 bits, at least 2048 are needed' ],
    [ 'EC, another point', $ec =~ s/"y":"....../"y":"AAAAAA/r,
        'members "x" and "y" are not a point of the curve' ],
    [ 'EC, x cut off', $ec =~ s/"x":"[^"]{20}/"x":"/r, 'member "x" has 17 bytes instead of 32' ],
    [ 'OKP, small order', $spoil->($okp, x => "\"$zeros\""),
        'member "x" is not a point of the curve, or has small order' ],
    [ 'OKP, too long', $okp =~ s/"x":"/"x":"AAAB/r, 'member "x" has 35 bytes instead of 32' ],
    [ 'secret missing', $spoil->($oct, k => 'null'), 'member "k" is missing' ],
    [ 'secret empty', $spoil->($oct, k => '""'), 'member "k" is empty or zero' ],
    [ 'certificate unreadable', '{"kty":"RSA","kid":"odd","x5c":["MIIB"]}',
        'member "x5c" has no certificate for a key of this type' ],
);

### keys that work although they are written sloppily

my $base64 = sub { encode_base64($_[0], '') };
my $with = sub {
    my ($key, $member, $text) = @_;
    return $key =~ s/"$member":"[^"]*"/"$member":"$text"/r;
};
my $bytes = sub {
    my ($key, $member) = @_;
    return decode_base64url($key =~ /"$member":"([^"]*)"/ ? $1 : die);
};
my %private = map { $_ => jwk($_, '--kid', 'odd', '--no-alg') } qw/ HS512 RS256 ES256 Ed25519 /;
# n of 256 bytes has padding in base64, and almost certainly one of the characters + and /
my ($n) = grep { m{[+/]} } $base64->($bytes->($private{RS256}, 'n')) or die;
my $short = $private{ES256};
$short = jwk('ES256', '--kid', 'odd', '--no-alg') until $bytes->($short, 'x') =~ /^\0/;

my @sloppy = (
    [ 'RSA, base64', 'RS256', $private{RS256}, $with->($private{RS256}, n => $n),
        'member "n" has base64 padding; member "n" is base64 instead of base64url' ],
    [ 'RSA, padding', 'RS256', $private{RS256},
        $with->($private{RS256}, n => $n =~ tr{+/}{-_}r), 'member "n" has base64 padding' ],
    [ 'RSA, zeros', 'RS256', $private{RS256}, $with->($private{RS256}, e => 'AAEAAQ'),
        'member "e" has superfluous zeros on the left' ],
    [ 'secret, padding', 'HS512', $private{HS512},
        $with->($private{HS512}, k => encode_base64url($bytes->($private{HS512}, 'k')) . '=='),
        'member "k" has base64 padding' ],
    [ 'EC, a zero too much', 'ES256', $private{ES256}, $with->($private{ES256},
        y => encode_base64url("\0" . $bytes->($private{ES256}, 'y'))),
        'member "y" has superfluous zeros on the left' ],
    [ 'EC, a zero too few', 'ES256', $short,
        $with->($short, x => encode_base64url(substr $bytes->($short, 'x'), 1)),
        'member "x" lacks zeros on the left' ],
    [ 'OKP, a zero too much', 'Ed25519', $private{Ed25519}, $with->($private{Ed25519},
        x => encode_base64url("\0" . $bytes->($private{Ed25519}, 'x'))),
        'member "x" has superfluous zeros on the left' ],
    [ 'optional members null', 'ES256', $private{ES256},
        $add->(public($private{ES256}), '"alg":null,"use":null,"key_ops":null,"x5c":null'), undef ],
);
$_->[3] = public($_->[3]) =~ s/"alg":null,?//r for @sloppy[0 .. $#sloppy - 1];

###############################################################################

my $t = Test::Nginx->new()->has(qw/ http /)->plan(3 * @left_out + 3 * @sloppy + 11);
my $dir = $t->testdir();

my ($large) = slurp('data/rsa-16384.jwk') =~ /"n":\s*"([^"]+)"/ or die;
$large = "{\"kty\":\"RSA\",\"n\":\"$large\",\"e\":\"AQAB\"}";
$t->write_file('hostile.json', '{"keys":[' . join(',', ($large) x 16) . ']}');
my $pair = jwk('P-384', '--no-alg', '--use', 'enc');
$t->write_file('pairs.json', '{"keys":[' . join(',', ($pair) x 202, $good) . ']}');
$t->write_file("left_out_$_.json", "{\"keys\":[$left_out[$_][1],$good]}") for 0 .. $#left_out;
$t->write_file("sloppy_$_.json", "{\"keys\":[$good,$sloppy[$_][3]]}") for 0 .. $#sloppy;
$t->write_file("$_.json", "{\"keys\":[$good]}") for qw/ written fetched /;

my $locations = join "\n", map({ "location /left_out_$_/ { auth_jwt_key_file left_out_$_.json; }" }
    0 .. $#left_out), map({ "location /sloppy_$_/ { auth_jwt_key_file sloppy_$_.json; }" }
    0 .. $#sloppy);

configure($t, <<EOF);
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_key_file written.json;

        $locations
        location /written/ { }
        location /hostile/ { auth_jwt_key_file hostile.json; }
        location /pairs/   { auth_jwt_key_file pairs.json; }
        location /fetched/ { auth_jwt_key_request /keys; }
        location = /keys   { internal; auth_jwt off; alias $dir/fetched.json; }
    }
EOF

my $said = config_test($t);
my %warnings;
$warnings{$_}++ for map { s/ in DIR\/nginx.conf:\d+\z//r } split / \| /, $said;
is(delete $warnings{'exit 0'}, 1, 'nginx -t');
run_quietly($t);

for (0 .. $#left_out) {
    my ($name, undef, $fault, $no_kid) = @{ $left_out[$_] };
    my $kid = $no_kid ? '' : ', kid "odd"';
    is(delete $warnings{"[warn] key file \"DIR/left_out_$_.json\": key 0$kid: left out, $fault"}, 1,
        "$name, one warning");
    is(verdict(get("/left_out_$_/", $token)), '404', "$name, the good key works");
    is(verdict(get("/left_out_$_/", sign($oct, '{}', '--alg', 'HS256'))), $refused,
        "$name, another key does not");
}
for (0 .. $#sloppy) {
    my ($name, $alg, $key, undef, $flaws) = @{ $sloppy[$_] };
    my $warning = "[warn] key file \"DIR/sloppy_$_.json\": key 1, kid \"odd\": used, but ";
    is(delete $warnings{$warning . ($flaws // '')}, $flaws ? 1 : undef, "$name, one warning");
    is(verdict(get("/sloppy_$_/", $token)), '404', "$name, the good key works");
    is(verdict(get("/sloppy_$_/", sign($key, '{}', '--alg', $alg))), '404', "$name, the key works");
}

### a hostile set: only so many key pairs are checked (row 64)

my @pairs = grep { /pairs\.json/ } keys %warnings;
delete @warnings{@pairs};
is(join("\n", sort @pairs), join("\n", map { "[warn] key file \"DIR/pairs.json\": key $_: left out, "
    . 'private members and certificates take long to check, which is done for few keys of a set '
    . 'only' } 200, 201), 'too many key pairs, a warning for each that is left out');
is(verdict(get('/pairs/', $token)), '404', 'too many key pairs, the good key behind them works');

is(join(' | ', keys %warnings), '', 'no other warning');

### a hostile set: only one of the expensive keys is tried (row 58)

jwt_logged($t);
is(verdict(get('/hostile/', sign($private{RS256}, '{}', '--alg', 'RS256', '--no-kid'))), $refused,
    'sixteen keys of 16,384 bits, refused');
is(jwt_logged($t), 'info bad signature, algorithm "RS256", keys tried: 1 of 16 that fit, since more '
    . 'could take too long; give each key the kid that its tokens have',
    'sixteen keys of 16,384 bits, one was tried');

### once a load, never once a request

my @odd = ('key 0: left out, not a JSON object', 'key 2, kid "odd": left out, member "e" is 1');
my $set = "{\"keys\":[null,$good," . $spoil->($rsa, e => '"AQ"') . ']}';
for my $source (['written', "key file \"$dir/written.json\""], ['fetched', 'key request "/keys"']) {
    my ($name, $shown) = @$source;
    for my $text ($set, "$set ") {
        replace_file($t, "$name.json", $text);
        jwt_logged($t);
        get("/$name/", $token) for 1 .. 3;
        is(jwt_logged($t), join("\n", map { "warn $shown: $_" } @odd),
            "$name, one warning for each entry and load") if $text eq $set or $name eq 'fetched';
    }
    is(verdict(get("/$name/", $token)), '404', "$name, the good key works");
}

###############################################################################
