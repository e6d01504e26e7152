#!/usr/bin/perl

# Each configuration in nginx-conf/ does what its comments say.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use ForwardAuth qw/ use_conf /;
use Jose;

use JSON::PP ();

my $t = Test::Nginx->new()->has(qw/ http rewrite proxy map limit_req /)->plan(77);

# the ports of a configuration become ports of the test

my %ports = ('bearer.conf' => 8081, 'cookie.conf' => 8083, 'encrypted.conf' => 8084, 'nested.conf' => 8085,
    'claims-routing.conf' => 8086, 'jwks-remote.conf' => 8087);

for my $name (keys %ports) {
    use_conf($t, $name, 'listen 8080;' => "listen 127.0.0.1:$ports{$name};", '127.0.0.1:9000' => '127.0.0.1:8090',
        $name eq 'claims-routing.conf' ? ('127.0.0.1:9001' => '127.0.0.1:8092') : (),
        $name eq 'jwks-remote.conf' ? ('https://idp.example.com/jwks' => 'http://127.0.0.1:8093/jwks') : ());
}

# the others have tests of their own

my %others = ('auth-request.conf' => 'nginx_conf_auth_proxy.t',
    'jwt-then-request.conf' => 'nginx_conf_jwt_then_request.t', 'ingress-nginx.conf' => 'nginx_conf_ingress.t',
    'apisix-forward-auth.conf' => 'nginx_conf_apisix.t', 'status.conf' => 'monitoring.t', 'health.conf' => 'kubernetes.t',
    'mcp-resource.conf' => 'nginx_conf_mcp.t',
    map { ("$_.conf" => 'nginx_conf_' . s/-/_/gr . '.t') } qw/ api-gateway auth-proxy oauth2-proxy authgear
        issuers introspection introspection-mixed fapi2-resource-server /);
my @known = sort map { s!.*/!!r } glob('../nginx-conf/*.conf');
is_deeply(\@known, [sort(keys %ports, keys %others)], 'every configuration is tested');
is_deeply([grep { !-e } values %others], [], 'those tests are there');

# An application may take X_User for X-User (row 25).
configure($t, <<'EOF');
    underscores_in_headers on;
    include bearer.conf;
    include cookie.conf;
    include encrypted.conf;
    include nested.conf;
    include claims-routing.conf;
    include jwks-remote.conf;
    server {
        listen 127.0.0.1:8090;
        return 200 "$request_uri user=$http_x_user authorization=$http_authorization claims=$http_x_claims tenant=$http_x_tenant";
    }
    # the identity provider of jwks-remote.conf, whose response takes its time
    server {
        listen 127.0.0.1:8093;
        location = /jwks { limit_rate 300; alias %%TESTDIR%%/issuer-keys.json; }
    }
    server {
        listen 127.0.0.1:8092;
        return 200 "umbra $request_uri user=$http_x_user tenant=$http_x_tenant";
    }
EOF

my $key = jwk('RS256', '--kid', 'k1');
$t->write_file('keys.json', public($key));
$t->write_file('issuer-keys.json', jwks('--public', $key));
my $secret = jwk('A256GCMKW', '--kid', 's1');
my $private = jwk('RSA-OAEP-256', '--kid', 'd1', '--use', 'enc');
$t->write_file('decryption-keys.json', jwks($secret, $private));
$t->run();

###############################################################################

# bearer.conf

my $good = sign($key, '{"sub":"alice","exp":"now+300"}');
my $expired = sign($key, '{"sub":"alice","exp":"now-300"}');

my $r = ask({ port => 8081 }, '/a');
like($r, qr/^HTTP\/1.1 401 /, 'bearer, no token');
like($r, qr/^WWW-Authenticate: Bearer realm="api"\r$/m, 'bearer, no token, challenge');
like(ask({ port => 8081 }, '/a', "Authorization: Bearer $expired"), qr/^HTTP\/1.1 401 /,
    'bearer, expired token');
$r = ask({ port => 8081 }, '/a?b', "Authorization: Bearer $good", 'X-User: mallory', 'X_User: mallory');
like($r, qr/^HTTP\/1.1 200 /, 'bearer, good token');
like($r, qr!\r\n\r\n/a\?b user=alice authorization= claims= tenant=$!,
    'bearer, what the application gets');
like(ask({ port => 8081 }, '/healthz'), qr/^HTTP\/1.1 204 /, 'bearer, open location');

# cookie.conf

$r = ask({ port => 8083 }, '/a');
like($r, qr/^HTTP\/1.1 302 .*^Location: http:\/\/localhost:?\d*\/login\r$/ms, 'cookie, none');
like(ask({ port => 8083 }, '/a', "Cookie: auth_token=$expired"), qr/^HTTP\/1.1 302 /,
    'cookie, expired token');
