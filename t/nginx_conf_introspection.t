#!/usr/bin/perl

# nginx-conf/introspection.conf: the authorization server is asked about tokens
# (RFC 7662). t/oidc_introspection.t asks a real one.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use ForwardAuth;
use Introspection;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http proxy map rewrite /)->plan(5 + introspection_counts());

run_introspection($t, 'introspection.conf');

# a JWT is a token like others

my $jwt = sign(jwk('ES256'), '{"sub":"root","active":true,"aud":"https://api.example.com","scope":"orders.read"}');
requests($t, 8091);
is(status(ask('/a', bearer($jwt))), 401, 'the authorization server is asked about a JWT');
my @asked = requests($t, 8091);
is(scalar @asked, 1, 'the authorization server is asked about a JWT, once');
like($asked[0], qr/^token=\Q$jwt\E&/m, 'the authorization server is asked about a JWT, question');

opaque_tokens_are_judged($t);

# the authorization server is gone, and verdicts are in the cache

is(header_values(got(ask('/a', bearer('good'), 'X-Client: mallory')), 'x-client'), 'app', 'client');
is(header_values(got(ask('/a', bearer('spaces'), 'X-Client: mallory')), 'x-client'), '', 'no client in the answer');
