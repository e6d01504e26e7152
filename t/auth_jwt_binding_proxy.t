#!/usr/bin/perl

# auth_jwt_binding tls behind a proxy that ends TLS: each form in which real proxies pass the
# certificate of a client, and thieves (row 61). Needs curl, haproxy and openssl.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Certificates;
use Jose;

use Digest::SHA qw/ sha256 sha256_hex /;
use MIME::Base64 qw/ decode_base64 encode_base64url /;

my $t = Test::Nginx->new()->has(qw/ http http_ssl proxy rewrite /)->has_daemon('haproxy')->plan(67);
my $dir = $t->testdir();

certificate_authority($t, 'ca');
certificate($t, 'server', ['localhost'], authority => 'ca');
certificate($t, $_, [$_], authority => 'ca', purpose => 'client') for qw/ alice bob /;
certificate($t, 'self', ['self'], purpose => 'client');
certificate($t, 'expired', ['expired'], authority => 'ca', purpose => 'client', days => -1);
$t->write_file('server.pem', $t->read_file('server.crt') . $t->read_file('server.key'));

my (%base64, %der);
for my $name (qw/ alice bob self expired ca /) {
    my ($base64) = $t->read_file("$name.crt") =~ /-----BEGIN CERTIFICATE-----\n(.*)\n-----END/s;
    $base64{$name} = $base64 =~ s/\n//gr;
    $der{$name} = decode_base64($base64);
}

my $key = jwk('ES256', '--kid', 'k');
$t->write_file('keys.json', jwks($key));
my %token = map {
    $_ => sign($key, '{"sub":"' . $_ . '","cnf":{"x5t#S256":"' . encode_base64url(sha256($der{$_})) . '"}}')
} qw/ alice bob self expired /;

configure($t, <<'EOF');
    server {
        listen             127.0.0.1:8080;
        auth_jwt           "r";
        auth_jwt_key_file  keys.json;
        auth_jwt_binding   tls cert=$http_client_cert required;
        add_header         X-V "<$jwt_status|$jwt_claim_sub>" always;
        location / { }
    }

    server {
        listen                  127.0.0.1:8081;
        underscores_in_headers  on;
        auth_jwt                "r";
        auth_jwt_key_file       keys.json;
        auth_jwt_binding        tls cert=$http_client_cert required;
        add_header              X-V "<$jwt_status|$jwt_claim_sub>" always;
        location / { }
    }

    # nginx in front
    server {
        listen                  127.0.0.1:8443 ssl;
        ssl_certificate         server.crt;
        ssl_certificate_key     server.key;
        ssl_client_certificate  ca.crt;
        ssl_verify_client       optional_no_ca;
        location / {
            proxy_set_header  Client-Cert $ssl_client_escaped_cert;
            proxy_pass        http://127.0.0.1:8080;
        }
    }
EOF

# HAProxy in front: as RFC 9440 has it, and base64 alone. It takes self-signed certificates as well.
$t->write_file_expand('haproxy.cfg', <<"EOF");
defaults
    mode http
    timeout connect 20s
    timeout client 20s
    timeout server 20s

@{[map { <<"END" } [ 8444, '":%[ssl_c_der,base64]:"' ], [ 8445, '%[ssl_c_der,base64]' ]]}
frontend port_$_->[0]
    bind 127.0.0.1:$_->[0] ssl crt %%TESTDIR%%/server.pem ca-file %%TESTDIR%%/ca.crt verify optional crt-ignore-err all ca-ignore-err all
    http-request del-header Client-Cert
    http-request set-header Client-Cert $_->[1] if { ssl_c_used }
    default_backend nginx

END
backend nginx
    server nginx 127.0.0.1:8080
EOF

$t->run_daemon('haproxy', '-db', '-f', "$dir/haproxy.cfg");
$t->waitforsocket('127.0.0.1:' . port($_)) or die "HAProxy did not start\n" for 8444, 8445;
$t->run();

