#!/usr/bin/perl

# docs/keys.md: its commands are run as they stand there, and the key files that they make verify or
# decrypt tokens.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Docs;
use Jose;

use MIME::Base64 qw/ decode_base64url encode_base64url /;

my $t = Test::Nginx->new()->has(qw/ http /)->plan(33);
my $dir = $t->testdir();

### the blocks of the page, by heading

my %blocks;
push @{ $blocks{ $_->{heading} } }, $_->{text} for grep { $_->{language} eq 'sh' } code_blocks('docs/keys.md');
is(join(', ', sort keys %blocks), 'A certificate, A private key, to decrypt tokens, A public key in PEM, '
    . 'A secret, EC, ECDH-ES with X25519, ECDH-ES with an EC key, Ed25519, Making a JWK Set, RSA', 'headings with commands');
my ($functions) = @{ $blocks{'Making a JWK Set'} };

# Runs the commands below these headings in a folder.
sub run_blocks {
    my ($folder, $change, @headings) = @_;
    my $commands = join "\n", $functions, map { @{ $blocks{$_} } } @headings;
    $change->() for $commands;
    open my $shell, '|-', 'sh', '-e', '-c', "cd $dir/$folder && sh -e" or die "Can't run sh: $!\n";
    print $shell $commands;
    return close $shell;
}

### one folder for each kind of key

my $none = sub { };
my %openssl = (
    rsa => '-algorithm RSA -pkeyopt rsa_keygen_bits:2048',
    p256 => '-algorithm EC -pkeyopt ec_paramgen_curve:P-256',
    p384 => '-algorithm EC -pkeyopt ec_paramgen_curve:P-384',
    p521 => '-algorithm EC -pkeyopt ec_paramgen_curve:P-521',
    secp256k1 => '-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1',
    ed25519 => '-algorithm ED25519',
    ed448 => '-algorithm ED448',
    x25519 => '-algorithm X25519',
    x448 => '-algorithm X448',
);
$openssl{"ecdh_$_"} = $openssl{$_} for qw/ p256 p384 p521 /;
my @agreement = qw/ ecdh_p256 ecdh_p384 ecdh_p521 x25519 x448 /;
mkdir "$dir/$_" or die for qw/ secret certificate decryption /, keys %openssl;
openssl("genpkey $openssl{$_} -out $dir/$_/private.pem") for keys %openssl;
openssl("genpkey $openssl{rsa} -out $dir/$_/private.pem") for qw/ certificate decryption /;
openssl("req -x509 -key $dir/certificate/private.pem -subj /CN=x -out "
    . "$dir/certificate/certificate.pem");

my $pem = 'A public key in PEM';
my %file = (secret => 'secret', certificate => 'rsa', decryption => 'decryption', rsa => 'rsa',
    map({ $_ => 'ec' } qw/ p256 p384 p521 secp256k1 /),
    map({ $_ => 'ed25519' } qw/ ed25519 ed448 /), map({ $_ => 'agreement' } @agreement));
ok(run_blocks('secret', $none, 'A secret'), 'a secret');
ok(run_blocks('rsa', $none, $pem, 'RSA'), 'RSA');
ok(run_blocks('certificate', $none, 'A certificate', 'RSA'), 'a certificate');
ok(run_blocks('p256', $none, $pem, 'EC'), 'P-256');
ok(run_blocks('p384', sub { s/crv=P-256 length=32/crv=P-384 length=48/ or die }, $pem, 'EC'), 'P-384');
ok(run_blocks('p521', sub { s/crv=P-256 length=32/crv=P-521 length=66/ or die }, $pem, 'EC'), 'P-521');
ok(run_blocks('secp256k1', sub { s/crv=P-256/crv=secp256k1/ or die }, $pem, 'EC'), 'secp256k1');
ok(run_blocks('ed25519', $none, $pem, 'Ed25519'), 'Ed25519');
ok(run_blocks('ed448', sub { s/crv=Ed25519 length=32/crv=Ed448 length=57/ or die }, $pem, 'Ed25519'),
    'Ed448');
ok(run_blocks('decryption', $none, 'A private key, to decrypt tokens'), 'a private key');

