#!/usr/bin/perl

# nginx-conf/jwks-remote.conf with a real OpenID provider, the npm package
# oidc-provider: discovery, tokens from its token endpoint, and keys that change
# while requests run. Needs node, npm and openssl.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use KeyService;
use OidcProvider;
use Test::Nginx::Raw;

use JSON::PP qw/ decode_json /;

my $t = Test::Nginx->new()->has(qw/ http http_ssl proxy rewrite map /)->plan(32);
my $dir = $t->testdir();
my $provider = install_provider();

certificates($dir, qw/ localhost evil.example /);

# the configuration with ports, names and shorter times for the test

my $issuer = 'https://localhost:' . port(8443);
my $conf = slurp('../nginx-conf/jwks-remote.conf');
change($_, \$conf) for
    ['listen 8080;', 'listen 127.0.0.1:8080; error_log %%TESTDIR%%/error.log debug;'],
    ['127.0.0.1:9000', '127.0.0.1:8090'],
    ['https://idp.example.com/jwks', 'https://127.0.0.1:8443/jwks'],
    ['iss eq  https://idp.example.com', "iss eq $issuer"],
    ['proxy_ssl_name                 idp.example.com', 'proxy_ssl_name localhost'],
    ['/etc/ssl/certs/ca-certificates.crt', '%%TESTDIR%%/ca.crt'],
    ['10m stale=1h refresh=10s', '%%CACHE%%'];
my $impatient = $conf =~ s/%%CACHE%%/10m stale=1h refresh=50ms/r;
my $evil = $conf =~ s/%%CACHE%%/0/r =~ s/127\.0\.0\.1:8080/127.0.0.1:8081/r
    =~ s/127\.0\.0\.1:8443/127.0.0.1:8444/r;
my $untrusted = $conf =~ s/%%CACHE%%/0/r =~ s/127\.0\.0\.1:8080/127.0.0.1:8082/r
    =~ s/ca\.crt/evil.example.crt/r;
$t->write_file_expand('jwks-remote.conf', $impatient);
$t->write_file_expand('evil.conf', $evil);
$t->write_file_expand('untrusted.conf', $untrusted);

configure($t, <<'EOF');
    include jwks-remote.conf;
    include evil.conf;
    include untrusted.conf;
    server {
        listen 127.0.0.1:8090;
        return 200 "user=$http_x_user authorization=$http_authorization";
    }
    # by this server the test itself reaches the provider
    server {
        listen 127.0.0.1:8091;
        location / {
            proxy_set_header Host localhost:%%PORT_8443%%;
            proxy_pass https://127.0.0.1:8443;
        }
    }
    # another server with a certificate, which passes the provider's keys on
    server {
        listen 127.0.0.1:8444 ssl;
        ssl_certificate     evil.example.crt;
        ssl_certificate_key evil.example.key;
        location / { proxy_pass https://127.0.0.1:8443; }
    }

EOF

$t->run_daemon('node', '--no-warnings', "$provider/provider.mjs", port(8443),
    "$dir/localhost.crt", "$dir/localhost.key");
wait_until(sub { connected() }) or die "Can't start the provider\n";
run_quietly($t);

### discovery

my $discovery = decode_json(provider('GET', '/.well-known/openid-configuration'));
is($discovery->{issuer}, $issuer, 'issuer');
is($discovery->{jwks_uri}, "$issuer/jwks", 'jwks_uri');
my $set = decode_json(provider('GET', '/jwks'));
is(join(' ', map { $_->{kid} } @{$set->{keys}}), 'key-1', 'one key in the set');

### tokens

my $first = token();
is(token_header($first)->{kid}, 'key-1', 'signed with it');
is(claims($first)->{iss}, $issuer, 'issued by it');

my $forged = sign(jwk('ES256', '--kid', 'key-1'),
    JSON::PP::encode_json({ %{claims($first)}, sub => 'root' }));
is(verdict(get('/', $forged)), '401 Bearer realm="api", error="invalid_token"',
    'forged');
is(verdict(get('/', with_part($first, 1, sub { s/"app"/"root"/ }))),
    '401 Bearer realm="api", error="invalid_token"', 'tampered');
is(verdict(get('/')), '401 Bearer realm="api"', 'no token');
is(body(get('/', $first, 'X-User: root')), 'user=app authorization=', 'good');
is(verdict(get('/', token('https://other.example.com'))),
    '401 Bearer realm="api", error="invalid_token"', 'a token for another API');
is(verdict(get('/jwks', $first)), '404', 'the key location is internal');

### keys that change while requests run

my @statuses;
my $ask = sub { push @statuses, map { verdict(get('/', $_)) } @_ };
for my $n (2 .. 5) {
    is(provider('GET', '/add'), "key-$n", "key $n");
    my $new = token();
    is(token_header($new)->{kid}, "key-$n", "key $n signs");
    # nginx asks for new keys after the time of refresh=
    is(wait_until(sub { $ask->($first); verdict(get('/', $new)) eq '200' }), 1,
        "key $n is known");
    $ask->($first, $new) for 1 .. 10;
}
is(join(' ', grep { $_ ne '200' } @statuses), '', 'no good token was refused during the change');
is(verdict(get('/', $forged)), '401 Bearer realm="api", error="invalid_token"',
    'forged token, after the change of keys');

is(provider('GET', '/drop'), 'key-5', 'keys 1 to 4 dropped');
my $last = token();
# a token with a kid that no key has, which makes nginx look for new keys
my $nobody = sign(jwk('ES256', '--kid', 'nobody'), '{}');
is(wait_until(sub { get('/', $nobody); verdict(get('/', $first)) ne '200' }), 1,
    'a token of a removed key is refused');
is(verdict(get('/', $last)), '200', 'a token of key 5 is accepted');

### a server that is not the provider

for my $case ([8081, 'another name'], [8082, 'another authority']) {
    my ($port, $name) = @$case;
    jwt_logged($t);
    is(verdict(ask({ port => $port }, '/', bearer($last))), '500', $name);
    like(jwt_logged($t), qr/^error key request "\/jwks": HTTP status 502; the line of nginx above says why/m,
        "$name, log");
}

###############################################################################

sub change {
    my ($change, $text) = @_;
    my ($from, $to) = @$change;
    $$text =~ s/\Q$from\E/$to/ or die "no $from in jwks-remote.conf\n";
}

sub provider {
    my ($method, $uri, $form) = @_;
    $form //= '';
    my $response = ask({ method => $method, port => 8091, body => $form }, $uri,
        'Content-Type: application/x-www-form-urlencoded');
    return body($response) || die "no response\n";
}

sub token {
    my ($resource) = @_;
    $resource //= 'https://api.example.com';
    my $response = decode_json(provider('POST', '/token',
        'grant_type=client_credentials&client_id=app&client_secret=secret'
        . "&resource=$resource"));
    return $response->{access_token} // die "no token: $response->{error}\n";
}

sub token_header { return part($_[0], 0) }
sub claims { return part($_[0], 1) }

sub part {
    my ($token, $n) = @_;
    return decode_json(MIME::Base64::decode_base64url((split /\./, $token)[$n]));
}

sub connected { return defined eval { connection(8443) } }
