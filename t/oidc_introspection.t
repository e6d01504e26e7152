#!/usr/bin/perl

# nginx-conf/introspection.conf with a real authorization server, the npm package
# oidc-provider: opaque tokens, client authentication, expiry and revocation.
# Needs node, npm and openssl.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use ForwardAuth;
use OidcProvider;
use Test::Nginx::Raw;

use MIME::Base64 ();

my $t = Test::Nginx->new()->has(qw/ http http_ssl proxy rewrite map /)->plan(27);
my $dir = $t->testdir();
my $provider = install_provider();
certificates($dir, qw/ localhost evil.example /);

# The configuration; and its server once more with a wrong password, and with another
# authority.

my @common = ('127.0.0.1:9000' => '127.0.0.1:8090',
    'https://id.example.com/introspect' => 'https://127.0.0.1:8443/token/introspection',
    'id.example.com;' => 'localhost;', '/etc/ssl/certs/ca-certificates.crt' => '%%TESTDIR%%/ca.crt');
for my $case (
    ['password', 8081, 'introspection-client.conf;' => 'wrong-client.conf;'],
    ['authority', 8082, '%%TESTDIR%%/ca.crt' => '%%TESTDIR%%/evil.example.crt'],
    ['good', 8080],
) {
    my ($name, $port, @changes) = @$case;
    use_conf($t, 'introspection.conf', 'listen 8080' => "listen 127.0.0.1:$port", @common, @changes);
    my $conf = $t->read_file('introspection.conf');
    $conf =~ s/^.*?^server/server/ms unless $name eq 'good';
    $t->write_file("$name.conf", $conf);
}

# the password is percent-encoded before it becomes Base64 (RFC 6749 section 2.3.1)
my $client = sub { 'proxy_set_header Authorization "Basic ' . MIME::Base64::encode_base64($_[0], '') . "\";\n" };
$t->write_file('introspection-client.conf', $client->('api:p%2Bss%2Fw%20rd'));
$t->write_file('wrong-client.conf', $client->('api:wrong'));

configure($t, <<'EOF');
    include good.conf;
    include password.conf;
    include authority.conf;
    # by this server the test itself reaches the provider
    server {
        listen 127.0.0.1:8091;
        location / {
            proxy_set_header Host localhost:%%PORT_8443%%;
            proxy_pass https://127.0.0.1:8443;
        }
    }
EOF

application($t, 8090);
$t->run_daemon('node', '--no-warnings', "$provider/provider.mjs", port(8443),
    "$dir/localhost.crt", "$dir/localhost.key");
wait_until(sub { defined eval { connection(8443) } }) or die "Can't start the provider\n";
run_quietly($t);

my $api = 'https%3A%2F%2Fapi.example.com';
my $mint = sub {
    my ($sub, $scope, $aud, $seconds) = @_;
    return body(ask({ port => 8091 }, "/mint?sub=$sub&scope=$scope&aud=$aud&seconds=$seconds"));
};
my $verdict = sub {
    my ($token, $port) = @_;
    my $r = ask({ port => $port // 8080 }, '/a', bearer($token), 'X-User: mallory', 'X_User: mallory');
    return join ' ', grep { length } status($r), header_values($r, 'WWW-Authenticate'),
        header_values(got($r), 'x-user'), header_values(got($r), 'x-client');
};
my $invalid = '401 Bearer realm="api", error="invalid_token"';

### tokens that are refused

my $token = $mint->('bob', 'orders.read', $api, 600);
like($token, qr/^[\w-]{20,}$/, 'an opaque token');
is($verdict->(undef), '401 Bearer realm="api"', 'no token');
is($verdict->('x' x 43), $invalid, 'a token that nobody issued');
is($verdict->($token . 'x'), $invalid, 'one character more');
is($verdict->(substr $token, 1), $invalid, 'one character less');
is($verdict->('api'), $invalid, 'the name of a client');
is($verdict->($mint->('bob', 'orders.read', '', 600)), $invalid, 'no audience');
is($verdict->($mint->('bob', 'orders.read', 'https%3A%2F%2Fother.example.com', 600)), $invalid, 'another API');
is($verdict->($mint->('bob', 'orders.write', $api, 600)),
    '403 Bearer realm="api", error="insufficient_scope", scope="orders.read"', 'another scope');
my $bound = $mint->('bob', 'orders.read', $api, '600&jkt=' . 'A' x 43);
like($bound, qr/^[\w-]{20,}$/, 'an opaque token that is bound to a key');
is($verdict->($bound), $invalid, 'nobody checks the key: the token is refused');
is($verdict->($token, 8081), '503', 'a wrong password of this API');
like($t->read_file('error.log'), qr/auth request unexpected status: 500 from "\$introspection": neither allows nor denies, in place of status 401 of the service/,
    'a wrong password of this API, log');
is($verdict->($token, 8082), '503', 'the certificate of another authority');
like($t->read_file('error.log'), qr/certificate verify/, 'the certificate of another authority, log');

### good tokens

is($verdict->($token), '200 bob app', 'a good token');
is($verdict->($token), '200 bob app', 'a good token, out of the cache');
is($verdict->($mint->('alice', 'x+orders.read+y', $api, 600)), '200 alice app', 'several scopes');
is($verdict->($token, 8081), '503', 'a verdict of another location does not count');

my $short = $mint->('carol', 'orders.read', $api, 2);
is($verdict->($short), '200 carol app', 'a token of two seconds');
is(wait_until(sub { $verdict->($short) eq $invalid }), 1, 'the verdict ends with the token');

my $revoked = $mint->('dave', 'orders.read', $api, 600);
is(body(ask({ port => 8091 }, "/revoke?token=$revoked")), 'revoked', 'revocation');
is($verdict->($revoked), $invalid, 'a revoked token');

# a token of client_credentials for a resource is a JWT, which this provider does not store

my $response = body(ask({ method => 'POST', port => 8091, body => 'grant_type=client_credentials&client_id=app'
    . "&client_secret=secret&resource=$api" }, '/token', 'Content-Type: application/x-www-form-urlencoded'));
my ($jwt) = $response =~ /"access_token":"([^"]+)"/;
like($jwt, qr/^eyJ/, 'a JWT');
is($verdict->($jwt), $invalid, 'a JWT, which the provider does not know');
is(status(ask('/introspect', bearer($token))), 404, 'the location of the question is internal');
is(status(ask('/healthz')), 204, 'health check');
