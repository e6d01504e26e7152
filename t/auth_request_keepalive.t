#!/usr/bin/perl

# auth_request: the connection to the service is used again, whatever body its
# response has.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()
    ->has(qw/ http proxy rewrite upstream_keepalive stub_status /)->plan(49);

configure($t, <<'EOF');
    upstream kept {
        server 127.0.0.1:8081;
        keepalive 1;
    }
    proxy_read_timeout 1s;
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         %%TESTDIR%%;
        auth_request /auth;
        location / { }
        location /body/ { auth_request_deny_body 100; }
        location /large/ { auth_request_deny_body 1m; }
        location /cached { auth_request /auth-cached; }
        location /unbuffered { auth_request /auth-unbuffered; }
        location = /auth {
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_pass http://kept;
        }
        location = /auth-unbuffered {
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_pass http://kept;
        }
        location = /status { auth_request off; stub_status; }
        location /file { auth_request /auth-file; }
        location = /auth-file { alias %%TESTDIR%%/big; }
    }
EOF

my $d = $t->testdir();
mkdir "$d/$_" for qw/ body large /;
$t->write_file($_, 'CONTENT') for qw{ index.html body/index.html large/index.html
    unbuffered file };
$t->write_file('big', 'x' x 5_000_000);

service($t, 8081, sub {
    my ($client, $head) = @_;
    my ($what) = $head =~ /^X-What: (.*)\r/m;
    append("$d/connections", "$$\n");
    my ($code, $body, $framing) = split / /, $what;
    print $client "HTTP/1.1 $code X\r\n";
    if ($framing eq 'none') {
        print $client "\r\n";
    } elsif ($framing eq 'length') {
        print $client "Content-Length: $body\r\n\r\n", 'x' x $body;
    } elsif ($framing eq 'longer') {
        print $client "Content-Length: $body\r\n\r\n", 'x' x ($body + 5);
    } else {
        print $client "Transfer-Encoding: chunked\r\n\r\n";
        for (1 .. $body / 1000) { print $client "3e8\r\n" . 'x' x 1000 . "\r\n"; }
        print $client "0\r\n\r\n" if $framing eq 'chunked';
        while ($framing eq 'endless') {
            print $client "10000\r\n" . 'x' x 65536 . "\r\n" or return 0;
        }
    }
    return 1;
});
$t->run();

for my $uri (qw{ /index.html /body/index.html /large/index.html /unbuffered }) {
    for my $what ('204 0 none', '200 0 length', '200 60000 length',
        '200 60000 chunked', '401 0 length', '401 60000 length', '403 5000 chunked',
        '404 1000 length', '302 1000 length')
    {
        connections();
        my ($code) = split / /, $what;
        my $expected = { 204 => 200, 404 => 500, 302 => 500 }->{$code} // $code;
        is(join(' ', map { after_all($uri, $what) } 1 .. 20) . ', connections: '
            . connections(), join(' ', ($expected) x 20) . ', connections: 1',
            "$uri, $what");
    }
}

# more of a body than that costs more than another connection

for my $what ('200 70000 length', '200 200000 chunked', '401 70000 length') {
    connections();
    my ($code) = split / /, $what;
    is(join(' ', map { status(ask('/unbuffered', "X-What: $what")) } 1 .. 5), join(' ', ($code) x 5),
        "$what, status");
    is(connections(), 5, "$what, connections");
}

# a connection is not used again after a bad response, and the next check is not affected

connections();
is(join(' ', map { after_all('/unbuffered', $_) } '200 0 endless', '200 10 length',
    '200 2000 cut', '200 10 length'), '200 200 200 200', 'statuses after bad responses');
is(connections(), 3, 'connections after bad responses');
is(status(ask('/', 'X-What: 200 5 longer')), 200, 'a body longer than its length');
is(status(ask('/', 'X-What: 403 5 length')), 403, 'the next check');
is(join(' ', map { status(ask('/', "X-What: $_")) } '200 0 longer', '403 0 length', '204 0 none'),
    '200 403 200', 'bytes after an empty body');

my $memory = peak_memory(worker($t));
ask('/', 'X-What: 200 0 endless') for 1 .. 20;
cmp_ok(peak_memory(worker($t)), '<', memory_limit($memory + 4096), 'memory growth in KiB');

like(http_get('/file'), qr/CONTENT/, 'a file of 5 MB as the response that allows');

### helpers

# The status of the response, once nothing is left of the request.
sub after_all {
    my ($uri, $what) = @_;
    my $status = status(ask($uri, "X-What: $what"));
    connections_left();
    return $status;
}

# How many connections there were since the last call.
sub connections {
    open my $file, '<', "$d/connections" or return 0;
    my %seen = map { $_ => 1 } <$file>;
    unlink "$d/connections";
    return scalar keys %seen;
}
