#!/usr/bin/perl

# auth_request_cache: a verdict lives no longer than its time, whatever happens to the clock.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Clock;
use Time::HiRes qw/ sleep /;
use VerdictService;

my $t = Test::Nginx->new()->has(qw/ http proxy /)->plan(9);

configure($t, <<'EOF', clock_main());
    auth_request_cache_zone verdicts:1m;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_request_cache        verdicts;
        auth_request_cache_key    $http_key;
        add_header                X-Cache $auth_request_cache_status always;

        location /short {
            auth_request              /check/short;
            auth_request_cache_valid  2s;
        }
        location /long {
            auth_request              /check/long;
            auth_request_cache_valid  1h;
        }
        location /check/ {
            internal;
            proxy_pass  http://127.0.0.1:8081/;
        }
    }
EOF

verdict_service($t, 8081);
run_with_clock($t);

sub cached {
    my ($name) = @_;
    return header(ask("/$name", 'Key: a', 'Answer: 200'), 'X-Cache');
}

is(join(' ', map { cached($_) } qw/ short long short long /), 'MISS MISS HIT HIT', 'two verdicts');
move_clock($t, -3000);
is(cached('short'), 'HIT', 'the clock goes back');
sleep 2.2;
is(cached('short'), 'EXPIRED', 'and does not make a verdict live longer');
is(cached('long'), 'HIT', 'nor shorter');
sleep 2.2;
is(cached('short'), 'EXPIRED', 'nor one that was made then');
move_clock($t, 10);
is(cached('short'), 'EXPIRED', 'the clock goes ahead, so that the time of a verdict may be over');
is(cached('long'), 'HIT', 'or not');
is(asked($t, 'short'), 4, 'how often the service was asked for the short one');
is(asked($t, 'long'), 1, 'and for the long one');
