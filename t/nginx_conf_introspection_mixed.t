#!/usr/bin/perl

# nginx-conf/introspection-mixed.conf: JWTs are judged in place, and the authorization
# server is asked about other tokens.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use ForwardAuth;
use Introspection;
use Jose;

use JSON::PP ();

my $t = Test::Nginx->new()->has(qw/ http proxy map rewrite /)->plan(22 + introspection_counts());

my $key = jwk('ES256', '--kid', 'k1');
$t->write_file('keys.json', public($key));
run_introspection($t, 'introspection-mixed.conf');

my $claims = { iss => 'https://id.example.com', aud => 'https://api.example.com', exp => time + 300, sub => 'alice',
    scope => 'orders.read' };
my $jwt = sub { sign($_[1] // $key, JSON::PP::encode_json({ %$claims, %{ $_[0] } })) };

for my $case (
    ['expired', $jwt->({ exp => time - 5 }), 401, 'invalid_token'],
    ['forged', $jwt->({ sub => 'root' }, jwk('ES256', '--kid', 'k1')), 401, 'invalid_token'],
    ['another issuer', $jwt->({ iss => 'https://x' }), 401, 'invalid_token'],
    ['another audience', $jwt->({ aud => 'https://x' }), 401, 'invalid_token'],
    ['bound', $jwt->({ cnf => { jkt => 'x' } }), 401, 'invalid_token'],
    ['another scope', $jwt->({ scope => 'orders.write' }), 403, 'insufficient_scope'],
    ['no JWT', 'a.b.c', 401, 'invalid_token'],
    ['five parts', 'a.b.c.d.e', 401, 'invalid_token'],
) {
    my ($name, $token, $status, $error) = @$case;
    my $r = ask('/a', bearer($token));
    is(status($r), $status, "JWT, $name");
    like(header_values($r, 'WWW-Authenticate'), qr/^Bearer realm="api", error="$error"[^|]*$/, "JWT, $name, challenge");
}
my $good = $jwt->({});
my $r = ask('/a', bearer($good), 'X-User: mallory', 'X_USER: mallory');
is(status($r), 200, 'JWT');
is(header_values(got($r), 'x-user'), 'alice', 'JWT, user');
is(header_values(got($r), 'authorization'), '', 'JWT, not to the application');
unlike($r, qr/mallory|WWW-Authenticate/, 'row 25: JWT, no line of the client, no challenge');
is(scalar requests($t, 8091), 0, 'the authorization server is not asked about a JWT');

opaque_tokens_are_judged($t);

is(status(ask('/a', bearer($good))), 200, 'no authorization server, JWT');
