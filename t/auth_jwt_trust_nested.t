#!/usr/bin/perl

# auth_jwt_trust with auth_jwt_type nested: the keys of the location decrypt and
# verify nothing, those of the issuer verify and decrypt nothing.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use KeyService;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)->plan(34);

my $corp = jwk('ES256', '--kid', 'a');
my $partner = jwk('ES256', '--kid', 'a');
my $ours = jwk('RSA-OAEP-256', '--kid', 'ours');
my $signer = jwk('ES256', '--kid', 'signer');
my $issuer_secret = jwk('A256KW', '--kid', 'secret');

# The issuer's file has a key that would decrypt, and ours one that would verify.
$t->write_file('corp.json', jwks(public($corp), $issuer_secret));
$t->write_file('partner.json', public($partner));
$t->write_file('ours.json', jwks($ours, public($signer)));
$t->write_file('more.json', jwk('A128KW', '--kid', 'more'));

configure($t, <<'EOF');
    auth_jwt_issuer corp    { issuer corp;    audience api; key_file corp.json; leeway 5m; }
    auth_jwt_issuer partner { issuer partner; audience api; key_file partner.json; algorithms ES256; }
    auth_jwt_issuer typed   { issuer typed;   audience api; key_file corp.json; typ at+jwt; }
    auth_jwt_issuer api     { issuer shared;  audience api; key_file corp.json; }
    auth_jwt_issuer web     { issuer shared;  audience web; key_file partner.json; }

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt           "r";
        auth_jwt_type      nested;
        auth_jwt_trust     corp partner typed;
        auth_jwt_key_file  ours.json;
        add_header         X-V "<$jwt_status|$jwt_verified|$jwt_claim_sub>" always;

        location /file       { }
        location /two        { auth_jwt_key_file ours.json; auth_jwt_key_file more.json; }
        location /flat       { auth_jwt_trust off; auth_jwt_key_file ours.json; auth_jwt_key_file corp.json; }
        location /corp       { auth_jwt_trust corp; }
        location /partner    { auth_jwt_trust partner; }
        location /signed     { auth_jwt_type signed; auth_jwt_trust corp; }
        location /shared     { auth_jwt_trust api web; }
        location /outer-alg  { auth_jwt_algorithms ES256 RSA-OAEP; }
        location /inner-alg  { auth_jwt_algorithms ES384 RSA-OAEP-256; }
        location /request    { auth_jwt_key_request /keys; auth_jwt_key_cache 1h; }
        location /uncached   { auth_jwt_key_request /keys; }
        location = /keys     { internal; auth_jwt off; proxy_pass http://127.0.0.1:8081/keys; }
        location /none       { auth_jwt_key_file corp.json; }
    }
EOF

respond_with($t, 'keys', keys_response(jwks($ours)));
key_service($t, 8081);
$t->run();

