package Http3;

# Requests over HTTP/3, by the client in t/data/http3, which runs in Python.

use warnings;
use strict;

use Exporter qw/ import /;
use IPC::Open2 qw/ open2 /;
use JSON::PP ();
use Test::Nginx;

our @EXPORT = qw/
    http3 http3_close http3_connection http3_reset http3_response http3_send listen_http3
/;

my ($pid, $results, $commands);

# Directives for a server that listens for HTTP/3, for a file that write_file_expand()
# writes, before any other use of the port's number.
sub listen_http3 {
    my ($number) = @_;
    return "listen 127.0.0.1:%%PORT_${number}_UDP%% quic;";
}

# A connection to that port. With a name, the client has the certificate NAME.crt of the
# test directory, and its key.
sub http3_connection {
    my ($t, $number, $name) = @_;
    my $path = $t->testdir() . '/' . ($name // '');
    return _do('connect', 0 + port($number), map { defined $name ? "$path.$_" : undef } qw/ crt key /);
}

# http3() returns the response to a request with these header lines, in the form that
# responses of HTTP/1 have. The options are method and body.
#
#     http3($connection, '/page', 'X-A: 1')
#     http3($connection, { method => 'POST', body => 'x=1' }, '/page')
sub http3 {
    my ($connection, @request) = @_;
    return http3_response($connection, http3_send($connection, @request));
}

# http3_send() sends a request, and returns its stream.
sub http3_send {
    my $connection = shift;
    my %options = ref $_[0] ? %{ shift() } : ();
    my ($uri, @lines) = @_;
    my @fields = map { /^([^:]+): ?(.*)/s ? (lc $1, $2) : die "no header line: $_\n" } @lines;
    Test::Nginx::log_out("$uri over HTTP/3");
    return _do('send', $connection, $options{method} // 'GET', $uri, \@fields, $options{body});
}

# http3_response() waits for the response on a stream, and returns '' if its end does not come.
sub http3_response {
    my ($connection, $stream) = @_;
    my $response = _do('response', $connection, $stream);
    return '' if $response->{end} ne 'complete';
    my @lines = map { $_->[0] eq ':status' ? "HTTP/3 $_->[1] " : "$_->[0]: $_->[1]" } @{ $response->{lines} };
    my $text = join "\r\n", @lines, '', $response->{body};
    Test::Nginx::log_in($text);
    return $text;
}

# http3_reset() leaves these streams.
sub http3_reset {
    my ($connection, @streams) = @_;
    _do('reset', $connection, $_) for @streams;
}

sub http3_close { return _do('close', @_) }

sub _do {
    unless ($pid) {
        chomp(my $python = `../scripts/http3-python`);
        die "no Python with aioquic\n" if $? or $python eq '';
        $pid = open2($results, $commands, $python, 'data/http3/client.py');
    }
    my $json = JSON::PP->new()->allow_nonref();
    print $commands $json->ascii()->encode([@_]), "\n";
    my $result = $json->decode(<$results> // die "The HTTP/3 client has ended\n");
    die "$result->{error}\n" if ref $result eq 'HASH' and defined $result->{error};
    return $result;
}

my $owner = $$;

END {
    if ($pid and $$ == $owner) {
        local $?;
        kill TERM => $pid;
        waitpid $pid, 0;
    }
}

1;
