#!/usr/bin/perl

# What is no DPoP proof, or a strange one: its header line, its form, its key and its claims (row 61,
# RFC 9449 sections 4.2 and 4.3).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Dpop;
use Jose;

use JSON::PP qw/ decode_json /;
use MIME::Base64 qw/ encode_base64url /;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(143);

my $key = jwk('ES256', '--kid', 'k');
$t->write_file('keys.json', jwks($key));
configure($t, <<'EOF');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        large_client_header_buffers 8 64k;
        auth_jwt          "r";
        auth_jwt_key_file keys.json;
        auth_jwt_binding  dpop required;
        add_header        X-V "<$jwt_status|$jwt_claim_sub>" always;
        location / { }
    }
EOF
$t->run();

my $client = jwk('ES256', '--no-alg');
my $token = sign($key, '{"sub":"alice","cnf":{"jkt":"' . thumbprint($client) . '"}}');

# What comes of a request with these header lines besides the token.
my $sent = sub {
    my (@lines) = @_;
    jwt_logged($t);
    return dpop_outcome($t, ask('/x', "Authorization: DPoP $token", @lines));
};
my $with = sub { return $sent->('DPoP: ' . dpop_proof($client, $token, @_)) };
my $refused = sub {
    return "401 DPoP realm=\"r\", algs=\"A\", error=\"invalid_dpop_proof\" <binding|> info $_[0]; alg \"ES256\", kid \"k\"";
};
my $bad = sub { $refused->("DPoP proof: $_[0]") };
my $allowed = '404 <ok|alice>';

### the header line (section 4.3, 1 and 2)

my $proof = sub { return dpop_proof($client, $token) };
my $none = 'the token is bound to a key, and there is no "DPoP" header line';
is($sent->(), $refused->($none), 'no line');
is($sent->("X-DPoP: @{[$proof->()]}"), $refused->($none), 'a line with another name');
is($sent->('DPoP: ' . $proof->()), $allowed, 'one line');
is($sent->('dpop:' . $proof->()), $allowed, 'in lower case, without a space');
is($sent->("DPOP:   @{[$proof->()]}  "), $allowed, 'in upper case, with spaces');
my $several = 'more than one "DPoP" header line';
my $twice = $proof->();
is($sent->("DPoP: $twice", "DPoP: $twice"), $refused->($several), 'the same proof twice');
is($sent->('DPoP: ' . $proof->(), 'dpop: ' . $proof->()), $refused->($several), 'two lines, in two spellings');
is($sent->('DPoP: ' . $proof->(), 'DPoP: '), $refused->($several), 'a proof and an empty line');
is($sent->('DPoP:', 'DPoP: ' . $proof->()), $refused->($several), 'an empty line and a proof');
is($sent->('DPoP: ' . $proof->(), 'DPoP: x', 'DPoP: y'), $refused->($several), 'three lines');
my $encrypted = $bad->('an encrypted token (5 parts) where a signed one is expected');
is($sent->('DPoP: ' . $proof->() . ', ' . $proof->()), $encrypted, 'two in one line');
is($sent->('DPoP:'), $bad->('token has 1 part instead of 3'), 'an empty line');
is($sent->('DPoP: x'), $bad->('token has 1 part instead of 3'), 'a word');
is($sent->('DPoP: DPoP ' . $proof->()), $bad->('JOSE header is not base64url'), 'a scheme in front');
is($sent->('DPoP: "' . $proof->() . '"'), $bad->('JOSE header is not base64url'), 'in quotes');
is($sent->('DPoP: ' . $proof->() . '='), $bad->('signature is base64url with padding'), 'padding');
is($sent->('DPoP: ' . $proof->() . ' x'), $bad->('signature is not base64url'), 'something behind it');
is($sent->('DPoP: ' . $proof->() . '.'), $bad->('token has 4 parts instead of 3'), 'four parts');
is($sent->('DPoP: ' . $proof->() =~ s/\.[^.]*\z//r), $bad->('token has 2 parts instead of 3'), 'two parts');
is($sent->('DPoP: ' . $proof->() =~ s/\.[^.]*\z/./r), $bad->('bad signature'), 'no signature');
is($sent->('DPoP: ' . encrypt(jwk('A128KW'), '{}')), $encrypted, 'an encrypted one');
is($sent->("DPoP: $token"), $bad->('header parameter "typ" is not "dpop+jwt"'), 'the token');

### the schemes (section 7.1)

for my $scheme ('DPoP', 'dpop', 'DPOP', 'dPoP') {
    jwt_logged($t);
    my $response = ask('/x', "Authorization: $scheme $token", 'DPoP: ' . $proof->());
    is(dpop_outcome($t, $response), $allowed, "the scheme $scheme");
}
for my $scheme ('Bearer', 'bearer', 'BEARER') {
    jwt_logged($t);
    my $response = ask('/x', "Authorization: $scheme $token", 'DPoP: ' . $proof->());
    is(dpop_outcome($t, $response), $refused->('the token is bound to a key, and sent with the scheme "Bearer" instead of '
        . '"DPoP"') =~ s/invalid_dpop_proof/invalid_token/r, "the scheme $scheme");
}
is(status(ask('/x', "Authorization: DPoP $token", "Authorization: Bearer $token", 'DPoP: ' . $proof->())), 400,
    'both schemes: nginx itself refuses two lines');

### the header of a proof (section 4.3, 4 to 7)

my $public = public($client);
my $with_members = sub { return $public =~ s/\}\z/,$_[0]}/r };
is($with->(typ => $_), $bad->('header parameter "typ" is not "dpop+jwt"'), "typ $_") for
    '"JWT"', '"at+jwt"', '"DPoP+jwt"', '"application/dpop+jwt"', '"dpop+jwt "', '""';
