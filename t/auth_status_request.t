#!/usr/bin/perl

# auth_status: what is counted of auth_request.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Metrics;
use Test::Nginx qw/ http_end /;
use VerdictService;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite limit_req /)->plan(32);

configure($t, <<'EOF');
    auth_request_cache_zone verdicts:1m;
    error_page 404 =200 /empty;
    limit_req_zone all zone=limit:32k rate=1r/m;
    proxy_read_timeout 1s;
    proxy_buffer_size 1k;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        location = /status { auth_status; }
        location = /empty { internal; return 200; }

        auth_status_zone rest;
        location /plain { auth_request /auth; }
        location /deny { auth_status_zone deny; auth_request /auth; auth_request_deny_status 429; }
        location /require { auth_status_zone require; auth_request /auth; auth_request_require $upstream_none; }
        location /body { auth_status_zone body; auth_request /auth; auth_request_body 8; }
        location /uri { auth_status_zone uri; auth_request /auth/$arg_x; }
        location /open { auth_status_zone open; auth_request /down; auth_request_on_error allow; }
        location /down-503 { auth_status_zone down; auth_request /down; auth_request_on_error 503; }
        location /answer { auth_status_zone answer; auth_request /auth; auth_request_answer 1k; }
        location /limited { auth_status_zone limited; auth_request /limited-auth; }
        location /status-204 { auth_status_zone fixed; auth_request /204; }
        location /off { auth_status_zone off; auth_request off; }
        location /cached {
            auth_status_zone cached;
            auth_request /auth;
            auth_request_cache verdicts;
            auth_request_cache_key $http_key;
            auth_request_cache_valid any 1h;
        }
        location = /204 { internal; return 204; }
        location /auth { internal; auth_request off; proxy_pass http://127.0.0.1:8081; proxy_set_header Content-Length ""; proxy_pass_request_body off; }
        location /down { internal; proxy_pass http://127.0.0.1:8082; }
        location /limited-auth { internal; limit_req zone=limit; proxy_pass http://127.0.0.1:8081; }
        set $upstream_none "";
    }

EOF

verdict_service($t, 8081);
$t->run();

###############################################################################

my $zone = sub {
    my ($name, @requests) = @_;
    my %before = metrics();
    my $statuses = join ' ', map { status(ask(@$_)) } @requests;
    my %after = metrics();
    my @changed = grep { $after{$_} ne ($before{$_} // 0) and !/duration_seconds/ } sort keys %after;
    return join ' | ', $statuses, map { my $more = $after{$_} - ($before{$_} // 0);
        /^nginx_auth_request_(\w+)_total\{zone="\Q$name\E",(?:result|error)="(\w+)"/ ? "$1 $2 $more" : "$_ $more" } @changed;
};
my $durations = sub {
    my ($name) = @_;
    my %value = metrics();
    return join ' ', map { $value{qq{nginx_auth_request_duration_seconds_$_}} }
        qq{bucket{zone="$name",le="+Inf"}}, qq{count{zone="$name"}};
};

is($zone->('rest', ['/plain']), '200 | checks allowed 1', 'allowed');
is($zone->('rest', ['/plain', 'Answer: 403'], ['/plain', 'Answer: 401']), '403 401 | checks denied 2', 'denied');
is($durations->('rest'), '3 3', 'three durations');
is($zone->('deny', ['/deny', 'Answer: 429']), '429 | checks denied 1', 'another status');
is($zone->('require', ['/require']), '401 | checks requirement 1', 'a requirement');
is($zone->('body', [{ method => 'POST', body => 'x' x 9 }, '/body']), '413 | checks client_body 1', 'a long body');
is($durations->('body'), '0 0', 'the service was not asked');
is($zone->('uri', ['/uri?x=../a']), '500 | checks unsafe_uri 1', 'an unsafe URI');

# errors: each kind

is($zone->('rest', ['/plain', 'Answer: 500']), '500 | checks error 1 | errors server_error 1', 'status 500');
is($zone->('rest', ['/plain', 'Answer: 404']), '500 | checks error 1 | errors unexpected_status 1', 'status 404');
my $long = 'Answer-Raw: HTTP/1.1 200 OK\r\nX: ' . 'x' x 2000 . '\r\n\r\n';
is($zone->('rest', ['/plain', $long]), '500 | checks error 1 | errors invalid_response 1',
    'an invalid response');
is($zone->('rest', ['/plain', 'Answer-Raw: ']), '500 | checks error 1 | errors no_response 1', 'no response');
is($zone->('down', ['/down-503']), '503 | checks error 1 | errors no_connection 1', 'no connection');
is($zone->('open', ['/open']), '200 | checks let_in 1 | errors no_connection 1', 'let in');
is($zone->('answer', ['/answer']), '500 | checks error 1 | errors answer 1', 'an answer without a body');
is($zone->('fixed', ['/status-204']), '200 | checks allowed 1', 'nginx allows');
is($zone->('limited', ['/limited'], ['/limited']), '200 500 | checks allowed 1 | checks error 1 | errors unexpected_status 1',
    'a limit in front of the service');
hold($t, 'auth');
is($zone->('rest', ['/plain']), '500 | checks error 1 | errors timed_out 1', 'no response in time');
go_on($t, 'auth');
my %value = metrics();
my $slow = 'nginx_auth_request_duration_seconds_bucket{zone="rest",le=';
cmp_ok($value{$slow . '"+Inf"}'} - $value{$slow . '"0.5"}'}, '>=', 1, 'took longer than half a second');
cmp_ok($value{'nginx_auth_request_duration_seconds_sum{zone="rest"}'}, '>=', 0.9, 'and counts in the sum');
is($zone->('off', ['/off']), '200', 'auth_request off');

# the cache

is($zone->('cached', ['/cached', 'Key: a']), '200 | cache_lookups miss 1 | checks allowed 1', 'a miss');
is($zone->('cached', (['/cached', 'Key: a']) x 3), '200 200 200 | cache_lookups hit 3 | checks allowed 3', 'hits');
is($durations->('cached'), '1 1', 'of which the service knows nothing');
is($zone->('cached', ['/cached']), '200 | cache_lookups bypass 1 | checks allowed 1', 'no key');
is($zone->('cached', (['/cached', 'Key: b', 'Answer: 403']) x 2),
    '403 403 | cache_lookups hit 1 | cache_lookups miss 1 | checks denied 2', 'denials');

# requests that wait for one that asks

forget($t, 'auth');
hold($t, 'auth');
my @waiting = map { ask({ start => 1 }, '/cached', 'Key: c') } 1 .. 3;
wait_asked($t, 'auth', 1);
my %before = metrics();
go_on($t, 'auth');
is(join(' ', map { status(http_end($_)) } @waiting), '200 200 200', 'three at once');
my %after = metrics();
my $more = sub { my ($series) = @_; $after{$series} - $before{$series} };
my $lookups = 'nginx_auth_request_cache_lookups_total{zone="cached",result=';
is(join(' ', map { $more->(qq{$lookups"$_"\}}) } qw/ hit bypass expired /), '2 0 0', 'those who waited are hits');
is($before{$lookups . '"miss"}'} - 2, 1, 'the one that asked is a miss');
is(asked($t, 'auth'), 1, 'and the only one that asked');

# where there is no name

is(counted('request_checks_total{zone=""'), '', 'nothing without a name');
is($zone->('rest', ['/page']), '200', 'no auth_request');
