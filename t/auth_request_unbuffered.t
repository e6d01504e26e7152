#!/usr/bin/perl

# auth_request: nginx reads a response that it does not buffer on the connection of the client, and
# changes that connection's timers as it does so. By then the client's response may wait for its
# own: because of auth_delay, or limit_rate.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Http2;
use Test::Nginx::Raw;
use Test::Nginx::Waiting qw/ stretched /;

use Time::HiRes qw/ sleep time /;

my $t = Test::Nginx->new()
    ->has(qw/ http http_v2 proxy fastcgi memcached grpc access rewrite upstream_keepalive stub_status /)->plan(44);

$t->write_file_expand('http2.conf', listen_http2($t));

configure($t, <<'EOC');
    upstream kept {
        server 127.0.0.1:8081;
        keepalive 1;
    }
    auth_request /auth/$http_by;
    send_timeout 60s;
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        include      http2.conf;
        root         %%TESTDIR%%;

        location /delayed  { auth_delay 600ms; }
        location /any      { auth_delay 600ms; satisfy any; deny all; }
        location /body     { auth_delay 600ms; auth_request_deny_body 100; }
        location /limited  { limit_rate 200k; }
        location = /status { auth_request off; stub_status; }

        location /auth/ {
            internal;
            auth_request       off;
            proxy_http_version 1.1;
            proxy_set_header   Connection "";

            location = /auth/buffered { proxy_pass http://kept; }
            location = /auth/off      { proxy_buffering off; proxy_pass http://kept; }
            location = /auth/response {
                proxy_set_header X-Line "X-Accel-Buffering: no";
                proxy_pass http://kept;
            }
            location = /auth/fastcgi  { fastcgi_buffering off; fastcgi_pass 127.0.0.1:8085; }
            location = /auth/grpc     { grpc_pass grpc://127.0.0.1:8084; }
            location = /auth/memcached {
                set $memcached_key key;
                memcached_pass 127.0.0.1:8082;
            }
        }
    }
EOC

my $d = $t->testdir();
$t->write_file($_, 'x' x 300_000) for qw/ limited delayed /;

# The header, and then the body in two parts, while the client's response waits.
sub in_parts {
    my ($client, $header, @parts) = @_;
    append("$d/connections", "$$\n");
    print $client $header;
    for my $part (@parts) {
        sleep 0.15;
        print $client $part;
    }
    return 1;
}

service($t, 8081, sub {
    my ($client, $head) = @_;
    my ($code) = $head =~ /^X-Code: (\d+)/mi;
    my ($line) = $head =~ /^X-Line: (.*\n)/m;
    return in_parts($client, "HTTP/1.1 $code X\r\n" . ($line // '') . "Content-Length: 3000\r\n\r\n",
        ('x' x 1500) x 2);
});
by_hand(8082, qr/^get key\r\n/, "VALUE key 0 3000\r\n", 'x' x 1500, 'x' x 1500 . "\r\nEND\r\n");
by_hand(8084, qr/^PRI/, pack('CnCCN', 0, 0, 4, 0, 0)
    . pack('CnCCN', 0, 5, 1, 4, 1) . "\x08\x03" . 401, map { pack('CnCCN', 0, 1500, 0, $_, 1)
    . 'x' x 1500 } 0, 1);
by_hand(8085, qr/./, map { pack('CCnnCC', 1, 6, 1, length, 0, 0) . $_ }
    "Status: 401 X\r\n\r\n", 'x' x 1500, 'x' x 1500);
$t->run();

# What is unbuffered by the configuration can be buffered all the same, so that the connection to
# the service is kept; what is never buffered is given up.
for my $by (qw/ buffered off response /) {
    connections();
    for my $uri (qw{ /delayed /any /body }) {
        delayed($uri, "X-Code: 401", "By: $by");
    }
    is(status(ask('/delayed', 'X-Code: 403', "By: $by")), 403, "$by, 403 is not delayed");
    connections_left();
    limited('X-Code: 200', "By: $by");
    http2($by);
    connections_left();
    is(connections(), 1, "$by, connections to the service");
}
delayed('/delayed', "By: $_") for qw/ fastcgi grpc /;
limited('By: memcached');

# a client's connection that is kept, and its next request
for my $by (qw/ off grpc /) {
    my $s = connection();
    my $request = request('/delayed', 'X-Code: 401', "By: $by");
    is(status(exchange($s, $request)), 401, "$by, a connection that is kept");
    is(status(exchange($s, $request)), 401, "$by, its next request");
    close $s;
}
is(connections_left(), 1, 'nothing is left');

### helpers

sub delayed {
    my ($uri, @lines) = @_;
    my $start = time;
    is(status(ask($uri, @lines)), 401, "$uri, @lines");
    my $time = time - $start;
    ok($time > 0.55 && $time < stretched(3), "$uri, @lines, after auth_delay") or diag($time);
    connections_left();
}

sub limited {
    my (@lines) = @_;
    my $start = time;
    is(length body(ask('/limited', @lines)), 300_000, "a slow download, @lines");
    cmp_ok(time - $start, '>', 0.5, "a slow download, @lines, as slow as it should be");
    connections_left();
}

sub http2 {
    my ($by) = @_;
    my $s = http2_connection();
    $s->print(http2_request(1, '/delayed', 'x-code', 401, 'by', $by));
    my %status = http2_statuses($s, 1);
    is($status{1}, 401, "$by, HTTP/2");
}

# A server that waits for a request in any protocol.
sub by_hand {
    my ($number, $request, @parts) = @_;
    my $port = port($number);
    $t->run_daemon(sub {
        my $server = IO::Socket::INET->new(Proto => 'tcp', LocalAddr => "127.0.0.1:$port",
            Listen => 5, Reuse => 1) or die "Can't listen: $!\n";
        local $SIG{PIPE} = 'IGNORE';
        while (my $client = $server->accept()) {
            $client->autoflush(1);
            my $text = '';
            while (sysread $client, $text, 65536, length $text) {
                $text =~ $request or next;
                in_parts($client, @parts);
                sleep 0.05;
                last;
            }
            close $client;
        }
    });
    $t->waitforsocket("127.0.0.1:$port") or die "Can't start service\n";
}

# How many connections to the service there were since the last call.
sub connections {
    my %seen = map { $_ => 1 } -e "$d/connections" ? split /\n/, slurp("$d/connections") : ();
    unlink "$d/connections";
    return scalar keys %seen;
}
