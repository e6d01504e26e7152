#!/usr/bin/perl

# Reloads that load another build of the module, under another name, one without the module, and one
# that has it again: what runs is what the configuration names, with shared memory of its own.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use File::Copy qw/ copy /;
use Load;
use Metrics;
use VerdictService;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)->plan(17);
my $dir = $t->testdir();

$ENV{TEST_NGINX_GLOBALS} =~ s/load_module\s+([^;]+);//
    or BAIL_OUT('no load_module in TEST_NGINX_GLOBALS: use scripts/test');
my $module = $1;
for my $name (qw/ one two /) {
    copy($module, "$dir/$name.so") or die "Can't copy the module: $!\n";
}

# What the workers have mapped, and whether the memory is the one of before.
my $loaded = sub {
    my %files = map { $_ => 1 } map { slurp("/proc/$_/maps") =~ m!/(one|two)\.so$!mg } workers($t);
    return join ' ', sort keys %files;
};
my $cached = sub { return (split ' ', seen(ask('/verdict', 'Key: a')))[1] };
my $counted = sub { return metric('nginx_auth_jwt_requests_total{zone="load",status="ok",result="accepted"}') };

configure($t, load_conf(main => "load_module $dir/one.so;"));
load_services($t);
run_quietly($t);
my $good = load_token();
is(wait_until(sub { status(get('/issuer', $good)) eq '200' }), 1, 'the issuer has keys');
my @clients = start_load(2);
is(join(' ', $loaded->(), $cached->(), $cached->()), 'one MISS HIT', 'the first build');

ok(reload_workers($t), 'a reload');
is(join(' ', $loaded->(), $cached->()), 'one HIT', 'keeps what is cached');

ok(reload_with($t, load_conf(main => "load_module $dir/two.so;")), 'another build');
is($loaded->(), 'two', 'runs, and the first one is gone');
is($cached->(), 'MISS', 'it has nothing cached');
is(wait_until(sub { status(get('/issuer', $good)) eq '200' }), 1, 'it fetches the keys');
ok(reload_workers($t), 'a reload');
is(join(' ', $loaded->(), $cached->()), 'two HIT', 'keeps what is cached');

my %count = stop_load(@clients);
is(wrong_outcomes(%count), '', 'each verdict was right, and no request failed');
cmp_ok($counted->(), '<', $count{counted}, 'the second build has counters of its own');

ok(reload_with($t, "server { listen 127.0.0.1:8080; return 204; }\n"), 'no module');
is($loaded->() . status(ask('/')), '204', 'is loaded');
ok(reload_with($t, load_conf(main => "load_module $dir/one.so;")), 'the first build again');
is(wait_until(sub { status(get('/issuer', $good)) eq '200' }), 1, 'has keys');
is(join(' ', $loaded->(), $cached->(), $cached->()), 'one MISS HIT', 'and begins with nothing');
