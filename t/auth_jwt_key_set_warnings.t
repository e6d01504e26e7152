#!/usr/bin/perl

# Sets of which no key can be used, and private keys where public ones would do: a warning by nginx -t
# and when the set is loaded; and why a token finds no key.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http /)->plan(32);
my $dir = $t->testdir();

my %key = map { $_ => jwk($_, '--kid', $_) } qw/ HS256 RS256 ES256 A128KW RSA-OAEP /;
$t->write_file('empty.json', '{"keys":[]}');
$t->write_file('enc.json', jwks('--public', jwk('RS256', '--kid', 'a', '--use', 'enc')));
$t->write_file('weak.json', jwks('--public', jwk('RS256', '--kid', 'weak', '--size', 1024)));
$t->write_file('sig.json', jwks('--public', $key{ES256}));
$t->write_file('private.json', jwks(@key{qw/ RS256 HS256 ES256 /}));
$t->write_file('public.json', jwks('--public', @key{qw/ RS256 HS256 ES256 /}));
$t->write_file('aes.json', jwks($key{A128KW}));
$t->write_file('rsa.json', jwks($key{'RSA-OAEP'}));
$t->write_file('public_rsa.json', jwks('--public', $key{'RSA-OAEP'}));
$t->write_file('rs512.json', jwks('--public', $key{RS256} =~ s/"alg":"RS256"/"alg":"RS512"/r));

my $verifies = 'no key of this set verifies signatures:';
my $decrypts = 'no key of this set decrypts tokens:';

### nginx -t

# What nginx -t says of a location with these directives.
my $said = sub {
    my ($directives) = @_;
    my $conf = "server {\nlocation / {\nauth_jwt a;\n$directives\n}\n}";
    return config_test($t, $conf) =~ s/ in DIR\/nginx.conf:\d+//gr =~ s/ \| exit 0\z//r;
};
my $files = sub { join ' ', map { "auth_jwt_key_file $_.json;" } @_ };

is($said->($files->('empty')), "[warn] key file \"DIR/empty.json\": $verifies it is empty", 'empty');
is($said->($files->('enc')), "[warn] key file \"DIR/enc.json\": $verifies key 0, kid \"a\" is for "
    . 'encryption only, by its "use"', 'for encryption only');
is($said->($files->('weak')) =~ s/.* \| //r, "[warn] key file \"DIR/weak.json\": $verifies key 0, kid "
    . '"weak" is left out, too weak: RSA modulus of 1024 bits, at least 2048 are needed', 'weak');
is($said->($files->('aes')) =~ s/.* \| //r, "[warn] key file \"DIR/aes.json\": $verifies key 0, kid "
    . '"A128KW" is for A128KW only', 'for another algorithm');
is($said->($files->(qw/ empty enc /)), '[warn] key file "DIR/empty.json", key file "DIR/enc.json": '
    . "$verifies key 0, kid \"a\" is for encryption only, by its \"use\"", 'two files');
is($said->($files->(qw/ empty sig /)), 'exit 0', 'two files, one has a key');
is($said->($files->('public')), 'exit 0', 'public keys and a secret');
is($said->('auth_jwt_type encrypted; ' . $files->('aes')), 'exit 0', 'encrypted');
is($said->('auth_jwt_type encrypted; ' . $files->('sig')), "[warn] key file \"DIR/sig.json\": "
    . "$decrypts key 0, kid \"ES256\" is for ES256 only", 'encrypted, a key for signatures');
is($said->('auth_jwt_type encrypted; ' . $files->('public_rsa')), '[warn] key file '
    . "\"DIR/public_rsa.json\": $decrypts key 0, kid \"RSA-OAEP\" has no private members, which "
    . 'decryption needs', 'encrypted, a public key');
is($said->('auth_jwt_type nested; ' . $files->('aes')), "[warn] key file \"DIR/aes.json\": $verifies "
    . 'key 0, kid "A128KW" is for A128KW only', 'nested, no key for signatures');
is($said->('auth_jwt_type nested; ' . $files->('sig')), "[warn] key file \"DIR/sig.json\": $decrypts "
    . 'key 0, kid "ES256" is for ES256 only', 'nested, no key for decryption');
