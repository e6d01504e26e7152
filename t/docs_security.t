#!/usr/bin/perl

# docs/security.md: the configuration of its checklist loads without a warning and
# refuses what the page says, and each of its lines has a reason. Needs curl.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Certificates;
use Docs;
use ForwardAuth;
use Jose;

use Digest::SHA qw/ sha256 /;
use JSON::PP ();
use MIME::Base64 qw/ decode_base64 encode_base64url /;

my $t = Test::Nginx->new()->has(qw/ http http_ssl proxy limit_req /)->plan(31);
my $d = $t->testdir();

my $page = slurp('../docs/security.md');
my ($conf) = map { $_->{text} } nginx_blocks('docs/security.md');

### each line has a reason

my %obvious = map { $_ => 1 }
    qw/ auth_request events http limit_req_status listen load_module location proxy_pass server server_name
        ssl_certificate ssl_certificate_key auth_jwt_issuer auth_jwt_trust /;
my ($table) = $page =~ /^(\| the line \|.*?)\n\n/ms;
my %reason = map { $_ => 1 } map { /`(\w+)/g } map { /^\| (.*?) \|/ } split /\n/, $table;
my @directives = $conf =~ /^ *(\w+)/mg;
is(join(' ', grep { !$obvious{$_} && !$reason{$_} } @directives), '', 'each directive has a reason');
my %used = map { $_ => 1 } @directives;
is(join(' ', grep { !$used{$_} } sort keys %reason), '', 'each reason has a directive');

### the configuration as it stands there, but for ports and files

# The limit is one of a minute, so that a slow machine reaches it as well.
changed('load_module modules/ngx_http_auth_module.so;' => "%%TEST_GLOBALS%%\ndaemon off;",
    'http {' => "http {\n%%TEST_GLOBALS_HTTP%%", 'listen                443 ssl default_server;' =>
        'listen 127.0.0.1:8443 ssl default_server;',
    'listen                        443 ssl;' => 'listen 127.0.0.1:8443 ssl;',
    '/var/log/nginx/error.log' => "$d/error.log debug",
    'rate=20r/s' => 'rate=1r/m', '127.0.0.1:9000' => '127.0.0.1:8090', '127.0.0.1:9001' => '127.0.0.1:8091');
$t->write_file_expand('nginx.conf', $conf);
use_conf($t, 'auth-proxy.conf');

certificate_authority($t, $_) for qw/ server-ca clients-ca other-ca /;
certificate($t, 'api', ['api.example.com'], authority => 'server-ca');
certificate($t, $_, [$_], authority => 'clients-ca', purpose => 'client') for qw/ alice thief /;
certificate($t, 'foreign', ['alice'], authority => 'other-ca', purpose => 'client');
my $key = jwk('ES256', '--kid', 'k');
my $rsa = jwk('RS256', '--kid', 'r');
$t->write_file('keys.json', jwks('--public', $key, $rsa));
$t->write_file('revoked.json', '{"carol": "left"}');

is(config_test($t), 'exit 0', 'nginx -t warns of nothing');

application($t, 8090);
authority($t, 8091, sub {
    my ($head) = @_;
    return $head =~ m!^X-Original-URI: /reports/denied!m ? (403, []) : (200, ['X-Tenant: acme']);
});
$t->run();

my ($base64) = $t->read_file('alice.crt') =~ /-----\n(.*?)\n-----END/s;
my $thumbprint = encode_base64url(sha256(decode_base64($base64)));

# A token with these claims besides those of a good one; undef leaves a claim out.
sub token {
    my ($claims, %options) = @_;
    my %own = (iss => 'https://id.example.com', aud => 'https://api.example.com', sub => 'alice', client_id => 'app',
        jti => 'j', iat => time - 60, exp => time + 3000, scope => 'orders.read',
        cnf => { 'x5t#S256' => $thumbprint }, %$claims);
    delete $own{$_} for grep { !defined $own{$_} } keys %own;
    return sign($options{key} // $key, JSON::PP::encode_json(\%own), '--header',
        '{"typ":"' . ($options{typ} // 'at+jwt') . '"}');
}

# What comes of a request of this client.
sub https {
    my ($client, $token, $uri, @options) = @_;
    my $port = port(8443);
    push @options, "--cert $d/$client.crt --key $d/$client.key" if $client;
    push @options, "-H 'Authorization: Bearer $token'" if $token;
    my $host = 'api.example.com';
    my $response = `curl -s -S -i --http1.1 --noproxy '*' --cacert $d/server-ca.crt --connect-to ::127.0.0.1:$port @options https://$host:$port$uri 2>&1`;
    Test::Nginx::log_in($response);
    return $response;
}

