#!/usr/bin/perl

# nginx-conf/fapi2-resource-server.conf does what its comments say: clients by mutual
# TLS and by DPoP, thieves, and tokens that the profile forbids. Needs curl.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Certificates;
use Dpop;
use ForwardAuth;
use Jose;

use JSON::PP qw/ encode_json /;
use MIME::Base64 qw/ decode_base64 encode_base64url /;
use Digest::SHA qw/ sha256 /;

my $t = Test::Nginx->new()->has(qw/ http http_ssl proxy rewrite /)->plan(63);
my $dir = $t->testdir();

certificate_authority($t, 'ca');
certificate($t, 'api.example.com', ['api.example.com'], authority => 'ca');
certificate($t, $_, [$_], purpose => 'client') for qw/ a b /;

use_conf($t, 'fapi2-resource-server.conf', 'listen 443 ssl;' => 'listen 127.0.0.1:8443 ssl;',
    '127.0.0.1:9000' => '127.0.0.1:8090', 'https://as.example.com;' => 'http://127.0.0.1:8081;');
configure($t, <<'EOF');
    include fapi2-resource-server.conf;

    # the authorization server
    server {
        listen 127.0.0.1:8081;
        location = /.well-known/openid-configuration {
            return 200 '{"issuer":"http://127.0.0.1:8081","jwks_uri":"http://127.0.0.1:8081/keys"}';
        }
        location = /keys { alias %%TESTDIR%%/keys.json; }
    }
EOF
application($t, 8090);

my %key = map { $_ => jwk($_, '--no-alg', '--kid', $_) } qw/ PS256 ES256 Ed25519 ES384 /;
$t->write_file('keys.json', jwks('--public', values %key));
run_quietly($t);

### tokens and requests

my %dpop = map { $_ => dpop_client($_) } qw/ ES256 RS256 Ed25519 Ed448 /;
my $thief = dpop_client();
my $count = 0;

# What a token is bound to.
sub certificate_of {
    my ($base64) = $t->read_file("$_[0].crt") =~ /-----\n(.*)\n-----END/s;
    return { 'x5t#S256' => encode_base64url(sha256(decode_base64($base64))) };
}
sub key_of { return { jkt => thumbprint($dpop{$_[0]}) } }

