#!/usr/bin/perl

# auth_request: the service gets no body, and the upstream gets the whole body.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Original;
use Test::Nginx::Raw;

use Digest::MD5 qw/ md5_hex /;

my @paths = qw{ /plain /unbuffered /http11 /named /forwarded /keepalive };

my %bodies = (
    none => '',
    small => "0123456789",
    binary => join('', map { chr } 0 .. 255) . "\r\n\r\n0\r\n\r\n",
    large => join('', map { "$_\n" } 1 .. 30_000),
);

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)
    ->plan(@paths * (3 * 2 * keys(%bodies) + 2) + 23);

without_body($t);
$t->write_file('length.conf', differs('$content_length in the check',
    'proxy_set_header Content-Length $content_length; client_max_body_size 5;', ''));
configure($t, <<'EOF');
    client_body_buffer_size 1k;
    upstream kept {
        server 127.0.0.1:8081;
        keepalive 1;
    }
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        auth_request_set $saw $upstream_http_x_saw;
        add_header   X-Saw $saw always;

        location /plain {
            auth_request /auth;
            proxy_pass http://127.0.0.1:8082;
        }
        location = /auth {
            internal;
            include without-body.conf;
            proxy_pass http://127.0.0.1:8081/$arg_code;
        }
        location /unbuffered {
            auth_request /auth-unbuffered;
            proxy_request_buffering off;
            proxy_http_version 1.1;
            proxy_pass http://127.0.0.1:8082;
        }
        location = /auth-unbuffered {
            proxy_request_buffering off;
            proxy_http_version 1.1;
            proxy_set_header Connection close;
            include without-body.conf;
            proxy_pass http://127.0.0.1:8081;
        }
        location /http11 {
            auth_request /auth-http11;
            proxy_pass http://127.0.0.1:8082;
        }
        location = /auth-http11 {
            proxy_http_version 1.1;
            include without-body.conf;
            proxy_pass http://127.0.0.1:8081;
        }
        location /named {
            proxy_pass http://127.0.0.1:8083;
            proxy_intercept_errors on;
            error_page 404 = @named;
        }
        location @named {
            auth_request /auth;
            proxy_pass http://127.0.0.1:8082;
        }
        location /forwarded {
            auth_request /auth-forwarded;
            proxy_pass http://127.0.0.1:8082;
        }
        location = /auth-forwarded {
            include length.conf;
            include without-body.conf;
            proxy_pass http://127.0.0.1:8081;
        }
        location /keepalive {
            auth_request /auth-keepalive;
            proxy_pass http://127.0.0.1:8082;
        }
        location = /auth-keepalive {
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            include without-body.conf;
            proxy_pass http://kept;
        }
        location /own {
            auth_request /auth-own;
            proxy_pass http://127.0.0.1:8082;
        }
        location = /auth-own {
            proxy_method POST;
            proxy_set_body "u=$request_uri&b=$request_body";
            proxy_pass http://127.0.0.1:8081;
        }
        location /limited {
            client_max_body_size 5;
            auth_request /auth;
            proxy_pass http://127.0.0.1:8082;
        }
        location /limited-check {
            auth_request /auth-limited;
            proxy_pass http://127.0.0.1:8082;
        }
        location = /auth-limited {
            client_max_body_size 5;
            include without-body.conf;
            proxy_pass http://127.0.0.1:8081;
        }
        location /denied {
            auth_request /auth-denied;
            proxy_pass http://127.0.0.1:8082;
        }
        location = /auth-denied {
            include without-body.conf;
            proxy_pass http://127.0.0.1:8081/$http_x_code;
        }
    }
    server {
        listen       127.0.0.1:8083;
        location / { return 404; }
    }
EOF

# The service responds with the status in its path, and X-Saw has the header lines about
# a body and the body that it got.

