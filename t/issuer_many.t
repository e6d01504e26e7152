#!/usr/bin/perl

# 100 issuers and four workers: each issuer is asked once, by one worker, and all workers know its
# keys; a reload asks for nothing that is fresh.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Issuers;
use Jose;
use Provider;

my $COUNT = 100;

my $t = Test::Nginx->new()->has(qw/ http /)->plan(10);
my $key = jwk('ES256', '--kid', 'a');
# without TLS, because 100 handshakes in two seconds are much for Perl
my $idp = Provider->new($t, 'many', 8443, plain => 1, host => '127.0.0.1', keys => jwks(public($key)), tenants => 1)->start();

sub conf {
    my ($count) = @_;
    my $blocks = join '', map { issuer_block("t$_", $idp, 'issuer ' . $idp->issuer() . "/t$_;") } 1 .. $count;
    return $blocks . <<"EOF";
    server {
        listen      127.0.0.1:8080 reuseport;
        root        html;
        add_header  X-Status \$jwt_status always;
        add_header  X-Pid \$pid always;
        location / { auth_jwt "r"; auth_jwt_trust @{[map { "t$_" } 1 .. $count]}; }
    }
EOF
}

# one issuer, for comparison
configure($t, conf(1), 'worker_processes 4;');
run_quietly($t);
await_issuer('/', tenant_token(1), '404 ok');
my $one = memory_of_all();
$t->stop();

$idp->forget();
unlink $t->testdir() . '/error.log';
configure($t, conf($COUNT), 'worker_processes 4;');
run_quietly($t);
is($idp->wait_asked('jwks', $COUNT), $COUNT, 'the keys of each issuer are fetched');
is(all_verdicts(), '404 ok', 'a token of each issuer, at each worker');
is(fetches(), "$COUNT issuers, 1 at most", 'once each');
is($idp->asked('discovery'), $COUNT, 'and once the metadata');
is(fetch_logged($t, undef), '', 'nothing went wrong');

my @times = sort { $a <=> $b } map { $_->[2] } grep { $_->[0] eq 'jwks' } $idp->events();
note(sprintf 'fetches of %d issuers are spread over %.1f s', $COUNT, $times[-1] - $times[0]);
my @at_once = map { my $from = $_; scalar grep { $_ >= $from && $_ < $from + 0.1 } @times } @times;
note('in a tenth of a second there are at most ' . (sort { $b <=> $a } @at_once)[0]);

# Four workers and their master. A worker's own count has all pages of shared memory that it can see.
my $all = memory_of_all();
my $each = ($all - $one) / ($COUNT - 1);
note(sprintf 'nginx has %d KiB with one issuer, %d KiB with %d: %.0f KiB for each', $one, $all, $COUNT, $each);
cmp_ok($each, '<', memory_limit(100), 'memory for each issuer, KiB');

### a reload

$idp->forget();
reload_workers($t);
is(all_verdicts(), '404 ok', 'after a reload, a token of each issuer at once');
is($idp->asked('jwks'), 0, 'after a reload, no fetch: the keys are fresh');
is(jwt_status(get('/', token_of($idp, $key))), '401 untrusted_issuer', 'the issuer above them');
is(jwt_status(get('/', token_of($idp, $key, iss => $idp->issuer() . '/t101'))), '401 untrusted_issuer', 'another one');

###############################################################################

sub tenant_token { return token_of($idp, $key, iss => $idp->issuer() . "/t$_[0]") }

# The memory of all processes in KiB. What several have together counts once. Programs and libraries do
# not count: other tests may use the same.
sub memory_of_all {
    my ($master) = $t->read_file('nginx.pid') =~ /(\d+)/;
    my $sum = 0;
    for my $pid ($master, workers($t)) {
        my %kib = slurp("/proc/$pid/smaps_rollup") =~ /^(Pss_Anon|Pss_Shmem):\s+(\d+) kB/mg;
        $sum += $kib{Pss_Anon} + $kib{Pss_Shmem};
    }
    return $sum;
}

# The verdicts on a token of each issuer, by each worker.
sub all_verdicts {
    my %verdicts;
    my @workers = workers($t);
    for my $n (1 .. $COUNT) {
        my $token = tenant_token($n);
        my %by;
        wait_longer(sub {
            my $response = get('/', $token);
            $by{ header($response, 'X-Pid') // '' } = 1;
            $verdicts{ jwt_status($response) } = 1;
            return !grep { !$by{$_} } @workers;
        }) or return 'not all workers were asked';
    }
    return join ', ', sort keys %verdicts;
}

sub fetches {
    my %count;
    $count{$_}++ for map { $_->[1] =~ m!^GET (/t\d+)/jwks! } grep { $_->[0] eq 'jwks' } $idp->events();
    my ($most) = sort { $b <=> $a } values %count;
    return keys(%count) . " issuers, $most at most";
}
