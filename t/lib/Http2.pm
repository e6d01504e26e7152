package Http2;

# HTTP/2 by hand, for many streams on one connection and streams that are reset,
# and by curl, for responses as a client sees them. The port is 8083.

use Auth;
use Exporter qw/ import /;
use Test::Nginx::Raw;
use Test::Nginx::Waiting qw/ stretched /;

our @EXPORT = qw/
    http2_bodies http2_connection http2_curl http2_data http2_request http2_reset
    http2_statuses listen_http2
/;

# Frame types and flags (RFC 9113, section 6).
my ($DATA, $HEADERS, $RST_STREAM, $SETTINGS) = (0, 1, 3, 4);
my ($END_STREAM, $END_HEADERS) = (1, 4);
my $CANCEL = 8;

# The statuses in the static table (RFC 7541, appendix A), as indexed fields.
my %INDEXED = (0x88 => 200, 0x89 => 204, 0x8a => 206, 0x8b => 304, 0x8c => 400,
    0x8d => 404, 0x8e => 500);

# Directives for a server that listens for HTTP/2, on 8083 or another port. They
# are for a file that write_file_expand() writes.
sub listen_http2 {
    my ($t, $number) = @_;
    my $listen = 'listen 127.0.0.1:' . ($number // 8083);
    return $t->has_version('1.25.1') ? "$listen; http2 on;" : "$listen http2;";
}

# The response to a request of curl's, with these options.
sub http2_curl {
    my ($uri, @options) = @_;
    my $url = 'http://127.0.0.1:' . port(8083) . $uri;
    my $limit = stretched(8);
    my $response = `curl -s -S -i -m $limit --http2-prior-knowledge @options '$url' 2>&1`;
    Test::Nginx::log_in($response);
    return $response;
}

# A connection on which the preface and settings without content were sent.
sub http2_connection {
    my $s = connection(8083);
    $s->print("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . _frame($SETTINGS, 0, 0, ''));
    return $s;
}

# A GET on a stream. The header lines are names and values, one after the other;
# a body may follow with the option open.
sub http2_request {
    my %options = ref $_[0] ? %{ shift() } : ();
    my ($stream, $uri, @lines) = @_;
    unshift @lines, ':method', 'GET', ':scheme', 'http', ':path', $uri,
        ':authority', 'localhost';

    # each is a literal header field without indexing
    my $block = '';
    while (my ($name, $value) = splice @lines, 0, 2) {
        $block .= "\0" . _string($name) . _string($value);
    }
    return _frame($HEADERS, $END_HEADERS | ($options{open} ? 0 : $END_STREAM), $stream,
        $block);
}

# The body of a request that was left open.
sub http2_data {
    my ($stream, $body) = @_;
    return _frame($DATA, $END_STREAM, $stream, $body);
}

# What cancels these streams.
sub http2_reset {
    my (@streams) = @_;
    return join '', map { _frame($RST_STREAM, 0, $_, pack 'N', $CANCEL) } @streams;
}

# Reads until so many responses have begun: a list of stream and status.
sub http2_statuses {
    my ($s, $count) = @_;
    my %status;
    _read_frames($s, sub {
        my ($type, undef, $stream, $payload) = @_;
        return 0 if $type != $HEADERS;

        # nginx does not compress; a change of the table's size may come first
        $payload =~ s/^\x20//;
        $status{$stream} = $INDEXED{ord $payload}
            // ($payload =~ /^\x48\x03(\d+)/ ? $1 : unpack 'H8', $payload);
        return keys %status == $count;
    });
    return %status;
}

# Reads until so many responses have ended: a list of stream and body.
sub http2_bodies {
    my ($s, $count) = @_;
    my (%body, %ended);
    _read_frames($s, sub {
        my ($type, $flags, $stream, $payload) = @_;
        $body{$stream} .= $payload if $type == $DATA;
        $ended{$stream} = 1 if ($type == $DATA or $type == $HEADERS) and $flags & $END_STREAM;
        return keys %ended == $count;
    });
    return %body;
}

# Gives each frame to the code until that returns true, the connection ends or 30
# seconds pass.
sub _read_frames {
    my ($s, $code) = @_;
    local $SIG{ALRM} = sub { die "timeout\n" };
    eval {
        alarm(stretched(30));
        while (($s->read(my $head, 9) // 0) == 9) {
            my ($high, $low, $type, $flags, $stream) = unpack 'CnCCN', $head;
            my $length = $high << 16 | $low;
            my $payload = '';
            $s->read($payload, $length) if $length;
            last if $code->($type, $flags, $stream, $payload);
        }
    };
    alarm(0);
}

sub _frame {
    my ($type, $flags, $stream, $payload) = @_;
    return pack('CnCCN', length($payload) >> 16, length($payload) & 0xffff, $type, $flags,
        $stream) . $payload;
}

# A string literal, its length as an integer with a prefix of 7 bits.
sub _string {
    my ($text) = @_;
    my $length = length $text;
    return chr($length) . $text if $length < 127;
    my $prefix = chr 127;
    for ($length -= 127; $length > 127; $length >>= 7) {
        $prefix .= chr($length & 127 | 128);
    }
    return $prefix . chr($length) . $text;
}

1;