my $claims = sub { return "{\"iss\":\"$_[0]\",\"aud\":\"api\",\"sub\":\"ann\"" . ($_[1] // '') . '}' };
my $wrap = sub { encrypt($ours, @_) };
my $token = sub { my ($key, @claims) = @_; return $wrap->(sign($key, $claims->(@claims))) };

my $bearer = '401 Bearer realm="r", error="invalid_token"';
my $about = 'alg "RSA-OAEP-256", kid "ours"';
my $trusted = join ', ', map { "\"$_\" (\"$_\")" } qw/ corp partner typed /;
my $ok = '404 <ok|1|ann>';
my $bad = "$bearer <bad_signature|0|> info bad signature, algorithm \"ES256\", kid \"a\", keys tried: 1; $about";

### refused

for my $where ('/file', '/two', '/request', '/uncached') {
    is(outcome($t, $where, $token->($partner, 'corp')), $bad, "row 47: $where, key of partner, iss of corp");
    is(outcome($t, $where, $token->($signer, 'corp')), "$bearer <unknown_key|0|> info no key with kid \"signer\" for "
        . "ES256: the set has no such kid; $about", "row 47: $where, a key that only decrypts");
}
is(outcome($t, '/flat', $token->($signer, 'corp')), $ok, 'flat key files do both');
is(outcome($t, '/file', encrypt($issuer_secret, sign($corp, $claims->('corp')))), "$bearer <unknown_key|0|> info no "
    . 'key with kid "secret" for A256KW: the set has no such kid',
    'a key of the issuer does not decrypt');
is(outcome($t, '/none', $token->($corp, 'corp')), "$bearer <unknown_key|0|> info no key with kid \"ours\" for "
    . "RSA-OAEP-256: the set has no such kid", 'no key decrypts');
is(outcome($t, '/file', $token->($corp, 'x')), "$bearer <untrusted_issuer|0|> info iss \"x\" is not that of a "
    . "trusted issuer: $trusted; $about", 'unknown issuer');
is(outcome($t, '/file', $wrap->(sign($corp, '{"aud":"api"}'))), "$bearer <untrusted_issuer|0|> info claim \"iss\" is "
    . "missing, trusted issuers: $trusted; $about", 'no issuer inside');
is(outcome($t, '/file', encrypt($ours, sign($corp, '{"aud":"api"}'), '--header', '{"iss":"corp"}')),
    "$bearer <untrusted_issuer|0|> info claim \"iss\" is missing, trusted issuers: $trusted; $about",
    'iss in the header outside, which nobody has signed');
is(outcome($t, '/file', sign($corp, $claims->('corp'))), "$bearer <malformed|0|> info a signed token (3 parts) where "
    . 'an encrypted one is expected, see auth_jwt_type; alg "ES256", kid "a", iss "corp"', 'a signed token');
is(outcome($t, '/signed', $token->($corp, 'corp')), "$bearer <malformed|0|> info an encrypted token (5 parts) where "
    . "a signed one is expected, see auth_jwt_type; $about", 'a nested token where signed ones are expected');
is(outcome($t, '/signed', sign($corp, $claims->('corp'))), $ok, 'signed, with the key file of the server');
is(outcome($t, '/file', $wrap->($claims->('corp'))), "$bearer <malformed|0|> info an encrypted token with claims "
    . "where a nested one is expected, see auth_jwt_type; $about", 'claims that nobody has signed');
is(outcome($t, '/file', $wrap->(sign($corp, '{"iss":"corp","aud":"x"}'))), "$bearer <claim_mismatch|0|> info issuer "
    . "\"corp\": aud \"x\" is not one of its audience: \"api\"; $about", 'another audience');
is(outcome($t, '/file', $wrap->(sign($corp, $claims->('typed'), '--header', '{"typ":"JWT"}'), '--header',
    '{"typ":"at+jwt"}')), "$bearer <claim_mismatch|0|> info issuer \"typed\": typ \"JWT\" is not \"at+jwt\"; "
    . $about, 'row 45: typ in the header outside does not count');
is(outcome($t, '/file', $wrap->(sign($corp, $claims->('corp', ',"exp":1')))), "$bearer <expired|0|> info expired: exp "
    . "1, now N, leeway 300; $about", 'expired, with the leeway of the issuer');
is(outcome($t, '/outer-alg', $token->($corp, 'corp')), "$bearer <unsupported_algorithm|0|> info algorithm "
    . '"RSA-OAEP-256" is not one of auth_jwt_algorithms; kid "ours"', 'the algorithm outside');
is(outcome($t, '/inner-alg', $token->($corp, 'corp')), "$bearer <unsupported_algorithm|0|> info algorithm "
    . "\"ES256\" is not one of auth_jwt_algorithms; $about, iss \"corp\"", 'the algorithm inside');

### accepted

for my $where ('/file', '/two', '/request', '/uncached') {
    my $good = $token->($corp, 'corp', ",\"where\":\"$where\",\"exp\":\"now-60\"");
    is(outcome($t, $where, $good), $ok, "$where, $_") for 'not cached', 'cached';
}
is(outcome($t, '/file', $wrap->(sign($corp, $claims->('typed'), '--header', '{"typ":"at+jwt"}'))), $ok,
    'row 45: typ in the header inside');
my $cached = $token->($corp, 'corp');
is(outcome($t, '/file', $cached), $ok, 'a token of corp');
is(outcome($t, '/partner', $cached), "$bearer <untrusted_issuer|0|> info iss \"corp\" is not that of a trusted "
    . "issuer: \"partner\" (\"partner\"); $about", 'the same token, cached, where only partner is trusted');