# A token with these claims besides those of a good one, which is bound to the certificate
# a; undef leaves a claim out. The numbers "now" are those of Jose.
sub token {
    my ($claims, %options) = @_;
    my %own = (iss => "http://127.0.0.1:@{[port(8081)]}", aud => 'https://api.example.com', sub => 'alice', client_id => 'app',
        iat => 'now', exp => 'now+300', jti => 't' . ++$count, scope => 'accounts.read', cnf => certificate_of('a'), %$claims);
    delete $own{$_} for grep { !defined $own{$_} } keys %own;
    my ($alg, $typ) = ($options{alg} // 'ES256', $options{typ} // 'at+jwt');
    return sign($key{ $options{key} // $alg }, encode_json(\%own), '--alg', $alg, '--header', encode_json({ typ => $typ }));
}

# A request with these options of curl.
sub https {
    my ($uri, @options) = @_;
    my $port = port(8443);
    my $response = `curl -s -S -i -m 60 --http1.1 --cacert $dir/ca.crt --resolve api.example.com:$port:127.0.0.1 @options 'https://api.example.com:$port$uri' 2>&1`;
    Test::Nginx::log_in($response);
    return $response;
}
my $as = sub { return "--cert $dir/$_[0].crt --key $dir/$_[0].key" };
my $authorization = sub { return "-H 'Authorization: $_[0] $_[1]'" };
my $logged = sub { return jwt_logged($t) =~ s/^info (.*?);? (?:alg|iss) .*$/$1/sr };

# The verdict about a request with a certificate, and what the log says.
sub by_tls {
    my ($client, $token, $uri, @options) = @_;
    jwt_logged($t);
    my $response = https($uri // '/accounts/1', $client ? $as->($client) : (), $authorization->('Bearer', $token), @options);
    return join ' ', status($response), $logged->() || ();
}

my $nonce;

# The same of a request with a proof of a client for a token.
sub by_dpop {
    my ($client, $token, %change) = @_;
    jwt_logged($t);
    if (my $alg = $change{alg}) { @change{qw/ alg made_by /} = ("\"$alg\"", $alg) }
    my $proof = ref $client ? $$client
        : dpop_proof($client, $token, htu => '"https://api.example.com/accounts/1"', nonce => "\"$nonce\"", %change);
    my $response = https('/accounts/1', $authorization->('DPoP', $token), "-H 'DPoP: $proof'");
    $nonce = header($response, 'DPoP-Nonce') // $nonce;
    return join ' ', status($response), $logged->() || ();
}

### without the list nobody gets in

is(status(https('/accounts/1', $as->('a'), $authorization->('Bearer', token({})))), '500', 'no list of tokens');
$t->write_file('revoked-tokens.json', '{"stolen":null}');

# nginx may still be fetching the keys
wait_until(sub { by_tls('a', token({})) ne '500' });

### 5.3.4: sender-constrained tokens, by mutual TLS

is(by_tls('b', token({})), '401 the token is bound to another client certificate than that in $ssl_client_raw_cert',
    'a thief with a certificate of his own');
is(by_tls(undef, token({})), '401 the token is bound to a client certificate, and $ssl_client_raw_cert is empty',
    'a thief without a certificate');
is(by_tls('a', token({ cnf => undef })), '401 claim "cnf" is missing, which "auth_jwt_binding any required" requires',
    'a token that is bound to nobody');
is(by_tls('a', token({})), '200', 'the client itself');

### 5.3.4: sender-constrained tokens, by DPoP

my $token = token({ cnf => key_of('ES256') });
my $refused = https('/accounts/1');
is_deeply([headers($refused, 'WWW-Authenticate')], ['DPoP realm="api", algs="PS256 ES256 EdDSA Ed25519"', 'Bearer realm="api"'],
    'no token: the challenges');
is(by_tls('a', $token), '401 the token is bound to a key, and sent with the scheme "Bearer" instead of "DPoP"',
    'a thief with a certificate');
is(by_dpop(\'x', $token), '401 DPoP proof: token has 1 part instead of 3', 'a thief with something else than a proof');
is(by_dpop($dpop{ES256}, $token, nonce => undef), '401 DPoP proof: claim "nonce" is missing, which "auth_jwt_dpop_nonce on" '
    . 'requires', 'the client itself, without a nonce');
is(by_dpop($thief, $token), '401 the token is bound to another key than that of the DPoP proof', 'the proof of a thief');
is(by_dpop($thief, $token, jwk => public($dpop{ES256})), '401 DPoP proof: bad signature', 'a forged proof');
is(by_dpop($dpop{ES256}, $token, htu => '"https://evil.example/accounts/1"'), '401 DPoP proof: htu is '
    . '"https://evil.example/accounts/1", and the request is for "https://api.example.com/accounts/1"', 'a proof for another server');
is(by_dpop($dpop{ES256}, $token, jti => '"a"'), '200', 'the client itself');
is(by_dpop($dpop{ES256}, $token, jti => '"a"'), '401 DPoP proof: it was used before', 'once more');
is(by_dpop($dpop{Ed25519}, token({ cnf => key_of('Ed25519') }), alg => 'EdDSA'), '200', 'a proof with EdDSA');
is(by_dpop($dpop{RS256}, token({ cnf => key_of('RS256') }), alg => 'PS256'), '200', 'a proof with PS256');
is(by_dpop($dpop{$$_[0]}, token({ cnf => key_of($$_[0]) }), alg => $$_[1]), "401 DPoP proof: algorithm \"$$_[1]\" is not one of "
    . 'auth_jwt_dpop_algorithms', "5.4.1: a proof with $$_[1] and a key for $$_[0]")
    for [qw/ RS256 RS256 /], [qw/ Ed448 EdDSA /];
is(by_dpop($dpop{ES256}, token({ cnf => { %{ key_of('ES256') }, %{ certificate_of('a') } } })), '401 the token is bound to a '
    . 'client certificate, and $ssl_client_raw_cert is empty', 'a token that is bound to both needs both');

### 5.3.4: validity, integrity, expiration, revocation

is(by_tls('a', token({}, alg => $_)), '200', "a token with $_") for qw/ PS256 ES256 /;
is(by_tls('a', token({}, alg => $_, key => 'Ed25519')), '200', "a token with $_") for qw/ EdDSA Ed25519 /;
like(by_tls('a', token({}, alg => $$_[0], key => $$_[1])), qr/^401 .*algorithm "$$_[0]"/, "5.4.1: a token with $$_[0]")
    for [qw/ ES384 ES384 /], [qw/ RS256 PS256 /];
for my $case (
    ['exp', undef, 'no exp'], ['exp', 'now-60', 'an expired one'], ['iat', undef, 'no iat'], ['iat', 'now-3700', 'an old one'],
    ['iat', 'now+300', 'one of the future'], ['nbf', 'now+300', 'one that is not valid yet'], ['jti', undef, 'no jti'],
    ['jti', 'stolen', 'a revoked one'], ['aud', 'https://api.example.org', 'for another API'], ['aud', undef, 'no audience'],
    ['iss', 'https://as.example.org', 'of another issuer'], ['iss', undef, 'no issuer'], ['client_id', undef, 'no client_id'],
) {
    like(by_tls('a', token({ $$case[0] => $$case[1] })), qr/^401 ./, "a token: $$case[2]");
}
is(by_tls('a', token({ iat => 'now+5', nbf => 'now+5' })), '200', 'clocks that are five seconds apart');
like(by_tls('a', token({}, typ => 'JWT')), qr/^401 ./, '5.4.1, RFC 8725: a token of another type');
is(by_tls('a', with_part(token({}), 1, sub { s/alice/bobby/ })) =~ s/ .*//sr, '401', 'a token that was changed');
like(by_tls('a', signed_by('', '{"alg":"none","typ":"at+jwt"}', '{}') =~ s/[^.]*$//r), qr/^401 ./, '5.4.1: none');

### 5.3.4: sufficient authorization

my $lacks = sub { return qr/^403 required scope "\Q$_[0]\E" is not granted: / };
like(by_tls('a', token({ scope => $_ })), $lacks->('accounts.read'), "GET with the scope \"$_\"") for '', 'accounts.write';
like(by_tls('a', token({}), '/accounts/1', '-X', $_), $lacks->('accounts.write'), "$_ with the scope accounts.read")
    for qw/ POST DELETE /;
is(by_tls('a', token({ scope => 'accounts.write' }), '/accounts/1', '-X POST'), '200', 'POST with the scope accounts.write');
like(by_tls('a', token({}), '/other'), $lacks->('admin'), 'another path');
$refused = https('/accounts/1', $as->('a'), $authorization->('Bearer', token({ scope => 'x' })));
is_deeply([headers($refused, 'WWW-Authenticate')], [map { $_ . ', error="insufficient_scope", scope="accounts.read"' }
    'DPoP realm="api", algs="PS256 ES256 EdDSA Ed25519"', 'Bearer realm="api"'], 'RFC 6750, section 3.1');

### 5.3.4: no token in the query

$token = token({});
is(by_tls('a', $token, "/accounts/1?access_token=$token"), '400', 'a token in the query as well');
my $in_query = https("/accounts/1?access_token=$token", $as->('a'));
is(status($in_query), '400', 'a token in the query alone');
is(got($in_query), '', 'the application got nothing');

### what the application gets

my $got = got(https('/accounts/1', $as->('a'), $authorization->('Bearer', $token), '-H "X-User: mallory" -H "x_user: mallory"'));
is(header_values($got, 'x-user'), 'alice', 'who the user is');
is(header_values($got, 'x-client'), 'app', 'and the client');
unlike($got, qr/mallory|^authorization/m, 'nothing that the client has made up, and no token');

### 5.2: the network

my $with_cipher = sub { return https('/accounts/1', '--tls-max 1.2 --ciphers', $_[0]) };
is(status($with_cipher->($_)), '401', "TLS 1.2 with $_") for map { "ECDHE-ECDSA-$_" } qw/ AES128-GCM-SHA256 AES256-GCM-SHA384 /;
like($with_cipher->($_), qr/alert handshake failure/, "TLS 1.2 without $_")
    for map { "ECDHE-ECDSA-$_" } qw/ CHACHA20-POLY1305 AES128-SHA256 AES256-SHA AES128-CCM /;
like(https('/accounts/1', '--tlsv1.3 -v'), qr/TLSv1\.3/, 'TLS 1.3');
is(status(http("GET /accounts/1 HTTP/1.0\r\n\r\n", PeerAddr => '127.0.0.1:' . port(8443))), '400', 'no TLS');
