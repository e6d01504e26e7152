#!/usr/bin/perl

# Several keys without a kid that fit a token, in several files: an old private
# key and its successor both work, the cheapest keys of all files are tried
# first, and the log says that more keys fit (row 58).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

use MIME::Base64 qw/ encode_base64url /;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(8);

# each of the first two costs more than all keys for a token may
my ($old, $new, $small)
    = map { jwk('RSA-OAEP', '--size', $_, '--no-alg') } 3072, 3072, 2048;
$t->write_file('old.json', jwks($old));
$t->write_file('new.json', jwks($new));
$t->write_file('small.json', jwks($small));

my ($first, $second) = map { jwk('RS256', '--no-alg') } 0 .. 1;
my $n = encode_base64url("\xff" x 384);
$t->write_file('large.json',
    '{"keys":[' . join(',', ("{\"kty\":\"RSA\",\"n\":\"$n\",\"e\":\"AQAB\"}") x 15) . ']}');
$t->write_file('two.json', jwks('--public', $first, $second));

configure($t, <<'EOF');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt   "r";
        add_header X-V "<$jwt_claim_sub|$jwt_status>" always;

        location /two/ {
            auth_jwt_type     encrypted;
            auth_jwt_key_file old.json;
            auth_jwt_key_file new.json;
        }

        location /three/ {
            auth_jwt_type     encrypted;
            auth_jwt_key_file old.json;
            auth_jwt_key_file new.json;
            auth_jwt_key_file small.json;
        }

        location /signed/ {
            auth_jwt_key_file large.json;
            auth_jwt_key_file two.json;
        }
    }
EOF

$t->run();

my $claims = '{"sub":"user"}';
my $good = '404 <user|ok>';
my $failed = '401 Bearer realm="r", error="invalid_token" <|decryption_failed> info decryption '
    . 'failed, algorithm "RSA-OAEP", keys tried: 2';
my $encrypted = sub { return encrypt($_[0], $claims, '--alg', 'RSA-OAEP') };

is(outcome($t, '/two/', $encrypted->($old)), $good, 'the old key');
is(outcome($t, '/two/', $encrypted->($new)), $good, 'its successor');
is(outcome($t, '/two/', $encrypted->($small)), $failed, 'two keys, a foreign token');

is(outcome($t, '/three/', $encrypted->($small)), $good, 'the cheapest of three');
is(outcome($t, '/three/', $encrypted->($old)), $good, 'the next one');
is(outcome($t, '/three/', $encrypted->($new)),
    "$failed of 3 that fit, since more could take too long; give each key the kid that its tokens "
    . 'have', 'the last one, which is not tried');

my $signed = sub { return sign($_[0], $claims, '--alg', 'RS256') };
is(outcome($t, '/signed/', $signed->($second)), $good, 'a cheap key of the second file');
is(outcome($t, '/signed/', $signed->(jwk('RS256', '--no-alg'))),
    '401 Bearer realm="r", error="invalid_token" <|bad_signature> info bad signature, '
    . 'algorithm "RS256", keys tried: 16 of 17 that fit, since more could take too long; give each '
    . 'key the kid that its tokens have', 'seventeen keys, a foreign token');

###############################################################################
