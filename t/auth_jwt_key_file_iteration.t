#!/usr/bin/perl

# auth_jwt_key_file: requests of one event-loop iteration share a look at the
# file. A key that is removed after that look, and before a request is complete,
# does not let the request in.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use Test::Nginx::Raw;

use Fcntl qw/ O_NONBLOCK O_RDWR /;
use POSIX qw/ mkfifo /;
use Socket qw/ IPPROTO_TCP TCP_NODELAY /;
use Time::HiRes qw/ sleep /;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(5);
my $dir = $t->testdir();

# A worker that writes to the log of /blocks/ waits while the FIFO is full.
mkfifo("$dir/fifo", 0600) or die "Can't make a FIFO: $!\n";
sysopen my $fifo, "$dir/fifo", O_RDWR | O_NONBLOCK or die "Can't open the FIFO: $!\n";

configure($t, <<'EOF', 'worker_processes 1;');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        location /first/  { auth_jwt "r"; auth_jwt_key_file keys.json; root html; }
        location /late/   { auth_jwt "r"; auth_jwt_key_file keys.json; root html; }
        location /blocks/ { access_log %%TESTDIR%%/fifo; return 204; }
    }

EOF

my %key = map { $_ => jwk('HS256', '--kid', $_) } qw/ old new /;
my $token = sign($key{old}, '{}');
$t->write_file('keys.json', $key{old});
run_quietly($t);

# a file that was written a moment ago is read for each request
sleep 0.1 while time - (stat "$dir/keys.json")[10] <= 3;

my ($first, $blocking, $late) = map { connection() } 1 .. 3;
$late->setsockopt(IPPROTO_TCP, TCP_NODELAY, 1) or die "Can't set TCP_NODELAY: $!\n";
for my $case ([$first, '/first/'], [$blocking, '/blocks/'], [$late, '/late/']) {
    my ($s, $uri) = @$case;
    my $response = exchange($s, request($uri, bearer($token)));
    is(status($response), $uri eq '/blocks/' ? '204' : '404', "$uri, before");
}
1 while syswrite $fifo, 'x' x 4096;

# One iteration handles all three, in this order.
my $request = request('/late/', bearer($token));
kill STOP => worker($t);
$first->print(request('/first/', bearer($token)));
$blocking->print(request('/blocks/'));
$late->print(substr $request, 0, -1);
kill CONT => worker($t);

is(status(read_response($first)), '404', 'the first request, which looks at the file');
replace_file($t, 'keys.json', $key{new});
$late->print(substr $request, -1);
sleep 0.01;
1 while sysread $fifo, my $drained, 65536;
is(status(read_response($late)), '401', 'a request that was complete after the key was removed');
