#!/usr/bin/perl

# A request that asks for others as well (the leader of a single flight) and
# fails: the others do not wait for the end of its response, which may take as
# long as the client or an error page wants. Runs on a module with the feature
# fault-injection.

use FindBin;
use lib "$FindBin::Bin/../lib";
use Auth;
use AuthJwt;
use Jose;
use Test::Nginx qw/ http_end /;
use VerdictService;

use Time::HiRes qw/ sleep /;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)->plan(13);
$t->expect_panics(2) if $t->can('expect_panics');

my $key = jwk('HS256', '--kid', 'a');
my $token = sign($key, '{"exp":"now+300"}');

configure($t, <<'EOF', 'worker_processes 1;');
    auth_request_cache_zone  verdicts:1m;
    auth_jwt_token_cache     off;
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         html;
        error_page   500 = @slow;

        location /verdict {
            auth_request             /auth;
            auth_request_cache       verdicts;
            auth_request_cache_key   $uri;
            auth_request_cache_valid any 1h;
        }
        location /jwt/not-started/ {
            auth_jwt             "r";
            auth_jwt_key_request /not_started;
            auth_jwt_key_cache   1h;
        }
        location /jwt/failed/ {
            auth_jwt             "r";
            auth_jwt_key_request /failed;
            auth_jwt_key_cache   1h;
        }
        location = /auth        { internal; proxy_pass http://127.0.0.1:8081; }
        location = /not_started { internal; include keys.conf; proxy_pass http://127.0.0.1:8081; }
        location = /failed      { internal; include keys.conf; proxy_pass http://127.0.0.1:8081; }
        location @slow          { rewrite ^ /slow break; proxy_pass http://127.0.0.1:8081; }
    }

EOF

$t->write_file('keys.conf', "proxy_set_header Answer-Body '" . jwks($key) . "';\n");
verdict_service($t, 8081);
$t->run();
hold($t, 'slow');

### the subrequest of the leader does not start

my $leader = ask({ start => 1 }, '/verdict/1', 'X-Fault: subrequest start');
is(wait_asked($t, 'slow', 1), 1, 'verdict, not started, the leader sends its error page');
is(status(ask('/verdict/1')), 404, 'verdict, not started, the next request asks');
is(asked($t, 'auth'), 1, 'verdict, not started, one request for the verdict');

my $jwt_leader = ask({ start => 1 }, '/jwt/not-started/', 'X-Fault: subrequest start',
    bearer($token));
is(wait_asked($t, 'slow', 2), 2, 'keys, not started, the leader sends its error page');
sleep 1.5;      # the pause after a failure
is(status(get('/jwt/not-started/', $token)), 404, 'keys, not started, a later request asks');
is(asked($t, 'not_started'), 1, 'keys, not started, one request for the keys');

### the leader fails while others wait

hold($t, 'auth');
my $failing = ask({ start => 1 }, '/verdict/2', 'X-Fault: access again');
is(wait_asked($t, 'auth', 2), 2, 'verdict, the leader asks');
my $follower = ask({ start => 1 }, '/verdict/2');
go_on($t, 'auth');
is(status(http_end($follower)), 404, 'verdict, the follower does not wait for the error page');

# The fetch of keys is nobody's: it goes on when the request that began it fails.
hold($t, 'failed');
my $jwt_failing = ask({ start => 1 }, '/jwt/failed/', 'X-Fault: access again', bearer($token));
is(wait_asked($t, 'failed', 1), 1, 'keys, the first request has them fetched');
my $jwt_follower = ask({ start => 1 }, '/jwt/failed/', bearer($token));
go_on($t, 'failed');
is(status(http_end($jwt_follower)), 404, 'keys, another request gets them');
is(asked($t, 'failed'), 1, 'keys, one fetch');

### the error pages

go_on($t, 'slow');
my @leaders = map { status(http_end($_)) } $leader, $jwt_leader, $failing, $jwt_failing;
is("@leaders", '200 200 200 200', 'the leaders get their error pages');
is(asked($t, 'slow'), 4, 'as many error pages as leaders');
