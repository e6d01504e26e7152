#!/usr/bin/perl

# auth_jwt_binding dpop and any: a thief has the token of another client, and the
# proofs that the client has sent before. Needs curl.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Dpop;
use Http2;
use Jose;

use Digest::SHA qw/ sha256 /;
use MIME::Base64 qw/ encode_base64 encode_base64url /;

my $t = Test::Nginx->new()->has(qw/ http http_v2 proxy rewrite access /)->plan(111);

my $key = jwk('ES256', '--kid', 'k');
$t->write_file('keys.json', jwks($key));
mkdir $t->testdir() . '/html' or die;
mkdir $t->testdir() . '/html/folder' or die;
$t->write_file("html/$_", '') for qw{ page.html folder/index.html };

configure($t, <<"EOF", 'worker_processes 2;');
    server {
        listen       127.0.0.1:8080;
        @{[listen_http2($t)]}
        server_name  localhost;
        root         html;

        auth_jwt          "r";
        auth_jwt_key_file keys.json;
        add_header        X-V "<\$jwt_status|\$jwt_claim_sub>" always;
        auth_jwt_binding  dpop;

        location / { }
        location /required { auth_jwt_binding dpop required; }
        location /any { auth_jwt_binding any cert=\$http_client_cert; }
        location /tls { auth_jwt_binding tls cert=\$http_client_cert; }
        location /off { auth_jwt_binding off; }
        location /scope { auth_jwt_require_scope write; }
        location /scopes { auth_jwt_require_scope read; }
        location /attribute { auth_jwt_challenge a=b; }
        location /silent { auth_jwt_challenge off; }
        location /preaccess { auth_jwt_phase preaccess; }
        location /report { auth_jwt_mode report; }
        location /optional { auth_jwt_mode optional; }
        location /denied { satisfy any; deny all; }
        location /cookie { auth_jwt "r" token=\$cookie_token; }
        location /moved { rewrite ^ /page.html last; }
        location /tried { try_files /none /page.html; }
        location /replaced { error_page 404 405 = /page.html; }
        location /public { auth_jwt_dpop_url https://api.example\$request_uri; }
        location /algorithms { auth_jwt_dpop_algorithms PS256 Ed25519; }
        location /to-algorithms { error_page 404 = /algorithms; }
        location /files/ { internal; }
        location /app { auth_jwt off; proxy_pass http://127.0.0.1:8081/accel; }
        location /broken { auth_jwt_dpop_url \$http_x_url; }
        location /strip {
            auth_jwt_strip on;
            proxy_pass http://127.0.0.1:8081;
        }
    }
    server {
        listen 127.0.0.1:8081;
        location / { add_header X-V "<\$http_authorization>"; return 204; }
        location /accel { add_header X-Accel-Redirect /files/x; return 204; }
    }
EOF

$t->run();

### tokens and proofs

my %client = map { $_ => dpop_client() } qw/ a b /;
my $bound_to = sub { return sign($key, '{"sub":"alice","scope":"read","cnf":' . $_[0] . '}') };
my %token = map { $_ => $bound_to->('{"jkt":"' . thumbprint($client{$_}) . '"}') } qw/ a b /;
my $bearer = sign($key, '{"sub":"alice","scope":"read"}');

my $jti = 0;

# A proof of a client for a request. Claims may be changed, or left out with undef.
sub proof {
    my ($client, $token, $uri, %change) = @_;
    $change{jti} //= '"' . ++$jti . '"' unless exists $change{jti};
    return dpop_proof($client{$client}, $token, htu => "\"http://localhost$uri\"", %change);
}

# What comes of a request with these header lines.
my $sent = sub {
    my ($uri, @lines) = @_;
    my %options = ref $uri ? %$uri : ();
    $uri = shift @lines if ref $uri;
    jwt_logged($t);
    return dpop_outcome($t, ask(\%options, $uri, @lines));
};
my $with = sub {
    my ($uri, $token, @proofs) = @_;
    return $sent->($uri, "Authorization: DPoP $token", map { "DPoP: $_" } @proofs);
};

my $allowed = '404 <ok|alice>';
my $challenges = sub { "DPoP realm=\"r\", algs=\"A\"$_[0] + Bearer realm=\"r\"$_[1]" };
my $es256 = 'alg "ES256", kid "k"';
my $bad_proof = sub {
    return '401 ' . $challenges->(', error="invalid_dpop_proof"', ', error="invalid_token"') . " <binding|> info $_[0]; $es256";
};
my $bad_token = sub {
    return '401 ' . $challenges->((', error="invalid_token"') x 2) . " <binding|> info $_[0]; $es256";
};
my $other_key = 'the token is bound to another key than that of the DPoP proof';
my $missing = 'the token is bound to a key, and there is no "DPoP" header line';
my $replayed = 'DPoP proof: it was used before';

### row 61: a thief

is($with->('/x', $token{a}), $bad_proof->($missing), 'no proof');
is($with->('/x', $token{a}, proof('b', $token{a}, '/x')), $bad_token->($other_key), 'the proof of the thief');
is($sent->('/x', "Authorization: Bearer $token{a}"), $bad_token->('the token is bound to a key, and sent with the '
    . 'scheme "Bearer" instead of "DPoP"'), 'as a bearer token');
is($sent->('/x', "Authorization: Bearer $token{a}", 'DPoP: ' . proof('a', $token{a}, '/x')), $bad_token->('the token is '
    . 'bound to a key, and sent with the scheme "Bearer" instead of "DPoP"'), 'as a bearer token, with a proof');
is($with->('/x', $token{a}, proof('a', $token{a}, '/x')), $allowed, 'the client itself');
is($with->('/x', $token{a}, proof('b', $token{a}, '/x')), $bad_token->($other_key), 'a thief, and the token is cached');
is($with->('/x', $token{a}), $bad_proof->($missing), 'no proof, and the token is cached');
is($with->('/x', $token{a}, proof('b', $token{a}, '/x', jwk => public($client{a}))),
    $bad_proof->('DPoP proof: bad signature'), 'the key of the client, and a signature of the thief');
is($with->('/x', $token{a}, proof('a', $token{b}, '/x')), $bad_proof->('DPoP proof: ath is not the SHA-256 of the token'),
    'a proof for another token');
is($with->('/x', $token{a}, proof('a', $token{a}, '/y')), $bad_proof->('DPoP proof: htu is "http://localhost/y", and the '
    . 'request is for "http://localhost/x"'), 'a proof for another address');
is($with->('/x', $token{a}, proof('a', $token{a}, '/x', htu => '"http://evil/x"')), $bad_proof->('DPoP proof: htu is '
    . '"http://evil/x", and the request is for "http://localhost/x"'), 'a proof for another server');
is($sent->('/x', 'Host: evil', "Authorization: DPoP $token{a}", 'DPoP: ' . proof('a', $token{a}, '/x')),
    $bad_proof->('DPoP proof: htu is "http://localhost/x", and the request is for "http://evil/x"'), 'another Host');
is($with->('/x', $token{a}, proof('a', $token{a}, '/x', htm => '"POST"')), $bad_proof->('DPoP proof: htm is "POST", which '
    . 'is not the method of the request'), 'a proof for another method');
is($with->('/x', $token{a}, proof('a', $token{a}, '/x', iat => "\"now$_\"")), $bad_proof->('DPoP proof: iat I, now N, '
    . 'more than 60 seconds apart'), "a proof of another time, now$_") for '-70', '+70';
is($with->('/x', $token{a}, proof('a', $token{a}, '/x', iat => "\"now$_\"")), $allowed, "a proof of now$_")
    for '-50', '+50';
is($with->('/x', $token{a}, proof('a', $token{a}, '/x'), proof('a', $token{a}, '/x')),
    $bad_proof->('more than one "DPoP" header line'), 'two proofs');
is($with->('/x', $token{a}, proof('a', $token{a}, '/x', $_ => undef)), $bad_proof->("DPoP proof: claim \"$_\" is not "
    . ($_ eq 'iat' ? 'a number' : 'a string that is not empty')), "no $_") for qw/ htm htu iat jti ath /;
is($with->('/x', $token{a}, proof('a', $token{a}, '/x', typ => '"JWT"')), $bad_proof->('DPoP proof: header parameter "typ" '
    . 'is not "dpop+jwt"'), 'another kind of token');
is($with->('/x', $token{a}, $token{a}), $bad_proof->('DPoP proof: header parameter "typ" is not "dpop+jwt"'),
    'the token as a proof');
is($with->('/x', $token{a}, proof('a', $token{a}, '/x', jwk => $client{a})), $bad_proof->('DPoP proof: header parameter '
    . '"jwk" has "d", a member of a private or symmetric key'), 'a private key');

### row 61: replay

my $used = proof('a', $token{a}, '/x');
is($with->('/x', $token{a}, $used), $allowed, 'a proof');
is($with->('/x', $token{a}, $used), $bad_proof->($replayed), "once more") for 1 .. 6;
is($with->('/x', $token{a}, proof('a', $token{a}, '/x', jti => '"' . $jti . '"', iat => '"now-5"')), $bad_proof->($replayed),
    'another proof with the same jti');
is($with->('/x', $token{b}, proof('b', $token{b}, '/x', jti => '"' . $jti . '"')), $allowed,
    'the same jti of another client');

for my $round (1 .. 5) {
    my $proof = proof('a', $token{a}, '/x');
    my @sockets = map { ask({ start => 1 }, '/x', "Authorization: DPoP $token{a}", "DPoP: $proof") } 1 .. 20;
    my %count;
    for my $socket (@sockets) {
        my $response = do { local $/; <$socket> };
        $count{status($response)}++;
    }
    is(join(' ', map { "$_: $count{$_}" } sort keys %count), '401: 19 404: 1', "20 at once, round $round");
}
jwt_logged($t);

### what the location says

is($sent->('/x'), '401 ' . $challenges->('', '') . ' <missing|> info no token: no "Authorization" header line', 'no token');
is($sent->('/required'), '401 DPoP realm="r", algs="A" <missing|> info no token: no "Authorization" header line',
    'required: no token');
is($sent->('/attribute'), '401 DPoP realm="r", algs="A", a="b" + Bearer realm="r", a="b" <missing|> info no token: no '
    . '"Authorization" header line', 'attributes');
is($sent->('/silent'), '401 <missing|> info no token: no "Authorization" header line', 'no challenge');
is($sent->('/x', bearer($bearer)), $allowed, 'a bearer token');
is($with->('/x', $bearer), $bad_token->('the token is sent with the scheme "DPoP", and bound to no key'),
    'a bearer token with the scheme DPoP');
is($sent->('/required', bearer($bearer)), '401 DPoP realm="r", algs="A", error="invalid_token" <binding|> info claim '
    . "\"cnf\" is missing, which \"auth_jwt_binding dpop required\" requires; $es256", 'required: a bearer token');
is($with->('/required', $token{a}, proof('a', $token{a}, '/required')), $allowed, 'required: the client itself');
is($sent->('/off', "Authorization: DPoP $token{a}"), '401 Bearer realm="r" <missing|> info no token: the "Authorization" '
    . 'header line has the scheme "DPoP" instead of "Bearer"', 'off: the scheme is unknown');
is($sent->('/off', bearer($token{a})), $allowed, 'off: a bound token is taken like any other');
is($sent->('/tls', bearer($token{a})), '401 Bearer realm="r", error="invalid_token" <binding|> info claim "cnf" has "jkt", '
    . "which \"auth_jwt_binding tls\" cannot check; $es256", 'tls: a token that is bound by DPoP');
is($with->('/scope', $token{a}, proof('a', $token{a}, '/scope')), '403 DPoP realm="r", algs="A", error="insufficient_scope", '
    . 'scope="write" + Bearer realm="r", error="insufficient_scope", scope="write" <insufficient_scope|> info required '
    . "scope \"write\" is not granted: scope is \"read\"; $es256", 'a scope is missing');
is($with->('/scopes', $token{a}, proof('a', $token{a}, '/scopes')), $allowed, 'a scope is granted') for 1, 2;
is($with->('/scopes', $token{a}, proof('b', $token{a}, '/scopes')), $bad_token->($other_key), 'and the thief is refused');
is($with->('/preaccess', $token{a}, proof('a', $token{a}, '/preaccess')), $allowed, 'preaccess: the client itself');
is($with->('/preaccess', $token{a}, proof('b', $token{a}, '/preaccess')), $bad_token->($other_key), 'preaccess: a thief');
is($with->('/optional', $token{a}), $bad_proof->($missing), 'optional: a thief');
is($with->('/report', $token{a}), "404 <binding|> info would refuse: $missing; $es256", 'report: a thief');
is($with->('/denied', $token{a}), $bad_proof->($missing), 'satisfy any: both refuse');
is($with->('/denied', $token{a}, proof('a', $token{a}, '/denied')), $allowed, 'satisfy any: the client itself');
is($sent->('/cookie', "Cookie: token=$token{a}", 'DPoP: ' . proof('a', $token{a}, '/cookie')), $allowed,
    'a token in a cookie');
is($sent->('/cookie', "Cookie: token=$token{a}"), $bad_proof->($missing), 'a token in a cookie, and no proof');
is($with->('/strip', $token{a}, proof('a', $token{a}, '/strip')), '204 <>', 'the token does not go upstream');
is($sent->({ method => 'HEAD' }, '/x', "Authorization: DPoP $token{a}", 'DPoP: ' . proof('a', $token{a}, '/x',
    htm => '"HEAD"')), $allowed, 'another method');
is($sent->('/x', "Authorization: dpop   $token{a}", 'dpop: ' . proof('a', $token{a}, '/x')), $allowed, 'other spellings');

### auth_jwt_dpop_algorithms

# Another kind of key that the client may have, and what comes of its proof.
my $with_alg = sub {
    my ($kind, $alg, $uri) = @_;
    my $client = dpop_client($kind);
    my $token = $bound_to->('{"jkt":"' . thumbprint($client) . '"}');
    return $with->($uri, $token, dpop_proof($client, $token, htu => "\"http://localhost$uri\"", alg => "\"$alg\"",
        made_by => $alg));
};
my $other_alg = sub { return $bad_proof->("DPoP proof: algorithm \"$_[0]\" is not one of auth_jwt_dpop_algorithms")
    =~ s/algs="\KA/PS256 EdDSA Ed25519/r };
is($with_alg->(@$_, '/x'), $allowed, "$$_[1], any algorithm") for [qw/ ES384 ES384 /], [qw/ Ed448 EdDSA /];
is($with_alg->(@$_, '/algorithms'), $other_alg->($$_[1]), "$$_[1] with a key for $$_[0]")
    for [qw/ ES256 ES256 /], [qw/ RS256 RS256 /], [qw/ RS256 PS384 /], [qw/ Ed448 EdDSA /], [qw/ Ed448 Ed448 /];
is($with_alg->(@$_, '/algorithms'), $allowed, "$$_[1] with a key for $$_[0]")
    for [qw/ RS256 PS256 /], [qw/ Ed25519 EdDSA /], [qw/ Ed25519 Ed25519 /];
is($with->('/to-algorithms', $token{a}, proof('a', $token{a}, '/to-algorithms')), $other_alg->('ES256'),
    'an internal redirect to a location with other algorithms');

### the address

is($with->('/x?a=1', $token{a}, proof('a', $token{a}, '/x')), $allowed, 'htu without the query');
is($with->('/x', $token{a}, proof('a', $token{a}, '/x?b#c')), $allowed, 'htu with another query');
is($with->('/x', $token{a}, proof('a', $token{a}, '/x', htu => '"HTTP://LOCALHOST:80/%78"')), $allowed, 'other spellings');
is($with->('/x/a|b', $token{a}, proof('a', $token{a}, '/x/a%7cb')), $allowed, 'a character that no address should have');
is($with->('/public', $token{a}, proof('a', $token{a}, '/x', htu => '"https://api.example/public"')), $allowed,
    'auth_jwt_dpop_url: the address outside');
is($with->('/public', $token{a}, proof('a', $token{a}, '/public')), $bad_proof->('DPoP proof: htu is '
    . '"http://localhost/public", and the request is for "https://api.example/public"'), 'auth_jwt_dpop_url: that inside');
is($with->('/broken', $token{a}, proof('a', $token{a}, '/broken')), $bad_proof->('DPoP proof: the address "" of the request '
    . 'is no URL, see auth_jwt_dpop_url'), 'auth_jwt_dpop_url: an empty one');

### internal redirects judge a request again, with the same proof

for my $uri (qw{ /folder/ /moved /tried /replaced }) {
    my $proof = proof('a', $token{a}, $uri);
    is($with->($uri, $token{a}, $proof), '200 <ok|alice>', "an internal redirect: $uri");
    is($with->($uri, $token{a}, $proof), $bad_proof->($replayed), "once more: $uri");
}
is($sent->({ method => 'DELETE' }, '/replaced', "Authorization: DPoP $token{a}", 'DPoP: ' . proof('a', $token{a},
    '/replaced', htm => '"DELETE"')), '200 <ok|alice>', 'an error page has another method');

### a location is protected that only an internal redirect reaches: nginx's method is GET by then

my $to_files = sub {
    my ($method, $htm) = @_;
    return $sent->({ method => $method }, '/app', "Authorization: DPoP $token{a}",
        'DPoP: ' . proof('a', $token{a}, '/app', htm => "\"$htm\""));
};
is($to_files->('POST', 'GET'), $bad_proof->('DPoP proof: htm is "GET", which is not the method of the request'),
    'X-Accel-Redirect: a proof for another method');
is($to_files->('POST', 'POST'), $allowed, 'X-Accel-Redirect: the method of the client');
is($to_files->('GET', 'GET'), $allowed, 'X-Accel-Redirect: GET');
my $posted = proof('a', $token{a}, '/app', htm => '"POST"', htu => '"http://127.0.0.1:' . port(8083) . '/app"');
like(http2_curl('/app', '-X POST', "-H 'Authorization: DPoP $token{a}'", "-H 'DPoP: $posted'"), qr{^HTTP/2 404},
    'X-Accel-Redirect: HTTP/2');

### any

my $der = "\x30\x03\x02\x01\x05";
my $x5t = encode_base64url(sha256($der));
my $line = 'Client-Cert: :' . encode_base64($der, '') . ':';
my $both = $bound_to->("{\"x5t#S256\":\"$x5t\",\"jkt\":\"" . thumbprint($client{a}) . '"}');
my $tls = $bound_to->("{\"x5t#S256\":\"$x5t\"}");
is($sent->('/any', bearer($tls), $line), $allowed, 'any: a certificate');
is($sent->('/any', bearer($tls)), $bad_token->('the token is bound to a client certificate, and $http_client_cert is empty'),
    'any: no certificate');
is($with->('/any', $token{a}, proof('a', $token{a}, '/any')), $allowed, 'any: a proof');
is($with->('/any', $token{a}), $bad_proof->($missing), 'any: no proof');
is($sent->('/any', "Authorization: DPoP $both", 'DPoP: ' . proof('a', $both, '/any'), $line), $allowed, 'any: both');
is($sent->('/any', "Authorization: DPoP $both", $line), $bad_proof->($missing), 'any: both, and no proof');
is($sent->('/any', "Authorization: DPoP $both", 'DPoP: ' . proof('a', $both, '/any')), $bad_token->('the token is bound '
    . 'to a client certificate, and $http_client_cert is empty'), 'any: both, and no certificate');
is($sent->('/x', "Authorization: DPoP $both", 'DPoP: ' . proof('a', $both, '/x'), $line), $bad_token->('claim "cnf" has '
    . '"x5t#S256", which "auth_jwt_binding dpop" cannot check'), 'dpop: a token that is bound to both');
is($with->('/any', $bound_to->('{}'), 'x'), $bad_token->('claim "cnf" has no "x5t#S256" or "jkt", which '
    . '"auth_jwt_binding any" checks'), 'any: a token that is bound to something else');

### HTTP/2

my $address = '"http://127.0.0.1:' . port(8083) . '/x"';
my $second = proof('a', $token{a}, '/x', htu => $address);
my $statuses = join ' ', map { http2_curl('/x', "-H 'Authorization: DPoP $token{a}'", @$_) =~ m{^HTTP/2 (\d+)} }
    [ "-H 'DPoP: $second'" ], [ "-H 'DPoP: $second'" ], [];
is($statuses, '404 401 401', 'HTTP/2: the client itself, once more, no proof');
jwt_logged($t);

### a reload

$used = proof('a', $token{a}, '/x');
is($with->('/x', $token{a}, $used), $allowed, 'before a reload');
ok(reload_workers($t), 'reloaded');
is($with->('/x', $token{a}, $used), $bad_proof->($replayed), 'once more after a reload');
is($with->('/x', $token{a}, proof('a', $token{a}, '/x')), $allowed, 'another proof after a reload');
