#!/usr/bin/perl

# auth_request_body: the error page for a body that is larger than the limit. nginx
# has read a part of chunks, and nothing of a body whose length was announced.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)->plan(14);

configure($t, <<'EOF');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        auth_request /auth;
        auth_request_body 4;

        location /proxied { error_page 413 = @proxied; }
        location /page { error_page 413 /proxied-page; }
        location /plain { }
        location @proxied {
            auth_request off;
            proxy_read_timeout 5s;
            proxy_pass http://127.0.0.1:8082;
        }
        location = /proxied-page {
            auth_request off;
            proxy_read_timeout 5s;
            proxy_pass http://127.0.0.1:8082;
        }
        location = /auth { return 204; }
    }
EOF

# What it has got: the request line, the lines that announce a body, and what of it
# has come. It waits for the whole of an announced body.
service($t, 8082, sub {
    my ($client, $head, $body) = @_;
    my ($line) = $head =~ /^(\S+)/;
    my ($length) = $head =~ /^Content-Length: (\d+)/m;
    my ($chunked) = $head =~ /^(Transfer-Encoding: \S+)/m;
    my $text = join ' ', $line, $length // 'no length', $chunked // 'no chunks';
    print $client "HTTP/1.1 200 OK\r\nContent-Length: " . length($text) . "\r\n\r\n$text";
    return 0;
});
$t->run();

for my $case (
    ['chunked', { chunks => [('x' x 1000) x 9] }],
    ['one chunk', { chunks => ['x' x 5] }],
    ['announced', { body => 'x' x 9000 }],
) {
    my ($name, $options, @lines) = @$case;
    for my $uri (qw{ /proxied /page }) {
        my $response = ask({ method => 'POST', %$options }, $uri, @lines);
        is(status($response), $uri eq '/page' ? 413 : 200, "$uri, $name");
        my $length = $name eq 'announced' ? 9000 : 0;
        is(body($response), ($uri eq '/page' ? 'GET' : 'POST') . " $length no chunks",
            "$uri, $name, what the upstream of the error page gets");
    }
}
is(status(ask({ method => 'POST', chunks => ['x' x 9000] }, '/plain')), 413, "nginx's own page");
is(status(ask({ method => 'POST', chunks => ['x' x 4] }, '/plain')), 404, 'within the limit');
