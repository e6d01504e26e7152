#!/usr/bin/perl

# A panic when the keys of a fetch have come: those who wait get 500, nothing is
# left behind, and the worker goes on. Runs on a module with the feature
# fault-injection, which panics if the URI of the fetch has "inject-fault".

use FindBin;
use lib "$FindBin::Bin/../lib";
use Auth;
use AuthJwt;
use Jose;
use KeyService;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite stub_status /)->plan(6);
$t->expect_panics(1) if $t->can('expect_panics');

configure($t, <<'EOF', 'worker_processes 1;');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         html;
        auth_jwt     "r";
        auth_jwt_key_cache 1h;

        location /panics/ { auth_jwt_key_request /keys?inject-fault; }
        location /good/   { auth_jwt_key_request /keys?good; }
        location = /keys  { internal; proxy_pass http://127.0.0.1:8081/keys; }
        location = /status { auth_jwt off; stub_status; }
    }

EOF

my $key = jwk('HS256', '--kid', 'a');
my $token = sign($key, '{"exp":"now+300"}');
respond_with($t, 'keys', keys_response(jwks($key)));
key_service($t, 8081);
run_quietly($t);

hold($t, 'keys');
my @waiting = map {
    my $s = connection();
    $s->print(request('/panics/', bearer($token)));
    $s
} 1 .. 3;
is(wait_asked($t, 'keys', 1), 1, 'a fetch, and three requests that wait for it');
go_on($t, 'keys');
is(join(' ', map { status(read_response($_)) } @waiting), '500 500 500', 'all get 500');
is(jwt_logged($t), join("\n", ('error key request "/keys?inject-fault": subrequest did not '
    . 'complete') x 3), 'log');
is(status(get('/good/', $token)), '404', 'another source');
@waiting = ();
is(connections_left(), 1, 'no connection is left');
is(scalar(started_workers($t)), 1, 'the worker did not end');
