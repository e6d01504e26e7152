package ConnectProxy;

# A proxy for CONNECT (RFC 9110, section 9.3.6) on a port of the test. What it got and what it
# does is in the test directory: proxy.requests and proxy.behaviour.

use Auth;
use Exporter qw/ import /;
use IO::Select ();
use IO::Socket::INET ();
use Test::Nginx::Raw;
use Time::HiRes qw/ sleep /;

our @EXPORT = qw/ connect_proxy proxy_behaves proxy_requests /;

# What the proxy does: "good", "hang", "close", "garbage" or a response's status.
sub proxy_behaves {
    my ($t, $behaviour) = @_;
    replace_file($t, 'proxy.behaviour', $behaviour);
}

# The headers that it got.
sub proxy_requests {
    my ($t) = @_;
    return split /\0/, eval { $t->read_file('proxy.requests') } // '';
}

sub connect_proxy {
    my ($t, $number) = @_;
    my $dir = $t->testdir();
    proxy_behaves($t, 'good');

    service($t, $number, sub {
        my ($client, $head) = @_;
        append("$dir/proxy.requests", "$head\0");
        my $behaviour = slurp("$dir/proxy.behaviour");

        if ($behaviour eq 'hang') {
            sleep 60;
        } elsif ($behaviour eq 'garbage') {
            print $client "\0\1\2 no HTTP\r\n\r\n";
        } elsif ($behaviour =~ /^\d+\z/) {
            print $client "HTTP/1.1 $behaviour Test\r\nContent-Length: 0\r\n\r\n";
        } elsif ($behaviour eq 'good') {
            my ($target) = $head =~ /^CONNECT (\S+) /;
            # every name is this machine
            my ($port) = $target =~ /:(\d+)\z/;
            my $server = IO::Socket::INET->new(Proto => 'tcp', PeerAddr => "127.0.0.1:$port")
                or return print $client "HTTP/1.1 502 Test\r\n\r\n";
            print $client "HTTP/1.1 200 Test\r\n\r\n";
            _relay($client, $server);
        }
        return 0;
    });
}

sub _relay {
    my ($client, $server) = @_;
    my $select = IO::Select->new($client, $server);
    while (my @ready = $select->can_read()) {
        for my $from (@ready) {
            sysread $from, my $data, 65_536 or return;
            syswrite $from == $client ? $server : $client, $data;
        }
    }
}

1;
