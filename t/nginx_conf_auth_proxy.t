#!/usr/bin/perl

# nginx-conf/auth-proxy.conf and auth-request.conf: what the service, the
# application and the client get, whatever the client sends and whatever outer
# levels configure (rows 25 to 32).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use ForwardAuth;
use Test::Nginx::Raw;

my @uris = ('/a', '/a?b=c&d', '//a//b', '/a/./b', '/a/../b', '/a%2Fb', '/a%2e%2e/b', '/a;b/../c', '/a%00b',
    '/a?//x/../y', '/a?b?c', '/%61', '/a+b', '/a%3Fb', "/\xc3\xbc");

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite cache /)->plan(54 + 2 * @uris);

use_conf($t, 'auth-proxy.conf');
use_conf($t, 'auth-request.conf', 'listen 8080' => 'listen 127.0.0.1:8080', '127.0.0.1:9000' => '127.0.0.1:8090',
    '127.0.0.1:9001' => '127.0.0.1:8091');

configure($t, <<'EOC');
    underscores_in_headers on;
    proxy_cache_path %%TESTDIR%%/cache keys_zone=one:1m;

    # directives of an outer level that would break the check
    proxy_cache             one;
    proxy_cache_valid       any 1h;
    proxy_ignore_headers    Cache-Control Expires Set-Cookie Vary;
    proxy_intercept_errors  on;
    error_page              401 403 500 502 504 =200 /sorry;
    proxy_set_header        X-Forwarded-Uri /open;

    include auth-request.conf;

    server {
        listen      127.0.0.1:8082;

        error_page  401 502 504 = @sorry;

        location / {
            auth_request                   $arg_check;
            auth_request_upstream_headers  X-User;
            proxy_cache                    off;
            proxy_pass                     http://127.0.0.1:8090;
        }
        location /included/ {
            internal;
            include     auth-proxy.conf;
            proxy_pass  http://127.0.0.1:8091;
            location /included/down {
                include     auth-proxy.conf;
                proxy_pass  http://127.0.0.1:8099;
            }
        }
        # for comparison, without auth-proxy.conf
        location /bare/ {
            internal;
            proxy_pass  http://127.0.0.1:8091;
            location /bare/down { proxy_pass http://127.0.0.1:8099; }
        }
        location @sorry { return 200 "sorry"; }
    }

    upstream kept {
        server     127.0.0.1:8091;
        keepalive  1;
    }
    server {
        listen 127.0.0.1:8083;
        location / {
            auth_request       /check;
            auth_request_body  1k;
            proxy_cache        off;
            error_page         599 /599;
            proxy_pass         http://127.0.0.1:8090;
        }
        location = /check {
            internal;
            include           auth-proxy.conf;
            proxy_set_header  Content-Type $content_type;
            proxy_set_header  X-Api-Key $http_x_api_key;
            proxy_method      POST;
            proxy_pass        http://kept;
        }
    }
EOC

authority($t, 8091, sub {
    my ($head) = @_;
    my ($user) = $head =~ /^Cookie: user=(\w+)/mi or return 401, ['WWW-Authenticate: Custom'];
    return 403, ['X-User: nobody'] if $user eq 'forbidden';
    return 200, ["X-Accel-Redirect: /open", 'X-User: redirected'] if $user eq 'redirected';
    return 200, [], 'hello' if $user eq 'silent';
    return 200, ["X-User: $user", 'X-Secret: s'], 'hello';
});
application($t, 8090);
$t->run();

### what the comments of auth-request.conf say

my $response = ask('/a');
is(status($response), 401, 'refused');
is(header_values($response, 'WWW-Authenticate'), 'Custom', 'refused, challenge');
unlike($response, qr/sorry|X-Secret/, 'refused, nothing else');
is(scalar(requests($t, 8091)), 2, 'refused, a second check for the error page of the outer level');
is(status(ask('/a', 'Cookie: user=forbidden', 'X-User: mallory')), 403, 'forbidden');
$response = ask('/a?b', 'Cookie: user=alice');
is(status($response), 200, 'allowed');
like($response, qr!\r\n\r\nGET /a\?b HTTP/1.\d\n!, 'allowed, the request reaches the application');
is(header_values(got($response), 'x-user'), 'alice', 'allowed, user');
unlike($response, qr/x-secret|hello/i, 'allowed, nothing else');
is(status(ask('/check', 'Cookie: user=alice')), 404, 'the location of the check is internal');
is(status(ask('/healthz')), 204, 'the open location');
requests($t, 8091);

### row 26: a line that is not in the response does not reach the application

# the outer level caches the application's responses, so each request has another URI
for my $name ('X-User', 'x-user', 'X_USER', 'X_User', 'x_user') {
    $response = ask("/silent/$name", 'Cookie: user=silent', "$name: mallory");
    is(status($response), 200, "row 26: $name, allowed");
    unlike($response, qr/mallory/, "row 26: $name");
    $response = ask("/alice/$name", 'Cookie: user=alice', "$name: mallory", 'X-User: eve');
    is(header_values(got($response), 'x.user'), 'alice', "row 25: $name, the service's alone");
}
requests($t, 8091);

### row 27: what the service gets

my @body = ('Content-Type: text/plain', 'Content-Encoding: gzip', 'Range: bytes=0-1', 'If-Range: "a"',
    'If-None-Match: "a"', 'If-Match: "a"', 'If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT',
    'If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT', 'Expect: 100-continue', 'Upgrade: websocket',
    'Accept-Encoding: gzip', 'TE: trailers', 'Keep-Alive: 5', 'Proxy-Connection: keep-alive',
    'Proxy-Authorization: Basic bWFsbG9yeQ==');
my @told = ('Accept: a/b', 'Accept-Language: de', 'Authorization: Bearer t', 'Cookie: user=alice', 'Origin: http://o',
    'User-Agent: u', 'X-Requested-With: XMLHttpRequest', 'Access-Control-Request-Method: PUT');

$response = ask({ method => 'POST', body => 'BODY', version => '1.1' }, '/a?b', @body, @told, spoofed());
like($response, qr/^HTTP\S+ (?:100 .*\r\n\r\nHTTP\S+ )?200 /s, 'row 27: allowed');
my @asked = requests($t, 8091);
my $port = port(8080);
is(scalar @asked, 1, 'row 27: one check');
is($asked[0], <<EOS, 'row 27: what the service sees, to the letter');
GET /check HTTP/1.1
accept-language: de
accept: a/b
access-control-request-method: PUT
authorization: Bearer t
cookie: user=alice
host: 127.0.0.1:${\ port(8091) }
origin: http://o
user-agent: u
x-forwarded-for: 127.0.0.1
x-forwarded-host: localhost
x-forwarded-method: POST
x-forwarded-port: $port
x-forwarded-proto: http
x-forwarded-uri: /a?b
x-original-method: POST
x-original-uri: /a?b
x-original-url: http://localhost/a?b
x-real-ip: 127.0.0.1
x-requested-with: XMLHttpRequest

EOS
like(got($response), qr/^POST .*^content-length: 4\n.*^content-type: text\/plain\n.*^range: bytes=0-1\n.*\n\nBODY\z/ms,
    'row 27: the application gets the whole request');

ask('/a', 'Cookie: user=alice', 'Cookie: b=c');
like((requests($t, 8091))[0], qr/^cookie: user=alice; b=c\n(?!cookie)/m, 'two lines Cookie');
ask('http://localhost/a?b', 'Host: elsewhere', 'Cookie: user=alice');
@asked = requests($t, 8091);
is(header_values($asked[0], 'x-forwarded-host'), 'localhost', 'row 28: the host that counts');
is(header_values($asked[0], 'x-original-url'), 'http://localhost/a?b',
    'row 28: the host that counts, URL');
is(header_values($asked[0], 'x-forwarded-uri'), '/a?b', 'row 28: the URI of an absolute form');
like(ask({ method => 'OPTIONS' }, '/a'), qr/^HTTP\S+ 401 /, 'row 29: OPTIONS is asked for as well');
is(header_values((requests($t, 8091))[0], 'x-forwarded-method'), 'OPTIONS',
    'row 29: OPTIONS, to the service');
is(status(ask('/a', 'User-Agent: kube-probe/1.0')), 401,
    'row 29: a health check is asked for as well');
requests($t, 8091);

### row 28: the service gets the URI that the application gets

for my $uri (@uris) {
    $response = ask({ port => 8082 }, "$uri" . ($uri =~ /\?/ ? '&' : '?') . 'check=/included/', 'Cookie: user=alice');
    my ($asked) = requests($t, 8091);
    my ($got) = got($response) =~ /^GET (\S+)/;
    is($asked && header_values($asked, 'x-forwarded-uri'), $got, "row 28: $uri");
    is(status($response), defined $asked ? 200 : 400, "row 28: $uri, status");
}

### row 32: outer levels

# a location without auth-proxy.conf shows what it protects from
is(status(ask({ port => 8082 }, '/a?check=/bare/')), 200,
    'row 32: without auth-proxy.conf, a refusal becomes 200');
is(status(ask({ port => 8082 }, '/a?check=/bare/down')), 200,
    'row 32: without auth-proxy.conf, no response becomes 200');

like(ask({ port => 8082 }, '/a?check=/included/'), qr/^HTTP\S+ 200 .*\r\n\r\nsorry\z/s,
    'row 32: a refusal, the error page of the location');
like(ask({ port => 8082 }, '/a?check=/included/down'), qr/^HTTP\S+ 500 (?!.*sorry)/s,
    'row 32: no response');
requests($t, 8091);
ask({ port => 8082 }, '/a?check=/included/', 'Cookie: user=alice');
like(ask({ port => 8082 }, '/a?check=/included/', 'Cookie: user=bob'), qr/^x-user: bob$/m,
    'row 30: no cache of an outer level');
like(ask({ port => 8082 }, '/a?check=/included/'), qr/sorry\z/,
    'row 30: no cache of an outer level, a refusal');
is(scalar(requests($t, 8091)), 3, 'row 30: a check for each request');
is(header_values(got(ask({ port => 8082 }, '/a?check=/included/', 'Cookie: user=redirected')), 'x-user'), 'redirected',
    'X-Accel-Redirect is not followed');

### with a body and a custom header line

requests($t, 8091);
$response = ask({ method => 'PUT', port => 8083, body => 'BODY' }, '/a', 'Cookie: user=alice', 'Content-Type: text/x', 'X-Api-Key: k', @body[1 .. 7]);
is(status($response), 200, 'body');
my ($asked) = requests($t, 8091);
like($asked, qr/^POST \/check HTTP\/1.1\n.*\n\nBODY\z/s, 'body, to the service');
is(header_values($asked, 'content-length'), 4, 'body, length');
is(header_values($asked, 'content-type'), 'text/x', 'body, type');
is(header_values($asked, 'x-api-key'), 'k', 'body, own line');
is(header_values($asked, 'x-forwarded-method'), 'PUT', 'body, method');
is(header_values($asked, '(?:content-encoding|range|if-.*)'), '', 'body, nothing else');
like(got($response), qr/\n\nBODY\z/, 'body, to the application');

### row 31: the service is gone

$t->stop_daemons();
application($t, 8090);
is(status(ask('/gone', 'Cookie: user=alice')), 503, 'row 31: the service is gone');
