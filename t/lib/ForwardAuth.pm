package ForwardAuth;

# The configurations of nginx-conf/ that ask a service: they get the ports of the
# test, the service and the application are real servers, and a test sees the
# requests that each of them got.

use Auth;
use Exporter qw/ import /;
use Test::Nginx::Raw;

our @EXPORT = qw/
    application authority got header_values reply requests spoofed use_conf
/;

# Writes a configuration for the test, with pieces of its text replaced.
sub use_conf {
    my ($t, $name, @pairs) = @_;
    my $conf = slurp("../nginx-conf/$name");
    while (my ($from, $to) = splice @pairs, 0, 2) {
        $conf =~ s/\Q$from\E/$to/g or die "no \"$from\" in $name";
    }
    $t->write_file_expand($name, $conf);
}

# An application whose responses have the request that it got as their body, and
# these header lines. A line X-Status of the request is the status, which is 200
# otherwise.
sub application {
    my ($t, $number, @lines) = @_;
    service($t, $number, sub {
        my ($client, $head, $body) = @_;
        my ($status) = $head =~ /^X-Status: (\d+)/mi;
        return reply($client, $head, $status // 200, \@lines, _shown($head, $body));
    });
}

# An authorization service. The code gets the header and the body of a request, and
# returns a status, header lines and a body.
sub authority {
    my ($t, $number, $code) = @_;
    my $file = $t->testdir() . "/requests.$number";
    service($t, $number, sub {
        my ($client, $head, $body) = @_;
        append($file, _shown($head, $body) . "\0");
        my ($status, @lines_and_body) = $code->($head, $body);
        return reply($client, $head, $status, @lines_and_body);
    });
}

# The requests that the service has got since the last call.
sub requests {
    my ($t, $number) = @_;
    my $file = $t->testdir() . "/requests.$number";
    my @requests = -e $file ? split(/\0/, slurp($file)) : ();
    unlink $file;
    return @requests;
}

sub reply {
    my ($client, $head, $status, $lines, $body) = @_;
    $body //= '';
    my $length = $status == 204 ? '' : 'Content-Length: ' . length($body) . "\r\n";
    print $client "HTTP/1.1 $status Said\r\n$length", map({ "$_\r\n" } @{ $lines // [] }),
        "\r\n", $head =~ /^HEAD / ? '' : $body;
    return $head !~ /^Connection: close/mi;
}

# A request in the form in which application() and requests() show it: the request
# line, the header in lower case and in order, and the body.
sub _shown {
    my ($head, $body) = @_;
    my ($request, @lines) = split /\r\n/, $head;
    s/^([^:]+)/lc $1/e for @lines;
    return join("\n", $request, sort(@lines), '', $body // '');
}

# The request that the application got; '' where it got none.
sub got { return body($_[0]) =~ m!\A([A-Z]+ /.*)!s ? $1 : '' }

# The values of the header lines with such a name, of a response or of a request as
# above, joined with " | ".
sub header_values {
    my ($message, $name) = @_;
    my ($head) = $message =~ /(.*?)\r?\n\r?\n/s;
    return join ' | ', ($head // $message) =~ /^$name: ?(.*?)\r?$/mgi;
}

# What a client may send to be taken for somebody else, or for somewhere else
# (rows 25 and 27), in every spelling that nginx lets through.
sub spoofed {
    my @names = (
        map({ "X-Forwarded-$_" } qw/ Method Proto Host Port Uri For Prefix Server User Email
            Groups Access-Token Scheme Client-Cert /),
        map({ "X-Original-$_" } qw/ Method URI URL Host For /),
        map({ "X-Auth-Request-$_" } qw/ User Email Groups Redirect Access-Token /),
        qw/ X-User X-Real-IP X-Scheme X-Access-Token X-HTTP-Method-Override X-Rewrite-URL
            Forwarded True-Client-IP /
    );
    return map { ("$_: mallory", s/-/_/gr . ': mallory', lc . ': mallory') } @names;
}

1;
