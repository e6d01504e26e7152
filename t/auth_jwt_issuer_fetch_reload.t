#!/usr/bin/perl

# A reload while the keys of issuers are stale: the new workers have them fetched at once. Only after
# a start the fetches of many issuers are spread.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use KeyService;
use Jose;
use List::Util qw/ max min /;
use Time::HiRes qw/ sleep stat /;

my $t = Test::Nginx->new()->has(qw/ http /)->plan(4);

my @names = map { "issuer$_" } 1 .. 10;
my $blocks = join '', map {
    "auth_jwt_issuer $_ { issuer $_; audience api; jwks_uri http://127.0.0.1:8082/$_; refresh 3s; }\n"
} @names;
configure($t, <<"EOF", 'worker_processes 2;');
    $blocks
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        location / {
            auth_jwt        "r";
            auth_jwt_trust  @names;
            empty_gif;
        }
    }
EOF

my $keys = jwks(public(jwk('ES256')));
respond_with($t, $_, keys_response($keys)) for @names;
key_service($t, 8082);
$t->run();

is(scalar(grep { wait_asked($t, $_, 1) } @names), 10, 'all issuers are asked');
# The first fetches are spread over two seconds, so that none is on its way before the third has passed. Then nobody looks
# any more, and the keys go stale.
sleep 0.3;
my @old = workers($t);
kill 'STOP', @old;
sleep 3.3;
forget($t, $_) for @names;
kill 'HUP', $t->read_file('nginx.pid') =~ /(\d+)/;
is(scalar(grep { wait_asked($t, $_, 1) } @names), 10, 'all are asked after a reload');
my @times = map { (stat($t->testdir() . "/request.$_"))[9] } @names;
cmp_ok(max(@times) - min(@times), '<', 0.7, 'at once');
kill 'CONT', @old;
is(wait_until(sub { !grep { kill 0, $_ } @old }), 1, 'old workers end');