my $wrong_type = sub { $bad->("JOSE header parameter \"$_[0]\" is missing or of the wrong type") };
is($with->(typ => $_), $wrong_type->('typ'), "typ $_") for 'null', '["dpop+jwt"]', '1';
is($with->(alg => $_), $wrong_type->('alg'), "alg $_") for 'null', '["ES256"]', '1';
is($with->(header => "{\"alg\":\"ES256\",\"jwk\":$public}"), $bad->('header parameter "typ" is not "dpop+jwt"'), 'no typ');
is($with->(alg => $_->[0]), $bad->($_->[1]), "alg $_->[0]") for
    map([ "\"$_\"", "algorithm \"$_\" is not supported" ], qw/ none None es256 ES257 /),
    map([ "\"$_\"", "header parameter \"jwk\" is no key for algorithm \"$_\"" ], qw/ HS256 RS256 ES384 EdDSA /);
is($with->(header => "{\"typ\":\"dpop+jwt\",\"jwk\":$public}"), $wrong_type->('alg'), 'no alg');
my $header = sub { return "{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\",\"jwk\":$public$_[0]}" };
is($with->(header => $header->(",$_->[0]")), $bad->($_->[1]), "header: $_->[1]") for
    [ '"crit":["exp"],"exp":1', 'critical JOSE header parameter "exp" is not supported' ],
    [ '"b64":false,"crit":["b64"]', 'unencoded payload is not supported' ],
    [ "\"jwk\":$public", 'JOSE header has the name "jwk" twice' ], [ '"alg":"none"', 'JOSE header has the name "alg" twice' ];
is($with->(header => $header->(',"kid":"k","jku":"https://evil/"')), $allowed, 'header: other parameters are ignored');
is($with->(jwk => $_), $bad->('header parameter "jwk" is not a JSON object'), "jwk $_") for 'null', '"x"', '[]', "[$public]", '1';
is($with->(header => "{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\"$_}"), $bad->('header parameter "jwk" is not a JSON object'),
    "no jwk$_") for '', ',"kid":"k"', ",\"jwks\":{\"keys\":[$public]}", ',"jku":"https://evil/"';