like(ask({ port => 8083 }, '/a', "Authorization: Bearer $good"), qr/^HTTP\/1.1 302 /,
    'cookie, but bearer');
like(ask({ port => 8083 }, '/a%0d%0aX-A:b'), qr/^HTTP\/1.1 302 (?!.*^X-A)/ms,
    'cookie, nothing gets into the header');
like(ask({ port => 8083 }, '/a?b', "Cookie: a=b; auth_token=$good", 'X-User: mallory', 'X_User: mallory'), qr!^HTTP/1.1 200 .*\r\n\r\n/a\?b user=alice !s,
    'cookie, what the application gets');
$r = ask({ port => 8083 }, '/api/a', "Cookie: auth_token=$expired");
like($r, qr/^HTTP\/1.1 401 .*^WWW-Authenticate: Bearer realm="api", error="invalid_token"\r$/ms,
    'cookie, programs');
like(ask({ port => 8083 }, '/api/a', "Cookie: auth_token=$good"), qr!\r\n\r\n/api/a user=alice !,
    'cookie, programs let in');
like(ask({ port => 8083 }, '/login', 'X-User: mallory', 'X_User: mallory'), qr!\r\n\r\n/login user= !,
    'cookie, login is open');

# encrypted.conf

my $claims = '{"sub":"alice","exp":"now+300"}';
my $bearer = sub { 'Authorization: Bearer ' . $_[0] };
like(ask({ port => 8084 }, '/a', $bearer->($good)), qr/^HTTP\/1.1 401 /, 'encrypted, signed token');
like(ask({ port => 8084 }, '/a', $bearer->(encrypt(jwk('A256GCMKW', '--kid', 's1'), $claims))), qr/^HTTP\/1.1 401 /,
    'encrypted, foreign key');
like(ask({ port => 8084 }, '/a', $bearer->(encrypt($secret, '{"sub":"alice"}'))), qr/^HTTP\/1.1 401 /,
    'encrypted, no exp');
like(ask({ port => 8084 }, '/a', $bearer->(encrypt($secret, '{"sub":"alice","exp":1}'))), qr/^HTTP\/1.1 401 /,
    'encrypted, expired');
like(ask({ port => 8084 }, '/a', $bearer->(encrypt($secret, $claims)), 'X-User: mallory', 'X_User: mallory', 'X-Claims: {}'),
    qr!^HTTP/1.1 200 .*user=alice authorization= claims=\{"sub":"alice","exp":\d+\} !s, 'encrypted');

# nested.conf

like(ask({ port => 8085 }, '/a', $bearer->($good)), qr/^HTTP\/1.1 401 /, 'nested, only signed');
like(ask({ port => 8085 }, '/a', $bearer->(encrypt(public($private), $claims))), qr/^HTTP\/1.1 401 /,
    'nested, only encrypted');
like(ask({ port => 8085 }, '/a', $bearer->(encrypt(public($private), sign(jwk('RS256', '--kid', 'k1'), $claims)))),
    qr/^HTTP\/1.1 401 /, 'nested, signed by somebody else');
like(ask({ port => 8085 }, '/a', $bearer->(encrypt(public($private), $expired))), qr/^HTTP\/1.1 401 /,
    'nested, expired');
like(ask({ port => 8085 }, '/a', $bearer->(encrypt(public($private), $good)), 'X-User: mallory', 'X_User: mallory'),
    qr!^HTTP/1.1 200 .*user=alice authorization=Bearer \Q$good\E !s, 'nested');
like(ask({ port => 8085 }, '/a', $bearer->(encrypt($secret, $good))), qr!user=alice authorization=Bearer \Q$good\E !,
    'nested, with the secret');

# claims-routing.conf

