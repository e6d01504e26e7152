#!/usr/bin/perl

# Mistakes with key files that people make: nginx -t and error.log say what the file is and what
# helps. What else a file may hold in place of a key set is in auth_jwt_key_file.t, sets of which no
# key can be used and private keys in auth_jwt_key_set_warnings.t, files that the workers' user may
# not read in auth_jwt_key_file_permissions.t; docs_keys.t runs the commands that make a set.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

use MIME::Base64 qw/ encode_base64 encode_base64url /;

my $t = Test::Nginx->new()->has(qw/ http /)->plan(31);
my $dir = $t->testdir();

my $key = jwk('RS256', '--kid', 'a');
my $set = jwks('--public', $key);
my $token = sign($key, '{}');

# Not the spelling of base64url, so that it is seen what is one.
my $secret = "correct horse battery staple, and >more?\xff\xfe";
my $of_secret = sub { "{\"keys\":[{\"kty\":\"oct\",\"k\":\"$_[0]\"}]}" };
my $text = 'my secret, which is no base64url at all';
my $signed = signed_by($secret, '{"alg":"HS256"}', '{}');

### keys and certificates of OpenSSL, as they are

my $run = sub { system("cd $dir && $_[0] 2>openssl.log") == 0 or die $t->read_file('openssl.log') };
$run->('openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out private.pem');
$run->('openssl pkey -in private.pem -pubout -out public.pem');
$run->('openssl req -x509 -key private.pem -subj /CN=issuer -days 1 -out certificate.pem');
$run->('openssl x509 -in certificate.pem -outform DER -out certificate.der');
$run->('cat certificate.pem private.pem >chain.pem');

my $instead = 'instead of a JWK Set';
my $make = 'make one of it by "nginx-auth jwk FILE", or see docs/keys.md';

# file, content, what is wrong with it
my @useless = (
    [ 'private.pem', undef, "PEM private key $instead; $make" ],
    [ 'public.pem', undef, "PEM public key $instead; $make" ],
    [ 'certificate.pem', undef, "PEM certificate $instead; $make" ],
    [ 'chain.pem', undef, "PEM certificate $instead; $make" ],
    [ 'certificate.der', undef, "DER key or certificate $instead; $make" ],
    [ 'secret.txt', "c2VjcmV0LXNlY3JldA\n", "plain text, perhaps a secret, $instead; "
        . $make =~ s/jwk/jwk --secret/r ],
    [ 'utf16.json', "\xff\xfe" . join('', map { "$_\0" } split //, $set), "UTF-16 $instead; save it as UTF-8" ],
    [ 'token.jwt', "$token\n", "token $instead; the issuer's keys are needed" ],
    [ 'folder', undef, 'a directory, where the name of a file is needed' ],
    [ 'https://id.example.com/jwks.json', undef, 'No such file or directory (os error 2); keys are fetched from a '
        . 'URL by auth_jwt_issuer with jwks_uri' ],
);
mkdir "$dir/folder" or die;
$t->write_file(@$_[0, 1]) for grep { defined $_->[1] } @useless;

# file, content, a token that it verifies
my @used = (
    [ 'crlf.json', $set =~ s/([{,])/$1\r\n/gr, $token ],
    [ 'bom.json', "\xef\xbb\xbf$set\r\n", $token ],
    [ 'base64url.json', $of_secret->(encode_base64url($secret)), $signed ],
    [ 'base64.json', $of_secret->(encode_base64($secret, '')), $signed ],
);
$t->write_file(@$_[0, 1]) for @used;

# what people put into "k" besides
$t->write_file('text.json', $of_secret->($text));
$t->write_file('twice.json', $of_secret->(encode_base64url(encode_base64($secret, ''))));

my $number = 0;
my $locations = join '', map { $number++; "location /$number/ { auth_jwt_key_file $_->[0]; }\n" } @useless, @used;

configure($t, <<EOF);
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         html;
        auth_jwt          "r";
        auth_jwt_key_file base64url.json;

        $locations
        location /text/  { auth_jwt_key_file text.json; }
        location /twice/ { auth_jwt_key_file twice.json; }
    }
EOF

my %warnings = map { s/ in DIR\/nginx\.conf:\d+//r => 1 } split / \| /, config_test($t);
is(delete $warnings{"[warn] key file \"DIR/$_->[0]\": $_->[2]"}, 1, "$_->[0], nginx -t") for @useless;
my $encode = 'member "k" is not base64url; docs/keys.md tells how to encode a secret';
is(delete $warnings{"[warn] key file \"DIR/text.json\": key 0: left out, $encode"}, 1, 'a secret as text, nginx -t');
is(delete $warnings{"[warn] key file \"DIR/text.json\": no key of this set verifies signatures: key 0 is left out, $encode"},
    1, 'a secret as text, nginx -t, no key');
is(delete $warnings{'[warn] key file "DIR/base64.json": key 0: used, but member "k" is base64 instead of base64url'},
    1, 'a secret in base64, nginx -t');
is(join(' | ', keys %warnings), 'exit 0', 'nginx -t, nothing else');

run_quietly($t);

# Verdict and line.
my $told = sub {
    jwt_logged($t);
    my $verdict = verdict(get(@_));
    return join ' ', $verdict, jwt_logged($t) || ();
};

$number = 0;
is($told->('/' . ++$number . '/', $token), "500 error key file \"$dir/$_->[0]\": $_->[2]", $_->[0]) for @useless;
is($told->('/' . ++$number . '/', $_->[2]), '404', $_->[0]) for @used;

my $bad = '401 Bearer realm="r", error="invalid_token" info';
is($told->('/text/', signed_by($text, '{"alg":"HS256"}', '{}')), "$bad no key for HS256: the first key of the set is "
    . "left out, $encode", 'a secret as text');
is($told->('/twice/', $signed), "$bad bad signature, algorithm \"HS256\", keys tried: 1", 'a secret that was encoded twice');

my $log = $t->read_file('error.log');
is(() = $log =~ /\Q$secret\E|\Q$text\E|c2VjcmV0/g, 0, 'no secret in the log');
