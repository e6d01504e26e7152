#!/usr/bin/perl

# auth_jwt: the realm, the source of the token, and inheritance.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(62);

my $key = jwk('HS256', '--kid', 'a');
my $other = jwk('HS256', '--kid', 'b');
$t->write_file('a.jwk', $key);
$t->write_file('b.jwk', $other);
$t->write_file($_, 'content') for qw/ file limited /;
mkdir $t->testdir() . "/$_" or die for qw/ realm off inner /;

configure($t, <<'EOF');
    auth_jwt_key_file a.jwk;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt     "the server";

        location / { }

        location /realm/quoted    { auth_jwt 'a "b" \\c'; }
        location /realm/empty     { auth_jwt ""; }
        location /realm/utf8      { auth_jwt "über"; }
        location /realm/percent   { auth_jwt "100%s %n"; }
        location /realm/variable  { auth_jwt "for $arg_who, $host"; }
        location /realm/decoded   { auth_jwt $uri; }
        location /realm/off       { auth_jwt $arg_realm; }
        location /realm/case      { auth_jwt OFF; }

        location /cookie    { auth_jwt "c" token=$cookie_jwt; }
        location /argument  { auth_jwt "a" token=$arg_jwt; }
        location /header    { auth_jwt "h" token=$http_x_jwt; }
        location /bearer    { auth_jwt "b" token=$http_authorization; }
        location /constant  { set $token ""; auth_jwt "s" token=$token; }
        location /itself    { auth_jwt "i" token=$jwt_claim_sub; }

        location /off/ {
            auth_jwt off;
            location /off/again { auth_jwt "again"; }
            location /off/fed   {
                auth_jwt off token=$arg_jwt;
                return 200 "<$jwt_claim_sub>";
            }
            return 200 "<$jwt_claim_sub>";
        }

        location /inner/ {
            auth_jwt "inner" token=$arg_jwt;
            location /inner/same  { }
            location /inner/realm { auth_jwt "innermost"; }
            location /inner/keys  { auth_jwt_key_file b.jwk; }
        }

        location /limited {
            auth_jwt off;
            limit_except POST {
                auth_jwt "limited";
            }
        }

        location /file {
            limit_except GET {
                auth_jwt off;
            }
        }
    }

    server {
        listen       127.0.0.1:8081;
        server_name  localhost;
        location / { }
    }

EOF

$t->run();

my $good = sign($key, '{"sub":"good"}');
my $foreign = sign($other, '{"sub":"foreign"}');
my $forged = with_part($good, 1, sub { s/good/root/ });

my $invalid = ', error="invalid_token"';

### the realm

is(verdict(get('/file')), '401 Bearer realm="the server"', 'no token');
is(jwt_logged($t), 'info no token: no "Authorization" header line', 'no token, log');
is(verdict(get('/file', $forged)), "401 Bearer realm=\"the server\"$invalid",
    'bad token');
is(jwt_logged($t), 'info bad signature, algorithm "HS256", kid "a", keys tried: 1',
    'bad token, log');

my $response = get('/file', $good);
is(verdict($response), '200', 'good token');
is(body($response), 'content', 'good token, content');
is(jwt_logged($t), '', 'good token, no log');

is(verdict(get('/realm/quoted')), '401 Bearer realm="a \"b\" \\\\c"',
    'quotes and backslash in the realm');
is(verdict(get('/realm/empty')), '401 Bearer realm=""', 'empty realm');
is(verdict(get('/realm/utf8')), '401 Bearer realm="über"', 'realm in UTF-8');
is(verdict(get('/realm/percent')), '401 Bearer realm="100%s %n"', 'percent sign in the realm');
is(verdict(get('/realm/variable?who=me')),
    '401 Bearer realm="for me, localhost"', 'variables in the realm');
is(verdict(get('/realm/variable?who=%22', $forged)),
    "401 Bearer realm=\"for %22, localhost\"$invalid", 'a variable of the realm is not decoded');
is(verdict(get('/realm/variable?who=a"b\c', $forged)),
    "401 Bearer realm=\"for a\\\"b\\\\c, localhost\"$invalid",
    'quotes and backslash in a variable');
is(verdict(get('/realm/off?realm=off')), '401 Bearer realm="off"',
    'a variable that says off is not off');
is(verdict(get('/realm/off')), '401 Bearer realm=""', 'empty variable');
is(verdict(get('/realm/case')), '401 Bearer realm="OFF"', 'OFF is a realm');

jwt_logged($t);
$response = get('/realm/decoded%0d%0aSet-Cookie:%20a', $forged);
is(verdict($response), "401 Bearer realm=\"\"$invalid", 'line feed in the realm at run time');
unlike($response, qr/Set-Cookie/i, 'no header line injected');
is(jwt_logged($t), 'info bad signature, algorithm "HS256", kid "a", keys tried: 1'
    . "\n"
    . 'warn control character in realm "/realm/decoded\x0d\x0aSet-Cookie: a"; '
    . 'sending an empty realm', 'line feed in the realm at run time, log');
