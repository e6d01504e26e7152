#!/usr/bin/perl

# auth_request_set: variables from the service's response, after each outcome.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Original;
use Test::Nginx::Raw;

use Time::HiRes qw/ time /;

my $t = Test::Nginx->new()->has(qw/ http map proxy rewrite /)->plan(41);

configure($t, <<'EOF');
    log_format  set '$status user=$user';
    map $user $mapped {
        default  other;
        ''       none;
        alice    her;
    }
    upstream backend { server 127.0.0.1:8081; }
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        access_log   %%TESTDIR%%/set.log set;

        auth_request_set $user $upstream_http_x_user;
        auth_request_set $code $upstream_status;
        add_header X-User "[$user]" always;
        add_header X-Code "[$code]" always;

        location = /auth {
            internal;
            # since nginx 1.29.7 connections are kept, and a request that fails on
            # a kept one is sent again
            proxy_set_header Connection close;
            proxy_pass http://backend/$http_x_code;
        }
        location / { auth_request /auth; }
        location = /error.txt { }
        location = /page {
            auth_request /auth;
            error_page 401 403 500 /error.txt;
        }
        location = /named {
            auth_request /auth;
            error_page 401 403 500 @named;
        }
        location @named {
            return 299 "named $user $code";
        }
        location = /200 {
            auth_request /auth;
            error_page 401 =200 /error.txt;
        }
        location = /missing {
            auth_request /auth;
            try_files /nowhere /error.txt;
        }
        location = /again {
            auth_request /auth;
            error_page 404 = /again-2;
        }
        location = /again-2 {
            auth_request /auth-2;
            auth_request_set $user $upstream_http_x_user;
            try_files /error.txt =404;
        }
        location = /auth-2 {
            proxy_pass http://backend/second;
        }
        location = /off {
            try_files /error.txt =404;
        }
        location /own/ {
            auth_request /auth;
            auth_request_set $other "own";
            add_header X-User "[$user]" always;
            add_header X-Other "[$other]" always;
            try_files /error.txt =404;
            location /own/nested/ {
                try_files /error.txt =404;
            }
        }
        location = /several {
            auth_request /auth;
            auth_request_set $first "$upstream_http_x_user";
            auth_request_set $second "<$first>";
            auth_request_set $first "$first+";
            auth_request_set $constant "constant";
            auth_request_set $nothing "";
            auth_request_set $absent $upstream_http_x_absent;
            auth_request_set $list $upstream_http_x_list;
            auth_request_set $cookie $upstream_cookie_id;
            add_header X-All
                "$first $second $constant [$nothing] [$absent] $list $cookie";
            try_files /error.txt =404;
        }
        location = /args {
            auth_request /auth;
            auth_request_set $args "user=$upstream_http_x_user";
            proxy_pass http://127.0.0.1:8081;
        }
        location = /slow {
            auth_request /auth;
            auth_request_set $limit_rate 1k;
            try_files /long.txt =404;
        }
        location = /mapped {
            auth_request /auth;
            auth_request_set $user $upstream_http_x_user;
            add_header X-Mapped $mapped;
            try_files /error.txt =404;
        }
        location = /mapped-early {
            set $early $mapped;
            auth_request /auth;
            auth_request_set $user $upstream_http_x_user;
            add_header X-Mapped $mapped;
            try_files /error.txt =404;
        }
        location = /set {
            set $role guest;
            auth_request /auth;
            auth_request_set $role $upstream_http_x_user;
            add_header X-Role "[$role]";
            try_files /error.txt =404;
        }
        location = /set-off {
            set $role guest;
            add_header X-Role "[$role]";
            try_files /error.txt =404;
        }
        location = /uri {
            auth_request /auth;
            auth_request_set $seen "$uri $request_uri $request_method";
            add_header X-Seen $seen;
            proxy_pass http://backend/;
        }
        location = /upstream {
            auth_request /auth;
            proxy_set_header X-User $user;
            proxy_pass http://127.0.0.1:8081/echo;
        }
        location = /spoof {
            auth_request /auth;
            auth_request_set $user $upstream_http_x_user;
            proxy_set_header X-User $user;
            proxy_pass http://127.0.0.1:8081/echo;
        }
    }
    server {
        listen       127.0.0.1:8081;
        server_name  localhost;
        add_header   X-User alice always;
        location / { return 204; }
        location = /anonymous { add_header X-Other x; return 204; }
        location = /201 { return 201; }
        location = /401 { return 401; }
        location = /403 { return 403; }
        location = /404 { return 404; }
        location = /500 { return 500; }
        location = /close { return 444; }
        location = /second { add_header X-User bob; return 204; }
        location = /list {
            add_header X-User alice;
            add_header X-List "one, two";
            add_header Set-Cookie "id=c1; Path=/";
            return 204;
        }
        location = /echo { return 200 "user=[$http_x_user]"; }
        location = /args { return 200 "args=[$args]"; }
    }
EOF

