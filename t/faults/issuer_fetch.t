#!/usr/bin/perl

# A panic while the keys of an issuer are fetched: the fetch has failed, the worker
# lives, and the keys of other issuers are fetched.

use FindBin;
use lib "$FindBin::Bin/../lib";
use Auth;
use AuthJwt;
use Jose;
use KeyService;

my $key = jwk('ES256', '--kid', 'a');

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(9);

configure($t, <<'EOF', 'worker_processes 1;');
    auth_jwt_issuer broken { issuer broken; audience api; jwks_uri http://unix:%%TESTDIR%%/inject-fault:/keys; }
    auth_jwt_issuer good { issuer good; audience api; jwks_uri http://127.0.0.1:8082/good; refresh 1s; }

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        location / {
            auth_jwt        "r";
            auth_jwt_trust  broken good;
            add_header      X-V "$jwt_status $pid" always;
            empty_gif;
        }
    }
EOF

respond_with($t, 'good', keys_response(jwks(public($key))));
key_service($t, 8082);
run_quietly($t);

my $of = sub { return sign($key, "{\"iss\":\"$_[0]\",\"aud\":\"api\"}") };
my $panics = sub { return scalar(() = $t->read_file('error.log') =~ /\[crit\] \d+#\d+: nginx-auth: panic at /g) };

my ($broken, $worker) = split / /, variables(get('/', $of->('broken')));
is($broken, 'keys_unavailable', 'a token whose issuer has no keys');
is($panics->(), 1, 'the fetch has panicked');
is(variables(get('/', $of->('good'))), "ok $worker", 'the same worker has the keys of another issuer');
get('/', $of->('broken')) for 1 .. 20;
cmp_ok($panics->(), '<', 5, 'there is a pause before the next attempt');
like(jwt_logged($t), qr/^error issuer "broken": last attempt failed, and the next one is not due: the fetch has panicked, as a \[crit\] line says$/m,
    'what the log says of requests meanwhile');
is(wait_asked($t, 'good', 3), 3, 'the keys of the other issuer are kept fresh');
is(variables(get('/', $of->('good'))), "ok $worker", 'by the same worker');
is(variables(get('/', $of->('broken'))) =~ s/ .*//r, 'keys_unavailable', 'as before');
my $before = $panics->();
is(wait_until(sub { $panics->() > $before }), 1, 'the next attempt comes');
$t->expect_panics($panics->()) if $t->can('expect_panics');
