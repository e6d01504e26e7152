#!/usr/bin/perl

# auth_request_upstream_headers: an upstream gets these header lines from the
# service or not at all, whatever the client sends (rows 25, 26).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use ParamService;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()
    ->has(qw/ http proxy fastcgi uwsgi scgi rewrite ssi mirror /)->plan(80);

configure($t, <<'EOF');
    default_type text/html;
    underscores_in_headers on;
    ignore_invalid_headers off;
    large_client_header_buffers 4 16k;
    auth_request /auth;
    auth_request_upstream_headers X-User;
    proxy_set_header X-Var $http_x_user;
    log_format user '$request_uri [$http_x_user]';
    access_log %%TESTDIR%%/user.log user;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         %%TESTDIR%%;

        location / { proxy_pass http://127.0.0.1:8082; }
        location = /auth { internal; proxy_pass http://127.0.0.1:8081; }
        location = /auth-down { internal; proxy_pass http://127.0.0.1:8089; }
        location /early {
            set $early $http_x_user;
            if ($http_x_user = root) { set $early "$early!"; }
            proxy_set_header X-Early $early;
            proxy_set_header X-Var $http_x_user;
            proxy_pass http://127.0.0.1:8082;
        }
        location /asked {
            auth_request /auth/$http_x_user;
            proxy_pass http://127.0.0.1:8082;
        }
        location /auth/ { internal; proxy_pass http://127.0.0.1:8081; }
        location /fastcgi { fastcgi_pass 127.0.0.1:8083; }
        location /uwsgi { uwsgi_pass 127.0.0.1:8084; }
        location /scgi { scgi_pass 127.0.0.1:8085; }
        location /params {
            fastcgi_param HTTP_X_VAR $http_x_user;
            fastcgi_pass 127.0.0.1:8083;
        }

        location /prefix {
            auth_request_upstream_headers X-Authgear-* X-Other;
            proxy_pass http://127.0.0.1:8082;
        }
        location /off {
            auth_request_upstream_headers off;
            proxy_pass http://127.0.0.1:8082;
        }
        location /unasked {
            auth_request off;
            proxy_pass http://127.0.0.1:8082;
        }
        location /nested {
            auth_request_upstream_headers X-Other;
            location /nested/deeper {
                if ($arg_if) {
                    set $x 1;
                    proxy_pass http://127.0.0.1:8082;
                }
                limit_except GET { allow all; }
                proxy_pass http://127.0.0.1:8082;
            }
            location /nested/off {
                auth_request_upstream_headers off;
                proxy_pass http://127.0.0.1:8082;
            }
        }
        location /any {
            satisfy any;
            allow 127.0.0.1;
            deny all;
            proxy_pass http://127.0.0.1:8082;
        }
        location /error {
            auth_request_on_error allow 5xx;
            proxy_pass http://127.0.0.1:8082;
        }
        location /down {
            auth_request /auth-down;
            auth_request_on_error allow;
            proxy_pass http://127.0.0.1:8082;
        }
        location /page {
            error_page 401 403 500 = @open;
            proxy_pass http://127.0.0.1:8082;
        }
        location @open {
            auth_request off;
            auth_request_upstream_headers off;
            proxy_pass http://127.0.0.1:8082;
        }
        location /index/ { index index.html; }
        location = /index/index.html { proxy_pass http://127.0.0.1:8082; }
        location /try { try_files /none @try; }
        location @try { proxy_pass http://127.0.0.1:8082; }
        location /accel { proxy_pass http://127.0.0.1:8082/accel; }
        location /accelerated {
            auth_request_upstream_headers X-Other;
            proxy_pass http://127.0.0.1:8082;
        }

        location /page.shtml { auth_request off; ssi on; }
        location /mixed.shtml { ssi on; }
        location /open.shtml {
            auth_request off;
            auth_request_upstream_headers off;
            ssi on;
        }
        location /mirrored {
            mirror /mirror;
            proxy_pass http://127.0.0.1:8082;
        }
        location = /mirror { proxy_pass http://127.0.0.1:8086; }
        location /mirrored-open {
            auth_request off;
            auth_request_upstream_headers off;
            mirror /mirror;
            proxy_pass http://127.0.0.1:8082;
        }
    }

    server {
        listen       127.0.0.1:8088;
        server_name  localhost;
        underscores_in_headers off;
        ignore_invalid_headers on;
        location / { proxy_pass http://127.0.0.1:8082; }
        location = /auth { internal; proxy_pass http://127.0.0.1:8081; }
    }
EOF

$t->write_file('page.shtml', '<!--#include virtual="/inner" -->');
$t->write_file('mixed.shtml', '<!--#include virtual="/inner" -->');
$t->write_file('open.shtml', '<!--#include virtual="/inner" -->');
mkdir $t->testdir() . '/index';
$t->write_file('index/index.html', '');

# X-Code is the status that the service sends, X-Say its header lines.

my $dir = $t->testdir();
service($t, 8081, sub {
    my ($client, $head) = @_;
    my ($code) = $head =~ /^X-Code: (.*)\r/mi;
    my @say = $head =~ /^X-Say: (.*)\r/mgi;
    append("$dir/asked", $head);
    return 0 if ($code // '') eq 'none';
    print $client 'HTTP/1.1 ' . ($code // 200) . " X\r\n"
        . join('', map { "$_\r\n" } @say) . "Content-Length: 0\r\n\r\n";
    return 0;
});

# The upstream's body is the header that it got; for /accel it redirects.

sub echo {
    my ($file) = @_;
    return sub {
        my ($client, $head) = @_;
        if ($file) {
            replace_file($t, $file, $head);
        }
        my $accel = $head =~ /^GET \/accel / ? "X-Accel-Redirect: /accelerated\r\n" : '';
        print $client "HTTP/1.1 200 OK\r\n${accel}Content-Length: "
            . length($head) . "\r\n\r\n$head";
        return 0;
    };
}

service($t, 8082, echo());
service($t, 8086, echo('mirrored'));
param_service($t, 8083, 'fastcgi');
param_service($t, 8084, 'uwsgi');
param_service($t, 8085, 'scgi');

run_quietly($t);

my @spellings = ('X-User: root', 'x-user: root', 'X-USER: root', 'X_User: root',
    'x_user: root', 'X.User: root', 'X~User: root', "X\xffUser: root",
    'X+User: root');

### a response without the header line

for my $spelling (@spellings) {
    is(users(ask('/', $spelling)), '', "$spelling is removed");
}
is(users(ask('/', @spellings, 'X-User: admin')), '', 'all spellings at once are removed');
is(users(ask('/', 'X-User:')), '', 'an empty line is removed');
is(users(ask('/', 'X-User: root', 'X-User: root')), '', 'two lines are removed');
is(users(ask('/', 'x-user: ' . 'a' x 8000)), '', 'a long value is removed');

for my $spelling (@spellings) {
    is(users(ask('/', $spelling), 8088), '', "$spelling, invalid ones ignored");
}

### a response with it

my $said = 'X-Say: X-User: alice';
is(users(ask('/', $said)), 'X-User: alice', 'the line of the service');
is(users(ask('/', @spellings, $said)), 'X-User: alice',
    'the line of the service replaces all spellings');
is(users(ask('/', $said, @spellings)), 'X-User: alice', 'the line of the service, another order');
is(users(ask('/', 'X-User: root', 'X-Say: x-uSER: alice')), 'x-uSER: alice',
    'the line of the service in another case');
is(users(ask('/', 'X-User: root', 'X-Say: X_User: alice')), '',
    'no other spelling is taken');
is(users(ask('/', 'X-Say: X-User: alice', 'X-Say: X-User: bob')),
    'X-User: alice, X-User: bob', 'two lines of the service');
is(users(ask('/', 'X-Say: X-User:', 'X-User: root')), 'X-User: ', 'an empty line');
like(ask('/', $said, 'X-Mine: 1', 'Accept: a'),
    qr/^X-Mine: 1\r\n.*^Accept: a\r/ms, 'other lines stay');

### its variables

like(ask('/', $said, 'X-User: root'), qr/^X-Var: alice\r/m, 'a variable');
unlike(ask('/', 'X-User: root'), qr/root/, 'a variable, no line of the service');
my $early = ask('/early', $said, 'X-User: root');
like($early, qr/^X-Early: root!\r/m, 'read in a rewrite: what the client says');
like($early, qr/^X-Var: alice\r/m, 'a variable read again has the value of the service');
unlike(ask('/early', 'X-User: root'), qr/^X-Var:/m, 'a variable read again is empty');
asked($t);
unlike(ask('/asked', 'X-User: ../root'), qr/root/, 'a variable in the URI of the check');
is(asked($t), 'GET /auth/', 'the URI of the check has no value');
like(ask('/asked', $said), qr/^X-Var: alice\r/m, 'a variable after the check');

### upstreams that do not speak HTTP

for my $uri (qw{ /fastcgi /uwsgi /scgi }) {
    is(params(ask($uri, @spellings)), '', "$uri, none");
    is(params(ask($uri, @spellings, $said)), 'HTTP_X_USER=alice',
        "$uri, in place of all");
}
is(params(ask('/params', @spellings, $said)), 'HTTP_X_USER=alice, HTTP_X_VAR=alice',
    'fastcgi_param');

### a prefix

my @authgear = ('X-Authgear-Session-Valid: true', 'x_authgear_user: root',
    'X.Authgear.: 1', 'X-Authgear-: 2');
is(got_lines(ask('/prefix', @authgear), qr/authgear/i), '', 'prefix, none');
is(got_lines(ask('/prefix', @authgear, 'X-Say: X-Authgear-User-Id: 7', 'X-Say: X-AuthGear-A: b', 'X-Say: X-Authgear: c'), qr/^x[-_.]authgear/i),
    'X-Authgear-User-Id: 7, X-AuthGear-A: b', 'prefix, in place of all');
is(got_lines(ask('/prefix', 'X_Other: 1', 'X_User: 2', 'X-Say: X-User: alice', 'X-Say: X-Other: 3'), qr/^x(?!-say)/i),
    'X-Other: 3', 'an inner level takes the place of the outer one in what is copied, not in what is removed');

### inheritance

is(users(ask('/off', @spellings, $said)), '', 'off: nothing is copied, and the client\'s lines are removed');
is(got_lines(ask('/off', 'X_Other: 1'), qr/^x/i), 'X_Other: 1', 'off: a name of another location');
is(got_lines(ask('/nested/deeper', 'X_User: 1', 'X_Other: 2', 'X_Deep: 3'), qr/^x/i), 'X_Deep: 3',
    'names of two outer levels');
is(got_lines(ask('/nested/off', 'X_User: 1', 'X_Other: 2', 'X_Deep: 3', $said, 'X-Say: X-Other: 4'), qr/^x(?!-say)/i),
    'X_Deep: 3', 'names of two outer levels, and off');
for my $uri ('/nested/deeper', '/nested/deeper?if=1') {
    is(got_lines(ask($uri, 'X_Other: 1', 'X-Say: X-Other: 2'), qr/^x.other/i),
        'X-Other: 2', "$uri");
}
is(got_lines(ask({ method => 'POST' }, '/nested/deeper', 'X_Other: 1', 'X-Say: X-Other: 2'), qr/^x.other/i), 'X-Other: 2',
    'limit_except');

### a check that is skipped or fails

is(users(ask('/any', @spellings, $said)), '', 'satisfy any');
is(users(ask('/error', @spellings, $said, 'X-Code: 500')), '', 'allowed on error');
is(users(ask('/down', @spellings, $said)), '', 'allowed on error without a response');

for my $code (401, 403, 500) {
    is(users(ask('/page', @spellings, $said, "X-Code: $code")), '',
        "$code, error page from an upstream");
}

### redirects: a second check

for my $uri (qw{ /index/ /try /accel }) {
    asked($t);
    my $name = $uri eq '/accel' ? 'X-Other' : 'X-User';
    is(got_lines(ask($uri, 'X_User: root', "X-Say: $name: alice"), qr/^$name/i),
        "$name: alice", "$uri, what the upstream gets");
    my $asked = asked_all($t);
    is(() = $asked =~ /^GET/mg, 2, "$uri, two checks");
    unlike($asked, qr/^X.(?:User|Other): /mi, "$uri, what the service gets");
}
is(users(ask('/accel', 'X-User: root', $said)), '',
    'the last response counts, not the one before it');

### subrequests

is(users(ask('/page.shtml', @spellings)), '', 'include, not checked');
is(users(ask('/mixed.shtml', @spellings)), '', 'include, no line of the service');
is(users(ask('/mixed.shtml', @spellings, $said)), 'X-User: alice', 'include');
is(users(ask('/open.shtml', @spellings)), '',
    'include out of a location that has no such names');

is(users(ask('/mirrored', @spellings, $said)), 'X-User: alice', 'mirrored');
is(users(mirrored($t)), 'X-User: alice', 'mirror');
ask('/mirrored', @spellings);
is(users(mirrored($t)), '', 'mirror, no line of the service');
ask('/mirrored-open', @spellings, $said);
is(users(mirrored($t)), '', 'mirror of a location that has no such names');

$t->stop();
unlike($t->read_file('user.log'), qr/^\/(?!early)\S* \[[^\]]*root/m,
    'nor does the log of requests have what the client says');

### helpers

# The lines that the upstream got with this name in any spelling.
sub users {
    my ($response) = @_;
    return got_lines($response, qr/^x[^:a-z]*user:/i);
}

sub params {
    my ($response) = @_;
    return join ', ', sort $response =~ /^(HTTP_X[^=]*(?:USER|VAR)=.*)$/mgi;
}

sub asked_all {
    my ($t) = @_;
    my $asked = -e $t->testdir() . '/asked' ? $t->read_file('asked') : '';
    unlink $t->testdir() . '/asked';
    return $asked;
}

sub asked {
    my ($t) = @_;
    return join ' ', asked_all($t) =~ /^(GET \S+)/mg;
}

# The lines with such a name that the upstream got.
sub got_lines {
    my ($response, $name) = @_;
    return 'status ' . status($response) if status($response) != 200;
    return join ', ', grep { $_ =~ $name } split /\r\n/, body($response);
}

# What the upstream of the mirror got, in a response like the other's.
sub mirrored {
    my ($t) = @_;
    my $file = $t->testdir() . '/mirrored';
    wait_until(sub { -e $file });
    my $got = slurp($file);
    unlink $file;
    return "HTTP/1.1 200 OK\r\n\r\n$got";
}
