#!/usr/bin/perl

# auth_request: how long a request whose client has its response still counts for
# limit_conn, because the body of the service's response has not ended.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Http2;
use Test::Nginx::Raw;

use List::Util qw/ min /;
use Time::HiRes qw/ sleep time /;

my $t = Test::Nginx->new()->has(qw/ http http_v2 limit_conn proxy /)->plan(8);

configure($t, <<"EOF");
    limit_conn_zone all zone=requests:1m;
    server {
        listen       127.0.0.1:8080;
        @{[listen_http2($t)]}
        server_name  localhost;
        root         %%TESTDIR%%;
        location /file  { auth_request /auth; limit_conn requests 1; }
        location = /auth { internal; proxy_http_version 1.1; proxy_pass http://127.0.0.1:8081; }
    }
EOF

my $d = $t->testdir();
$t->write_file('file', 'CONTENT');

# Responds at once, with a body that takes three seconds, and says for how long nginx has read it.
service($t, 8081, sub {
    my ($client, $head) = @_;
    my ($answer) = $head =~ /^Answer: (\d+)/mi;
    my $since = time;
    syswrite $client, "HTTP/1.1 $answer X\r\nTransfer-Encoding: chunked\r\n\r\n";
    local $SIG{PIPE} = 'IGNORE';
    while (time - $since < 3) {
        syswrite($client, "1\r\nx\r\n") or last;
        sleep 0.02;
    }
    append("$d/read", time - $since . "\n");
    return 0;
});
$t->run();

# A second passes if nothing but the body's own limit counts. A busy machine may add to the time, so
# that the shortest of a few counts.

my %clients = (
    'HTTP/1' => sub {
        my ($answer, $done) = @_;
        my $s = connection(8080);
        my $status = status(exchange($s, request('/file', "Answer: $answer")));
        $done->();
        return $status;
    },
    'HTTP/2' => sub {
        my ($answer, $done) = @_;
        my $s = http2_connection();
        $s->print(http2_request(1, '/file', answer => $answer));
        my $status = { http2_statuses($s, 1) }->{1};
        $done->();
        return $status;
    },
);

for my $name (sort keys %clients) {
    for my $status (200, 403) {
        my (@statuses, @times);
        for (1 .. 4) {
            unlink "$d/read";
            push @statuses, $clients{$name}->($status, sub { wait_until(sub { -s "$d/read" }) });
            push @times, $t->read_file('read');
        }
        is("@statuses", join(' ', ($status) x 4), "$name, $status, each request is answered");
        cmp_ok(min(@times), '<', 0.7, "$name, $status, seconds that the request counted");
    }
}
