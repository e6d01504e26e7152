#!/usr/bin/perl

# $escaped_<variable>: the value of another variable, percent-encoded as a value in a
# form or in the query of a URI.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite map /)->plan(17);

my $conf = <<'EOF';
    map $http_a $mapped { default ""; "~^x(?<rest>.*)" "<$rest>"; }
    map $http_a $escaped_own { default own; }
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        location / { return 200 "$escaped_http_a"; }
        location /map { return 200 "${escaped_mapped}"; }
        location /own { return 200 "$escaped_own"; }
        location /set { set $late "a $http_a"; return 200 "$escaped_late"; }
        location /mine { set $escaped_host "a b"; return 200 "$escaped_host"; }
        location /form {
            proxy_method POST;
            proxy_set_header Content-Type application/x-www-form-urlencoded;
            proxy_set_body "token=$escaped_http_a&token_type_hint=access_token";
            proxy_pass http://127.0.0.1:8081;
        }
    }
EOF

is(config_test($t, $conf), 'exit 0', 'variables that exist');
is(config_test($t, 'server { location / { return 200 $escaped_undefined_one; } }'),
    '[emerg] unknown "undefined_one" variable | exit 1', 'a variable that does not exist');
is(config_test($t, 'server { location / { return 200 $escaped_escaped_uri; } }'),
    '[emerg] unknown "escaped_uri" variable | exit 1', 'escaped twice');
is(config_test($t, 'server { set $escaped_undefined_one x; location / { return 200 $escaped_undefined_one; } }'),
    'exit 0', "the configuration's own");

configure($t, $conf);
service($t, 8081, sub {
    my ($client, $head, $body) = @_;
    print $client 'HTTP/1.1 200 X', "\r\n", 'Content-Length: ', length $body, "\r\n\r\n$body";
    return 0;
});
$t->run();

my %escaped = (
    'a-b._~Z9' => 'a-b._~Z9', 'a b' => 'a%20b', 'a+b/c==' => 'a%2Bb%2Fc%3D%3D', 'a&x=1' => 'a%26x%3D1',
    '%2B;#?"<>' => '%252B%3B%23%3F%22%3C%3E', "\xc3\xa4\xff" => '%C3%A4%FF', '' => '',
);
is(body(ask('/', "A: $_")), $escaped{$_}, "'$_'") for sort keys %escaped;
is(body(ask('/')), '', 'no value');
is(body(ask('/map', 'A: x&y')), '%3C%26y%3E', 'a variable of map');
is(body(ask('/own', 'A: x&y')), 'own', 'a variable of the configuration itself');
is(body(ask('/set', 'A: &')), 'a%20%26', 'a variable of set');
is(body(ask('/mine')), 'a b', 'a variable that set defines');
is(body(ask('/form', 'A: x&token=good')), 'token=x%26token%3Dgood&token_type_hint=access_token',
    'nothing gets into a form');
