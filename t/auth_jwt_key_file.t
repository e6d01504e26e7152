#!/usr/bin/perl

# auth_jwt_key_file: which keys are in force, and files that are missing or
# broken.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

use POSIX qw/ mkfifo /;

my $t = Test::Nginx->new()->has(qw/ http /)->plan(83);
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
$t->write_file('spaced.json', "\r\n\t { \"keys\" : [\n$key{a} ] } \n\n");

my @none = (    # sets in which there is no key to use: no error, and no token
    [ 'empty set', '{"keys":[]}' ],
    [ 'unknown kty', '{"keys":[{"kty":"new","k":"AAAA"}]}',
        'key 0: skipped, unsupported kty "new"' ],
    [ 'for encryption', $key{nobody} =~ s/^\{/{"use":"enc",/r ],
    [ 'unknown use', $key{nobody} =~ s/^\{/{"use":"new",/r,
        'key 0: skipped, unsupported use "new"' ],
    [ 'other operations', $key{nobody} =~ s/^\{/{"key_ops":["sign"],/r ],
    [ 'no operations', $key{nobody} =~ s/^\{/{"key_ops":[],/r ],
    [ 'other alg', $key{nobody} =~ s/HS256/HS384/r, 'key 0: '
        . 'secret of 32 bytes is shorter than 48 bytes' ],
    [ 'unknown alg', $key{nobody} =~ s/HS256/HS255/r,
        'key 0: skipped, unsupported alg "HS255"' ],
);

my @broken = (
    [ 'missing', undef, 'No such file or directory (os error 2)' ],
    [ 'directory', undef, 'not a regular file' ],
    [ 'fifo', undef, 'not a regular file' ],
    [ 'dangling', undef, 'No such file or directory (os error 2)' ],
    [ 'loop', undef, 'Too many levels of symbolic links (os error 40)' ],
    [ 'large', undef, 'larger than 8388608 bytes' ],
    [ 'empty', '', 'key set is not JSON at byte 0' ],
    [ 'text', 'k', 'key set is not JSON at byte 0' ],
    [ 'pem', "-----BEGIN PUBLIC KEY-----\n", 'key set is not JSON at byte 1' ],
    [ 'cut', substr($key{a}, 0, -1), 'key set is not JSON at byte '
        . (length($key{a}) - 1) ],
    [ 'bom', "\xef\xbb\xbf$key{a}", 'key set is not JSON at byte 0' ],
    [ 'trailing', "$key{a}\n$key{b}", 'key set is not JSON at byte '
        . (length($key{a}) + 1) ],
    [ 'latin1', $key{a} =~ s/"a"/"\xe9"/r, 'key set is not UTF-8' ],
    [ 'array', "[$key{a}]", 'key set is not a JSON object' ],
    [ 'null', 'null', 'key set is not a JSON object' ],
    [ 'object', '{}', 'neither a JWK Set nor a JWK' ],
    [ 'keys_object', "{\"keys\":$key{a}}", 'neither a JWK Set nor a JWK' ],
    [ 'keys_strings', '{"keys":["a"]}', 'key 0 is not a JSON object' ],
    [ 'twice', $key{a} =~ s/^\{/{"k":"AAAA",/r,
        'key set has the name "k" twice' ],
    [ 'no_k', '{"kty":"oct"}', 'key 0: member "k" is missing or malformed' ],
    [ 'empty_k', '{"kty":"oct","kid":"e","k":""}',
        'key 0, kid "e": member "k" is missing or malformed' ],
    [ 'padded_k', "{\"keys\":[$key{b},{\"kty\":\"oct\",\"k\":\"$k=\"}]}",
        'key 1: member "k" is missing or malformed' ],
    [ 'number_kid', '{"kty":"oct","kid":1,"k":"AAAA"}',
        'key 0: member "kid" is missing or malformed' ],
    [ 'off_curve', $key{es} =~ s/"y":"[^"]{4}/"y":"AAAA/r,
        'key 0, kid "es": not a valid EC key' ],
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
            auth_jwt_key_file no_k;
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
for (grep { $_->[2] } @none) {
    my ($name, undef, $warning) = @$_;
    is(delete $warnings{"[warn] key file \"DIR/$name\": $warning"}, 1,
        "$name, nginx -t");
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
    "500, error key file \"$dir/no_k\": "
    . 'key 0: member "k" is missing or malformed', 'one of two is broken');
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
