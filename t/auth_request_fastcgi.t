#!/usr/bin/perl

# auth_request with FastCGI: the application gets the length of the body and the
# service does not, both with the parameters of nginx's fastcgi_params.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Original;

my $t = Test::Nginx->new()->has(qw/ http fastcgi /)->plan(13);

configure($t, <<'EOF');
    client_body_buffer_size 1k;
    fastcgi_param REQUEST_METHOD $request_method;
    fastcgi_param CONTENT_LENGTH $content_length;
    fastcgi_param DOCUMENT_URI   $document_uri;
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        auth_request_set $service $upstream_http_x_got;
        add_header       X-Service $service always;
        location / {
            auth_request /auth;
            fastcgi_pass 127.0.0.1:8081;
        }
        location /denied {
            auth_request /auth/401;
            fastcgi_pass 127.0.0.1:8081;
        }
        location /auth {
            fastcgi_pass 127.0.0.1:8081;
        }
    }
EOF

$t->run_daemon(\&fastcgi, port(8081));
$t->waitforsocket('127.0.0.1:' . port(8081));
$t->run();

# $request_method is the client's method, whatever the subrequest's is.

my $told = sub {
    my ($length, $uri) = @_;
    return differs('$content_length in the check', "POST [] 0 $uri", "POST [$length] 0 $uri");
};

is(header(ask({ method => 'POST', body => '' }, '/'), 'X-Got'), 'POST [0] 0 /', 'no body');
is(header(ask({ method => 'POST', body => '' }, '/'), 'X-Service'), $told->(0, '/auth'),
    'no body, service');
is(header(ask({ method => 'POST', body => 'x' x 10 }, '/'), 'X-Got'), 'POST [10] 10 /', 'small');
is(header(ask({ method => 'POST', body => 'x' x 10 }, '/'), 'X-Service'), $told->(10, '/auth'),
    'small, service');
is(header(ask({ method => 'POST', body => 'x' x 5000 }, '/'), 'X-Got'), 'POST [5000] 5000 /',
    'large');
is(header(ask({ method => 'POST', body => 'x' x 5000 }, '/'), 'X-Service'), $told->(5000, '/auth'),
    'large, service');
is(header(ask({ method => 'POST', chunks => ['x' x 10] }, '/'), 'X-Got'), 'POST [10] 10 /',
    'chunked');
is(header(ask({ method => 'POST', chunks => ['x' x 10] }, '/'), 'X-Service'), 'POST [] 0 /auth',
    'chunked, service');
is(header(http_get('/'), 'X-Got'), 'GET [] 0 /', 'GET');

my $response = ask({ method => 'POST', body => 'x' x 10 }, '/denied');
like($response, qr/^HTTP\S+ 401 /, 'denied');
is(header($response, 'X-Service'), $told->(10, '/auth/401'), 'denied, service');
is(join('|', headers($response, 'WWW-Authenticate')),
    join('|', service_challenges($t, 'FastCGI one', 'two')), 'denied, challenges');
unlike($response, qr/INVISIBLE/, 'denied, body');

### helpers

# A FastCGI application. X-Got has the method, the announced and the true length of the
# body, and the URI; the status is the one in the URI.
sub fastcgi {
    my ($port) = @_;
    my $server = IO::Socket::INET->new(
        Proto => 'tcp',
        LocalAddr => "127.0.0.1:$port",
        Listen => 5,
        Reuse => 1
    )
        or die "Can't listen: $!\n";

    while (my $client = $server->accept()) {
        my %stream = (4 => '', 5 => '');

        while ($client->read(my $head, 8) // 0) {
            my (undef, $type, $id, $length, $padding) = unpack 'CCnnC', $head;
            $client->read(my $data, $length) if $length;
            $client->read(my $ignored, $padding) if $padding;
            $stream{$type} .= $data if $length;
            next if $type != 5 or $length;

            my %param = unpack_pairs($stream{4});
            my ($status) = $param{DOCUMENT_URI} =~ m{/(\d+)$};
            my $response = 'Status: ' . ($status // 200) . "\r\n"
                . "X-Got: $param{REQUEST_METHOD} [$param{CONTENT_LENGTH}] "
                . length($stream{5}) . " $param{DOCUMENT_URI}\r\n"
                . "WWW-Authenticate: FastCGI one\r\nWWW-Authenticate: two\r\n"
                . "\r\nINVISIBLE";
            print $client pack('CCnnCC', 1, 6, $id, length $response, 0, 0),
                $response, pack('CCnnCCNN', 1, 3, $id, 8, 0, 0, 0, 0);
            last;
        }

        close $client;
    }
}

sub unpack_pairs {
    my ($text) = @_;
    my @pairs;

    while (length $text) {
        my @length = map {
            my $n = unpack 'C', $text;
            my $long = $n & 0x80;
            $n = unpack('N', $text) & 0x7fffffff if $long;
            substr $text, 0, $long ? 4 : 1, '';
            $n;
        } 1, 2;
        push @pairs, map { substr $text, 0, $_, '' } @length;
    }

    return @pairs;
}
