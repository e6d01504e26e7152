package VerdictService;

# An authorization service that responds as the client's own header says, and the
# value that a location of nginx shows of each verdict.

use Auth;
use Exporter qw/ import /;
use Service;
use Test::Nginx::Raw;
use Time::HiRes qw/ time /;

our @EXPORT = (@Service::EXPORT, qw/ seen verdict_service /);

# verdict_service() runs the service on one of the test's ports. These lines of a
# request decide about its response: Answer (the status), Answer-Line (a header line), Answer-Body, and
# Answer-Raw (the whole response, in which \r and \n are line ends). Each response
# has a line X-Id of its own and a line X-Said with the URI of the request, and the
# length and first bytes of its body. The name for asked() and hold() is the first
# part of the path.
sub verdict_service {
    my ($t, $number) = @_;
    my $dir = $t->testdir();

    service($t, $number, sub {
        my ($client, $head, $body) = @_;
        my ($uri, $name) = $head =~ m!^\S+ (/(\w*)\S*)!;
        $body //= '';
        take_request($dir, $name);

        if ($head =~ /^Answer-Raw: (.*?)\r$/mi) {
            syswrite $client, $1 =~ s/\\r/\r/gr =~ s/\\n/\n/gr;
            return 0;
        }
        my ($status) = $head =~ /^Answer: (\d+)/mi;
        my ($sent) = $head =~ /^Answer-Body: (.*?)\r$/mi;
        $sent //= '';
        my $said = sprintf '%s %d:%s', $uri, length $body, $body =~ /^([ -~]{0,20})/;
        syswrite $client, join "\r\n", 'HTTP/1.1 ' . ($status // 200) . ' X',
            'Content-Length: ' . length $sent, "X-Id: $$-" . time,
            "X-Said: $said", $head =~ /^Answer-Line: (.*?)\r$/mgi,
            'Connection: close', '', $sent;
        return 0;
    });
}

# seen() returns the status of a response and the value of its line X-Seen.
sub seen {
    my ($response) = @_;
    return join ' ', status($response), header($response, 'X-Seen') // ();
}

1;
