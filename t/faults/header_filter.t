#!/usr/bin/perl

# auth_request: a header filter of nginx fails for the response to the
# subrequest. The part of the response that has arrived must not allow anything.
# Runs on a module with the feature fault-injection.

use FindBin;
use lib "$FindBin::Bin/../lib";
use Auth;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite upstream_keepalive /)
    ->plan(9);

configure($t, <<'EOF');
    auth_request_cache_zone  verdicts:1m;
    upstream kept {
        server 127.0.0.1:8081;
        keepalive 1;
    }
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         %%TESTDIR%%;

        location /upstream/ { auth_request /auth-upstream; }
        location /nginx/    { auth_request /auth-nginx; }
        location /cached/ {
            auth_request             /auth-upstream;
            auth_request_cache       verdicts;
            auth_request_cache_key   one;
            auth_request_cache_valid any 1h;
        }
        location = /auth-nginx { return 204; }
        location = /auth-upstream {
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_pass http://kept;
        }
    }
    server {
        listen       127.0.0.1:8081;
        server_name  localhost;
        location / { return 204; }
    }

EOF

my @uris = qw/ upstream nginx cached /;
for my $uri (@uris) {
    mkdir $t->testdir() . "/$uri";
    $t->write_file("$uri/index.html", 'CONTENT');
}
$t->run();

for my $uri (@uris) {
    is(status(ask("/$uri/", 'X-Fault: header filter')), 500, "$uri, failed");
    like(logged($t, qr/auth request/), qr/^error auth request unexpected status: 204 /,
        "$uri, log");
    is(status(ask("/$uri/")), 200, "$uri, without the fault");
}