my $good = token({});
my $invalid = '401 Bearer realm="api", error="invalid_token"';
my $lacks = sub { return qq{403 Bearer realm="api", error="insufficient_scope", scope="$_[0]"} };

### what must be refused

is(verdict(https('alice', '', '/orders/')), '401 Bearer realm="api"', 'no token');
is(jwt_logged($t), 'error no token: no "Authorization" header line', 'the log has refusals');
for my $case (
    ['another client has the token', 'thief', $good,
        'the token is bound to another client certificate than that in $ssl_client_raw_cert'],
    ['a client without a certificate has the token', '', $good,
        'the token is bound to a client certificate, and $ssl_client_raw_cert is empty'],
    ['a token that is not bound', 'alice', token({ cnf => undef }),
        'claim "cnf" is missing, which "auth_jwt_binding tls required" requires'],
    ['another audience', 'alice', token({ aud => 'https://other.example.com' }),
        'issuer "id": aud "https://other.example.com" is not one of its audience: "https://api.example.com"'],
    ['another issuer', 'alice', token({ iss => 'https://id.example.org' }),
        'iss "https://id.example.org" is not that of a trusted issuer: "id" ("https://id.example.com")'],
    ['an ID token', 'alice', token({}, typ => 'JWT'),
        'issuer "id": typ "JWT" is not "at+jwt", which profile rfc9068 requires'],
    ['a token without an end', 'alice', token({ exp => undef }),
        'issuer "id": no access token of RFC 9068: claim "exp" is missing'],
    ['an old token', 'alice', token({ iat => time - 3700 }),
        'issuer "id": too old: iat "IAT", now NOW, max_age 3600'],
    ['another algorithm, of a key of the set', 'alice', token({}, key => $rsa),
        'issuer "id": algorithm "RS256" is not one of its algorithms'],
    ['a user who was revoked', 'alice', token({ sub => 'carol' }),
        'revoked: claim "sub" is "carol"'],
) {
    my ($what, $client, $token, $reason) = @$case;
    my $response = https($client, $token, '/orders/');
    my ($logged) = jwt_logged($t) =~ s/iat "\d+", now \d+/iat "IAT", now NOW/r =~ /^error (.*?);/;
    is(verdict($response) . " $logged", "$invalid $reason", $what);
}
is(status(https('foreign', $good, '/orders/')), 400, 'a certificate of another authority');
is(verdict(https('alice', $good, '/')), $lacks->('admin'), 'a path that nobody has thought of');
is(verdict(https('alice', $good, '/orders/', '-X POST')), $lacks->('orders.write'), 'who may read may not write');
is(verdict(https('alice', $good, '/reports/')), $lacks->('reports.read'), 'reports without their scope');
my $reports = token({ scope => 'reports.read' });
is(status(https('alice', $reports, '/reports/denied')), 403, 'the service refuses');
is(status(https('alice', token({ scope => 'admin' }), '/check')), 404, 'the check is no page');
is(status(https('alice', $good, '/orders/', "-H 'X-Long: " . 'x' x 9000 . "'")), 400, 'a line that is too long');
like(`curl -s -S --noproxy '*' -k --connect-to ::127.0.0.1:@{[port(8443)]} https://other.example.com/ 2>&1`,
    qr/unrecognized name/, 'another host');

### what must pass

my $response = https('alice', $good, '/orders/', "-H 'X-User: mallory' -H 'X_User: mallory' -H 'X-Tenant: evil'");
is(status($response), 200, 'a good token');
is(header_values(got($response), 'x[-_]user'), 'alice', 'the user is that of the token');
is(header_values(got($response), 'authorization'), '', 'the application does not get the token');
is(status(https('alice', token({ scope => 'orders.write' }), '/orders/', '-X POST')), 200, 'who may write');
$response = https('alice', $reports, '/reports/', "-H 'X-Tenant: evil'");
is(status($response), 200, 'the service lets the request in');
is(header_values(got($response), 'x-tenant'), 'acme', 'the tenant is that of the service');

### the limit comes before the check

my $bad = token({}, key => jwk('ES256', '--kid', 'k'));
for (1 .. 60) {
    jwt_logged($t);
    $response = https('alice', $bad, '/orders/');
    last if status($response) eq '429';
}
is(verdict($response), '429', 'too many requests');
is(jwt_logged($t), '', 'the token of one too many is not judged');

# Replaces pieces of the configuration, each of which has to be there.
sub changed {
    while (my ($from, $to) = splice @_, 0, 2) {
        $conf =~ s/\Q$from\E/$to/g or die "no \"$from\" in docs/security.md\n";
    }
}
