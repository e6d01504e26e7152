#!/usr/bin/perl

# auth_request_cache_zone: shared memory of all workers with room for the most
# recently used verdicts. Damaged memory is detected.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Test::Nginx::Raw;
use SharedMemory;
use VerdictService;

use Time::HiRes qw/ sleep time /;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)->plan(59);

sub conf {
    my ($size) = @_;
    return (<<"EOF", 'worker_processes 3;');
    auth_request_cache_zone  verdicts:$size;
    auth_request_cache_zone  other:32k;
    auth_request_cache       verdicts;
    auth_request_cache_key   \$http_key;
    auth_request_cache_valid any 1h;
    auth_request             /auth;
    auth_request_set         \$id \$upstream_http_x_id;
    auth_request_set         \$user \$upstream_http_x_user;
    large_client_header_buffers 4 256k;
    proxy_buffer_size        128k;
    proxy_buffers            4 128k;
    proxy_busy_buffers_size  256k;
    add_header X-Seen "\$auth_request_cache_status" always;
    # at level debug, the load below would write a log of 100 MB
    error_log %%TESTDIR%%/error.log info;
    add_header X-Id \$id always;
    add_header X-User \$user always;
    add_header X-Pid \$pid always;

    server {
        listen       127.0.0.1:8080 reuseport;
        server_name  localhost;
        root         html;
        location /other { auth_request_cache other; }
        location = /auth {
            auth_request off;
            proxy_pass http://127.0.0.1:8081;
        }
    }

    server {
        listen       127.0.0.1:8081;
        server_name  service;
        # the response has the key, so that a verdict of another key shows
        location / {
            add_header X-User \$http_key\$http_fat;
            add_header X-Id \$request_id;
            return 204;
        }
    }

EOF
}

configure($t, conf('32k'));
$t->run();

### one small zone: the least recently used goes

is(cached("a$_"), 'MISS', "a$_") for 1, 2;
my $kept = 0;
for my $i (1 .. 400) {
    cached("b$i");
    # one of the first keys stays in use
    $kept++ if cached('a1') eq 'HIT';
}
is($kept, 400, 'a verdict that is used stays');
is(cached('a2'), 'MISS', 'a verdict that is not used leaves');
is(cached('b1'), 'MISS', 'the oldest verdict leaves');
my @room = grep { cached("b$_") eq 'HIT' } reverse 350 .. 400;
cmp_ok(scalar @room, '>=', 30, 'the newest verdicts are cached');
unlike($t->read_file('error.log'), qr/does not fit/, 'no verdict failed to fit');

### verdicts that are too large

is(cached('small', 'Fat: ' . 'x' x 1000), 'MISS', 'a small verdict');
is(cached('small', 'Fat: ' . 'x' x 1000), 'HIT', 'cached');
is(cached('fat', 'Fat: ' . 'x' x 100_000), 'MISS', 'a verdict larger than the zone')
    for 1, 2;
is(cached('small', 'Fat: ' . 'x' x 1000), 'HIT', 'the small verdict is still cached');
my @warned = $t->read_file('error.log')
    =~ /\[warn\] .*: (a value of \d+ bytes does not fit into the zone "\w+"|.*does not fit.*)/g;
is(@warned, 2, 'a warning each time');
like($warned[0], qr/^a value of 100\d\d\d bytes does not fit into the zone "verdicts"/, 'text of the warning');
is(cached('fat', 'Fat: ' . 'x' x 15_000), 'MISS', 'a verdict as large as the zone can hold');
is(cached('fat', 'Fat: ' . 'x' x 15_000), 'HIT', 'cached');
is(header(ask('/', 'Key: fat', 'Fat: ' . 'x' x 15_000), 'X-User'),
    'fat' . 'x' x 15_000, 'the largest verdict is complete');
is(cached('after'), 'MISS', 'a small verdict after it');
is(cached('after'), 'HIT', 'cached');

### zones are separate

is(status(ask('/other', 'Key: zones')), 404, 'in another zone');
my $other = ask('/other', 'Key: zones');
is(seen($other), '404 HIT', 'cached in the other zone');
cached("c$_") for 1 .. 200;
is(seen(ask('/other', 'Key: zones')), '404 HIT', 'not evicted by verdicts of the first zone');

### all workers

