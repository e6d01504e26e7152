package ForwardAuth;

# The configurations of nginx-conf/ that ask a service: the configurations with
# ports of the test, the service and the application as real servers, and what
# each got to see.

use warnings;
use strict;

use Exporter qw/ import /;
use Test::Nginx qw/ http port /;
use Test::Nginx::Raw;

our @EXPORT = qw/ application asked ask ask_as authority got lines reply spoofed status use_conf /;

# Writes a configuration for the test, with pieces of its text replaced.
sub use_conf {
    my ($t, $name, @pairs) = @_;
    my $conf = do {
        local $/;
        open my $file, '<', "../nginx-conf/$name" or die "$name: $!";
        <$file>;
    };
    while (my ($from, $to) = splice @pairs, 0, 2) {
        $conf =~ s/\Q$from\E/$to/g or die "no \"$from\" in $name";
    }
    $t->write_file_expand($name, $conf);
}

# An application that answers with what it got: the request line, the header in
# lower case, and the body.
sub application {
    my ($t, $number, @lines) = @_;
    service($t, $number, sub {
        my ($client, $head, $body) = @_;
        return reply($client, $head, 200, \@lines, _seen($head, $body));
    });
}

# A service that is asked. The code gets the header and the body, and gives a
# status, header lines and a body.
sub authority {
    my ($t, $number, $code) = @_;
    my $file = $t->testdir() . "/asked.$number";
    service($t, $number, sub {
        my ($client, $head, $body) = @_;
        open my $asked, '>>', $file or die "$file: $!";
        print $asked _seen($head, $body), "\0";
        close $asked or die "$file: $!";
        my ($status, @answer) = $code->($head, $body);
        return reply($client, $head, $status, @answer);
    });
}

# What the service was asked since the last time: a text for each request, or
# how many.
sub asked {
    my ($t, $number) = @_;
    my $file = $t->testdir() . "/asked.$number";
    my @asked;
    if (open my $log, '<', $file) {
        local $/ = "\0";
        chomp(@asked = <$log>);
        unlink $file or die "$file: $!";
    }
    return @asked;
}

sub reply {
    my ($client, $head, $status, $lines, $body) = @_;
    $body //= '';
    my $length = $status == 204 ? '' : 'Content-Length: ' . length($body) . "\r\n";
    print $client "HTTP/1.1 $status Said\r\n$length", map({ "$_\r\n" } @{ $lines // [] }),
        "\r\n", $head =~ /^HEAD / ? '' : $body;
    return $head !~ /^Connection: close/mi;
}

sub _seen {
    my ($head, $body) = @_;
    my ($request, @lines) = split /\r\n/, $head;
    s/^([^:]+)/lc $1/e for @lines;
    return join("\n", $request, sort(@lines), '', $body // '');
}

# One request as a client makes it.
sub ask { return ask_as('GET', @_) }

sub ask_as {
    my ($method, $number, $uri, $lines, $body) = @_;
    my @lines = @{ $lines // [] };
    unshift @lines, 'Host: localhost' unless grep { /^Host:/ } @lines;
    push @lines, 'Content-Length: ' . length $body if defined $body;
    return http(join("\r\n", "$method $uri HTTP/1.1", @lines, 'Connection: close', '',
        $body // ''), PeerAddr => '127.0.0.1:' . port($number));
}

# What the application got.
sub got { return $_[0] =~ /\r\n\r\n((?:GET|HEAD|POST|PUT) .*)/s ? $1 : '' }

sub status { return $_[0] =~ /^HTTP\S+ (\d+)/ ? $1 : 'none' }

# The values of the header lines with such a name, of an answer or of what was
# seen of a request.
sub lines {
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