is(verdict(get('/realm/decoded%7f', $forged)), "401 Bearer realm=\"\"$invalid",
    'delete character in the realm at run time');
is(verdict(get('/realm/decoded%80', $forged)),
    "401 Bearer realm=\"/realm/decoded\x80\"$invalid", 'realm that is not UTF-8');
is(verdict(get('/realm/decoded%0a', $good)), '404', 'a good token needs no realm');

### the token

my $no = sub { "401 Bearer realm=\"$_[0]\"" };
my $bad = sub { "401 Bearer realm=\"$_[0]\"$invalid" };

is(verdict(get('/cookie', undef, "Cookie: a=1; jwt=$good; b=2")), '404',
    'cookie');
is(verdict(get('/cookie', undef, "Cookie: jwt=$forged")), $bad->('c'),
    'bad cookie');
is(verdict(get('/cookie', $good)), $no->('c'), 'no cookie, but a bearer token');
is(verdict(get('/cookie', $forged, "Cookie: jwt=$good")), '404',
    'good cookie, the bearer token is ignored');
is(verdict(get('/cookie', undef, 'Cookie: jwt=')), $no->('c'), 'empty cookie');
is(verdict(get('/argument?jwt=' . $good)), '404', 'argument');
is(verdict(get('/argument?jwt=' . $forged)), $bad->('a'), 'bad argument');
is(verdict(get("/argument?jwt=$forged&jwt=$good")), $bad->('a'),
    'the first of two arguments is used');
is(verdict(get('/argument?JWT=' . $good)), '404', 'argument in capitals');
is(verdict(get("/argument?jwt=Bearer%20$good")), '404',
    'argument with a scheme');
is(verdict(get('/argument?jwt=')), $no->('a'), 'empty argument');
is(verdict(get('/header', undef, "X-Jwt: $good")), '404', 'header');
is(verdict(get('/header', undef, "X-Jwt: Bearer $good")), '404',
    'header with a scheme');
is(verdict(get('/bearer', $good)), '404', 'Authorization as a variable, with the scheme');
is(verdict(get('/bearer', undef, "Authorization: $good")), '404',
    'Authorization without a scheme');
is(verdict(get('/constant', $good)), $no->('s'), 'empty variable, but a bearer token');
is(verdict(get('/itself', sign($key, "{\"sub\":\"$good\"}"))), $no->('i'),
    'token from a variable that needs the token');

### off

is(body(get('/off/x', $forged)), '<root>', 'off, claims of a token that is not verified');
is(body(get('/off/x')), '<>', 'off, no token');
is(body(get("/off/fed?jwt=$forged")), '<root>', 'off, token from a variable');
is(body(get('/off/fed', $forged)), '<>', 'off, token not from the header');
is(verdict(get('/off/again')), $no->('again'), 'on in an inner location, no token');
is(verdict(get('/off/again', $good)), '404', 'on in an inner location, good token');

### inheritance

is(verdict(get('/inner/same', $good)), $no->('inner'),
    'realm and token source come together');
is(verdict(get("/inner/same?jwt=$good")), '404', 'inherited by a location');
is(verdict(get("/inner/realm?jwt=$good")), $no->('innermost'),
    'token source is not inherited without the realm');
is(verdict(get('/inner/realm', $good)), '404', 'realm and source replaced');
is(verdict(get("/inner/keys?jwt=$good")), $bad->('inner'),
    'keys replaced, not added');
is(verdict(get("/inner/keys?jwt=$foreign")), '404', 'keys of the inner location');
is(verdict(get("/inner/same?jwt=$foreign")), $bad->('inner'),
    'keys of an inner location are not for the others');

is(verdict(get('/limited')), $no->('limited'), 'limit_except, GET');
is(verdict(get('/limited', $forged)), $bad->('limited'),
    'limit_except, GET, bad token');
is(verdict(get('/limited', $good)), '200', 'limit_except, GET, good token');
is(verdict(ask({ method => 'POST', body => '' }, '/limited')), '405', 'limit_except, POST');
is(verdict(ask({ method => 'DELETE', body => '' }, '/limited')), $no->('limited'),
    'limit_except, DELETE');
is(verdict(get('/file')), $no->('the server'), 'limit_except off, GET');
is(verdict(ask({ method => 'POST', body => '' }, '/file')), '405', 'limit_except off, POST');

### a server with keys but without auth_jwt

is(verdict(ask({ port => 8081 }, '/file')), '200', 'server without auth_jwt');
is(verdict(ask({ port => 8081 }, '/file', bearer($forged))), '200',
    'server without auth_jwt, bad token');
