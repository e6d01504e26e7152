#!/usr/bin/perl

# scripts/split-debug, which scripts/build runs for a release: the module without
# its debug information works as before, and gdb finds the information.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;

use Cwd ();
use File::Copy qw/ copy /;

my ($built) = ($ENV{TEST_NGINX_GLOBALS} // '') =~ /load_module\s+([^;]+);/
    or BAIL_OUT('no load_module in TEST_NGINX_GLOBALS: use scripts/test');

my $t = Test::Nginx->new()->has(qw/ http /)->plan(8);
my $module = $t->testdir() . '/module.so';
copy($built, $module) or die "Can't copy $built: $!\n";
my $exported = `nm -D --defined-only $built`;

is(system(Cwd::realpath('../scripts/split-debug'), $module), 0, 'split');
cmp_ok(-s $module, '<', (-s $built) / 2, 'the module is smaller');
is(sections($module), '.gnu_debuglink', 'the module has a link instead of debug information');
is(sections("$module.debug"), '.debug_info .debug_line', 'the file beside it has the information');
like(`readelf --string-dump=.gnu_debuglink $module`, qr/ module\.so\.debug\n/, 'the link names it');
is((stat "$module.debug")[2] & 0777, 0644, 'nobody executes it');
is(`nm -D --defined-only $module`, $exported, 'the module exports what it did');

$ENV{TEST_NGINX_GLOBALS} =~ s/\Q$built\E/$module/;
configure($t, <<'EOF');
    server {
        listen 127.0.0.1:8080;
        auth_jwt "r";
        auth_jwt_key_file keys.json;
    }
EOF
$t->write_file('keys.json', '{"keys":[]}');
run_quietly($t);
is(status(ask('/')), 401, 'nginx runs with it');

# Of the sections that have to do with debug information, those that a file has.
sub sections {
    my ($file) = @_;
    my @names = `readelf --sections --wide $file` =~ /(\.debug_info|\.debug_line|\.gnu_debuglink) +PROGBITS/g;
    return join ' ', sort @names;
}
