#!/usr/bin/perl

# A worker that is killed while it fetches the keys of an issuer: another one takes over, and
# requests that wait for the fetch wait for that of the other one.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use KeyService;
use Provider;
use Test::Nginx qw/ http_end /;

my ($old, $new) = map { jwk('ES256', '--kid', $_) } qw/ old new /;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(10);

configure($t, <<'EOF', 'worker_processes 4;');
    auth_jwt_issuer one {
        issuer    one;
        audience  api;
        jwks_uri  http://127.0.0.1:8082/one;

        # A fetch that is held must not end by itself.
        read_timeout  60s;
    }

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        location / {
            auth_jwt        "r";
            auth_jwt_trust  one;
            add_header      X-V "$pid $jwt_status" always;
            empty_gif;
        }
    }
EOF

my $of = sub { return sign($_[0], '{"iss":"one","aud":"api","sub":"ann"}') };
my $verdict = sub { return join ' ', status($_[0]), (split / /, variables($_[0]))[1] };
# The worker that has a connection to the service.
my $fetching = sub {
    my $remote = sprintf '0100007F:%04X', port(8082);
    my %inodes = map { (split)[2] eq $remote ? ((split)[9] => 1) : () } split /\n/, slurp('/proc/net/tcp');
    my @found = grep {
        grep { (readlink($_) // '') =~ /^socket:\[(\d+)\]$/ and $inodes{$1} } glob "/proc/$_/fd/*"
    } workers($t);
    return @found == 1 ? $found[0] : undef;
};
my @killed;
my $kill = sub {
    my $worker;
    wait_until(sub { $worker = $fetching->() }) or return 'no worker fetches';
    push @killed, $worker;
    kill 'KILL', $worker;
    # What it had was closed by the system.
    return wait_until(sub { !-d "/proc/$worker" }) ? 'killed' : 'lives';
};

### nobody has keys

hold($t, 'one');
respond_with($t, 'one', keys_response(jwks(public($old))));
key_service($t, 8082);
run_quietly($t);

is(wait_asked($t, 'one', 1), 1, 'a worker fetches');
is($kill->(), 'killed', 'it is killed');
is(wait_asked($t, 'one', 2), 2, 'another worker takes over');
is($kill->(), 'killed', 'it is killed as well');
is(wait_asked($t, 'one', 3), 3, 'the next one takes over');
go_on($t, 'one');
my $response;
wait_until(sub { status($response = get('/', $of->($old))) eq '200' });
is($verdict->($response), '200 ok', 'there are keys');
is(asked($t, 'one'), 3, 'nobody else fetched');

### requests that wait for a newer key

# They wait for two seconds at most, and a busy machine may need longer to notice. An unknown key has
# the issuer asked once in ten seconds.
my $verdicts;
for (1 .. 3) {
    respond_with($t, 'one', keys_response(jwks(public($old))));
    my $asked = asked($t, 'one');
    hold($t, 'one', $asked);
    my @waiting;
    wait_longer(sub {
        push @waiting, ask({ start => 1 }, '/', bearer($of->($new)));
        return asked($t, 'one') > $asked;
    });
    # Some for each worker, those that wait for their own fetch included.
    push @waiting, map { ask({ start => 1 }, '/', bearer($of->($new))) } 1 .. 20;
    respond_with($t, 'one', keys_response(jwks(public($new), public($old))));
    last if $kill->() ne 'killed';
    wait_asked($t, 'one', $asked + 2);
    go_on($t, 'one');
    # The killed worker has given no response to those that it had.
    my %different = map { $verdict->($_) => 1 } grep { length } map { http_end($_) } splice @waiting, -20;
    $verdicts = join ', ', sort keys %different;
    last if $verdicts eq '200 ok';
}
is($verdicts, '200 ok', 'requests of other workers have the key that the next one has fetched');

wait_until(sub { status($response = get('/', $of->($new))) eq '200' });
is($verdict->($response), '200 ok', 'all goes on');
is(wait_until(sub { killed($t, @killed) == @killed }), 1, 'all killed workers are reported');
