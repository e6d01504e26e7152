#!/usr/bin/perl

# auth_status: one count for all workers, which a reload does not lose, whatever
# it changes, nor a worker that dies.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use Metrics;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(25);

my $key = jwk('HS256', '--kid', 'a');
$t->write_file('keys.json', $key);

# Locations with a name of auth_status_zone each.
my $conf = sub {
    my ($names, $more) = @_;
    my $locations = join '', map { "location = /$_ { auth_jwt r; auth_status_zone $_; }\n" } @$names;
    return <<"EOF";
    auth_jwt_key_file keys.json;
    add_header X-Worker \$pid always;
    server {
        listen 127.0.0.1:8080 reuseport;
        server_name localhost;
        location = /status { auth_status; }
        location = /worker { return 204; }
        $locations
        @{[ $more // '' ]}
    }

EOF
};

configure($t, $conf->([qw/ a b c /]), 'worker_processes 4;');
$t->run();
my $good = sign($key, '{"sub":"user"}');

# Requests on new connections until each of so many workers has served one. Each
# worker has sockets of its own, so that the kernel spreads them.
my $requests = sub {
    my ($uri, $workers) = @_;
    my (%by, $count);
    wait_until(sub {
        my $worker = header(get($uri, $good), 'X-Worker');
        $by{$worker}++ if defined $worker;
        $count++;
        return keys %by >= $workers;
    });
    return ($count, scalar keys %by);
};
my $count = sub {
    my ($zone) = @_;
    return metric(qq(nginx_auth_jwt_requests_total{zone="$zone",status="ok",result="accepted"})) // '-';
};

###############################################################################

my %sum;
for my $zone (qw/ a b /) {
    my ($sent, $workers) = $requests->("/$zone", 4);
    $sum{$zone} = $sent;
    is($workers, 4, "$zone, four workers");
    is($count->($zone), $sent, 'have one count');
}
is($count->('c'), 0, 'each name has its own');

my $since = sub { metric('nginx_auth_counters_created_timestamp_seconds') };
my $start = $since->();

### a reload

reload_workers($t);
is(join(' ', map { $count->($_) } qw/ a b c /), "$sum{a} $sum{b} 0", 'a reload loses nothing');
reload_with($t, $conf->([qw/ z c a b x /]), 'worker_processes 4;');
is(join(' ', map { $count->($_) } qw/ a b c x z /), "$sum{a} $sum{b} 0 0 0", 'nor with names added and in another order');
get('/x', $good) for 1 .. 7;
reload_with($t, $conf->([qw/ renamed c b /]), 'worker_processes 2;');
is(join(' ', map { $count->($_) } qw/ renamed a b x /), "0 - $sum{b} -", 'nor with names removed, and fewer workers');
get('/b', $good) for 1 .. 5;
reload_with($t, $conf->([qw/ a b x /]), 'worker_processes 6;');
is(join(' ', map { $count->($_) } qw/ a b x /), join(' ', $sum{a}, $sum{b} + 5, 7), 'a name that comes back goes on');
my ($sent, $workers) = $requests->('/a', 6);
is($workers, 6, 'six workers');
is($count->('a'), $sum{a} + $sent, 'have one count');
is($since->(), $start, 'the counters are those of the start');

### a configuration that fails

my ($before) = workers($t);
configure($t, $conf->([map { "new$_" } 1 .. 200], 'auth_status_zone;'), 'worker_processes 6;');
$t->reload();
is(wait_until(sub { $t->read_file('error.log') =~ /invalid number of arguments in "auth_status_zone"/ }), 1,
    'a configuration that nginx refuses');
configure($t, $conf->([map { "new$_" } 1 .. 300]), 'worker_processes 6;');
$t->reload();
is(wait_until(sub { $t->read_file('error.log') =~ /there are more than 256 names/ }), 1, 'and one with too many names');
is(join(' ', map { $count->($_) } qw/ a b x /), join(' ', $sum{a} + $sent, $sum{b} + 5, 7), 'lose nothing');
get('/a', $good);
is($count->('a'), $sum{a} + $sent + 1, 'and do not stop the counting');

### a worker that dies

my $files = sub { metric("nginx_auth_jwt_key_file_versions_total{file=\"@{[$t->testdir()]}/keys.json\"}") };
is($files->(), 1, 'one key file');
replace_file($t, 'keys.json', jwks($key, jwk('HS256', '--kid', 'b')));
get('/b', $good);
is($files->(), 2, 'and another one, which the configuration was not read with');
my @workers = workers($t);
is(scalar(grep { $_ == $before } @workers), 1, 'the same workers');
kill 'KILL', $workers[0];
is(wait_until(sub { my @now = workers($t); @now == 6 && !grep { $_ == $workers[0] } @now }), 1, 'another worker');
is(wait_until(sub { forget_line($t, qr/^.*\[alert\].* process $workers[0] exited on signal 9\n/m) }), 1,
    'nginx reports the one that died');
($sent, $workers) = $requests->('/x', 6);
is($count->('x'), 7 + $sent, 'goes on with the counts');
is($files->(), 2, 'and counts no key file again');

### no page, and a page again

reload_with($t, $conf->(['a']) =~ s/auth_status;/return 204;/r, 'worker_processes 1;');
get('/a', $good) for 1 .. 3;
reload_with($t, $conf->(['a']), 'worker_processes 1;');
is($count->('a'), 0, 'where there is no page, nothing is counted or kept');
get('/a', $good);
is($count->('a'), 1, 'a new page begins at 0');

###############################################################################

# Takes a line out of error.log that the closing checks would complain of, and
# returns whether it was there. nginx appends to the file.
sub forget_line {
    my ($t, $line) = @_;
    my $log = $t->read_file('error.log');
    $log =~ s/$line// or return 0;
    $t->write_file('error.log', $log);
    return 1;
}
