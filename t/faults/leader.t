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

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)->plan(16);
$t->expect_panics(2) if $t->can('expect_panics');

my $key = jwk('HS256', '--kid', 'a');
my $token = sign($key, '{"exp":"now+300"}');
my $keys = jwks($key);

configure($t, <<'EOF' =~ s/KEYS/$keys/r, 'worker_processes 1;');
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
        location = /auth        { internal; proxy_pass http://127.0.0.1:8081; }
        location @slow          { rewrite ^ /slow break; proxy_pass http://127.0.0.1:8081; }
    }

    server {
        listen       127.0.0.1:8082;
        server_name  localhost;

        auth_jwt           "r";
        auth_jwt_key_cache 1h;
        proxy_set_header   Answer-Body 'KEYS';

        location /not-started/  { auth_jwt_key_request /not_started; }
        location /failed/       { auth_jwt_key_request /failed; }
        location = /not_started { internal; proxy_pass http://127.0.0.1:8081; }
        location = /failed      { internal; proxy_pass http://127.0.0.1:8081; }
    }
EOF

verdict_service($t, 8081);
$t->run();
hold($t, 'slow');

### the subrequest of the leader does not start

my $leader = ask({ start => 1 }, '/verdict/1', 'X-Fault: subrequest start');
is(wait_asked($t, 'slow', 1), 1, 'verdict, not started, the leader sends its error page');
is(status(ask('/verdict/1')), 404, 'verdict, not started, the next request asks');
is(asked($t, 'auth'), 1, 'verdict, not started, one request for the verdict');

# a fetch of keys has no leader: if it does not start, it has failed for everybody
is(jwt('not-started', 'X-Fault: subrequest start'), 500, 'keys, not started');
is(jwt('not-started'), 500, 'keys, not started, the next request comes in the pause');
is(asked($t, 'not_started'), 0, 'keys, not started, nobody is asked in the pause');
ok(wait_until(sub { jwt('not-started') == 404 }), 'keys, not started, after the pause');
is(asked($t, 'not_started'), 1, 'keys, not started, one request for the keys');

### the leader fails while others wait

hold($t, 'auth');
my $failing = ask({ start => 1 }, '/verdict/2', 'X-Fault: access again');
is(wait_asked($t, 'auth', 2), 2, 'verdict, the leader asks');
my $follower = ask({ start => 1 }, '/verdict/2');
go_on($t, 'auth');
is(status(http_end($follower)), 404, 'verdict, the follower does not wait for the error page');

hold($t, 'failed');
my $jwt_failing = ask({ start => 1, port => 8082 }, '/failed/', 'X-Fault: access again',
    bearer($token));
is(wait_asked($t, 'failed', 1), 1, 'keys, a request asks');
my $jwt_other = ask({ start => 1, port => 8082 }, '/failed/', bearer($token));
go_on($t, 'failed');
is(status(http_end($jwt_failing)), 500, 'keys, the request that asked has failed');
is(status(http_end($jwt_other)), 404, 'keys, the other has them all the same');
is(asked($t, 'failed'), 1, 'keys, one request for both');

### the error pages

go_on($t, 'slow');
my @leaders = map { status(http_end($_)) } $leader, $failing;
is("@leaders", '200 200', 'the leaders get their error pages');
is(asked($t, 'slow'), 2, 'as many error pages as leaders');

sub jwt {
    my ($location, @lines) = @_;
    return status(ask({ port => 8082 }, "/$location/", @lines, bearer($token)));
}