reload_with($t, conf('1m'));
is(scalar(workers($t)), 3, 'three workers');
my %pids;
my @seen = map {
    my $response = ask('/', 'Key: shared');
    $pids{header($response, 'X-Pid') // ''} = 1;
    seen($response);
} 1 .. 60;
is(shift @seen, '404 MISS', 'a miss in one worker');
is(join(' ', grep { $_ ne '404 HIT' } @seen), '', 'hits in all workers');
cmp_ok(scalar keys %pids, '>', 1, 'more than one worker responded');

### a worker that is killed under load

my $wrong = 0;
my (%statuses, @killed);
for my $round (1 .. 12) {
    my @load = map { spawned(sub { load($_[0]) }, 1000 * $round + $_) } 1 .. 3;
    sleep 0.1;
    my %dead = map { $_ => 1 } @killed;
    my @workers = grep { !$dead{$_} } workers($t);
    push @killed, $workers[rand @workers];
    kill 'KILL', $killed[-1];
    for my $pipe (@load) {
        while (my $line = <$pipe>) {
            chomp $line;
            $wrong++ if $line eq 'wrong';
            $statuses{$line}++;
        }
        close $pipe;
    }
}
is($wrong, 0, 'no verdict of another key');
ok($statuses{right}, 'requests were served while workers were killed');
ok(wait_until(sub { workers($t) == 3 }), 'three workers again');
ok(wait_until(sub { killed($t, @killed) == @killed }), 'all killed workers are reported');
cached('alive');
is(cached('alive'), 'HIT', 'the zone still works');

### damaged memory

SKIP: {
    skip 'only for root', 12 if $> != 0;

    reload_with($t, conf('256k'));
    cached("d$_") for 1 .. 100;
    is(scalar(grep { cached("d$_") eq 'HIT' } 1 .. 100), 100, 'a hundred verdicts are cached');
    my %areas = shared_areas($t);
    my @areas = grep { $areas{$_} == 256 * 1024 } keys %areas;
    is(scalar(@areas), 1, 'the memory of the zone');
    my ($start) = @areas;

    for my $case (
        # name, from, to, what is written

        ['head zeroed', 4096, 4096 + 128, sub { "\0" }],
        ['links of the head', 4096 + 64, 4096 + 128, sub { "\xff" }],
        ['all ones', 4096, 256 * 1024, sub { "\xff" }],
        ['all zeros', 4096, 256 * 1024, sub { "\0" }],
        ['noise', 4096, 256 * 1024, sub { chr int rand 256 }],
        map({ ["some bytes $_", 4096, 256 * 1024, sub { undef }] } 1 .. 20),
    ) {
        my ($name, $from, $to, $byte) = @$case;
        cached("d$_") for 1 .. 60;
        damage($t, $start, $from, $to, $byte);
        my ($bad, $again) = (0, 0);
        for my $i (1 .. 60, 61 .. 70) {
            my $response = ask('/', "Key: d$i");
            $bad++ unless seen($response) =~ /^404 (?:HIT|MISS|EXPIRED)$/
                and header($response, 'X-User') eq "d$i";
        }
        # damage may be found only when the damaged part is used
        for (1 .. 5) {
            $again = grep { cached("d$_") eq 'HIT' } 1 .. 60;
            last if $again == 60;
        }
        is("$bad $again", '0 60', "$name: no wrong verdict, and verdicts are cached again");
    }
    like($t->read_file('error.log'), qr/the zone "verdicts" is damaged, dropping all of its entries/,
        'the damage is in the log');
}

### helpers

sub cached {
    my ($key, @lines) = @_;
    return (split ' ', seen(ask('/', "Key: $key", @lines)))[1] // '';
}

# Runs the code in a process of its own, and returns a pipe with its output.
sub spawned {
    my ($code, @args) = @_;
    my $pid = open(my $pipe, '-|') // die "Can't fork: $!\n";
    return $pipe if $pid;
    $code->(@args);
    POSIX::_exit(0);
}

sub load {
    my ($seed) = @_;
    srand $seed;
    my $end = time + 0.3;
    $| = 1;
    while (time < $end) {
        my $key = 'load' . int rand 300;
        my $response = ask('/', "Key: $key");
        # the service is a worker, too, and may be the one that is killed
        print $response eq '' || $response =~ /^HTTP\S+ 500 / ? "none\n"
            : $response =~ /^X-User: $key\r$/m ? "right\n" : "wrong\n";
    }
}

# Overwrites each byte of a part of the zone, or a few bytes if the code returns none.
sub damage {
    my ($t, $start, $from, $to, $byte) = @_;
    my $write = sub { overwrite($t, $start + $_[0], $_[1]) };
    return $write->($from, join '', map { $byte->() } $from .. $to - 1)
        if defined $byte->();
    # in the part that holds entries
    $write->($from + int rand 30_000, chr int rand 256) for 1 .. 20;
}
