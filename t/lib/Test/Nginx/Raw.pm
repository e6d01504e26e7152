package Test::Nginx::Raw;

# HTTP by hand, on top of either library: single exchanges on a connection that
# stays open, and services that respond with any bytes.

use warnings;
use strict;

use Exporter qw/ import /;
use IO::Socket ();
use POSIX ();
use Test::Nginx qw//;
use Test::Nginx::Waiting qw/ stretched /;

our @EXPORT = qw/ connection exchange read_response service /;

# A connection to one of the test's ports.
sub connection {
    my ($number) = @_;
    my $s = IO::Socket::INET->new(
        Proto => 'tcp',
        PeerAddr => '127.0.0.1:' . Test::Nginx::port($number // 8080)
    )
        or die "Can't connect: $!\n";
    return $s;
}

# Sends the text, and reads one response.
sub exchange {
    my ($s, $request) = @_;
    local $SIG{PIPE} = 'IGNORE';
    $s->print($request);
    return read_response($s, head => scalar $request =~ /^HEAD /);
}

# Reads one final response, and the interim responses (1xx) before it. Returns what has
# arrived when the response, the connection or 30 seconds end.
sub read_response {
    my ($s, %options) = @_;
    my $text = '';

    eval {
        local $SIG{ALRM} = sub { die "timeout\n" };
        alarm(stretched(30));

        my $head;
        do {
            $head = '';
            while (defined(my $line = $s->getline())) {
                $head .= $line;
                last if $line =~ /^\r?\n\z/;
            }
            $text .= $head;
        } while ($head =~ /^HTTP\S+ 1\d\d /);

        if ($options{head} or $head =~ /^HTTP\S+ (?:204|304) /) {
            # no body
        } elsif ($head =~ /^Transfer-Encoding: chunked/mi) {
            while (defined(my $line = $s->getline())) {
                my $size = hex(($line =~ /^([0-9a-f]+)/i)[0] // 0);
                my $chunk = '';
                while (length $chunk < $size + 2) {
                    $s->read($chunk, $size + 2 - length $chunk, length $chunk)
                        or last;
                }
                $text .= substr $chunk, 0, $size;
                last unless $size;
            }
        } elsif ($head =~ /^Content-Length: (\d+)/mi) {
            my $left = $1;
            while ($left and my $n = $s->read($text, $left, length $text)) {
                $left -= $n;
            }
        }
        1;
    };
    alarm(0);

    Test::Nginx::log_in($text);
    return $text;
}

# Runs a service on one of the test's ports: for each request, the code gets the
# connection, the header and the body. While it returns true, the connection
# stays open. Connections are served in parallel.
sub service {
    my ($t, $number, $code) = @_;
    $t->run_daemon(\&_serve, Test::Nginx::port($number), $code);
    $t->waitforsocket('127.0.0.1:' . Test::Nginx::port($number))
        or die "Can't start service\n";
}

sub _serve {
    my ($port, $code) = @_;

    my $server = IO::Socket::INET->new(
        Proto => 'tcp',
        LocalAddr => "127.0.0.1:$port",
        Listen => 128,
        Reuse => 1
    )
        or die "Can't listen: $!\n";

    my %children;
    local $SIG{TERM} = sub { kill 'KILL', keys %children; exit 0 };
    local $SIG{CHLD} = 'IGNORE';
    local $SIG{PIPE} = 'IGNORE';

    while (1) {
        my $client = $server->accept() or next;
        my $pid = fork() // die "Can't fork: $!\n";
        if ($pid) {
            $children{$pid} = 1;
            next;
        }

        $SIG{TERM} = 'DEFAULT';
        close $server;
        $client->autoflush(1);
        while (my ($head, $body) = _read_request($client)) {
            $code->($client, $head, $body) or last;
        }
        POSIX::_exit(0);
    }
}

sub _read_request {
    my ($client) = @_;
    my ($head, $body) = ('', '');

    while (defined(my $line = $client->getline())) {
        $head .= $line;
        last if $line =~ /^\r?\n\z/;
    }

    return unless $head =~ /\n\r?\n\z/;

    if ($head =~ /^Transfer-Encoding: chunked/mi) {
        while (defined(my $line = $client->getline())) {
            my $size = hex(($line =~ /^([0-9a-f]+)/i)[0] // 0);
            $client->read(my $chunk, $size + 2);
            $body .= substr $chunk, 0, $size;
            last unless $size;
        }
    } elsif ($head =~ /^Content-Length: (\d+)/mi) {
        $client->read($body, $1);
    }

    return ($head, $body);
}

1;
