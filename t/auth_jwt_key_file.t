#!/usr/bin/perl

# auth_jwt_key_file: which keys are in force, and files that are missing or
# broken.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

use POSIX qw/ mkfifo /;

my $t = Test::Nginx->new()->has(qw/ http /)->plan(106);
my $dir = $t->testdir();

# the keys a and b have their own kid, the twins share one, and nobody has none
my %key = (
    a => jwk('HS256', '--kid', 'a'),
    b => jwk('HS256', '--kid', 'b'),
    twin => jwk('HS256', '--kid', 'twin'),
    other_twin => jwk('HS256', '--kid', 'twin'),
    nobody => jwk('HS256'),
    es => jwk('ES256', '--kid', 'es'),
);
my $k = $key{a} =~ /"k":"([^"]+)"/ ? $1 : die;
my $d = $key{es} =~ /"d":"([^"]+)"/ ? $1 : die;

mkdir "$dir/sub" or die;
$t->write_file('a.jwk', $key{a});
$t->write_file('b.jwk', $key{b});
$t->write_file('sub/b.jwk', $key{b});
$t->write_file('nobody.jwk', $key{nobody});
$t->write_file('twins.json', jwks(@key{qw/ a twin other_twin /}));
$t->write_file('page', 'secret page');
$t->write_file('bom.json', "\xef\xbb\xbf$key{a}");
$t->write_file('spaced.json', "\r\n\t { \"keys\" : [\n$key{a} ] } \n\n");

