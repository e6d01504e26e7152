#!/usr/bin/perl

# auth_request_body in a location that dav serves: dav stores the body that the
# service has seen.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite dav /)->plan(17);

configure($t, <<'EOF');
    client_body_buffer_size 1k;
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        auth_request_body 100k;
        auth_request /auth;
        auth_request_set $saw $upstream_http_x_saw;
        add_header X-Saw $saw always;

        location / {
            root %%TESTDIR%%/dav;
            dav_methods PUT DELETE MKCOL;
            dav_access user:rw group:r all:r;
        }
        location /proxied { proxy_pass http://127.0.0.1:8082; }
        location = /auth { internal; proxy_method POST; proxy_pass http://127.0.0.1:8081; }
    }
    server {
        listen       127.0.0.1:8082;
        server_name  localhost;
        client_max_body_size 1m;
        location / { return 200 $request_method$content_length; }
    }
EOF

my $d = $t->testdir();
mkdir "$d/dav";

# The service denies what begins with "no".
service($t, 8081, sub {
    my ($client, $head, $body) = @_;
    my $code = $body =~ /^no/ ? 403 : 200;
    print $client "HTTP/1.1 $code X\r\nX-Saw: " . length($body) . "\r\nContent-Length: 0\r\n\r\n";
    return 0;
});
$t->run();

for my $length (1, 1024, 50_000) {
    my $response = ask({ method => 'PUT', body => 'x' x $length }, "/file$length");
    is(status($response), 201, "$length bytes");
    is(header($response, 'X-Saw'), $length, "$length bytes, the service has seen them");
    is(slurp("$d/dav/file$length"), 'x' x $length, "$length bytes, the file");
}
is(sprintf('%o', (stat "$d/dav/file1")[2] & 0777), '644', 'the access of the file');
is(status(ask({ method => 'PUT', chunks => ['a', 'b' x 2000] }, '/file1')), 204,
    'chunks over a file that is there');
is(slurp("$d/dav/file1"), 'a' . 'b' x 2000, 'chunks, the file');
is(status(ask({ method => 'PUT', body => 'no' }, '/denied')), 403, 'denied');
ok(!-e "$d/dav/denied", 'denied, no file');
is(body(ask({ method => 'PUT', body => 'x' x 10 }, '/proxied')), 'PUT10', 'a PUT for an upstream');
is(status(ask({ method => 'DELETE' }, '/file1')), 204, 'another method');
is(join(' ', glob("$d/client_body_temp/*/*/* $d/client_body_temp/[0-9]*[0-9]")), '',
    'no temporary files are left');
