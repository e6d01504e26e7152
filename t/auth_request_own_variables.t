#!/usr/bin/perl

# The module's variables of auth_request give way to those that the configuration
# defines by the same name: it worked before the module was loaded.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite map /)->plan(12);

configure($t, <<'EOF');
    map $request_uri $auth_request_status { volatile; default mapped; }
    map $request_uri $escaped_request_uri { default "<$request_uri>"; }
    map $request_uri $post_arg_token { default "mapped"; }
    auth_request_cache_zone verdicts:1m;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         %%TESTDIR%%;

        location / {
            auth_request /auth;
            auth_request_cache verdicts;
            auth_request_cache_key $uri;
            auth_request_cache_valid 1h;
            auth_request_set $auth_request_cache_status "<$upstream_status>";
            add_header X-Seen "$auth_request_status $auth_request_cache_status $escaped_request_uri $post_arg_token" always;
        }
        location /set {
            set $auth_request_status 1;
            set $escaped_request_uri 2;
            set $auth_request_cache_status 3;
            auth_request /auth;
            auth_request_set $auth_request_status 4;
            add_header X-Seen "$auth_request_status $auth_request_cache_status $escaped_request_uri" always;
        }
        location = /auth { internal; proxy_pass http://127.0.0.1:8081; }
    }
EOF
$t->write_file($_, '') for qw/ a b /;
service($t, 8081, sub {
    my ($client, $head) = @_;
    print $client "HTTP/1.1 204 X\r\n\r\n";
    return 0;
});
$t->run();

is(header(ask('/a?b'), 'X-Seen'), 'mapped <204> </a?b> mapped', "the configuration's own, $_")
    for 'a miss', 'a hit';
is(header(ask('/set'), 'X-Seen'), '4 3 2', 'set, and auth_request_set after it');
is(status(ask('/none')), 404, 'none of that changes the check');
$t->stop();

### each of them, defined in each way

for my $name (qw/ auth_request_status auth_request_cache_status escaped_request_uri post_arg_x /) {
    is(config_test($t, $_->[1]), "exit 0", "\$$name, $_->[0]") for
        ["map", "map \$uri \$$name { default 1; }"],
        ["set", "server { listen 127.0.0.1:8080; set \$$name 1; auth_request_set \$$name 2; }"];
}
