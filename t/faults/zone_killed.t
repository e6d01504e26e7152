#!/usr/bin/perl

# Workers that are killed at each step of an operation on a zone of shared memory, most of them while
# they hold its lock. nginx's master releases the lock. The other workers give no wrong verdict,
# accept no proof again, and go on. Runs on a module with the feature fault-injection.

use FindBin;
use lib "$FindBin::Bin/../lib";
use Auth;
use AuthJwt;
use Dpop;
use Jose;
use KeyService;
use Test::Nginx qw/ http_end /;
use Test::Nginx::Raw;
use VerdictService;

use Time::HiRes qw/ sleep /;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)->plan(27);

my ($key, $unknown) = map { jwk('ES256', '--kid', $_) } qw/ k unknown /;
$t->write_file('keys.json', jwks($key));

# Verdicts, in a zone of this size.
my $verdicts = sub { my ($size, @more) = @_; return <<"EOC" };
    # A log of level debug would be large.
    error_log %%TESTDIR%%/error.log info;
    keepalive_requests 10000;
    auth_request_cache_zone verdicts:$size;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        location /verdict {
            auth_request             /auth;
            auth_request_cache       verdicts;
            auth_request_cache_key   \$http_key;
            auth_request_cache_valid any 1h;
            auth_request_set         \$said \$upstream_http_x_said;
            add_header               X-Seen "\$auth_request_cache_status \$said" always;
            empty_gif;
        }
        location = /auth { internal; proxy_pass http://127.0.0.1:8081/\$http_key; }
        @more
    }
EOC

