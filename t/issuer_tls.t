#!/usr/bin/perl

# auth_jwt_issuer, TLS: whose certificate nginx accepts, client certificates, and files that are
# wrong.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Certificates;
use Issuers;
use Jose;
use Provider;

my $key = jwk('ES256', '--kid', 'a');
my $keys = jwks(public($key));

# a name, how the provider behaves, members of the block, and a line of the log if there is a fault
my @cases = (
    ['good', {}, []],
    ['by_ip', { host => '127.0.0.1' }, []],
    ['ssl_name', { certificate => 'other_name' }, ['ssl_name other.example;']],
    ['no_verify', { certificate => 'expired' }, ['ssl_verify off;']],
    ['own_ca', { certificate => 'other_ca' }, ['ssl_trusted_certificate ca2.crt;']],
    ['two_cas', { certificate => 'other_ca' }, ['ssl_trusted_certificate both.crt;']],
    ['pinned', { certificate => 'self_signed' }, ['ssl_trusted_certificate self_signed.crt;']],
    ['client', { client_authority => 'ca' }, ['ssl_certificate client.crt;', 'ssl_certificate_key client.key;']],

    ['expired', { certificate => 'expired' }, [], qr/certificate of "localhost" expired at /],
    ['not_yet', { certificate => 'not_yet' }, [], qr/certificate of "localhost" is not valid before /],
    ['other_name', { certificate => 'other_name' }, [], qr/certificate is for "other\.example", not for "localhost"/],
    ['other_ip', { certificate => 'name_only', host => '127.0.0.1' }, [], qr/certificate is for "localhost", not for "127\.0\.0\.1"/],
    ['wrong_ssl_name', {}, ['ssl_name wrong.example;'],
        qr/certificate is for "localhost", "127\.0\.0\.1", not for "wrong\.example"/],
    ['wildcard', { certificate => 'wildcard' }, ['ssl_name a.b.example.com;'],
        qr/certificate is for "\*\.example\.com", not for "a\.b\.example\.com"/],
    ['other_ca', { certificate => 'other_ca' }, [], qr/certificate of "localhost" is signed by "test ca2", which is not trusted/],
    ['system', {}, ['ssl_trusted_certificate;'], qr/certificate of "localhost" is signed by "test ca", which is not trusted/],
    ['self_signed', { certificate => 'self_signed' }, [], qr/certificate of "localhost" is self-signed and not trusted/],
    ['for_clients', { certificate => 'client' }, ['ssl_name nginx.example;'], qr/certificate of "nginx\.example" is not acceptable/],
    ['no_client', { client_authority => 'ca' }, [], qr/TLS refused by the server: .*certificate/],
    ['stranger', { client_authority => 'ca' }, ['ssl_certificate stranger.crt;', 'ssl_certificate_key stranger.key;'],
        qr/TLS refused by the server: /],
    ['no_tls', { plain => 1 }, ['issuer URL;'], qr/TLS failed: .*there may be no TLS at this port/],
    ['ssh', { handshake => 'garbage' }, [], qr/TLS failed: /],
    ['closed', { handshake => 'close' }, [], qr/connection closed by "localhost:\d+" in the TLS handshake/],
    ['reset', { handshake => 'reset' }, [], qr/TLS failed: Connection reset by peer/],
    ['old_tls', { tls_version => 'TLSv1_1' }, [], qr/TLS (?:failed|refused)/],
);

my $t = Test::Nginx->new()->has(qw/ http http_ssl /)->plan(2 * @cases + 17);
provider_certificates($t);
certificate($t, 'not_yet', ['localhost'], authority => 'ca', from => 1);
certificate($t, 'name_only', ['localhost'], authority => 'ca');
certificate($t, 'wildcard', ['*.example.com'], authority => 'ca');
$t->write_file('both.crt', $t->read_file('ca.crt') . $t->read_file('ca2.crt'));

my (%idp, $blocks, $locations);
my $number = 8400;
for my $case (@cases) {
    my ($name, $options, $lines) = @$case;
    my $idp = $idp{$name} = Provider->new($t, $name, $number++, keys => $keys, %$options)->start();
    my @lines = map { s/URL/$idp->issuer() =~ s!^http:!https:!r/er } @$lines;
    my $block = issuer_block($name, $idp, @lines) =~ s/^ *ssl_trusted_certificate;\n//mr;
    $blocks .= $block;
    $locations .= "location /$name/ { auth_jwt_trust $name; }\n";
}

