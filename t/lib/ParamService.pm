package ParamService;

# Upstreams that speak something else than HTTP, for tests of auth_request.

use Auth;
use Exporter qw/ import /;
use IO::Socket ();

our @EXPORT = qw/ param_service /;

# Runs an upstream of FastCGI, uwsgi or SCGI on one of the test's ports. Its responses
# have the parameters that it was given, one "NAME=value" in each line, and their names in X-Names. The
# status is that of the parameter STATUS.
sub param_service {
    my ($t, $number, $protocol) = @_;
    my $serve = {
        fastcgi => \&_fastcgi, uwsgi => \&_uwsgi, scgi => \&_scgi
    }->{$protocol};
    my $port = port($number);

    $t->run_daemon(sub {
        my $server = IO::Socket::INET->new(Proto => 'tcp', Listen => 5,
            LocalAddr => "127.0.0.1:$port", Reuse => 1)
            or die "Can't listen: $!\n";
        local $SIG{PIPE} = 'IGNORE';
        while (my $client = $server->accept()) {
            $client->autoflush(1);
            $serve->($client);
            close $client;
        }
    });
    $t->waitforsocket("127.0.0.1:$port") or die "Can't start $protocol\n";
}

sub _page {
    my (%params) = @_;
    return "Status: " . ($params{STATUS} // 200) . " X\r\nContent-Type: text/plain\r\nX-Names: @{[sort keys %params]}\r\n\r\n"
        . join '', map { "$_=$params{$_}\n" } sort keys %params;
}

sub _fastcgi {
    my ($client) = @_;
    my $params = '';

    while ($client->read(my $head, 8) == 8) {
        my ($type, $length, $padding) = unpack 'xCx2nC', $head;
        my $content = '';
        $client->read($content, $length) if $length;
        $client->read(my $ignored, $padding) if $padding;
        $params .= $content if $type == 4;
        last if $type == 5 and !$length;
    }

    my %params;
    while (length $params) {
        my @lengths = map {
            my $length = unpack 'C', $params;
            ($length, $params) = $length & 0x80
                ? (unpack('N', $params) & 0x7fffffff, substr $params, 4)
                : ($length, substr $params, 1);
            $length
        } 1 .. 2;
        my ($name, $value) = unpack "a$lengths[0]a$lengths[1]", $params;
        substr $params, 0, $lengths[0] + $lengths[1], '';
        $params{$name} = $value;
    }

    my $page = _page(%params);
    print $client pack('CCnnCx', 1, 6, 1, length $page, 0) . $page
        . pack('CCnnCx', 1, 6, 1, 0, 0) . pack('CCnnCxNCx3', 1, 3, 1, 8, 0, 0, 0);
}

sub _uwsgi {
    my ($client) = @_;
    $client->read(my $head, 4) == 4 or return;
    $client->read(my $params, unpack 'xv', $head);
    my %params = unpack '(v/a)*', $params;
    print $client 'HTTP/1.1 ' . ($params{STATUS} // 200) . " X\r\n", _page(%params);
}

sub _scgi {
    my ($client) = @_;
    local $/ = ':';
    my $length = $client->getline() // return;
    $client->read(my $params, $length);
    print $client _page(split /\0/, $params);
}

1;
