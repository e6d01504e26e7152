#!/usr/bin/perl

# The keys of an issuer in several workers: one fetches them for all, they outlive a
# reload, and go with the address that they were fetched from.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use KeyService;
use Test::Nginx qw/ http_end /;

my ($old, $new) = map { jwk('ES256', '--kid', $_) } qw/ old new /;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(30);

my $conf = sub {
    my (%uri) = @_;
    my %source = map { $_ => $uri{$_} =~ / / ? $uri{$_} : "jwks_uri  http://127.0.0.1:8082/$uri{$_}" } keys %uri;
    my $blocks = join "\n", map { "
        auth_jwt_issuer $_ {
            issuer    $_;
            audience  api;
            $source{$_};

            # A fetch that is held must not end by itself on a busy machine.
            read_timeout  60s;
        }" } sort keys %uri;
    return <<"EOF";
        $blocks

        server {
            listen       127.0.0.1:8080;
            server_name  localhost;

            location / {
                auth_jwt        "r";
                auth_jwt_trust  @{[ sort keys %uri ]};
                add_header      X-V "\$pid \$jwt_status" always;
                empty_gif;
            }
        }
EOF
};

my $main = 'worker_processes 4;';
configure($t, $conf->(one => 'one', two => 'two', held => 'held'), $main);

respond_with($t, $_, keys_response(jwks(public($old)))) for qw/ one two held /;
hold($t, 'held');
key_service($t, 8082);
run_quietly($t);

my $of = sub {
    my ($key, $iss) = @_;
    return sign($key, "{\"iss\":\"$iss\",\"aud\":\"api\",\"sub\":\"ann\"}");
};

# Asks on new connections until so many workers have responded, and returns the
# different outcomes.
my $by_workers = sub {
    my ($count, $token) = @_;
    my (%workers, %outcomes);
    wait_until(sub {
        my ($status, $worker, $result) = map { (status($_), split / /, variables($_)) } get('/', $token);
        $workers{$worker} = $outcomes{"$status $result"} = 1;
        return keys %workers == $count;
    });
    return keys(%workers) . ' workers: ' . join ', ', sort keys %outcomes;
};

### one fetch for all

is($by_workers->(4, $of->($old, 'one')), '4 workers: 200 ok', 'all workers have the keys');
is($by_workers->(4, $of->($old, 'two')), '4 workers: 200 ok', 'those of the other issuer, too');
is(asked($t, 'one'), 1, 'one worker fetched');
is(asked($t, 'two'), 1, 'also from the other');

### a reload

is(wait_asked($t, 'held', 1), 1, 'a fetch is under way');
my @before = started_workers($t);
is(reload_workers($t), 1, 'reload');
is(wait_until(sub { !grep { kill 0, $_ } @before }), 1, 'no fetch or timer keeps the old workers');
is($by_workers->(4, $of->($old, 'one')), '4 workers: 200 ok', 'the new workers have the keys');
is(asked($t, 'one'), 1, 'and did not fetch');
is(wait_asked($t, 'held', 2), 2, 'a fetch that ended with its worker is begun again');
go_on($t, 'held');
is($by_workers->(4, $of->($old, 'held')), '4 workers: 200 ok', 'and gives keys');
is(asked($t, 'held'), 2, 'no other worker fetched');

### a request that waits in an old worker

# It waits for two seconds at most, and a busy machine may need longer for a reload.
my $response;
for my $name (map { "late$_" } 1 .. 5) {
    hold($t, $name);
    respond_with($t, $name, keys_response(jwks(public($old))));
    reload_with($t, $conf->(one => 'one', two => 'two', $name => $name), $main);
    my $waiting = ask({ start => 1 }, '/', bearer($of->($old, $name)));
    wait_asked($t, $name, 1);
    reload_workers($t);
    go_on($t, $name);
    $response = http_end($waiting);
    last if status($response) eq '200';
}
is(status($response), 200, 'a request of an old worker gets the keys');

### another address

respond_with($t, 'other', keys_response(jwks(public($new))));
is(reload_with($t, $conf->(one => 'other', two => 'two'), $main), 1, 'the keys are elsewhere');
is($by_workers->(4, $of->($old, 'one')), '4 workers: 401 unknown_key', 'those of before do not count');
is($by_workers->(4, $of->($new, 'one')), '4 workers: 200 ok', 'those of there do');
is(asked($t, 'other'), 1, 'one worker fetched');
is(reload_with($t, $conf->(one => 'one', two => 'two'), $main), 1, 'back again');
is($by_workers->(4, $of->($new, 'one')), '4 workers: 401 unknown_key', 'one or the other, never both');
is($by_workers->(4, $of->($old, 'two')), '4 workers: 200 ok', 'nobody else is affected');

### what came while the block had "insecure"

my $document = 'discovery http://127.0.0.1:8082/document';
respond_with($t, 'document', keys_response('{"issuer":"found","jwks_uri":"http://127.0.0.1:' . port(8082) . '/found"}'));
respond_with($t, 'found', keys_response(jwks(public($old))));
is(reload_with($t, $conf->(found => "$document insecure"), $main), 1, 'keys may come over http');
is($by_workers->(4, $of->($old, 'found')), '4 workers: 200 ok', 'they do');
respond_with($t, 'document', keys_response('{}', 503));
is(reload_with($t, $conf->(found => $document), $main), 1, 'they may not any more');
is($by_workers->(4, $of->($old, 'found')), '4 workers: 500 keys_unavailable', 'those of before do not count');

### the reason why there are no keys, by each worker

# The lines of the workers that are there now.
my $reasons = sub {
    my %pids = map { $_ => 1 } workers($t);
    my %lines;
    for (split /\n/, $t->read_file('error.log')) {
        my ($level, $pid, $line) = /\[(\w+)\] (\d+)#\d+: \*\d+ auth_jwt: (issuer .*?), client:/ or next;
        $lines{$pid}{"$level $line" =~ s/:\d+/:PORT/gr} = 1 if $pids{$pid};
    }
    return keys(%lines) . ' workers: ' . join "\n", sort keys %{ { map { %$_ } values %lines } };
};
my $paused = sub { return "error issuer \"$_[0]\": last attempt failed, and the next one is not due: $_[1]" };
is($reasons->(), '4 workers: ' . $paused->('found', 'the discovery document of "found" does not come: HTTP status 503'),
    'each has it');

# A port at which nothing listens. The long reason is cut off after 509 bytes.
my $url = 'http://127.0.0.1:' . port(8089) . '/' . 'l' x 3000;
respond_with($t, 'dead', keys_response('{}', 503));
is(reload_with($t, $conf->(dead => 'dead', long => "jwks_uri $url"), $main), 1, 'two issuers that do not answer');
is($by_workers->(4, $of->($old, $_)), '4 workers: 500 keys_unavailable', "$_ has no keys") for qw/ dead long /;
my ($first, $second) = split /\n/, $reasons->();
is($first, '4 workers: ' . $paused->('dead', '"http://127.0.0.1:PORT/dead": HTTP status 503'), 'each has the reason');
my $shown = substr("\"$url", 0, 509) =~ s/:\d+/:PORT/r;
is($second, $paused->('long', "$shown..."), 'a long one');
