package Certificates;

# Certificate authorities and certificates for tests, as PEM files in the test
# directory: NAME.crt and NAME.key.

use warnings;
use strict;

use Exporter qw/ import /;
use IO::Socket::SSL::Utils;

our @EXPORT = qw/ certificate certificate_authority /;

my $DAY = 24 * 60 * 60;

# certificate_authority() makes one with this name.
sub certificate_authority {
    my ($t, $name) = @_;
    return _write($t, $name, subject => { commonName => "test $name" }, CA => 1,
        purpose => 'ca,cRLSign');
}

# certificate() makes a certificate for these host names and IP addresses. The options are
# authority (the name of one; without it the certificate is self-signed), from (how many days
# from now it begins to be valid, default -10), days (how many days from now it ends, default 2)
# and purpose ("server", the default, or "client").
sub certificate {
    my ($t, $name, $hosts, %options) = @_;
    my $dir = $t->testdir();
    my @issuer;
    if (my $authority = $options{authority}) {
        @issuer = (issuer =>
            [PEM_file2cert("$dir/$authority.crt"), PEM_file2key("$dir/$authority.key")]);
    }
    return _write($t, $name,
        subject => { commonName => $hosts->[0] },
        subjectAltNames => [map { [/^[\d.]+\z|:/ ? 'IP' : 'DNS', $_] } @$hosts],
        not_before => time + ($options{from} // -10) * $DAY,
        not_after => time + ($options{days} // 2) * $DAY,
        purpose => $options{purpose} // 'server',
        @issuer);
}

sub _write {
    my ($t, $name, @options) = @_;
    my ($certificate, $key) = CERT_create(@options, key => KEY_create_ec('prime256v1'));
    $t->write_file("$name.crt", PEM_cert2string($certificate));
    $t->write_file("$name.key", PEM_key2string($key));
}

1;