configure($t, <<'EOC' . $verdicts->('64k', <<'EOL'), 'worker_processes 4;');
    auth_jwt_dpop_zone 64k;
    auth_jwt_issuer one { issuer one; audience api; jwks_uri http://127.0.0.1:8082/one; }
    auth_jwt_key_file keys.json;
EOC
        location = /x { auth_jwt "r"; auth_jwt_binding dpop required; empty_gif; }
        location = /nonce { auth_jwt "r"; auth_jwt_binding dpop required; auth_jwt_dpop_nonce on; empty_gif; }
        location = /issuer {
            auth_jwt        "r";
            auth_jwt_trust  one;
            add_header      X-Pid $pid always;
            add_header      X-Status $jwt_status always;
            empty_gif;
        }
EOL
verdict_service($t, 8081);
respond_with($t, 'one', keys_response(jwks(public($key))));
key_service($t, 8082);
run_quietly($t);

my $kills = 0;

# Makes requests, each of which kills its worker one step later than the one before, until one does
# not. After each kill, calls $check, which returns what is wrong, if anything is.
my $sweep = sub {
    my ($lines, $uri, $check, @steps) = @_;
    my (@wrong, $count);
    for my $step (@steps ? @steps : 1 .. 300) {
        my $s = connection();
        my @lines = $lines->($step);
        if (exchange($s, request($uri, @lines, "X-Fault: zone $step")) ne '') {
            # This worker is not to be killed any more.
            exchange($s, request($uri, @lines, 'X-Fault: zone 0'));
            last unless @steps;
            next;
        }
        $count++;
        push @wrong, map { "step $step: $_" } $check->($step);
    }
    $kills += $count;
    return ($count, join ', ', @wrong);
};

### verdicts

my $is_right = sub {
    my ($name) = @_;
    my $seen = seen(ask('/verdict', "Key: $name"));
    return $seen =~ m!^200 (?:HIT|MISS) /$name 0:$! ? () : "$name: $seen";
};
my $check = sub { map { $is_right->($_) } 'known', "k$_[0]", 'known' };
is(join(', ', map { $is_right->('known') } 1 .. 8), '', 'verdicts');
my ($count, $wrong) = $sweep->(sub { "Key: k$_[0]" }, '/verdict', $check);
cmp_ok($count, '>', 20, "workers are killed at $count steps of a lookup and a change");
is($wrong, '', 'and each verdict is right');

# The next worker empties the zone, and is killed as well.
my $twice = sub { $sweep->(sub { 'Key: known' }, '/verdict', sub { () }, 1 .. 8); $check->(@_) };
($count, $wrong) = $sweep->(sub { "Key: again$_[0]" }, '/verdict', $twice, 3, 7);
is($count, 2, 'workers are killed, and those that empty the zone');
is($wrong, '', 'and each verdict is right');

### used proofs

my $client = dpop_client();
my $token = sign($key, '{"cnf":{"jkt":"' . thumbprint($client) . '"}}');
my $lines = sub { ("Authorization: DPoP $token", "DPoP: $_[0]") };
my $use = sub { my ($proof, $uri) = @_; return ask($uri // '/x', $lines->($proof)) };
my $proof = sub { return dpop_proof($client, $token, @_) };

my $used = $proof->();
is(status($use->($used)), 200, 'a proof');
my (@fresh, @accepted);
# Of a client whose clock is ahead, for it is to be judged at all steps.
my $ahead = sub { push @fresh, $proof->(iat => '"now+30"'); return $lines->($fresh[-1]) };
my $once = sub {
    my $again = status($use->($used));
    my @new = grep { $_ eq '200' } map { status($use->($fresh[-1])) } 1 .. 2;
    return ($again eq '401' ? () : "used again: $again", @new < 2 ? () : 'used twice');
};
($count, $wrong) = $sweep->($ahead, '/x', $once);
cmp_ok($count, '>', 10, "workers are killed at $count steps of noting the use of a proof");
is($wrong, '', 'and none is accepted again');
like(jwt_logged($t), qr/DPoP proof: it may have been used before, the memory of used proofs was lost since/, 'why');
is(wait_until(sub { status($use->($proof->())) eq '200' }), 1, 'the next proof of a client is accepted');

my $url = '"http://localhost/nonce"';
my $nonce = sub { return '"' . (header($use->($_[0], '/nonce'), 'DPoP-Nonce') // '') . '"' };
my $with_nonce = sub { return $proof->(htu => $url, nonce => $nonce->($used), @_) };
$used = $with_nonce->();
is(status($use->($used, '/nonce')), 200, 'a proof with a nonce');
my $refused = sub {
    my $again = status($use->($used, '/nonce'));
    my $new = status($use->($with_nonce->(), '/nonce'));
    return ($again eq '401' ? () : "used again: $again", $new eq '200' ? () : "a new one: $new");
};
($count, $wrong) = $sweep->(sub { $lines->($with_nonce->()) }, '/nonce', $refused);
cmp_ok($count, '>', 10, "workers are killed at $count steps");
is($wrong, '', 'no proof is accepted again, and each new one is');

### keys of an issuer

my $of = sub { return sign($_[0], '{"iss":"one","aud":"api"}') };
my ($good, $bad) = map { $of->($_) } $key, $unknown;
my $forged = $good =~ s/\.[^.]+\z/'.' . 'A' x 86/er;
my $keys = sub {
    my @got = map { jwt_status(get('/issuer', $_)) } $good, $forged, $good;
    return "@got" eq '200 ok 401 bad_signature 200 ok' ? () : "@got";
};
is(wait_until(sub { !$keys->() }), 1, 'keys');
# An unknown key has each worker look.
($count, $wrong) = $sweep->(sub { bearer($bad) }, '/issuer', $keys);
cmp_ok($count, '>', 5, "workers are killed at $count steps of looking for keys");
is($wrong, '', 'and the others have keys');

# Each worker has keys, and a connection of the test's.
my %connections;
my $is_good = sub { return jwt_status(exchange($_[0], request('/issuer', bearer($good)))) };
wait_until(sub {
    my $s = connection();
    my $response = exchange($s, request('/issuer', bearer($good)));
    $connections{ header($response, 'X-Pid') } = $s if status($response) eq '200';
    return keys %connections == 4;
});
is(keys %connections, 4, 'all workers have keys');
respond_with($t, 'one', keys_response('', 500));
my ($pid) = sort keys %connections;
my $killed = delete $connections{$pid};
is(exchange($killed, request('/issuer', bearer($bad), 'X-Fault: zone 4')), '', 'one of them is killed');
$kills++;
my $failed = qr/issuer "one": .* 500/;
my $failures = sub { return scalar(() = $t->read_file('error.log') =~ /$failed/g) };
is(wait_until(sub { $failures->() }), 1, 'shared memory is lost, and the issuer fails');
my %seen;
for (1 .. 3) {
    # Of two failures, one is new to each worker.
    my $before = $failures->();
    $seen{ $is_good->($_) }++ for values %connections;
    wait_until(sub { $failures->() > $before });
}
is(join(' ', sort keys %seen), '200 ok', 'the others go on with their keys');

### a worker of before a reload, whose zone the new configuration has not

# An empty zone, so that the steps are always the same.
reload_with($t, $verdicts->('96k'), 'worker_processes 4;');
my @names = map { "old$_" } 1 .. 4;
hold($t, $_) for 'dying', @names;
my @old = map { ask({ start => 1 }, '/verdict', "Key: $_") } @names;
is(wait_until(sub { @names == grep { asked($t, $_) } @names }), 1, 'requests wait for their verdicts');
# This one comes last, for each of them makes steps. It is to die when it stores the verdict.
my $dying = ask({ start => 1 }, '/verdict', 'Key: dying', 'X-Fault: zone 9');
is(wait_asked($t, 'dying', 1), 1, 'and so does one whose worker is to be killed');
reload_with($t, $verdicts->('128k'), 'worker_processes 4;');
go_on($t, 'dying');
is(http_end($dying), '', 'it is killed');
$kills++;
go_on($t, $_) for @names;
# Some may have been requests of that worker.
my %ends = map { status(read_response($_)) => 1 } @old;
is(join(' ', grep { $_ ne 'none' } sort keys %ends), '200', 'the other old workers go on');

### what nginx says

my @pids;
wait_until(sub {
    @pids = $t->read_file('error.log') =~ /process (\d+) exited on signal 9$/mg;
    return @pids >= $kills;
});
my $log = $t->read_file('error.log');
my $lost = () = $log =~ /\[error\].* the zone "[^"]+" is half changed, dropping all of its entries$/mg;
ok($lost > 0 && $lost <= $kills, "one line at most for each of $kills killed workers");
unlike($log, qr/damaged/, 'nothing was found damaged');
is(killed($t, @pids), $kills, 'nginx reports them');