my $secret = sub { $bad->("header parameter \"jwk\" has \"$_[0]\", a member of a private or symmetric key") };
is($with->(jwk => $client), $secret->('d'), 'a private EC key');
is($with->(jwk => $with_members->("\"$_\":null")), $secret->($_), "a key with $_") for qw/ d p k priv /;
is($with->(jwk => jwk('EdDSA'), alg => '"EdDSA"'), $secret->('d'), 'a private OKP key');
is($with->(jwk => jwk('RS256'), alg => '"RS256"'), $secret->('d'), 'a private RSA key');
my $oct = jwk('HS256');
my $symmetric = sign($oct, '{"htm":"GET"}', '--raw-header', "{\"typ\":\"dpop+jwt\",\"alg\":\"HS256\",\"jwk\":$oct}");
is($sent->("DPoP: $symmetric"), $secret->('k'), 'a symmetric key, and its signature');
is($with->(jwk => '{"kty":"oct"}', alg => '"HS256"'), $bad->('header parameter "jwk": member "k" is missing'), 'a symmetric key without its value');
is($with->(jwk => '{}'), $bad->('header parameter "jwk": member "kty" is missing'), 'an empty key');
is($with->(jwk => $with_members->($_)), $bad->('header parameter "jwk" is no key for algorithm "ES256"'), "a key with $_") for
    '"alg":"ES384"', '"use":"enc"', '"key_ops":["sign"]';
is($with->(jwk => $with_members->('"alg":"ES256","use":"sig","key_ops":["verify"],"kid":"x"')), $allowed,
    'a key with all that a public key may have');

### the claims (section 4.3, 3 and 8 to 12)

my $no_text = sub { $bad->("claim \"$_[0]\" is not a string that is not empty") };
for my $claim (qw/ jti htm htu ath /) {
    is($with->($claim => $_), $no_text->($claim), "$claim: " . ($_ // 'missing')) for undef, '""', 'null', '1', '["GET"]';
}
is($with->(iat => $_), $bad->('claim "iat" is not a number'), 'iat: ' . ($_ // 'missing')) for undef, 'null', '"1"', '[1]', 'true';
is($with->(iat => $_), $bad->('iat I, now N, more than 60 seconds apart'), "iat: $_") for
    0, -1, '1e400', '-1e400', '99999999999999999999', time . '000', '-' . time, '0.' . time;
is($with->(iat => $_), $allowed, 'iat: ' . s/\d{8}/N/r) for time . '.5', time . '.999999999', time . '0e-1',
    sprintf('%.9fe9', time / 1e9);
is($with->(htm => $_), $bad->('htm is ' . $_ . ', which is not the method of the request'), "htm: $_") for
    '"get"', '"POST"', '"GET "', '"*"', '"GET,POST"', '"HEAD"';
is($with->(ath => $_), $bad->('ath is not the SHA-256 of the token'), "ath: $_") for '"x"', "\"$token\"",
    '"' . encode_base64url('x' x 32) . '"';
is($with->(exp => '"now-10"', nbf => '"now+10"', sub => '"x"', nonce => '"x"'), $allowed,
    'exp, nbf, and claims that nobody has asked for');
my $double = '"GET","htm":"POST"';
is($with->(htm => $double), $bad->('claims set has the name "htm" twice'), 'htm twice');
is($sent->('DPoP: ' . sign($client, $_->[0], '--alg', 'ES256', '--raw-header', $header->(''))), $bad->("claims set is not $_->[1]"), "claims: $_->[0]") for
    [ '[]', 'a JSON object' ], [ 'x', 'JSON at byte 0' ], [ '', 'JSON at byte 0' ];

### sizes

my $long = '"' . 'j' x 6_000 . '"';
is($with->(jti => $long), $allowed, 'a jti of 6,000 characters');
is($with->(jti => $long), $bad->('it was used before'), 'once more');
is($with->(jti => '"' . 'j' x 5_999 . 'k"'), $allowed, 'another one');
is($with->(jti => '"' . 'j' x 9_000 . '"'), $bad->('claims set is longer than 8192 bytes'), 'a jti of 9,000 characters');
is($sent->('DPoP: ' . 'x' x $_), $bad->("token of $_ bytes is longer than 16384 bytes"), "a line of $_ characters")
    for 16_385, 60_000;
is($sent->('DPoP: ' . 'x' x 16_384), $bad->('token has 1 part instead of 3'), 'a line of 16384 characters');
is($with->(a => '[' x 9 . ']' x 9), $bad->('claims set is nested deeper than 8 levels'), 'deep claims');
is($with->(jti => "\"$_\""), $allowed, 'a jti with any character') for '\\u0000', '\\ud83d\\ude00', "\xc3\xa9 \\\"", ' ';
