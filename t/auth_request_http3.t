#!/usr/bin/perl

# auth_request over HTTP/3: denials, bodies, header lines, cached verdicts, many streams at once, and
# streams and connections that the client leaves during a check. Needs Python, see scripts/http3-python.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Certificates;
use Http3;
use Test::Nginx::Raw;
use VerdictService;

use Digest::MD5 qw/ md5_hex /;

my $t = Test::Nginx->new()->has(qw/ http http_ssl http_v3 proxy rewrite stub_status /)->plan(67);

certificate($t, 'localhost', ['localhost']);

configure($t, <<"EOF");
    client_body_buffer_size  1k;
    auth_request_cache_zone  verdicts:1m;

    server {
        @{[listen_http3(8443)]}
        server_name          localhost;
        ssl_certificate      localhost.crt;
        ssl_certificate_key  localhost.key;
        auth_request         /auth;
        auth_request_set     \$said \$upstream_http_x_said;
        add_header           X-Seen "\$said" always;

        location / { proxy_pass http://127.0.0.1:8082; }
        location /unbuffered {
            proxy_request_buffering off;
            proxy_http_version 1.1;
            proxy_pass http://127.0.0.1:8082;
        }
        location /body { auth_request_body 1m; proxy_pass http://127.0.0.1:8082; }
        location /short { auth_request_body 10; proxy_pass http://127.0.0.1:8082; }
        location /deny-body { auth_request_deny_body 1k; proxy_pass http://127.0.0.1:8082; }
        location /headers {
            auth_request_upstream_headers X-User Cookie X-Authgear-*;
            auth_request_client_headers X-Shown on=any;
            proxy_pass http://127.0.0.1:8082;
        }
        location /cached {
            auth_request_cache       verdicts;
            auth_request_cache_key   \$http_authorization\$cookie_session;
            auth_request_cache_valid any 1h;
            add_header X-Seen \$auth_request_cache_status always;
            proxy_pass http://127.0.0.1:8082;
        }
        location /told {
            auth_request /auth-told;
            proxy_pass http://127.0.0.1:8082;
        }
        location = /auth { internal; proxy_pass http://127.0.0.1:8081/check; }
        location = /auth-told {
            internal;
            proxy_pass http://127.0.0.1:8081/\$request_method/\$server_protocol/\$scheme/\$ssl_protocol/\$host\$request_uri;
        }
        location = /auth-slow { internal; proxy_pass http://127.0.0.1:8081/slow; }
        location /slow { auth_request /auth-slow; proxy_pass http://127.0.0.1:8082; }
    }
    server {
        listen 127.0.0.1:8080;
        location / { stub_status; }
    }
EOF

verdict_service($t, 8081);

# Says what it got: the method, the user, the cookies, the length and digest of the body, and lines of Authgear.
service($t, 8082, sub {
    my ($client, $head, $body) = @_;
    my ($method) = $head =~ /^(\w+)/;
    my ($user, $cookie) = map { $head =~ /^$_: (.*)\r/mi ? $1 : '-' } 'X-User', 'Cookie';
    $body //= '';
    my $authgear = join '', map { " $_" } $head =~ /^(X-Authgear-.*)\r/mgi;
    print $client "HTTP/1.1 200 X\r\nConnection: close\r\n\r\n$method $user $cookie " . length($body) . ' '
        . md5_hex($body) . $authgear;
    return 0;
});

$t->run();
my $connection = http3_connection($t, 8443);

### verdicts

my $no_body = '0 ' . md5_hex('');
is(body(http3($connection, '/', 'Answer: 204')), "GET - - $no_body", 'allowed');
for my $case ([200, 200], [204, 200], [401, 401], [403, 403], [404, 500], [500, 500], [302, 500]) {
    my ($answer, $status) = @$case;
    is(status(http3($connection, '/', "Answer: $answer")), $status, "the service responds with $answer");
}
my $response = http3($connection, '/', 'Answer: 401', 'Answer-Line: WWW-Authenticate: One', 'Answer-Line: WWW-Authenticate: Two',
    'Answer-Body: INVISIBLE');
is(join(' ', headers($response, 'WWW-Authenticate')), 'One Two', '401, challenges');
unlike($response, qr/INVISIBLE/, '401, body');
$response = http3($connection, '/deny-body', 'Answer: 403', 'Answer-Body: VISIBLE', 'Answer-Line: Content-Type: text/x');
is(join(' ', status($response), header($response, 'Content-Type'), body($response)), '403 text/x VISIBLE', 'auth_request_deny_body');
is(seen(http3($connection, '/told?a=b')), '200 /GET/HTTP/3.0/https/TLSv1.3/localhost/told?a=b 0:', 'what the service is told');

### bodies

my %bodies = (empty => '', small => '0123456789', large => join('', map { "$_\n" } 1 .. 30_000));
for my $name (sort keys %bodies) {
    my $body = $bodies{$name};
    my $got = 'POST - - ' . length($body) . ' ' . md5_hex($body);
    my ($first) = $body =~ /^([ -~]{0,20})/;
    for my $uri ('/', '/unbuffered', '/body') {
        for my $lines ([], ['Content-Length: ' . length $body]) {
            my $what = "$uri, $name" . (@$lines ? '' : ', no length');
            my $response = http3($connection, { method => 'POST', body => $body }, $uri, @$lines);
            my $said = $uri eq '/body' && length $body ? length($body) . ":$first" : '0:';
            is(seen($response), "200 /check $said", "$what, service");
            is(body($response), $got, "$what, application");
        }
    }
}
is(status(http3($connection, { method => 'POST', body => '0123456789' }, '/short')), 200, 'a body of the length that is allowed');
is(status(http3($connection, { method => 'POST', body => '01234567890' }, '/short')), 413, 'a body that is longer');
is(status(http3($connection, { method => 'POST', body => $bodies{large} }, '/', 'Answer: 401')), 401, 'denied with a body');
is(status(http3($connection, '/', 'Answer: 204')), 200, 'the next request of the connection');

### header lines

$response = http3($connection, '/headers', 'X-User: root', 'Cookie: a=1', 'Cookie: b=2', 'Answer-Line: X-User: alice',
    'Answer-Line: X-Shown: yes');
is(body($response), "GET alice - $no_body", 'the upstream gets the lines of the service, and not those of the client');
# nginx's hash of this name is 0 on 64 bits
is(body(http3($connection, '/headers', 'X-Authgear-aqmoankbhskyxum: evil')), "GET - - $no_body",
    'nor does it get a line of the client whose name has a hash of 0');
is(header($response, 'X-Shown'), 'yes', 'the client gets the line of the service');

### cached verdicts

my $cached = sub { return seen(http3($connection, '/cached', @_)) };
is($cached->('Authorization: a'), '200 MISS', 'cached, miss');
is($cached->('Authorization: a', 'Answer: 403'), '200 HIT', 'cached, hit');
is($cached->('Cookie: x=1', 'Cookie: session=b', 'Answer: 403'), '403 MISS', 'cached, a cookie, miss');
is($cached->('Cookie: x=1; session=b'), '403 HIT', 'cached, a cookie, hit');

### streams

my $statuses = sub {
    my ($connection, @streams) = @_;
    return join ' ', map { status(http3_response($connection, $_)) } @streams;
};

hold($t, 'slow');
my @streams = map { http3_send($connection, '/slow', "Answer: $_") } (204, 401, 403, 500) x 5;
is(wait_asked($t, 'slow', 20), 20, 'a check for each stream');
go_on($t, 'slow');
is($statuses->($connection, @streams), join(' ', (200, 401, 403, 500) x 5), 'each stream has its own response');

forget($t, 'slow');
hold($t, 'slow');
@streams = map { http3_send($connection, { method => 'POST', body => 'x' x 5000 }, '/slow') } 1 .. 20;
is(wait_asked($t, 'slow', 20), 20, 'a check for each stream, before some are left');
http3_reset($connection, splice @streams, 0, 10);
is(status(http3($connection, '/', 'Answer: 401')), 401, 'another request meanwhile');
go_on($t, 'slow');
is($statuses->($connection, @streams), join(' ', (200) x 10), 'the streams that stayed have responses');

forget($t, 'slow');
hold($t, 'slow');
http3_send($connection, '/slow') for 1 .. 20;
is(wait_asked($t, 'slow', 20), 20, 'a check for each stream, before the connection closes');
http3_close($connection);
is(connections_left('/'), 1, 'all connections are closed');
go_on($t, 'slow');
is(status(http3(http3_connection($t, 8443), '/', 'Answer: 204')), 200, 'the next connection is served');