my %length = ('P-384' => 48, 'P-521' => 66, X448 => 56);
for ([ 'ecdh_p256', 'P-256', 'an EC key' ], [ 'ecdh_p384', 'P-384', 'an EC key' ],
    [ 'ecdh_p521', 'P-521', 'an EC key' ], [ 'x25519', 'X25519', 'X25519' ],
    [ 'x448', 'X448', 'X25519' ])
{
    my ($folder, $crv, $heading) = @$_;
    my $change = sub { s/crv=\S+ length=32/crv=$crv length=$length{$crv}/ or die };
    ok(run_blocks($folder, $length{$crv} ? $change : $none, "ECDH-ES with $heading"),
        "a private key on $crv");
}

my $locations = join "\n", map({ my $type = $file{$_} =~ /^(decryption|agreement)$/ ? 'encrypted' : 'signed';
    "location /$_/ { auth_jwt_type $type; auth_jwt_key_file $_/$file{$_}.jwks; }" } sort keys %file);
configure($t, <<EOF);
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_key_file rsa/rsa.jwks;
        $locations
    }
EOF

is(config_test($t), 'exit 0', 'nginx -t has no warning about the keys');
$t->run();

### tokens that openssl signs

is(status(get('/secret/x', signed_by('correct horse battery staple, 32', '{"alg":"HS256"}', '{}'))), 404,
    'HS256');
is(status(get('/rsa/x', signed('rsa', 'RS256', 'dgst -sha256 -sign'))), 404, 'RS256');
is(status(get('/certificate/x', signed('certificate', 'RS512', 'dgst -sha512 -sign'))), 404,
    'RS512, by a certificate');
is(status(get('/p256/x', signed('p256', 'ES256', 'dgst -sha256 -sign', 32))), 404, 'ES256');
is(status(get('/p384/x', signed('p384', 'ES384', 'dgst -sha384 -sign', 48))), 404, 'ES384');
is(status(get('/p521/x', signed('p521', 'ES512', 'dgst -sha512 -sign', 66))), 404, 'ES512');
is(status(get('/secp256k1/x', signed('secp256k1', 'ES256K', 'dgst -sha256 -sign', 32))), 404, 'ES256K');
is(status(get("/$_/x", signed($_, 'EdDSA', 'pkeyutl -sign -rawin -inkey'))), 404, "EdDSA, $_")
    for qw/ ed25519 ed448 /;

for my $folder ('decryption', @agreement) {
    my ($jwk) = $t->read_file("$folder/$file{$folder}.jwks") =~ /\[(.*)\]/ or die;
    is(status(get("/$folder/x", encrypt($jwk, '{}'))), 404, "a token for the key of $folder");
}
is(status(get('/rsa/x', signed('certificate', 'RS256', 'dgst -sha256 -sign'))), 401, 'another key');

###############################################################################

sub openssl {
    my ($arguments) = @_;
    system("openssl $arguments 2>/dev/null") == 0 or die "Can't run openssl $arguments\n";
    return;
}

# A token that openssl has signed with the key of this folder. An ECDSA signature is DER, of which a
# token has the two numbers, each of this length.
sub signed {
    my ($folder, $alg, $command, $length) = @_;
    my $message = join '.', map { encode_base64url($_) } "{\"alg\":\"$alg\"}", '{}';
    $t->write_file('message', $message);
    my $input = $command =~ /^dgst/ ? "$dir/message" : "-in $dir/message";
    openssl("$command $dir/$folder/private.pem -out $dir/signature $input");
    my $signature = slurp("$dir/signature");
    if ($length) {
        $signature = join '', map { substr "\0" x $length . $_, -$length } numbers($signature);
    }
    return "$message." . encode_base64url($signature);
}

# The two numbers of an ECDSA signature in DER.
sub numbers {
    my ($der) = @_;
    my $rest = substr $der, ord(substr $der, 1, 1) == 0x81 ? 3 : 2;
    return map {
        my $number = substr $rest, 2, ord substr $rest, 1, 1;
        $rest = substr $rest, 2 + length $number;
        $number;
    } 1, 2;
}

###############################################################################
