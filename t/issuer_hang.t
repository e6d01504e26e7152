#!/usr/bin/perl

# auth_jwt_issuer: a provider that hangs costs nobody anything who has a known key; old workers do
# not wait for it; reloads under load refuse nobody. The output has a histogram of the requests.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Issuers;
use Jose;
use Provider;
use Test::Nginx::Raw;

use Time::HiRes qw/ sleep time /;

my $t = Test::Nginx->new()->has(qw/ http http_ssl stub_status /)->plan(27);
provider_certificates($t);

my $key = jwk('ES256', '--kid', 'a');
my $new = jwk('ES256', '--kid', 'b');
my $idp = Provider->new($t, 'corp', 8443, keys => jwks(public($key)))->start();
my $token = token_of($idp, $key);

my $conf = issuer_block('corp', $idp, 'refresh 1s;', 'stale 1h;', 'read_timeout 60s;') . <<'EOF';
    server {
        listen      127.0.0.1:8080;
        root        html;
        add_header  X-Status $jwt_status always;
        location /corp/    { auth_jwt "r"; auth_jwt_trust corp; }
        location = /status { stub_status; }
    }
EOF
configure($t, $conf, 'worker_processes 2;');
run_quietly($t);
is(await_issuer('/corp/', $token, '404 ok'), '404 ok', 'keys are there');

### each way to hang

my %hang = (
    'in the handshake' => [handshake => 'hang'],
    'before the header of the metadata' => [discovery => 'hang'],
    'before the header' => [jwks => 'hang'],
    'after the header' => [jwks => 'hang_after_header'],
    'after each byte' => [jwks => 'trickle'],
);
my %took;
for my $kind (sort keys %hang) {
    # what hung before is over when the keys were fetched again
    $idp->recover()->forget()->wait_asked('jwks', 2);
    $idp->forget()->behave(@{ $hang{$kind} });
    # the connection on which it hangs
    $idp->wait_asked('connect', 1);
    my @responses = map { timed(\@{ $took{$kind} }, sub { get('/corp/', $token) }) } 1 .. 100;
    is(join(' ', grep { $_ ne '404 ok' } map { jwt_status($_) } @responses), '', "hangs $kind, requests are let in");
    is($idp->asked('left'), 0, "hangs $kind, all the time");
}
$idp->recover();
my @responses = map { timed(\@{ $took{'not at all'} }, sub { get('/corp/', $token) }) } 1 .. 100;
is(join(' ', grep { $_ ne '404 ok' } map { jwt_status($_) } @responses), '', 'does not hang, requests are let in');
note(histogram(%took));

### a reload while it hangs: the old workers exit at once, and the new ones have the keys

$idp->forget()->behave(jwks => 'hang');
$idp->wait_asked('hangs', 1);
my @old = workers($t);
reload_workers($t);
is(jwt_status(get('/corp/', $token)), '404 ok', 'reload while it hangs, a token');
is(wait_longer(sub { !grep { -d "/proc/$_" } @old }), 1, 'reload while it hangs, the old workers are gone');
is($idp->wait_asked('left', 1), 1, 'their connection is closed');
is(join(' ', map { jwt_status(get('/corp/', $token)) } 1 .. 20), join(' ', ('404 ok') x 20), 'the new workers have the keys');

# likewise in the handshake
$idp->recover()->forget()->behave(handshake => 'hang');
$idp->wait_asked('connect', 1);
@old = workers($t);
reload_workers($t);
is(wait_longer(sub { !grep { -d "/proc/$_" } @old }), 1, 'a handshake that hangs, the old workers are gone');

### reloads under load

$idp->recover();
my $stop = $t->testdir() . '/stop';
my $results = $t->testdir() . '/results';
# made before the fork: the program that makes them serves one process
my %of_client = map { my $client = $_; $client => [map { token_of($idp, $key, client => $client, n => $_) } 1 .. 100] } 1 .. 4;
my @clients;
for my $client (1 .. 4) {
    my $pid = fork() // die "Can't fork: $!\n";
    if ($pid) { push @clients, $pid; next }
    my %verdicts;
    for (my $n = 0; !-e $stop; $n++) {
        $verdicts{ jwt_status(get('/corp/', $of_client{$client}[$n % 100])) }++;
    }
    append($results, "$_ $verdicts{$_}\n") for keys %verdicts;
    POSIX::_exit(0);
}
for my $n (1 .. 10) {
    $idp->behave($n % 3 == 0 ? (jwks => 'hang') : $n % 3 == 1 ? (down => 1) : (jwks => 'good', down => 0));
    reload_workers($t);
}
$t->write_file('stop', '');
waitpid $_, 0 for @clients;
my %verdicts;
$verdicts{ $_->[0] } += $_->[1] for map { [/^(.*) (\d+)$/] } split /\n/, slurp($results);
is(join(', ', sort keys %verdicts), '404 ok', 'ten reloads under load, each request is let in');
cmp_ok($verdicts{'404 ok'}, '>', 100, 'ten reloads under load, requests');
note("$verdicts{'404 ok'} requests");

### nothing is left

$idp->recover();
is(await_issuer('/corp/', $token, '404 ok'), '404 ok', 'in the end');
is(connections_left(), 1, 'no connection of a client is left');
my $sockets = sub { scalar grep { (readlink($_) // '') =~ /^socket:/ } glob "/proc/$_[0]/fd/*" };
my @before = map { $sockets->($_) } workers($t);
$idp->forget()->wait_asked('jwks', 5);
is(wait_longer(sub { join(' ', map { $sockets->($_) } workers($t)) eq join(' ', @before) }), 1, 'five fetches leave no socket');

### one process: no master, no workers

$t->stop();
$idp->behave(jwks => 'good');
configure($t, $conf, 'master_process off;');
run_quietly($t);
is(await_issuer('/corp/', $token, '404 ok'), '404 ok', 'a single process, keys');
$idp->forget()->behave(jwks => 'hang');
$idp->wait_asked('hangs', 1);
is(jwt_status(get('/corp/', $token)), '404 ok', 'a single process, hangs');
# a single process of nginx takes no connections after a reload, with or without this module
$t->reload();
is($idp->wait_asked('left', 1), 1, 'a single process, a reload ends the fetch');
$t->stop();
$idp->recover();
run_quietly($t);
is(await_issuer('/corp/', $token, '404 ok'), '404 ok', 'a single process, started again');
$idp->forget()->behave(jwks => 'hang');
$idp->wait_asked('hangs', 1);
$t->stop();
is($idp->wait_asked('left', 1), 1, 'a single process, it stops while the provider hangs');

###############################################################################

sub timed {
    my ($times, $code) = @_;
    my $from = time;
    my $result = $code->();
    push @$times, time - $from;
    return $result;
}

sub histogram {
    my (%times) = @_;
    my @limits = (0.5, 1, 2, 5, 10, 50, 100, 500, 1000, 2000, 9**9);
    my @rows = sprintf '%-36s' . ('%8s' x @limits), 'requests while the provider hangs',
        map({ "<$_" } @limits[0 .. $#limits - 1]), 'ms';
    for my $kind (sort keys %times) {
        my %count;
        for my $time (@{ $times{$kind} }) {
            my ($limit) = grep { $time * 1000 < $_ } @limits;
            $count{$limit}++;
        }
        push @rows, sprintf '%-36s' . ('%8s' x @limits), $kind, map { $count{$_} // '' } @limits;
    }
    return join "\n", @rows;
}
