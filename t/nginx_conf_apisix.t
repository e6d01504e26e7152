#!/usr/bin/perl

# nginx-conf/apisix-forward-auth.conf: the examples of the plugin's
# documentation, and each attribute of its table.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use ForwardAuth;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite upstream_keepalive /)->plan(72);

use_conf($t, 'auth-proxy.conf', map { ("$_  3s;" => "$_  300ms;") } 'proxy_send_timeout   ', 'proxy_read_timeout   ');
use_conf($t, 'apisix-forward-auth.conf', 'listen 8080' => 'listen 127.0.0.1:8080',
    '127.0.0.1:9000' => '127.0.0.1:8090', '127.0.0.1:9001' => '127.0.0.1:8091');

configure($t, <<'EOC');
    underscores_in_headers on;
    include apisix-forward-auth.conf;
EOC

# The service of the plugin's documentation, with further responses by URI.

authority($t, 8091, sub {
    my ($head, $body) = @_;
    my ($uri) = $head =~ /^X-Forwarded-Uri: (\S+)/mi;
    my ($authorization) = $head =~ /^Authorization: (\S+)/mi;
    if ($uri =~ m!^/tenant/!) {
        return 200, ['X-User-ID: i-am-an-user'] if $head =~ /^tenant_id: ./mi;
        return 400, ['Content-Type: text/plain'], 'tenant_id is required';
    }
    return $body eq 'yes' ? 200 : 403 if $uri =~ m!^/post/!;
    return 302, ['Location: http://auth_service/auth/login'] if $uri =~ m!/own$!;
    return $1, ['Location: http://example.com/auth', 'Content-Type: text/x', 'X-Secret: s'], "says $1"
        if $uri =~ m!/status/(\d+)!;
    sleep 5 if $uri eq '/slow';
    # each connection has a process of its own
    return 200, ["X-User-ID: $$"], 'a body' if $uri eq '/kept';
    return 200 if defined $authorization && $authorization eq '123';
    return 200, ['X-User-ID: i-am-user', 'X-Secret: s'] if defined $authorization && $authorization eq '321';
    return 403, ['Location: http://example.com/auth', 'X-Secret: s'];
});
application($t, 8090);
$t->run();

my (@asked, $response);

### the plugin's documentation

$response = ask('/headers');
is(status($response), 403, 'documented: refused');
is(header_values($response, 'Location'), 'http://example.com/auth', 'documented: client_headers');
unlike($response, qr/X-Secret/i, 'documented: nothing else');
$response = ask('/headers', 'Authorization: 123');
is(status($response), 200, 'documented: let in');
is(header_values(got($response), 'x-user-id'), '', 'documented: let in, no user');
$response = ask('/headers', 'Authorization: 321');
is(header_values(got($response), 'x-user-id'), 'i-am-user', 'documented: upstream_headers');
is(header_values(got($response), 'authorization'), '321', 'documented: the client\'s own lines');
unlike($response, qr/X-Secret/i, 'documented: nothing else, let in');
unlike($response, qr/^Location/m, 'documented: client_headers are of refusals');
requests($t, 8091);

$response = ask({ method => 'POST', body => "{\n   \"tenant_id\": 123\n}" }, '/tenant/post', 'Content-Type: application/json');
is(status($response), 200, 'documented: extra_headers');
like(got($response), qr!^POST /tenant/post .*^x-user-id: i-am-an-user\n\n\{\n   "tenant_id": 123\n\}\z!ms,
    'documented: extra_headers, to the application');
@asked = requests($t, 8091);
is(header_values($asked[0], 'tenant_id'), 123, 'documented: extra_headers, to the service');
like($asked[0], qr/^GET (?!.*^content-(?:length|type):).*\n\n\z/ms,
    'documented: extra_headers, no body');
$response = ask({ method => 'POST', body => '{"abc": 123}' }, '/tenant/post', 'Content-Type: application/json', 'tenant_id: 1', 'Tenant-Id: 1');
is(status($response), 400, 'documented: extra_headers, none');
like($response, qr/^Content-Type: text\/plain\r.*\r\n\r\ntenant_id is required\z/ms,
    'documented: the service\'s words');

# as printed: curl announces a form
my $printed = 'Content-Type: application/x-www-form-urlencoded';
requests($t, 8091);
$response = ask({ method => 'POST', body => "{\n   \"tenant_id\": 123\n}" }, '/tenant/post', $printed);
is(status($response), 200, 'documented: extra_headers, as printed');
is(header_values((requests($t, 8091))[0], 'tenant_id'), 123, 'documented: as printed, to the service');
$response = ask({ method => 'POST', body => "{\n   \"abc\": 123\n}" }, '/tenant/post', $printed);
is(status($response) . ' ' . body($response), '400 tenant_id is required',
    'documented: extra_headers, none, as printed');
is(status(ask({ method => 'POST', body => '{"tenant_id":"a","x":"&tenant_id=b&"}' }, '/tenant/post', $printed)),
    400, 'documented: as printed, with another tenant for those who read a form');

