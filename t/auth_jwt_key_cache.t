#!/usr/bin/perl

# auth_jwt_key_cache: how often a source of keys is asked.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use KeyService;

use Time::HiRes qw/ sleep /;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)->plan(48);

configure($t, <<'EOF', 'worker_processes 2;');
    auth_jwt_key_cache 1h refresh=off;
    auth_jwt_header_set $kid kid;

    server {
        listen       127.0.0.1:8080 reuseport;
        server_name  localhost;

        auth_jwt     "r";
        root         html;
        add_header   X-Status "$jwt_status $pid" always;

        location /none/    { auth_jwt_key_request /keys?none; auth_jwt_key_cache 0; }
        location /hour/    { auth_jwt_key_request /keys?hour; }
        location /hour2/   { auth_jwt_key_request /keys?hour; }
        location /short/   {
            auth_jwt_key_request /keys?short;
            auth_jwt_key_cache 700ms refresh=off;
        }
        location /shorter/ {
            auth_jwt_key_request /keys?hour;
            auth_jwt_key_cache 1ms refresh=off;
        }
        location /method/ {
            auth_jwt_key_request /keys?method;
            limit_except GET { auth_jwt_key_cache 0; }
        }
        location /variable/ { auth_jwt_key_request /keys?$kid; }
        location /two/ {
            auth_jwt_key_request /keys?one;
            auth_jwt_key_request /keys?two;
        }
        location /mixed/ {
            auth_jwt_key_request /keys?$arg_none;
            auth_jwt_key_request /keys?one;
        }
        location = /keys   { proxy_pass http://127.0.0.1:8081/a_$args; }
    }

    server {
        listen       127.0.0.1:8082 reuseport;

        auth_jwt     "r";
        root         html;
        add_header   X-Status "$jwt_status $pid" always;

        location /hour/    { auth_jwt_key_request /keys?hour; }
        location = /keys   { proxy_pass http://127.0.0.1:8081/b_$args; }
    }

    # the same URI leads to another source in another server
    server {
        listen       127.0.0.1:8082;
        server_name  third;

        auth_jwt     "r";
        root         html;
        add_header   X-Status "$jwt_status $pid" always;

        location /hour/    { auth_jwt_key_request /keys?hour; }
        location = /keys   { proxy_pass http://127.0.0.1:8081/c_$args; }
    }

EOF

my %key = map { $_ => jwk('ES256', '--kid', $_) } qw/ a b c d /;
my %token = map { $_ => sign($key{$_}, '{"exp":"now+300"}') } keys %key;
my $forged = sign(jwk('ES256', '--kid', 'a'), '{"exp":"now+300"}');

gives($t, $_, 'a') for qw/ a_none a_hour a_short a_method a_a a_one a_ /;
gives($t, 'a_b', 'b');
gives($t, 'a_two', 'd');
gives($t, 'b_hour', 'b');
gives($t, 'c_hour', 'c');
key_service($t, 8081);
run_quietly($t);

### no cache

is(everywhere('/none/', $forged), '401 bad_signature', 'no cache, forged');
my $asked = asked($t, 'a_none');
is(ask_worker('/none/', $token{a}), '404 ok', 'no cache');
is(ask_worker('/none/', $token{a}), '404 ok', 'no cache, again');
is(asked($t, 'a_none') - $asked, 2, 'no cache, a key request for each token');
gives($t, 'a_none', 'b');
is(ask_worker('/none/', $token{a}), '401 unknown_key', 'no cache, replaced key');
is(ask_worker('/none/', $token{b}), '404 ok', 'no cache, new key');

### one hour

is(everywhere('/hour/', $forged), '401 bad_signature', 'cache, forged');
is(everywhere('/hour/', $token{a}), '404 ok', 'cache');
is(everywhere('/hour/', $token{b}), '401 unknown_key', 'cache, unknown key');
is(asked($t, 'a_hour'), 2, 'cache, one request of each worker');
is(everywhere('/hour2/', $token{a}), '404 ok', 'another location');
is(asked($t, 'a_hour'), 2, 'another location with the same source, no request');
gives($t, 'a_hour', 'd');
is(everywhere('/hour/', $token{a}), '404 ok', 'cache, replaced key');
is(everywhere('/hour/', $token{d}), '401 unknown_key', 'cache, new key');
is(asked($t, 'a_hour'), 2, 'cache, no further request');

### servers

is(everywhere('/hour/', $token{a}, 8082), '401 unknown_key', 'another server');
is(everywhere('/hour/', $token{b}, 8082), '404 ok', 'another server, own key');
is(everywhere('/hour/', $token{b}, 8082, 'third'), '401 unknown_key',
    'another name');
is(everywhere('/hour/', $token{c}, 8082, 'third'), '404 ok',
    'another name, own key');
is(everywhere('/hour/', $token{b}, 8082), '404 ok', 'the first server still uses its own key');
is(asked($t, 'b_hour'), 2, 'another server, one request of each worker');
is(asked($t, 'c_hour'), 2, 'another name, one request of each worker');

### one source with two cache times

is(everywhere('/shorter/', $token{d}), '404 ok', 'shorter time, new key');
is(everywhere('/hour/', $token{d}), '404 ok', 'the new keys are used in all locations');
is(everywhere('/hour/', $token{a}), '401 unknown_key', 'the old key is gone in all locations');

### expiry

is(everywhere('/short/', $token{a}), '404 ok', 'short time');
gives($t, 'a_short', 'b');
is(wait_until(sub { ask_worker('/short/', $token{b}) eq '404 ok' }), 1,
    'the new key is used after the cache time');
sleep 0.75;
$asked = asked($t, 'a_short');
is(everywhere('/short/', $token{a}), '401 unknown_key', 'old key gone');
is(asked($t, 'a_short') - $asked, 2, 'one more request of each worker');

### another time for some methods

is(everywhere('/method/', $token{a}), '404 ok', 'limit_except, another method');
gives($t, 'a_method', 'b');
is(everywhere('/method/', $token{b}), '401 unknown_key', 'limit_except, another method, new key');
is(status(ask({ method => 'DELETE' }, '/method/', bearer($token{b}))), '405', 'limit_except, new key');

### variables are not cached

$asked = asked($t, 'a_a');
is(ask_worker('/variable/', $token{a}), '404 ok', 'variable');
is(ask_worker('/variable/', $token{a}), '404 ok', 'variable, again');
is(asked($t, 'a_a') - $asked, 2, 'variable, a key request for each token');
is(ask_worker('/variable/', $token{b}), '404 ok', 'variable, another source');
is(ask_worker('/variable/', $forged), '401 bad_signature', 'variable, forged');
gives($t, 'a_a', 'd');
is(ask_worker('/variable/', $token{a}), '401 unknown_key', 'variable, replaced key');
is(ask_worker('/variable/', $token{c}), '500 keys_unavailable', 'variable, no source');
jwt_logged($t);

### several sources

is(everywhere('/two/', $token{a}), '404 ok', 'two sources, first');
is(everywhere('/two/', $token{d}), '404 ok', 'two sources, second');
is(asked($t, 'a_one') . asked($t, 'a_two'), '22',
    'two sources, one request of each worker to each');
$asked = asked($t, 'a_');
is(ask_worker('/mixed/', $token{a}), '404 ok', 'with and without a variable');
is(asked($t, 'a_') - $asked . ' ' . asked($t, 'a_one'), '1 2',
    'only the source with a variable gets a request');

### a reload empties the cache

gives($t, 'a_hour', 'c');
my @before = started_workers($t);
$t->reload();
wait_until(sub { !grep { kill 0, $_ } @before });
is(everywhere('/hour/', $token{c}), '404 ok', 'reload, new key');
is(everywhere('/hour/', $token{d}), '401 unknown_key', 'reload, old key gone');
is(jwt_logged($t) =~ /^(?:error|warn)/m ? 'complaints' : '', '', 'no errors or warnings');

is(scalar(grep { kill 0, $_ } started_workers($t)), 2, 'the same workers to the end');

###############################################################################

sub gives {
    my ($t, $name, $key) = @_;
    respond_with($t, $name, keys_response(jwks(public($key{$key}))));
}

# The response of one worker: status and $jwt_status, and in a list its process id.
sub ask_worker {
    my ($uri, $with, $port, $host) = @_;
    my $response = ask({ port => $port // 8080 }, $uri, 'Host: ' . ($host // 'localhost'),
        bearer($with));
    my ($pid) = (header($response, 'X-Status') // '') =~ / (\d+)/;
    return wantarray ? (jwt_status($response), $pid) : jwt_status($response);
}

# The same for both workers, one text if they agree.
sub everywhere {
    my (@arguments) = @_;
    my (%worker, %seen);
    for (1 .. 300) {
        my ($seen, $pid) = ask_worker(@arguments);
        $seen{$seen} = $worker{$pid} = 1;
        last if keys %worker == 2;
    }
    $seen{'not all workers'} = 1 if keys %worker != 2;
    return join '|', sort keys %seen;
}
