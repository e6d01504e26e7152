#!/usr/bin/perl

# auth_request_cache_key: a verdict is never used for another key, location,
# configuration or subrequest (row 30).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use VerdictService;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)->plan(82);

configure($t, <<'EOF');
    auth_request_cache_zone  verdicts:4m;
    auth_request_cache       verdicts;
    auth_request_cache_valid any 1h;
    auth_request_cache_key   $http_key;
    auth_request             /auth;
    # the URI that the service was asked with when it gave the verdict
    auth_request_set         $said $upstream_http_x_said;
    client_body_buffer_size  1k;
    client_max_body_size     4m;
    large_client_header_buffers 4 1m;
    add_header X-Seen "$auth_request_cache_status $said" always;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         html;
        underscores_in_headers on;

        location /template { auth_request_cache_key $arg_a|$arg_b; }
        location /parts { auth_request_cache_key $arg_a $arg_b $arg_c; }
        location /prefix { }
        location = /same { }
        location ^~ /same { }
        location ~ ^/(same|other)/r$ { }
        location /outer { location /outer/inner { } }
        location /if { if ($arg_if) { add_header X-Seen "if $auth_request_cache_status $said" always; } }
        location /tenant { auth_request /auth?tenant=$http_tenant; }
        location /path { auth_request /$http_path; }
        location /body { auth_request_body 2m; }
        location /large { auth_request_body 2m; auth_request_cache_key $http_key$request_body; }
        location /bad { auth_request $http_path; }
        location /twice { auth_request_cache_key $request_id$http_key; }
        location = /auth {
            auth_request off;
            proxy_set_header Key "";
            proxy_pass http://127.0.0.1:8081;
        }
        location ~ ^/auth[12]$ {
            auth_request off;
            proxy_set_header Key "";
            proxy_pass http://127.0.0.1:8081;
        }
    }
    server {
        listen       127.0.0.1:8080;
        server_name  other;
        location /prefix { root html; }
        location = /auth { auth_request off; proxy_pass http://127.0.0.1:8081/other; }
    }
EOF

verdict_service($t, 8081);
$t->run();

### no key

is(seen(ask('/prefix')), '404 BYPASS /auth 0:', 'no key');
is(seen(ask('/prefix')), '404 BYPASS /auth 0:', 'no key, again');
is(seen(ask('/prefix', 'Key: ')), '404 BYPASS /auth 0:', 'an empty key');
is(seen(ask('/prefix', 'Answer: 403')), '403 BYPASS /auth 0:',
    'no key, no verdict is cached');

### each byte of the key counts

apart('two users', ['Key: alice'], ['Key: bob']);
apart('case', ['Key: Carol'], ['Key: carol']);
apart('beginning', ['Key: dave'], ['Key: davex'], ['Key: dav']);
apart('other bytes', ["Key: e\xff"], ["Key: e\xfe"], ["Key: e\xc3\xbf"]);
apart('the last of many bytes', map { ['Key: ' . 'x' x 900_000 . $_] } 1, 2);
apart('lengths', map { ['Key: ' . 'y' x $_] } 63, 64, 65, 55, 56, 119, 120);
apart('template', map { ["/template?$_"] } 'a=x&b=y', 'a=x', 'b=x', 'a=xy',
    'a=y&b=x', 'a=x|y');
apart('several strings', map { ["/parts?$_"] } 'a=x&b=y&c=z', 'a=xy&c=z',
    'a=x&b=yz', 'a=x&c=yz', 'a=xyz', 'b=xyz', 'c=xyz', 'a=x|y&b=z', 'a=x&b=y|z',
    'a=x&c=y', 'a=x&b=y', 'b=x&c=y');
is(seen(ask('/parts?a=&b=')), '404 BYPASS /auth 0:', 'several strings, all empty')
    for 1, 2;

### URI and body of the check count, too

apart('tenants', ['/tenant', 'Key: t', 'Tenant: a'],
    ['/tenant', 'Key: t', 'Tenant: b'], ['/tenant', 'Key: t']);
is(seen(ask('/tenant', 'Key: t', 'Tenant: b')),
    '404 HIT /auth?tenant=b 0:', "the verdict of the tenant");
apart('paths', map { ['/path', 'Key: p', "Path: $_"] }
    'auth1', 'auth2', 'auth1?x', 'auth?1x');

bodies('/body', 'Key: b', 'small', '', 'a=1', 'a=2', 'b=1');
bodies('/body', 'Key: c', 'in a file', map { $_ . 'x' x 100_000 } 1, 2);
bodies('/large', 'Key: d', 'in a file, of which $request_body has nothing',
    map { $_ . 'x' x 100_000 } 1, 2);

my ($form, $json) = map { "Content-Type: application/$_" } 'x-www-form-urlencoded', 'json';
my @types = ([], [$form], [$json], [lc $form], [$form, $json], [$json, $form], [$form, "Content_Type: x"],
    ["$form; charset=utf-7"], [$form, 'Content-Encoding: gzip'], ['Content-Encoding: gzip'],
    [$form, 'Content_Encoding: gzip'], ['Content-Type:'], ['Content-Encoding: application/json']);
for my $had ('MISS', 'HIT') {
    for my $case (@types) {
        is(seen(ask({ method => 'POST', body => 'a=1' }, '/body', 'Key: types', @$case)),
            "404 $had /auth 3:a=1", join ', ', "the body's type: $had", @$case);
    }
}
is(seen(ask({ method => 'POST', body => 'a=1' }, '/prefix', 'Key: types', $form)),
    '404 MISS /auth 0:', 'a body that the service does not get');
is(seen(ask({ method => 'POST', body => 'a=1' }, '/prefix', 'Key: types', $json)),
    '404 HIT /auth 0:', 'its type does not count');

### a check with a bad URI is refused, with a cached verdict, too

is(seen(ask('/bad', 'Key: u', 'Path: /auth')), '404 MISS /auth 0:', 'good URI');
is(status(ask('/bad', 'Key: u', 'Path: auth')), 500, 'no URI');
is(status(ask('/bad', 'Key: u', 'Path: /a/../auth')), 500, 'unsafe URI');
is(status(ask('/bad', 'Key: u')), 500, 'empty URI');
is(seen(ask('/bad', 'Key: u', 'Path: /auth')), '404 HIT /auth 0:',
    'the good URI is still cached');

### locations and servers

apart('locations', map { [$_, 'Key: l'] } '/prefix', '/same', '/same/',
    '/other/r', '/outer', '/outer/inner', '/if', '/none');
apart('servers', ['/prefix', 'Key: s', 'Host: localhost'],
    ['/prefix', 'Key: s', 'Host: other']);

### a key that differs for each request

is(seen(ask('/twice', 'Key: i')), '404 MISS /auth 0:', 'a key that differs for each request')
    for 1, 2;

### helpers

# Tests that each of these requests has a verdict of its own: a miss first, then a hit.
sub apart {
    my ($name, @questions) = @_;
    my @all = map { $_->[0] =~ m!^/! ? $_ : ['/prefix', @$_] } @questions;
    for my $had ('MISS', 'HIT') {
        is(join(' ', map { (split ' ', seen(ask(@$_)))[1] // '' } @all),
            join(' ', map { $had } @all), "$name: $had");
    }
}

sub bodies {
    my ($uri, $line, $name, @bodies) = @_;
    for my $had ('MISS', 'HIT') {
        for my $body (@bodies) {
            my $response = ask({ method => 'POST', body => $body }, $uri, $line);
            is(seen($response), sprintf('404 %s /auth %d:%s', $had, length $body,
                substr $body, 0, 20), "body $name: $had");
        }
    }
}