service($t, 8081, sub {
    my ($client, $head, $body) = @_;
    my ($status) = $head =~ /^\S+ \/(\d+)/;
    my @told = $head =~ /^(Content-Length|Transfer-Encoding|Expect):/mgi;
    my $close = $head =~ /^Connection: close/mi;
    print $client 'HTTP/1.1 ' . ($status // 204) . " X\r\n"
        . "X-Saw: " . join(' ', @told, "[$body]") . "\r\n"
        . ($status ? "Content-Length: 0\r\n" : '')
        . ($close ? "Connection: close\r\n" : '') . "\r\n";
    return !$close;
});

service($t, 8082, sub {
    my ($client, $head, $body) = @_;
    my ($method) = $head =~ /^(\w+)/;
    print $client "HTTP/1.1 200 X\r\n\r\n$method "
        . length($body) . ' ' . md5_hex($body);
    return 0;
});

$t->run();

### bodies

for my $path (@paths) {
    for my $name (sort keys %bodies) {
        my $body = $bodies{$name};
        my $expected = 'POST ' . length($body) . ' ' . md5_hex($body);

        for my $way (qw/ length chunked slow /) {
            my $response = post($path, $body, $way);
            is(body($response), $expected, "$path, $name, $way, upstream");
            is(header($response, 'X-Saw'), '[]', "$path, $name, $way, service");
        }
    }

    my $s = connection();
    my $response = exchange($s, request({ method => 'POST', body => '0123456789' }, $path,
        'Expect: 100-continue', 'Connection: close'));
    like($response, qr/^HTTP\S+ 100 .*\r\n\r\nHTTP\S+ 200 .*POST 10 /s,
        "$path, expect");
    is(header($response, 'X-Saw'), '[]', "$path, expect, service");
}

### a check with a body of its own

my $response = post('/own', $bodies{small}, 'length');
is(header($response, 'X-Saw'), 'Content-Length [u=/own&b=]',
    'a check with a body of its own, service');
is(body($response), 'POST 10 ' . md5_hex($bodies{small}), 'a check with a body of its own, upstream');

### a denial does not wait for the body

for my $code (401, 403, 500) {
    my $s = connection();
    like(exchange($s, request({ method => 'POST' }, '/denied', "X-Code: $code", 'Content-Length: 10')),
        qr/^HTTP\S+ $code /, "$code before the body is there");
    like(exchange(connection(), request({ method => 'POST' }, '/denied', "X-Code: $code", 'Content-Length: 10', 'Expect: 100-continue')), qr/^HTTP\S+ $code /,
        "$code, no continue");
    like(exchange(connection(), request({ method => 'POST' }, '/denied', "X-Code: $code", 'Transfer-Encoding: chunked')), qr/^HTTP\S+ $code /,
        "$code, chunked, before the body is there");
}

my $s = connection();
$s->print(request({ method => 'POST' }, '/plain', "X-Code: 204", 'Content-Length: 10') . '01234');
select undef, undef, undef, 0.2;
like(exchange($s, '56789'), qr/^HTTP\S+ 200 .*POST 10 /s,
    'the rest of a body after the check');

like(post('/limited', $bodies{small}, 'length'),
    qr/^HTTP\S+ 413 (?!.*\[)/s, 'too long a body, the service is not asked');
like(post('/limited', $bodies{small}, 'chunked'),
    qr/^HTTP\S+ 413 .*\[/s, 'too long a body in chunks, after the check');

is(status(post('/limited-check', $bodies{small}, 'length')),
    differs('client_max_body_size in the check', 200, 500),
    'too long a body for the location that is asked');

### the next request after a body that was not read

for my $code (401, 403, 500) {
    for my $way (qw/ length chunked /) {
        $s = connection();
        my $first = exchange($s, posted('/denied', $bodies{binary}, $way, "X-Code: $code"));
        my $second = exchange($s, posted('/denied', $bodies{small}, $way, 'X-Code: 200'));
        is(join(' ', map { status($_) } $first, $second),
            $code == 500 ? "$code none" : "$code 200",
            "$code, $way, next request of the connection");
    }
}

$s = connection();
$s->print(posted('/denied', $bodies{binary}, 'length', 'X-Code: 401')
    . posted('/denied', $bodies{small}, 'chunked', 'X-Code: 200')
    . posted('/denied', '', 'length', 'X-Code: 403')
    . posted('/denied', $bodies{large}, 'length', 'X-Code: 200'));
is(join(' ', map { status(read_response($s)) } 1 .. 4),
    '401 200 403 200', 'pipelined');

$s = connection();
$s->print(posted('/denied', $bodies{small}, 'length', 'X-Code: 401')
    . posted('/denied', $bodies{small}, 'length', 'X-Code: 200'));
read_response($s);
like(read_response($s), qr/POST 10 ${\ md5_hex($bodies{small})}\z/,
    'pipelined, body of the second');

### helpers

# The text of a request, with its body in chunks or all at once.
sub posted {
    my ($path, $body, $way, @lines) = @_;
    my @body = $way eq 'chunked' ? (chunks => [unpack '(a1000)*', $body]) : (body => $body);
    return request({ method => 'POST', @body }, $path, @lines);
}

# The response to such a request. If it is slow, the body comes after the check.
sub post {
    my ($path, $body, $way) = @_;
    my $request = posted($path, $body, $way, 'Connection: close');
    my $s = connection();

    if ($way eq 'slow') {
        (my $head, $body) = $request =~ /(.*?\r\n\r\n)(.*)/s;
        $s->print($head);
        select undef, undef, undef, 0.02;
        $request = $body;
    }

    return exchange($s, $request);
}
