#!/usr/bin/perl

# auth_jwt: which values of the header line Authorization are a token, the
# response to a missing or bad token, and the log line.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(112);

my $key = jwk('HS256', '--kid', 'a');
$t->write_file('a.jwk', $key);
$t->write_file('page', 'secret page');

configure($t, <<'EOF');
    large_client_header_buffers 4 128k;
    client_max_body_size 10m;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_key_file a.jwk;

        location / { }

        location /return { return 200 "rewrite phase"; }

        location /redirected {
            error_page 401 http://localhost/login;
        }

        location /page_of_ours/ {
            error_page 401 /denied;
        }

        location = /denied {
            auth_jwt off;
            return 403 "denied page";
        }
    }
EOF

$t->run();

my $good = sign($key, '{"sub":"good"}');
my $forged = with_part($good, 1, sub { s/good/root/ });
my $none = '401 Bearer realm="r"';
my $invalid = '401 Bearer realm="r", error="invalid_token"';

### rows 42 and 43: which values are a token

my @values = (
    [ 'Bearer', "Bearer $good", '200' ],
    [ 'lower case', "bearer $good", '200' ],
    [ 'upper case', "BEARER $good", '200' ],
    [ 'mixed case', "bEaReR $good", '200' ],
    [ 'lower case, forged', "bearer $forged", $invalid ],
    [ 'mixed case, forged', "bEaReR $forged", $invalid ],
    [ 'several spaces', "Bearer    $good", '200' ],
    [ 'several spaces, forged', "Bearer    $forged", $invalid ],
    [ 'spaces around', "   Bearer $good   ", '200' ],

    [ 'nothing', '', $none ],
    [ 'one letter', 'B', $none ],
    [ 'scheme cut short', "Beare $good", $none ],
    [ 'scheme alone', 'Bearer', $none ],
    [ 'scheme and a space', 'Bearer ', $none ],
    [ 'scheme and many spaces', 'Bearer' . ' ' x 300, $none ],
    [ 'scheme without a space', "Bearer$good", $none ],
    [ 'scheme and a tab', "Bearer\t$good", $none ],
    [ 'scheme and a colon', "Bearer: $good", $none ],
    [ 'scheme and an equals sign', "Bearer=$good", $none ],
    [ 'token alone', $good, $none ],
    [ 'Basic', 'Basic dXNlcjpwYXNz', $none ],
    [ 'Basic with a token', "Basic $good", $none ],
    [ 'another scheme first', "Basic dXNlcjpwYXNz, Bearer $good", $none ],
    [ 'longer scheme', "BearerX $good", $none ],
    [ 'DPoP', "DPoP $good", $none ],

    [ 'space and tab', "Bearer \t$good", $invalid ],
    [ 'tab behind', "Bearer $good\t", $invalid ],
    [ 'two tokens', "Bearer $good $good", $invalid ],
    [ 'two tokens, comma', "Bearer $good,$good", $invalid ],
    [ 'two tokens, comma and space', "Bearer $good, Bearer $good", $invalid ],
    [ 'token and parameter', "Bearer $good, realm=\"r\"", $invalid ],
    [ 'quoted', "Bearer \"$good\"", $invalid ],
    [ 'named', "Bearer token=$good", $invalid ],
    [ 'one byte', 'Bearer x', $invalid ],
    [ 'one dot', 'Bearer .', $invalid ],
    [ 'two dots', 'Bearer ..', $invalid ],
    [ 'not ASCII', "Bearer \xff\xfe", $invalid ],
);

for (@values) {
    my ($name, $value, $expected) = @$_;
    is(verdict(get('/page', undef, "Authorization: $value")), $expected, $name);
}
is(verdict(get('/page', undef, "aUTHORIZATION: bearer $forged")), $invalid,
    'header name in mixed case');
is(verdict(get('/page', undef, "aUTHORIZATION: bearer $good")), '200',
    'header name in mixed case, good');
is(verdict(get('/page', undef, "Proxy-Authorization: Bearer $good")), $none,
    'Proxy-Authorization is not read');
is(verdict(get('/page', undef, "Authorization_: Bearer $good")), $none,
    'a name with an underscore is not read');

### two Authorization lines: nginx itself refuses them

for (["Bearer $good", "Bearer $good"], ["Bearer $good", "Bearer $forged"],
    ["Bearer $forged", "Bearer $good"], ["Basic abc", "Bearer $good"],
    ["Bearer $good", ''])
{
    my ($first, $second) = @$_;
    is(verdict(get('/page', undef, "Authorization: $first",
        "Authorization: $second")), '400', 'two Authorization lines');
}

### the log: one line with the reason

