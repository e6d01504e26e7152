#!/usr/bin/perl

# auth_jwt_dpop_zone: used proofs are remembered in bounded memory. When it is full, the oldest are
# forgotten, and nobody is refused for want of memory (row 61).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Dpop;
use Jose;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(8);

my $key = jwk('ES256', '--kid', 'k');
$t->write_file('keys.json', jwks($key));
configure($t, <<'EOF', 'worker_processes 2;');
    auth_jwt_dpop_zone  64k;
    keepalive_requests  10000;
    server {
        listen            127.0.0.1:8080;
        auth_jwt          "r";
        auth_jwt_key_file keys.json;
        auth_jwt_binding  dpop required;
    }
EOF
$t->run();

my $client = jwk('ES256', '--no-alg');
my $token = sign($key, '{"cnf":{"jkt":"' . thumbprint($client) . '"}}');

# How often each status comes of requests with these proofs, one after the other.
my $statuses = sub {
    my $s = connection();
    my %count;
    for my $proof (@_) {
        my $response = exchange($s, request('/x', "Authorization: DPoP $token", "DPoP: $proof"));
        $count{status($response)}++;
    }
    return join ' ', map { "$_: $count{$_}" } sort keys %count;
};

# the length of a jti does not matter: a digest is remembered
my @proofs = map { dpop_proof($client, $token, jti => '"' . 'j' x ($_ % 1000) . "$_\"") } 1 .. 400;
is($statuses->(@proofs[0 .. 9]), '404: 10', 'ten proofs');
is($statuses->(@proofs[0 .. 9]), '401: 10', 'each of them once more');
is($statuses->(@proofs[10 .. $#proofs]), '404: 390', 'more proofs than there is memory for');
is($statuses->(@proofs[-20 .. -1]), '401: 20', 'the last ones are remembered');
is($statuses->($proofs[0]), '404: 1', 'the first one is forgotten');
is($statuses->($proofs[0]), '401: 1', 'and remembered again');
ok(reload_workers($t), 'reloaded');
is($statuses->(@proofs[-20 .. -1], $proofs[0]), '401: 21', 'a reload forgets none');