is(status(ask({ method => 'POST', body => 'tenant_id=1' }, '/tenant/', 'Content-Type: application/x-www-form-urlencoded')), 200,
    'extra_headers, of a form');
is(status(ask({ method => 'POST', body => '{"tenant_id":1,"tenant_id":2}' }, '/tenant/', 'Content-Type: application/json')), 400,
    'extra_headers, twice');
is(status(ask({ method => 'POST', body => '"' . 'x' x 65535 . '"' }, '/tenant/', 'Content-Type: application/json')), 413,
    'extra_headers, too large a body');
is(status(ask('/tenant/')), 400, 'extra_headers, no body');

### rows 25 to 27

requests($t, 8091);
for my $uri ('/a', '/strict/a') {
    $response = ask($uri, 'Authorization: 123', 'Cookie: c', 'User-Agent: u', 'X-User-ID: mallory',
        'X_User_ID: mallory', 'x-user_id: mallory', spoofed());
    is(status($response), 200, "row 26: $uri");
    is(header_values(got($response), 'x.user.id'), '', "row 26: $uri, no user");
    @asked = requests($t, 8091);
    unlike($asked[0], qr/mallory/, "row 27: $uri");
    is(header_values($asked[0], 'x-forwarded-(?:method|proto|host|uri|for)'), "127.0.0.1 | localhost | GET | http | $uri",
        "$uri: the five lines");
}
is($asked[0], <<EOS, 'request_headers, to the letter');
GET /auth HTTP/1.1
authorization: 123
host: auth_service
x-forwarded-for: 127.0.0.1
x-forwarded-host: localhost
x-forwarded-method: GET
x-forwarded-proto: http
x-forwarded-uri: /strict/a

EOS
is(header_values(got(ask('/a', 'Authorization: 321', 'X_User_ID: mallory')), 'x.user.id'), 'i-am-user',
    'row 25: user');

### any other response goes to the client

for my $status (300, 302, 307, 400, 401, 404, 418, 429, 451, 500, 503, 599) {
    $response = ask("/status/$status", 'Authorization: 123');
    is(status($response) . ' ' . header_values($response, 'Location') . ' ' . ($response =~ /\r\n\r\n(.*)/s)[0],
        "$status http://example.com/auth says $status", "response: $status");
}
is(status(ask("/status/$_", 'Authorization: 123')), 403,
    "response: $_ is an error") for 304, 199, 600;
is(status(ask("/status/$_", 'Authorization: 123')), 200, "response: $_") for 201, 299;
is(header_values(ask($_), 'Location'), 'http://auth_service/auth/login', "response: to its own page, $_")
    for '/own', '/strict/own';
unlike(ask('/status/418', 'Authorization: 123'), qr/X-Secret/i, 'response: not all of its lines');

### request_method

requests($t, 8091);
$response = ask({ method => 'PUT', body => 'yes' }, '/post/a', 'Content-Type: text/x');
is(status($response), 200, 'request_method');
like(got($response), qr/^PUT .*\n\nyes\z/s, 'request_method, to the application');
@asked = requests($t, 8091);
like($asked[0], qr!^POST /auth HTTP/1.1\n.*\n\nyes\z!s, 'request_method, to the service');
is(header_values($asked[0], 'content-(?:length|type)'), '3 | text/x',
    'request_method, about the body');
is(header_values($asked[0], 'x-forwarded-method'), 'PUT', 'request_method, the client\'s');
is(status(ask({ method => 'PUT', body => 'no' }, '/post/a')), 403, 'request_method, refused');
is(status(ask({ method => 'PUT', body => 'x' x 65537 }, '/post/a')), 413,
    'request_method, too large a body');

### connections and time

is(status(ask('/degradable/a', 'Authorization: 321')), 200, 'allow_degradation, let in');
is(status(ask('/degradable/a')), 403, 'allow_degradation, refused');
is(status(ask('/degradable/status/404')), 404, 'allow_degradation, another refusal');
is(status(ask('/auth', 'Authorization: 321')), 404, 'the location of the check is internal');
is(join(' ', map { header_values(got(ask('/kept')), 'x-user-id') } 1 .. 5) =~ /^(\d+)(?: \1){4}$/, 1,
    'keepalive');
is(status(ask('/slow', 'Authorization: 123')), 403, 'timeout');
is(status(ask('/healthz')), 204, 'a route without the plugin');

### row 31: the service is gone

$t->stop_daemons();
application($t, 8090);
is(status(ask('/a', 'Authorization: 321')), 403, 'status_on_error');
is(status(ask('/strict/a', 'Authorization: 321')), 403, 'status_on_error, strict');
is(status(ask({ method => 'POST', body => 'yes' }, '/post/a')), 403,
    'status_on_error, with a body');
$response = ask('/degradable/a', 'X-User-ID: mallory', 'X_User_ID: mallory', 'Authorization: 321');
is(status($response), 200, 'allow_degradation, no response');
unlike($response, qr/mallory/, 'row 26: allow_degradation, no user');