$t->write_file('error.txt', 'ERROR PAGE');
$t->write_file('index.html', 'CONTENT');
$t->write_file('long.txt', 'x' x 1500);
$t->run();

### outcomes

is(vars('/', 200), '200 [alice] [204]', 'allowed');
is(vars('/', 201), '200 [alice] [201]', 'allowed with 201');
is(vars('/', 401), '401 [alice] [401]', 'refused with 401');
is(vars('/', 403), '403 [alice] [403]', 'refused with 403');
is(vars('/', 404), '500 [alice] [404]', 'refused for 404');
is(vars('/', 500), '500 [alice] [500]', 'refused for 500');
is(vars('/', 'close'), '500 [] [502]', 'no response');
is(vars('/', 'anonymous'), '200 [] [204]', 'allowed, without the header');

### internal redirects

is(vars('/page', 401), '401 [alice] [401]', '401, error page');
is(vars('/page', 403), '403 [alice] [403]', '403, error page');
is(vars('/page', 500), '500 [alice] [500]', '500, error page');
like(ask('/page', "X-Code: 401"), qr/\r\n\r\nERROR PAGE\z/, 'error page');
is(vars('/named', 401), '401 [alice] [401]', '401, named location');
is(vars('/named', 'close'), '500 [] [502]', 'no response, named location');
like(ask('/named', "X-Code: 401"), qr/named alice 401/, 'body of a named location');
is(vars('/200', 401), '200 [alice] [401]', '401 =200');
is(vars('/missing', 200), '200 [alice] [204]', 'try_files');
is(vars('/again', 200), '200 [bob] [204]', 'second check');

### inheritance

is(vars('/off', 200), '200 [] []', 'no check, nothing set');
like(ask('/own/', "X-Code: 200"), qr/^X-User: \[\]\r\nX-Other: \[own\]/m,
    'an inner directive replaces the outer ones');
like(ask('/own/nested/', "X-Code: 200"), qr/^X-User: \[\]\r\nX-Other: \[own\]/m,
    'an inner level inherits only from the outer one');

### values

like(ask('/several', "X-Code: list"),
    qr/^X-All: alice\+ <alice> constant \[\] \[\] one, two c1\r\n/m,
    'several, in their order');
like(ask('/uri', "X-Code: 200"), qr/^X-Seen: \/auth \/uri GET\r\n/m,
    '$uri is the one of the subrequest');
like(ask({ method => 'POST' }, '/uri', "X-Code: 200"), qr/^X-Seen: \/auth \/uri POST\r\n/m,
    'request method is that of the request');
like(ask('/set', "X-Code: 200"), qr/^X-Role: \[alice\]/m, 'a variable of set');
like(ask('/set', "X-Code: anonymous"), qr/^X-Role: \[\]/m,
    'a variable of set, absent header');
like(ask('/set-off', "X-Code: 200"), qr/^X-Role: \[guest\]/m, 'set alone');
like(ask('/mapped', "X-Code: 200"), qr/^X-Mapped: her/m, 'map of the variable');

### variables with a set handler

like(ask('/args?user=mallory', "X-Code: 200"), qr/args=\[user=alice\]\z/, '$args');
like(ask('/args?user=mallory', "X-Code: anonymous"), qr/args=\[user=\]\z/,
    '$args, absent header');

my $begin = time;
like(ask('/slow', "X-Code: 200"), qr/\r\n\r\nx{1500}\z/, '$limit_rate');
cmp_ok(time - $begin, '>', 0.5, '$limit_rate, slowed down');

### the client cannot set the variable

like(ask('/upstream', "X-Code: 200"), qr/user=\[alice\]\z/, 'to the upstream');
like(ask('/upstream', "X-Code: anonymous", 'X-User: mallory'), qr/user=\[\]\z/,
    "the client's header does not get through");
like(ask('/spoof?user=mallory', "X-Code: anonymous", 'X-User: mallory', 'X_User: m'),
    qr/user=\[\]\z/, "the client's header in another spelling does not get through");

### requests of one connection do not share values

my $s = connection();
is(user($s, 200), 'alice', 'first request of a connection');
is(user($s, 'anonymous'), '', 'second request of it');
is(user($s, 'second'), 'bob', 'third request of it');
is(user($s, 'close'), '', 'fourth request of it');

$t->stop();
my $log = $t->read_file('set.log');
like($log, qr/^401 user=alice$/m, 'access log of a denial');
like($log, qr/^500 user=$/m, 'access log without a response');

### helpers

# Status and the two variables of the server level.
sub vars {
    my ($uri, $code) = @_;
    my $response = ask($uri, "X-Code: $code");
    return join ' ', status($response), header($response, 'X-User'),
        header($response, 'X-Code');
}

sub user {
    my ($s, $code) = @_;
    my $response = exchange($s, request('/', "X-Code: $code"));
    return header($response, 'X-User') =~ s/^\[(.*)\]\z/$1/r;
}
