#!/usr/bin/perl

# auth_jwt_compression: whether encrypted tokens may be compressed (row 18: a
# bomb is not inflated where it is off).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)->plan(25);

my ($aes, $hmac) = (jwk('A128KW'), jwk('HS256'));
$t->write_file('keys.json', jwks($aes, $hmac));

configure($t, <<'EOF');
    auth_jwt_compression off;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_key_file keys.json;
        auth_jwt_type     encrypted;
        add_header        X-Status $jwt_status always;

        location / { }
        location /on/ {
            auth_jwt_compression on;
            location /on/inherited { }
            location /on/off { auth_jwt_compression off; }
        }
        location /nested     { auth_jwt_type nested; }
        location /nested/on  { auth_jwt_type nested; auth_jwt_compression on; }
        location /signed     { auth_jwt_type signed; }
        location /asked      { auth_jwt_key_request /keys; }
        location = /keys {
            internal;
            auth_jwt off;
            return   503;
        }
    }
EOF

$t->run();

my @zip = ('--header', '{"zip":"DEF"}');
my $plain = encrypt($aes, '{"sub":"a"}');
my $zipped = encrypt($aes, '{"sub":"a"}', @zip);
my $signed = sign($hmac, '{"sub":"a"}');
my $nested = encrypt($aes, $signed);
my $nested_zip = encrypt($aes, $signed, @zip);

# In the second round, the token is known to the token cache.
for my $round ('first', 'again') {
    for my $uri ('/on/', '/on/inherited') {
        is(jwt_status(get($uri, $zipped)), '404 ok', "$uri, compressed, $round");
    }
    for my $uri ('/x', '/on/off') {
        is(jwt_status(get($uri, $zipped)), '401 unsupported_algorithm', "$uri, compressed, $round");
        is(jwt_status(get($uri, $plain)), '404 ok', "$uri, not compressed, $round");
    }
    is(jwt_status(get('/nested/on', $nested_zip)), '404 ok', "nested, compressed, on, $round");
    is(jwt_status(get('/nested', $nested_zip)), '401 unsupported_algorithm',
        "nested, compressed, $round");
    is(jwt_status(get('/nested', $nested)), '404 ok', "nested, not compressed, $round");
}
is(jwt_status(get('/signed', $signed)), '404 ok', 'signed');

jwt_logged($t);
is(verdict(get('/', $zipped)), '401 Bearer realm="r", error="invalid_token"', 'challenge');
is(jwt_logged($t),
    'info the token is compressed, and auth_jwt_compression is off; alg "A128KW"', 'log');

# nobody is asked for keys
is(jwt_status(get('/asked', $zipped)), '401 unsupported_algorithm', 'before keys are asked for');

### configuration

my $error = sub { return "[emerg] $_[0] in DIR/http.conf:1 | exit 1" };
is(config_test($t, 'auth_jwt_compression maybe;'),
    $error->('invalid value "maybe" in "auth_jwt_compression" directive, it must be "on" or "off"'),
    'maybe');
is(config_test($t, 'auth_jwt_compression on; auth_jwt_compression on;'),
    $error->('"auth_jwt_compression" directive is duplicate'), 'twice');
is(config_test($t,
    "server { location / { limit_except GET {\nauth_jwt_compression on; } } }"),
    '[emerg] "auth_jwt_compression" directive is not allowed here in DIR/http.conf:2 | exit 1',
    'limit_except');

###############################################################################
