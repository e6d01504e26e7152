package Provider;

# An OpenID provider on a port of the test, whose behaviour a test changes while it runs.
# Provider::Server is the process; the two talk by files in the test directory.
#
#     my $idp = Provider->new($t, 'idp', 8443, keys => jwks(public($key)))->start();
#     ... issuer @{[$idp->issuer()]}; ...
#     $idp->behave(jwks => 'hang');
#     is($idp->asked('jwks'), 2, 'fetches of keys');

use Auth;
use Certificates;
use Exporter qw/ import /;
use JSON::PP ();
use Provider::Server;
use Test::Nginx::Waiting qw/ stretched /;
use Time::HiRes qw/ sleep /;

our @EXPORT = qw/ provider_certificates wait_longer /;

my $json = JSON::PP->new()->canonical();

# What a provider does unless the test says something else.
#
# keys           the text of its key set
# issuer         the issuer in its document, default issuer()
# members        more members of its document, as a hash; undef takes one away
# metadata       where it has the document: "openid", "oauth" (RFC 8414), "both" or "none"
# down           true: nothing listens
# handshake      what happens before TLS: "good", "hang", "close", "reset", "garbage"
# certificate    the name of the files of its certificate, see provider_certificates()
# tls_version    the only version of TLS that it speaks, such as "TLSv1_1"
# client_authority  certificates of clients by this authority are required
# tenants        true: below its issuer there is an issuer for each tenant, /t1, /t2 and so on, with
#                the same keys
# discovery, jwks   how it responds to a request for the document or for the keys:
#   "good"
#   "hang"               sends nothing as long as this is its behaviour, then responds
#   "hang_after_header"  likewise, after the header
#   "trickle"            one byte every tenth of a second
#   "close"              closes the connection without a response
#   "reset"              likewise, by RST
#   "garbage"            bytes that are no HTTP
#   "html"               a page, with status 200
#   "half"               half of the body, with the length of the whole
#   "half_chunked"       likewise, chunked
#   "large"              200 MB, chunked
#   "large_length"       200 MB, with their length
#   "endless_header"     header lines as long as somebody reads them
#   "gzip"               Content-Encoding: gzip
#   "redirect URL"       302. There are copies of both documents below /moved, which do not redirect
#   "status N"           this status, with a text that is no JSON
# discovery_lines, jwks_lines   more header lines of a good response
my %GOOD = (
    metadata => 'openid',
    handshake => 'good',
    certificate => 'good',
    discovery => 'good',
    jwks => 'good',
    discovery_lines => [],
    jwks_lines => [],
    members => {},
);

# Makes a provider. The name is that of its files. The options are those above, host (of its
# URL, default "localhost"), path (of its issuer, default none) and plain (true: http).
sub new {
    my ($class, $t, $name, $port, %options) = @_;
    my ($host, $path, $plain) = map { delete $options{$_} } qw/ host path plain /;
    my $self = bless {
        t => $t,
        name => $name,
        number => $port,
        url => join('', $plain ? 'http://' : 'https://', $host // 'localhost', ':', port($port)),
        path => $path // '',
        plain => $plain,
    }, $class;
    $self->{state} = { %GOOD, issuer => $self->issuer(), %options };
    $self->_write();
    return $self;
}

# Runs the provider until the test ends.
sub start {
    my ($self) = @_;
    $self->{t}->run_daemon(\&Provider::Server::serve, $self->{t}->testdir(), $self->{name},
        port($self->{number}), $self->{url}, $self->{path}, $self->{plain});
    $self->_wait_listening();
    return $self;
}

sub issuer { return "$_[0]{url}$_[0]{path}" }
sub url { return $_[0]{url} }

# Its port, and the number that it has in the configuration of the test.
sub port_and_number { return (port($_[0]{number}), $_[0]{number}) }

# Changes its behaviour. New connections and requests see it when this returns.
sub behave {
    my ($self, %changes) = @_;
    $self->{state} = { %{ $self->{state} }, %changes };
    $self->_write();
    $self->_wait_listening();
    return $self;
}

# Ends all faults: the keys, the issuer and the extra members stay as they are.
sub recover {
    my ($self) = @_;
    return $self->behave(%GOOD, down => 0, client_authority => undef,
        map { $_ => $self->{state}{$_} } qw/ members metadata /);
}

# How often it was asked for "discovery" or for "jwks", or how many "connect"ions there were,
# or "handshake"s that were finished, since the last forget().
sub asked {
    my ($self, $what) = @_;
    return scalar grep { $_->[0] eq $what } $self->events();
}

# Waits until it was asked so often, and returns how often it was.
sub wait_asked {
    my ($self, $what, $count) = @_;
    wait_longer(sub { $self->asked($what) >= $count });
    return $self->asked($what);
}

sub forget {
    my ($self) = @_;
    unlink $self->_file('events');
    return $self;
}

# What happened, in order, each as a list: ["connect"], ["handshake", the name that the client
# asked for], ["no handshake", reason], ["discovery" or "jwks" or "other", header, time],
# ["hangs", "discovery" or "jwks"], ["left"] when the client closes the connection meanwhile,
# ["sent", bytes of a large response].
sub events {
    my ($self) = @_;
    my $text = eval { slurp($self->_file('events')) } // '';
    return map { $json->decode($_) } split /\n/, $text;
}

# The headers of all requests for "discovery", "jwks" or "other" since the last forget().
sub requests {
    my ($self, $what) = @_;
    return map { $_->[1] } grep { $_->[0] eq $what } $self->events();
}

# wait_longer() waits until the condition is true, a minute at most, and returns whether it is:
# after failures nginx makes pauses, and TLS in Perl is slow where other tests run.
sub wait_longer {
    my ($condition) = @_;
    for (1 .. stretched(1200)) {
        return 1 if $condition->();
        sleep 0.05;
    }
    return 0;
}

# provider_certificates() makes the authority "ca", and certificates for localhost and
# 127.0.0.1 by which providers may go: "good", "expired", "other_name", "other_ca" and
# "self_signed"; for a client, "client" by the authority "ca" and "stranger" by another.
sub provider_certificates {
    my ($t, @hosts) = @_;
    @hosts = ('localhost', '127.0.0.1') unless @hosts;
    certificate_authority($t, $_) for qw/ ca ca2 /;
    certificate($t, 'good', \@hosts, authority => 'ca');
    certificate($t, 'expired', \@hosts, authority => 'ca', days => -1);
    certificate($t, 'other_name', ['other.example'], authority => 'ca');
    certificate($t, 'other_ca', \@hosts, authority => 'ca2');
    certificate($t, 'self_signed', \@hosts);
    certificate($t, 'client', ['nginx.example'], authority => 'ca', purpose => 'client');
    certificate($t, 'stranger', ['nginx.example'], authority => 'ca2', purpose => 'client');
}

sub _file { return $_[0]{t}->testdir() . "/$_[0]{name}.$_[1]" }

sub _write {
    my ($self) = @_;
    replace_file($self->{t}, "$self->{name}.state", $json->encode($self->{state}));
}

# The server notes whether it listens.
sub _wait_listening {
    my ($self) = @_;
    my $wanted = $self->{state}{down} ? 0 : 1;
    wait_longer(sub { (eval { slurp($self->_file('listening')) } // '') eq $wanted })
        or die "provider $self->{name}: it does not " . ($wanted ? 'listen' : 'go down') . "\n";
}

1;