my $about = '; alg "HS256", kid "a"';
my $opaque = 'no JWT; only its issuer can judge an opaque token, see docs/introspection.md';
my @refused = (
    [ 'none', undef, 'no token: no "Authorization" header line' ],
    [ 'one part', 'x', "token has 1 part instead of 3: $opaque" ],
    [ 'two parts', 'x.y', "token has 2 parts instead of 3: $opaque" ],
    [ 'four parts', "$good.", 'token has 4 parts instead of 3'
        . $about ],
    [ 'five parts', 'a.b.c.d.e', 'an encrypted token (5 parts) where a signed one is expected, see auth_jwt_type' ],
    [ 'padding in header', $good =~ s/\./=./r, 'JOSE header is base64url with padding' ],
    [ 'padding behind', "$good=", "signature is base64url with padding$about" ],
    [ 'base64', $good =~ s/\.[^.]*$/.a+\/a/r, "signature is not base64url$about" ],
    [ 'trailing bits', 'eyJhbGciOiJIUzI1NiJ9.e30.QR',
        'signature is not base64url; alg "HS256"' ],
    [ 'space in header', " $good " =~ s/\A.(.{9})/$1 /r,
        'JOSE header is not base64url' ],
    [ 'header no JSON', with_part($good, 0, sub { chop }),
        'JOSE header is not JSON at byte 36' ],
    [ 'header no object', with_part($good, 0, sub { $_ = '["alg"]' }),
        'JOSE header is not a JSON object' ],
    [ 'header empty', with_part($good, 0, sub { $_ = '' }),
        'JOSE header is not JSON at byte 0' ],
    [ 'header without alg', with_part($good, 0, sub { $_ = '{}' }),
        'JOSE header parameter "alg" is missing or of the wrong type' ],
    [ 'alg a number', with_part($good, 0, sub { $_ = '{"alg":1}' }),
        'JOSE header parameter "alg" is missing or of the wrong type' ],
    [ 'kid a number', with_part($good, 0, sub { s/"kid":"a"/"kid":1/ }),
        'JOSE header parameter "kid" is missing or of the wrong type' ],
    [ 'payload no JSON', with_part($good, 1, sub { $_ = 'text' }),
        "claims set is not JSON at byte 1$about" ],
    [ 'payload an array', with_part($good, 1, sub { $_ = '[{}]' }),
        "claims set is not a JSON object$about" ],
    [ 'payload empty', with_part($good, 1, sub { $_ = '' }),
        "claims set is not JSON at byte 0$about" ],
    [ 'payload not UTF-8', with_part($good, 1, sub { s/good/\xff/ }),
        "claims set is not UTF-8$about" ],
    [ 'no signature', with_part($good, 2, sub { $_ = '' }),
        "bad signature, algorithm \"HS256\", kid \"a\", keys tried: 1" ],
    [ 'other kid', with_part($good, 0, sub { s/"a"/"b"/ }),
        'no key with kid "b" for HS256: the set has no such kid' ],
    [ 'unknown algorithm', with_part($good, 0, sub { s/HS256/HS1/ }),
        'algorithm "HS1" is not supported; kid "a"' ],
    [ 'iss', sign($key, '{"iss":"https://i\"\\\\\n\u00e9","exp":1}'),
        'expired: exp 1, now N, leeway 0' . $about
        . ', iss "https://i\"\\\\\x0a\xc3\xa9"' ],
);

for (@refused) {
    my ($name, $token, $reason) = @$_;
    jwt_logged($t);
    is(verdict(get('/page', $token)), $token ? $invalid : $none,
        "$name, refused");
    is(jwt_logged($t) =~ s/now \d+/now N/r, "info $reason", "$name, log");
}

### methods, bodies, connections

my $response = ask({ method => 'HEAD' }, '/page');
is(verdict($response), $none, 'HEAD');
is(body($response), '', 'HEAD, no body');
is(verdict(ask({ method => 'HEAD' }, '/page', bearer($good))), '200', 'HEAD, good token');
is(verdict(ask({ method => 'OPTIONS' }, '/page')), $none,
    'row 29: OPTIONS');
is(verdict(ask({ method => 'OPTIONS' }, '/page', 'Origin: http://a',
    'Access-Control-Request-Method: GET')), $none, 'OPTIONS of a preflight');
is(verdict(get('/page', undef, 'User-Agent: ELB-HealthChecker/2.0')), $none,
    'row 29: health checker');
like(http("GET /page\r\n"), qr/^<html>.*401 Authorization Required/s,
    'HTTP/0.9 gets the error page');

my $s = connection();
like(exchange($s, request({ method => 'POST' }, '/page', 'Content-Length: 5000000') . 'x=1'),
    qr/^HTTP\/1.1 401 /, 'POST, refused before its body is read');

$s = connection();
like(exchange($s, request('/page', bearer($forged))),
    qr/^HTTP\/1.1 401 .*^Connection: keep-alive\r$/ms, 'keepalive after a refusal');
like(exchange($s, request('/page', bearer($good))), qr/^HTTP\/1.1 200 .*secret page$/s,
    'good token after a bad one on a connection');
like(exchange($s, request('/page')), qr/^HTTP\/1.1 401 /,
    'no token after a good one on a connection');
like(exchange($s, request({ method => 'POST', body => 'x=12345' }, '/page')
    . request('/page', bearer($good))), qr/^HTTP\/1.1 401 /, 'POST with its body');
like(read_response($s), qr/^HTTP\/1.1 200 /, 'pipelined after the POST');

### error_page

is(verdict(get('/redirected')), "302 Bearer realm=\"r\"",
    'error_page with a URL keeps the challenge, as of auth_basic');
like(get('/redirected'), qr!^Location: http://localhost/login\r$!m,
    'error_page with a URL, Location');
$response = get('/page_of_ours/x', $forged);
is(verdict($response), '401 Bearer realm="r", error="invalid_token"',
    'error_page with a location, status');
is(body($response), 'denied page', 'error_page with a location, body');

is(body(get('/return')), 'rewrite phase',
    'return comes before access, as with all access modules');