my $users = 0;
my $routed = sub {
    my ($uri, $claims, $typ, $signer) = @_;
    my $own = { sub => 'u' . ++$users, iss => 'https://id.example.com', exp => time + 300,
        'https://example.com/tenant' => 'acme', %$claims };
    my $token = sign($signer // $key, JSON::PP::encode_json($own), '--header',
        JSON::PP::encode_json({ typ => $typ // 'at+jwt' }));
    my $response = ask({ port => 8086 }, $uri, $bearer->($token), 'X-User: mallory', 'X_User: mallory', 'X-Tenant: mallory', 'X_Tenant: mallory');
    my ($status) = $response =~ m!^HTTP/1.1 (\d+)!;
    return $status eq '200' ? $response =~ s/.*\r\n\r\n//sr : $status;
};
my $tenant = sub { return 'https://example.com/tenant' => $_[0] };

is($routed->('/a', { iss => $_ }), 401, 'routing, another issuer')
    for 'https://id.example.org', 'https://id.example.com.mallory', ['https://id.example.com'];
is($routed->('/a', { exp => 1 }), 401, 'routing, expired');
is($routed->('/a', {}, undef, jwk('RS256', '--kid', 'k1')), 401, 'routing, a foreign key');
is($routed->('/a', {}, $_), 401, 'row 45: routing, an ID token') for 'JWT', 'xat+jwt', "at+jwt\n";
is($routed->('/a', { sub => $_ }), 401, 'routing, a user that no limit would count')
    for undef, '', "a\tb", 7, ['a'];
is($routed->('/a', { $tenant->($_) }), 403, "routing, tenant \"$_\"")
    for 'nobody', '', '127.0.0.1:1', 'acme,umbra', 'ACME';
is($routed->('/a', { $tenant->(['acme', 'umbra']) }), 403, 'routing, two tenants');
is($routed->('/a', { $tenant->(undef) }), 403, 'routing, no tenant');
is($routed->('/a?b', { sub => 'alice' }), '/a?b user=alice authorization= claims= tenant=acme',
    'routing, acme');
is($routed->('/a?b', { sub => 'bob', $tenant->('umbra') }), 'umbra /a?b user=bob tenant=umbra',
    'routing, umbra');
is($routed->('/a?b', { sub => 'carol' }, 'application/at+JWT'), '/a?b user=carol authorization= claims= tenant=acme',
    'routing, typ in full');
is($routed->('/admin/', { roles => $_ }), 403, 'routing, no admin')
    for [], ['user', 'administrator'], 'x', undef, ['user,admin'];
is($routed->('/admin/', { roles => ['admin'] }, 'JWT'), 401,
    'row 45: routing, an ID token of an admin');
is($routed->('/admin/', { roles => ['admin'], iss => 'x' }), 401,
    'routing, an admin of another issuer');
is($routed->('/admin/', { roles => ['admin'], sub => '' }), 401, 'routing, an admin without a name');
is($routed->('/admin/', { roles => ['admin'], $tenant->('x') }), 403,
    'routing, an admin of nobody');
like($routed->('/admin/', { roles => ['user', 'admin'] }), qr!^/admin/ user=u\d+ !,
    'routing, admin');

my $statuses = sub {
    my ($plan, $signer) = @_;
    my $one = { sub => "limited by $plan->{plan}", account => $plan };
    return join ' ', map { $routed->('/a', $one, undef, $signer) =~ s/^\/a.*/200/r } 1 .. 12;
};
is($statuses->({ plan => 'none' }, jwk('RS256', '--kid', 'k1')), join(' ', (401) x 12),
    'routing, forged tokens of a user');
like($statuses->({ plan => 'none' }), qr/^(200 ){4}.*429/, 'routing, the low limit, which they left alone');
is($statuses->({ plan => 'gold' }), join(' ', (200) x 12), 'routing, the high limit');
is($routed->('/a', { sub => 'dave' }) =~ s/ .*//r, '/a', 'routing, the limit of a user leaves the others alone');

# jwks-remote.conf. A client that leaves while the keys come ends nothing.

my $remote = sub {
    my ($claims, @lines) = @_;
    my $own = { sub => 'alice', iss => 'https://idp.example.com', aud => 'https://api.example.com',
        exp => time + 300, %$claims };
    return sign($key, JSON::PP::encode_json($own));
};
my $impatient = ask({ port => 8087, start => 1 }, '/a', $bearer->($remote->({})));
close $impatient;
my $jwks = sub { my $response = ask({ port => 8087 }, '/a?b', $bearer->($remote->(@_)), 'X-User: mallory', 'X_User: mallory');
    return $response =~ m!^HTTP/1.1 200! ? body($response) : status($response) };
my $alice = '/a?b user=alice authorization= claims= tenant=';
is($jwks->({}), $alice, 'remote, one audience');
is($jwks->({ aud => ['https://api.example.com', 'https://idp.example.com/userinfo'] }), $alice,
    'remote, several audiences');
is($jwks->({ aud => $_ }), 401, 'remote, another audience')
    for 'https://api.example.org', ['https://idp.example.com/userinfo'], [], undef,
    ['x,https://api.example.com'], 'https://api.example.com,x';
is($jwks->({ iss => $_ }), 401, 'remote, another issuer')
    for 'https://idp.example.org', 'https://idp.example.com/', ['https://idp.example.com'], undef;
is(status(ask({ port => 8087 }, '/jwks', $bearer->($remote->({})))), '404', 'remote, the keys are internal');
