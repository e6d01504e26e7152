#!/usr/bin/perl

# An upgrade of nginx and of the module without a stop, under load, and an upgrade that is taken
# back: no request fails, and each verdict is right. The new processes have the new file of the
# module, which those of a reload have not.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Dpop;
use File::Copy qw/ copy /;
use Load;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)->plan(18);
my $dir = $t->testdir();

$ENV{TEST_NGINX_GLOBALS} =~ s/load_module\s+([^;]+)/load_module $dir\/module.so/
    or BAIL_OUT('no load_module in TEST_NGINX_GLOBALS: use scripts/test');
my $module = $1;
link $module, "$dir/module.so" or copy($module, "$dir/module.so") or die "Can't copy the module: $!\n";

# nginx upgrades itself only as a daemon, which is there a moment after the start.
my $nginx = $Test::Nginx::NGINX;
$t->write_file('start', <<"EOS");
#!/bin/sh
$nginx "\$@" || exit
while [ ! -s $dir/nginx.pid ]; do sleep 0.05; done
EOS
chmod 0755, "$dir/start" or die;
{
    no warnings 'once';
    $Test::Nginx::NGINX = "$dir/start";
}

configure($t, load_conf());
replace_file($t, 'nginx.conf', $t->read_file('nginx.conf') =~ s/daemon off;/daemon on;/r);
load_services($t);
run_quietly($t);
my $good = load_token();
is(wait_until(sub { status(get('/issuer', $good)) eq '200' }), 1, 'the issuer has keys');

my $client = dpop_client();
my $token = load_token(cnf => '{"jkt":"' . thumbprint($client) . '"}');
my $use = sub { return ask('/x', "Authorization: DPoP $token", "DPoP: $_[0]") };
my $nonce = header(ask('/x'), 'DPoP-Nonce');
my $used = dpop_proof($client, $token, nonce => "\"$nonce\"");
is(status($use->($used)), 200, 'a proof');

my $master = sub { return (eval { $t->read_file('nginx.pid') } // '') =~ /(\d+)/ ? $1 : 0 };
my $workers_of = sub {
    my $children = eval { slurp("/proc/$_[0]/task/$_[0]/children") } // '';
    return grep { (eval { slurp("/proc/$_/cmdline") } // '') =~ /^nginx: worker process/ } split ' ', $children;
};
# Whether a process has the file of the module that is there now.
my $has_file = sub { my $inode = (stat "$dir/module.so")[1]; return slurp("/proc/$_[0]/maps") =~ m! $inode +\Q$dir\E/module\.so$!m ? 1 : 0 };
# Starts new processes beside the old ones.
my $start_new = sub {
    my $old = $master->();
    kill 'USR2', $old;
    wait_until(sub { my $new = $master->(); $new && $new != $old && $workers_of->($new) == 4 });
    return ($old, $master->());
};
my $is_gone = sub { my ($pid) = @_; return wait_until(sub { !-d "/proc/$pid" }) };

my @clients = start_load(3);

### a reload

# As an installation does it: a new file takes the place of the old one.
copy($module, "$dir/module.new") && rename "$dir/module.new", "$dir/module.so" or die "Can't replace the module: $!\n";
is($has_file->(worker($t)), 0, 'a new file');
ok(reload_workers($t), 'a reload');
is($has_file->(worker($t)), 0, 'goes on with the old one');

### an upgrade

my ($old, $new) = $start_new->();
isnt($new, $old, 'new processes');
kill 'WINCH', $old;
ok(wait_until(sub { !$workers_of->($old) }), 'the old workers end');
kill 'QUIT', $old;
ok($is_gone->($old), 'and their master');
is(join(' ', map { $has_file->($_) } workers($t)), '1 1 1 1', 'the new workers have the new file');
is(status($use->($used)), 401, 'a proof is not accepted again');
is(wait_until(sub { status(get('/issuer', $good)) eq '200' }), 1, 'the issuer has keys');

### an upgrade that is taken back

($old, $new) = $start_new->();
isnt($new, $old, 'new processes');
kill 'WINCH', $old;
ok(wait_until(sub { !$workers_of->($old) }), 'the old workers end');
kill 'HUP', $old;
ok(wait_until(sub { $workers_of->($old) == 4 }), 'and come back');
kill 'QUIT', $new;
ok($is_gone->($new), 'the new processes end');
ok(wait_until(sub { $master->() == $old }), 'the old ones are those of nginx.pid');

my %count = stop_load(@clients);
is(wrong_outcomes(%count), '', 'each verdict was right, and no request failed');
my @lines = $t->read_file('error.log') =~ /^.*\[(?:warn|error|crit|alert|emerg)\] .*$/mg;
is(join("\n", @lines), '', 'nginx has nothing to say');
