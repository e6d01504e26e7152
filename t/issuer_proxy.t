#!/usr/bin/perl

# auth_jwt_issuer, proxy: nginx reaches the provider by a proxy with CONNECT.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use ConnectProxy;
use Issuers;
use Jose;
use Provider;

my $t = Test::Nginx->new()->has(qw/ http http_ssl /)->plan(25);
# names that only the proxy knows
provider_certificates($t, 'idp.example', 'localhost');

my $key = jwk('ES256', '--kid', 'a');
my $idp = Provider->new($t, 'corp', 8443, host => 'idp.example', keys => jwks(public($key)))->start();
my $token = token_of($idp, $key);
connect_proxy($t, 8090);

sub conf {
    my ($url) = @_;
    return issuer_block('corp', $idp, "proxy $url;", 'connect_timeout 1s;', 'refresh 1s;', 'stale 1h;') . <<'EOF';
    server {
        listen      127.0.0.1:8080;
        root        html;
        add_header  X-Status $jwt_status always;
        location / { auth_jwt "r"; auth_jwt_trust corp; }
    }
EOF
}
configure($t, conf('http://user:s%3Acret@127.0.0.1:8090'));
proxy_behaves($t, '407');
run_quietly($t);

my $log = fetch_logged($t, qr/issuer/);
like($log, qr/^(?:error|warn) issuer "corp".*proxy "127\.0\.0\.1:\d+": HTTP status 407/, 'status 407, log');
is(jwt_status(get('/', $token)), '500 keys_unavailable', 'status 407');

my %fault = (
    403 => qr/proxy "127\.0\.0\.1:\d+": HTTP status 403/,
    502 => qr/proxy "127\.0\.0\.1:\d+": HTTP status 502/,
    garbage => qr/proxy "127\.0\.0\.1:\d+": no valid response to CONNECT/,
    close => qr/proxy "127\.0\.0\.1:\d+": no valid response to CONNECT/,
    hang => qr/proxy "127\.0\.0\.1:\d+": no response to CONNECT within/,
);
for my $behaviour (sort keys %fault) {
    proxy_behaves($t, $behaviour);
    $log = fetch_logged($t, $fault{$behaviour});
    like($log, qr/^(?:error|warn) issuer "corp".*$fault{$behaviour}/, "proxy: $behaviour, log");
    is(jwt_status(get('/', $token)), '500 keys_unavailable', "proxy: $behaviour");
}

proxy_behaves($t, 'good');
is(await_issuer('/', $token, '404 ok'), '404 ok', 'good');
my $request = (proxy_requests($t))[-1];
my $target = 'idp.example:' . port(8443);
like($request, qr/^CONNECT \Q$target\E HTTP\/1\.1\r\n/, 'the request');
like($request, qr/^Host: \Q$target\E\r$/mi, 'Host');
like($request, qr/^Proxy-Authorization: Basic dXNlcjpzOmNyZXQ=\r$/mi, 'the credentials');
is((grep { $_->[0] eq 'handshake' } $idp->events())[0][1], 'idp.example', 'TLS is with the provider');
unlike(($idp->requests('jwks'))[0], qr/Proxy-Authorization/i, 'which does not get the credentials');

# the certificate is still the provider's
$idp->behave(certificate => 'other_ca');
like(fetch_logged($t, qr/certificate/), qr/^warn issuer "corp".*"test ca2", which is not trusted.*; using the last good keys$/m, 'another authority, by the proxy');
is(jwt_status(get('/', $token)), '404 ok', 'another authority, the last keys are used');
unlike($t->read_file('error.log'), qr/s%3Acret|s:cret|dXNlcjpzOmNyZXQ/, 'no password in the log');

### the configuration

like(config_test($t, conf('https://127.0.0.1:1')), qr/^\[emerg\] .*"https:\/\/127\.0\.0\.1:1".* in DIR\/http\.conf:\d+ \| exit 1\z/, 'https');
like(config_test($t, conf('http://user@127.0.0.1:1')), qr/^\[emerg\] (?!.*user\@).* in DIR\/http\.conf:\d+ \| exit 1\z/, 'half of the credentials');
like(config_test($t, conf('nonsense')), qr/^\[emerg\] .*"nonsense".* in DIR\/http\.conf:\d+ \| exit 1\z/, 'no URL');
is(config_test($t, conf('http://127.0.0.1:1')), 'exit 0', 'without credentials');
