#!/usr/bin/perl

# A panic in our code costs the request in which it happens and one [crit] line;
# the worker goes on. Runs on a module with the feature fault-injection, which
# panics where the header line X-Fault of the request says.

use FindBin;
use lib "$FindBin::Bin/../lib";
use Auth;

my $t = Test::Nginx->new()->has(qw/ http rewrite proxy /)->plan(35);

$t->write_file('keys.json', '{"kty":"oct","k":"'
    . 'c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0' . '"}');

configure($t, <<'EOF', 'worker_processes 1;');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        add_header   X-Pid $pid always;

        location /open {
            return 200 "claim=$jwt_claim_sub";
        }

        location /jwt {
            auth_jwt           "closed site";
            auth_jwt_key_file  %%TESTDIR%%/keys.json;
        }

        location /jwt/variable-before {
            set $sub $jwt_claim_sub;
            auth_jwt           "closed site";
            auth_jwt_key_file  %%TESTDIR%%/keys.json;
        }

        location /request {
            auth_request  /service;
            root          %%TESTDIR%%;
        }

        location /any {
            satisfy       any;
            allow         127.0.0.1;
            auth_request  /service;
            root          %%TESTDIR%%;
        }

        location /service {
            return 204;
        }

        location /proxied {
            auth_request  /proxied-service;
            root          %%TESTDIR%%;
        }

        location /delayed {
            auth_delay              100ms;
            auth_request            /denial;
            auth_request_deny_body  100;
        }

        location /denial {
            return 401 DENIED;
        }

        location /metadata {
            auth_jwt_resource_metadata  resource=https://localhost/;
        }

        location /status {
            auth_status;
        }

        location /proxied-service {
            proxy_pass http://127.0.0.1:8080/service;
        }
    }
EOF

mkdir($t->testdir() . "/$_") for qw/ request any proxied /;
$t->write_file($_ . '/file', 'CONTENT') for qw/ request any proxied /;

run_quietly($t);

###############################################################################

my $pid = pid(get('/open'));
my $panics = 0;

refused('access', '/jwt');
refused('access', '/request/file');
# nginx evaluates the value of a set twice: its length, and its bytes
refused('variable', '/jwt/variable-before', 2);
refused('subrequest', '/request/file');
refused('subrequest', '/proxied/file');
refused('delayed response', '/delayed');
refused('content', '/metadata');
refused('content', '/status');

# a location without auth_jwt and auth_request does not reach the fault

like(get('/open', 'access'), qr/^HTTP\/1.1 200 .*claim=$/s,
    'fault in access phase is not reached by return');

# a variable that does not decide about the request is empty

like(get('/open', 'variable'), qr/^HTTP\/1.1 200 .*claim=$/s,
    'fault in variable in an open location');
is(panics(), ++$panics, 'fault in variable, one line');

like(get('/request/file'), qr/CONTENT/, 'request without a fault');
is(pid(get('/any/file')), $pid, 'the worker did not end');

# a directive, and one in a block

my $conf = $t->read_file('nginx.conf');
my $binary = $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx';
my $dir = $t->testdir();

for my $case (
    ['a directive', $conf =~ s!auth_request  /service!auth_request  inject-fault!r],
    ['a block', $conf =~ s!http \{\K! auth_jwt_issuer a { issuer inject-fault; }!r],
) {
    my ($name, $bad) = @$case;
    $t->write_file('bad.conf', $bad);
    my $said = `$binary -t -p $dir/ -c bad.conf -e stderr 2>&1`;

    isnt($? >> 8, 0, "fault in $name is a configuration error");
    is(scalar(grep { /\[crit\]/ } split /\n/, $said), 1, "fault in $name, one line");
    like($said, qr/\[crit\] .*nginx-auth: panic at \S+fence\.rs:\d+:\d+: injected fault/,
        "fault in $name says where");
}

$t->expect_panics($panics);

###############################################################################

sub refused {
    my ($fault, $uri, $lines) = @_;

    my $r = get($uri, $fault);
    like($r, qr/^HTTP\/1.1 500 /, "fault in $fault refuses $uri");
    is(pid($r), $pid, "fault in $fault, worker of $uri");
    $panics += $lines // 1;
    is(panics(), $panics, "fault in $fault, lines for $uri");
}

sub panics {
    my $log = $t->read_file('error.log');
    return () = $log =~ /\[crit\] .*nginx-auth: panic at \S+fence\.rs:\d+:\d+: injected fault/g;
}

sub pid {
    my ($response) = @_;
    return header($response, 'X-Pid');
}

###############################################################################

sub get {
    my ($uri, $fault) = @_;
    return ask($uri, $fault ? "X-Fault: $fault" : ());
}
