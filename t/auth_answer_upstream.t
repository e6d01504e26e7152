#!/usr/bin/perl

# Responses of a location to a key request or a check that are not the
# upstream's own: an error page, a redirect, a cached response. What nginx knows
# of the upstream's response, and of a connection that it may keep, must not
# decide then.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()
    ->has(qw/ http proxy cache rewrite upstream_keepalive /)->plan(19);

configure($t, <<'EOF');
    proxy_cache_path %%TESTDIR%%/cache keys_zone=keys:1m;

    upstream kept {
        server 127.0.0.1:8081;
        keepalive 4;
    }

    proxy_http_version 1.1;
    proxy_set_header Connection "";

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         %%TESTDIR%%/html;
        auth_jwt     "r";

        location /empty/      { auth_jwt_key_request /keys-empty; }
        location /accel/      { auth_jwt_key_request /keys-accel; }
        location /found/      { auth_jwt_key_request /keys-found; }
        location /stale/      { auth_jwt_key_request /keys-stale; }
        location /revalidate/ { auth_jwt_key_request /keys-revalidate; }

        location = /keys-static { alias %%TESTDIR%%/keys.json; }
        location = /keys-empty  { proxy_pass http://kept/empty; }
        location = /keys-accel  { proxy_pass http://kept/accel; }
        location = /keys-found {
            proxy_intercept_errors on;
            error_page 302 = /keys-static;
            proxy_pass http://kept/found;
        }
        location = /keys-stale {
            proxy_cache keys;
            proxy_cache_valid 200 1s;
            proxy_cache_use_stale http_503;
            proxy_pass http://kept/stale;
        }
        location = /keys-revalidate {
            proxy_cache keys;
            proxy_cache_valid 200 1s;
            proxy_cache_revalidate on;
            proxy_pass http://kept/revalidate;
        }

        location /denied/ {
            auth_jwt off;
            auth_request /auth;
            auth_request_deny_body 1k;
        }
        location = /auth {
            proxy_intercept_errors on;
            error_page 403 /page;
            proxy_pass http://kept/403;
        }
        location = /page { return 403 PAGE; }
    }

EOF

my $d = $t->testdir();
my $key = jwk('HS256');
my $token = sign($key, '{"exp":"now+300"}');
my $forged = sign(jwk('HS256'), '{"exp":"now+300"}');
mkdir "$d/html";
for my $uri (qw/ empty accel found stale revalidate denied /) {
    mkdir "$d/html/$uri";
    $t->write_file("html/$uri/a", 'CONTENT');
}
$t->write_file('keys.json', $key);

# Each response keeps the connection, and most have no body.

service($t, 8081, sub {
    my ($client, $head) = @_;
    my ($what) = $head =~ m!^GET /(\S+)!;
    append("$d/asked", "$what\n");
    my $empty = "Content-Length: 0\r\n\r\n";
    my $keys = "200 X\r\nETag: \"a\"\r\nContent-Length: " . length($key) . "\r\n\r\n$key";
    print $client 'HTTP/1.1 ', {
        empty => "200 X\r\n$empty",
        accel => "200 X\r\nX-Accel-Redirect: /keys-static\r\n$empty",
        found => "302 X\r\nLocation: /elsewhere\r\n$empty",
        stale => -e "$d/down" ? "503 X\r\n$empty" : $keys,
        revalidate => $head =~ /^If-None-Match/m ? "304 X\r\nETag: \"a\"\r\n\r\n" : $keys,
        403 => "403 X\r\n$empty",
    }->{$what};
    return 1;
});
run_quietly($t);

###############################################################################

for my $uri (qw/ accel found stale revalidate /) {
    is(status(get("/$uri/a", $forged)), 401, "$uri, forged");
    is(status(get("/$uri/a", $token)), 200, "$uri, good");
}
is(status(get('/empty/a', $token)), 500, 'a response without keys');
like(logged($t, qr/key request/), qr{key request "/keys-empty": }, 'a response without keys, log');

like(http_get('/denied/a'), qr/^HTTP\S+ 403 .*\r\n\r\nPAGE$/s, 'an error page is the denial');

# keys from proxy_cache, when the upstream's response says that they are still valid

$t->write_file('down', '');
select undef, undef, undef, 2.1;
asked();
for my $uri (qw/ stale revalidate /) {
    is(status(get("/$uri/a", $token)), 200, "$uri, from the cache");
    is(asked(), $uri, "$uri, the service got one request");
    is(status(get("/$uri/a", $forged)), 401, "$uri, from the cache, forged");
    is(status(get("/$uri/a", $token)), 200, "$uri, from the cache again");
    asked();
}

###############################################################################

# The paths that the service was asked for since the last call.
sub asked {
    open my $file, '<', "$d/asked" or return '';
    my @lines = <$file>;
    unlink "$d/asked";
    return join ' ', map { /^(\S+)/ } @lines;
}
