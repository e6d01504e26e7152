#!/usr/bin/perl

# Mistakes with what nginx asks: providers of keys (auth_jwt_key_request) and services of
# auth_request. The line of ours names the status and where to look; nginx's own line stands above.
# Each other failure is in auth_jwt_key_request_faults.t and auth_request_faults.t; keys that the
# module fetches itself are in the issuer_*.t.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Certificates;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http http_ssl proxy rewrite /)->plan(23);
my $dir = $t->testdir();

my $key = jwk('HS256', '--kid', 'a');
my $token = sign($key, '{"sub":"user"}');
$t->write_file('keys.json', jwks($key));
mkdir "$dir/html" or die;
mkdir "$dir/html/$_" or die for qw/ page open /;
$t->write_file("html/$_", "the page") for qw{ page/401.html open/401.html login.html };

certificate_authority($t, $_) for qw/ known unknown /;
certificate($t, 'server', ['id.example.com'], authority => 'known');

configure($t, <<'EOF');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         html;
        # A session of a location that does not verify the provider, or does by other means, would do.
        proxy_ssl_session_reuse off;

        # an example for NGINX Plus, with another provider in it
        location /plus/     { auth_jwt "r"; auth_jwt_key_request /_jwks_uri; }
        location = /_jwks_uri { internal; proxy_pass http://127.0.0.1:8081/.well-known/openid-configuration; }
        location /page/     { auth_jwt "r"; auth_jwt_key_file keys.json; error_page 401 /page/401.html; }
        location /open/     { auth_jwt "r"; auth_jwt_key_file keys.json; error_page 401 /open/401.html; }
        location = /open/401.html { auth_jwt off; internal; }
        location /tls/      { auth_jwt "r"; auth_jwt_key_request /_tls; }
        location = /_tls    { internal; proxy_pass https://127.0.0.1:8081/; }
        location /portal/   { auth_jwt "r"; auth_jwt_key_request /_portal; }
        location = /_portal { internal; proxy_pass http://127.0.0.1:8081/login; }
        location /moved/    { auth_jwt "r"; auth_jwt_key_request /_moved; }
        location = /_moved  { internal; proxy_pass http://127.0.0.1:8081/moved; }
        location /typo/     { auth_jwt "r"; auth_jwt_key_request /_jwks_url; }

        location /unknown/  { auth_jwt "r"; auth_jwt_key_request /_unknown; }
        location = /_unknown {
            internal;
            proxy_ssl_verify              on;
            proxy_ssl_trusted_certificate unknown.crt;
            proxy_ssl_name                id.example.com;
            proxy_pass                    https://127.0.0.1:8083/keys;
        }
        location /other/    { auth_jwt "r"; auth_jwt_key_request /_other; }
        location = /_other  {
            internal;
            proxy_ssl_verify              on;
            proxy_ssl_trusted_certificate known.crt;
            proxy_pass                    https://127.0.0.1:8083/keys;
        }
        location /right/    { auth_jwt "r"; auth_jwt_key_request /_right; }
        location = /_right  {
            internal;
            proxy_ssl_verify              on;
            proxy_ssl_trusted_certificate known.crt;
            proxy_ssl_name                id.example.com;
            proxy_pass                    https://127.0.0.1:8083/keys;
        }
        location /variable/ { auth_jwt "r"; auth_jwt_key_request /_variable; }
        location = /_variable { internal; set $provider id.example.com; proxy_pass https://$provider/keys; }
        location /gone/     { auth_jwt "r"; auth_jwt_key_request /_gone; }
        location = /_gone   { internal; proxy_pass http://127.0.0.1:8082; }

        location /down/     { auth_request /_down; }
        location = /_down   { internal; proxy_pass http://127.0.0.1:8082; }
        location /name/     { auth_request /_name; }
        location = /_name   { internal; set $service auth.internal; proxy_pass http://$service; }
        location /strips/   { auth_request /_strips; }
        location = /_strips { internal; proxy_set_header Authorization ""; proxy_pass http://127.0.0.1:8081/bearer; }
        location /passes/   { auth_request /_passes; }
        location = /_passes { internal; proxy_pass http://127.0.0.1:8081/bearer; }
        location /login/    { auth_request /_login; }
        location = /_login  { internal; proxy_pass http://127.0.0.1:8081/moved; }
        location /post/     { auth_request /_post; }
        location = /_post   { internal; proxy_pass http://127.0.0.1:8081/post; }
        location /busy/     { auth_request /_busy; }
        location = /_busy   { internal; proxy_pass http://127.0.0.1:8081/busy; }
        location /nowhere/  { auth_request /_nowhere; }
        location /redirect/ { auth_request /_login; auth_request_deny_status 302; }
    }

    server {
        listen       127.0.0.1:8081;
        server_name  localhost;

        location /.well-known { return 200 '{"issuer":"https://i","jwks_uri":"https://i/keys"}'; }
        location /login       { return 200 '<!DOCTYPE html><html></html>'; }
        location /moved       { return 302 https://login.example.com/; }
        location /post        { if ($request_method != POST) { return 405; } return 204; }
        location /busy        { return 429; }
        location /bearer      { if ($http_authorization = "") { return 401; } return 204; }
    }

    server {
        listen              127.0.0.1:8083 ssl;
        server_name         id.example.com;
        ssl_certificate     server.crt;
        ssl_certificate_key server.key;
        location = /keys    { alias %%TESTDIR%%/keys.json; }
    }
EOF

run_quietly($t);

# The verdict, and the lines of nginx and ours, without what OpenSSL says, which depends on its version.
my $told = sub {
    my ($uri, $token) = @_;
    logged($t, qr/./);
    my $verdict = verdict(get($uri, $token));
    my $log = logged($t, qr/^(?:error|info) (?!client sent invalid method|client closed connection|recv\(\) failed|.* is not found \(2|open\(\))/);
    return join ' | ', $verdict, split /\n/, $log =~ s/(?:SSL_do_handshake\(\) failed|verify error:) \K\(.*?\)$/(...)/mr;
};
my $key_request = sub { "error auth_jwt: key request \"$_[0]\": $_[1]" };
my $unexpected = sub { "error auth request unexpected status: $_[1] from \"$_[0]\": $_[2]" };

### keys

my $above = 'HTTP status 502; the line of nginx above says why, see proxy_pass, proxy_ssl_* and resolver of the location';
is($told->('/plus/', $token), '500 | ' . $key_request->('/_jwks_uri', 'OpenID configuration instead of a JWK Set; the '
    . 'keys are at its jwks_uri "https://i/keys"'), 'the address of the configuration in place of that of the keys');
is($told->('/tls/', $token), '500 | error SSL_do_handshake() failed (...) | ' . $key_request->('/_tls', $above),
    'https without TLS');
is($told->('/unknown/', $token), '500 | error upstream SSL certificate verify error: (...) | ' . $key_request->('/_unknown', $above), 'an authority that is not trusted');
is($told->('/other/', $token), '500 | error upstream SSL certificate does not match "127.0.0.1" | '
    . $key_request->('/_other', $above), 'a certificate for another name');
is($told->('/right/', $token), '404', 'the authority and the name');
is($told->('/variable/', $token), '500 | error no resolver defined to resolve id.example.com | '
    . $key_request->('/_variable', $above), 'keys, a name in a variable without a resolver');
is($told->('/gone/', $token), '500 | error connect() failed (111: Connection refused) | '
    . $key_request->('/_gone', $above), 'a provider that does not run');
is($told->('/portal/', $token), '500 | ' . $key_request->('/_portal', 'HTTP status 200, but HTML or XML instead of a JWK '
    . 'Set; see which location has this URI, and its proxy_pass'), 'a page for browsers');
is($told->('/moved/', $token), '500 | ' . $key_request->('/_moved', 'HTTP status 302; redirects are not followed, '
    . 'proxy_pass needs the final address'), 'keys that have moved');
is($told->('/typo/', $token), '500 | ' . $key_request->('/_jwks_url', 'HTTP status 404; no location has this URI, or '
    . 'nothing is at the address in its proxy_pass'), 'no such location');

### services

is($told->('/down/'), '500 | error connect() failed (111: Connection refused) | ' . $unexpected->('/_down', 502,
    'no connection to the service'), 'a service that does not run');
is($told->('/name/'), '500 | error no resolver defined to resolve auth.internal | ' . $unexpected->('/_name', 502,
    'the service was not asked'), 'a name in a variable without a resolver');
is($told->('/nowhere/'), '500 | ' . $unexpected->('/_nowhere', 404, 'neither allows nor denies; no location has this URI, '
    . 'or nothing is at the address in its proxy_pass'), 'no such location for the service');
is($told->('/login/'), '500 | ' . $unexpected->('/_login', 302, 'neither allows nor denies; auth_request_deny_status '
    . 'passes redirects on to clients'), 'a service that redirects');
is($told->('/redirect/'), '302 | info auth request: denied with status 302 by "/_login"', 'auth_request_deny_status');
is($told->('/post/'), '500 | ' . $unexpected->('/_post', 405, 'neither allows nor denies; the service is asked by GET'),
    'a service that wants POST');
is($told->('/busy/'), '500 | ' . $unexpected->('/_busy', 429, 'neither allows nor denies; auth_request_deny_status passes '
    . 'it on to clients'), 'a service that has had too many requests');
is($told->('/strips/', $token), '401 | info auth request: denied with status 401 by "/_strips"',
    'a location that takes the header away');
is($told->('/passes/', $token), '404', 'a location that does not');

### a page for 401

my $missing = 'info auth_jwt: no token: no "Authorization" header line';
is($told->('/page/x'), join(' | ', '401 Bearer realm="r" + Bearer realm="r"', $missing, $missing),
    'the page itself needs a token: the line is there twice');
unlike(ask('/page/x'), qr/the page/, 'nginx sends its own page then');
is($told->('/open/x'), "401 Bearer realm=\"r\" | $missing", 'a page with auth_jwt off');
like(ask('/open/x'), qr/the page/, 'the client gets it');
