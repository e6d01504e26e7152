#!/usr/bin/perl

# The OpenID provider, the DNS server and the CONNECT proxy that the tests of issuers use, seen
# by curl: each behaviour is what its name says. nginx only resolves a name here.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use ConnectProxy;
use DnsServer;
use Jose;
use JSON::PP qw/ decode_json /;
use Provider;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)->plan(82);
my $dir = $t->testdir();
answer_names($t, 'a.example' => ['127.0.0.1'], 'b.example' => ['::1', '127.0.0.1'], 'empty.example' => [], 'silent.example' => undef);
dns_server($t, 8953);

configure($t, <<'EOF');
    server {
        listen    127.0.0.1:8080;
        resolver  127.0.0.1:8953 valid=1s;
        resolver_timeout 1s;
        location / { proxy_pass http://$arg_host:%%PORT_8081%%; }
    }
    server {
        listen 127.0.0.1:8081;
        return 200 reached;
    }
EOF

provider_certificates($t);
connect_proxy($t, 8090);
$t->run();

my $keys = jwks(public(jwk('ES256', '--kid', 'a')));
my $idp = Provider->new($t, 'idp', 8443, keys => $keys)->start();
my $other = Provider->new($t, 'other', 8444, plain => 1, path => '/realms/main', metadata => 'both')->start();
my $well_known = '/.well-known/openid-configuration';

### the documents

my $document = decode_json(curl($idp->issuer() . $well_known));
is($document->{issuer}, 'https://localhost:' . port(8443), 'issuer');
is($document->{jwks_uri}, $idp->issuer() . '/jwks', 'jwks_uri');
is(curl($document->{jwks_uri}), $keys, 'keys');
is($idp->asked('discovery') . ' ' . $idp->asked('jwks'), '1 1', 'each was asked once');
is($idp->asked('connect') . ' ' . $idp->asked('handshake'), '2 2', 'connections');
like(($idp->requests('jwks'))[0], qr!^GET /jwks HTTP/1\.1\r\nHost: localhost:!, 'the request for keys');
is((grep { $_->[0] eq 'handshake' } $idp->events())[0][1], 'localhost', 'the name in the handshake');
is(curl($idp->issuer() . '/.well-known/oauth-authorization-server'), 'curl 22', 'no RFC 8414 here');
$idp->behave(metadata => 'none');
is(curl($idp->issuer() . $well_known), 'curl 22', 'no document');
$idp->behave(metadata => 'openid', issuer => 'https://other.example', members => { jwks_uri => undef, x => 1 });
$document = decode_json(curl($idp->issuer() . $well_known));
is($document->{issuer}, 'https://other.example', 'another issuer in the document');
is(exists $document->{jwks_uri}, '', 'no jwks_uri');
is($document->{x}, 1, 'a further member');

is($other->issuer(), 'http://localhost:' . port(8444) . '/realms/main', 'an issuer with a path');
is(decode_json(curl($_))->{issuer}, $other->issuer(), $_)
    for $other->url() . "/realms/main$well_known",
        $other->url() . '/.well-known/oauth-authorization-server/realms/main';
is($idp->forget()->asked('connect'), 0, 'forgotten');

### faults

$idp->behave(issuer => $idp->issuer(), members => {}, jwks_lines => ['Cache-Control: max-age=5']);
my $jwks = $idp->issuer() . '/jwks';
like(curl('-i', $jwks), qr/^Cache-Control: max-age=5\r$/m, 'a further line');

# a behaviour, and the exit code of curl
my @faults = (
    [{ down => 1 }, 7],
    [{ handshake => 'hang' }, 28],
    [{ handshake => 'close' }, 35],
    # curl may see the RST when it connects, or later
    [{ handshake => 'reset' }, '(7|35)'],
    [{ handshake => 'garbage' }, 35],
    [{ certificate => 'expired' }, 60],
    [{ certificate => 'other_name' }, 60],
    [{ certificate => 'other_ca' }, 60],
    [{ certificate => 'self_signed' }, 60],
    [{ jwks => 'hang' }, 28],
    [{ jwks => 'hang_after_header' }, 28],
    [{ jwks => 'trickle' }, 28],
    [{ jwks => 'close' }, 52],
    [{ jwks => 'reset' }, 56],
    [{ jwks => 'garbage' }, 1],
    [{ jwks => 'half' }, 18],
    [{ jwks => 'half_chunked' }, 18],
    [{ jwks => 'large' }, 23],
    [{ jwks => 'large_length' }, 63],
    [{ jwks => 'endless_header' }, 56],
    [{ jwks => 'redirect http://localhost/' }, 47],
    [{ jwks => 'status 503' }, 22],
);
for my $fault (@faults) {
    my ($behaviour, $code) = @$fault;
    my $name = join ' ', %$behaviour;
    $idp->behave(%$behaviour);
    like(curl($jwks), qr/^curl $code\z/, $name);
    $idp->recover();
    is(curl($jwks), $keys, "$name, then good again");
}
$idp->behave(jwks => 'gzip');
is(curl('--compressed', $jwks), $keys, 'gzip');
isnt(curl($jwks), $keys, 'gzip, as it is sent');
$idp->recover()->behave(client_authority => 'ca');
for my $case (['no'], ['another', 'stranger'], ['the right', 'client']) {
    my ($name, $file) = @$case;
    $idp->forget();
    my $got = curl($file ? ('--cert', "$dir/$file.crt", '--key', "$dir/$file.key") : (), $jwks);
    my $is_right = ($file // '') eq 'client';
    is($got eq $keys, $is_right, "$name client certificate");
    is($idp->wait_asked($is_right ? 'handshake' : 'no handshake', 1), 1, "$name client certificate, handshake");
}
$idp->recover();

# a client that leaves, and one that waits
$idp->forget()->behave(jwks => 'hang');
curl($jwks);
is($idp->wait_asked('left', 1), 1, 'a client left');

### names

is(body(ask('/?host=a.example')), 'reached', 'a name');
is(body(ask('/?host=b.example')), 'reached', 'a name with two addresses');
ok($t->read_file('error.log') =~ /name was resolved to ::1$/m, 'one of which is of IPv6');
is(status(ask("/?host=$_.example")), 502, "$_ name") for qw/ empty silent no /;
answer_names($t, 'a.example' => []);
is(wait_until(sub { status(ask('/?host=a.example')) eq '502' }), 1, 'a name that has no address any more');

### the proxy

$idp->recover();
my @proxy = ('--proxy', 'http://127.0.0.1:' . port(8090));
is(curl(@proxy, $jwks), $keys, 'by the proxy');
like((proxy_requests($t))[0], qr/^CONNECT localhost:\d+ HTTP/, 'its request');
# What is no HTTP is 8 for newer versions of curl.
for my $case (['407', '22'], ['garbage', '(?:8|56)'], ['close', '56']) {
    my ($behaviour, $code) = @$case;
    proxy_behaves($t, $behaviour);
    like(curl(@proxy, $jwks), qr/\Acurl $code\z/, "proxy: $behaviour");
}

###############################################################################

# What curl writes, or its exit code if that is not 0. It is 23 if there is more than 1 MB.
sub curl {
    my @options = (qw/ -sS -f -L --max-redirs 0 --max-filesize 8000000 --max-time 1 /,
        '--cacert', "$dir/ca.crt");
    my $command = 'set -o pipefail; curl "$@" 2>/dev/null | head -c 1000000';
    open my $out, '-|', 'bash', '-c', $command, 'curl', @options, @_
        or die "Can't run curl: $!\n";
    local $/;
    my $text = <$out> // '';
    close $out;
    return $? ? 'curl ' . ($? >> 8) : $text;
}
