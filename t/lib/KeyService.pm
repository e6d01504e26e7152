package KeyService;

# A service that key requests go to, run by files in the test directory: for
# /NAME it sends what is in response.NAME, byte by byte as it is there.

use Auth;
use Exporter qw/ import /;
use Service;
use Test::Nginx::Raw;

our @EXPORT = (@Service::EXPORT, qw/ key_service keys_response last_request respond_with /);

# key_service() runs the service on one of the test's ports.
sub key_service {
    my ($t, $number) = @_;
    my $dir = $t->testdir();

    service($t, $number, sub {
        my ($client, $head, $body) = @_;
        my ($name) = $head =~ m!^\S+ /(\w+)!;

        replace_file($t, "request.$name", $head . ($body // ''));
        take_request($dir, $name);

        my $response = eval { slurp("$dir/response.$name") } // return 0;
        syswrite $client, $response;
        return $response =~ /^Connection: keep-alive\r/m;
    });
}

# respond_with() says what the service sends for this name from now on.
sub respond_with {
    my ($t, $name, $response) = @_;
    replace_file($t, "response.$name", $response);
}

# keys_response() returns a response with this body and these header lines. A number
# in front of the lines is its status, which is 200 otherwise.
sub keys_response {
    my ($body, @lines) = @_;
    my $status = @lines && $lines[0] =~ /^\d+$/ ? shift @lines : 200;
    return join "\r\n", "HTTP/1.1 $status X", 'Content-Length: ' . length $body,
        @lines, '', $body;
}

# last_request() returns the last request that the service got for this name.
sub last_request {
    my ($t, $name) = @_;
    return $t->read_file("request.$name");
}

1;
