package Test::Nginx::Client;

# Free ports, plain HTTP over a socket, and verbose output: the functions that
# Test::Nginx exports.

use warnings;
use strict;

use Exporter qw/ import /;
use IO::Socket ();
use Test::More qw//;
use Test::Nginx::Waiting qw/ stretched /;
use Time::HiRes qw/ sleep /;

our @EXPORT = qw/ http http_get http_head log_in log_out port /;
our @EXPORT_OK = qw/
    http_content http_end http_gzip_like http_gzip_request http_start log_core
/;
our %EXPORT_TAGS = (all => [@EXPORT, @EXPORT_OK]);

### Ports #####################################################################

my %ports;

# A free port for the number, the same for each call. A socket of the other protocol
# on that port tells other tests that it is taken, until this process ends.
sub port {
    my ($number, %options) = @_;
    my $taken = $ports{$number} //= _take_port($number, $options{udp});
    return $taken->{$options{socket} ? 'socket' : 'port'};
}

sub _take_port {
    my ($number, $udp) = @_;

    my $tcp_socket = sub { IO::Socket::INET->new(Proto => 'tcp', Listen => 1,
        LocalAddr => '127.0.0.1', LocalPort => $_[0], ReuseAddr => 1) };
    my $udp_socket = sub { IO::Socket::INET->new(Proto => 'udp',
        LocalAddr => '127.0.0.1', LocalPort => $_[0]) };

    my ($used, $lock) = $udp
        ? ($udp_socket, $tcp_socket) : ($tcp_socket, $udp_socket);

    for my $try (0 .. 99) {
        my $port = $try ? $number - $number % 1000 + int rand 1000 : $number;
        my $socket = $lock->($port) or next;
        return { port => $port, socket => $socket } if $used->($port);
    }

    die "No free port for $number\n";
}

### HTTP ######################################################################

sub http_get {
    my ($uri, %extra) = @_;
    return http("GET $uri HTTP/1.0\r\nHost: localhost\r\n\r\n", %extra);
}

sub http_head {
    my ($uri, %extra) = @_;
    return http("HEAD $uri HTTP/1.0\r\nHost: localhost\r\n\r\n", %extra);
}

# Sends the text and returns all that comes back until the end of the
# connection, undef if there is no connection or no end within 8 seconds.
# Options: start (return the socket without reading), socket (use this one), body
# (send it after the text), sleep (so many seconds before the body), aborted (close
# without reading), SSL (TLS, to port 8443). IO::Socket::INET and ::SSL get the rest.
sub http {
    my ($request, %extra) = @_;

    my $s = http_start($request, %extra);
    return $s if $extra{start} or !defined $s;

    if ($extra{aborted}) {
        $s->close();
        return '';
    }

    return http_end($s);
}

sub http_start {
    my ($request, %extra) = @_;

    return _in_time(sub {
        my $s = $extra{socket} || IO::Socket::INET->new(
            Proto => 'tcp',
            PeerAddr => '127.0.0.1:' . port($extra{SSL} ? 8443 : 8080),
            %extra
        )
            or die "Can't connect to nginx: $!\n";

        if ($extra{SSL}) {
            require IO::Socket::SSL;
            IO::Socket::SSL->start_SSL($s, SSL_verify_mode => 0, %extra)
                or die IO::Socket::SSL::errstr(), "\n";
            log_in('TLS cipher: ' . $s->get_cipher());
        }

        log_out($request);
        $s->print($request);
        sleep $extra{sleep} if $extra{sleep};

        if ($extra{body} and !$extra{aborted}) {
            log_out($extra{body});
            $s->print($extra{body});
        }

        return $s;
    });
}

sub http_end {
    my ($s) = @_;

    my $reply = _in_time(sub {
        local $/;
        my $text = $s->getline();
        $s->close();
        return $text;
    });

    log_in($reply) if defined $reply;
    return $reply;
}

sub _in_time {
    my ($code) = @_;

    my $result = eval {
        local $SIG{ALRM} = sub { die "timeout\n" };
        local $SIG{PIPE} = sub { die "sigpipe\n" };
        alarm(stretched(30));
        my $result = $code->();
        alarm(0);
        $result;
    };
    my $error = $@;
    alarm(0);

    log_in("died: $error") if $error;
    return $result;
}

# The body of a response, with its chunks put together.
sub http_content {
    my ($response) = @_;

    return undef unless defined $response
        and $response =~ /^(.*?)\r\n?\r\n?(.*)\z/s;

    my ($head, $body) = ($1, $2);
    return $body unless $head =~ /^Transfer-Encoding: chunked/mi;

    my $content = '';
    my $size;

    while ($body =~ /\G(?:\r\n)?([0-9a-f]+)[^\r\n]*\r\n/gci) {
        $size = hex $1 or last;
        $content .= substr $body, pos $body, $size;
        last if pos($body) + $size > length $body;
        pos($body) += $size;
    }

    return $content . (defined $size && $size == 0 ? '' : '[no-last-chunk]');
}

sub http_gzip_request {
    my ($uri) = @_;
    return http("GET $uri HTTP/1.1\r\nHost: localhost\r\n"
        . "Connection: close\r\nAccept-Encoding: gzip\r\n\r\n");
}

# A test: the unzipped body matches.
sub http_gzip_like {
    my ($response, $pattern, $name) = @_;

    require IO::Uncompress::Gunzip;
    my $zipped = http_content($response) // '';
    my $content;
    IO::Uncompress::Gunzip::gunzip(\$zipped => \$content);

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More->builder->like($content, $pattern, $name);
}

### Verbose output ############################################################

sub log_out { log_core('>>', @_) }
sub log_in { log_core('<<', @_) }

# Prints the text as TAP comments with TEST_NGINX_VERBOSE: a prefix, if any, and
# the first 2048 bytes, all but printable ones in hex.
sub log_core {
    return unless $ENV{TEST_NGINX_VERBOSE};

    my $text = pop // '';
    my $prefix = join '', map { "$_ " } @_;

    my $rest = length($text) - 2048;
    $text = substr($text, 0, 2048) . "\n($rest more bytes)" if $rest > 0;

    for my $line (split /\n/, $text) {
        $line =~ s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ge;
        print "# $prefix$line\n";
    }
}

1;
