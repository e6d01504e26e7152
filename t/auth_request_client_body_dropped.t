#!/usr/bin/perl

# auth_request_body in the location of an error page. nginx drops some of the bodies that it has
# refused before anybody read them, and then nobody can check them.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Http2;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()->has(qw/ http http_v2 access proxy rewrite /)->plan(15);

configure($t, <<"EOF");
    server {
        @{[listen_http2($t)]}
        listen       127.0.0.1:8080;
        server_name  localhost;
        auth_request       /auth;
        auth_request_body  1m;

        location /large      { client_max_body_size 10; error_page 413 /page;      proxy_pass http://127.0.0.1:8082; }
        location /large-off  { client_max_body_size 10; error_page 413 /page-off;  proxy_pass http://127.0.0.1:8082; }
        location /large-open { client_max_body_size 10; error_page 413 /page-open; proxy_pass http://127.0.0.1:8082; }
        location /denied     { deny all;                error_page 403 /page;      proxy_pass http://127.0.0.1:8082; }

        location /short      { auth_request_body 10;    error_page 413 /short-page; proxy_pass http://127.0.0.1:8082; }

        location = /short-page { auth_request_body 10; proxy_pass http://127.0.0.1:8082; }
        location = /page      { proxy_pass http://127.0.0.1:8082; }
        location = /page-off  { auth_request_body off; root html; }
        location = /page-open { auth_request off;      root html; }
        location = /auth      { internal; auth_request off; proxy_pass http://127.0.0.1:8081; }
    }
EOF

my $d = $t->testdir();
mkdir "$d/html";
$t->write_file("html/$_", "file $_") for 'page-off', 'page-open';

# Writes down how much of the body each check has.
service($t, 8081, sub {
    my ($client, undef, $body) = @_;
    append("$d/checked", length($body) . ' ');
    print $client "HTTP/1.1 204 X\r\n\r\n";
    return 0;
});
service($t, 8082, sub {
    my ($client, undef, $body) = @_;
    print $client "HTTP/1.1 200 X\r\n\r\n" . length $body;
    return 0;
});
$t->run();

my %send = (
    'HTTP/1' => sub { return ask({ method => 'POST', body => 'x' x 100 }, $_[0]) },
    'HTTP/1, chunks' => sub { return ask({ method => 'POST', chunks => ['x' x 100] }, $_[0]) },
    'HTTP/1, a part' => sub {
        my $s = connection();
        $s->print(request({ method => 'POST' }, $_[0], 'Content-Length: 100') . 'x' x 50);
        return read_response($s);
    },
    # by hand, because curl may lose a response that comes while it is still sending
    'HTTP/2' => sub {
        my $s = http2_connection();
        $s->print(http2_request({ open => 1 }, 1, $_[0], 'content-length' => 100) . http2_data(1, 'x' x 100));
        my %status = http2_statuses($s, 1);
        my %body = http2_bodies($s, 1);
        return "HTTP/2 $status{1}\r\n\r\n$body{1}";
    },
);

# The status and the body of the response, the lengths that were checked, and the log.
sub outcome {
    my ($how, $uri) = @_;
    $t->write_file('checked', '');
    logged($t);
    my $response = $send{$how}->($uri);
    my ($status) = $response =~ /^HTTP\/\S+ (\d+)/;
    return join '|', $status, body($response) =~ s/<.*//sr, $t->read_file('checked'),
        logged($t, qr/^error the client request body/);
}

my $gone = 'error the client request body cannot be checked: nginx has dropped it when it refused the '
    . 'request, or another module or location has used it; an error page needs "auth_request_body off"';

is(outcome('HTTP/1', '/denied'), '403|100|100 |', 'refused by deny, HTTP/1');
is(outcome('HTTP/2', '/denied'), '403|100|100 |', 'refused by deny, HTTP/2');

# here nginx has read and dropped all of it, so that there is none for anybody
is(outcome('HTTP/1', '/large'), '413|0|0 |', 'too large, HTTP/1');
is(outcome($_, '/large'), "500|||$gone", "too large, $_") for 'HTTP/1, a part', 'HTTP/2';

# a body that is longer than auth_request_body, also in the location of the page
like(outcome('HTTP/1', '/short'), qr/^413\|[^|]*\|\|\z/, 'longer than auth_request_body, HTTP/1');
is(outcome('HTTP/1, chunks', '/short'), "500|||$gone", 'longer than auth_request_body, HTTP/1, chunks');

for my $how (sort keys %send) {
    is(outcome($how, '/large-off'), '413|file page-off|0 |', "auth_request_body off, $how");
    is(outcome($how, '/large-open'), '413|file page-open||', "auth_request off, $how");
}
