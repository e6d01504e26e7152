#!/usr/bin/perl

# Mutated requests, answers of an authorization service, keys and documents of an OpenID provider: nobody
# gets in with what is not good, nothing of it is an error of nginx's, and the worker goes on. The program
# in crates/fuzz-nginx makes them and judges; `./scripts/fuzz-nginx` runs this file for longer.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Http2;

my @modes = split / /, $ENV{FUZZ_MODES} // 'client service keys provider';
my ($seed, $requests, $seconds) = ($ENV{FUZZ_SEED} // 1, $ENV{FUZZ_REQUESTS} // 2000, $ENV{FUZZ_SECONDS});
my $issuers = $ENV{FUZZ_ISSUERS} // 60;
# One that is to be seen again.
my $case = $ENV{FUZZ_CASE};
my $program = $ENV{FUZZ_NGINX} // '../target/debug/fuzz-nginx';

my $t = Test::Nginx->new()->has(qw/ http http_ssl http_v2 proxy rewrite map upstream_keepalive /)
    ->plan(2 * @modes + 2);
my $dir = $t->testdir();
my $data = Cwd::realpath('../crates/fuzz-nginx/data');
my $folder = $ENV{FUZZ_FOLDER} // $dir;

my $keys = "auth_jwt_key_file $data/verification.json;";
my $decryption = "auth_jwt_key_file $data/decryption.json;";
my $user = 'auth_jwt_upstream_header X-User sub;';
my $request = 'auth_request /service; auth_request_upstream_headers X-Service;';
my %places = (
    signed => qq{auth_jwt "api"; $keys $user auth_jwt_strip on;},
    encrypted => qq{auth_jwt "api"; auth_jwt_type encrypted; $decryption $user},
    nested => qq{auth_jwt "api"; auth_jwt_type nested; $decryption $keys $user},
    cookie => qq{auth_jwt "api" token=\$cookie_token; $keys $user},
    argument => qq{auth_jwt "api" token=\$arg_token; $keys $user},
    dpop => qq{auth_jwt "api"; $keys $user auth_jwt_binding dpop required;
            auth_jwt_dpop_url http://localhost\$request_uri;},
    request => $request,
    cached => "$request auth_request_cache verdicts; auth_request_cache_key \$http_x_key;
            auth_request_cache_valid 200 204 403 1s;",
    body => 'auth_request /password; auth_request_upstream_headers X-Service; auth_request_body 8k;',
    either => qq{satisfy any; auth_jwt "api"; $keys $user $request},
    both => qq{auth_jwt "api"; $keys $user $request},
);
# What the service in the program answers depends on the line X-Case, and so do the keys.
my $answered = 'auth_request /answer; auth_request_upstream_headers X-Service;';
%places = (%places,
    'service/plain' => $answered,
    'service/answer' => "$answered auth_request_answer 8k; auth_request_require \$is_active;",
    'service/denial' => "$answered auth_request_deny_status 3xx 4xx; auth_request_deny_body 8k;
            auth_request_client_headers Set-Cookie Location X-Service;",
    'service/cached' => "$answered auth_request_cache verdicts; auth_request_cache_key \$http_x_case;
            auth_request_cache_valid 200 202 204 401 403 302 404 10s;",
    'service/failing' => "$answered auth_request_on_error allow;",
    keys => 'auth_jwt "api"; auth_jwt_key_request /keys/$http_x_case;',
);
# Below /open nothing is checked, which the program has to notice.
my $places = '';
for my $place (sort keys %places) {
    my $open = $places{$place} =~ s/auth_jwt "api"[^;]*;|auth_request \/\w+;|satisfy any;//gr;
    $places .= <<EOF for ['', $places{$place}], ['/open', $open];
        location = $_->[0]/$place {
            $_->[1]
            add_header X-Location $place always;
            proxy_pass http://app;
        }
EOF
}

my $listen_http2 = listen_http2($t);
# What clients do is not worth a line, of a million of them.
configure($t, <<'EOF' =~ s/PLACES/$places/r =~ s/HTTP2/$listen_http2/r, <<'EOM');
    error_log %%TESTDIR%%/error.log warn;
    large_client_header_buffers 4 16k;
    client_header_timeout 2s;
    client_body_timeout 2s;
    keepalive_timeout 2s;
    keepalive_requests 100000;
    include issuers.conf;

    auth_request_cache_zone verdicts:1m;
    auth_jwt_dpop_zone 1m;

    upstream app {
        server unix:%%TESTDIR%%/app.sock;
        keepalive 8;
    }
    proxy_http_version 1.1;
    proxy_set_header Connection "";

    server {
        access_log off;
        listen 127.0.0.1:8080 backlog=1024;
        HTTP2
        server_name localhost;

PLACES
        include providers.conf;

        location / {
            return 404;
        }

        location = /answer {
            internal;
            proxy_pass http://program;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
        }

        location /keys/ {
            internal;
            proxy_pass http://program;
        }

        location = /service {
            internal;
            proxy_pass http://app/service;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
        }

        location = /password {
            internal;
            proxy_pass http://app/password;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header X-Password $post_arg_password;
        }
    }

    map $auth_json_active $is_active { volatile; true 1; }
    map $http_x_key $key_status { ~^open-sesame$ 200; default 403; }
    map $http_x_password $password_status { ~^mypillow$ 200; default 403; }

    upstream program {
        server 127.0.0.1:8081;
        keepalive 8;
    }

    server {
        access_log off;
        listen unix:%%TESTDIR%%/app.sock;
        # Longer than nginx keeps connections to it: a POST is not sent again if its connection is closed.
        keepalive_timeout 300s;

        add_header X-Seen "$http_x_user/$http_x_service" always;

        location / {
            return 200 "content";
        }
        location = /service {
            add_header X-Service service always;
            if ($key_status = 200) { return 204; }
            return 403;
        }
        location = /password {
            add_header X-Service service always;
            if ($password_status = 200) { return 204; }
            return 403;
        }
    }

EOF
worker_processes 1;
worker_rlimit_nofile 8192;
EOM
# The harness asks for the level debug, which writes more than the disk holds.
$t->write_file('nginx.conf', $t->read_file('nginx.conf') =~ s/(error_log \S+) debug;/$1 notice;/r);

issuers($seed - 1);
run_quietly($t);

my ($pid) = started_workers($t);
for my $mode (grep { $_ ne 'provider' } @modes) {
    is(fuzz($mode, $seed, limit()), 'nothing found', "$mode: nothing that is not due");
    like(fuzz($mode, 1, '--requests', 200, '--prefix', '/open'), qr/a wrong yes/,
        "$mode: what is let in without a check is found");
}
is(join(' ', started_workers($t)), $pid, 'the worker did not end');

# Workers fetch keys when they start: each round has other issuers.
if (grep { $_ eq 'provider' } @modes) {
    my ($found, $end, $asked) = ('nothing found', time + ($seconds // 0), 0);
    for (my $round = $seed; $found eq 'nothing found'; $round++) {
        issuers($round);
        $t->reload();
        $found = fuzz('provider', $round, '--requests', 2 * $issuers);
        $asked += 2 * $issuers;
        # A round takes seconds, in which the others make some thousands of requests.
        last if $seconds ? time >= $end : 20 * $asked >= $requests;
    }
    is($found, 'nothing found', 'provider: nothing that is not due');
    like(fuzz('provider', $seed, '--requests', 2 * $issuers, '--prefix', '/open'), qr/a wrong yes/,
        'provider: what is let in without a check is found');
}
is(join('', $t->read_file('error.log') =~ /^.*\[crit\].*$/mg), '', 'no [crit]');

###############################################################################

sub limit { return $seconds ? ('--seconds', $seconds) : ('--requests', $requests) }

# What the program found.
sub fuzz {
    my ($mode, $seed, @options) = @_;
    my $is_open = "@options" =~ m{/open};
    my $folder = $is_open ? $dir : $folder;
    push @options, '--case', $case if defined $case && !$is_open;
    push @options, '--reads', 'first' unless $t->has_version('1.23.0');
    my @addresses = map { '127.0.0.1:' . port($_) } 8080, $mode eq 'client' ? 8083 : 8081;
    my $output = qx{$program $mode @addresses --seed $seed --folder $folder @options 2>&1};
    note($output);
    return $? ? $output : 'nothing found';
}

# Issuers whose URLs have the number of the round, and a location for each of them.
sub issuers {
    my ($round) = @_;
    my ($blocks, $locations) = ('', '');
    for my $number (0 .. $issuers - 1) {
        my $url = "http://127.0.0.1:8081/$round/$number";
        # Every second one is asked for its document.
        my $source = $number % 2 ? "jwks_uri $url/jwks;" : '';
        $blocks .= "auth_jwt_issuer i$number { issuer $url; audience api; $source }\n";
        $locations .= <<EOF for ['', qq{auth_jwt "api"; auth_jwt_trust i$number;}], ['/open', ''];
location = $_->[0]/provider/$number {
    $_->[1]
    add_header X-Location provider always;
    proxy_pass http://app;
}
EOF
    }
    $t->write_file_expand('issuers.conf', $blocks);
    $t->write_file_expand('providers.conf', $locations);
}