is($said->('auth_jwt_type nested; ' . $files->(qw/ rsa sig /)), 'exit 0', 'nested, both');
is($said->('auth_jwt_verify_signature off; ' . $files->('empty')) =~ /verifies/ ? 'warns' : '', '',
    'signatures do not count');
is($said->('auth_jwt off; ' . $files->('empty')) =~ /verifies/ ? 'warns' : '', '', 'auth_jwt off');
is($said->("auth_jwt_key_request /\$arg_a; " . $files->('empty')), 'exit 0', 'a key request may have keys');

my $needless = 'private keys, of which only the public part is needed to verify signatures:';
is($said->($files->('private')), "[warn] key file \"DIR/private.json\": $needless key 0, kid \"RS256\"; "
    . 'key 2, kid "ES256"', 'private keys');
is($said->('auth_jwt_type encrypted; ' . $files->('rsa')), 'exit 0', 'encrypted, a private key');

my $twice = "server {\nauth_jwt a;\nauth_jwt_key_file empty.json;\nlocation / { }\nlocation /b { }\n}";
is(scalar(() = config_test($t, $twice) =~ /verifies/g), 1, 'one warning for several levels');

### at run time: when the set is loaded, and never for a request

configure($t, <<'EOF');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_key_file public.json;

        location /file/      { auth_jwt_key_file used.json; }
        location /request/   { auth_jwt_key_request /keys; }
        location /encrypted/ { auth_jwt_type encrypted; auth_jwt_key_file public_rsa.json; }
        location /weak/      { auth_jwt_key_file weak.json; }
        location /rs512/     { auth_jwt_key_file rs512.json; }
        location = /keys     { internal; auth_jwt off; alias %%TESTDIR%%/fetched.json; }
    }
EOF

$t->write_file("$_.json", jwks('--public', $key{ES256})) for qw/ used fetched /;
run_quietly($t);
my $token = sign($key{ES256}, '{}');
is(verdict(get("/$_/", $token)), '404', "$_, a good set") for qw/ file request /;

for (['file', 'used', "key file \"$dir/used.json\""], ['request', 'fetched', 'key request "/keys"']) {
    my ($location, $file, $source) = @$_;
    my $no_key = 'info no key with kid "ES256" for ES256:';
    for my $case (['empty', "$verifies it is empty", 'the set is empty'],
        ['enc', "$verifies key 0, kid \"a\" is for encryption only, by its \"use\"",
            'the set has no such kid'])
    {
        my ($set, $warning, $reason) = @$case;
        replace_file($t, "$file.json", $t->read_file("$set.json"));
        jwt_logged($t);
        get("/$location/", $token) for 1 .. 2;
        is(jwt_logged($t), "warn $source: $warning\n$no_key $reason\n$no_key $reason",
            "$location, $set, one warning");
    }
    replace_file($t, "$file.json", jwks($key{ES256}));
    jwt_logged($t);
    get("/$location/", $token) for 1 .. 2;
    is(jwt_logged($t), "warn $source: $needless key 0, kid \"ES256\"", "$location, a private key");
}

### why there is no key

my @reasons = (
    [ '/', sign($key{HS256}, '{}', '--header', '{"kid":"x"}'),
        'no key with kid "x" for HS256: the set has no such kid' ],
    [ '/rs512/', sign($key{RS256}, '{}'), 'no key with kid "RS256" for RS256: the set has that kid for '
        . 'RS512 only' ],
    [ '/', sign($key{ES256}, '{}', '--header', '{"kid":"RS256"}'), 'no key with kid "RS256" for ES256: '
        . 'the set has that kid for RS256 only' ],
    [ '/weak/', sign($key{RS256}, '{}', '--header', '{"kid":"weak"}'), 'no key with kid "weak" for RS256: '
        . 'the key with that kid is left out, too weak: RSA modulus of 1024 bits, at least 2048 are '
        . 'needed' ],
    [ '/encrypted/', encrypt($key{'RSA-OAEP'}, '{}'), 'no key with kid "RSA-OAEP" for RSA-OAEP: the key '
        . 'with that kid has no private members, which decryption needs' ],
);
jwt_logged($t);
for (@reasons) {
    my ($uri, $token, $reason) = @$_;
    get($uri, $token);
    is(jwt_logged($t), "info $reason", $reason);
}

###############################################################################