# sets in which there is no key to use: no error, and no token. The text, a warning about the key, and
# why no key verifies signatures
my @none = (
    [ 'empty set', '{"keys":[]}', undef, 'it is empty' ],
    map({ [ $_->[0], $_->[1], "key 0: left out, $_->[2]", "key 0 is left out, $_->[2]" ] }
        [ 'unknown kty', '{"keys":[{"kty":"new","k":"AAAA"}]}', 'unsupported kty "new"' ],
        [ 'unknown use', $key{nobody} =~ s/^\{/{"use":"new",/r, 'unsupported use "new"' ],
        [ 'unknown alg', $key{nobody} =~ s/HS256/HS255/r, 'unsupported alg "HS255"' ],
        [ 'no operations', $key{nobody} =~ s/^\{/{"key_ops":[],/r, 'member "key_ops" is empty, so '
            . 'that the key may be used for nothing' ],
        [ 'strings', '{"keys":["a"]}', 'not a JSON object' ],
        [ 'twice', '{"keys":[{"kty":"oct","k":"AAAA","k":"AAAA"}]}', 'member "k" occurs twice' ],
        [ 'no k', '{"kty":"oct"}', 'member "k" is missing' ],
        [ 'empty k', '{"kty":"oct","k":""}', 'member "k" is empty or zero' ],
        [ 'number kid', '{"kty":"oct","kid":1,"k":"AAAA"}', 'member "kid" is not a string' ]),
    map({ [ $_->[0], $_->[1], undef, "key 0 $_->[2]" ] }
        [ 'for encryption', $key{nobody} =~ s/^\{/{"use":"enc",/r,
            'is for encryption only, by its "use"' ],
        [ 'other operations', $key{nobody} =~ s/^\{/{"key_ops":["sign"],/r,
            'may not verify, by its "key_ops"' ]),
    [ 'off curve', $key{es} =~ s/"y":"[^"]{4}/"y":"AAAA/r,
        'key 0, kid "es": left out, members "x" and "y" are not a point of the curve',
        'key 0, kid "es" is left out, members "x" and "y" are not a point of the curve' ],
    [ 'other alg', $key{nobody} =~ s/HS256/HS384/r,
        'key 0: used, but secret of 32 bytes is shorter than 48 bytes' ],
);

my $instead = 'instead of a JWK Set';
my $page = 'make one of it by "nginx-auth jwk FILE", or see docs/keys.md';

my @broken = (
    [ 'missing', undef, 'No such file or directory (os error 2)' ],
    [ 'directory', undef, 'a directory, where the name of a file is needed' ],
    [ 'fifo', undef, 'not a regular file' ],
    [ 'dangling', undef, 'No such file or directory (os error 2)' ],
    [ 'loop', undef, 'Too many levels of symbolic links (os error 40)' ],
    [ 'large', undef, 'larger than 8388608 bytes' ],
    [ 'empty', '', "empty $instead" ],
    [ 'text', 'k', "plain text, perhaps a secret, $instead; " . $page =~ s/jwk/jwk --secret/r ],
    [ 'pem', "-----BEGIN PUBLIC KEY-----\n", "PEM public key $instead; $page" ],
    [ 'pem_private', "-----BEGIN RSA PRIVATE KEY-----\n", "PEM private key $instead; $page" ],
    [ 'certificate', "-----BEGIN CERTIFICATE-----\n", "PEM certificate $instead; $page" ],
    [ 'html', "<!DOCTYPE html>\n", "HTML or XML $instead" ],
    [ 'openid', '{"issuer":"https://i","jwks_uri":"https://i/keys"}',
        "OpenID configuration $instead; the keys are at its jwks_uri \"https://i/keys\"" ],
    [ 'x509', '{"k1":"-----BEGIN CERTIFICATE-----\n"}', "certificates by kid $instead; use the "
        . 'provider\'s address for a JWK Set, or see docs/keys.md' ],
    [ 'cut', substr($key{a}, 0, -1), 'key set is not JSON at byte '
        . (length($key{a}) - 1) ],
    [ 'trailing', "$key{a}\n$key{b}", 'key set is not JSON at byte '
        . (length($key{a}) + 1) ],
    [ 'latin1', $key{a} =~ s/"a"/"\xe9"/r, 'key set is not UTF-8' ],
    [ 'array', "[$key{a}]", "array of keys $instead; put {\"keys\":...} around it" ],
    [ 'null', 'null', 'key set is not a JSON object' ],
    [ 'object', '{}', "neither a JWK Set nor a JWK: it has neither \"keys\" nor \"kty\"" ],
    [ 'keys_object', "{\"keys\":$key{a}}", 'neither a JWK Set nor a JWK: "keys" is no array' ],
    [ 'keys_twice', "{\"keys\":[],\"keys\":[$key{a}]}", 'key set has the name "keys" twice' ],
    [ 'deep', '{"a":' . '[' x 40 . ']' x 40 . '}',
        'key set is nested deeper than 32 levels' ],
);

$t->write_file($_->[0], $_->[1]) for @none;
$t->write_file($_->[0], $_->[1]) for grep { defined $_->[1] } @broken;
mkdir "$dir/directory" or die;
mkfifo("$dir/fifo", 0600) or die;
symlink 'nowhere', "$dir/dangling" or die;
symlink 'loop', "$dir/loop" or die;
$t->write_file('large', $key{a} . ' ' x (8 << 20));

my $locations = join "\n", map({ "location /$_->[0]/ { auth_jwt_key_file "
    . "$_->[0]; }" } @broken),
    map({ (my $uri = $_->[0]) =~ tr/ /_/; "location /none/$uri/ { "
    . "auth_jwt_key_file '$_->[0]'; }" } @none);

configure($t, <<EOF);
    auth_jwt_key_file a.jwk;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt     "r";

        location / { root html; }
        location /one/      { auth_jwt_key_file a.jwk; }
        location /set/      { auth_jwt_key_file twins.json; }
        location /spaced/   { auth_jwt_key_file spaced.json; }
        location /bom/      { auth_jwt_key_file bom.json; }
        location /absolute/ { auth_jwt_key_file $dir/b.jwk; }
        location /relative/ { auth_jwt_key_file sub/b.jwk; }
        location /dotted/   { auth_jwt_key_file ./sub/../b.jwk; }
        location /several/ {
            auth_jwt_key_file twins.json;
            auth_jwt_key_file b.jwk;
            location /several/same/ { }
            location /several/own/  { auth_jwt_key_file nobody.jwk; }
        }
        location /one_broken/ {
            auth_jwt_key_file a.jwk;
            auth_jwt_key_file cut;
            location /one_broken/mended/ { auth_jwt_key_file a.jwk; }
        }
        $locations
    }
EOF

### nginx -t: each bad file gives a warning with its line, and nginx still starts

my $said = config_test($t);
my %warnings = map { $_ => 1 } split / in DIR\/nginx.conf:\d+ \| /, $said;
is(delete $warnings{'exit 0'}, 1, 'nginx -t');
for (@broken) {
    my ($name, undef, $reason) = @$_;
    is(delete $warnings{"[warn] key file \"DIR/$name\": $reason"}, 1,
        "$name, nginx -t");
}
for (@none) {
    my ($name, undef, $warning, $reason) = @$_;
    is(delete $warnings{"[warn] key file \"DIR/$name\": $warning"}, 1,
        "$name, nginx -t") if $warning;
    is(delete $warnings{"[warn] key file \"DIR/$name\": no key of this set verifies signatures: "
        . $reason}, 1, "$name, nginx -t, no key") if $reason;
}
is(join(' | ', keys %warnings), '', 'nginx -t, no other warning');

### keys in force

run_quietly($t);
jwt_logged($t);

my %token = map { $_ => sign($key{$_}, "{\"sub\":\"$_\"}") } keys %key;
my $a_without = sign($key{a}, '{}', '--no-kid');
my $as_twin = sign($key{a}, '{}', '--header', '{"kid":"twin"}');
my @all = sort keys %token;

is(accepted('/', @all), 'a', 'inherited from http');
is(accepted('/one/', @all), 'a', 'a JWK');
is(accepted('/set/', @all), 'a other_twin twin', 'a set, several of one kid');
is(accepted('/spaced/', @all), 'a', 'a set with white space');
is(accepted('/bom/', @all), 'a', 'a byte order mark is skipped');
is(accepted('/absolute/', @all), 'b', 'absolute path');
is(accepted('/relative/', @all), 'b', 'relative path');
is(accepted('/dotted/', @all), 'b', 'the configuration may say ..');
is(accepted('/several/', @all), 'a b other_twin twin', 'several files');
is(accepted('/several/same/', @all), 'a b other_twin twin',
    'several files, inherited');
is(accepted('/several/own/', @all), 'nobody', 'replaced by one file');
is(accepted('/one_broken/mended/', @all), 'a', 'replaced by one that works');

is(verdict(get('/set/', $a_without)), '404', 'no kid: all keys are tried');
is(verdict(get('/set/', $as_twin)), '401 Bearer realm="r", '
    . 'error="invalid_token"', 'a kid: only those of this kid are tried');
like(jwt_logged($t), qr/, kid "twin", keys tried: 2$/, 'a kid, log of the keys that were tried');
is(verdict(get('/several/own/', sign($key{nobody}, '{}', '--header',
    '{"kid":"x"}'))), '404', 'a kid, and a key without one');

### row 7: without a key that can verify, a token is refused

for (@none) {
    my ($name) = @$_;
    (my $uri = $name) =~ tr/ /_/;
    is(accepted("/none/$uri/", @all), '', "$name, no token is accepted");
}

### errors: 500, one log line with file and reason, no challenge, no key material

jwt_logged($t);
for (@broken) {
    my ($name, undef, $reason) = @$_;
    is(verdict(get("/$name/", $token{a})) . ', ' . jwt_logged($t),
        "500, error key file \"$dir/$name\": $reason", "$name, request");
}

is(verdict(get('/one_broken/', $token{a})) . ', ' . jwt_logged($t),
    "500, error key file \"$dir/cut\": key set is not JSON at byte "
    . (length($key{a}) - 1), 'one of two is broken');
is(verdict(get('/missing/')) . ', ' . jwt_logged($t),
    '401 Bearer realm="r", info no token: no "Authorization" header line', 'without a token the broken file does not matter');

my $log = $t->read_file('error.log');
is(() = $log =~ /\Q$k\E|\Q$d\E/g, 0, 'no key material in the log');
is(() = $said =~ /\Q$k\E|\Q$d\E/g, 0, 'no key material in nginx -t');

###############################################################################

# The names of the tokens that this location accepts.
sub accepted {
    my ($uri, @names) = @_;
    my %status = map { $_ => verdict(get($uri, $token{$_})) =~ s/ .*//r } @names;
    my @odd = grep { $status{$_} !~ /^(?:401|404)$/ } @names;
    return join ' ', map({ "$_:$status{$_}" } @odd),
        grep { $status{$_} eq '404' } @names;
}

###############################################################################