configure($t, $blocks . <<"EOF");
    server {
        listen      127.0.0.1:8080;
        root        html;
        auth_jwt    "r";
        add_header  X-Status \$jwt_status always;
        $locations
    }
EOF
run_quietly($t);

my $log = '';
for my $case (@cases) {
    my ($name, $options, undef, $line) = @$case;
    my $idp = $idp{$name};
    my $token = token_of($idp, $key, $name eq 'no_tls' ? (iss => $idp->issuer() =~ s/^http:/https:/r) : ());
    if ($line) {
        wait_longer(sub { ($log .= "\n" . fetch_logged($t)) =~ /^\w+ issuer "$name".*$line/m });
        my @own = $log =~ /^(\w+ issuer "$name".*)$/mg;
        like(((grep { /$line/ } @own), @own, 'nothing')[0], qr/^(?:error|warn) .*$line/, "$name, log");
        is(jwt_status(get("/$name/", $token)), '500 keys_unavailable', "$name, a token");
    } else {
        is(await_issuer("/$name/", $token, '404 ok'), '404 ok', "$name, a token");
        is($idp->asked('jwks'), 1, "$name, fetches of keys");
    }
}

# what the server was asked for in the handshake
my $sni = sub { my %names = map { ("\"$_->[1]\"" => 1) } grep { $_->[0] eq 'handshake' } $idp{ $_[0] }->events(); join ' ', keys %names };
is($sni->('good'), '"localhost"', 'the name in the handshake');
is($sni->('by_ip'), '""', 'none for an address');
is($sni->('ssl_name'), '"other.example"', 'ssl_name');

### files that are wrong

my $good = $idp{good};
my $tested = sub { return config_test($t, issuer_block('corp', $good, @_)) };
my $emerg = sub { my ($line) = @_; return qr/^\[emerg\] .*$line.* in DIR\/http\.conf:\d+ \| exit 1\z/ };

$t->write_file('empty.pem', '');
$t->write_file('garbage.pem', "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
my $dir = $t->testdir();
system("openssl ec -in $dir/client.key -aes128 -passout pass:secret -out $dir/encrypted.key 2>/dev/null") == 0
    or die "Can't encrypt a key\n";

like($tested->('ssl_trusted_certificate none.crt;'), $emerg->(qr/cannot read "DIR\/none\.crt"/), 'no file');
like($tested->('ssl_trusted_certificate empty.pem;'), $emerg->(qr/no certificate in "DIR\/empty\.pem"/), 'an empty file');
like($tested->('ssl_trusted_certificate garbage.pem;'), $emerg->(qr/invalid certificate in "DIR\/garbage\.pem"/), 'garbage');
like($tested->('ssl_certificate client.crt;'), $emerg->(qr/ssl_certificate_key/), 'no key');
like($tested->('ssl_certificate_key client.key;'), $emerg->(qr/ssl_certificate/), 'no certificate');
like($tested->('ssl_certificate client.crt;', 'ssl_certificate_key stranger.key;'),
    $emerg->(qr/"DIR\/stranger\.key" does not belong to the certificate in "DIR\/client\.crt"/), 'the key of another one');
like($tested->('ssl_certificate client.crt;', 'ssl_certificate_key encrypted.key;'),
    $emerg->(qr/private key in "DIR\/encrypted\.key" is encrypted/), 'an encrypted key');
like($tested->('ssl_certificate client.crt;', 'ssl_certificate_key client.crt;'),
    $emerg->(qr/no valid private key in "DIR\/client\.crt"/), 'a certificate in place of the key');
like($tested->('ssl_verify maybe;'), $emerg->(qr/"maybe"/), 'ssl_verify');

### without verification, and without TLS

like($tested->('ssl_verify off;'), qr/^\[warn\] .*ssl_verify.* in DIR\/http\.conf:\d+ \| exit 0\z/, 'ssl_verify off warns');
is($tested->('issuer https://127.0.0.1:1;'), 'exit 0', 'https does not');
is($tested->('issuer http://127.0.0.1:1;'), 'exit 0', 'nor does http to this machine');
like($tested->('issuer http://192.0.2.1;'), qr/^\[(?:warn|emerg)\] .*insecure.* \| exit \d\z/, 'http to another one asks for "insecure"');
like($tested->('jwks_uri http://192.0.2.1/jwks;'), qr/^\[(?:warn|emerg)\] .*insecure.* \| exit \d\z/, 'likewise jwks_uri');
