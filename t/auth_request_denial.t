#!/usr/bin/perl

# auth_request: what nginx does with a denial of its own, it does with one that has
# the service's body, too. And header lines that nginx itself sends are there once.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Http2;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()
    ->has(qw/ http proxy rewrite gzip charset http_v2 stub_status /)->plan(70);

configure($t, <<"EOF");
    server {
        listen       127.0.0.1:8080;
        @{[listen_http2($t)]}
        server_name  localhost;
        root         %%TESTDIR%%;
        auth_request /auth;
        auth_request_deny_body 1000;
        auth_request_deny_status 404;

        location / { }
        location /body { auth_request_body 100; }
        location /delayed { auth_delay 300ms; }
        location /delayed-require { auth_delay 300ms; auth_request_require \$arg_ok; }
        location /missing { auth_request off; error_page 404 /denied; }
        location /forbidden { auth_request off; error_page 403 \@denied; deny all; }
        location = /denied { }
        location \@denied { }
        location /gzip { gzip on; gzip_min_length 1; gzip_http_version 1.0; }
        location /charset { charset koi8-r; charset_types *; }
        location /own {
            auth_request_client_headers Server Date Last-Modified ETag Expires on=any;
        }
        location /upstream {
            auth_request_client_headers Server Date Last-Modified ETag Expires on=any;
            proxy_pass_header Server;
            proxy_pass_header Date;
            proxy_pass http://127.0.0.1:8082;
        }
        location /upstream-expires {
            auth_request_client_headers Expires on=any;
            expires epoch;
            proxy_pass http://127.0.0.1:8082;
        }
        location /many {
            auth_request /auth-many;
            auth_request_client_headers X-* Set-Cookie;
            auth_request_upstream_headers X-*;
        }
        location /no-lines { auth_request /auth-many; auth_request_on_error 404; }
        location = /auth-many {
            internal;
            proxy_buffer_size 1m;
            proxy_buffers 8 1m;
            proxy_busy_buffers_size 2m;
            proxy_hide_header X-None;
            proxy_pass http://127.0.0.1:8081;
        }
        location = /auth { internal; proxy_pass http://127.0.0.1:8081; }
        location = /status { auth_request off; stub_status; }
    }
EOF

$t->write_file('own', 'CONTENT');

# X-Lines are the lines of the response, with "|" between them.
service($t, 8081, sub {
    my ($client, $head) = @_;
    my ($code) = $head =~ /^X-Code: (\d+)/m;
    my ($lines) = $head =~ /^X-Lines: (.*)\r/m;
    $lines = join '', map { "$_\r\n" } split /\|/, $lines // '';
    if (my ($line) = $head =~ /^Many: (.*)\r/m) {
        my $status = $head =~ /^X-Code: 500/m ? 500 : 401;
        print $client "HTTP/1.1 $status X\r\nContent-Length: 0\r\n",
            map({ $line =~ s/%d/$_/r . "\r\n" } 1 .. 20_000), "\r\n";
        return 0;
    }
    print $client 'HTTP/1.1 ', $code // 200, " X\r\n${lines}Content-Length: 6\r\n\r\nDENIED";
    return 0;
});
service($t, 8082, sub {
    my ($client) = @_;
    print $client "HTTP/1.1 200 OK\r\nServer: app\r\nDate: app\r\nETag: app\r\n"
        . "Last-Modified: app\r\nExpires: app\r\nContent-Length: 7\r\n\r\nCONTENT";
    return 0;
});
$t->run();

### 100 (Continue) is not sent for a body that nobody will read

for my $code (401, 403, 404) {
    my $s = connection();
    $s->print(request({ method => 'POST' }, '/', "X-Code: $code", 'Expect: 100-continue',
        'Content-Length: 10'));
    my $response = read_response($s);
    like($response, qr/^HTTP\S+ $code .*\r\n\r\nDENIED\z/s, "$code, no 100 before it");
}
my $s = connection();
$s->print(request({ method => 'POST' }, '/body', 'X-Code: 403', 'Expect: 100-continue',
    'Content-Length: 10'));
like(read_response($s), qr/^HTTP\S+ 100 /, 'a body that the service gets');

### auth_delay

my $delayed = 'info delaying unauthorized request';
logged($t);
for my $uri ('/delayed', '/delayed-require') {
    my @lines = $uri eq '/delayed' ? ('X-Code: 401') : ();
    like(ask($uri, @lines), qr/^HTTP\S+ 401 .*\r\n\r\nDENIED\z/s, $uri);
    is(logged($t, qr/delaying/), $delayed, "$uri, the line of nginx");
}
$s = connection();
like(exchange($s, request('/delayed', 'X-Code: 401')), qr/^HTTP\S+ 401 .*\r\n\r\nDENIED\z/s,
    'on a connection that is kept');
like(exchange($s, request('/delayed', 'X-Code: 401')), qr/^HTTP\S+ 401 .*\r\n\r\nDENIED\z/s,
    'once more');
undef $s;
logged($t);
is(status(ask('/delayed', 'X-Code: 403')), 403, 'another status');
is(logged($t, qr/delaying/), '', 'another status, not delayed');
is(status(ask('/', 'X-Code: 401')), 401, 'another location');
is(logged($t, qr/delaying/), '', 'another location, not delayed');
my @clients = map { ask({ start => 1 }, '/delayed', 'X-Code: 401') } 1 .. 5;
wait_until(sub { () = logged($t, qr/delaying/) });
@clients = ();
is(connections_left(), 1, 'clients that leave meanwhile');

### an error page that denies

for my $uri (qw{ /missing /forbidden }) {
    for my $code (401, 403, 404) {
        like(ask($uri, "X-Code: $code"), qr/^HTTP\S+ $code .*\r\n\r\nDENIED\z/s,
            "$uri, whose error page denies with $code");
    }
}

### a type with a charset

for my $type ('text/html', 'text/html; charset=utf-8', 'text/html;charset="utf-8"',
    'text/html; Charset=UTF-8')
{
    my $response = ask('/gzip', 'X-Code: 403', "X-Lines: Content-Type: $type",
        'Accept-Encoding: gzip');
    is(header($response, 'Content-Encoding'), 'gzip', "$type, compressed");
    is(header($response, 'Content-Type'), $type, "$type, unchanged");
}
is(header(ask('/gzip', 'X-Code: 403', 'X-Lines: Content-Type: text/x-other',
    'Accept-Encoding: gzip'), 'Content-Encoding'), undef, 'a type that is not compressed');
my $response = ask('/charset', 'X-Code: 403', 'X-Lines: Content-Type: text/html; charset=utf-8');
is(header($response, 'Content-Type'), 'text/html; charset=utf-8', 'charset, unchanged');

### lines that nginx itself would send

my @names = qw/ Server Date Last-Modified ETag Expires /;
my $lines = join '|', map { "$_: service" } @names;
for my $code (200, 403) {
    $response = ask('/own', "X-Code: $code", "X-Lines: $lines");
    for my $name (@names) {
        my $own = $code == 200 && $name =~ /^(?:Last-Modified|ETag)$/;
        is(() = headers($response, $name), 1, "$code, $name, once");
        $own ? isnt(header($response, $name), 'service', "$code, $name of the file")
            : is(header($response, $name), 'service', "$code, $name");
    }
}
$response = ask('/upstream', "X-Lines: $lines");
is(join(' ', headers($response, $_)), 'app', "upstream, $_") for @names;
is(join(' ', headers(ask('/upstream-expires', "X-Lines: $lines"), 'Expires')),
    'Thu, 01 Jan 1970 00:00:01 GMT', 'expires');

### very many lines

# Names and values that differ, names that are equal, lines that are equal. What they
# cost is mostly what nginx itself does with them.
my %time;
for my $case (
    ['X-N%d: v', 'X-'], ['Set-Cookie: %d', 'Set-Cookie'], ['WWW-Authenticate: A%d', 'WWW-A'],
    ['Set-Cookie: same', 'Set-Cookie'],
) {
    my ($line, $name) = @$case;
    my $before = cpu_time(worker($t));
    is(status(ask('/no-lines', "Many: $line", 'X-Code: 500')), 404, "20,000 lines $line, none is wanted");
    my $between = cpu_time(worker($t));
    my $response = ask('/many', "Many: $line");
    is(status($response), 401, "20,000 lines $line");
    my $expected = $line =~ /same/ ? 1 : 20_000;
    is(() = $response =~ /^\Q$name/mg, $expected, "20,000 lines $line, sent");
    $time{without} += $between - $before;
    $time{with} += cpu_time(worker($t)) - $between;
}
cmp_ok($time{with}, '<', 8 * $time{without}, 'time of the worker');

### helpers

# The time that a process has run, in 1/100 s.
sub cpu_time {
    my ($pid) = @_;
    my @fields = split ' ', slurp("/proc/$pid/stat") =~ s/.*\)//sr;
    return $fields[11] + $fields[12];
}
