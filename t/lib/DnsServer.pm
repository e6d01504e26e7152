package DnsServer;

# A DNS server on a UDP port of the test, whose answers a test changes while it runs. Its first
# use in a file must be dns_server(), before nginx.conf is written:
#
#     answer_names($t, 'idp.example' => ['127.0.0.1']);
#     dns_server($t, 8953);
#     ... resolver 127.0.0.1:8953 valid=1s; ...

use Auth;
use Exporter qw/ import /;
use IO::Socket::INET ();
use JSON::PP ();
use Socket qw/ AF_INET AF_INET6 inet_pton /;

our @EXPORT = qw/ answer_names dns_questions dns_server /;

my ($A, $AAAA, $IN, $NXDOMAIN) = (1, 28, 1, 3);

# Names and their addresses, of IPv4 and IPv6. A name that is not among them does not exist. A name with
# undef in place of a list gets no answer at all.
sub answer_names {
    my ($t, %names) = @_;
    replace_file($t, 'names', JSON::PP::encode_json(\%names));
}

# The names of the questions of type A since nginx started, in order.
sub dns_questions {
    my ($t) = @_;
    return split /\n/, eval { $t->read_file('questions') } // '';
}

sub dns_server {
    my ($t, $number) = @_;
    my $dir = $t->testdir();
    my $socket = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1:' . port($number, udp => 1))
        or die "Can't listen: $!\n";
    $t->run_daemon(sub {
        while (1) {
            my $peer = $socket->recv(my $query, 512) // next;
            my $answer = _answer($dir, $query) // next;
            $socket->send($answer, 0, $peer);
        }
    });
}

# RFC 1035, section 4. A query has one question and no compressed name.
sub _answer {
    my ($dir, $query) = @_;
    my ($id) = unpack 'n', $query;
    my @labels = unpack '(C/a)*', ($query =~ /\A.{12}(.*?)\0/s)[0];
    my $question = substr $query, 12, 5 + length join('', map { "x$_" } @labels);
    my ($type) = unpack 'n', substr $question, -4;
    my $name = lc join '.', @labels;

    append("$dir/questions", "$name\n") if $type == $A;
    my $names = JSON::PP::decode_json(slurp("$dir/names"));
    my $exists = exists $names->{$name};
    return undef if $exists and !defined $names->{$name};

    my @addresses = grep { $type == (/:/ ? $AAAA : $A) } @{ $names->{$name} // [] };
    my $flags = 0x8180 | ($exists ? 0 : $NXDOMAIN);
    return join '', pack('n6', $id, $flags, 1, scalar @addresses, 0, 0), $question,
        map { pack 'n n n N n/a', 0xc00c, $type, $IN, 1, inet_pton(/:/ ? AF_INET6 : AF_INET, $_) }
        @addresses;
}

1;
