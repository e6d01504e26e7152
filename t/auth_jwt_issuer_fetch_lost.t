#!/usr/bin/perl

# Shared memory loses the keys of an issuer while the issuer does not answer: workers go on with
# those that they have.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use KeyService;
use Provider;
use SharedMemory;
use Time::HiRes qw/ sleep time /;

plan(skip_all => 'only for root') if $> != 0;

my $t = Test::Nginx->new()->has(qw/ http /)->plan(7);

configure($t, <<'EOF', 'worker_processes 3;');
    auth_jwt_issuer one {
        issuer    one;
        audience  api;
        jwks_uri  http://127.0.0.1:8082/one;
    }

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        location / {
            auth_jwt        "r";
            auth_jwt_trust  one;
            add_header      X-V $pid;
            empty_gif;
        }
    }
EOF

my ($old, $new) = map { jwk('ES256', '--kid', $_) } qw/ old new /;
my ($old_token, $new_token) = map { sign($_, '{"iss":"one","aud":"api","sub":"ann"}') } $old, $new;

# Asks for so long. Returns the workers that have let the token in, and other statuses.
sub answers {
    my ($seconds) = @_;
    my %answers;
    my $until = time + $seconds;
    while (time < $until) {
        my $response = get('/', $old_token);
        $answers{status($response) eq '200' ? variables($response) : status($response)}++;
        sleep 0.01;
    }
    return \%answers;
}

respond_with($t, 'one', keys_response(jwks(public($old))));
key_service($t, 8082);
$t->run();

is(wait_longer(sub { keys %{answers(0.5)} == 3 }), 1, 'each worker has keys');

respond_with($t, 'one', keys_response('', 503));
my %areas = shared_areas($t);
# The zone of an issuer has room for a text of 4 MiB.
my ($zone) = grep { $areas{$_} > 4 << 20 and $areas{$_} < 5 << 20 } keys %areas;
isnt($zone, undef, 'its shared memory');
# Behind nginx's own management, which begins with the mutex.
overwrite($t, $zone + 4096, "\0" x 65_536);

# Fetches fail at once and after a second.
my $answers = answers(2.5);
is($answers->{500}, undef, 'they go on with them');
like($t->read_file('error.log'), qr/the zone "auth_jwt_issuer:one" is half changed, dropping all of its entries/,
    'although shared memory has lost them');
cmp_ok(asked($t, 'one'), '>=', 3, 'and the issuer does not give them');

respond_with($t, 'one', keys_response(jwks(public($new))));
is(wait_longer(sub { status(get('/', $new_token)) eq '200' }), 1, 'a key that it gives later');
is(status(get('/', $old_token)), '401', 'takes the place of the old ones');
