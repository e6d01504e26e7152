#!/usr/bin/perl

# auth_request: $content_length, $request_body and $request_body_file have the
# values of the client's request there and those of the check in the check, in
# whatever order they are read. nginx itself shares the values of variables
# between a request and its subrequests.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Test::Nginx qw/ http_content /;
use Test::Nginx::Raw;

my $small = '0123456789';
my $large = join '', map { "$_\n" } 1 .. 1000;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)->plan(20);

configure($t, <<'EOF');
    client_body_buffer_size 1k;
    log_format  body '$request_uri [$content_length] [$request_body]';
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        access_log   %%TESTDIR%%/body.log body;

        auth_request_set $told $upstream_http_x_told;
        add_header X-Service $told always;
        add_header X-Early "$early_length $early_body" always;
        proxy_set_header X-Tell
            "[$content_length] [$request_body] [$request_body_file]";

        # the variables are read in this location, in both, in the check, in none

        location = /here {
            set $early_length "[$content_length]";
            set $early_body "[$request_body]";
            auth_request /auth-silent;
            proxy_pass http://127.0.0.1:8081;
        }
        location = /both {
            set $early_length "[$content_length]";
            set $early_body "[$request_body]";
            auth_request /auth;
            proxy_pass http://127.0.0.1:8081;
        }
        location = /there {
            auth_request /auth;
            proxy_pass http://127.0.0.1:8081;
        }
        location = /rewritten {
            auth_request /auth-rewritten;
            proxy_pass http://127.0.0.1:8081;
        }
        location = /set {
            auth_request /auth-silent;
            auth_request_set $told $upstream_http_x_told;
            auth_request_set $early_length "[$content_length]";
            auth_request_set $early_body "[$request_body]";
            proxy_pass http://127.0.0.1:8081;
        }
        location = /redirected {
            auth_request /auth;
            error_page 404 = @redirected;
            root %%TESTDIR%%/none;
        }
        location @redirected {
            auth_request /auth;
            proxy_pass http://127.0.0.1:8081;
        }
        location = /denied {
            auth_request /auth-denied;
            proxy_pass http://127.0.0.1:8081;
        }
        location = /if {
            if ($content_length = 10) { set $early_length ten; }
            auth_request /auth;
            proxy_pass http://127.0.0.1:8081;
        }
        location = /auth {
            proxy_pass http://127.0.0.1:8081;
        }
        location = /auth-silent {
            proxy_set_header X-Other other;
            proxy_pass http://127.0.0.1:8081;
        }
        location = /auth-rewritten {
            if ($content_length) { return 403; }
            if ($request_body) { return 403; }
            return 204;
        }
        location = /auth-denied {
            if ($content_length = '') { return 401; }
            return 204;
        }
    }
EOF

service($t, 8081, sub {
    my ($client, $head, $body) = @_;
    my ($told) = $head =~ /^X-Tell: (.*)\r/m;
    $told = ($told // 'silent') . ' ' . length $body;
    print $client "HTTP/1.1 200 X\r\nX-Told: $told\r\n\r\n$told";
    return 0;
});

$t->run();

### small, in memory

my $nothing = '[] [] [] 0';
my $here = "[10] [$small] [] 10";

is(told('/here', $small), "[10] []|silent 0|$here", 'read in the request');
is(told('/both', $small), "[10] []|$nothing|$here", 'read in both');
is(told('/there', $small), " |$nothing|$here", 'read in the check');
is(told('/rewritten', $small), " ||$here", 'read by if in the check');
is(told('/set', $small), "[] []|silent 0|$here", 'auth_request_set');
is(told('/redirected', $small), " |$nothing|$here", 'two checks');
is(told('/if', $small), "ten |$nothing|$here", 'read by if in the request');

### large, in a file

my $file = qr/\[3893\] \[\] \[\S+client_body_temp\/\d+\] 3893/;

like(told('/here', $large), qr/^\[3893\] \[\]\|silent 0\|$file$/,
    'large, read in the request');
like(told('/both', $large), qr/^\[3893\] \[\]\|\Q$nothing\E\|$file$/,
    'large, read in both');
like(told('/there', $large), qr/^ \|\Q$nothing\E\|$file$/,
    'large, read in the check');
like(told('/redirected', $large), qr/^ \|\Q$nothing\E\|$file$/,
    'large, two checks');

### in chunks: the length is known when the body has been read

like(told('/both', $small, 1), qr/^\[\] \[\]\|\Q$nothing\E\|\Q$here\E$/,
    'chunked, read in both');
like(told('/there', $large, 1), qr/^ \|\Q$nothing\E\|$file$/,
    'chunked, large, read in the check');
like(told('/if', $small, 1), qr/^ \|\Q$nothing\E\|\Q$here\E$/,
    'chunked, rewrite in the request');

### none

is(told('/both', ''), "[0] []|$nothing|[0] [] [] 0", 'empty body');
like(http_get('/both'), qr/^X-Early: \[\] \[\]\r\n\r\n\Q$nothing\E\z/m,
    'no body');

### denials

like(ask({ method => 'POST', body => $small }, '/denied'), qr/^HTTP\S+ 401 /, 'denied');

### access log

$t->stop();
my $log = $t->read_file('body.log');
is(() = $log =~ m{^/there \[10\] \[$small\]$}gm, 1, 'access log');
is(() = $log =~ m{^/denied \[10\] \[-\]$}gm, 1, 'access log of a denial');
is(() = $log =~ m{^/\w+ \[10\] \[$small\]$}gm, 9, 'access log of all bodies of 10 bytes');

### helpers

# The values in the rewrite phase, those that the service got, and those that the
# upstream got.
sub told {
    my ($uri, $body, $chunked) = @_;
    my $response = ask({ method => 'POST', $chunked ? (chunks => [$body]) : (body => $body) },
        $uri);
    my ($upstream) = (http_content($response) // '') =~ /\A(\[.*\] \d+)\z/;
    return join '|', map { $_ // '' } header($response, 'X-Early'),
        header($response, 'X-Service'), $upstream;
}
