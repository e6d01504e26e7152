#!/usr/bin/perl

# Tests for src/nginx/bitfields.c: the setters in the module under test write
# the same bits as the compiler of its nginx, with the options of that nginx.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;

use File::Basename qw/ dirname /;
use File::Temp qw/ tempdir /;

my ($module) = ($ENV{TEST_NGINX_GLOBALS} // '') =~ /load_module\s+([^;]+);/
    or BAIL_OUT('no load_module in TEST_NGINX_GLOBALS: use scripts/test');

# scripts/build leaves the paths of nginx and the shim's library beside the module

my $dir = dirname($module);
my $shim = "$dir/libnginx_auth_shim.a";
open my $note, '<', "$dir/nginx" or BAIL_OUT("no note $dir/nginx: $!");
chomp(my ($build, $source) = <$note>);

my %setters = map { $_ => 1 } `nm $shim` =~ /T nginx_auth_set_(\w+)/g;
my %asked = map { $_ => 1 }
    slurp("$FindBin::Bin/../src/nginx/bitfields.c") =~ /^BIT\((\w+)/mg;
is_deeply(\%setters, \%asked, 'the shim has the setters of its source');

# nginx's makefile has its compiler, options and include folders

my $temp = tempdir(CLEANUP => 1);
open my $makefile, '>', "$temp/Makefile" or die "Can't create Makefile: $!\n";
print $makefile <<"EOF";
include $build/Makefile
bitfields:
	\$(CC) \$(CFLAGS) \$(ALL_INCS) -o $temp/bitfields $FindBin::Bin/bitfields.c $shim
EOF
close $makefile;

my $made = `make -s -C $source -f $temp/Makefile bitfields 2>&1`;
is($?, 0, 'bitfields.c compiled') or diag($made);

my %results = map { split } `$temp/bitfields`;
is($?, 0, 'bitfields.c ran');
is_deeply(\%results, { map { $_ => 'same' } keys %setters },
    'each setter writes what the compiler writes');

done_testing();
