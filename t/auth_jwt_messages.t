#!/usr/bin/perl

# What error.log and nginx -t say about mistakes with tokens that people make: it
# names the mistake, and never the token.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(79);

my $key = jwk('HS256', '--kid', 'a');
my $aes = jwk('A128KW', '--kid', 'b');
$t->write_file('keys.json', jwks($key, $aes));

configure($t, <<'EOF');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        auth_jwt          "r";
        auth_jwt_key_file keys.json;
        root              html;

        location / { }
        location /cookie    { auth_jwt "r" token=$cookie_jwt; }
        location /header    { auth_jwt "r" token=$http_x_jwt; }
        location /arg       { auth_jwt "r" token=$arg_jwt; }
        location /encrypted { auth_jwt_type encrypted; }
        location /off       { auth_jwt off token=$http_x_jwt; add_header X-V "<$jwt_claim_sub>" always; }
    }
EOF

$t->run();

my $token = sign($key, '{"sub":"user"}');
my $about = '; alg "HS256", kid "a"';
my $none = '401 Bearer realm="r" info no token:';
my $bad = '401 Bearer realm="r", error="invalid_token" info';
my $line = 'the "Authorization" header line';

### no token: where it was looked for, and what was there

for (
    [ 'nothing', '/', [], "$none no \"Authorization\" header line" ],
    [ 'another header', '/', ["X-Access-Token: $token"],
        "$none no \"Authorization\" header line, but \"X-Access-Token\" may hold one" ],
    [ 'another header with a scheme', '/', ["Authentication: Bearer $token"],
        "$none no \"Authorization\" header line, but \"Authentication\" may hold one" ],
    [ 'a cookie', '/', ["Cookie: jwt=$token"], "$none no \"Authorization\" header line" ],
    [ 'an odd name', '/', ["X\"A: $token"], undef ],
    [ 'no scheme', '/', ["Authorization: $token"], "$none $line has no \"Bearer\" in front of the token" ],
    (map { [ "scheme $_", '/', ["Authorization: $_ $token"],
        "$none $line has the scheme \"$_\" instead of \"Bearer\"" ] } qw/ Token JWT Basic DPoP OAuth /),
    [ 'an unknown scheme', '/', ["Authorization: secret $token"],
        "$none $line has another scheme than \"Bearer\"" ],
    [ 'a tab', '/', ["Authorization: Bearer\t$token"], "$none $line has a tab instead of a space behind \"Bearer\"" ],
    [ 'a colon', '/', ["Authorization: Bearer: $token"],
        "$none $line has something instead of a space behind \"Bearer\"" ],
    [ 'quotes', '/', ["Authorization: \"Bearer $token\""], "$none $line begins with a quotation mark" ],
    [ 'the scheme alone', '/', ['Authorization: Bearer'], "$none $line has nothing behind \"Bearer\"" ],
    [ 'an empty line', '/', ['Authorization:'], "$none $line is empty" ],
    [ 'no cookie', '/cookie', [bearer($token)], "$none \"\$cookie_jwt\" is empty" ],
    [ 'an empty cookie', '/cookie', ['Cookie: jwt='], "$none \"\$cookie_jwt\" is empty" ],
    [ 'a cookie with the scheme alone', '/cookie', ['Cookie: jwt=Bearer'], "$none \"\$cookie_jwt\" is empty" ],
    [ 'no argument', '/arg', [], "$none \"\$arg_jwt\" is empty" ],

    # a token with something in front of it, or of another kind
    [ 'twice the scheme', '/', ["Authorization: Bearer Bearer $token"],
        "$bad JOSE header is not base64url: another \"Bearer\" is in front of the token" ],
    [ 'quotes behind the scheme', '/', ["Authorization: Bearer \"$token\""],
        "$bad JOSE header is not base64url: a quotation mark is in front of the token" ],
    [ 'twice the scheme in a header', '/header', ["X-Jwt: Bearer Bearer $token"],
        "$bad JOSE header is not base64url: another \"Bearer\" is in front of the token" ],
    [ 'an encrypted token', '/', [bearer(encrypt($aes, '{}'))], "$bad an encrypted token (5 parts) where a "
        . 'signed one is expected, see auth_jwt_type; alg "A128KW", kid "b"' ],
    [ 'a signed token', '/encrypted', [bearer($token)], "$bad a signed token (3 parts) where an encrypted "
        . "one is expected, see auth_jwt_type$about" ],
    [ 'a nested token', '/encrypted', [bearer(encrypt($aes, $token))], "$bad a nested token where an "
        . 'encrypted one with claims is expected, see auth_jwt_type; alg "A128KW", kid "b"' ],
    [ 'padding', '/', [bearer("$token=")], "$bad signature is base64url with padding$about" ],
) {
    my ($name, $uri, $lines, $expected) = @$_;
    jwt_logged($t);
    my $response = ask($uri, @$lines);
    my $log = jwt_logged($t);
    is(join(' ', verdict($response), $log), $expected, $name) if defined $expected;
    unlike($log, qr/\Q${\ substr($token, 0, 12)}\E|secret/, "$name, no token in the log");
}

### the scheme in a variable is no part of the token

for ('Bearer ', 'bearer  ', 'BEARER ', '') {
    is(verdict(ask('/header', "X-Jwt: $_$token")), '404', "header with \"$_\"");
    is(verdict(ask('/cookie', "Cookie: a=b; jwt=$_$token")), '404', "cookie with \"$_\"");
}
is(verdict(ask("/arg?jwt=$_$token")), '404', "argument with $_") for 'Bearer%20', 'Bearer+';
is(variables(ask('/off', "X-Jwt: Bearer $token")), '<user>', 'off token=, with the scheme');
is(verdict(ask('/header', "X-Jwt: Basic $token")), '401 Bearer realm="r", error="invalid_token"',
    'header with another scheme');
is(verdict(ask('/header', 'X-Jwt: Bearer')), '401 Bearer realm="r"', 'header with the scheme alone');

### nginx -t: what is taken for the realm

my $realm = sub {
    my ($text, $doubt) = @_;
    return "[warn] \"auth_jwt\" has the realm \"$text\": $doubt in DIR/http.conf:1 | exit 0";
};
my $said = sub { return config_test($t, "auth_jwt_key_file keys.json; server { location / { auth_jwt $_[0]; } }") };
is($said->($_), $realm->($_, 'the argument is the realm; there is no "auth_jwt on"'), "auth_jwt $_") for 'on', 'On';
is($said->($_), $realm->($_, 'a variable alone is the realm; token= says where the token is'), "auth_jwt $_")
    for '$cookie_jwt', '$http_authorization', '$arg_token', '$jwt_claim_sub';
is($said->($_), 'exit 0', "auth_jwt $_") for '$host', '"for $cookie_jwt"', '$cookie_jwt token=$arg_jwt', 'off', 'online';

