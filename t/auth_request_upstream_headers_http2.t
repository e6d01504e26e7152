#!/usr/bin/perl

# auth_request_upstream_headers for clients and upstreams that speak HTTP/2, and
# auth_request_body for such clients. Needs curl.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Http2;
use Test::Nginx::Raw;

use Digest::MD5 qw/ md5_hex /;

my $t = Test::Nginx->new()->has(qw/ http http_v2 proxy grpc rewrite /)->plan(51);

configure($t, <<"EOF");
    underscores_in_headers on;
    ignore_invalid_headers off;
    client_body_buffer_size 1k;
    server {
        auth_request_upstream_headers X-User Authorization X-Authgear-* X-Auth-Request-abzvxtmizuipltm;
        listen       127.0.0.1:8080;
        @{[listen_http2($t)]}
        server_name  localhost;
        auth_request /auth;
        auth_request_set \$saw \$upstream_http_x_saw;
        add_header X-Saw \$saw always;
        location / { proxy_pass http://127.0.0.1:8082; }
        location /grpc { grpc_pass grpc://127.0.0.1:8084; }
        location /any {
            satisfy any;
            allow 127.0.0.1;
            deny all;
            grpc_pass grpc://127.0.0.1:8084;
        }
        location /body {
            auth_request_body 2000;
            proxy_pass http://127.0.0.1:8082;
        }
        location /body-grpc {
            auth_request_body 2000;
            grpc_pass grpc://127.0.0.1:8084;
        }
        location = /auth { internal; proxy_pass http://127.0.0.1:8081; }
    }
    # the server for gRPC passes requests on by HTTP/1
    server {
        @{[listen_http2($t, 8084)]}
        location / { proxy_pass http://127.0.0.1:8082; }
    }
EOF

service($t, 8081, sub {
    my ($client, $head, $body) = @_;
    my @say = $head =~ /^X-Say: (.*)\r/mgi;
    my ($mine) = $head =~ /^Authorization: (.*)\r/mi;
    print $client "HTTP/1.1 204 X\r\n" . join('', map { "$_\r\n" } @say)
        . 'X-Saw: ' . (defined $mine ? "$mine " : '') . md5_hex($body) . "\r\n\r\n";
    return 0;
});
service($t, 8082, sub {
    my ($client, $head, $body) = @_;
    my $got = join ', ', sort map { lc } $head
        =~ /^(x[^:a-z]*(?:user|auth(?:gear|-request)[^:]*): .*|authorization: .*)\r/mgi;
    $got .= ' ' . length($body) . ' ' . md5_hex($body) if $body ne '';
    print $client "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\n"
        . 'Content-Length: ' . length($got) . "\r\n\r\n$got";
    return 0;
});
$t->run();

my @mine = ('X-User: root', 'x_user: root', 'X.User: root', 'X-USER: admin',
    'Authorization: mine', 'X_Authgear_Valid: true');
my @said = ('X-Say: X-User: alice', 'X-Say: Authorization: theirs',
    'X-Say: X-Authgear-Valid: no');
# nginx's hash of these names is 0 on 64 bits, which marks a deleted line of a
# response only
my @zero_hash = ('X-Authgear-gtbuqdfvsfcklkdttmoits: evil', 'X-Authgear-aqmoankbhskyxum: evil',
    'X-Auth-Request-abzvxtmizuipltm: evil');
my $theirs = 'authorization: theirs, x-authgear-valid: no, x-user: alice';

for my $uri (qw{ / /grpc }) {
    for my $client (\&ask, \&ask_http2) {
        my $name = "$uri, HTTP/" . ($client == \&ask ? 1 : 2);
        my $response = $client->($uri, @mine);
        is(body($response), '', "$name, none");
        is(header($response, 'X-Saw'), 'mine ' . md5_hex(''), "$name, service");
        is(body($client->($uri, @said)), $theirs, "$name, set");
        is(body($client->($uri, @mine, @said)), $theirs, "$name, in place");
        is(body($client->($uri, @said, @mine)), $theirs, "$name, in any order");
        is(body($client->($uri, @zero_hash)), '', "$name, names with a hash of 0, none");
        is(body($client->($uri, @zero_hash, @said)), $theirs, "$name, names with a hash of 0, set");
    }
}
is(body(ask('/any', @mine, @said)), '', 'satisfy any');
is(body(ask_http2('/any', @mine, @said)), '', 'satisfy any, HTTP/2');

### bodies

my %bodies = (empty => '', small => 'abc', limit => 'x' x 2000, larger => 'x' x 2001,
    large => 'x' x 200_000);
my $d = $t->testdir();
for my $name (sort keys %bodies) {
    my $body = $bodies{$name};
    $t->write_file($name, $body);
    for my $uri (qw{ /body /body-grpc }) {
        my @ways = (['--data-binary', "\@$d/$name"], ['-X', 'POST', '-T', "- < $d/$name"]);
        my @got = map { outcome($uri, @$_) } @ways;
        my $expected = length $body > 2000 ? 'refused'
            : length $body ? ' ' . length($body) . ' ' . md5_hex($body) . ' saw '
            . md5_hex($body) : ' saw ' . md5_hex('');
        is($got[0], $expected, "$uri, $name");
        is($got[1], $expected, "$uri, $name, no length");
    }
}

# curl does not show a response that comes before it has sent all, so the log tells

$t->stop();
is(join(' ', $t->read_file('access.log') =~ m!"POST /body\S* HTTP/2.0" (413|5\d\d) !g),
    join(' ', (413) x 8), 'refused with 413');

### helpers

# What the upstream got and what the service saw of a request.
sub outcome {
    my ($uri, @options) = @_;
    my $response = http2_curl($uri, @options);
    return 'refused' unless $response =~ /^HTTP\S+ 200/;
    return body($response) . ' saw ' . header($response, 'X-Saw');
}

sub ask_http2 {
    my ($uri, @lines) = @_;
    return http2_curl($uri, map { "-H '$_'" } @lines);
}
