#!/usr/bin/perl

# Mistakes with tokens that people make: the line in error.log names the mistake and what helps, and
# never shows the token. Mistakes with claims are in mistakes_claims.t; what makes room for a large
# token is in recipes.t.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Http2;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http http_v2 rewrite /)->plan(110);

my $key = jwk('HS256', '--kid', 'a');
my $aes = jwk('A128KW', '--kid', 'b');
$t->write_file('keys.json', jwks($key, $aes));

configure($t, <<"EOF");
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        auth_jwt          "r";
        auth_jwt_key_file keys.json;
        root              html;

        location / { }
        location /cookie    { auth_jwt "r" token=\$cookie_jwt; }
        location /header    { auth_jwt "r" token=\$http_x_jwt; }
        location /arg       { auth_jwt "r" token=\$arg_jwt; }
        location /encrypted { auth_jwt_type encrypted; }
        location /late      { auth_jwt_leeway 301s; }
        location /off       { auth_jwt off token=\$http_x_jwt; add_header X-V "<\$jwt_claim_sub>" always; }
    }

    server {
        ${\ listen_http2($t) }
        auth_jwt          "r" token=\$cookie_jwt;
        auth_jwt_key_file keys.json;
        root              html;
    }
EOF

$t->run();

my $token = sign($key, '{"sub":"user"}');
my $about = '; alg "HS256", kid "a"';
my $none = '401 Bearer realm="r" info no token:';
my $bad = '401 Bearer realm="r", error="invalid_token" info';
my $line = 'the "Authorization" header line';
my $parts = 'token has 1 part instead of 3:';
my $no_value = "$parts a word for no value: the program that sends it has no token";
my $placeholder = "$parts a placeholder: the program that sends it has put no token there";
my $opaque = 'no JWT; only its issuer can judge an opaque token, see docs/introspection.md';
my $clocks = 'if the clocks of issuer and nginx differ, see auth_jwt_leeway';
my $now = time;

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
    [ 'a cookie of another name', '/cookie', ["Cookie: __Host-jwt=$token"], "$none \"\$cookie_jwt\" is empty" ],
    [ 'a proxy that renames the header', '/', ["X-Forwarded-Authorization: Bearer $token"],
        "$none no \"Authorization\" header line, but \"X-Forwarded-Authorization\" may hold one" ],
    [ 'a browser\'s WebSocket', '/', ['Connection: Upgrade', 'Upgrade: websocket', "Sec-WebSocket-Protocol: $token"],
        "$none no \"Authorization\" header line, but \"Sec-WebSocket-Protocol\" may hold one" ],
    [ 'a CORS preflight', '/', ['Origin: https://app.example.com', 'Access-Control-Request-Method: PUT'],
        "$none no \"Authorization\" header line, as in every CORS preflight; see auth_jwt_mode" ],

    # no token at all
    [ 'null', '/', [bearer('null')], "$bad $no_value" ],
    [ 'undefined', '/', [bearer('undefined')], "$bad $no_value" ],
    [ 'an object', '/', [bearer('[object Object]')], "$bad $placeholder" ],
    [ 'a variable of a shell', '/', [bearer('$TOKEN')], "$bad $placeholder" ],
    [ 'a variable of a template', '/', [bearer('{{access_token}}')], "$bad $placeholder" ],
    [ 'an opaque token', '/', [bearer('3f2a9c1e8b7d4f60a1b2c3d4e5f60718')], "$bad $parts $opaque" ],
    [ 'an opaque token with a dot', '/', [bearer('ya29.a0AfH6SMBx')], "$bad token has 2 parts instead of 3: $opaque" ],
    [ 'a token without its signature', '/', [bearer($token =~ s/\.[^.]*$//r)],
        "$bad token has 2 parts instead of 3$about" ],

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
    [ 'quotes in a cookie', '/cookie', ["Cookie: jwt=\"$token\""],
        "$bad JOSE header is not base64url: a quotation mark is in front of the token" ],

    # times
    [ 'a clock that is slow', '/', [bearer(sign($key, '{"nbf":"now+300"}'))],
        "$bad not yet valid: nbf T, now T, leeway 0, N s ahead: $clocks$about" ],
    [ 'a clock that is fast', '/', [bearer(sign($key, '{"exp":"now-300"}'))],
        "$bad expired: exp T, now T, leeway 0, N s ago: $clocks$about" ],
    [ 'a token of yesterday', '/', [bearer(sign($key, '{"exp":"now-86400"}'))],
        "$bad expired: exp T, now T, leeway 0$about" ],
    [ 'milliseconds', '/', [bearer(sign($key, "{\"nbf\":${now}000}"))],
        "$bad not yet valid: nbf T, now T, leeway 0, which may be milliseconds where seconds are needed$about" ],
    [ 'a time as text', '/', [bearer(sign($key, "{\"exp\":\"$now\"}"))], "$bad claim \"exp\" is not a number$about" ],
    [ 'padding', '/', [bearer("$token=")], "$bad signature is base64url with padding$about" ],
) {
    my ($name, $uri, $lines, $expected) = @$_;
    jwt_logged($t);
    my $response = ask($uri, @$lines);
    my $log = jwt_logged($t) =~ s/\b(exp|nbf|now) \d+/$1 T/gr =~ s/, \d+ (?=s ago|s ahead)/, N /r;
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

### a token that does not fit nginx's buffers, of which only nginx has a line

my $large = sign($key, '{"groups":"' . 'a' x 9000 . '"}');
jwt_logged($t);
my $response = get('/', $large);
is(status($response) . ' ' . jwt_logged($t), '400 ', 'a token of 12 KB: 400, and no line of auth_jwt');
like($response, qr/Request Header Or Cookie Too Large/, "nginx's page");
like($t->read_file('error.log'), qr/\[info\] .* client sent too long header line/, "nginx's line");

### the cure of a clock that is wrong

is(verdict(get('/late', sign($key, '{"exp":"now-280","nbf":"now+290"}'))), '404', 'auth_jwt_leeway');

### HTTP/2: browsers send each cookie in a line of its own

my $http2 = sub { http2_curl('/', map { "-H 'cookie: $_'" } @_) =~ m{^HTTP/2 (\d+)} ? $1 : 'none' };
is($http2->('a=b', "jwt=$token"), '404', 'HTTP/2, the second cookie is the token');
is($http2->('a=b', 'jwt='), '401', 'HTTP/2, the second cookie is empty');
