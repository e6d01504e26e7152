#!/usr/bin/perl

# auth_request_cache: a panic in the request that asks the service leaves no
# verdict behind and no request waiting. Runs on a module with the feature
# fault-injection.

use FindBin;
use lib "$FindBin::Bin/../lib";
use Auth;
use Test::Nginx qw/ http_end /;
use VerdictService;

my $t = Test::Nginx->new()->has(qw/ http proxy /)->plan(7);
$t->expect_panics(2) if $t->can('expect_panics');

configure($t, <<'EOF');
    auth_request_cache_zone  verdicts:1m;
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         html;
        add_header   X-Seen "$auth_request_cache_status" always;

        location / {
            auth_request             /auth;
            auth_request_cache       verdicts;
            auth_request_cache_key   $http_key;
            auth_request_cache_valid any 1h;
        }
        location = /auth { proxy_pass http://127.0.0.1:8081; }
    }

EOF

verdict_service($t, 8081);
$t->run();

hold($t, 'auth');
my $first = ask({ start => 1 }, '/', 'Key: a', 'X-Fault: subrequest');
ok(wait_until(sub { asked($t, 'auth') == 1 }), 'the leader asks');
my @others = map { ask({ start => 1 }, '/', 'Key: a') } 1 .. 5;
is(seen(ask('/', 'Key: other', 'X-Fault: access')), '500', 'a panic in the access phase');
go_on($t, 'auth');
is(seen(http_end($first)), '500 MISS', 'a panic in the leader');
is(join(', ', map { seen(http_end($_)) } @others),
    join(', ', ('404 MISS') x 5), 'the followers ask');
is(asked($t, 'auth'), 6, 'each follower has asked');
is(seen(ask('/', 'Key: a')), '404 HIT', 'the verdict of a follower is cached');
is(seen(ask('/', 'Key: other')), '404 MISS',
    'no verdict is cached after a panic in the access phase');