my $es256 = 'alg "ES256", kid "k"';
my $refused = sub { "401 Bearer realm=\"r\", error=\"invalid_token\" <binding|> info $_[0]; $es256" };
my $none = $refused->('the token is bound to a client certificate, and $http_client_cert is empty');
my $other = $refused->('the token is bound to another client certificate than that in $http_client_cert');

### real proxies

my $by = sub {
    my ($port, $client, $token, @options) = @_;
    push @options, "--cert $dir/$client.crt --key $dir/$client.key" if $client;
    jwt_logged($t);
    my $response = `curl -s -S -i -k -m 20 --http1.1 @options -H 'Authorization: Bearer $token' https://127.0.0.1:@{[port($port)]}/x 2>&1`;
    return join ' ', verdict($response), variables($response), jwt_logged($t) || ();
};
my %proxy = (8443 => 'nginx', 8444 => 'HAProxy, RFC 9440', 8445 => 'HAProxy, base64');
for my $port (sort keys %proxy) {
    my $name = $proxy{$port};
    is($by->($port, $_, $token{$_}), "404 <ok|$_>", "$name: $_") for qw/ alice bob self /;
    is($by->($port, 'bob', $token{alice}), $other, "$name: another certificate");
    is($by->($port, 'self', $token{alice}), $other, "$name: a self-signed certificate");
    is($by->($port, undef, $token{alice}), $none, "$name: no certificate");
    is($by->($port, $_->[0], $token{alice}, "-H 'Client-Cert: :$base64{alice}:'"), $_->[1],
        "$name: the certificate of the client in a header line, " . ($_->[0] // 'no certificate'))
        for [ undef, $none ], [ 'bob', $other ];
}

# RFC 8705 section 6.3 leaves it to the server
is($by->(8443, 'expired', $token{expired}), '400 no variables', 'nginx: refuses an expired certificate itself');
is($by->($_, 'expired', $token{expired}), '404 <ok|expired>', "$proxy{$_}: was told to ignore errors") for 8444, 8445;

### what other proxies write

my $sent = sub {
    my ($token, @lines) = @_;
    jwt_logged($t);
    my $response = get('/x', $token, map { "Client-Cert: $_" } @lines);
    return join ' ', verdict($response), variables($response), jwt_logged($t) || ();
};
my $pem = sub { $t->read_file("$_[0].crt") };
my $escaped = sub { $_[0] =~ s/([^A-Za-z0-9$_[1]])/sprintf '%%%02X', ord $1/ger };
my $envoy = sub { "By=spiffe://cluster.local/ns/a/sa/b;Hash=" . sha256_hex($der{$_[0]}) };
my %form = (
    'Client-Cert of RFC 9440' => sub { ":$base64{$_[0]}:" },
    'Apache: PEM with spaces' => sub { $pem->($_[0]) =~ s/\n/ /gr },
    'Application Load Balancer: PEM, percent-encoded but for +=/' => sub { $escaped->($pem->($_[0]), '+=\/\-') },
    'Traefik: base64' => sub { $base64{$_[0]} },
    'Traefik: base64, percent-encoded' => sub { $escaped->($base64{$_[0]}, '') },
    'Traefik: base64 of a chain' => sub { "$base64{$_[0]},$base64{ca}" },
    'Envoy: the hash' => sub { 'Hash=' . sha256_hex($der{$_[0]}) },
    'Envoy: all fields' => sub { $envoy->($_[0]) . ';Cert="' . $escaped->($pem->($_[0]), '') . "\";Subject=\"CN=$_[0],O=\\\"x\\\"\""
        . ";URI=spiffe://cluster.local/ns/x/sa/y;DNS=$_[0].example" },
);
for my $form (sort keys %form) {
    is($sent->($token{alice}, $form{$form}->('alice')), '404 <ok|alice>', "$form: the client itself");
    is($sent->($token{alice}, $form{$form}->('bob')), $other, "$form: another certificate");
}

### what no proxy should write

my $holds = sub { $refused->("\$http_client_cert holds no client certificate: $_[0]") };
my $alice = 'Hash=' . sha256_hex($der{alice});
my $several = 'it is of several proxies: let Envoy have "SANITIZE_SET"';
is($sent->($token{alice}, $_->[0]), $holds->($_->[1]), "$_->[1]: $_->[2]") for
    [ $envoy->('bob') . ";URI=x;$alice", 'it has no "Hash", or more than one', 'a name of a certificate' ],
    [ $envoy->('bob') . ";URI=x,$alice", $several, 'a name of a certificate' ],
    [ "$alice," . $envoy->('bob'), $several, 'what the client has sent' ],
    [ "$alice, " . $envoy->('bob'), $several, 'what the client has sent, with a space' ],
    [ "$alice;,Hash=" . sha256_hex($der{bob}), $several, 'what the client has sent, with a semicolon' ],
    [ 'By=x;Subject="CN=a"', 'it has no "Hash", or more than one', 'no hash' ],
    [ 'Hash="' . sha256_hex($der{alice}), 'a quotation mark is not closed', 'half of a line' ],
    [ '(null)', 'it is neither PEM nor base64 nor what Envoy writes', '(null)' ],
    [ $pem->('alice') =~ s/\n/ /gr . '-----BEGIN CERTIFICATE-----,Hash=' . sha256_hex($der{bob}), 'something follows the certificate',
        'the same in PEM' ],
    [ "$alice;Subject=\",Hash=" . sha256_hex($der{bob}) . ';URI=x"', 'it has no "Hash", or more than one', 'a quotation mark of the client' ],
    [ "$base64{alice},Hash=" . sha256_hex($der{bob}), 'it is neither PEM nor base64 nor what Envoy writes', 'a certificate that the client has sent, and a hash' ],
    [ "$base64{alice}, $base64{bob}", 'it is neither PEM nor base64 nor what Envoy writes', 'two lines' ],
    [ encode_base64url($der{alice} . "\xff\xff\xff"), 'it is neither PEM nor base64 nor what Envoy writes', 'base64url' ],
    [ sha256_hex($der{alice}), 'it holds no DER', 'the hash alone' ];
is($sent->($token{alice}, ''), $none, 'an empty line');

# nginx before 1.23 has only the first line in the variable
my $lines = sub {
    jwt_logged($t);
    my $response = ask({ port => 8081 }, '/x', @_, bearer($token{alice}));
    return join ' ', verdict($response), variables($response), jwt_logged($t) || ();
};
my ($own, $wrong) = map { ":$base64{$_}:" } qw/ alice bob /;
my $two = $holds->('there is more than one such header line');
is($lines->("Client-Cert: $own"), '404 <ok|alice>', 'one line');
is($lines->("Client_Cert: $own"), '404 <ok|alice>', 'one line, which nginx takes for the same');
is($lines->("Client-Cert: $own", "Client-Cert: $wrong"), $two, 'a line by the client, and one that the proxy has added');
is($lines->("Client-Cert: $own", "client-cert: $own"), $two, 'the same line twice');
is($lines->("Client_Cert: $own", "Client-Cert: $wrong"), $two, 'a line that the proxy has not overwritten');
is($lines->("Client-Cert: $wrong", "CLIENT_CERT: $own"), $two, 'the other way round');
is($lines->('Client-Cert: ', "Client-Cert: $own"), $two, 'an empty line and another one');
is($lines->("X-Client-Cert: $wrong", "Client-Cert: $own"), '404 <ok|alice>', 'a line with another name');
unlike($t->read_file('error.log'), qr/auth_jwt:[^\n]*(?:BEGIN|MII|@{[sha256_hex($der{alice})]})/,
    'no certificate and no hash in a line of auth_jwt');
