#!/usr/bin/perl

# Keys that rotate under load: no good token is refused, none is let in that is not good, and the
# provider is asked once for each new key. The output has the number of requests and how long they
# took.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Issuers;
use Jose;
use Provider;
use Test::Nginx::Raw;

use Time::HiRes qw/ sleep time /;

my $t = Test::Nginx->new()->has(qw/ http http_ssl /)->plan(13);
my $dir = $t->testdir();
provider_certificates($t);

my %key = map { $_ => jwk('ES256', '--kid', $_) } 0 .. 3;
my $idp = Provider->new($t, 'corp', 8443, keys => jwks(public($key{0})))->start();

configure($t, issuer_block('corp', $idp, 'refresh 10m;') . <<'EOF', 'worker_processes 4;');
    server {
        listen      127.0.0.1:8080;
        root        html;
        keepalive_requests 1000000;
        access_log  off;
        error_log   error.log notice;
        auth_jwt    "r";
        add_header  X-Status $jwt_status always;
        location / { auth_jwt_trust corp; }
    }
EOF
run_quietly($t);
is(await_issuer('/', token_of($idp, $key{0}), '404 ok'), '404 ok', 'keys are there');

# Which key signs now: clients read it before each batch. Each key has good tokens, and forged ones
# with the same kid.
my %tokens;
for my $n (0 .. 3) {
    $tokens{$n} = {
        good => [map { token_of($idp, $key{$n}, n => $_) } 1 .. 50],
        forged => [map { token_of($idp, jwk('ES256', '--kid', $n), n => $_) } 1 .. 10],
    };
}
replace_file($t, 'signs', 0);

my @clients;
for (1 .. 4) {
    my $pid = fork() // die "Can't fork: $!\n";
    if ($pid) { push @clients, $pid; next }
    load();
    POSIX::_exit(0);
}

### three rotations: the new key signs as soon as it is published, and is asked for by its kid

for my $n (1 .. 3) {
    # an unknown kid counts once in 10 s
    sleep 10.5;
    $idp->forget()->behave(keys => jwks(map { public($key{$_}) } 0 .. $n));
    replace_file($t, 'signs', $n);
    is($idp->wait_asked('jwks', 1), 1, "rotation $n, the keys are fetched");
    sleep 1;
    is($idp->asked('jwks'), 1, "rotation $n, once");
}
$t->write_file('stop', '');
waitpid $_, 0 for @clients;

my (%verdicts, %slow, $longest);
for my $line (split /\n/, slurp("$dir/results")) {
    my ($kind, $status, $count, $worst) = split /\t/, $line;
    $verdicts{$kind}{$status} += $count;
    $longest = $worst if !defined $longest or $worst > $longest;
}
is(join(', ', sort keys %{ $verdicts{good} }), '404 ok', 'each good token is let in');
is(join(', ', sort keys %{ $verdicts{forged} }), '401 bad_signature', 'each forged one is refused');
cmp_ok($verdicts{good}{'404 ok'}, '>', 1000, 'good tokens');
note(sprintf '%d good, %d forged; the slowest took %.0f ms',
    map({ my $kind = $_; my $sum = 0; $sum += $_ for values %{ $verdicts{$kind} }; $sum } qw/ good forged /), 1000 * $longest);

### and a key that is withdrawn

$idp->behave(keys => jwks(public($key{3})));
reload_workers($t);
sleep 10.5;
get('/', token_of($idp, jwk('ES256', '--kid', 'nobody')));
is(await_issuer('/', $tokens{2}{good}[0], '401 unknown_key'), '401 unknown_key', 'a withdrawn key');
is(jwt_status(get('/', $tokens{3}{good}[0])), '404 ok', 'the last one');
is(jwt_status(get('/', $tokens{3}{forged}[0])), '401 bad_signature', 'the last one, forged');

###############################################################################

# A client that sends one request after another until there is a file "stop".
sub load {
    my (%count, %worst);
    my $s = connection();
    for (my $n = 0; !-e "$dir/stop"; $n++) {
        my $signs = $t->read_file('signs');
        my $previous = $signs > 0 ? $signs - 1 : 0;
        for my $case (
            map({ [good => $tokens{$signs}{good}[($n + 7 * $_) % 50]] } 1 .. 3),
            [good => $tokens{$previous}{good}[$n % 50]],
            [forged => $tokens{$previous}{forged}[$n % 10]],
        ) {
            my ($kind, $token) = @$case;
            my $from = time;
            my $response = exchange($s, request('/', bearer($token)));
            my $took = time - $from;
            my $status = jwt_status($response);
            $count{$kind}{$status}++;
            $worst{$kind}{$status} = $took if $took > ($worst{$kind}{$status} // 0);
            $s = connection() unless $response =~ /^Connection: keep-alive\r$/m;
        }
    }
    for my $kind (keys %count) {
        append("$dir/results", "$kind\t$_\t$count{$kind}{$_}\t$worst{$kind}{$_}\n") for keys %{ $count{$kind} };
    }
}
